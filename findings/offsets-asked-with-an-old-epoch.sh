#!/usr/bin/env bash
# librdkafka: an admin client that asks for offsets only goes on asking with the leader epoch that it learned first.
#
# One would guess: `AdminClient.list_offsets` finds the leader of a partition for each call, or at least asks anew who
# leads once the broker answers that its knowledge is old; so a client that lives through a broker's restart answers
# again as soon as the broker does, as a consumer does.
# What happens: the client keeps what metadata said at its first call, leader epoch included, and sends that epoch along.
# A restart of the broker raises the epoch. From then on every `list_offsets` ends with FENCED_LEADER_EPOCH, in
# milliseconds and for as long as it was watched: the error does not make the client ask anew. `list_topics` of the same
# client, once, mends it; a new client never has it.
# Why it matters: who computes a consumer's lag (end minus position) by one long-lived admin client sees no lag any more
# after the first restart or change of leaders, and the error names an epoch that nobody gave. Call `list_topics` first,
# or take a new client when one fails.
# The same loop was known of a consumer's own look-up of offsets (confluentinc/librdkafka, issue 4620, mended in 2.3).
set -euo pipefail
KAFKA=4.4.0
for tool in python3 java mvn; do
    command -v "$tool" >/dev/null || { echo "$0 needs $tool" >&2; exit 77; }
done
work=$(mktemp -d)
broker=
clean() {
    if [[ -n $broker ]]; then
        kill "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
cd "$work"

python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1

cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>findings</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -B -q -C dependency:copy-dependencies -DoutputDirectory="$work/jars" >maven.log 2>&1 || {
    cat maven.log >&2
    exit 1
}

read -r port controller < <(python3 -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in taken))')
cat >server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$work/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
PROPERTIES
java -cp "jars/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c server.properties >kafka.log 2>&1
start() {
    : >"kafka-$1.log"
    java -Xmx512m -cp "jars/*" kafka.Kafka server.properties >>"kafka-$1.log" 2>&1 &
    broker=$!
    for ((tries = 0; tries < 900; tries++)); do
        grep -q "Kafka Server started" "kafka-$1.log" && return
        kill -0 "$broker" 2>/dev/null || { tail -20 "kafka-$1.log" >&2; exit 1; }
        sleep 0.1
    done
    exit 1
}
start first

cat >finding.py <<'PYTHON'
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition, libversion, version
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BROKER = sys.argv[1]
PARTITION = TopicPartition("events", 0)
WATCHED_SECONDS = 60


def end(admin):
    try:
        return admin.list_offsets({PARTITION: OffsetSpec.latest()}, request_timeout=5)[PARTITION].result().offset
    except KafkaException as error:
        return error.args[0].name()


def expect(what, wanted, got):
    print(f"{what}: {got}", flush=True)
    if got != wanted:
        sys.exit(f"CHANGED: {what} is {got}, was {wanted}")


def within(seconds, wanted, ask):
    for _ in range(seconds):
        if (got := ask()) == wanted:
            break
        time.sleep(1)
    return got


print("confluent-kafka", version(), "librdkafka", libversion()[0])
CLIENT = {"bootstrap.servers": BROKER, "log_level": 0}
maker = AdminClient(CLIENT)
maker.create_topics([NewTopic("events", 1, 1)])["events"].result()
old = AdminClient(CLIENT)
expect("the end of the partition, by a client", 0, within(30, 0, lambda: end(old)))

Path("asked").touch()
while not Path("restarted").exists():
    time.sleep(0.1)
expect("after a restart, by a new client", 0, within(60, 0, lambda: end(AdminClient(CLIENT))))
expect("by the old client, once it is connected", "FENCED_LEADER_EPOCH", within(60, "FENCED_LEADER_EPOCH", lambda: end(old)))
answers = set()
until = time.monotonic() + WATCHED_SECONDS
while time.monotonic() < until:
    time.sleep(1)
    answers.add(end(old))
expect(f"and asked each second for {WATCHED_SECONDS} s", {"FENCED_LEADER_EPOCH"}, answers)
old.list_topics(timeout=10)
expect("by the old client, once list_topics was called", 0, end(old))
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port" &
finding=$!
until [[ -e asked ]]; do
    kill -0 "$finding" 2>/dev/null || { wait "$finding"; exit 1; }
    sleep 0.1
done
kill "$broker"
wait "$broker" || true
start second
touch restarted
wait "$finding"
echo "AS DESCRIBED"

#!/usr/bin/env bash
# confluent-kafka: the delivery report's timestamp is the broker's clock on a topic with LogAppendTime, unless acks=0.
#
# One would guess: `Message.timestamp()` in a producer's delivery report is what the producer gave to `produce`, since
# the record is the producer's own.
# What happens: with `message.timestamp.type=LogAppendTime` on the topic and acks 1 or all, the report holds the time
# at which the broker wrote the batch, of type 2 (TIMESTAMP_LOG_APPEND_TIME), whatever the producer set; a consumer
# reads the same number. With acks=0 there is no answer: the report holds the producer's own time as type 1
# (TIMESTAMP_CREATE_TIME) and no offset, although the record in the log has the broker's time and type 2: report and
# record contradict each other.
# On a topic with CreateTime (the default) the producer's time stands in both, even one of 1970.
# Why it matters: Kafka has no request that asks a broker what time it is; a record of one's own on such a topic does,
# to the millisecond, without reading it back. And a time-out or a latency from a report's timestamp compares two
# clocks.
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
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
PROPERTIES
java -cp "jars/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c server.properties >kafka.log 2>&1
java -Xmx512m -cp "jars/*" kafka.Kafka server.properties >>kafka.log 2>&1 &
broker=$!
for ((tries = 0; tries < 600; tries++)); do
    grep -q "Kafka Server started" kafka.log && break
    kill -0 "$broker" 2>/dev/null || { tail -20 kafka.log >&2; exit 1; }
    sleep 0.1
done

cat >finding.py <<'PYTHON'
import sys
import time

import confluent_kafka
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = sys.argv[1]
GIVEN_MS = 1_000
WAIT_SECONDS = 60
# acks=0 last: a new partition may refuse records for a moment, and only an acknowledged one is sent again.
ACKS = ("1", "all", "0")
# Open to the end: nobody would know of an unacknowledged record that was still on its way.
producers = []
NAMES = {TIMESTAMP_CREATE_TIME: "create", TIMESTAMP_LOG_APPEND_TIME: "append"}


def expect(what, wanted, got):
    print(f"{what}: {got}")
    if got != wanted:
        sys.exit(f"CHANGED: {what} is {got}, was {wanted}")


def said(stamp):
    """Type of the timestamp, and whether it is the one that the producer gave."""
    kind, at_ms = stamp
    return NAMES[kind], "the producer's" if at_ms == GIVEN_MS else "another"


def report(topic, acks):
    """Send one record; its delivery report."""
    reports = []
    producers.append(producer := Producer({"bootstrap.servers": BROKER, "acks": acks}))
    producer.produce(topic, b"what time is it?", timestamp=GIVEN_MS, on_delivery=lambda *both: reports.append(both))
    producer.flush(WAIT_SECONDS)
    ((error, message),) = reports
    if error is not None:
        sys.exit(f"not delivered: {error}")
    return message


def stored(topic, count):
    consumer = Consumer({"bootstrap.servers": BROKER, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    stamps = []
    deadline = time.monotonic() + WAIT_SECONDS
    while len(stamps) < count and time.monotonic() < deadline:
        record = consumer.poll(1)
        if record is not None and record.error() is None:
            stamps.append(record.timestamp())
    consumer.close()
    return stamps


print("confluent-kafka", confluent_kafka.__version__, "librdkafka", confluent_kafka.libversion()[0])
admin = AdminClient({"bootstrap.servers": BROKER})
topics = [NewTopic("appended", 1, 1, config={"message.timestamp.type": "LogAppendTime"}), NewTopic("created", 1, 1)]
for future in admin.create_topics(topics).values():
    future.result(WAIT_SECONDS)

reports = {acks: report("appended", acks) for acks in ACKS}
stamps = stored("appended", 3)
expect("LogAppendTime, acks=0: report", ("create", "the producer's"), said(reports["0"].timestamp()))
expect("LogAppendTime, acks=0: offset in the report", None, reports["0"].offset())
expect("LogAppendTime, acks=1: report", ("append", "another"), said(reports["1"].timestamp()))
expect("LogAppendTime, acks=all: report", ("append", "another"), said(reports["all"].timestamp()))
expect("LogAppendTime: types in the log", ["append"] * 3, [NAMES[kind] for kind, _ in stamps])
answered = sorted(reports[acks].timestamp() for acks in ("1", "all"))
expect("the reports of acks=1 and all are what the log says", True, all(stamp in stamps for stamp in answered))
print(f"the broker's time, as told by acks=all: {reports['all'].timestamp()[1]} ms; here: {time.time() * 1000:.0f} ms")

for acks in ACKS:
    expect(f"CreateTime, acks={acks}: report", ("create", "the producer's"), said(report("created", acks).timestamp()))
expect("CreateTime: in the log", [("create", "the producer's")] * 3, [said(stamp) for stamp in stored("created", 3)])
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

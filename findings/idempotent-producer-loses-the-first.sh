#!/usr/bin/env bash
# librdkafka (confluent-kafka 2.16), `enable.idempotence=true`, against Kafka 4.4: records that are sent to a topic that
# was made a moment ago are reported as delivered, without an error, and are in no log.
#
# One would guess: an idempotent producer (acks=all, order kept, up to five requests on their way) writes each record
# exactly once, or its delivery report bears an error.
# What happens: the broker announces a new partition a moment before it takes records for it. A first request is refused
# as too early, the second, sent meanwhile, is taken; the broker knows nothing of this producer yet and accepts any
# sequence number as its first. The retry of the first one has a lower number, is answered with
# DUPLICATE_SEQUENCE_NUMBER, and the client takes that for "written before": success, but without an offset
# (`record.offset()` is None). With 10 partitions about one new topic in five loses records in this way. With
# `max.in.flight.requests.per.connection=1` none does.
# Why it matters: who makes topics and sends at once (tests, deployments, a topic for each tenant) loses the very first
# records of a key, such as a registration or a set of rules, while `flush()` returns 0 and every callback says that all
# is well. To count delivery reports proves nothing; a report without an offset is the only sign.
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
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BROKER = sys.argv[1]
PARTITIONS = 10
RECORDS = 60
SECONDS_MAX = 300
admin = AdminClient({"bootstrap.servers": BROKER})


def send_to_new_topic(topic, **more):
    """Make a topic, send at once; how many records were sent, refused, delivered without an offset, and written."""
    producer = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True, "linger.ms": 0, "log_level": 0} | more)
    producer.list_topics(timeout=30)  # it is connected
    reports = []
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    for number in range(RECORDS):
        for partition in range(PARTITIONS):
            producer.produce(
                topic,
                str(number).encode(),
                partition=partition,
                on_delivery=lambda error, record: reports.append((error, record.offset())),
            )
        producer.poll(0)
        time.sleep(0.0005)
    left = producer.flush(60)
    assert left == 0 and len(reports) == PARTITIONS * RECORDS
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(PARTITIONS)}
    written = sum(answer.result(30).offset for answer in admin.list_offsets(asked).values())
    admin.delete_topics([topic])[topic].result(30)
    refused = sum(1 for error, _ in reports if error is not None)
    unplaced = sum(1 for error, offset in reports if error is None and offset is None)
    return len(reports), refused, unplaced, written


def lossy(name, topics_max, lost_max, **more):
    """How many of the new topics lost something; until so many did, or so many were made."""
    lost = topics = 0
    deadline = time.monotonic() + SECONDS_MAX
    while topics < topics_max and lost < lost_max and time.monotonic() < deadline:
        topics += 1
        sent, refused, unplaced, written = send_to_new_topic(f"{name}-{topics}", **more)
        if refused:
            sys.exit(f"CHANGED: {refused} of {sent} records were refused with an error")
        if sent - written != unplaced:
            sys.exit(f"CHANGED: {sent - written} are missing, and {unplaced} reports bear no offset")
        if sent != written:
            lost += 1
            print(f"  topic {topics}: {sent} sent, {sent} reported as delivered, {written} written, {unplaced} of the "
                  "reports without an offset")
    print(f"{name}: {lost} of {topics} new topics lost records")
    return lost, topics


print(f"confluent-kafka {confluent_kafka.version()}, librdkafka {confluent_kafka.libversion()[0]}")
lost, topics = lossy("five-in-flight", 400, 3)
if not lost:
    sys.exit(f"CHANGED: {topics} new topics, and none lost a record")
lost, topics = lossy("one-in-flight", 60, 1, **{"max.in.flight.requests.per.connection": 1})
if lost:
    sys.exit("CHANGED: one request on its way loses records too")
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

#!/usr/bin/env bash
# Kafka transactions: the end of a partition lies beyond the last record that anybody can ever read, and "the end" of
# a partition is up to three different numbers at the same time.
#
# One would guess: a partition is read to its end when the last record read has offset end - 1.
# What happens: the end of each transaction is a record in the log too (the commit or abort marker), which no client
# hands over. After a committed transaction of 3 records the end is 4 and the last record is 2; after one more that
# was aborted, the end is 6, the last record still 2. "last offset + 1 == end" never becomes true, for readers with
# and without `isolation.level=read_committed`. Only a position that the client moves past the markers gets there: the
# end-of-partition event of librdkafka (`enable.partition.eof`) and `position()`.
# While a transaction is open, a read-committed consumer's `get_watermark_offsets` says where that transaction began
# (the last stable offset), but the same call with `cached=True`, after a fetch, says the high watermark, which that
# consumer cannot reach; the admin client's `list_offsets` says the first or the second by the isolation level that it
# is asked with.
# Why it matters: a lag, a "caught up" or a progress bar from offsets of records is never zero behind a transactional
# producer, and one that mixes these calls waits for a number that never comes.
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
from confluent_kafka import Consumer, IsolationLevel, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BROKER = sys.argv[1]
EVENTS = TopicPartition("events", 0)
WAIT_SECONDS = 60
admin = AdminClient({"bootstrap.servers": BROKER})


def expect(what, wanted, got):
    print(f"{what}: {got}")
    if got != wanted:
        sys.exit(f"CHANGED: {what} is {got}, was {wanted}")


def end(isolation):
    """What `list_offsets` says."""
    answers = admin.list_offsets({EVENTS: OffsetSpec.latest()}, isolation_level=isolation)
    return answers[EVENTS].result(WAIT_SECONDS).offset


def ends():
    return end(IsolationLevel.READ_COMMITTED), end(IsolationLevel.READ_UNCOMMITTED)


def wait_for(both):
    """A transaction's marker may be written a moment after its producer was told that all is done."""
    deadline = time.monotonic() + WAIT_SECONDS
    while ends() != both and time.monotonic() < deadline:
        time.sleep(0.1)


def read(isolation):
    """Read from the start until librdkafka says that the partition ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER,
            "group.id": isolation,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition("events", 0, 0)])
    offsets = []
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        record = consumer.poll(1)
        if record is None:
            continue
        if record.error() is None:
            offsets.append(record.offset())
        elif record.error().code() == KafkaError._PARTITION_EOF:
            ended = record.offset()
            break
    else:
        sys.exit("no end of the partition was told in time")
    (position,) = consumer.position([EVENTS])
    asked = consumer.get_watermark_offsets(EVENTS, timeout=WAIT_SECONDS)[1]
    cached = consumer.get_watermark_offsets(EVENTS, cached=True)[1]
    consumer.close()
    return {"records": offsets, "eof": ended, "position": position.offset, "watermark": asked, "cached": cached}


print("confluent-kafka", confluent_kafka.__version__, "librdkafka", confluent_kafka.libversion()[0])
admin.create_topics([NewTopic("events", 1, 1)])["events"].result(WAIT_SECONDS)
producer = Producer({"bootstrap.servers": BROKER, "transactional.id": "one"})
producer.init_transactions(WAIT_SECONDS)


def send(count):
    producer.begin_transaction()
    for number in range(count):
        producer.produce("events", str(number))
    producer.flush(WAIT_SECONDS)


send(3)
producer.commit_transaction(WAIT_SECONDS)
wait_for((4, 4))
whole = {"records": [0, 1, 2], "eof": 4, "position": 4, "watermark": 4, "cached": 4}
expect("3 records committed: end for read_committed, read_uncommitted", (4, 4), ends())
expect("read_committed reads", whole, read("read_committed"))
expect("read_uncommitted reads", whole, read("read_uncommitted"))

send(1)
producer.abort_transaction(WAIT_SECONDS)
wait_for((6, 6))
whole = {"records": [0, 1, 2], "eof": 6, "position": 6, "watermark": 6, "cached": 6}
expect("1 more aborted: end for read_committed, read_uncommitted", (6, 6), ends())
expect("read_committed reads", whole, read("read_committed"))
expect("read_uncommitted reads", {**whole, "records": [0, 1, 2, 4]}, read("read_uncommitted"))

send(2)
expect("2 more, still open: end for read_committed, read_uncommitted", (6, 8), ends())
expect("read_committed reads", {**whole, "cached": 8}, read("read_committed"))
producer.abort_transaction(WAIT_SECONDS)
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

#!/usr/bin/env bash
# Kafka's size limits: 100 bytes are too large, 2 MB are not, and "Broker: Message size too large" is said without a
# broker.
#
# One would guess: `max.message.bytes` of a topic limits the size of one message, and the error names whose limit was
# passed.
# What happens, with librdkafka (confluent-kafka):
# - The topic's limit is one of the batch, after compression. On a topic with a limit of 10,000 bytes, 300 records of
#   100 bytes that wait for one another are refused all, each with MSG_SIZE_TOO_LARGE; librdkafka does not split a
#   refused batch as Kafka's own Java client does. With a `batch.size` below the limit, or compressed, the same 300
#   pass, and so does one compressed record of 2 MB, 200 times the limit. (The defaults, batches of 1,000,000 bytes and
#   a limit of 1,048,588, do fit.)
# - The producer's own `message.max.bytes` (1,000,000 by default) is one of the record before compression. A record
#   over it raises in `produce` with the text "Broker: Message size too large", before any broker is asked: here there
#   is none.
# Why it matters: whether a small record is taken hangs on its neighbours, so a burst fails where single records pass,
# and each of its records looks to be too large itself: whoever sets aside what is too large sets aside good records.
# A limit that a broker sets bounds nothing that a consumer holds in memory. And the text of the error sends one to
# the wrong end.
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
import socket
import sys
from collections import Counter

import confluent_kafka
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = sys.argv[1]
LIMIT_BYTES = 10_000
WAIT_SECONDS = 60


def expect(what, wanted, got):
    print(f"{what}: {got}")
    if got != wanted:
        sys.exit(f"CHANGED: {what} is {got}, was {wanted}")


def send(count, size_bytes, **settings):
    """Send equal records to the limited topic; how many ended how."""
    ends = Counter()
    # Long enough that all records meet in one batch; `flush` does not wait for it.
    producer = Producer({"bootstrap.servers": BROKER, "linger.ms": 20_000} | settings)
    for _ in range(count):
        producer.produce(
            "limited", b"a" * size_bytes, on_delivery=lambda error, _: ends.update([error.name() if error else "taken"])
        )
    producer.flush(WAIT_SECONDS)
    return dict(ends)


print("confluent-kafka", confluent_kafka.__version__, "librdkafka", confluent_kafka.libversion()[0])
admin = AdminClient({"bootstrap.servers": BROKER})
limited = NewTopic("limited", 1, 1, config={"max.message.bytes": str(LIMIT_BYTES)})
admin.create_topics([limited])["limited"].result(WAIT_SECONDS)

print(f"the topic's max.message.bytes: {LIMIT_BYTES}")
expect("1 record of 100 bytes", {"taken": 1}, send(1, 100))
expect("300 records of 100 bytes at once", {"MSG_SIZE_TOO_LARGE": 300}, send(300, 100))
expect("the same, batch.size 9000", {"taken": 300}, send(300, 100, **{"batch.size": 9_000}))
expect("the same, zstd", {"taken": 300}, send(300, 100, **{"compression.type": "zstd"}))
large = {"compression.type": "zstd", "message.max.bytes": 4_000_000}
expect("1 record of 2,000,000 bytes, zstd, message.max.bytes 4000000", {"taken": 1}, send(1, 2_000_000, **large))

with socket.socket() as nobody:
    # Bound, but nobody listens: no broker will ever answer there.
    nobody.bind(("127.0.0.1", 0))
    alone = Producer(
        {"bootstrap.servers": f"127.0.0.1:{nobody.getsockname()[1]}", "compression.type": "zstd", "log_level": 0}
    )
    try:
        alone.produce("anything", b"a" * 1_000_000)
        said = "taken"
    except KafkaException as error:
        said = error.args[0].str()
    blamed = "Unable to produce message: Broker: Message size too large"
    expect("1 record of 1,000,000 bytes, zstd, no broker", blamed, said)
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

#!/usr/bin/env bash
# kafka-python 3: `flush()` raises `UnknownError: Future not done` at once, for records that are all delivered a
# moment later.
#
# One would guess: `flush(timeout)` waits until every record sent before it is delivered or has failed, and an error
# means that some were not.
# What happens: a batch that is larger than the topic's `max.message.bytes` is refused by the broker; kafka-python
# splits it in two and sends the parts, so that all records arrive (librdkafka and aiokafka fail them). But the split
# wakes up the `flush` that waits for the whole, which finds that the whole was never finished, and raises; the parts
# are still on their way. A further `flush()` waits for them (and raises as well, if a part must be split again), and
# so does `get` on each future.
# Why it matters: who takes the error for a failure and sends again writes every record twice; and `flush` did not
# wait, so what comes after it (commit of what was read, end of the process) comes too early. It takes a `batch_size`
# (16 KiB by default) above the topic's limit (1 MiB by default). Kafka's own Java client had its kin: KAFKA-9312.
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
venv/bin/pip install -q --disable-pip-version-check kafka-python==3.0.12

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
import logging
import sys
import time

import kafka
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import UnknownError

BROKER = sys.argv[1]
# Too large for the topic as one batch; each half is small enough.
RECORDS = 150
TRIES_MAX = 5
WAIT_SECONDS = 60


def attempt():
    """What the first `flush` raised. Everything else must go well."""
    # All records wait for one another in one batch, which only `flush` sends.
    producer = KafkaProducer(
        bootstrap_servers=BROKER, linger_ms=600_000, delivery_timeout_ms=700_000, batch_size=1_000_000
    )
    futures = [producer.send("limited", b"a" * 100) for _ in range(RECORDS)]
    begun = time.monotonic()
    try:
        producer.flush(WAIT_SECONDS)
        raised = None
    except UnknownError as error:
        raised = error
    done = sum(future.is_done for future in futures)
    print(f"flush({WAIT_SECONDS}) raised {raised!r} after {time.monotonic() - begun:.2f} s")
    print(f"delivered by then: {done} of {RECORDS}")
    producer.flush(WAIT_SECONDS)
    offsets = {future.get(WAIT_SECONDS).offset for future in futures}
    print(f"after a second flush(): {len(offsets)} of {RECORDS} delivered, each once")
    producer.close()
    if len(offsets) != RECORDS:
        sys.exit(f"CHANGED: {len(offsets)} of {RECORDS} records have an offset of their own")
    return raised


print("kafka-python", kafka.__version__)
logging.basicConfig(level=logging.ERROR)
admin = KafkaAdminClient(bootstrap_servers=BROKER)
admin.create_topics([NewTopic("limited", 1, 1, topic_configs={"max.message.bytes": "10000"})])
admin.close()
# If the answer overtakes the thread that calls `flush`, that waits for the parts, and all is well.
for _ in range(TRIES_MAX):
    if attempt() is not None:
        break
else:
    sys.exit(f"CHANGED: flush() raised nothing in {TRIES_MAX} tries")
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

#!/usr/bin/env bash
# aiokafka: a member of a group that is not read leaves the group, stays out, and says that it still owns everything.
#
# One would guess: heartbeats run in the background, so a consumer that is there only for its membership (another
# client reads the partitions it is given, or it waits for work to finish) remains a member; and if it is put out, it
# joins again by itself, `assignment()` is empty meanwhile, and its commits are refused.
# What happens: heartbeats count for nothing once neither `getone` nor `getmany` was called for `max_poll_interval_ms`
# (5 minutes by default; the clock starts when the object is made, not when it joins). The consumer says so at level
# INFO only ("LeaveGroup request succeeded"), calls the listener's `on_partitions_revoked` once, and never joins again
# by itself. `assignment()` goes on to name the partitions, and `commit()` succeeds, since an empty group takes
# commits of anybody. Calls such as `commit`, `position` and `assignment` are no polls. One `getmany`, even of
# nothing, brings it back.
# Why it matters: the consumer is out of its group for good, while its assignment and its commits look well. Whoever
# uses aiokafka for the membership alone must count polls for it, and must ask the broker who is a member.
# Known for members without partitions (aio-libs/aiokafka, issues 720 and 1187); here the member has all of them.
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
venv/bin/pip install -q --disable-pip-version-check aiokafka==0.14.0

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
import asyncio
import sys
from importlib.metadata import version

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

BROKER = sys.argv[1]
MINE = {TopicPartition("events", 0), TopicPartition("events", 1)}
WAIT_SECONDS = 60


class Listener(ConsumerRebalanceListener):
    def __init__(self):
        self.calls = []

    async def on_partitions_revoked(self, revoked):
        self.calls.append(f"revoked {len(revoked)}")

    async def on_partitions_assigned(self, assigned):
        self.calls.append(f"assigned {len(assigned)}")


def expect(what, wanted, got):
    print(f"{what}: {got}")
    if got != wanted:
        sys.exit(f"CHANGED: {what} is {got}, was {wanted}")


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await admin.create_topics([NewTopic("events", 2, 1)])

    async def members():
        (answer,) = await admin.describe_consumer_groups(["watchers"])
        return len(answer.groups[0][5])

    async def until(number):
        for _ in range(WAIT_SECONDS * 10):
            if await members() == number:
                return number
            await asyncio.sleep(0.1)
        return await members()

    listener = Listener()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BROKER,
        group_id="watchers",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=200,
        max_poll_interval_ms=10_000,
        enable_auto_commit=False,
    )
    consumer.subscribe(["events"], listener=listener)
    await consumer.start()
    # The clock began when the object was made, and joining takes a while.
    await consumer.getmany(timeout_ms=0)
    expect("members after start()", 1, await until(1))
    expect("assignment() covers both partitions", True, consumer.assignment() == MINE)

    expect("members when max_poll_interval_ms has passed, heartbeats all the while", 0, await until(0))
    # Ten more heartbeats' and twenty retries' time: enough to join again, if it wanted to.
    for _ in range(20):
        await asyncio.sleep(0.1)
        if await members():
            sys.exit("CHANGED: it joined again by itself")
    print("members two seconds later: still 0")
    expect("the listener was told last", "revoked 2", listener.calls[-1])
    expect("assignment() still covers both partitions", True, consumer.assignment() == MINE)
    await consumer.commit({TopicPartition("events", 0): 0})
    print("commit() of a partition that it lost: succeeds")
    expect("members after commit()", 0, await members())

    expect("getmany() of nothing", {}, await consumer.getmany(timeout_ms=0))
    expect("members after one getmany()", 1, await until(1))
    await consumer.stop()
    await admin.close()


print("aiokafka", version("aiokafka"))
asyncio.run(main())
PYTHON
echo "Kafka $KAFKA"
venv/bin/python finding.py "127.0.0.1:$port"
echo "AS DESCRIBED"

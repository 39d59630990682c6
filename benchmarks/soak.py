"""`make soak`: workers that are left alone for an hour and more, with figures each minute, and every finding counted.

It looks for problems that show only after minutes: a member that leaves its group, a lag that grows, memory, log lines
and stores that grow with time and not with the events.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from benchmarks.lab import POSTGRESQL, SQLITE, Books, Lab, Stuck, Worker
from benchmarks.load import Uses, entities, limits, signings
from benchmarks.usage import ends
from streams.store.store import Store

CONTRACTS: Final = 2_000
MINUTES: Final = 65
RATE: Final = 1_000
TELL_SECONDS: Final = 60.0
TICK_SECONDS: Final = 0.02
SETTLE_SECONDS_MAX: Final = 300.0


def main() -> int:
    """Run the soak; exit 1 where a count is wrong, a worker ended, or its group lost a member."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"how long events come ({MINUTES})")
    parser.add_argument("--rate", type=int, default=RATE, help=f"uses a second ({RATE})")
    parser.add_argument("--store", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--workers", type=int, default=2, help="how many; SQLite serves one (2)")
    options = parser.parse_args()
    workers = options.workers if options.store == "postgresql" else 1
    with Lab() as lab, contextlib.ExitStack() as stack:
        url = lab.store(POSTGRESQL if options.store == "postgresql" else SQLITE)
        events = int(options.minutes * 60 * options.rate)
        licensed = limits(CONTRACTS, events)
        lab.send(entities())
        lab.send(signings(licensed))
        running = [stack.enter_context(Worker(lab, url, str(number))) for number in range(workers)]
        for worker in running:
            worker.wait(worker.ready, "it is ready", 120.0, 0.2)
        uses = Uses(events, licensed, until=time.time_ns() // 1000)
        books = Books(url)
        wrong = _soak(lab, url, books, running, uses, options.rate)
        missing = _settle(lab, books, running)
        standing = dict(books.standing_by_severity("usage-limit"))
        books.close()
    if missing:
        wrong.append(missing)
    if standing != dict(uses.expected):
        wrong.append(f"standing findings are {standing}, and must be {dict(uses.expected)}")
    for text in wrong:
        print(f"WRONG: {text}", file=sys.stderr)
    print(f"findings by severity: {standing}; all as they must be" if not wrong else "not as it must be")
    return 1 if wrong else 0


def _soak(lab: Lab, url: str, books: Books, running: list[Worker], uses: Uses, rate: int) -> list[str]:
    producer = Producer({"bootstrap.servers": lab.bootstrap, "partitioner": "murmur2_random", "linger.ms": 20})
    coming = iter(uses)
    sent, wrong = 0, []
    began = reported = time.monotonic()
    members = _members(lab)
    print(f"{len(running)} workers, {rate:,} uses a second for {uses.events / rate / 60:.0f} minutes", flush=True)
    while sent < uses.events:
        due = min(uses.events, int((time.monotonic() - began) * rate) + 1)
        while sent < due:
            message = next(coming)
            producer.produce(message.topic, message.value, message.key)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_SECONDS)
        if time.monotonic() - reported >= TELL_SECONDS:
            reported += TELL_SECONDS
            now = _members(lab)
            _tell((reported - began) / 60, sent, lab, url, books, running, now)
            if now != members:
                wrong.append(f"minute {(reported - began) / 60:.0f}: members were {members} and are {now}")
                members = now
            if not all(worker.alive() for worker in running):
                return [*wrong, "a worker ended"]
    next(coming, None)  # the expected findings are complete now
    producer.flush()
    return wrong


def _tell(
    minute: float, sent: int, lab: Lab, url: str, books: Books, running: list[Worker], members: list[str]
) -> None:
    positions = books.progress()
    lag = sum(max(0, end - positions.get(partition, 0)) for partition, end in ends(lab).items())
    memory = " + ".join(f"{worker.memory_bytes() / 2**20:.0f}" for worker in running)
    lines = sum(len(path.read_bytes().splitlines()) for path in Path(lab.folder).glob("worker-*.log"))
    ready = [worker.ready() for worker in running]
    print(
        f"minute {minute:3.0f}: sent {sent:,}, lag {lag:,}, waiting {books.waiting():,}, members {len(members)},"
        f" ready {ready}, memory {memory} MiB, log lines {lines}, store {_size(url) / 2**20:.0f} MiB",
        flush=True,
    )


def _members(lab: Lab) -> list[str]:
    admin = AdminClient({"bootstrap.servers": lab.bootstrap, "log_level": 0})
    groups = [group.group_id for group in admin.list_consumer_groups(request_timeout=20).result().valid]
    names = [name for name in groups if name.startswith("circulation")]
    described = admin.describe_consumer_groups(names, request_timeout=20) if names else {}
    return sorted(member.member_id for future in described.values() for member in future.result().members)


def _size(url: str) -> int:
    store = Store(url)
    with store.reading() as db:
        query = (
            "select pg_database_size(current_database())"
            if store.postgres
            else "select page_count * page_size from pragma_page_count(), pragma_page_size()"
        )
        row = db.one(query)
    store.close()
    return int(row[0]) if row else 0


def _settle(lab: Lab, books: Books, running: list[Worker]) -> str:
    last = ends(lab)

    def settled() -> bool:
        positions = books.progress()
        return all(positions.get(partition, 0) >= end for partition, end in last.items()) and not books.waiting()

    try:
        running[0].wait(settled, "all was taken in and judged", SETTLE_SECONDS_MAX, 0.5)
    except Stuck as stuck:
        return str(stuck)
    return ""


if __name__ == "__main__":
    sys.exit(main())

"""How the monitor of a store is, as a whole: its workers, its partitions, what waits, and why it does not watch.

A worker answers for itself (`/ready`), and only on its own machine. It also says so in the store, with each beat; what
no worker can say (that none lives, that nobody has a partition) follows from the store and from Kafka.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from circulation.calendar import format_instant
from circulation.packs.pack import Pack
from streams.feeds import feeds
from streams.feeds.feeds import STOPPED, Feed
from streams.health import readiness, workers
from streams.health.workers import Alive
from streams.store import schema_version
from streams.store.db import Db
from streams.store.files import BESIDE
from streams.store.store import Store
from streams.wire.broker import Group
from streams.worker.counts import Counts, count

# A group in it has its members, and they have their partitions.
STABLE: Final = "stable"
_SECOND: Final = 1_000_000


class Status(NamedTuple):
    """One look. `at` is the clock of the database, µs, by which beats and what waits are stamped.

    `feeds` and `group` are None where Kafka does not answer: `silent` says what it was asked for in vain.
    """

    at: int
    place: str
    schema: str
    bytes: int
    pack: Pack
    alive: list[Alive]
    counts: Counts
    positions: dict[tuple[str, int], int]
    feeds: list[Feed] | None
    group: Group | None
    silent: str = ""

    def lag(self, feed: Feed) -> int:
        """The records of a partition that were not taken in."""
        begin = max(feed.position or 0, feed.low or 0)
        return max(0, (feed.end or 0) - begin)

    def waits(self, since: int | None) -> float:
        """For how long something has waited, seconds."""
        return 0.0 if since is None else max(0, self.at - since) / _SECOND


def size(store: Store, db: Db) -> int:
    """The bytes of a store: of SQLite its files, of PostgreSQL its database."""
    if db.postgres:
        return int((db.one("select pg_database_size(current_database())") or (0,))[0])
    paths = [path for end in BESIDE if (path := store.beside(end)) is not None]
    return sum(path.stat().st_size for path in paths if path.exists())


def look(store: Store, db: Db, pack: Pack, clock: int) -> Status:
    """How a store is, without Kafka; `clock` is the one that deadlines go by (µs)."""
    where = {tp: next_ for tp, (next_, _) in feeds.positions(db).items()}
    return Status(
        at=workers.now(db),
        place=store.place,
        schema=schema_version.of(db) or "",
        bytes=size(store, db),
        pack=pack,
        alive=workers.alive(db),
        counts=count(db, clock),
        positions=where,
        feeds=None,
        group=None,
    )


def reasons(status: Status) -> list[str]:
    """Why not all is watched that should be, and what to do about it; empty where it is."""
    sentences = []
    if status.silent:
        sentences.append(f"{status.silent}: see that what CIRCULATION_KAFKA names is up; workers go on by themselves")
    if not status.alive:
        sentences.append("no worker of this store lives: start one (`circulation worker`)")
    stopped = [feed for feed in status.feeds or () if feed.state in STOPPED]
    if feeds.elsewhere(status.feeds or ()):
        sentences.append(readiness.ELSEWHERE)
    unread = {(feed.topic, feed.partition): feed.why for feed in stopped}
    sentences += readiness.unread(unread)
    if status.alive and status.group is not None and status.feeds is not None:
        sentences += _unowned(status.group, status.feeds, [worker.worker for worker in status.alive])
    for worker in status.alive:
        silent = status.waits(worker.beat)
        if silent > workers.LATE_SECONDS:
            sentences.append(
                f"{worker.worker}: it was last heard {silent:.0f} s ago, and says every {workers.BEAT_SECONDS:.0f} s"
                " how it is: it was killed, or hangs, or the store keeps it waiting; its own log says more"
            )
        for why in worker.reasons:
            known = readiness.partitions_of(why)
            if why not in sentences and not (known and known <= unread.keys()):
                sentences.append(f"{worker.worker}: {why}")
    return sentences


def _unowned(group: Group, feeds_: Sequence[Feed], workers_: Sequence[str]) -> list[str]:
    """The problems of a group whose members live."""
    if strangers := group.strangers(workers_):
        return [readiness.strange(strangers)]
    if group.state != STABLE:
        return [
            f"the group {group.name} is {group.state or 'not there'}: partitions change hands, which takes seconds;"
            " where it lasts, the logs of the workers say more"
        ]
    owned = {tp for tps in group.members.values() for tp in tps}
    existing = [feed for feed in feeds_ if feed.kafka_id is not None and not feed.beyond]
    left = [feed.name for feed in existing if (feed.topic, feed.partition) not in owned]
    if not left:
        return []
    more = f" and {len(left) - readiness.NAMED_MAX} more" if len(left) > readiness.NAMED_MAX else ""
    return [f"no worker has {', '.join(left[: readiness.NAMED_MAX])}{more}: workers take new partitions within seconds"]


def document(status: Status) -> dict[str, Any]:
    """The whole as one JSON document."""
    counts, group = status.counts, status.group
    why = reasons(status)
    return {
        "ready": not why,
        "reasons": why,
        "looked": format_instant(status.at),
        "store": {"place": status.place, "bytes": status.bytes, "schema": status.schema},
        "pack": {"pack": status.pack.pack, "version": status.pack.version, "digest": status.pack.digest},
        "workers": [
            {
                "worker": worker.worker,
                "version": worker.version,
                "started": format_instant(worker.started),
                "heard": format_instant(worker.beat),
                "ready": not worker.reasons,
                "reasons": worker.reasons,
                "warnings": worker.warnings,
            }
            for worker in status.alive
        ],
        "group": None
        if group is None
        else {
            "group": group.name,
            "state": group.state or "not there",
            "members": [{"member": name, "partitions": len(tps)} for name, tps in sorted(group.members.items())],
        },
        "partitions": _partitions(status),
        "lag": None if status.feeds is None else sum(map(status.lag, status.feeds)),
        "judge": {
            "waiting": sum(number for (name,), number in counts.queue.items() if name != "aside"),
            "waits_seconds": round(status.waits(counts.queue_since), 1),
            "set_aside": sum(counts.set_aside.values()),
        },
        "outbox": {
            "waiting": counts.outbox,
            "waits_seconds": round(status.waits(counts.outbox_since), 1),
            "set_aside": counts.unsent,
        },
        "deadlines": {"waiting": counts.deadlines, "due": counts.due},
    }


def _partitions(status: Status) -> list[dict[str, Any]]:
    if status.feeds is None:
        return [
            {"topic": topic, "partition": partition, "position": position}
            for (topic, partition), position in sorted(status.positions.items())
        ]
    owner = {tp: name for name, tps in (status.group.members if status.group else {}).items() for tp in tps}
    return [
        {
            "topic": feed.topic,
            "partition": feed.partition,
            "position": feed.position,
            "end": feed.end,
            "lag": status.lag(feed),
            "state": str(feed.state),
            "member": owner.get((feed.topic, feed.partition)),
        }
        for feed in status.feeds
    ]

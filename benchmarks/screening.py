"""`screening`: how long until a new pack has been held against a million listed assets, while live events go on."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import orjson

from benchmarks.bulk import multiply, template
from benchmarks.lab import SETTLE_SECONDS_MAX, Lab, kinds, working
from benchmarks.latency import CROSSINGS, WARM_SECONDS, Producing, licensed, tell
from benchmarks.load import REGISTERED, Message, entities, message, party_id
from benchmarks.report import Report
from benchmarks.usage import ends, settle
from circulation.calendar import SECOND, format_instant
from circulation.events.names import RULEPACK_PUBLISHED
from circulation.events.names import RULES as TOPIC
from circulation.examples import Json, asset, entry, listed
from detectors import RULES
from streams.facts.rulebook import shipped
from streams.store.queue import AGAIN
from streams.store.store import Store

ASSETS_LISTED, ASSETS_QUICK = 1_000_000, 100_000
HIT_EVERY: Final = 100
HARMLESS, HIT = "asset-listed", "asset-hit"
TAG: Final = "newly-secret"
# Of 1,000 live events a second. The numbers of what is to be found go into both without a rest.
USES, ACTS = 960, 40
SECONDS: Final = 60
# The listed assets are written into the store with numbers from here on; before them is what came by itself.
FIRST: Final = 1_000_000
SECONDS_MAX: Final = 60.0


def run(report: Report, *, quick: bool) -> None:
    """Each store by itself."""
    count = ASSETS_QUICK if quick else ASSETS_LISTED
    hits = count // HIT_EVERY
    report.title(
        "screening",
        f"{count:,} listed assets in the store; the shipped pack is published with one entry more, which matches"
        f" {hits:,} of them by a tag; from the moment at which it is sent until all are found and nothing waits in"
        f" bulk, while {USES + ACTS:,} events a second come in; of those that came meanwhile, how long until each"
        " finding is seen",
    )
    before = [*entities()]
    for kind in kinds():
        with Lab() as lab:
            url = lab.store(kind)
            # Parties come first: whatever names one is judged again when it is registered.
            lab.send(entities())
            lab.send(licensed(SECONDS + WARM_SECONDS))
            with working(lab, url, f"{kind}-before") as (worker, books):
                settle(worker, books, ends(lab))
            store = Store(url)
            for name, tags, number in ((HARMLESS, ["known"], count - hits), (HIT, [TAG], hits)):
                messages = [message(members, at) for at, members in enumerate(_offered(name, tags), start=1)]
                multiply(
                    store,
                    template(before, messages),
                    name,
                    number,
                    least=FIRST if name == HARMLESS else FIRST + 2 * count,
                )
            _rest(store)
            store.close()
            _measure(lab, kind, url, hits, report)


def _rest(store: Store) -> None:
    """Lets the database finish with what was written: a million rows at once are no part of what is measured."""
    with store.reading() as db:
        db.run("analyze")
        db.run("checkpoint" if store.postgres else "pragma wal_checkpoint(truncate)")


def _offered(name: str, tags: list[str]) -> list[Json]:
    # All of one owner, so that nothing else than the list is at work: no fields, for they would be alike.
    return [
        asset(name, REGISTERED, owner=party_id(0), tags=tags),
        listed(name, "2019-01-02", seller=party_id(0)),
    ]


def _measure(lab: Lab, name: str, url: str, hits: int, report: Report) -> None:
    with working(lab, url, name) as (worker, books):
        with (
            ThreadPoolExecutor(1) as beside,
            Producing(lab, SECONDS + WARM_SECONDS, uses=USES, acts=ACTS) as producing,
        ):
            # Findings are polled all the time, also while this waits for the pack.
            watching = beside.submit(producing.watch, worker, books)
            time.sleep(WARM_SECONDS)
            begun = time.time_ns() // 1000
            now = format_instant(begun // SECOND * SECOND)
            lab.send([_published(now)])
            worker.wait(lambda: books.standing_of("negative-list") == hits, "all are found", SETTLE_SECONDS_MAX)
            worker.wait(lambda: books.queued(AGAIN) == 0, "nothing waits in bulk", SETTLE_SECONDS_MAX)
            ended = time.time_ns() // 1000
            delays = watching.result()
        settle(worker, books, ends(lab))
        report.same(f"found of the new pack on {name}", hits, books.standing_of("negative-list"))
        report.same(f"found beside it on {name}", CROSSINGS * (SECONDS + WARM_SECONDS) * 2, len(delays))
    report.at_most(f"screened on {name}", (ended - begun) / SECOND, SECONDS_MAX, "s")
    tell(report, name, producing, delays, (begun, ended))


def _published(now: str) -> Message:
    """The shipped pack with one entry more, in force from now on."""
    members = orjson.loads(shipped(RULES).canonical)
    members["version"], members["valid_from"] = "screening", now
    members["negative_list"].append(entry("new", match={"tags": [TAG]}, actions=["list"]))
    event = {
        "specversion": "1.0",
        "id": "new",
        "source": "//regulator.example",
        "type": RULEPACK_PUBLISHED,
        "subject": members["pack"],
        "time": now,
        "data": members,
    }
    return Message(TOPIC, str(members["pack"]).encode(), orjson.dumps(event))

"""`screening`: how long until a new pack has been held against a million listed assets, while live events go on."""

import time
from typing import Final

import orjson

from benchmarks.bulk import multiply, template
from benchmarks.lab import SETTLE_SECONDS_MAX, Lab, kinds, working
from benchmarks.latency import CROSSINGS, WARM_SECONDS, Producing, licensed, tell
from benchmarks.load import REGISTERED, Message, entities, message, party_id
from benchmarks.report import Report
from benchmarks.usage import ends, settle
from circulation.calendar import SECOND, format_instant
from circulation.cases import Json, asset, entry, listed, pack
from streams.desks import AGAIN
from streams.store import Store

ASSETS_LISTED, ASSETS_QUICK = 1_000_000, 100_000
HIT_EVERY: Final = 100
HARMLESS, HIT = "asset-listed", "asset-hit"
TAG: Final = "newly-secret"
RULES: Final = "circulation.rules"
# Of 1,000 live events a second one in twenty is an act.
USES, ACTS = 950, 50
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
        f"{count:,} listed assets in the store, of which an entry of a new pack matches {hits:,} by a tag; from the"
        f" moment at which the pack is sent until all are found and nothing waits in bulk, while {USES + ACTS:,} events"
        f" a second come in for {SECONDS} s",
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
                some = [message(one, at) for at, one in enumerate(_offered(name, tags), start=1)]
                multiply(
                    store, template(before, some), name, number, least=FIRST if name == HARMLESS else FIRST + 2 * count
                )
            with store.writing() as db:
                db.run("analyze")
            store.close()
            _measure(lab, kind, url, hits, report)


def _offered(name: str, tags: list[str]) -> list[Json]:
    # All of one owner, so that nothing else than the list is at work: no fields, for they would be alike.
    return [
        asset(name, REGISTERED, owner=party_id(0), tags=tags),
        listed(name, "2019-01-02", seller=party_id(0)),
    ]


def _measure(lab: Lab, name: str, url: str, hits: int, report: Report) -> None:
    with working(lab, url, name) as (worker, books):
        with Producing(lab, SECONDS + WARM_SECONDS, uses=USES, acts=ACTS) as producing:
            time.sleep(WARM_SECONDS)
            now = format_instant(time.time_ns() // 1000 // SECOND * SECOND)
            members = pack(entry("new", match={"tags": [TAG]}, actions=["list"]), valid_from=now)
            members["detectors"] = {}
            lab.send([_published(members, now)])
            begun = time.perf_counter()
            worker.wait(lambda: books.standing_of("negative-list") == hits, "all are found", SETTLE_SECONDS_MAX)
            worker.wait(lambda: books.queued(AGAIN) == 0, "nothing waits in bulk", SETTLE_SECONDS_MAX)
            seconds = time.perf_counter() - begun
            delays = producing.watch(worker, books)
        settle(worker, books, ends(lab))
        report.same(f"found of the new pack on {name}", hits, books.standing_of("negative-list"))
        report.same(f"found beside it on {name}", CROSSINGS * (SECONDS + WARM_SECONDS) * 2, len(delays))
    report.at_most(f"screened on {name}", seconds, SECONDS_MAX, "s")
    tell(report, name, producing, delays)


def _published(members: dict[str, object], now: str) -> Message:
    said = {
        "specversion": "1.0",
        "id": "new",
        "source": "//regulator.example",
        "type": "circulation.rulepack.published",
        "subject": members["pack"],
        "time": now,
        "data": members,
    }
    return Message(RULES, str(members["pack"]).encode(), orjson.dumps(said))

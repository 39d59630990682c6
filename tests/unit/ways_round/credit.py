"""Ways in which a score can be kept high: none of them works (each test is named after its way)."""

import itertools
from collections.abc import Sequence

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import SELLER, Json, event, pack, party
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.store import Store


def published(since: str, version: str, *, time: str | None = None, **clock: object) -> Json:
    members = pack(detectors={"credit-clock": clock}, version=version, approved_by=["one", "two"])
    return event("rulepack.published", "beijing", time or since, **members | {"valid_from": since})


def replayed(lines: Sequence[Json], until: str) -> tuple[Json, list[Json]]:
    """The statement of the seller at an instant, and what stands of `credit-clock`."""
    store = Store("sqlite://")
    engine = offline(store, parse_pack(pack(), published=False))
    replay = Replay(engine, Admission(), until=parse_instant(until))
    replay.run(orjson.dumps(one) for one in lines)
    statements = {one["party"]: one for one in map(orjson.loads, replay.statements())}
    with store.reading() as db:
        (sent,) = db.one("select data from statements where party = ?", SELLER) or (b"{}",)
        rows = db.rows("select data from findings where standing and detector = 'credit-clock'")
    assert statements[SELLER]["records"] == orjson.loads(sent)["records"]
    return statements[SELLER], [orjson.loads(row[0]) for row in rows]


def objected(time: str, objection: str = "o") -> Json:
    return event("objection.filed", SELLER, time, objection=objection, record="r", grounds="it was not us")


def determined(time: str) -> Json:
    return event(
        "credit.determined",
        SELLER,
        time,
        record="r",
        act="an act",
        tier="serious",
        document_date=time[:10],
        decided_by="an office",
    )


def status(lines: Sequence[Json], until: str) -> tuple[str, int]:
    statement, _ = replayed([party(SELLER, "2025-01-01"), *lines], until)
    (record,) = statement["records"]
    return record["status"], record["points"]


KNOWN_2027 = published("2027-01-01", "2027", holidays=["2027-01-01"])
KNOWN_2028 = published("2028-01-01", "2028", holidays=["2028-01-03"])
SAID = [determined("2027-02-01"), objected("2027-03-01")]
# Seven working days after Monday, 1 March 2027.
LIMIT = "2027-03-11T00:00:00+08:00"


@pytest.mark.parametrize("late", [False, True])
def test_the_calendar_of_another_year_makes_an_old_objection_suspend_again(*, late: bool) -> None:
    again = published("2028-01-01", "2028", time="2028-03-01", holidays=["2028-01-03"]) if late else KNOWN_2028
    lines = [KNOWN_2027, *SAID, again]
    assert ("published", 40) == status(lines, "2028-04-01T00:00:00+08:00")
    assert ("objected", 0) == status(lines[:-1], "2027-03-10T23:59:59.999999+08:00")
    assert ("published", 40) == status(lines[:-1], LIMIT)


@pytest.mark.parametrize("clock", [{"objection_working_days": 500}, {"holidays": ["2025-03-04", "2025-03-05"]}])
def test_a_later_pack_moves_no_limit_that_is_past(clock: Json) -> None:
    said = [determined("2025-02-01"), objected("2025-03-03")]
    later = published("2025-03-20", "2", **clock)
    assert ("published", 40) == status([*said, later], "2025-03-21T00:00:00+08:00")
    assert ("published", 40) == status([later, *said], "2025-03-21T00:00:00+08:00")


def test_a_calendar_that_comes_later_ends_what_no_calendar_ended() -> None:
    said = [determined("2026-12-01"), objected("2026-12-29")]
    later = published("2027-02-01", "2027", holidays=["2027-01-01"])
    before, after = "2027-01-31T23:59:59+08:00", "2027-02-01T00:00:00.000001+08:00"
    for lines in ([*said, later], [later, *said]):
        assert ("objected", 0) == status(lines, before)
        assert ("published", 40) == status(lines, after)
        (clock,) = replayed(lines, after)[1]
        assert "2027-01-08" == clock["evidence"]["last_day"]


def test_a_pack_that_comes_late_says_of_its_own_days_which_are_worked_in_whatever_order_it_comes() -> None:
    said = [determined("2025-02-01"), objected("2025-03-03")]
    late = published("2025-03-01", "2", time="2025-03-20", holidays=["2025-03-04"])
    for lines in itertools.permutations([*said, late]):
        assert ("objected", 0) == status(lines, "2025-03-13T23:59:59+08:00"), lines

"""Hours that stand out: the same for any grouping of uses, and what plain loops over all reports of a key find."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple
from unittest import mock

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import HOUR, format_instant, parse_instant
from circulation.examples import SINCE, Json, event, signed, used
from circulation.packs.reading import parse_pack
from streams.offline import replay
from streams.store.store import Store
from tests.modes import only

N, K = 4, 2
RULES = only("bulk-extraction")
RULES["detectors"]["bulk-extraction"] = {"n": N, "k": K, "hours_min": 2}
START = parse_instant("2025-02-01")
# As late as a use may come and still be counted in its hour (detectors/bulk_extraction.py).
LATE_HOURS = 24


class Report(NamedTuple):
    """Uses in an hour, of one of two reporters; of a cancellation `back` tells which of the uses before it."""

    hour: int
    uses: int
    reporter: str
    back: int | None = None


def reports() -> st.SearchStrategy[list[Report]]:
    hours = st.one_of(st.integers(0, 6), st.integers(0, 60))
    uses = st.one_of(st.integers(0, 4), st.sampled_from([10, 50, 2**53 - 1]))
    back = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 30))
    return st.lists(st.builds(Report, hours, uses, st.sampled_from(["exchange", "provider"]), back), max_size=40)


def lines(given_: Sequence[Report]) -> list[Json]:
    """Each report as an event, numbered as a careful exchange does: only so are uses taken in a run at a time."""
    found = [signed("c", SINCE, sequence=1, source="//exchange")]
    counts = {"exchange": 1, "provider": 0}
    for at, one in enumerate(given_):
        counts[one.reporter] += 1
        attributes = {"id": f"u{at}", "reporter": one.reporter, "sequence": counts[one.reporter]}
        source, time = f"//{one.reporter}", format_instant(START + one.hour * HOUR)
        if one.back is not None and one.back < at and given_[one.back].back is None:
            given_back = {"usage": f"u{one.back}", "uses": one.uses, "source": f"//{given_[one.back].reporter}"}
            counts[one.reporter] -= 1
            counts[given_[one.back].reporter] += 1
            attributes |= {"sequence": counts[given_[one.back].reporter]}
            found.append(event("usage.cancelled", "c", time, **attributes, **given_back))
        else:
            found.append(used("c", time, one.uses, source=source, **attributes))
    return found


def plainly(given_: Sequence[Report]) -> dict[str, int]:
    """The hours, by their start, that stand out, with the uses at which they first did."""
    counts: dict[str, dict[int, list[int]]] = {"exchange": {}, "provider": {}}
    left: dict[int, int] = {}
    found: dict[str, int] = {}
    for at, one in enumerate(given_):
        if one.back is not None and one.back < at and given_[one.back].back is None:
            of = given_[one.back]
            hours = counts[of.reporter]
            less = min(one.uses, left[one.back])
            left[one.back] -= less
            if of.hour in hours and of.hour >= max(hours) - LATE_HOURS:
                hours[of.hour][0] -= less
            continue
        left[at] = one.uses
        hours = counts[one.reporter]
        if hours and one.hour < max(hours) - LATE_HOURS:
            continue
        uses, number = hours.get(one.hour, [0, 0])
        hours[one.hour] = [uses + one.uses, number + 1]
        earlier = [each for hour, each in hours.items() if hour < one.hour]
        if len(earlier) < 2 or max(len(earlier), sum(number for _, number in earlier)) < N:
            continue
        sizes = [size for size, _ in earlier]
        mean = sum(sizes) / len(sizes)
        start = format_instant(START + one.hour * HOUR)
        if hours[one.hour][0] > mean + K * statistics.pstdev(sizes) and start not in found:
            found[start] = hours[one.hour][0]
    return found


def standing(said: Sequence[Json], at_once: int) -> list[Json]:
    store = Store("sqlite://")
    run = replay.Replay(replay.offline(store, parse_pack(RULES, published=False)), Admission())
    with mock.patch.object(replay, "RUN_MAX", at_once):
        run.run(orjson.dumps(one) for one in said)
    with store.reading() as db:
        rows = db.rows("select data from findings where standing and detector = 'bulk-extraction' order by finding")
    return [orjson.loads(row[0]) for row in rows]


@settings(max_examples=150, deadline=None)
@given(reports(), st.integers(2, 40))
def test_any_grouping_finds_what_plain_loops_find(some: list[Report], at_once: int) -> None:
    said = lines(some)
    found = standing(said, at_once)
    assert found == standing(said, 1)
    assert plainly(some) == {one["evidence"]["hour"]: one["evidence"]["used"] for one in found}

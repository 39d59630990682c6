"""What is found of days and of limits is a function of what was reported: against a slow model, in any order, grouping
and fetch."""

import random
from collections.abc import Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import BUYER, THIRD, Json, delivered, event, retracted, signed, terminated, used
from circulation.packs.reading import parse_pack
from streams.engine import Engine
from streams.intake import Arrival
from streams.offline import replay
from streams.offline.replay import findings_of
from streams.store.store import Store
from tests.model import examples, slow
from tests.model.events import Found
from tests.model.markets import interleaved
from tests.modes import only

PACK = only("report-overdue", "reconciliation", "usage-limit")
# Days are few here, so a few are enough to be missed.
PACK["detectors"]["reconciliation"] = {"silent_days": 2}
UNTIL = ("2025-02-06T00:00:00+08:00", "2025-02-06T00:00:00.000001+08:00", "2025-02-20", "2025-03-02", "2025-04-03")
FAR = "2025-05-01"
# Both ends of days, in both ways to write them.
TIMES = (
    "2025-02-01T00:00:00+08:00",
    "2025-02-01T12:00:00+08:00",
    "2025-02-01T15:59:59.999999Z",
    "2025-02-01T16:00:00Z",
    # A minute from midnight, and a little farther.
    "2025-02-01T23:58:59.999999+08:00",
    "2025-02-01T23:59:00+08:00",
    "2025-02-02T00:01:00+08:00",
    "2025-02-02T00:01:00.000001+08:00",
    "2025-02-02T23:59:30+08:00",
    "2025-02-28T23:59:30+08:00",
    "2025-03-01T00:00:30+08:00",
    "2025-02-02T12:00:00+08:00",
    "2025-02-03T00:00:00+08:00",
    "2025-02-03T00:00:00.000001+08:00",
    "2025-02-04T12:00:00+08:00",
    "2025-02-08T12:00:00+08:00",
)
CONTRACTS = ("c0", "c1", "c2")
PLAIN, COUNTED = "//exchange.example", "//counts.example"
REPORTERS = (None, "provider", "consumer")


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


times, contracts = some(*TIMES), some(*CONTRACTS)
who = st.fixed_dictionaries({"reporter": some(*REPORTERS), "source": some(PLAIN, COUNTED)})


def _stated(contract: str, time: str, signed_on: str, amended: bool, data: Json, held: Json, more: Json) -> Json:
    valid_to = held.pop("valid_to", None)
    if valid_to is not None and parse_instant(valid_to) > parse_instant(time):
        held = held | {"valid_to": valid_to}
    held = {name: value for name, value in held.items() if value is not None}
    return signed(contract, time, amended=amended, terms=held, signed=signed_on, **data, **more)


stated = st.builds(
    _stated,
    contracts,
    times,
    some("2025-01-01", "2025-02-01", "2025-02-02"),
    some(False, False, True),
    st.fixed_dictionaries({"buyer": some(BUYER, BUYER, THIRD)}),
    st.fixed_dictionaries(
        {
            "valid_from": some("2025-01-01", "2025-02-02"),
            "valid_to": some(None, None, "2025-02-04T12:00:00+08:00", "2025-02-05"),
            "uses_max": some(None, 10, 20, 100),
            "bytes_max": some(None, 100, 120),
            "rows_max": some(None, 5, 10),
            "persons_max": some(None, 100),
            "windows": some(None, None, [{"uses_max": 5, "seconds": 86_400}], [{"uses_max": 100, "seconds": 259_200}]),
            "quota_group": some(None, "g", "g", "h"),
            "report_within_days": some(None, 1, 2, 3),
        }
    ),
    who,
)
counts = some(0, 1, 4, 5, 8, 10, 99, 100, 101)
uses = st.builds(
    lambda contract, time, count, data, more: used(contract, time, count, **data, **more),
    contracts,
    times,
    counts,
    st.fixed_dictionaries({"bytes": some(None, None, 100, 101, 102), "rows": some(None, 0, 1)}),
    who,
)
deliveries = st.builds(
    lambda contract, time, data, more: delivered(contract, time, **data, **more),
    contracts,
    times,
    st.fixed_dictionaries(
        {"delivery": some("d0", "d1"), "bytes": counts, "rows": some(None, 5), "persons": some(None, 100, 101, 102)}
    ),
    who,
)
cancelled = st.tuples(st.integers(0, 40), times, counts)
ended = st.builds(terminated, contracts, times)
takings = st.integers(0, 40)


@st.composite
def lines(draw: st.DrawFn) -> list[Json]:
    """Statements, uses and deliveries of three contracts, with cancellations and retractions wherever they may be."""
    kinds = (stated, uses, uses, uses, uses, deliveries, ended)
    found: list[Json] = draw(st.lists(st.one_of(*kinds), min_size=1, max_size=24))
    for at, one in enumerate(found):
        one["id"] = f"n{at}"
    for at, time, count in draw(st.lists(cancelled, max_size=5)):
        targets = [one for one in found if one["type"].endswith("usage.reported")]
        if targets:
            use = targets[at % len(targets)]
            taken_off = event(
                "usage.cancelled", use["subject"], time, id=f"x{at}", source=use["source"], usage=use["id"], uses=count
            )
            found.insert(draw(st.integers(found.index(use) + 1, len(found))), taken_off)
    for at in draw(st.lists(takings, max_size=2)):
        targets = [one for one in found if not one["type"].split(".")[1].startswith(("usage", "event"))]
        if targets:
            found.insert(draw(st.integers(0, len(found))), retracted(targets[at % len(targets)], draw(times)))
    if draw(st.booleans()):
        numbers: dict[str, int] = {}
        for one in found:
            if one["source"] == COUNTED:
                numbers[one["subject"]] = numbers.get(one["subject"], 0) + 1
                one |= {"sequence": str(numbers[one["subject"]]), "sequencetype": "Integer"}
    return found


def of_all(found: Sequence[Json]) -> set[Found]:
    return {slow.seen(one) for one in found}


def of_days(found: Sequence[Json]) -> set[Found]:
    return {slow.seen(one) for one in found if "cause" not in one}


def expected(events: Sequence[Json], until: str) -> set[Found]:
    return {one for one in slow.findings(events, PACK, until) if one.cause is None}


@settings(max_examples=examples(100))
@given(events=lines(), until=some(*UNTIL))
def test_what_is_found_of_days_is_what_the_model_finds(events: list[Json], until: str) -> None:
    assert expected(events, until) == of_days(findings_of(events, pack=PACK, until=until))


@settings(max_examples=examples(100))
@given(events=lines(), until=some(*UNTIL), seed=st.integers(0, 2**16))
def test_what_is_found_of_limits_in_any_interleaving_is_what_the_model_finds(
    events: list[Json], until: str, seed: int
) -> None:
    model = slow.findings(events, PACK, until)
    assert model == of_all(findings_of(events, pack=PACK, until=until))
    assert model == of_all(findings_of(interleaved(events, seed), pack=PACK, until=until))


@settings(max_examples=examples(40))
@given(events=lines(), until=some(*UNTIL), seed=st.integers(0, 2**16))
def test_any_interleaving_finds_the_same_of_days(events: list[Json], until: str, seed: int) -> None:
    mixed = interleaved(events, seed)
    assert of_days(findings_of(events, pack=PACK, until=until)) == of_days(findings_of(mixed, pack=PACK, until=until))


def written(events: Sequence[Json], until: str) -> bytes:
    engine = replay.offline(Store("sqlite://"), parse_pack(PACK, published=False))
    found: list[bytes] = []
    run = replay.Replay(engine, Admission(), findings=found.append, until=parse_instant(until))
    run.run(orjson.dumps(one) for one in events)
    return b"\n".join(found)


@settings(max_examples=examples(40))
@given(events=lines(), until=some(*UNTIL))
def test_any_grouping_of_uses_writes_the_same_bytes(events: list[Json], until: str) -> None:
    whole = written(events, until)
    for run_max in (1, 2, 5):
        with mock.patch.object(replay, "RUN_MAX", run_max):
            assert whole == written(events, until)


def standing(store: Store) -> list[Json]:
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]


@settings(max_examples=examples(40))
@given(events=lines(), until=some(*UNTIL), cut=st.integers(0, 30))
def test_a_restart_anywhere_finds_the_same(events: list[Json], until: str, cut: int) -> None:
    store = Store("sqlite://")
    for portion, end in ((events[:cut], None), (events[cut:], parse_instant(until))):
        engine = replay.offline(store, parse_pack(PACK, published=False))
        replay.Replay(engine, Admission(), until=end).run(orjson.dumps(one) for one in portion)
    assert of_all(findings_of(events, pack=PACK, until=until)) == of_all(standing(store))


def fetched(events: Sequence[Json], workers: int, seed: int) -> Store:
    """Takes events in as workers do: each has its keys, in fetches of any size, and judges when it comes to it.

    The horizon goes on at any time, also past what is still to come late. A worker may begin anew after any fetch.
    """
    store, chosen = Store("sqlite://"), random.Random(seed)

    def begin() -> Engine:
        engine = Engine(store, parse_pack(PACK, published=False))
        # As on PostgreSQL: others write, too.
        engine.known.alone = workers == 1
        return engine

    engines = [begin() for _ in range(workers)]
    admit, now = Admission().admit, parse_instant(FAR)
    left: list[list[Arrival]] = [[] for _ in range(workers)]
    for order, one in enumerate(events):
        admitted = admit(orjson.dumps(one), topic=None, key=ANY, headers=(), now=now)
        assert isinstance(admitted, Event)
        worker = int(one["subject"][1:]) % workers
        left[worker].append(Arrival(order, now, admitted, b"", ("circulation.contracts", worker, order)))
    while any(left):
        worker = chosen.choice([at for at, some in enumerate(left) if some])
        size = chosen.randint(1, 6)
        engines[worker].take(left[worker][:size], [], now)
        left[worker] = left[worker][size:]
        if chosen.random() < 0.3:
            engines[worker] = begin()
        if chosen.random() < 0.3:
            engines[worker].release(parse_instant(chosen.choice((*TIMES, *UNTIL))), now)
        for _ in range(chosen.randint(0, 3)):
            chosen.choice(engines).judge_round(now, chosen.randint(1, 5))
    return store


def rest(store: Store, until: str) -> None:
    """Judges until nothing waits and nothing is due."""
    engine = Engine(store, parse_pack(PACK, published=False))
    now = parse_instant(FAR)
    while True:
        while engine.judge_round(now, 500).items:
            pass
        if not engine.release(parse_instant(until), now):
            return


@pytest.mark.parametrize("workers", [1, 3])
@settings(max_examples=examples(60))
@given(events=lines(), seed=st.integers(0, 2**16))
def test_any_fetches_on_any_workers_find_the_same(workers: int, events: list[Json], seed: int) -> None:
    store = fetched(events, workers, seed)
    rest(store, UNTIL[-1])
    # `PACK` says nothing of the terms of a use, so what is left is a function of the events alone.
    assert slow.findings(events, PACK, UNTIL[-1]) == of_all(standing(store))

"""What is counted of sources is counted once: in any fetches, with failures among them, and with everything twice."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.calendar import format_instant, parse_instant
from circulation.examples import Json, delivered, event, pack, signed, used
from circulation.packs.reading import parse_pack
from circulation.voices import LATE_SECONDS
from streams.engine import Engine
from streams.intake import Arrival, Refused
from streams.offline import replay
from streams.store.store import Store
from tests.model import markets

NOW = parse_instant("2025-06-01")
COLUMNS = "admitted, rejected, timed, on_time, linkable, linked, numbered, missing, compared, agreed"
# What is drawn: (kind, contract, source, number, day of a month around the turn of January, hours until it arrived).
drawn = st.tuples(
    st.sampled_from(["use", "use", "use", "use", "delivery", "payment", "signing", "bad"]),
    st.sampled_from(["c", "d"]),
    st.sampled_from(["urn:a", "urn:b"]),
    st.none() | st.integers(1, 9),
    st.integers(-2, 2),
    st.integers(0, 2),
)
Drawn = tuple[str, str, str, int | None, int, int]
Row = tuple[str, int]


def stated(one: Drawn) -> Json:
    """The event of what was drawn: of one source, contract and number or day there is one, whatever else was drawn."""
    kind, contract, source, number, day, _ = one
    at = day + 31 if number is None else number + 26
    time = f"2025-01-{at:02}T12:00:00" if at <= 31 else f"2025-02-{at - 31:02}T12:00:00"
    more: dict[str, Any] = {"source": source, "sequence": number, "id": f"{kind}-{number}-{day}"}
    if kind == "use":
        return used(contract, time, **more)
    if kind == "bad":
        return used(contract, time, -1, **more | {"sequence": None})
    if kind == "delivery":
        return delivered(contract, time, delivery=f"{source}-{at}", **more)
    if kind == "payment":
        about = {"settlement": f"{source}-{at}", "payer": "p:1", "payee": "p:2", "amount": "1"}
        return event("settlement.paid", contract, time, **about, **more)
    return signed(contract, time, **more)


def expected(events: Sequence[tuple[Json, int]]) -> dict[Row, list[int]]:
    """The same counts by plain loops: events come with the hours until they arrived, and the first of each counts."""
    rows: dict[Row, list[int]] = defaultdict(lambda: [0] * 10)
    came: set[Any] = set()
    highest: dict[Any, int] = defaultdict(int)
    missing: dict[Any, dict[int, Row]] = defaultdict(dict)
    waiting: dict[str, list[Row]] = defaultdict(list)
    terms: set[str] = set()
    for one, hours in events:
        key = (one["subject"], one["source"])
        row = (one["source"], 202501 if one["time"] < "2025-02" else 202502)
        if one["data"].get("uses") == -1:
            rows[row][1] += 1
            continue
        number = int(one["sequence"]) if "sequence" in one else None
        if (*key, number or one["id"]) in came:
            continue
        came.add((*key, number or one["id"]))
        rows[row][0] += 1
        rows[row][2] += 1
        rows[row][3] += hours * 3600 <= LATE_SECONDS
        if number is not None:
            rows[row][6] += 1
            for lacking in range(highest[key] + 1, number):
                missing[key][lacking] = row
                rows[row][7] += 1
            if number in missing[key]:
                rows[missing[key].pop(number)][7] -= 1
            highest[key] = max(highest[key], number)
        if one["type"] == "circulation.contract.signed":
            terms.add(one["subject"])
            for waited in waiting.pop(one["subject"], ()):
                rows[waited][5] += 1
            continue
        rows[row][4] += 1
        if one["subject"] in terms:
            rows[row][5] += 1
        else:
            waiting[one["subject"]].append(row)
    return dict(rows)


def counted(store: Store) -> dict[Row, list[int]]:
    with store.reading() as db:
        rows = db.rows(f"select reported_by, month, {COLUMNS} from quality")
    return {(source, month): numbers for source, month, *numbers in rows if any(numbers)}


class Killed(Exception):
    """A worker was killed."""


def take(engine: Engine, events: Sequence[tuple[Json, int]], *, killed: bool = False) -> None:
    arrivals, refused = [], []
    for order, (one, hours) in enumerate(events, start=1):
        raw = orjson.dumps(one)
        found = Admission().admit(raw, topic=None, key=ANY, headers=(), now=NOW)
        stamp = parse_instant(one["time"]) + hours * 3_600_000_000
        if isinstance(found, Rejection):
            refused.append(Refused(order, found, ("circulation.contracts", 0, order), stamp))
        else:
            assert not isinstance(found, list)
            place = (found.topic, 0, order)
            arrivals.append(Arrival(order, NOW, found, raw, place, None, stamp))
    with engine.taking(arrivals) as db:
        engine.intake.take(db, arrivals, refused, NOW)
        if killed:
            raise Killed


def ordered(some: Sequence[Drawn]) -> list[tuple[Json, int]]:
    """What was drawn as it comes: no number comes again with a later time, for that would not be a duplicate."""
    return [(stated(one), one[5]) for one in some]


@settings(max_examples=150)
@given(st.lists(drawn, max_size=40), st.lists(st.integers(1, 12), min_size=1), st.sets(st.integers(0, 20)))
def test_any_fetches_and_any_that_fail_count_the_same(some: list[Drawn], sizes: list[int], failing: set[int]) -> None:
    events = ordered(some)
    store = Store("sqlite://")
    engine = Engine(store, parse_pack(pack(), published=False))
    at = fetch = 0
    while at < len(events):
        size = sizes[fetch % len(sizes)]
        if fetch in failing:
            with pytest.raises(Killed):
                take(engine, events[at : at + size], killed=True)
        take(engine, events[at : at + size])
        at, fetch = at + size, fetch + 1
    assert expected(events) == counted(store)


@settings(max_examples=80)
@given(st.lists(drawn, max_size=30), st.integers(0, 2**16))
def test_what_comes_again_is_not_counted(some: list[Drawn], seed: int) -> None:
    events = [one for one in ordered(some) if one[0]["data"].get("uses") != -1]
    again = [events[(seed + at * 7) % len(events)] for at in range(len(events))]
    store = Store("sqlite://")
    engine = Engine(store, parse_pack(pack(), published=False))
    take(engine, events)
    before = counted(store)
    take(engine, again)
    assert expected(events) == before == counted(store)


@settings(max_examples=30)
@given(lines=markets.markets(), default=markets.packs, until=st.sampled_from(markets.UNTIL))
def test_any_grouping_of_a_market_counts_the_same(lines: list[Json], default: Json, until: str) -> None:
    def rows() -> dict[Row, list[int]]:
        store = Store("sqlite://")
        engine = replay.offline(store, parse_pack(default, published=False))
        replay.Replay(engine, Admission(), until=parse_instant(until)).run(map(orjson.dumps, lines))
        return counted(store)

    whole = rows()
    for run_max in (1, 7):
        with mock.patch.object(replay, "RUN_MAX", run_max):
            assert whole == rows()


@settings(max_examples=30)
@given(lines=markets.markets(packs_first=True), default=markets.packs, seed=st.integers(0, 2**16))
def test_any_interleaving_of_a_market_counts_the_same(lines: list[Json], default: Json, seed: int) -> None:
    def rows(events: Sequence[Json]) -> dict[Row, list[int]]:
        store = Store("sqlite://")
        engine = replay.offline(store, parse_pack(default, published=False))
        replay.Replay(engine, Admission(), until=parse_instant(markets.UNTIL[-1])).run(map(orjson.dumps, events))
        return counted(store)

    assert rows(lines) == rows(markets.interleaved(lines, seed))


silences = st.lists(st.tuples(st.sampled_from(["c", "d", "e"]), st.integers(0, 600), st.booleans()), max_size=30)


@settings(max_examples=100)
@given(silences, st.integers(0, 1_200), st.lists(st.integers(1, 5), min_size=1))
def test_a_worker_finds_the_silence_that_a_replay_finds(
    some: list[tuple[str, int, bool]], until: int, sizes: list[int]
) -> None:
    """Whoever moves the clock on between fetches, what stands at the end hangs on the newest event and the clock."""
    from circulation.admission.sources import Sources

    sources = Sources.parse(b'urn:a: {types: ["*"], heartbeat_seconds: 60}\nurn:b: {types: ["*"]}')
    by = Admission(sources, sources.voices(None, LATE_SECONDS))
    start = parse_instant("2025-02-01")

    def at(seconds: int) -> str:
        return format_instant(start + seconds * 1_000_000)

    events = [signed("c", "2025-01-01", source="urn:b")]
    events += [
        used(name, at(second), source="urn:a" if owing else "urn:b", id=f"{number}")
        for number, (name, second, owing) in enumerate(some)
    ]
    heard = [second for _, second, owing in some if owing]
    clock = max([until, *(second for _, second, _ in some)])
    newest = at(max(heard)) if heard and max(heard) + 60 < clock else None

    def standing(store: Store) -> str | None:
        with store.reading() as db:
            rows = db.rows("select data from findings where standing and detector = 'feed-silence'")
        return orjson.loads(rows[0][0])["evidence"]["newest"] if rows else None

    offline = Store("sqlite://")
    engine = replay.offline(offline, parse_pack(pack(), published=False))
    replay.Replay(engine, by, until=start + until * 1_000_000).run(map(orjson.dumps, events))
    assert newest == standing(offline)
    live = Store("sqlite://")
    live.voices = by.voices
    worker = Engine(live, parse_pack(pack(), published=False))
    worker.take_up()
    highest = start
    position = fetch = 0
    while position < len(events):
        size = sizes[fetch % len(sizes)]
        part = events[position : position + size]
        take(worker, [(one, 0) for one in part])
        # The judge is behind by as many fetches as it likes, and deadlines pass before and after it.
        if fetch % 2:
            highest = max(highest, *(parse_instant(one["time"]) for one in part))
            worker.release(highest, highest)
        if fetch % 3:
            worker.settle_apart(highest)
        position, fetch = position + size, fetch + 1
    end = start + clock * 1_000_000
    worker.settle_apart(highest)
    while worker.release(end, end):
        worker.settle_apart(end)
    worker.settle_apart(end)
    assert newest == standing(live)

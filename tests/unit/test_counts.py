"""What the store holds is counted as it is, at a pace that leaves it alone; and how far behind a partition is."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.examples import event, pack, signed, terms, used
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.queue import AGAIN, ASIDE, LIVE, STATING
from streams.store.schema import deadlines, outbox, queue, unsent
from streams.store.store import Store
from streams.worker.counts import SHARE, Cadence, Delay, Oldest, count

TP = ("circulation.contracts", 0)
PACK = parse_pack(pack(detectors={"purpose-drift": {"mode": "shadow"}}), published=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Store(url)
    made.migrate()
    return made


def replay(store: Store, *events: dict[str, object]) -> None:
    Replay(offline(store, PACK), Admission()).run([orjson.dumps(one) for one in events])


def licensed(contract: str, *counts: int) -> list[dict[str, object]]:
    uses = [used(contract, f"2025-02-{day:02}", number) for day, number in enumerate(counts, start=1)]
    return [signed(contract, "2025-01-01", terms=terms(uses_max=100, purposes=["research"])), *uses]


def test_an_empty_store_counts_as_nothing(store: Store) -> None:
    with store.reading() as db:
        assert ({}, {}, {}, {}, {}, {}, {}, None, None, 0, None, 0, 0, None, 0, {}, {}) == tuple(count(db, 0))


def test_a_contract_counts_once_by_the_gravest_of_its_bands(store: Store) -> None:
    replay(store, *licensed("a", 80), *licensed("b", 80, 15), *licensed("c", 80, 15, 6, 20), *licensed("d", 79))
    with store.reading() as db:
        counts = count(db, 0)
    assert {("blue",): 1, ("yellow",): 1, ("red",): 1} == counts.limits
    assert 3 == counts.standing["usage-limit", "blue", "enforce"]


def test_what_stands_is_open_until_its_case_is_closed(store: Store) -> None:
    replay(store, *licensed("a", 101), *licensed("b", 101))
    label = ("usage-limit", "orange", "enforce")
    with store.writing() as db:
        assert (2, 2) == ((before := count(db, 0)).standing[label], before.open[label])
        (case,) = db.one("select case_id from cases where about = 'a' and detector = 'usage-limit'") or ("",)
    replay(store, event("case.closed", case, "2025-03-01", by="official"))
    with store.reading() as db:
        after = count(db, 0)
        query = "select detector, severity, mode, count(*) from open_findings group by 1, 2, 3"
        assert (2, 1) == (after.standing[label], after.open[label])
        assert (1, before.cases["opened", "orange"] - 1) == (
            after.cases["closed", "orange"],
            after.cases["opened", "orange"],
        )
        assert {("usage-limit",): 0, **before.unattended} == {("usage-limit",): 0, **after.unattended}
        assert {key: number for key, number in after.open.items() if number} == {
            tuple(row[:3]): row[3] for row in db.rows(query)
        }


def test_what_waits_is_counted_with_its_oldest_and_what_is_set_aside_has_no_age(store: Store) -> None:
    with store.writing() as db:
        db.many(queue, [(LIVE, "a", 30), (AGAIN, "b", 20), (STATING, "d", 25), (ASIDE, "c", 10)])
        db.many(outbox, [(7, "t", None, b"[]", b""), (8, "t", None, b"[]", b"")])
        db.many(deadlines, [("a", 99), ("a", 100), ("b", 101)])
        db.many(unsent, [(1, "t", None, b"[]", b"", 2, "too large")])
        counts = count(db, 100)
    assert {("live",): 1, ("again",): 1, ("stating",): 1, ("aside",): 1} == counts.queue
    assert (20, 30, 2, 7, 3, 1, 99, 1) == counts[7:15]
    assert {} == counts.set_aside


@pytest.mark.parametrize(("took", "early", "due"), [(0.0, 1.99, 2.0), (0.1, 1.99, 2.0), (1.0, SHARE - 1.01, SHARE - 1)])
def test_counting_has_its_share_of_the_time(took: float, early: float, due: float) -> None:
    cadence = Cadence(2.0)
    assert cadence.due(0.0)
    cadence.took(0.0, took)
    assert (False, True) == (cadence.due(took + early), cadence.due(took + due + 1e-9))


def test_a_partition_is_behind_by_the_time_since_its_end_was_where_it_is_not_yet() -> None:
    delay = Delay()
    seen = [(0.0, 5, 5), (10.0, 5, 8), (20.0, 7, 9), (30.0, 8, 12), (40.0, 12, 12), (50.0, 12, 12)]
    assert [0, 0, 10, 0, 0, 0] == [delay.look({TP: (position, end)}, now) for now, position, end in seen]


def test_a_partition_that_was_given_away_delays_nobody() -> None:
    delay = Delay()
    delay.look({TP: (0, 5)}, 0.0)
    assert [90, 0, 0] == [delay.look({TP: (0, 5)}, 90.0), delay.look({}, 91.0), delay.look({TP: (0, 5)}, 92.0)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1))
def test_a_partition_that_is_read_to_its_end_at_every_look_is_never_behind(steps: list[tuple[int, int]]) -> None:
    delay, end, now = Delay(), 0, 0.0
    for more, seconds in steps:
        end, now = end + more, now + seconds
        assert 0 == delay.look({TP: (end, end)}, now)


def test_what_waits_is_stuck_only_where_its_oldest_stays_the_same() -> None:
    oldest = Oldest()
    seen = [oldest.look(*one) for one in (((1, 7), 10.0), ((1, 7), 70.0), ((2, 8), 71.0), ((2, 8), 80.0), (None, 90.0))]
    assert [0.0, 60.0, 0.0, 9.0, 0.0] == seen

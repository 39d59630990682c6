"""What is kept of credit, line by line, makes the statement that a fold over all that was said makes.

Whatever is said in whatever order, of whatever instant, taken back or not; wherever the clock stands, also where it
went back; by whatever parameters; and whichever of two judges states it, of which neither knows what the other did.
"""

import random
from collections.abc import Iterator, Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.credit import sending
from circulation.credit.sending import sent
from circulation.credit.statement import FINDING, KINDS, OBJECTION, UPHELD, claim
from circulation.events.event import Event
from circulation.examples import BUYER, SELLER, Json, event, exported, pack, retracted
from circulation.heaviest import Heaviest, Move
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from streams.engine import Engine
from streams.facts import credit as statements
from streams.facts.stated import Stated
from streams.intake import Arrival
from streams.judging import credit_lines
from streams.offline.replay import findings_of
from streams.store import queue
from streams.store.outbox import canonical
from streams.store.queue import LIVE
from streams.store.store import Store
from tests.model import examples

PARTIES = (SELLER, BUYER)
PACKS = [pack(), pack(credit={"base": 70, "points": {"minor": 6}, "objection_suspends": False, "finding_days": 20})]
MONTHS = st.sampled_from([*range(6), 9, 14, 40])
CLOCK = (*range(2, 9), 13, 45)
AFTER_ALL = parse_instant("2100-01-01")


def at(month: int, day: int = 1) -> str:
    return f"{2025 + month // 12}-{month % 12 + 1:02}-{day:02}T00:00:00+08:00"


EXPORTS = [
    exported(who, at(month), persons=1, export=f"x{month}", level="important", id=f"x{who}{month}")
    for who in PARTIES
    for month in range(3, 6)
]
FINDINGS = sorted(one["finding"] for one in findings_of(EXPORTS[:3], pack=PACKS[0]))


@st.composite
def said(draw: st.DrawFn) -> Json:
    who, time = draw(st.sampled_from((SELLER, SELLER, SELLER, BUYER))), at(draw(MONTHS), draw(st.integers(1, 3)))
    one, other, finding = (draw(st.sampled_from(some)) for some in (("a", "a", "b"), ("a", "b"), FINDINGS))
    tier = draw(st.sampled_from(["minor", "general", "serious"]))
    kind = draw(st.sampled_from(["determined", "filed", "filed", "decided", "applied", "granted", "merit", "export"]))
    more: Json = {"decided_by": "d"}
    if kind == "export":
        return draw(st.sampled_from(EXPORTS))
    if kind == "determined":
        named = draw(st.sampled_from([None, finding, finding]))
        date = at(draw(MONTHS))[:10]
        made = event("credit.determined", who, time, record=one, act='"é', tier=tier, document_date=date, **more)
        made["data"]["finding"] = named
    elif kind == "filed":
        to = draw(st.sampled_from([{"record": one}, {"finding": finding}]))
        made = event("objection.filed", who, time, objection=other, grounds="g", **to)
    elif kind == "decided":
        outcome = draw(st.sampled_from(["upheld", "upheld", "corrected", "rejected"]))
        made = event("objection.decided", who, time, objection=other, outcome=outcome, tier=tier, **more)
    elif kind == "applied":
        made = event("repair.applied", who, time, repair=other, record=one, evidence=["e"])
    elif kind == "granted":
        outcome = draw(st.sampled_from(["granted", "granted", "refused"]))
        made = event("repair.decided", who, time, repair=other, outcome=outcome, **more)
    else:
        made = event("merit.recorded", who, time, merit=one, act="h", points=draw(st.integers(0, 9)), **more)
    return made | {"reporter": draw(st.sampled_from(["exchange", "exchange", "provider"]))}


def admitted(lines: Sequence[Json]) -> Iterator[Event]:
    admission = Admission()
    for number, line in enumerate(lines):
        one = admission.admit(orjson.dumps({"id": f"e{number}"} | line), topic=None, key=ANY, headers=(), now=AFTER_ALL)
        assert isinstance(one, Event), one
        yield one


class Two:
    """Two engines on one store, each with a pack."""

    def __init__(self, packs: Sequence[Json]) -> None:
        self.store = Store("sqlite://")
        self.packs = [parse_pack(one, published=False) for one in packs]
        self.engines = [Engine(self.store, one) for one in self.packs]

    def forget(self) -> None:
        """Has both read anew what the other may have changed, but for what was stated: that has versions."""
        for engine in self.engines:
            stated, engine.known.stated = engine.known.stated, Stated()
            engine.known.clear()
            engine.known.stated = stated
            engine.intake.forget()

    def take(self, engine: int, number: int, one: Event, now: int) -> None:
        self.forget()
        self.engines[engine].take([Arrival(number, now, one, b"", ("file", 0, number))], [], now, clock=now)

    def state(self, number: int, now: int) -> None:
        self.forget()
        packs = Packs(self.packs[number])
        with self.store.writing() as db:
            queue.put(db, [queue.credit(party) for party in PARTIES], LIVE, now)
        self.engines[number].settle_apart(now)
        with self.store.reading() as db:
            kept = {row[0]: orjson.loads(row[1]) for row in db.rows("select party, data from statements")}
            ledgers = statements.ledgers(db, PARTIES)
            upheld = db.rows("select party, finding from upheld")
            due = dict(db.rows("select thing, due from deadlines"))
        for party, whole in statements.statements(ledgers, packs, now).items():
            expected = orjson.loads(canonical(sent(whole.data)))
            assert expected | {"as_of": None} == kept[party] | {"as_of": None}
            assert (None if whole.changes is None else whole.changes - 1) == due.get(queue.credit(party))
            assert {one for who, one in upheld if who == party} == _upheld(ledgers[party].events)


def _upheld(events: Sequence[Event]) -> set[str]:
    """The findings to which an objection was upheld."""
    said_of: dict[str, list[Event]] = {}
    for one in events:
        if KINDS[one.type] == OBJECTION:
            said_of.setdefault(one.data.objection, []).append(one)
    claims = (claim(OBJECTION, some) for some in said_of.values())
    return {one.about[1] for one in claims if one and one.state == UPHELD and one.about[0] == FINDING}


@settings(max_examples=examples(150), deadline=None)
@given(
    lines=st.lists(said(), min_size=1, max_size=25),
    packs=st.tuples(st.sampled_from(PACKS), st.sampled_from(PACKS)),
    most=st.sampled_from([2, 1_000]),
    choose=st.randoms(use_true_random=False),
)
def test_what_is_kept_makes_the_statement_that_a_fold_over_all_makes(
    lines: list[Json], packs: Sequence[Json], most: int, choose: random.Random
) -> None:
    lines = [{"id": f"e{number}"} | one for number, one in enumerate(lines)]
    for one in choose.sample(lines, min(4, len(lines))):
        lines.insert(choose.randrange(len(lines) + 1), retracted(one, at(50)) | {"id": f"back-{one['id']}"})
    lines = [*EXPORTS[:3], *lines]
    two = Two(packs)
    with pytest.MonkeyPatch.context() as patch:
        for module in (sending, credit_lines):
            patch.setattr(module, "STATED_MAX", most)
        patch.setattr("streams.facts.stated.LINES_MIN", 0)
        now = parse_instant(at(5, 3))
        for number, one in enumerate(admitted(lines)):
            # Mostly the clock stays: whatever it moves over is folded again anyway.
            if choose.random() < 0.2:
                now = parse_instant(at(choose.choice(CLOCK), choose.randrange(1, 4)))
            two.take(choose.randrange(2), number, one, now)
            for _ in range(choose.randrange(3)):
                two.state(choose.randrange(2), now)


class Weight:
    def __init__(self, points: int) -> None:
        self.points = points


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=60), st.integers(1, 4))
def test_the_heaviest_of_a_list_are_known_after_any_moves(moves: list[tuple[int, int, bool]], count: int) -> None:
    there: dict[str, Weight] = {}
    kept = Heaviest[Weight](0, [], count)
    for number, points, stays in moves:
        rank = str(number)
        gone = (there.pop(rank).points, rank) if rank in there else None
        if stays:
            there[rank] = Weight(points)
        kept.move(Move(gone, (rank, there[rank]) if stays else None))
        heaviest_ = sorted(there, key=lambda one: (there[one].points, one))[-count:]
        if kept.is_short():
            kept = Heaviest(len(there), [(one, there[one]) for one in heaviest_], count)
        assert [there[one] for one in sorted(heaviest_)] == kept.lines()

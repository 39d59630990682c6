"""What one worker does in the midst of another's transaction is neither missed nor undone (docs/proof-of-judging.md).

Each test stops one transaction on PostgreSQL at a step of its own, has others commit there, and lets it go on.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from sqlalchemy import make_url

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.reasons import Rejection
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    Json,
    asset,
    event,
    exported,
    instant,
    listed,
    pack,
    party,
    signed,
    terms,
    used,
)
from circulation.findings import About, Cause, Said
from circulation.packs.reading import parse_pack
from detectors import RULES
from streams.engine import Engine
from streams.findings.book import Book
from streams.findings.entry import Entry
from streams.intake import Arrival, Refused, write
from streams.intake.batch import Batch
from streams.judging import judge, scopes
from streams.offline.replay import findings_of
from streams.store import queue
from streams.store.errors import StoreAway
from streams.store.store import Store
from tests.transactions import db_of

NOW = parse_instant("2030-01-01")
UNTIL = "2026-01-01"
DEFAULT = pack(version="0")


class Pair:
    """Two workers on one store: `mine`, which is stopped, and `other`, which waits for no lock longer than it must."""

    def __init__(self, url: str) -> None:
        hurried = make_url(url).update_query_dict({"options": "-clock_timeout=50ms"})
        self.mine, self.other = (
            Engine(Store(one), parse_pack(DEFAULT, published=False))
            for one in (url, hurried.render_as_string(hide_password=False))
        )
        self.taken: list[Json] = []

    def take(self, *stated: Json, engine: Engine | None = None) -> None:
        """One of them (all keys are the other's, where nothing else is said) takes in what comes."""
        arrivals = []
        for one in stated:
            raw = orjson.dumps(one)
            admitted = Admission().admit(raw, topic=None, key=ANY, headers=(), now=NOW)
            assert isinstance(admitted, Event)
            arrivals.append(Arrival(len(arrivals), NOW, admitted, raw, (admitted.topic, 0, len(self.taken))))
        (engine or self.other).take(arrivals, [], NOW)
        self.taken += stated

    def judge(self, limit: int = 1) -> None:
        """The other judges round after round until nothing is left, or one thing is held by who is stopped."""
        try:
            while self.other.judge_round(NOW, limit).items:
                pass
        except StoreAway:
            pass

    def stopped(self, owner: Any, step: str, then: Callable[[], None], *, nth: int = 1, after: bool = True) -> None:
        """Has `then` happen at a step of a round of `mine`, the n-th time that it is taken, once all that was sent is
        done. The step is that of all judges where its owner is a module: what the other takes meanwhile does not count.
        """
        whole, times, stopped = getattr(owner, step), 0, False

        def cut(*given: Any, **named: Any) -> Any:
            nonlocal times, stopped
            if stopped:
                return whole(*given, **named)
            times += 1
            answer = whole(*given, **named) if after else None
            if times == nth:
                db_of(given).rows("select 1")
                stopped = True
                then()
                stopped = False
            return answer if after else whole(*given, **named)

        with mock.patch.object(owner, step, cut):
            self.mine.judge_round(NOW, 50)
        assert times >= nth, f"{step} was taken {times} times"

    def settled(self) -> list[Json]:
        """Judges all that waits; what stands then."""
        until = parse_instant(UNTIL)
        while self.mine.release(until, NOW) or self.mine.waiting():
            self.mine.judge_round(NOW, 50)
        return self.standing()

    def standing(self) -> list[Json]:
        with self.mine.store.reading() as db:
            return _told(orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by 1"))

    def expected(self) -> list[Json]:
        return sorted(_told(findings_of(self.taken, pack=DEFAULT, until=UNTIL)), key=orjson.dumps)

    def assert_as_replayed(self) -> None:
        assert self.expected() == sorted(self.settled(), key=orjson.dumps)


def _told(found: Any) -> list[Json]:
    return [{name: value for name, value in one.items() if name not in ("revision", "sectors")} for one in found]


@pytest.fixture
def pair(postgres_url: str) -> Iterator[Pair]:
    store = Store(postgres_url)
    store.migrate()
    store.close()
    made = Pair(postgres_url)
    yield made
    made.mine.store.close()
    made.other.store.close()


def published(since: str, **members: Any) -> Json:
    """A pack that comes late."""
    return event("rulepack.published", "beijing", "2025-01-01", **pack(**members) | {"valid_from": instant(since)})


def of(found: Sequence[Json], detector: str) -> list[Json]:
    return [one for one in found if one["detector"] == detector]


def told_in_order(pair: Pair, detector: str) -> list[tuple[str, int]]:
    """What left of this rule's findings: (raised or cleared, revision)."""
    with pair.mine.store.reading() as db:
        rows = db.rows("select value from outbox where topic = 'circulation.findings' order by id")
    said = [orjson.loads(bytes(row[0])) for row in rows]
    mine = {one["data"]["finding"] for one in said if one["data"].get("detector") == detector}
    return [(one["type"].rsplit(".", 1)[1], one["data"]["revision"]) for one in said if one["data"]["finding"] in mine]


def test_a_judge_that_waited_for_its_turn_does_not_go_by_an_older_pack(pair: Pair) -> None:
    pair.mine.take_up()
    pair.take(asset("a", owner=OWNER), listed("a", "2025-03-01"))

    def meanwhile() -> None:
        pair.take(published("2025-01-01", version="1", detectors={"right-missing": {"mode": "off"}}))
        pair.judge()

    assert of(pair.expected(), "right-missing")
    pair.stopped(judge, "claim", meanwhile)
    assert [] == of(pair.expected(), "right-missing")
    pair.assert_as_replayed()


def test_a_judge_that_waited_for_its_turn_does_not_go_by_an_older_horizon(pair: Pair) -> None:
    given = terms(report_within_days=30)
    pair.take(signed("c", "2025-02-01", terms=given))
    pair.judge()
    pair.take(signed("c", "2025-02-15", terms=given, amended=True))

    def meanwhile() -> None:
        pair.other.release(parse_instant(UNTIL), NOW)
        pair.judge()
        assert of(pair.standing(), "report-overdue")

    pair.stopped(judge, "claim", meanwhile)
    pair.assert_as_replayed()
    assert [("raised", 1)] == told_in_order(pair, "report-overdue")


def test_a_sum_that_is_judged_with_an_act_goes_by_facts_that_are_read_under_its_lock(pair: Pair) -> None:
    staff = {"controller": OWNER, "employees": 10}
    abroad = {"recipient": ABROAD, "country": "DE"}
    pair.take(party(SELLER, **staff), party(BUYER, controller=OWNER))
    pair.take(exported(SELLER, "2025-03-01", persons=60_000, exemption="hr", export="one", **abroad))
    pair.take(exported(SELLER, "2025-03-01", persons=1, export="two", **abroad))
    pair.settled()
    # The listing has its seller's facts loaded, and is in none of the group's sums.
    pair.take(exported(BUYER, "2025-03-02", persons=60_000, **abroad))
    pair.take(listed("a", "2025-03-02", seller=SELLER))
    assert of(pair.expected(), "export-splitting")

    def meanwhile() -> None:
        pair.take(party(SELLER, "2025-01-02", **staff | {"employees": 100_000}))
        # Two by two, for of one thing alone the sums are judged later, and the listing is held before that.
        pair.judge(2)

    pair.stopped(scopes, "enter", meanwhile, after=False)
    assert [] == of(pair.expected(), "export-splitting")
    pair.assert_as_replayed()


def test_what_was_used_while_a_contract_was_first_judged_is_seen(pair: Pair) -> None:
    pair.take(signed("c", "2025-02-01", terms=terms(report_within_days=30)))
    pair.other.release(parse_instant(UNTIL), NOW)

    def meanwhile() -> None:
        pair.take(used("c", "2025-02-10"))
        pair.judge()

    # After the acts the sums: by then it has been read what was used.
    pair.stopped(pair.mine.book, "enter", meanwhile, nth=2, after=False)
    pair.assert_as_replayed()


def test_a_finding_that_is_raised_while_an_objection_to_it_is_upheld_does_not_stand(pair: Pair) -> None:
    pair.take(asset("a", owner=OWNER), listed("a", "2025-03-01"))
    (found,) = of(pair.expected(), "right-missing")
    objection = {"objection": "o1", "finding": found["finding"]}

    def meanwhile() -> None:
        pair.take(event("objection.filed", SELLER, "2025-03-02", grounds="it is ours", **objection))
        pair.take(event("objection.decided", SELLER, "2025-03-03", outcome="upheld", decided_by="office", **objection))
        pair.judge()

    pair.stopped(pair.mine.book, "enter", meanwhile)
    pair.assert_as_replayed()
    assert [] == of(pair.standing(), "right-missing")


def test_a_finding_that_another_sum_says_meanwhile_is_not_cleared_by_the_one_that_said_it(pair: Pair) -> None:
    signing = signed("c", "2025-03-01", asset="a")
    cause = Cause(signing["source"], signing["id"])
    said = Said(
        severity="orange",
        about=About("contract", "c"),
        party=SELLER,
        occurred=NOW,
        cause=cause,
        summary="",
        summary_zh="",
        evidence={},
    )
    rule, default = RULES["reciprocal-trade"], parse_pack(DEFAULT, published=False)
    first, second = (Entry(queue.sum_(rule.id, scope), rule, default, said, NOW) for scope in ("first", "second"))
    with pair.mine.store.writing() as db:
        pair.mine.book.enter(db, [first], things=[first.thing], now=NOW)

    def meanwhile() -> None:
        with pair.other.store.writing() as db:
            pair.other.book.enter(db, [second], things=[second.thing], now=NOW)

    whole = Book._left

    def cut(*given: Any) -> Any:
        meanwhile()
        return whole(*given)

    with mock.patch.object(Book, "_left", staticmethod(cut)), pair.mine.store.writing() as db:
        pair.mine.book.enter(db, [], things=[first.thing], now=NOW)
    assert [first.finding] == [one["finding"] for one in pair.standing()]
    with pair.mine.store.reading() as db:
        assert [(second.thing,)] == db.rows("select thing from findings")


def test_a_late_pack_reaches_what_was_judged_without_it_in_a_transaction_that_was_still_open(pair: Pair) -> None:
    pair.other.release(parse_instant(UNTIL), NOW)
    pair.take(signed("c", "2025-02-01", terms=terms(delete_within_days=10, valid_to="2025-02-02")))
    assert of(pair.expected(), "deletion-overdue")

    def meanwhile() -> None:
        pair.take(published("2025-02-10", version="1", detectors={"deletion-overdue": {"mode": "off"}}))
        pair.judge()

    pair.stopped(pair.mine.book, "enter", meanwhile, after=False)
    assert [] == of(pair.expected(), "deletion-overdue")
    pair.assert_as_replayed()


def test_a_late_pack_reaches_a_gap_that_was_revealed_in_a_transaction_that_was_still_open(pair: Pair) -> None:
    def meanwhile() -> None:
        pair.take(published("2025-01-01", version="1", detectors={"feed-gap": {"mode": "off"}}))
        pair.judge()

    whole = write.write

    def open_still(batch: Batch, book: Book) -> None:
        if batch.known is pair.mine.known:
            meanwhile()
        whole(batch, book)

    with mock.patch.object(write, "write", open_still):
        pair.take(party(SELLER, "2025-02-01", sequence=3), engine=pair.mine)
    pair.assert_as_replayed()
    assert [] == of(pair.standing(), "feed-gap")


def test_what_is_rejected_elsewhere_while_its_gap_is_revealed_is_told(pair: Pair) -> None:
    """A record with a wrong key is read by another worker than the one that has the home of its subject."""
    wrong = orjson.dumps(party(SELLER, "2025-02-01", sequence=2) | {"partitionkey": "other"})

    def elsewhere() -> None:
        rejection = Admission().admit(wrong, topic="circulation.parties", key=ANY, headers=(), now=NOW)
        assert isinstance(rejection, Rejection)
        pair.other.take([], [Refused(1, rejection, ("circulation.parties", 1, 0))], NOW)
        pair.judge()

    whole = write.write

    def open_still(batch: Batch, book: Book) -> None:
        if batch.known is pair.mine.known:
            elsewhere()
        whole(batch, book)

    with mock.patch.object(write, "write", open_still):
        pair.take(party(SELLER, "2025-02-01", sequence=3), engine=pair.mine)
    (gap,) = of(pair.settled(), "feed-gap")
    assert [{"number": 2, "reasons": ["key-mismatch"]}] == gap["evidence"]["rejected"]
    pair.take(party(SELLER, "2025-02-01", sequence=2), engine=pair.mine)
    (gap,) = of(pair.settled(), "feed-gap")
    assert "rejected" not in gap["evidence"]


def test_a_gap_that_is_filled_while_a_judge_raises_it_again_is_cleared_as_it_was_raised_last(
    pair: Pair, postgres_url: str
) -> None:
    store = Store(postgres_url)
    filling = Engine(store, parse_pack(DEFAULT, published=False))
    filling.take_up()
    pair.take(party(SELLER, "2025-02-01", sequence=2), engine=filling)
    pair.take(published("2025-01-01", version="1"))
    # The pack is another one, so the finding is raised again; all but the last round is judged by now.
    with pair.mine.store.reading() as db:
        waits = "select 1 from queue where thing like 'gap%' limit 1"
        while db.one(waits) is None or db.one("select 1 from queue where thing like 'anew%' limit 1"):
            pair.other.judge_round(NOW, 1)
    thread = threading.Thread(target=lambda: pair.take(party(SELLER, "2025-02-01", sequence=1), engine=filling))

    def meanwhile() -> None:
        thread.start()
        looking = Store(postgres_url)
        with looking.reading() as db:
            while not db.one("select 1 from pg_locks where not granted"):
                assert thread.is_alive(), "it waits for the judge"
        looking.close()

    while len(told_in_order(pair, "feed-gap")) == 1:
        pair.stopped(pair.mine.book, "enter", meanwhile)
    thread.join()
    store.close()
    pair.settled()
    assert [("raised", 1), ("raised", 2), ("cleared", 2)] == told_in_order(pair, "feed-gap")

"""How a partition is, by what store and Kafka say of it, and what resuming one changes: all of it, or nothing."""

from typing import Any

import orjson
import pytest

import detectors
from detectors.feed_lost import GoingOn
from streams.engine import Engine
from streams.facts.rulebook import read_pack, shipped
from streams.feeds.feeds import Feed, State, elsewhere, feeds, positions
from streams.feeds.resuming import Kept, ResumeRefused, close, resume, start_of
from streams.store import schema
from streams.store.store import Store
from streams.topics import ASSETS, CONTRACTS
from tests.modes import only

AT = 1_800_000_000_000_000
TP = (CONTRACTS, 3)


def feed(position: int | None = 10, low: int | None = 20, end: int | None = 30, kafka_id: str | None = "a") -> Feed:
    return Feed(*TP, position, None if position is None else "a", low, end, kafka_id)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (feed(19), State.EXPIRED),
        (feed(20), State.READ),
        (feed(21), State.READ),
        (feed(30), State.READ),
        (feed(31), State.CUT),
        (feed(25)._replace(anew=True), State.PUT_BACK),
        (feed(25, kafka_id="b"), State.MADE_ANEW),
        (feed(None), State.NEW),
        (feed(kafka_id=None), State.ABSENT),
        (feed(low=None, end=None), State.ABSENT),
        (feed(low=None, end=None, kafka_id="b")._replace(partitions=3, known=4), State.GONE),
        (feed(low=None, end=None, kafka_id="b")._replace(partitions=4, known=4), State.ABSENT),
        # Kafka's brokers may know of new partitions one after the other.
        (feed(low=None, end=None)._replace(partitions=3, known=4), State.ABSENT),
    ],
)
def test_how_a_partition_is_follows_from_its_position_and_what_kafka_has(one: Feed, state: State) -> None:
    assert state == one.state
    assert bool(one.why) == (state not in (State.READ, State.NEW))


def test_partitions_of_either_side_are_listed_in_their_order() -> None:
    rows = {TP: (5, "a"), (CONTRACTS, 5): (6, "a")}
    ids, counts = {CONTRACTS: "b", ASSETS: "b"}, {CONTRACTS: 3, ASSETS: 1}
    found = feeds(rows, ids, counts, {(ASSETS, 0): 0}, {(ASSETS, 0): 1}, [TP, (ASSETS, 0)])
    assert [(ASSETS, 0, State.NEW), (*TP, State.GONE)] == [(one.topic, one.partition, one.state) for one in found]
    assert "the topic has 3 partitions, the store read 6" == found[1].why


@pytest.mark.parametrize(("wanted", "start"), [("earliest", 20), ("20", 20), ("25", 25), ("30", 30)])
def test_it_goes_on_within_what_kafka_has(wanted: str, start: int) -> None:
    assert start == start_of(feed(), wanted)


@pytest.mark.parametrize("wanted", ["0", "19", "31"])
def test_an_offset_that_kafka_does_not_have_is_refused(wanted: str) -> None:
    with pytest.raises(ResumeRefused, match=f"from 20 to its end at 30, got {wanted}") as refused:
        start_of(feed(), wanted)
    assert refused.value.wrong_offset


@pytest.mark.parametrize("one", [feed(25), feed(None), feed(kafka_id=None)])
def test_what_is_read_or_not_there_has_nothing_to_resume(one: Feed) -> None:
    with pytest.raises(ResumeRefused) as refused:
        start_of(one, "earliest")
    assert not refused.value.wrong_offset


def at_ten(store: Store) -> Engine:
    with store.writing() as db:
        db.many(schema.progress, [(*TP, 10, "a", 7, None, 0, None, None)])
    return Engine(store, shipped(detectors.RULES))


def resumed(store: Store, engine: Engine, one: Feed, start: int, kept: Kept | None = None) -> None:
    with store.writing() as db:
        resume(db, engine, one, start, by="Li Wei", login="liwei", note="why", at=AT, kept=kept)


def told(store: Store) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The findings as they stand, and what the journal is told of partitions."""
    with store.reading() as db:
        findings = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
        sent = [orjson.loads(row[0]) for row in db.rows("select value from outbox where topic = 'circulation.journal'")]
    return findings, [one["data"] for one in sent if one["type"] == "circulation.feed.resumed"]


def test_position_finding_and_journal_change_together_and_the_highest_time_stays(store: Store) -> None:
    engine = at_ten(store)
    resumed(store, engine, feed(), 20)
    ((finding,), (said,)) = told(store)
    assert (1, 10, 19, 20) == (finding["revision"], *(finding["evidence"][name] for name in ("from", "to", "resumed")))
    assert (10, 10, 19, 20, finding["finding"], "Li Wei", "liwei", "why") == tuple(
        said[name] for name in ("position", "from", "to", "resumed", "finding", "by", "user", "note")
    )
    with store.reading() as db:
        assert {TP: (20, "a")} == positions(db)
        assert [(7,)] == db.rows("select time_max from progress")


def at_zero(store: Store) -> Engine:
    """Of a topic with two partitions, nothing was read of the one that is asked for."""
    with store.writing() as db:
        rows = [(*TP, 0, "a", None, None, 0, None, None), (CONTRACTS, 0, 5, "a", None, None, 0, None, None)]
        db.many(schema.progress, rows)
    return Engine(store, shipped(detectors.RULES))


@pytest.mark.parametrize("start", [0, 3])
def test_of_a_topic_made_anew_nothing_is_lost_where_nothing_was_read(store: Store, start: int) -> None:
    """Where it goes on behind the first record, what is before is lost as ever."""
    engine = at_zero(store)
    one = feed(0, low=0, end=9, kafka_id="b")
    assert (State.MADE_ANEW, True) == (one.state, one.untouched)
    resumed(store, engine, one, start)
    findings, (said,) = told(store)
    assert (start, "from" in said) == (said["resumed"], start > 0)
    assert [(0, 2)] * (start > 0) == [(f["evidence"]["from"], f["evidence"]["to"]) for f in findings]


def test_with_a_partition_that_is_no_more_nothing_is_lost_where_nothing_was_read(store: Store) -> None:
    engine = at_zero(store)
    one = feed(0, low=None, end=None, kafka_id="b")._replace(partitions=3, known=4)
    assert (State.GONE, True) == (one.state, one.untouched)
    with store.writing() as db:
        close(db, engine, one, by="Li Wei", login="liwei", note="why", at=AT)
    findings, (said,) = told(store)
    assert ([], True, False) == (findings, said["closed"], "from" in said)


@pytest.mark.parametrize(("position", "nothing"), [(0, True), (1, False)])
def test_of_a_topic_that_is_not_there_nothing_is_lost_where_nothing_was_read(position: int, nothing: bool) -> None:
    one = feed(position, low=None, end=None, kafka_id=None)
    assert (State.ABSENT, nothing) == (one.state, one.untouched)


def test_what_expired_before_it_was_read_is_lost_though_nothing_was_read() -> None:
    assert not feed(0).untouched


def test_who_comes_second_changes_nothing(store: Store) -> None:
    engine = at_ten(store)
    resumed(store, engine, feed(), 20)
    before = told(store)
    with pytest.raises(ResumeRefused, match="moved on by somebody else"):
        resumed(store, engine, feed(), 25)
    assert before == told(store)
    with store.reading() as db:
        assert {TP: (20, "a")} == positions(db)


def test_of_a_topic_that_was_made_anew_the_new_one_is_adopted_and_nobody_can_tell_the_last(store: Store) -> None:
    resumed(store, at_ten(store), feed(low=0, end=5, kafka_id="b"), 0)
    ((finding,), (said,)) = told(store)
    assert (10, 0, False) == (finding["evidence"]["from"], finding["evidence"]["resumed"], "to" in finding["evidence"])
    assert (10, 0, "b", False) == (said["from"], said["resumed"], said["topic_id"], "to" in said)
    with store.reading() as db:
        assert {TP: (0, "b")} == positions(db)


@pytest.mark.parametrize(("kept", "lost"), [(19, [(19, 19)]), (20, [])])
def test_what_an_archive_had_is_not_lost(store: Store, kept: int, lost: list[tuple[int, int]]) -> None:
    engine = at_ten(store)
    resumed(store, engine, feed(low=11), 11)  # a loss that stands, of the same first offset
    with store.writing() as db:
        db.run("update progress set next = ?", kept)
    resumed(store, engine, feed(kept), 20, Kept(10, kept, kept - 10))
    findings, (_, said) = told(store)
    assert lost == [(one["evidence"]["from"], one["evidence"]["to"]) for one in findings]
    assert lost == [(said["from"], said["to"])] if lost else "from" not in said
    assert {"from": 10, "to": kept - 1, "records": kept - 10} == said["kept"]


def test_where_the_pack_has_the_detector_off_there_is_no_finding_and_the_journal_is_told(store: Store) -> None:
    at_ten(store)
    off = read_pack(orjson.dumps(only("negative-list", entries=[])), detectors.RULES)
    resumed(store, Engine(store, off), feed(), 20)
    findings, journal = told(store)
    assert ([], 1) == (findings, len(journal))


def gone(partition: int = 3) -> Feed:
    return Feed(CONTRACTS, partition, 10, "a", None, None, "b", 3, 4)


def closed(store: Store, engine: Engine, one: Feed) -> None:
    with store.writing() as db:
        close(db, engine, one, by="Li Wei", login="liwei", note="why", at=AT)


def test_what_is_no_more_is_closed_and_the_highest_time_and_what_was_sent_on_stay(store: Store) -> None:
    engine = at_ten(store)
    with store.writing() as db:
        db.many(schema.progress, [(CONTRACTS, 0, 4, "b", 5, None, 2, None, None)])
        db.run("update progress set sent_on = 3 where partition = 3")
    closed(store, engine, gone())
    ((finding,), (said,)) = told(store)
    why = "the topic has 3 partitions, the store read 4"
    assert {"from": 10, "low": None, "why": why, "by": "Li Wei"}.items() <= finding["evidence"].items()
    assert (10, 10, True, finding["finding"], "Li Wei", "liwei", "why") == tuple(
        said[name] for name in ("position", "from", "closed", "finding", "by", "user", "note")
    )
    assert not {"to", "resumed"} & {*finding["evidence"], *said}
    with store.reading() as db:
        assert [(0, 4, 7, 5)] == db.rows("select partition, next, time_max, sent_on from progress")
    with pytest.raises(ResumeRefused, match="by somebody else"):
        closed(store, engine, gone())


def test_the_only_partition_of_a_topic_that_was_read_is_not_closed(store: Store) -> None:
    engine = at_ten(store)
    with pytest.raises(ResumeRefused, match="all that was read of its topic"):
        closed(store, engine, gone())
    assert ([], []) == told(store)


def test_what_is_no_more_cannot_go_on_from_an_offset() -> None:
    with pytest.raises(ResumeRefused, match="can only be closed") as refused:
        start_of(gone(), "3")
    assert refused.value.wrong_offset


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (feed(kafka_id="b"), "topic made anew: its records are others"),
        (feed(kafka_id=None), "not there"),
        (feed(19), "records expired: Kafka no longer has the offsets 19 to 19"),
        (feed(20), "read"),
        (gone(), "partition is no more: the topic has 3 partitions, the store read 4"),
    ],
)
def test_a_state_is_told_once(one: Feed, told: str) -> None:
    assert told == one.in_words


def test_where_every_topic_is_another_the_store_may_be_of_another_kafka() -> None:
    contracts = feed(kafka_id="b")
    assets = contracts._replace(topic=ASSETS)
    assert elsewhere([contracts, assets, gone(), feed(None)._replace(topic="never read")])
    assert elsewhere([contracts, assets._replace(kafka_id=None)])
    assert not elsewhere([contracts, assets._replace(kafka_id="a")])
    assert not elsewhere([assets._replace(kafka_id=None)])
    assert not elsewhere([feed(None)])
    assert not elsewhere([])


@pytest.mark.parametrize(("last", "lost"), [(9, False), (10, True), (11, True), (None, True)])
def test_what_an_archive_has_whole_is_not_lost(last: int | None, lost: bool) -> None:
    assert lost == GoingOn(12, 10, last, "an operator").anything_lost

"""Homes of keys: where Kafka's clients put a key, what is sent on and how, who is told, and what a growth changes."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import murmur2 as of_kafka_python

from circulation.admission.admission import Admission
from circulation.admission.records import BATCH, STRUCTURED
from circulation.examples import Json, event, signed, terms, used
from streams.feeds.homing import (
    FROM_HEADER,
    GROWN,
    HOPS_HEADER,
    HOPS_MAX,
    Homes,
    Homing,
    Placement,
    Trail,
    place,
    placements,
)
from streams.intake import Arrival
from streams.store.store import Store
from streams.topics import ASSETS, CONTRACTS
from streams.wire.addresses import address, home_of, murmur2
from streams.wire.unsent import set_aside
from tests.end_to_end.running import truth
from tests.model.partitions import Reading, Topic, outbox, relay

A, B = "urn:a", "urn:b"
LIMIT = 300
NOW = 1_780_000_000_000_000


@given(st.binary(max_size=200))
def test_the_hash_of_a_key_is_the_one_of_kafka_s_clients(key: bytes) -> None:
    assert of_kafka_python(key) == murmur2(key)


def test_known_keys_lie_where_java_puts_them() -> None:
    # From the tests of Kafka's own Utils.murmur2, as 32 bits without a sign.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: hash_ & 0xFFFFFFFF for key, hash_ in known.items()} == {key: murmur2(key) for key in known}


def test_a_topic_that_only_some_workers_know_is_left_to_the_partitioner() -> None:
    assert -1 == address({}, CONTRACTS, b"contract")
    assert -1 == address({CONTRACTS: 4}, CONTRACTS, None)
    assert home_of(b"contract", 4) == address({CONTRACTS: 4}, CONTRACTS, b"contract")


# When a topic has been given partitions.


def grown(since: int = NOW) -> Homes:
    return Homes(CONTRACTS, [Placement(4, 0, {}), Placement(8, since, dict.fromkeys(range(4), 100))])


def moved() -> bytes:
    """A key that is at home elsewhere among eight partitions than among four."""
    return next(key for key in (f"key-{n}".encode() for n in range(99)) if home_of(key, 4) != home_of(key, 8))


def test_a_record_of_before_was_put_well_and_a_late_one_is_pardoned_for_a_quarter_of_an_hour() -> None:
    homes, key = grown(), moved()
    before, now = home_of(key, 4), home_of(key, 8)
    other = next(part for part in range(8) if part not in (before, now))
    assert homes.well_put(key, before, 99, NOW + GROWN)  # as it was when it was written
    assert homes.well_put(key, before, 100, NOW + GROWN - 1)  # its client has not heard yet
    assert not homes.well_put(key, before, 100, NOW + GROWN)
    assert homes.well_put(key, now, 0, NOW)
    assert homes.well_put(key, now, 0, 0)
    assert not homes.well_put(key, other, 0, NOW)
    assert [before] == homes.earlier(key)


def test_a_number_of_partitions_is_noted_once_and_never_becomes_less(store: Store) -> None:
    with store.writing() as db:
        db.run("insert into progress (topic, partition, next, topic_id) values (?, 0, 7, 'id')", CONTRACTS)
        assert place(db, CONTRACTS, "id", 4, {}, 1)
        assert place(db, CONTRACTS, "id", 8, {0: 7, 1: 9}, 2)
        assert not place(db, CONTRACTS, "id", 8, {0: 1_000}, 3)
        assert not place(db, CONTRACTS, "id", 4, {}, 4)
        # A topic of the same name that was made anew has a history of its own.
        assert [] == placements(db, CONTRACTS, "another id")
        four, eight = placements(db, CONTRACTS, "id")
        assert (4, 1, dict.fromkeys(range(4), 0)) == four
        assert (8, 2, {**dict.fromkeys(range(8), 0), 0: 7, 1: 9}) == eight
        assert [(8,)] == db.rows("select partitions from progress")


def test_a_topic_made_anew_with_fewer_goes_by_its_own_number_whatever_a_group_still_thinks(store: Store) -> None:
    homing = Homing()
    wanted = {(CONTRACTS, partition) for partition in range(8)}
    with store.writing() as db:
        homing.assign(db, wanted, {CONTRACTS: "old"}, {CONTRACTS: 8}, 1)
        assert ({}, set()) == (homing.held, homing.beyond)
        homing.assign(db, wanted, {CONTRACTS: "new"}, {CONTRACTS: 2}, 2)
        assert [2] == [one.partitions for one in placements(db, CONTRACTS, "new")]
    assert ({}, {(CONTRACTS, partition) for partition in range(2, 8)}) == (homing.held, homing.beyond)
    assert home_of(b"contract", 2) == homing.home(CONTRACTS, "contract")
    # A use that is cancelled may have been counted where its contract was at home in the old topic.
    assert [home_of(b"contract", 8)] == homing.earlier(CONTRACTS, "contract") != [home_of(b"contract", 2)]


def test_what_another_worker_noted_before_kafka_told_this_one_is_read(store: Store) -> None:
    homing = Homing()
    with store.writing() as db:
        place(db, CONTRACTS, "id", 4, {}, 1)
        place(db, CONTRACTS, "id", 8, {}, 2)
        homing.assign(db, {(CONTRACTS, 7), (CONTRACTS, 9)}, {CONTRACTS: "id"}, {CONTRACTS: 4}, 3)
    assert ({}, {(CONTRACTS, 9)}) == (homing.held, homing.beyond)


def test_a_partition_was_added_where_the_store_knew_the_topic_or_one_of_its_name_without_it() -> None:
    assert [False, True] == [grown().added(partition) for partition in (3, 4)]
    assert Homes(CONTRACTS, [Placement(4, 0, {})], [8]).added(3)


def test_partitions_that_a_topic_made_anew_does_not_have_are_not_read_and_those_somebody_closed_hold_nothing_up(
    pair: "MakePair",
) -> None:
    one = pair(partitions=8)
    worker = one.workers[0]
    one.topic.partitions[4:] = []
    one.topic.id = "another"
    worker.own(range(8))
    assert set(range(8)) == {stopped["partition"] for stopped in worker.condition.readiness()["stopped"]}
    with one.store.writing() as db:
        db.run("update progress set topic_id = 'another' where partition < 4")
        db.run("delete from progress where partition >= 4")
    worker.own(range(8))
    assert ({(CONTRACTS, part) for part in range(4)}, []) == (
        worker.positions().keys(),
        worker.condition.readiness()["stopped"],
    )


# What is sent on.


class Pair:
    """Two workers, or one, on a topic of four partitions in memory; whoever reads, what they take in is in order."""

    def __init__(self, store: Store, workers: int = 1, partitions: int = 4) -> None:
        self.store = store
        self.topic = Topic(partitions)
        self.taken: list[bytes] = []
        self.workers = [Reading(store, self.topic, self.taken) for _ in range(workers)]
        for number, worker in enumerate(self.workers):
            worker.own(range(number, partitions, workers))

    def put(self, partition: int, line: Json, headers: list[tuple[str, bytes]] | None = None) -> None:
        given = [("content-type", STRUCTURED.encode())] if headers is None else headers
        self.topic.put(partition, line["subject"].encode(), orjson.dumps(line), given)

    def read(self) -> None:
        """Everybody reads to the end."""
        choose = random.Random(1)
        for worker in self.workers:
            while sum(worker.positions().values()) < sum(len(self.topic.partitions[p]) for _, p in worker.positions()):
                worker.read(choose, 50)

    def settle(self) -> None:
        """Everybody reads, and what is sent on is read, until nothing is on its way."""
        self.read()
        while outbox(self.store):
            relay(self.store, self.topic)
            self.read()
        self.workers[0].engine.settle_apart(NOW)

    def found(self, detector: str) -> list[Json]:
        return [one for one in truth(self.store).findings.values() if one["detector"] == detector]

    def rejected(self) -> list[dict[str, str]]:
        with self.store.reading() as db:
            rows = db.rows("select headers from outbox where topic = 'circulation.rejected' order by id")
        return [dict(orjson.loads(row[0])) for row in rows]


@pytest.fixture
def pair(store: Store) -> Iterator[Any]:
    made: list[Pair] = []

    def make(**how: int) -> Pair:
        made.append(Pair(store, **how))
        return made[-1]

    yield make
    for one in made:
        for worker in one.workers:
            worker.close()


MakePair = Callable[..., Pair]
CONTRACT = "C1"
HOME = home_of(CONTRACT.encode(), 4)
ELSEWHERE = (HOME + 1) % 4


def opened() -> Json:
    return signed(CONTRACT, "2025-01-01", terms=terms(uses_max=LIMIT))


def use(number: int, source: str = A, **members: Any) -> Json:
    return used(CONTRACT, "2025-02-01T08:00:00", id=f"{source}-{number}", source=source, **members)


def test_two_partitions_that_each_have_half_of_the_uses_of_one_contract_are_counted_as_one(
    pair: MakePair, store: Store
) -> None:
    two = pair(workers=2 if store.postgres else 1)
    two.put(HOME, opened())
    two.settle()
    for fetch in range(20):
        for number in range(10):
            two.put(HOME, use(10 * fetch + number, A))
            two.put(ELSEWHERE, use(10 * fetch + number, B))
        two.settle()
    bands = sorted((one["evidence"]["band"], one["evidence"]["used"]) for one in two.found("usage-limit"))
    assert 4 == len(bands)
    assert [B] == [one["about"]["id"] for one in two.found("misplaced-key")]


def test_what_is_sent_on_is_the_same_bytes_with_its_headers_and_tells_where_it_was(pair: MakePair) -> None:
    one = pair()
    headers = [("content-type", STRUCTURED.encode()), ("by", b"key-7"), ("trace", b"\xff"), ("none", None)]
    one.put(ELSEWHERE, use(1), headers)
    one.read()
    (message,) = outbox(one.store)
    assert (CONTRACT.encode(), orjson.dumps(use(1))) == (message.key, message.value)
    given = [("content-type", STRUCTURED), ("by", "key-7")]
    assert [*given, (FROM_HEADER, f"{ELSEWHERE}@0"), (HOPS_HEADER, "1")] == [tuple(pair) for pair in message.headers]
    assert [] == one.taken
    one.settle()
    assert [orjson.dumps(use(1))] == one.taken
    with one.store.reading() as db:
        query = "select partition, next, sent_on from progress where next > 0 order by sent_on"
        assert [(HOME, 1, 0), (ELSEWHERE, 1, 1)] == db.rows(query)


def test_a_source_is_told_of_once_a_topic_whatever_it_sends(pair: MakePair) -> None:
    one = pair()
    for number in range(3):
        one.put(ELSEWHERE, use(number))
        one.settle()
    one.workers[0].homing._reported.clear()  # as after a restart
    one.put(ELSEWHERE, use(4))
    one.settle()
    (told,) = one.found("misplaced-key")
    assert ("yellow", {"kind": "source", "id": A}) == (told["severity"], told["about"])
    expected = {"topic": CONTRACTS, "subject": CONTRACT, "id": f"{A}-0", "home": HOME, "partitions": 4}
    assert expected | {"partition": ELSEWHERE, "offset": 0} == told["evidence"]
    with one.store.reading() as db:
        assert [(1,)] == db.rows("select revision from findings where detector = 'misplaced-key'")


def test_what_a_crash_sends_twice_counts_once_with_a_number_and_without(pair: MakePair) -> None:
    one = pair()
    one.put(HOME, opened())
    one.put(ELSEWHERE, use(1, uses=200))
    one.put(ELSEWHERE, use(2, B, uses=50, sequence=1))
    one.read()
    relay(one.store, one.topic, lambda: True)
    one.settle()
    assert 5 == len(one.topic.partitions[HOME])
    desk = truth(one.store).desks[CONTRACTS, CONTRACT]
    assert 250 == sum(day[0] for day in desk[0].values())


def test_of_a_batch_the_events_go_one_by_one_and_the_rest_is_rejected_where_it_was_read(pair: MakePair) -> None:
    one = pair()
    batch = [use(1), {**use(2), "id": ""}, use(3)]
    headers = [("content-type", BATCH.encode()), ("by", b"key-7")]
    one.topic.put(ELSEWHERE, CONTRACT.encode(), orjson.dumps(batch), headers)
    one.read()
    sent = outbox(one.store)
    assert [orjson.dumps(use(1)), orjson.dumps(use(3))] == [message.value for message in sent]
    assert [f"{ELSEWHERE}@0#0", f"{ELSEWHERE}@0#2"] == [dict(message.headers)[FROM_HEADER] for message in sent]
    assert {STRUCTURED} == {dict(message.headers)["content-type"] for message in sent}
    one.settle()
    (rejected,) = one.rejected()
    assert (str(ELSEWHERE), "0", "1") == tuple(rejected[name] for name in ("partition", "offset", "index"))
    assert [orjson.dumps(use(1)), orjson.dumps(use(3))] == one.taken


def test_a_record_that_is_rejected_is_sent_nowhere(pair: MakePair) -> None:
    one = pair()
    one.put(ELSEWHERE, {**use(1), "time": "yesterday"})
    one.topic.put(ELSEWHERE, None, orjson.dumps(use(2)))  # type: ignore[arg-type]  # a record without a key
    one.topic.put(ELSEWHERE, b"another", orjson.dumps(use(3)))
    one.settle()
    assert ["not-cloudevent", "key-mismatch", "key-mismatch"] == [each["reason"] for each in one.rejected()]
    assert [] == one.found("misplaced-key")


@pytest.mark.parametrize("hops", [b"8", b"999", b"-1", b"many", b""])
def test_what_was_sent_on_too_often_ends_with_the_rejected(pair: MakePair, hops: bytes) -> None:
    one = pair()
    one.put(ELSEWHERE, use(1), [(HOPS_HEADER, b"7")])
    one.put(ELSEWHERE, use(2), [(HOPS_HEADER, hops)])
    one.read()
    (message,) = outbox(one.store)
    assert (orjson.dumps(use(1)), str(HOPS_MAX)) == (message.value, dict(message.headers)[HOPS_HEADER])
    (rejected,) = one.rejected()
    assert ("invalid-data", "1") == (rejected["reason"], rejected["offset"])
    assert rejected["detail"].startswith(f"header {HOPS_HEADER}: ")


def test_a_run_of_openlineage_is_at_home_under_any_key(pair: MakePair) -> None:
    one = pair()
    run = {
        "eventType": "COMPLETE",
        "eventTime": "2025-02-01T08:00:00Z",
        "run": {"runId": "run-1"},
        "job": {"namespace": "market", "name": "job"},
        "inputs": [],
        "outputs": [],
        "producer": "https://pipelines.example/",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
    }
    worker = one.workers[0]
    admitted = Admission().admit(orjson.dumps(run), topic=ASSETS, key=b"any", headers=None, now=NOW)
    place_ = (ASSETS, ELSEWHERE, 0)
    worker.engine.intake.home = lambda topic, subject: HOME
    outcome = worker.engine.take([Arrival(1, NOW, admitted, b"", place_)], [], NOW)
    assert ([], {"openlineage.run": 1}) == (outcome.away, outcome.type_counts)


def test_a_cancellation_finds_its_use_where_its_contract_was_at_home_before(pair: MakePair) -> None:
    one = pair()
    contract = next(c for c in (f"c-{n}" for n in range(99)) if home_of(c.encode(), 4) != home_of(c.encode(), 8))
    one.put(home_of(contract.encode(), 4), signed(contract, "2025-01-01", terms=terms(uses_max=5)))
    one.put(home_of(contract.encode(), 4), used(contract, "2025-02-01T08:00:00", 5, id="all"))
    one.settle()
    one.topic.grow(8)
    one.workers[0].own(range(8))
    assert {4, 5, 6, 7} == {part for _, part in one.workers[0].homing.held}
    one.workers[0].see_grown()  # the older ones are read: the number is noted
    assert {} == one.workers[0].homing.held
    back = event("usage.cancelled", contract, "2025-02-01T09:00:00", usage="all", uses=2)
    one.put(home_of(contract.encode(), 8), back)
    one.put(home_of(contract.encode(), 8), used(contract, "2025-02-01T10:00:00", 2, id="again"))
    one.settle()
    assert [] == one.rejected()
    # Without what was given back there would be seven; the band was left, so that it is passed anew.
    assert [5, 5] == [found["evidence"]["used"] for found in one.found("usage-limit")]


def test_new_partitions_are_not_read_before_the_older_ones_were_read_to_their_ends(pair: MakePair) -> None:
    one = pair()
    one.put(HOME, opened())
    one.topic.grow(8)
    worker = one.workers[0]
    worker.own(range(8))
    worker.see_grown()
    unread = {stopped["partition"] for stopped in worker.condition.readiness()["stopped"]}
    assert ({4, 5, 6, 7}, False) == (unread, worker.condition.readiness()["ready"])
    one.put(5, {**use(1), "subject": "c"})
    worker.read(random.Random(2), 50)
    while worker.positions()[(CONTRACTS, HOME)] < 1:
        worker.read(random.Random(2), 50)
    assert (CONTRACTS, 5) not in worker.positions()
    worker.see_grown()
    assert [] == worker.condition.readiness()["stopped"]
    assert 0 == worker.positions()[(CONTRACTS, 5)]
    with one.store.reading() as db:
        assert {part: int(part == HOME) for part in range(8)} == placements(db, CONTRACTS, "a topic")[1].begins


def test_positions_that_somebody_wrote_without_a_number_of_partitions_are_read_on(pair: MakePair) -> None:
    one = pair()
    one.put(HOME, opened())
    with one.store.writing() as db:
        db.run("update progress set partitions = null where partition = ?", HOME)
    one.read()
    assert [orjson.dumps(opened())] == one.taken


def arrived(trail: Trail, one: Pair) -> bool:
    with one.store.reading() as db:
        rows = db.rows("select topic, partition, next from progress")
        where = {(topic, part): at for topic, part, at in rows}
        return trail.arrived(db, where, lambda: {(CONTRACTS, p): len(r) for p, r in enumerate(one.topic.partitions)})


def test_no_deadline_passes_while_something_is_on_its_way_home(pair: MakePair) -> None:
    one = pair()
    trail = Trail()
    assert arrived(trail, one)
    one.put(ELSEWHERE, use(1))
    one.read()
    assert not arrived(trail, one)  # in the outbox
    relay(one.store, one.topic)
    assert not arrived(trail, one)  # in its home, unread
    one.read()
    assert arrived(trail, one)


def test_what_was_set_aside_on_its_way_home_holds_no_deadline_back(pair: MakePair) -> None:
    one = pair()
    trail = Trail()
    one.put(ELSEWHERE, use(1))
    one.read()
    assert not arrived(trail, one)
    with one.store.reading() as db:
        ids = [row[0] for row in db.rows("select id from outbox")]
    set_aside(one.store, [(id_, "too large") for id_ in ids], NOW)
    assert arrived(trail, one)

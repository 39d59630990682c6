"""The end of a partition that transactional producers write to is a marker, which no consumer ever gets."""

import itertools

import orjson
import pytest
from confluent_kafka import Producer
from running import Worker, assert_as_replayed, received, replayed, truth, wait

from circulation.examples import BUYER, OWNER, SELLER, asset, event, pack, party, signed, terms, used
from streams.topics import FINDINGS
from streams.wire.emit import place

NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return request.getfixturevalue("postgres_url")


class Transactions:
    """A producer as Kafka Streams, Connect and others have it."""

    def __init__(self, bootstrap):
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": f"transactions-{next(NUMBERS)}",
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        self._producer.init_transactions(30)

    def begin(self, lines):
        self._producer.begin_transaction()
        for line in lines:
            placed = place(line)
            self._producer.produce(placed.topic, line, key=placed.key)
        assert self._producer.flush(30) == 0

    def commit(self, lines=()):
        if lines:
            self.begin(lines)
        self._producer.commit_transaction(30)

    def abort(self, lines):
        self.begin(lines)
        self._producer.abort_transaction(30)


def lines(*events):
    return [orjson.dumps(one) for one in events]


def a_market(uses=9):
    return lines(
        party(SELLER, "2025-01-01"),
        party(BUYER, "2025-01-01"),
        asset("asset-1", "2025-01-01", owner=OWNER),
        signed("contract-1", "2025-01-02", terms=terms(uses_max=5, pay_within_days=3)),
        *(used("contract-1", f"2025-01-03T00:0{number}:00Z", 1) for number in range(uses)),
    )


def later(day="2025-02-01"):
    """Moves the clock of the events past every deadline of the market."""
    return lines(party(OWNER, day))


def detectors(url):
    return {one["detector"] for one in truth(url).findings.values()}


def test_packs_acts_and_deadlines_in_transactions_are_judged_as_a_replay_finds_them(topics, tmp_path, url):
    packs = lines(event("rulepack.published", "beijing", "2025-01-01", **pack(valid_from="2025-01-01")))
    sender = Transactions(topics)
    sender.commit(packs)
    sender.commit(a_market())
    with Worker(topics, url, tmp_path) as worker:
        wait("uses are counted", lambda: worker.ready()[0] == 200 and "usage-limit" in detectors(url))
        sender.commit(later())
        wait("the deadline fires", lambda: "payment-overdue" in detectors(url))
        state = worker.wait_ready()
        assert 0 == state["lag"]
        assert_as_replayed(topics, url, replayed([*packs, *a_market(), *later()]))


def test_what_was_aborted_is_not_taken_in_and_holds_nothing_back(topics, tmp_path, url):
    sender = Transactions(topics)
    market = a_market(uses=4)
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_ready()
        sender.commit(market)
        # Each partition of the market now ends with what nobody gets, and one is empty but for that.
        sender.abort(lines(used("contract-1", "2025-01-04", 90), party("test:aborted", "2026-01-01")))
        sender.commit(later())
        sender.abort(lines(party(SELLER, "2026-01-01", name="aborted"), party(OWNER, "2026-01-01", name="aborted")))
        wait("the deadline fires", lambda: "payment-overdue" in detectors(url))
        assert_as_replayed(topics, url, replayed([*market, *later()]))
        assert 0 == worker.wait_ready()["lag"]


def test_what_lies_behind_an_open_transaction_waits_and_is_told_of(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    plain, open_ = Transactions(topics), Transactions(topics)
    market, more = a_market(), lines(used("contract-1", "2025-01-05", 90), party(OWNER, "2025-01-06", name="Open"))
    plain.commit(market)
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_ready()
        open_.begin(more)
        # Nobody gets it: it lies behind what is open. What is due by it waits, too.
        plain.commit(later())
        said = worker.wait_unready(lambda state: any("transaction that is open" in why for why in state["reasons"]))
        assert said["lag"] > 0
        assert "payment-overdue" not in detectors(url)
        open_.commit()
        assert_as_replayed(topics, url, replayed([*market, *more, *later()]))
        assert 0 == worker.wait_ready()["lag"]


def test_a_start_after_markers_begins_where_they_end(topics, tmp_path, url):
    sender = Transactions(topics)
    sender.commit(a_market())
    told = []
    for number in range(2):
        with Worker(topics, url, tmp_path, f"worker-{number}") as worker:
            assert 0 == worker.wait_ready()["lag"]
            assert_as_replayed(topics, url, replayed(a_market()))
        told.append(len(received(topics, FINDINGS)))
    assert told[0] == told[1]

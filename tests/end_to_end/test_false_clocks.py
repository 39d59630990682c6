"""A worker whose clock is wrong neither forgets nor raises by it, says so, and goes on when it is right again."""

import time
from pathlib import Path

import orjson
import pytest
from running import Sender, Worker, received, replayed, truth, wait, wait_drained

from circulation.calendar import format_instant
from circulation.examples import BUYER, OWNER, SELLER, asset, party, signed, terms, used
from detectors import RULES
from streams.engine import Engine
from streams.facts.rulebook import shipped
from streams.store.store import Store
from streams.topics import FINDINGS, REJECTED

DAY = 86_400
AHEAD = "+10d"


def faketime_library():
    """The library that gives a process another clock (Debian's package faketime)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("faketime is not here: apt-get install faketime")
    return str(found[0])


class FalseClock:
    """The clock of a process, which a test sets while it runs."""

    def __init__(self, folder):
        self._file = folder / "clock"
        self.set("+0d")

    def set(self, offset):
        # At once: a thread that read half of it would have no clock, and `time.sleep` raises then.
        next_file = self._file.with_suffix(".next")
        next_file.write_text(f"{offset}\n")
        next_file.replace(self._file)

    def environ(self):
        return {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def at(seconds):
    return format_instant((int(time.time()) + seconds) * 1_000_000)


def a_market():
    """A contract that is to be paid in five days, and uses without a sequence."""
    return [
        orjson.dumps(one)
        for one in (
            party(SELLER, at(-DAY)),
            party(BUYER, at(-DAY)),
            asset("asset-1", at(-DAY), owner=OWNER),
            signed("contract-1", at(-60), asset="asset-1", terms=terms(uses_max=10, pay_within_days=5)),
            *(used("contract-1", at(-50 + number), 2, id=f"u-{number}") for number in range(4)),
        )
    ]


def detectors(url):
    return {one["detector"] for one in truth(url).findings.values()}


@pytest.fixture
def clock(tmp_path):
    return FalseClock(tmp_path)


def test_one_of_two_workers_whose_clock_is_ten_days_ahead_raises_and_forgets_nothing(
    topics, postgres_url, tmp_path, clock
):
    market = a_market()
    sender = Sender(topics)
    one = Worker(topics, postgres_url, tmp_path, "worker-0", clock="wall")
    wrong = Worker(topics, postgres_url, tmp_path, "worker-1", clock="wall")
    wrong.environ = clock.environ()
    with one, wrong:
        one.wait_ready()
        wrong.wait_ready()
        sender.send(market)
        wait_drained(topics, postgres_url)
        before = truth(postgres_url)
        clock.set(AHEAD)
        said = wrong.wait_unready(lambda state: not state["clock"]["trusted"])
        assert any("ahead of the broker's" in why for why in said["reasons"])
        one.wait_ready()
        # The same file again, while one of the two has no clock: duplicates, each of them.
        sender.send(market)
        wait_drained(topics, postgres_url)
        time.sleep(2)
        clock.set("+0d")
        wrong.wait_ready()
        sender.send(market)
        wait_drained(topics, postgres_url)
        after = truth(postgres_url)
    assert before.findings == after.findings
    assert "payment-overdue" not in detectors(postgres_url)
    assert before.desks == after.desks
    assert [] == received(topics, REJECTED)


def test_a_worker_whose_clock_is_behind_has_events_wait_and_rejects_none(topics, tmp_path, clock):
    url = f"sqlite:///{tmp_path}/store.db"
    market = a_market()
    worker = Worker(topics, url, tmp_path, clock="wall")
    worker.environ = clock.environ()
    with worker:
        worker.wait_ready()
        clock.set("-1d")
        worker.wait_unready(lambda state: not state["clock"]["trusted"])
        Sender(topics).send(market)
        wait("it says what waits", lambda: "clock" in worker.ready()[1].get("failing", ""))
        assert [] == received(topics, REJECTED)
        clock.set("+0d")
        worker.wait_ready()
        wait_drained(topics, url)
    assert [] == received(topics, REJECTED)
    assert replayed(market).truth.findings.keys() == truth(url).findings.keys()


def test_a_horizon_that_ran_ahead_goes_back_and_what_it_raised_is_cleared(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    market = a_market()
    with Worker(topics, url, tmp_path, "before", clock="wall") as worker:
        worker.wait_ready()
        Sender(topics).send(market)
        wait_drained(topics, url)
    # All clocks of a machine were ahead, the broker's too: nobody could tell then.
    store = Store(url)
    engine = Engine(store, shipped(RULES))
    ahead = (int(time.time()) + 10 * DAY) * 1_000_000
    engine.release(ahead, ahead)
    engine.settle_apart(ahead)
    store.close()
    assert "payment-overdue" in detectors(url)
    with Worker(topics, url, tmp_path, "after", clock="wall") as worker:
        worker.wait_ready()
        wait("it is cleared", lambda: "payment-overdue" not in detectors(url))
        wait_drained(topics, url)
        assert ahead > engine.horizon()
    sent = [orjson.loads(record.value()) for record in received(topics, FINDINGS)]
    overdue = {one["data"]["finding"] for one in sent if one["data"].get("detector") == "payment-overdue"}
    assert overdue
    assert overdue <= {one["data"]["finding"] for one in sent if one["type"].endswith(".cleared")}

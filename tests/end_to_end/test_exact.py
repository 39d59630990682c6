"""Exactly once, whatever is killed when: what stands at the end is what a replay of the same file finds."""

import random
import signal
from pathlib import Path

import pytest
from market import Market
from running import (
    Replayed,
    Sender,
    Worker,
    differences,
    progressed,
    received,
    replayed,
    sent_findings,
    truth,
    wait,
    wait_drained,
)

from streams.store.store import Store
from streams.topics import REJECTED

# Small fetches, so that every moment of a fetch is hit sooner or later.
FETCH_RECORDS = "300"
TURNS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)


@pytest.fixture(scope="module")
def market(events_count: int) -> Market:
    return Market(events_count)


@pytest.fixture(scope="module")
def expected(market: Market) -> Replayed:
    return replayed([*market.packs, *market.lines])


def run(
    bootstrap: str, url: str, folder: Path, market: Market, expected: Replayed, *, workers: int, kills: int, seed: int
) -> None:
    choose = random.Random(len(market.lines) + workers + 1_000 * seed)
    sender = Sender(bootstrap)
    sender.send(market.packs)
    running = [
        Worker(bootstrap, url, folder, f"worker-{number}", fetch_records_max=FETCH_RECORDS, log_level="warning").start()
        for number in range(workers)
    ]
    store = Store(url)
    slices = kills + 1
    size = -(-len(market.lines) // slices)
    try:
        for turn in range(slices):
            before = progressed(store)
            some = market.lines[turn * size : (turn + 1) * size]
            sent = sender.send(some)
            if turn == kills:
                break
            enough = before + 1 + int(sent * choose.uniform(0.02, 0.6))
            wait("workers take in", lambda enough=enough: progressed(store) >= enough, every=0.01)
            victim = running[(turn + turn // 2) % workers]
            victim.signal(TURNS[turn % len(TURNS)])
            victim.start()
        wait_drained(bootstrap, url)
        for one in running:
            assert one.signal(signal.SIGTERM) == 0
    except BaseException:
        for one in running:
            print(f"--- {one.log.name}", one.said(), sep="\n")
            one.__exit__(None)
        raise
    finally:
        store.close()

    different = differences(expected.truth, truth(url))
    assert not different, "\n".join(different)
    standing, wrong = sent_findings(bootstrap)
    assert [] == wrong
    assert expected.truth.findings == standing
    places = {
        tuple(value for name, value in record.headers() if name in ("topic", "partition", "offset"))
        for record in received(bootstrap, REJECTED)
    }
    assert len(expected.rejected) == len(places)


@pytest.mark.timeout(1_800)
def test_two_workers_that_are_killed_and_stopped_by_turns_lose_and_double_nothing(
    topics, postgres_url, tmp_path, market, expected, kills_count, run_number
):
    run(topics, postgres_url, tmp_path, market, expected, workers=2, kills=kills_count, seed=run_number)


@pytest.mark.timeout(1_800)
def test_a_worker_on_sqlite_that_is_killed_and_stopped_by_turns_loses_and_doubles_nothing(
    topics, tmp_path, market, expected, kills_count, run_number
):
    url = f"sqlite:///{tmp_path}/store.db"
    run(topics, url, tmp_path, market, expected, workers=1, kills=kills_count, seed=run_number)

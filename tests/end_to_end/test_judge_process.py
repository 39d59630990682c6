"""On PostgreSQL a worker judges in a process of its own: whatever becomes of the two, all that waits is judged once."""

import os
import signal
import time
from pathlib import Path

import pytest
from market import Market
from running import Sender, Worker, assert_as_replayed, replayed, wait

import detectors

EVENTS = 1_500


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(EVENTS, seed=9)


@pytest.fixture(scope="module")
def expected(market):
    return replayed([*market.packs, *market.lines])


def judge(worker: Worker, besides: int = 0) -> int:
    """The process that judges for a worker, another one than `besides`."""

    def found() -> int:
        threads = Path(f"/proc/{worker.pid}/task").glob("*/children")
        children = {int(pid) for thread in threads for pid in thread.read_text().split()} - {besides}
        judges = [
            one for one in children if b"streams.worker.judge_process" in Path(f"/proc/{one}/cmdline").read_bytes()
        ]
        return judges[0] if judges else 0

    return int(wait("the judge is there", found))


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_judge_that_begins_slowly_is_waited_for(topics, postgres_url, tmp_path, market, expected):
    """On a busy machine it took longer to begin than it may hang: each was killed before its first word."""
    stall = 5
    sender = Sender(topics)
    # Before there is a worker: it counts uses by the packs that are there when they come.
    sender.send(market.packs)
    with Worker(topics, postgres_url, tmp_path, stall_seconds=str(stall)) as worker:
        worker.wait_ready()
        first = judge(worker)
        os.kill(first, signal.SIGKILL)
        second = judge(worker, besides=first)
        os.kill(second, signal.SIGSTOP)
        time.sleep(2 * stall)
        assert second == judge(worker, besides=first)
        os.kill(second, signal.SIGCONT)
        sender.send(market.lines)
        assert_as_replayed(topics, postgres_url, expected)


def test_a_judge_that_is_killed_is_started_again_and_nothing_is_lost(topics, postgres_url, tmp_path, market, expected):
    sender = Sender(topics)
    sender.send(market.packs)
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        first = judge(worker)
        third = len(market.lines) // 3
        for at in range(3):
            sender.send(market.lines[at * third : (at + 1) * third if at < 2 else None])
            os.kill(first, signal.SIGKILL)
            first = judge(worker, besides=first)
        assert_as_replayed(topics, postgres_url, expected)
        assert "the judge ended with -9; it is started again" in worker.said()
        assert 0 == worker.signal(signal.SIGTERM)
    assert gone(first)


def test_a_judge_ends_with_its_worker_and_not_by_a_signal_meant_for_the_group(topics, postgres_url, tmp_path):
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        pid = judge(worker)
        wait("it ignores both", lambda: {signal.SIGINT, signal.SIGTERM} <= ignored(pid))
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert not gone(pid)
        assert -signal.SIGKILL == worker.signal(signal.SIGKILL)
    wait("the judge is gone", lambda: gone(pid), 20)


def ignored(pid: int) -> set[signal.Signals]:
    """The signals that a process ignores."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("SigIgn:"))
    mask = int(line.split()[1], 16)
    return {one for one in signal.Signals if mask >> (one - 1) & 1}


def test_metrics_of_a_worker_count_what_its_judge_did(topics, postgres_url, tmp_path, market, expected):
    Sender(topics).send([*market.packs, *market.lines])
    with Worker(topics, postgres_url, tmp_path) as worker:
        assert_as_replayed(topics, postgres_url, expected)

        def counted(name: str, *labels: str) -> float:
            lines = [one for one in worker.metric(name) if any(label in one for label in labels)]
            return sum(float(one.rpartition(" ")[2]) for one in lines)

        # those without a tally are not asked where events are taken in
        judges = [f'detector="{rule.id}"' for rule in detectors.RULES.values() if rule.tally is None]
        wait("its rounds are counted", lambda: counted("circulation_stage_seconds_count", 'stage="judge"'))
        wait("what it looked at is counted", lambda: counted("circulation_looks_total", *judges))
        wait("what it found is counted", lambda: counted("circulation_findings_total", *judges))
        assert 0 == worker.signal(signal.SIGTERM)

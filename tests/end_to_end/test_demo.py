"""The demo runs, finds what was planned, cleans up after itself, and never touches what is not its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from circulation.calendar import parse_instant
from deploy.kafka import missing_tools
from streams.demo import chapters, demo, story
from streams.demo.folder import held
from streams.simulate.market import Market

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under pytest's own folder, which nobody else may enter: root's PostgreSQL runs as another user.
    with tempfile.TemporaryDirectory(prefix="circulation-test-demo-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)
        demo.stop(Path(name))


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIRCULATION_")}
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo", "--folder", str(folder), *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever starts the tests in the background has interrupts ignored, and what is ignored is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def alive(folder: Path) -> list[str]:
    """Processes that have this folder in their command line or as their working folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            line = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            inside = str((one / "cwd").readlink()).startswith(str(folder))
        except OSError:
            continue
        if int(one.name) != os.getpid() and (str(folder) in line or inside):
            found.append(line)
    return found


def interrupt(folder: Path, number: signal.Signals) -> None:
    """Starts a demo, and ends it while its workers start."""
    ran = start(folder)
    assert ran.stdout is not None
    for line in ran.stdout:
        if line.startswith(("Starting 2 workers", "Starting 1 worker ")):
            break
    time.sleep(1)
    ran.send_signal(number)
    ran.communicate(timeout=60)
    assert 128 + number == ran.returncode
    assert [] == alive(folder)


@pytest.mark.timeout(400)  # on a machine that may be busy
def test_the_demo_loses_nothing_when_a_worker_is_killed_also_after_one_that_was_interrupted(folder: Path) -> None:
    interrupt(folder, signal.SIGINT)
    ran = start(folder, "--events", "4000")
    said, _ = ran.communicate(timeout=240)
    assert 0 == ran.returncode, said
    assert "is killed with SIGKILL in the middle of its work" in said
    assert re.search(r"worker \d \(process \d+\) reads all 33 partitions", said)
    for detector, severity, about in story.RAISED:
        assert re.search(rf"^ +{severity} +{detector} about {re.escape(about)}: ", said, re.MULTILINE), (
            detector,
            severity,
            about,
        )
    assert "cleared  usage-limit, red, about contract-traffic" in said
    scores = [int(one) for one in re.findall(r"credit +Example Navigation Co. +(\d+) of 100", said)]
    assert [act.score for act in story.acts() if act.party] == scores
    assert "4,100 events were sent, 4,100 records were read" in said
    planted = list(Market(events=4_000, until=parse_instant(chapters.END)).expected())
    assert f"market: {len(planted)} were to be found; missed 0, false 0" in said
    assert "WRONG" not in said
    assert "1 rejected (bad-identifier)" in said
    assert [] == alive(folder)
    assert not (folder / "kafka" / "data").exists()
    sent = [json.loads(line) for line in (folder / "findings.jsonl").read_bytes().splitlines()]
    assert {"circulation.finding.raised", "circulation.finding.cleared"} == {one["type"] for one in sent}


def test_a_demo_that_is_told_to_end_leaves_nothing_running(folder: Path) -> None:
    interrupt(folder, signal.SIGTERM)


def test_a_folder_with_something_else_in_it_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = folder / "kafka" / "data" / "precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    assert 2 == demo.run(folder)
    assert "holds something that is not of the demo" in capsys.readouterr().err
    assert 0 == demo.stop(folder)
    assert precious.is_file()


def test_two_demos_in_one_folder_do_not_meet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(folder):
        assert 2 == demo.run(folder)
    assert "another demo runs in" in capsys.readouterr().err

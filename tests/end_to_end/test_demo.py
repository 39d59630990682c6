"""The demo runs, finds what its story says, cleans up after itself, and never touches what is not its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka import missing_tools
from streams import demo, story
from streams.replay import findings_of

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
        [sys.executable, "-m", "streams.cli", "demo", "--folder", str(folder), *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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


def test_the_story_is_found_by_a_replay_of_it() -> None:
    found = Counter((one["detector"], one["severity"], one["about"]["id"]) for one in findings_of(list(story.events())))
    assert Counter(story.FOUND) == found


@pytest.mark.timeout(400)  # two whole demos, on a machine that may be busy
def test_the_demo_finds_its_story_twice_in_a_row_and_leaves_nothing_running(folder: Path) -> None:
    for _ in range(2):
        ran = start(folder)
        said, _ = ran.communicate(timeout=180)
        assert 0 == ran.returncode, said
        assert f"Found, and sent to circulation.findings: {len(story.FOUND)} findings." in said
        assert 2 == said.count("holds the findings of a replay of the same file: yes")
        assert "1 came twice and counted once; 1 rejected (bad-identifier: " in said
        for detector, severity, about in story.FOUND:
            assert re.search(rf"{severity} +{detector} +{re.escape(about)} ", said), (detector, severity, about)
        assert [] == alive(folder)
    sent = [json.loads(line) for line in (folder / "findings.jsonl").read_bytes().splitlines()]
    assert {"circulation.finding.raised"} <= {one["type"] for one in sent}
    assert not (folder / "kafka" / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(folder: Path, number: signal.Signals) -> None:
    ran = start(folder)
    assert ran.stdout is not None
    for line in ran.stdout:
        if "Starting 2 workers" in line or "Starting 1 worker " in line:
            break
    time.sleep(1)
    ran.send_signal(number)
    ran.communicate(timeout=60)
    assert ran.returncode != 0
    assert [] == alive(folder)


def test_a_folder_with_something_else_in_it_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = folder / "kafka" / "data" / "precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    assert 2 == demo.run(folder)
    assert "holds something that is not of the demo" in capsys.readouterr().err
    assert 0 == demo.stop(folder)
    assert precious.is_file()


def test_two_demos_in_one_folder_do_not_meet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with demo._held(folder):
        assert 2 == demo.run(folder)
    assert "another demo runs in" in capsys.readouterr().err

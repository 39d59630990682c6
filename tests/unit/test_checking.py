"""What `emit` sends is what a worker would take: all else is said with its line, and stays."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.admission.sources import Sources
from circulation.examples import asset, entry, event, listed, pack, signed, used
from streams.cli.main import cli
from streams.wire import emit
from streams.wire.checking import Check, Lines


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What Kafka would have got."""
    found: list[bytes] = []

    class Future:
        def failed(self) -> bool:
            return False

    class Producer:
        def send(self, topic: str, value: bytes, **_: Any) -> Future:
            found.append(value)
            return Future()

        def flush(self) -> None:
            pass

        def close(self, timeout: float) -> None:
            pass

    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(emit, "producer", lambda _: Producer())
    return found


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["emit", *map(str, words)])


GOOD = [asset("a-1", "2025-01-01"), listed("a-1", "2025-01-02"), signed("c-1", "2025-01-03"), used("c-1", "2025-01-04")]


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_what_would_be_rejected_is_said_with_line_path_and_rule_and_the_rest_is_sent(
    tmp_path: Path, sent: list[bytes]
) -> None:
    good = [orjson.dumps(one) for one in GOOD]
    wrong = used("c-1", "2025-01-05")
    wrong["data"]["uses"] = -1
    first = written(tmp_path / "first.jsonl", [good[0], b"", good[1], orjson.dumps(wrong)])
    second = written(tmp_path / "second.jsonl", [b"no json", *good[2:]])
    done = run(first, second)
    assert 1 == done.exit_code, done.output
    assert good == sent
    said = done.stderr.splitlines()
    assert f"{first}:4: invalid-data: $.data.uses: Expected `int` >= 0" in said[0]
    assert said[1].startswith(f"{second}:1: not-json: $: ")
    assert "sent 4 events" in done.stdout
    assert "2 would be rejected and were not sent" in done.stdout


def test_without_a_check_everything_is_sent(tmp_path: Path, sent: list[bytes]) -> None:
    lines = [orjson.dumps(GOOD[0]), b"no json"]
    done = run(written(tmp_path / "events.jsonl", lines), "--no-check")
    assert 0 == done.exit_code, done.output
    assert lines == sent


def test_a_file_of_good_events_ends_with_0(tmp_path: Path, sent: list[bytes]) -> None:
    done = run(written(tmp_path / "events.jsonl", [orjson.dumps(one) for one in GOOD]))
    assert (0, "", 4) == (done.exit_code, done.stderr, len(sent))


def test_the_sources_of_the_settings_are_asked(
    tmp_path: Path, sent: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources.yaml"
    sources.write_text("//other.example: {types: ['*']}\n")
    monkeypatch.setenv("CIRCULATION_SOURCES", str(sources))
    done = run(written(tmp_path / "events.jsonl", [orjson.dumps(GOOD[0])]))
    assert 1 == done.exit_code
    assert "events.jsonl:1: not-authorised: $.source: '//exchange.example' may not report" in done.stderr
    assert [] == sent


def test_a_pack_is_read_as_its_desk_reads_it() -> None:
    check = Check(Admission())

    def said(subject: str, **members: Any) -> str | None:
        record = orjson.dumps(event("rulepack.published", subject, "2025-01-01", **pack(entry("a"), **members)))
        rejection = check(record, "circulation.rules", subject.encode(), emit.CLOUDEVENT)
        return None if rejection is None else f"{rejection.reason}: {rejection.detail}"

    assert said("beijing") is None
    assert "invalid-data: $.data.pack: 'beijing' is not the subject" == said("shenzhen")
    assert "there is no such detector" in str(said("beijing", detectors={"usage-limits": {"mode": "off"}}))


def test_a_key_that_is_not_the_subject_is_found() -> None:
    check = Check(Admission(Sources.parse(b"//exchange.example: {types: ['*']}")))
    rejection = check(orjson.dumps(GOOD[3]), "circulation.contracts", b"c-2", emit.CLOUDEVENT)
    assert rejection is not None
    assert "key-mismatch" == rejection.reason


def test_events_of_an_array_are_counted_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(orjson.dumps(GOOD))
    lines = Lines([path])
    assert [f"{path}:{n}" for n in (1, 2, 3, 4)] == [lines.where for _ in lines]

"""The command line: what it promises in its help and its exit codes, away from Kafka."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import zstandard
from click.testing import CliRunner, Result

import packs
from streams import console
from streams.cli.main import ELSEWHERE, SECTIONS, cli
from streams.cli.program import SHELLS
from streams.demo import chapters, story
from streams.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PACK = """\
pack: trial
version: "1"
valid_from: 2020-01-01
approved_by: [one, two]
detectors:
  usage-limit: {mode: warn}
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "story.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in story.lines()))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="circulation")


def refused(result: Result) -> str:
    """The one error, of a command that ended with 2 and without a traceback."""
    assert 2 == result.exit_code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def written(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    assert not raw or raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


def commands(group: click.Group, path: Sequence[str] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert 0 == result.exit_code
    assert result.output.startswith(f"Usage: circulation {' '.join(path)}")


def test_the_list_of_commands_holds_all_of_them_once() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted({*cli.commands, *ELSEWHERE})


def test_what_the_list_says_of_commands_elsewhere_is_how_their_own_help_begins() -> None:
    for name, (_, about) in ELSEWHERE.items():
        assert run(name, "--help").output.split("\n\n")[1].strip().startswith(about.split(":")[0].rstrip("."))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from streams.cli.main import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "print([one for one in ('kafka', 'confluent_kafka', 'faust', 'sqlalchemy', 'rich', 'psycopg', 'detectors')"
        " if one in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "[]" == ran.stdout.strip()


def test_help_tells_the_exit_codes_and_where_the_settings_are() -> None:
    said = " ".join(run("--help").output.split())
    assert "Exit codes: 0 done" in said
    assert "`circulation settings` lists them" in said


def test_version_is_one_line() -> None:
    result = run("--version")
    assert (0, 1) == (result.exit_code, len(result.output.splitlines()))


def test_an_unknown_command_exits_2() -> None:
    assert 2 == run("simulat").exit_code


def test_settings_lists_every_setting() -> None:
    said = run("settings").output
    for setting in SETTINGS:
        assert f"{setting.variable}\n" in said
        assert setting.meaning in said


@pytest.mark.parametrize("command", [("worker",), ("findings",), ("emit", __file__), ("rules", "publish", "x.yaml")])
def test_wrong_settings_are_all_said_at_once(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCULATION_CLOCK", "moon")
    monkeypatch.setenv("CIRCULATION_STROE", "sqlite:///x.db")
    said = refused(run(*command))
    assert "CIRCULATION_CLOCK must be one of" in said
    assert "CIRCULATION_STROE is no setting" in said


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_a_script_for_each_shell(shell: str) -> None:
    result = run("completion", shell)
    assert 0 == result.exit_code
    assert "_CIRCULATION_COMPLETE" in result.output


def test_replay_of_the_story_finds_what_the_story_says(file: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "found.jsonl", tmp_path / "bad.jsonl"
    result = run("replay", file, "--findings", out, "--rejected", bad)
    assert 0 == result.exit_code, result.output
    raised = [one["data"] for one in written(out) if one["type"] == "circulation.finding.raised"]
    found = Counter((one["detector"], one["severity"], one["about"]["id"]) for one in raised)
    assert Counter(story.RAISED) == found
    assert story.REJECTED == len(written(bad))
    (rejected,) = written(bad)
    assert {"line", "reason", "detail", "record"} == set(rejected)
    assert file.read_text().splitlines()[rejected["line"] - 1] == rejected["record"]
    assert "" == result.stdout
    assert (
        f"{story.DUPLICATES} of them duplicates; {story.REJECTED} rejected; {len(story.STANDING)} findings stand"
        in (result.stderr)
    )


def test_replay_tells_why_records_are_rejected_unless_they_go_to_a_file(file: Path, tmp_path: Path) -> None:
    file.write_text('{"specversion": "1.0", "id": "e"}\n' * 7)
    *told, more, total = run("replay", file).stderr.splitlines()
    assert [f"{file}:{number}: not-cloudevent: $.source: is missing" for number in range(1, 6)] == [
        one.partition(";")[0] for one in told
    ]
    assert "and 2 more; --rejected OUT.jsonl writes all of them" == more
    assert total.startswith("7 lines: 0 admitted, 0 of them duplicates; 7 rejected; 0 findings stand; ")
    assert 1 == len(run("replay", file, "--rejected", tmp_path / "bad.jsonl").stderr.splitlines())


def test_replay_writes_the_same_bytes_again_and_from_packed_files(file: Path, tmp_path: Path) -> None:
    raw = file.read_bytes()
    packed = {".gz": gzip.compress(raw), ".zst": zstandard.compress(raw)}
    outs = []
    for number, suffix in enumerate(("", "", ".gz", ".zst")):
        path = file
        if suffix:
            path = file.with_name(file.name + suffix)
            path.write_bytes(packed[suffix])
        out = tmp_path / f"out-{number}.jsonl"
        assert 0 == run("replay", path, "--findings", out).exit_code
        outs.append(out.read_bytes())
    assert outs[0]
    assert 1 == len(set(outs))


def test_replay_without_findings_shows_those_that_stand(file: Path) -> None:
    result = run("replay", file)
    assert 0 == result.exit_code
    lines = result.stdout.splitlines()
    assert ["finding", "occurred", "severity", "detector", "about", "party", "why"] == lines[0].split()
    assert len(story.STANDING) == len(lines) - 1
    assert "\x1b" not in result.output


def test_replay_moves_the_clock_on_to_until(tmp_path: Path) -> None:
    events = [one for one in story.events() if one.get("subject") == "contract-expired"]
    path, out = tmp_path / "short.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    for until, count in (("2025-03-31T00:00:00+08:00", 0), ("2025-03-31T00:00:01+08:00", 1), ("2025-04-01", 1)):
        assert 0 == run("replay", path, "--until", until, "--findings", out).exit_code
        overdue = [one for one in written(out) if one["data"]["detector"] == "deletion-overdue"]
        assert count == len(overdue), until


def test_replay_writes_over_nothing_that_it_reads_or_writes(file: Path, tmp_path: Path) -> None:
    again, pack_, out = tmp_path / "again.jsonl", tmp_path / "pack.yaml", tmp_path / "out.jsonl"
    again.hardlink_to(file)
    (tmp_path / "folder").mkdir()
    round_about = tmp_path / "folder" / ".." / file.name
    before = file.read_bytes()
    pack_.write_text("pack: p\nversion: '1'\nvalid_from: 2025-01-01T00:00:00+08:00\n")
    for option in ("--findings", "--credit", "--rejected"):
        for path in (file, again, round_about):
            assert "EVENTS" in refused(run("replay", file, option, path))
    assert "--rules" in refused(run("replay", file, "--rules", pack_, "--findings", pack_))
    assert "--findings" in refused(run("replay", file, "--findings", out, "--rejected", out))
    assert (before, False) == (file.read_bytes(), out.exists())
    assert pack_.read_text().startswith("pack: p")
    assert 0 == run("replay", file, "--findings", os.devnull, "--rejected", os.devnull).exit_code


@pytest.mark.parametrize("option", ["--findings", "--credit", "--rejected"])
def test_replay_writes_over_what_a_replay_wrote_there_and_over_nothing_else(
    option: str, file: Path, tmp_path: Path
) -> None:
    """Not over other events, either, which are of the same form as findings."""
    out, events = tmp_path / "out.jsonl", tmp_path / "other-events.jsonl"
    events.write_bytes(file.read_bytes())
    out.touch()
    assert 0 == run("replay", file, option, out).exit_code
    before = out.read_bytes()
    assert before
    assert 0 == run("replay", file, option, out).exit_code
    assert before == out.read_bytes()
    notes = tmp_path / "notes.txt"
    notes.write_text("what I must not forget\n")
    for other in (events, notes):
        there = other.read_bytes()
        assert f"{option} {other} holds something else" in refused(run("replay", file, option, other))
        assert there == other.read_bytes()
    assert 0 == run("replay", file, option, notes, "--force").exit_code
    assert before == notes.read_bytes()


def test_replay_goes_by_the_pack_that_is_given(file: Path, tmp_path: Path) -> None:
    rules, out = tmp_path / "pack.yaml", tmp_path / "out.jsonl"
    rules.write_text(PACK)
    assert 0 == run("replay", file, "--rules", rules, "--findings", out).exit_code
    found = [one["data"] for one in written(out) if one["type"] == "circulation.finding.raised"]
    assert {"trial"} == {one["rulepack"]["pack"] for one in found}
    assert {"warn"} == {one["mode"] for one in found if one["detector"] == "usage-limit"}
    assert "negative-list" not in {one["detector"] for one in found}


def test_replay_asks_the_sources_that_are_set(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, bad = tmp_path / "sources.yaml", tmp_path / "bad.jsonl"
    sources.write_text(f"{chapters.EXCHANGE}: {{types: ['circulation.*']}}\n")
    monkeypatch.setenv("CIRCULATION_SOURCES", str(sources))
    assert 0 == run("replay", file, "--rejected", bad).exit_code
    reasons = Counter(one["reason"] for one in written(bad))
    assert {"bad-identifier": 1, "not-authorised": 5} == dict(reasons)
    sources.write_text("a: 1\n")
    assert "CIRCULATION_SOURCES" in refused(run("replay", file))


def test_replay_takes_everybody_for_officials_unless_it_is_set_who_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.jsonl"

    def refused_types() -> list[str]:
        assert 0 == run("replay", file, "--rejected", bad, "--force").exit_code
        return [json.loads(one["record"])["type"] for one in written(bad) if one["reason"] == "not-authorised"]

    assert [] == refused_types()
    monkeypatch.setenv("CIRCULATION_OFFICIAL_SOURCES", "urn:office, /circulation/officials")
    assert [] == refused_types()
    monkeypatch.setenv("CIRCULATION_OFFICIAL_SOURCES", "urn:office")
    assert ["circulation.objection.decided"] == refused_types()
    monkeypatch.setenv("CIRCULATION_OFFICIAL_SOURCES", "urn:office,,")
    assert "CIRCULATION_OFFICIAL_SOURCES must be sources" in refused(run("replay", file))


def test_replay_of_an_empty_file_is_no_error(tmp_path: Path) -> None:
    path, out = tmp_path / "empty.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(b"\n\n")
    assert 0 == run("replay", path, "--findings", out).exit_code
    assert b"" == out.read_bytes()


def test_replay_refuses_in_one_line_what_it_cannot_read(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(file.read_bytes())[:-20])
    not_packed = tmp_path / "plain.jsonl.zst"
    not_packed.write_bytes(b"{}\n")
    for arguments in (
        ("no-such-file.jsonl",),
        (tmp_path,),
        (broken,),
        (not_packed,),
        (file, "--rules", "no-such-pack.yaml"),
        (file, "--until", "tomorrow"),
        (file, "--store", "mysql://x/y"),
        (file, "--store", "nonsense"),
        (file, "--findings", tmp_path / "no" / "folder.jsonl"),
    ):
        assert 1 == len(refused(run("replay", *arguments)).splitlines()), arguments


def test_replay_refuses_a_pack_with_all_that_is_wrong_with_it(file: Path, tmp_path: Path) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text("pack: x\nversion: 1\ndetectors: {usage-limit: {mode: loud}}\n")
    assert 3 == len(refused(run("replay", file, "--rules", rules)).splitlines())


def test_a_store_is_kept_and_findings_reads_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    monkeypatch.setenv("CIRCULATION_STORE", url)
    assert "there is no store at" in refused(run("findings"))
    assert 0 == run("replay", file, "--store", url).exit_code
    everything = json.loads(run("findings", "--json").stdout)
    assert Counter(story.STANDING) == Counter(
        (one["detector"], one["severity"], one["about"]["id"]) for one in everything
    )
    for option, value, expected in (
        ("--detector", "usage-limit", 3),
        ("--severity", "red", sum("red" == one.severity for one in story.STANDING)),
        ("--about", "contract-traffic", 3),
        ("--party", chapters.TRAVEL, sum(one.about == chapters.TRAVEL for one in story.STANDING)),
        ("--party", "nobody", 0),
    ):
        assert expected == len(json.loads(run("findings", "--json", option, value).stdout)), option
    plain = run("findings", "--state", "all").stdout.splitlines()
    assert plain[0].startswith("state ")
    states = Counter(line.split()[0] for line in plain[1:])
    assert {"stands": len(story.STANDING), "cleared": len(story.CLEARED)} == states
    assert "no findings that fit" in run("findings", "--party", "nobody").stderr


def test_a_store_in_use_is_refused_with_the_reason(file: Path, tmp_path: Path) -> None:
    from streams.store.store import Store

    url = f"sqlite:///{tmp_path / 'used.db'}"
    other = Store(url)
    other.claim()
    try:
        assert "in use by another worker" in refused(run("replay", file, "--store", url))
    finally:
        other.close()


def test_lint_says_everything_that_is_wrong_with_a_pack(tmp_path: Path) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text("version: 1\ndetectors: {usage-limit: {mode: loud, warning_percent: many}, usage-limits: {}}\n")
    result = run("rules", "lint", rules)
    assert 2 == result.exit_code
    said = [line for line in result.stderr.splitlines() if "CIRCULATION_SOURCES" not in line]
    assert len(said) >= 5
    assert all(re.match(rf"{re.escape(str(rules))}:[12]: error: \$\S*: .* \[[a-z-]+\]$", line) for line in said)
    assert f"{rules}: {len(said)} errors\n" == result.stdout
    assert "circulation rules lint" not in result.stdout


def test_lint_for_programs_is_one_document_whatever_the_file_holds(tmp_path: Path) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text(PACK.replace("[one, two]", "[one]").replace("warn", "enforce"))
    found = json.loads(run("rules", "lint", rules, "--json").stdout)
    assert [("warning", "approvers", 4)] == [(one["level"], one["kind"], one["line"]) for one in found["remarks"]]
    assert ("trial", "1", 64) == (found["pack"], found["version"], len(found["digest"]))
    assert 2 == run("rules", "lint", rules, "--strict").exit_code
    rules.write_text("a: [\n")
    result = run("rules", "lint", rules, "--json")
    assert 2 == result.exit_code
    (remark,) = json.loads(result.stdout)["remarks"]
    assert ("error", "$", 1) == (remark["level"], remark["path"], remark["line"])
    assert "is no YAML" in remark["text"]


def test_where_a_file_is_no_yaml_lint_names_the_line_once(tmp_path: Path) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text("a: [\n")
    assert f"{rules}: error: $: line 2: is no YAML: " in run("rules", "lint", rules).stderr


def test_packs_that_are_shipped_go_by_their_names(tmp_path: Path) -> None:
    assert run("rules", "show", "beijing").stdout == run("rules", "show").stdout
    assert run("rules", "show", "shenzhen", "--yaml").stdout.encode() == packs.shipped("shenzhen")
    assert "shipped are beijing" in refused(run("rules", "lint", "beijin"))
    assert "No such file" in refused(run("rules", "show", tmp_path / "none.yaml"))


def test_lint_of_a_good_pack_names_its_digest_and_warns_without_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text(PACK)
    result = run("rules", "lint", rules)
    assert 0 == result.exit_code
    assert re.search(r"nothing wrong; pack trial, version 1, .* digest [0-9a-f]{64}$", result.stdout.strip())
    assert "CIRCULATION_SOURCES is not set" in result.stderr
    sources = tmp_path / "sources.yaml"
    sources.write_text("{}")
    monkeypatch.setenv("CIRCULATION_SOURCES", str(sources))
    assert "CIRCULATION_SOURCES" not in run("rules", "lint", rules).stderr


def test_lint_warns_of_a_pack_that_could_not_be_published(tmp_path: Path) -> None:
    rules = tmp_path / "pack.yaml"
    rules.write_text(PACK.replace("[one, two]", "[one]").replace("warn", "enforce"))
    result = run("rules", "lint", rules)
    assert 0 == result.exit_code
    assert "cannot be published" in result.stderr
    assert "two distinct approvers" in refused(run("rules", "publish", rules))


def test_show_tells_what_a_pack_holds() -> None:
    said = run("rules", "show").stdout
    assert said.startswith("pack beijing, version ")
    for word in ("usage-limit", "warning_percent 80", "NL-27", "买卖人类遗传资源", "digest "):
        assert word in said


def test_evidence_is_put_into_words() -> None:
    evidence = {"limit": "uses", "path": ["a", "b"], "missing": [[2, 4], [7, 7]], "given": None, "window": {"x": 1}}
    assert "limit uses, path a → b, missing 2–4, 7–7, given not given, window (x 1)" == console.in_words(evidence)
    assert "lower (input a, above core), (input b)" == console.in_words(
        {"lower": [{"input": "a", "above": "core"}, {"input": "b"}]}
    )


def test_what_came_from_outside_cannot_steer_a_terminal() -> None:
    assert "a b c" == console.shown("a\x1b\x07b\u202ec")


def test_columns_of_wide_characters_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("a", "b"), [("数据", "1"), ("x", "2")])
    assert ["a     b", "数据  1", "x     2"] == capsys.readouterr().out.splitlines()


def test_the_event_of_the_readme_is_admitted(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", readme, re.DOTALL)
    path = tmp_path / "example.jsonl"
    path.write_text(json.dumps(json.loads(example)))
    assert "1 admitted, 0 of them duplicates; 0 rejected" in run("replay", path).stderr


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("CIRCULATION_SOURCES", "a: 1\n", "CIRCULATION_SOURCES"),
        ("CIRCULATION_SOURCES", "a: [", "CIRCULATION_SOURCES"),
        ("CIRCULATION_RULES", "pack: 1\n", "pack"),
    ],
)
def test_a_worker_with_a_wrong_file_stops_with_what_is_wrong(
    variable: str, text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    monkeypatch.setenv(variable, str(file))
    monkeypatch.setenv("CIRCULATION_STORE", f"sqlite:///{tmp_path}/store.db")
    result = run("worker")
    assert 2 == result.exit_code
    assert str(file) in result.stderr
    assert told in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "store.db").exists()

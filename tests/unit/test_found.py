"""Findings that fit, and findings in words; the commands that show them, and looking through."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from circulation import near
from circulation.calendar import parse_instant
from circulation.docket import docket_id
from circulation.examples import Json, asset, event, signed, terms, used
from streams import console
from streams.answers import evidence
from streams.answers import findings as found
from streams.answers.findings import Wanted
from streams.cli.main import cli
from streams.demo import story
from streams.store.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds the story."""
    folder = tmp_path_factory.mktemp("story")
    file, made = folder / "story.jsonl", f"sqlite:///{folder / 'story.db'}"
    file.write_bytes(b"".join(line + b"\n" for line in story.lines()))
    assert 0 == CliRunner(env=bare()).invoke(cli, ["replay", str(file), "--store", made]).exit_code
    return made


def bare() -> dict[str, str | None]:
    return {name: None for name in os.environ if name.startswith("CIRCULATION_")}


def run(url: str, *arguments: object) -> Result:
    runner = CliRunner(env=bare() | {"CIRCULATION_STORE": url})
    return runner.invoke(cli, [str(one) for one in arguments], prog_name="circulation")


def standing(url: str, **wanted: Any) -> list[dict[str, Any]]:
    store = Store(url)
    with store.reading() as db:
        return found.select(db, Wanted(**wanted))


def test_findings_that_fit_are_those_that_a_look_at_each_finds(url: str) -> None:
    everything = standing(url)
    assert len(story.STANDING) == len(everything)
    middle = everything[len(everything) // 2]
    instant = parse_instant(middle["occurred"])
    for member in ("detector", "severity", "mode", "party"):
        assert [one for one in everything if one.get(member) == middle[member]] == standing(
            url, **{member: middle[member]}
        )
    assert [one for one in everything if one["about"]["id"] == middle["about"]["id"]] == standing(
        url, about=middle["about"]["id"]
    )
    later = [one for one in everything if parse_instant(one["occurred"]) >= instant]
    assert later == standing(url, since=instant)
    assert [one for one in everything if one not in later] == standing(url, until=instant)


@pytest.mark.parametrize("count", [1, 13, 14, 15])
def test_of_more_than_the_limit_the_latest_are_shown_in_their_order(url: str, count: int) -> None:
    assert standing(url)[-count:] == json.loads(run(url, "findings", "--json", "--limit", count).stdout)


def test_what_is_not_shown_is_counted(url: str) -> None:
    assert f"and {len(story.STANDING) - 2} before them" in run(url, "findings", "--limit", 2).stderr
    assert "" == run(url, "findings", "--limit", len(story.STANDING)).stderr


def test_a_finding_is_explained_by_the_beginning_of_its_id(url: str) -> None:
    (one,) = [each for each in standing(url) if each["about"]["id"] == "insurance-risk-scores"]
    for text in (one["finding"], one["finding"][:8], one["finding"][:8].upper()):
        said = run(url, "findings", text).stdout
        for words in (
            one["summary"],
            one["summary_zh"],
            "负面清单内容在流通。",
            "It stands, in revision 1.",
            "Example Insurance Co. (91110102MA0DEM044R)",
            "Entry: NL-27.",
            "Path: genome-archive → lab/variant-table → lab/risk-features → insurance-risk-scores.",
            "circulation.product.listed on insurance-risk-scores",
            "数据安全法 21",
            "beijing, version",
            "What endangers security",
            "For a match follow",
        ):
            assert words in said, words
    document = json.loads(run(url, "findings", one["finding"][:6], "--json").stdout)
    assert one | {"standing": True} == {name: value for name, value in document.items() if name != "explained"}
    assert one["summary"] == document["explained"]["what"]


def test_findings_are_open_until_their_case_is_closed(tmp_path: Path) -> None:
    events = [
        signed("c", "2025-02-01", terms=terms(uses_max=10)),
        signed("d", "2025-02-01", terms=terms(uses_max=10)),
        used("c", "2025-02-02", 8),
        used("c", "2025-02-03", 4),
        used("d", "2025-02-03", 11),
    ]
    case = docket_id("usage-limit", "contract", "c") + "-1"
    order = event("case.closed", case, "2025-02-04", by="an official")
    for number, more, count, said in ((1, [], 3, f"Case {case}, opened."), (2, [order], 2, f"Case {case}, closed.")):
        file, kept = tmp_path / f"{number}.jsonl", f"sqlite:///{tmp_path / f'{number}.db'}"
        file.write_text("".join(json.dumps(one) + "\n" for one in [*events, *more]))
        assert 0 == CliRunner(env=bare()).invoke(cli, ["replay", str(file), "--store", kept]).exit_code
        ours = [one for one in standing(kept, state="open") if one["detector"] == "usage-limit"]
        assert count == len(ours)
        (red,) = [one for one in standing(kept, about="c", severity="orange") if one["detector"] == "usage-limit"]
        assert said in run(kept, "findings", red["finding"]).stdout


def test_each_finding_can_be_explained(url: str) -> None:
    rows = json.loads(run(url, "findings", "--explain", "--json").stdout)
    assert len(story.STANDING) == len(rows)
    for one in rows:
        words = one["explained"]
        for question in ("what", "rule", "about", "who", "evidence", "cause", "law", "why_it_matters", "what_to_do"):
            assert words[question], (one["detector"], question)
    assert {"No single"} == {" ".join(one["explained"]["cause"].split()[:2]) for one in rows if "cause" not in one}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("findings", "zz"), 1, "there is no finding 'zz'"),
        (("findings", "ffff%"), 1, "there is no finding"),
        (("findings", "abcd", "--state", "all"), 2, "there is nothing else to choose"),
        (("findings", "--detector", "usage-limits"), 2, "did you mean usage-limit?"),
        (("findings", "--since", "yesterday"), 2, "expected RFC 3339"),
        (("trace",), 2, "name an ASSET"),
        (("trace", "genome"), 1, "did you mean genome-archive?"),
        (("trace", "GENOME-ARCHIVE"), 1, "did you mean genome-archive?"),
        (("trace", "nothing-like-it"), 1, "nothing is known of the asset 'nothing-like-it'\n"),
        (("trace", "genome-archive", "--as-of", "now"), 2, "expected RFC 3339"),
        (("fndings",), 2, "did you mean findings?"),
        (("rules", "lnt"), 2, "did you mean lint?"),
        (("kafka", "strat"), 2, "did you mean start"),
    ],
)
def test_an_error_names_the_value_and_what_may_have_been_meant(
    url: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(url, *arguments)
    assert code == result.exit_code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_setting_that_is_not_there_brings_the_near_ones(url: str) -> None:
    runner = CliRunner(env=bare() | {"CIRCULATION_STOER": "x"})
    assert "did you mean CIRCULATION_STORE?" in runner.invoke(cli, ["findings"]).stderr


def test_trace_draws_a_tree_and_tells_the_rest_in_tables(url: str) -> None:
    said = run(url, "trace", "insurance-risk-scores").stdout
    for line in (
        "Came from 3 assets, over 3 steps",
        "└─ lab/risk-features  100 % assumed, irreversible step",
        "   └─ lab/variant-table  100 % assumed",
        "      └─ genome-archive  100 % assumed, ON THE NEGATIVE LIST, source, its origin not stated",
        "Became: nothing that was reported",
        "Holders",
    ):
        assert line in said.splitlines(), line
    assert "\x1b" not in said
    said = run(url, "trace", "genome-archive", "--down").stdout
    assert "Became 3 assets, over 3 steps" in said
    assert "Came from" not in said


def test_trace_writes_one_document_and_its_schema(url: str) -> None:
    seen = json.loads(run(url, "trace", "lab/variant-table", "--json", "--as-of", "2025-02-04").stdout)
    assert "2025-02-04T00:00:00+08:00" == seen["as_of"]
    assert ["genome-archive"] == [one["asset"] for one in seen["ancestors"]]
    assert [] == seen["descendants"]
    assert "Trace" in json.loads(run(url, "trace", "--schema").stdout)["$defs"]


def test_a_tree_ends_in_a_cycle_and_at_its_limit() -> None:
    below = {"a": [("b", "1"), ("c", "")], "b": [("a", ""), ("c", "")], "c": [("d", "")]}
    assert [
        ("├─ ", "b", "1"),
        ("│  ├─ ", "a", ", see above"),
        ("│  └─ ", "c", ""),
        ("│     └─ ", "d", ""),
        ("└─ ", "c", ", see above"),
    ] == list(console.tree("a", below))
    assert ["b", "a", "..."] == [name for _, name, _ in console.tree("a", below, lines_max=2)]


def test_a_year_is_a_name_and_no_amount() -> None:
    assert ["Year: 2025.", "Sum: 2,025."] == evidence.sentences({"year": 2025, "sum": 2025})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (1234567, "Value: 1,234,567."),
        (True, "Value: yes."),
        (None, "Value: not given."),
        ([], "Value: none."),
        (["a"], "Value: a."),
        ([[2, 4], [7, 7]], "Value: 2–4, 7–7."),
        ({"uses_max": 3, "seconds": None}, "Value: uses max 3; seconds not given."),
    ],
)
def test_evidence_is_told_in_sentences(value: object, sentence: str) -> None:
    assert [sentence] == evidence.sentences({"value": value})


RUN = {"job": "etl/nightly", "since": "2025-01-02T09:00:00+08:00"}


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        ({"path": ["a", "b"]}, ["Path: a → b."], ["路径：a → b。"]),
        (
            {"unfinished": [RUN | {"state": "failed"}, RUN | {"state": "silent"}], "unfinished_count": 2},
            [
                "A run of etl/nightly that was to write it failed at 2025-01-02T09:00:00+08:00.",
                "A run of etl/nightly that was to write it was not heard of after 2025-01-02T09:00:00+08:00.",
            ],
            [
                "应写入它的 etl/nightly 运行于 2025-01-02T09:00:00+08:00 失败。",
                "应写入它的 etl/nightly 运行于 2025-01-02T09:00:00+08:00 后再无消息。",
            ],
        ),
        (
            {"unfinished": [RUN | {"state": "aborted"}], "unfinished_count": 101},
            [
                "A run of etl/nightly that was to write it was aborted at 2025-01-02T09:00:00+08:00.",
                "In all 101 runs left it unfinished.",
            ],
            [
                "应写入它的 etl/nightly 运行于 2025-01-02T09:00:00+08:00 中止。",
                "共有 101 次运行未完成对它的写入。",
            ],
        ),
        (
            {"missing": ["a", "b"], "missing_count": 2, "sources_missing": 1},
            ["Not registered with an owner: a, b.", "Of them 1 is a source of it."],
            ["未登记或无所有方：a、b。", "其中来源 1 项。"],
        ),
        (
            {"missing": ["a"], "missing_count": 2_000, "sources_missing": 2_000},
            [
                "Not registered with an owner: a.",
                "In all 2,000 are not registered with an owner.",
                "Of them 2,000 are sources of it.",
            ],
            ["未登记或无所有方：a。", "共 2,000 项未登记或无所有方。", "其中来源 2,000 项。"],
        ),
        (
            {"more": 0, "lower": [{"input": "b", "member": "level", "given": "general", "above": "core"}]},
            ["Its level is general, and that of its input b is core."],
            ["其级别为一般，而来源 b 为核心。"],
        ),
        ({"missing": ["level"], "more": 3}, ["Missing: level.", "More: 3."], []),
    ],
)
def test_evidence_of_lineage_is_told_in_words_of_its_own(given: Json, english: list[str], chinese: list[str]) -> None:
    assert (english, chinese) == (evidence.sentences(given), evidence.sentences_zh(given))


def test_what_a_run_of_openlineage_brought_about_names_the_run(tmp_path: Path) -> None:
    events = [
        asset("postgres://db/d.s.x", "2025-01-01", level="core"),
        asset("postgres://db/d.s.c", "2025-01-01"),
        lineage_run("2025-01-03T01:00:00Z", inputs=["d.s.x"], outputs=["d.s.c"]),
    ]
    file, kept = tmp_path / "events.jsonl", f"sqlite:///{tmp_path / 'kept.db'}"
    file.write_text("".join(json.dumps(one) + "\n" for one in events))
    assert 0 == CliRunner(env=bare()).invoke(cli, ["replay", str(file), "--store", kept]).exit_code
    (laundered,) = standing(kept, detector="grade-laundering")
    said = run(kept, "findings", laundered["finding"]).stdout
    assert f"derived at 2025-01-03T09:00:00+08:00, by the OpenLineage run {RUN_ID}." in " ".join(said.split())
    assert f"于 2025-01-03T09:00:00+08:00 由 OpenLineage 运行 {RUN_ID} 衍生。" in said
    assert "其级别为一般，而来源 postgres://db/d.s.x 为核心。" in said


RUN_ID = "0189b4a8-2e4c-7b3a-8f0e-6a5c9d1e2f31"


def lineage_run(time: str, inputs: list[str], outputs: list[str]) -> Json:
    return {
        "eventType": "COMPLETE",
        "eventTime": time,
        "producer": "https://producer.example/1",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": RUN_ID},
        "job": {"namespace": "etl", "name": "daily"},
        "inputs": [{"namespace": "postgres://db", "name": one} for one in inputs],
        "outputs": [{"namespace": "postgres://db", "name": one} for one in outputs],
    }


def test_near_words_are_the_most_alike_whatever_their_case() -> None:
    assert ["usage-limit"] == near.near("Usage-Limits", ["usage-limit", "negative-list", "feed-gap"])
    assert "" == near.hint("xyz", ["usage-limit"])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_never_overrun(url: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.cells import cell_len

    monkeypatch.setattr(console, "is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in (("findings",), ("findings", "--explain", "--limit", "3"), ("trace", "insurance-risk-scores")):
        lines = run(url, *arguments).stdout.splitlines()
        assert [] == [line for line in lines if cell_len(line) > width]


@pytest.mark.parametrize("plain", [False, True])
def test_a_terminal_has_colours_unless_no_color_is_set(url: str, plain: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CIRCULATION_", "NO_COLOR"))
    }
    environment |= {"CIRCULATION_STORE": url, "TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if plain else {})
    command = [sys.executable, "-m", "streams.cli.main", "findings", "--severity", "red"]
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as ran:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # how a terminal ends on Linux
            while more := os.read(ours, 65_536):
                said += more
    os.close(ours)
    assert 0 == ran.returncode, said
    assert b"red" in said
    assert plain == (re.search(rb"\x1b\[[0-9;]*3[0-7]m", said) is None)

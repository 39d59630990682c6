"""`circulation trace`, as people and programs call it."""

import json
from collections.abc import Sequence

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.examples import SELLER, asset, derived, granted, listed, party
from streams.cli.main import cli
from streams.offline.replay import Replay, offline
from streams.store.store import Store

EVENTS = [
    party(SELLER),
    asset("source", title="Source [31m", origin="collected"),
    asset("middle", owner=SELLER),
    asset("product", owner=SELLER),
    derived("middle", "2025-02-01", "source", "gone"),
    derived("product", "2025-02-02", "middle"),
    listed("product", "2025-02-03"),
    granted(SELLER, "2025-01-05", "processing-right", assets=["source"], valid_to="2025-06-01"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('trace')}/store.db"
    store = Store(url)
    store.migrate()
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, EVENTS))
    return url


def ran(url: str, *arguments: str, given: str | None = None) -> Result:
    result = CliRunner(env={"CIRCULATION_STORE": url}).invoke(cli, ["trace", *arguments], input=given)
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("--dot", "digraph"),
        ("--mermaid", "flowchart"),
        ("--html", "<!DOCTYPE html>"),
        ("--prov", "{"),
        ("--json", '{"ancestors"'),
    ],
)
def test_each_form_is_written_whole_to_standard_output(url: str, form: str, begins: str) -> None:
    result = ran(url, "product", form)
    assert (0, True, "") == (result.exit_code, result.stdout.startswith(begins), result.stderr)
    assert "middle" in result.stdout


def test_people_are_told_ends_and_rights_in_words(url: str) -> None:
    said = ran(url, "product", "--as-of", "2025-07-01").stdout
    for words in (
        "source  50 % assumed, source: collected or generated",
        "gone  50 % assumed, SOURCE UNKNOWN: not registered",
        "Ultimate controllers",
        "from 2025-01-05 until 2025-06-01",
        "expired",
    ):
        assert words in said
    assert "\x1b" not in said


def test_nothing_was_known_before_anything_came(url: str) -> None:
    seen = json.loads(ran(url, "product", "--json", "--known-at", "2025-03-01").stdout)
    assert ([], False, "unregistered") == (seen["ancestors"], seen["asset"]["registered"], seen["asset"]["end"])
    assert "2025-03-01T00:00:00+08:00" == seen["known_at"]
    assert "known at 2025-03-01" in ran(url, "product", "--known-at", "2025-03-01").stdout


def test_ids_on_standard_input_are_answered_a_line_each(url: str) -> None:
    lines = ran(url, "-", "--as-of", "2025-07-01", given="product\n\nnobody knows\nsource\n").stdout.splitlines()
    product, nobody, source = map(json.loads, lines)
    assert json.loads(ran(url, "product", "--json", "--as-of", "2025-07-01").stdout) == product
    assert {"asset": {"asset": "nobody knows"}, "unknown": True} == nobody
    assert ["middle", "product"] == [one["asset"] for one in source["descendants"]]


@pytest.mark.parametrize(
    "arguments", [["-", "--html"], ["-", "--known-at", "2025-01-01"], ["product", "--as-of", "soon"], []]
)
def test_what_does_not_go_together_is_refused(url: str, arguments: Sequence[str]) -> None:
    assert 2 == ran(url, *arguments, given="product\n").exit_code

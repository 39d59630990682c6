"""A trace as a graph: each form says what the trace says, and nothing that an id or a title smuggles into it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.answers import drawings
from streams.answers.trace_document import Asset, Controller, CutOff, Derivation, Holder, Match, Run, Trace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = [
    "</script><script>document.title='taken'</script>",
    '"]; evil -> other; x[label="',
    "\\",
    "<!--",
    "<img src=x onerror=document.title='taken'>",
    "a\u2028b\x1b[31m",
    "#quot;`end`|x|",
    "{{DATA}}",
]


def traced(*names: str, title: str | None = None, **more: object) -> Trace:
    """The first name is the asset asked for; the others are what it was made of."""
    asked, *above = names
    return Trace(
        asset=Asset(asset=asked, distance=0, registered=True, title=title, owner="x:o"),
        as_of="2025-01-01T00:00:00+08:00",
        ancestors=[Asset(asset=one, distance=1, registered=False, end="unregistered", share=0.5) for one in above],
        descendants=[],
        derivations=[
            Derivation(output=asked, input=one, since="2025-01-01T00:00:00+08:00", share=0.5) for one in above
        ],
        holders=[Holder(party="x:o", holds="owner", assets=[asked], controllers=["x:c"])],
        controllers=[Controller(party="x:c", side="supply", parties=["x:o"])],
        contracts=[],
        rights=[],
        countries=[],
        **more,  # type: ignore[arg-type]
    )


text = st.text(min_size=1, max_size=20) | st.sampled_from(EVIL)


@settings(max_examples=150)
@given(st.lists(text, min_size=2, max_size=4, unique=True), text)
def test_a_page_holds_the_trace_as_it_is_in_one_script_that_nothing_ends(names: list[str], title: str) -> None:
    seen = traced(*names, title=title)
    page = drawings.html(seen)
    (data,) = re.findall(r'<script type="application/json" id="data">([^<]*)</script>', page)
    assert orjson.loads(orjson.dumps(msgspec.to_builtins(seen))) == json.loads(data)["trace"]
    assert page.count("</script>") == drawings.PAGE.read_text(encoding="utf-8").count("</script>")


def test_a_page_loads_nothing() -> None:
    page = drawings.PAGE.read_text(encoding="utf-8")
    assert [] == re.findall(r"(?:src|href)\s*=|@import|url\((?!#)|fetch\(|XMLHttpRequest|innerHTML|eval\(", page)
    assert "default-src 'none'" in page
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"' ]+", page)


@settings(max_examples=150)
@given(st.lists(text, min_size=2, max_size=4, unique=True), text)
def test_a_graph_of_graphviz_has_the_edges_of_the_trace_and_no_others(names: list[str], title: str) -> None:
    lines = drawings.dot(traced(*names, title=title))
    quoted = r'"(?:[^"\\]|\\.)*"'
    # Nothing is outside of quotes but the language's own words.
    assert re.fullmatch(r"[a-zA-Z0-9_=\[\]{};,\-> \n]*", re.sub(quoted, "", lines, flags=re.DOTALL))
    assert len(names) - 1 == re.sub(quoted, "", lines, flags=re.DOTALL).count("->")


@settings(max_examples=150)
@given(st.lists(text, min_size=2, max_size=4, unique=True), text)
def test_a_graph_of_mermaid_has_the_edges_of_the_trace_and_no_others(names: list[str], title: str) -> None:
    lines = drawings.mermaid(traced(*names, title=title)).splitlines()
    nodes = [line for line in lines if re.fullmatch(r'  n\d+\["[^"]*"\](:::\w+)?', line)]
    edges = [line for line in lines if re.fullmatch(r'  n\d+ -->\|"[^"]*"\| n0', line)]
    assert (len(names), len(names) - 1, 1 + len(nodes) + len(edges) + 2) == (len(nodes), len(edges), len(lines))


def test_prov_names_entities_agents_activities_and_what_joins_them() -> None:
    run = Run(
        run="r 1",
        job="j",
        state="completed",
        time="2025-01-01T00:00:00+08:00",
        derives="2025-01-01T00:00:00+08:00",
        outputs=["a"],
    )
    document = json.loads(drawings.prov(traced("a", "b/c", runs=[run])))
    assert {"asset:a", "asset:b%2Fc"} == document["entity"].keys()
    assert {"party:x%3Ao", "party:x%3Ac"} == document["agent"].keys()
    (step,) = document["wasDerivedFrom"].values()
    assert ("asset:a", "asset:b%2Fc", "0.5") == (
        step["prov:generatedEntity"],
        step["prov:usedEntity"],
        step["circulation:share"]["$"],
    )
    assert [{"prov:entity": "asset:a", "prov:activity": "run:r%201"}] == [*document["wasGeneratedBy"].values()]
    assert [{"prov:delegate": "party:x%3Ao", "prov:responsible": "party:x%3Ac"}] == [
        *document["actedOnBehalfOf"].values()
    ]
    names = {name.split(":")[0] for part in document.values() for name in part if ":" in name}
    assert names <= {*document["prefix"], "_"}


def test_another_name_is_an_alternate_and_nothing_derived() -> None:
    seen = traced("a", "b")
    same = [msgspec.structs.replace(one, same=True) for one in seen.derivations]
    document = json.loads(drawings.prov(msgspec.structs.replace(seen, derivations=same)))
    assert "wasDerivedFrom" not in document
    assert [{"prov:alternate1": "asset:a", "prov:alternate2": "asset:b"}] == [*document["alternateOf"].values()]


def test_what_is_not_drawn_and_what_was_cut_off_is_said() -> None:
    many = traced("a", *(f"b{n}" for n in range(drawings.DRAWN_MAX + 1)))
    cut = CutOff(name="assets_max", maximum=10, of="ancestors")
    seen = msgspec.structs.replace(many, cut_off=[cut])
    for draw in (drawings.dot, drawings.mermaid):
        assert "2 more assets are not drawn" in draw(seen)
        assert "assets_max" in draw(seen).replace("#95#", "_").replace("#95;", "_")


def test_what_lies_on_a_way_from_a_match_is_drawn_in_any_case() -> None:
    many = traced("a", *(f"b{n:05}" for n in range(drawings.DRAWN_MAX)), "zzz")
    match = Match(asset="zzz", entry="e", title="E", disposition="prohibit", actions=[], distance=1, inherited=True,
                  paths=[["zzz", "a"]])  # fmt: skip
    assert '"zzz"' not in drawings.dot(many)
    assert '"zzz" -> "a"' in drawings.dot(msgspec.structs.replace(many, matches=[match]))


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium")
def test_a_browser_draws_the_page_and_runs_nothing_that_came_from_outside(tmp_path: Path) -> None:
    match = Match(
        asset=EVIL[0], entry="e", title=EVIL[4], disposition="prohibit", actions=["list"], distance=1, inherited=True,
        paths=[[EVIL[0], "asked"]],
    )  # fmt: skip
    page = tmp_path / "page.html"
    page.write_text(drawings.html(traced("asked", *EVIL, title=EVIL[4], matches=[match])), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command += ["--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    kinds = re.findall(r'<g class="node ([^"]*)"', drawn)
    assert len(EVIL) + 2 == len(kinds)
    assert 1 == sum("matched" in kind for kind in kinds)
    assert len(EVIL) + 1 == len(re.findall(r'<path class="edge', drawn))
    assert "<img" not in drawn
    assert "<title>taken</title>" not in drawn

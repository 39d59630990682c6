"""The law is covered, or it is said why not: held against what detectors and entries cite, both ways."""

import json

import msgspec
import pytest
from click.testing import CliRunner

import detectors
import packs
from circulation.examples import entry
from circulation.examples import pack as pack_of
from circulation.packs.entry import PROVENANCE
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import load_yaml
from packs.law import CONTRACT, law
from streams.answers.coverage import Tests, coverage, document, page, summary
from streams.cli.main import cli
from streams.facts.rulebook import shipped_packs

ALL = coverage(shipped_packs(detectors.RULES))
OPINION = "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见"
NUMBERS = {f"NL-{number:02}" for number in range(1, 53)}


def number_of(id_: str) -> str:
    """NL-46-a is a part of NL-46."""
    return "-".join(id_.split("-")[:2])


def test_whatever_is_cited_is_in_the_law() -> None:
    assert () == ALL.gaps, "packs/law.yaml: add the articles, or cite those that it has"


def test_every_article_is_watched_or_says_what_else_answers_it_or_why_nothing_does() -> None:
    bare = [(one.instrument, one.article) for one in ALL.articles if not one.covered and not (one.by or one.open)]
    assert [] == bare, "packs/law.yaml: say `by` what else answers it, or why it is `open`"
    untrue = [(one.instrument, one.article) for one in ALL.articles if one.covered and (one.by or one.open)]
    assert [] == untrue, "packs/law.yaml: a rule names it now, so leave out `by` and `open`"
    assert [] == [(one.instrument, one.article) for one in ALL.articles if one.by and one.open]
    assert {one.seen for one in ALL.articles} <= set(PROVENANCE)


def test_every_detector_rests_on_an_article_or_says_that_it_does_not() -> None:
    for one in ALL.detectors:
        place = f"{detectors.file_of(one.id)}: RULE: articles"
        assert one.citations, f"{place} cites none"
        assert CONTRACT not in one.citations or (CONTRACT,) == one.citations, f"{place}: `{CONTRACT}` stands alone"
    assert set(detectors.RULES) == {one.id for one in ALL.detectors}


def test_every_entry_has_a_passing_and_a_failing_example() -> None:
    assert [] == [(one.pack, one.id) for one in ALL.entries if not (one.tests.finding and one.tests.silent)]


def test_each_number_of_the_list_is_an_entry_or_says_why_it_is_none() -> None:
    entries = {one["id"] for one in load_yaml(packs.shipped())["negative_list"]}
    instead = law().numbers
    assert NUMBERS == {number_of(id_) for id_ in entries} | {number_of(id_) for id_ in instead}
    assert set() == entries & set(instead)
    # A number that is both is one of which a part cannot be said.
    both = {number_of(id_) for id_ in entries} & {number_of(id_) for id_ in instead}
    assert {"NL-46"} == both
    for one in instead.values():
        assert set(one.detectors) <= set(detectors.RULES)


def test_what_the_law_says_elsewhere_names_only_entries_that_there_are() -> None:
    entries = {one.id for one in ALL.entries}
    for one in ALL.articles:
        named = {word.strip("`,") for word in (one.by or "").split()}
        assert {word for word in named if word.startswith("NL-")} <= entries


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("数据安全法 33", [("数据安全法", "33")]),
        ("数据安全法 第31、46条", [("数据安全法", "31"), ("数据安全法", "46")]),
        ("数据安全法 第21条、第45条第2款", [("数据安全法", "21"), ("数据安全法", "45")]),
        ("网络数据安全管理条例 第22条第2项", [("网络数据安全管理条例", "22")]),
        ("深圳市数据交易管理暂行办法", [("深圳市数据交易管理暂行办法", "all")]),
        ("反不正当竞争法 商业秘密条", [("反不正当竞争法", "商业秘密条")]),
        ("GB/T 37932-2025 附录A.1 a)至c)", [("GB/T 37932-2025", "附录A.1")]),
        ("GB/T 37932-2025", [("GB/T 37932-2025", "all")]),
        ("实施意见 2023 (十二)", [(OPINION, "12")]),
        ("实施意见 2023 (五)", [(OPINION, "5")]),
        ("实施意见 2023 （二十三）: rewards", [(OPINION, "23")]),
        (f"{OPINION} 20", [(OPINION, "20")]),
        ("保守国家秘密法(2024) 第13、14条", [("保守国家秘密法(2024)", "13"), ("保守国家秘密法(2024)", "14")]),
    ],
)
def test_a_citation_names_articles(citation: str, expected: list[tuple[str, str]]) -> None:
    assert expected == law().cited(citation)


@pytest.mark.parametrize("citation", ["No such law 1", "数据安全法33", ""])
def test_a_citation_of_what_is_not_there_is_no_citation(citation: str) -> None:
    with pytest.raises(ValueError, match=r"packs/law.yaml has no instrument of"):
        law().cited(citation)


def test_a_pack_of_one_s_own_is_held_against_the_law() -> None:
    own = pack_of(
        entry("known", legal_basis="出口管制法"),
        entry("unknown", match={"tags": ["u"]}, legal_basis=["数据安全法 第99条", "An Act 1"]),
        detectors={"paper-trade": {"mode": "off"}},
    )
    found = coverage([parse_pack(own, published=True)])
    (row,) = [one for one in found.articles if (one.instrument, one.article) == ("出口管制法", "all")]
    assert (("known",), Tests()) == (row.entries, row.tests)
    assert {
        "数据安全法 99 is cited, and packs/law.yaml does not have it",
        "unknown: packs/law.yaml has no instrument of 'An Act 1'",
    } == set(found.gaps)
    assert "paper-trade" not in {one.id for one in found.detectors}
    assert set(found.gaps) <= set(summary(found))


def test_the_command_prints_the_matrix_and_what_is_open() -> None:
    said = CliRunner().invoke(cli, ["rules", "coverage"])
    assert 0 == said.exit_code
    assert "incident-late" in said.stdout
    assert summary(ALL)[0] in said.stdout
    some = CliRunner().invoke(cli, ["rules", "coverage", "shenzhen", "--open"]).stdout
    assert "open: inspections are not drawn here" in some
    assert "incident-late" not in some
    whole = json.loads(CliRunner().invoke(cli, ["rules", "coverage", "--json"]).stdout)
    assert json.loads(msgspec.json.encode(document(ALL))) == whole
    assert {"articles", "detectors", "entries", "numbers", "gaps"} == set(whole)


def test_the_page_names_every_article_detector_and_entry() -> None:
    text = "\n".join(page(ALL))
    for row in ALL.articles:
        assert f"## {row.instrument}\n" in text
        assert f"| {row.article} | {row.about} |" in text
    for one in (*ALL.detectors, *ALL.entries):
        assert one.id in text

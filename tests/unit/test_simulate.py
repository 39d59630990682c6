"""The simulated market: its bytes, its size, its list, and that a replay finds what the list says."""

import gzip
import itertools
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from click.testing import CliRunner

import detectors
from benchmarks import accuracy
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.events.event import Event
from circulation.identifiers import check_party
from streams.cli.main import cli
from streams.simulate import market as markets
from streams.simulate.ground import BEGIN, END, credit_code
from streams.simulate.market import NOT_IN_A_FILE, PLANTS, Market, TooSmall, held

SMALL = 4_000


def lines_of(**given: Any) -> list[bytes]:
    return list(Market(**{"events": SMALL} | given).lines())


@pytest.mark.slow
def test_what_is_found_in_a_market_is_what_was_planted() -> None:
    seen = accuracy.look(1, SMALL, markets.VIOLATIONS_DEFAULT)
    text = (
        "what is false is found and not planted: mend the rule, or say it (`on.must`) in the plant of streams/simulate/"
        " that the thing is named after; what is missed is planted and not found"
    )
    wrong = accuracy.wrong([seen])
    assert not wrong, "\n".join([text, *wrong])
    assert SMALL == seen.events


def test_nothing_is_found_in_ordinary_trade() -> None:
    seen = accuracy.look(3, SMALL, 0)
    assert ([], 0, 0) == (seen.words, seen.planted.total(), seen.rejected)


def test_every_detector_has_a_plant_or_can_have_none() -> None:
    planted = {one.detector for one in Market(events=SMALL).expected()}
    lacking = [id_ for id_ in detectors.RULES if id_ not in planted | NOT_IN_A_FILE]
    assert not lacking, "\n".join(map(accuracy.without_a_plant, lacking))
    assert planted <= set(detectors.RULES) - NOT_IN_A_FILE


def test_every_plant_says_why_and_names_its_own_things() -> None:
    assert len(PLANTS) == len({plant.__name__ for plant in PLANTS})
    assert [] == [plant.__name__ for plant in PLANTS if not plant.__doc__]
    assert all(one.why for one in Market(events=SMALL).expected())


@pytest.mark.slow
def test_one_seed_makes_the_same_bytes_and_another_others() -> None:
    first = lines_of(seed=1)
    assert first == lines_of(seed=1)
    assert first != lines_of(seed=2)


@pytest.mark.slow
@pytest.mark.parametrize(("events", "violations"), [(SMALL, 0), (SMALL + 1, 0.001), (6_789, 0.06)])
def test_a_market_has_exactly_the_lines_that_were_asked_for(events: int, violations: float) -> None:
    assert events == len(lines_of(events=events, violations=violations))


def test_more_violations_are_planted_in_whole_rounds() -> None:
    counts = [
        Counter(one.detector for one in Market(events=30_000, violations=rate).expected()) for rate in (0.01, 0.03)
    ]
    assert counts[0].total() < counts[1].total()
    assert counts[0].keys() == counts[1].keys()
    assert 1 == len({Fraction(count, counts[0][detector]) for detector, count in counts[1].items()})


def test_a_market_that_is_too_small_says_how_many_events_it_needs() -> None:
    with pytest.raises(TooSmall, match=r"has at least [0-9,]+ events, got 100") as error:
        Market(events=100)
    least = int(str(error.value).split(" at least ")[1].split()[0].replace(",", ""))
    assert least == len(lines_of(events=least))
    with pytest.raises(TooSmall):
        Market(events=least - 1)


def test_every_line_is_admitted_and_lies_in_the_past() -> None:
    admit = Admission().admit
    events = [admit(line, topic=None, key=ANY, headers=(), now=END) for line in lines_of()]
    assert all(isinstance(one, Event) for one in events)
    times = [one.time for one in events if isinstance(one, Event)]
    assert BEGIN <= min(times)
    assert END == max(times) == times[-1]


def test_some_of_it_comes_late_and_some_twice_as_the_market_says() -> None:
    market = Market(events=SMALL)
    lines = list(market.lines())
    assert market.duplicates == len(lines) - len(set(lines)) > 0
    events = map(orjson.loads, lines)
    times = [one.get("time") or one["eventTime"] for one in events]
    assert sum(one > other for one, other in itertools.pairwise(times)) > 20


def test_a_market_without_an_end_in_sight_begins_at_once() -> None:
    lines = Market(events=10**9, violations=0).lines()
    assert 1_000 == len(list(itertools.islice(lines, 1_000)))


@pytest.mark.parametrize("number", [0, 1, 10_000_019, 20_000_345, 59_999_999])
def test_codes_of_parties_are_right(number: int) -> None:
    assert check_party(credit_code(number)) is None


def test_codes_are_right_in_both_their_checks() -> None:
    # 12345678 by the weights 3, 7, 9, 10, 5, 8, 4, 2 is 201, 3 modulo 11: its check is 11 - 3 = 8 (GB 11714).
    assert "123456788" == credit_code(12_345_678)[8:17]


def test_a_list_is_met_by_findings_that_say_at_least_as_much() -> None:
    about = {"kind": "asset", "id": "a"}
    line = {"detector": "d", "severity": "red", "about": about, "why": "so"}
    found = {"detector": "d", "severity": "red", "about": about, "evidence": {"entry": "x", "path": ["a"]}}
    assert ([], []) == held([line], [found])
    assert ([], []) == held([line | {"evidence": {"entry": "x"}}], [found])
    narrow = line | {"evidence": {"entry": "y"}}
    assert ([narrow], [found]) == held([narrow], [found])
    assert ([], [found]) == held([line], [found, found])
    assert ([line], []) == held([line, line], [found])
    other = found | {"severity": "blue"}
    assert ([line], [other]) == held([line], [other])


def test_a_line_that_says_little_leaves_its_finding_to_one_that_says_more() -> None:
    about = {"kind": "asset", "id": "a"}
    little = {"detector": "d", "severity": "red", "about": about, "why": "a very long reason, longer than the other"}
    much = {"detector": "d", "severity": "red", "about": about, "evidence": {"entry": "y"}, "why": ""}
    found = [{"detector": "d", "severity": "red", "about": about, "evidence": {"entry": one}} for one in ("y", "x")]
    assert ([], []) == held([little, much], found)


def test_a_detector_without_a_plant_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = accuracy.Seen(
        1, 1, 0.0, 0, Counter(set(detectors.RULES) - {"quality"} - NOT_IN_A_FILE), Counter(), Counter(), []
    )
    assert [accuracy.without_a_plant("quality")] == accuracy.wrong([seen])


# The command.


def simulate(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["simulate", "--events", str(SMALL), *map(str, arguments)])


@pytest.mark.slow
def test_the_command_writes_the_market_and_the_list_beside_it(tmp_path: Path) -> None:
    plain, packed, smaller = (tmp_path / name for name in ("plain.jsonl", "packed.jsonl.gz", "smaller.jsonl.zst"))
    for path in (plain, packed, smaller):
        assert 0 == simulate(path).exit_code
    lines = lines_of()
    assert lines == plain.read_bytes().splitlines()
    assert lines == gzip.decompress(packed.read_bytes()).splitlines()
    with smaller.open("rb") as raw:
        assert lines == zstandard.ZstdDecompressor().stream_reader(raw).read().splitlines()
    listed = [orjson.loads(line) for line in (tmp_path / "plain.expected.jsonl").read_bytes().splitlines()]
    assert [one.members() for one in Market(events=SMALL).expected()] == listed
    assert {"detector", "severity", "about", "why"} <= set(listed[0])


@pytest.mark.slow
def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    for suffix in ("", ".gz", ".zst"):
        one, other = tmp_path / f"a.jsonl{suffix}", tmp_path / f"b.jsonl{suffix}"
        assert (0, 0) == (simulate(one, "--force").exit_code, simulate(other, "--force").exit_code)
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["market.jsonl", "market.expected.jsonl"])
def test_a_file_that_is_there_is_left_alone_unless_it_is_to_be_written_over(tmp_path: Path, name: str) -> None:
    market, there = tmp_path / "market.jsonl", tmp_path / name
    there.write_bytes(b"mine")
    ran = simulate(market)
    assert (2, f"Error: {there} is there already: name another one, or write over it with --force\n") == (
        ran.exit_code,
        ran.output,
    )
    assert {name: b"mine"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert 0 == simulate(market, "--force").exit_code
    assert lines_of() == market.read_bytes().splitlines()
    assert there.read_bytes() != b"mine"


def test_what_is_no_file_may_be_written_to(tmp_path: Path) -> None:
    assert 0 == simulate("/dev/null", "--expected", tmp_path / "list.jsonl").exit_code


@pytest.mark.slow
def test_without_a_file_the_market_goes_to_stdout_and_the_list_where_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    ran = simulate("--expected", path, "--seed", 4)
    assert lines_of(seed=4) == ran.stdout_bytes.splitlines()
    assert len(list(Market(events=SMALL, seed=4).expected())) == len(path.read_bytes().splitlines())


def test_what_cannot_be_written_or_is_too_small_is_said_with_exit_2(tmp_path: Path) -> None:
    assert (2, True) == ((ran := simulate(tmp_path / "no" / "m.jsonl")).exit_code, "cannot write" in ran.output)
    ran = CliRunner().invoke(cli, ["simulate", "--events", "50"])
    assert (2, True) == (ran.exit_code, "has at least" in ran.output)


def test_defaults_of_the_command_are_those_of_the_market() -> None:
    simulate_ = cli.get_command(None, "simulate")  # type: ignore[arg-type]
    assert simulate_ is not None
    given = {one.name: one.default for one in simulate_.params}
    assert markets.EVENTS_DEFAULT == given["events"]
    assert (markets.VIOLATIONS_DEFAULT, markets.SEED_DEFAULT) == (given["violations"], given["seed"])

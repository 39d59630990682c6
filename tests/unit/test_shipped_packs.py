"""The shipped packs: every entry has examples that hold, and no condition of one can be left out unnoticed."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from world import admitted
from world import facts as facts_of

import detectors
import packs
from circulation.calendar import format_instant, parse_instant
from circulation.credit.settings import Settings
from circulation.examples import (
    OWNER,
    SELLER,
    Json,
    asset,
    delivered,
    derived,
    exported,
    granted,
    listed,
    party,
    signed,
)
from circulation.facts.acts import Act
from circulation.findings import Said
from circulation.packs.entry import ACTIONS, GRANT_KINDS
from circulation.packs.in_force import Packs
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import load_yaml
from circulation.rules import parameters
from detectors.negative_list import NEEDS, RULE, check
from packs import Example, Expected

DAY = 24 * 3600 * 1_000_000
SEVERITIES = {"prohibit": "red", "restrict": "orange"}
DATA = {name: load_yaml(packs.shipped(name)) for name in packs.NAMES}
EXPECTED = {name: packs.expectations(name) for name in packs.NAMES}
ENTRIES = [
    pytest.param(name, entry, EXPECTED[name].get(entry["id"]), id=f"{name}: {entry['id']}")
    for name, data in DATA.items()
    for entry in data["negative_list"]
]


def events_of(example: Example, since: int) -> list[Json]:
    """What happens in an example: what is known, and the act last."""
    act_at = format_instant(since + example.offset_days * DAY)
    known = format_instant(since - 10 * DAY)
    of = asset("source" if example.irreversible else "asset", known, **example.facts)
    events = [party(OWNER, known), party(SELLER, known), of]
    if example.irreversible:
        events.append(asset("asset", known))
        events.append(derived("asset", known, "source", process="model", irreversible=True, evidence="report-1"))
    events += [granted(SELLER, known, kind) for kind in example.grants]
    contract = signed("c", known)
    acts = {
        "list": [listed("asset", act_at)],
        "trade": [signed("c", act_at)],
        "deliver": [contract, delivered("c", act_at)],
        "export": [exported(SELLER, act_at, asset="asset", level="general")],
    }
    return events + acts[example.action]


def answer(example: Example, entry_id: str, since: str, pack: Pack) -> tuple[str | None, str | None]:
    """What a pack's entry says of an example, and how gravely; both None for nothing."""
    for one in said_of(example, since, pack):
        if one.evidence.get("entry") == entry_id:
            return "match", one.severity
        if entry_id in one.evidence.get("entries", ()):
            return "needs-info", one.severity
    return None, None


def said_of(example: Example, since: str, pack: Pack) -> list[Said]:
    """What a pack's list says of the act of an example."""
    events = [admitted(one) for one in events_of(example, parse_instant(since))]
    last = events[-1]
    facts = facts_of(events, RULE, NEEDS, Packs.always(pack))
    act = Act(
        thing=last.id,
        type=last.type,
        subject=last.subject,
        source=last.source,
        id=last.id,
        time=last.time,
        reporter=last.reporter,
        data=last.data,
    )
    return list(check(act, facts))


def wrong(expected: Expected, entry_id: str, pack: Pack) -> Iterator[tuple[Example, Any]]:
    """The examples of which the pack says something else."""
    severities = {"match": SEVERITIES[expected.disposition], "needs-info": "yellow", None: None}
    for example in expected.examples(GRANT_KINDS):
        found = answer(example, entry_id, expected.since, pack)
        if found != (example.verdict, severities[example.verdict]):
            yield example, found


def alone(name: str, entry: Json) -> Pack:
    return parse_pack(DATA[name] | {"negative_list": [entry]}, published=True)


@pytest.mark.parametrize("name", packs.NAMES)
def test_every_entry_has_examples_and_no_example_lacks_its_entry(name: str) -> None:
    assert [one["id"] for one in DATA[name]["negative_list"]] == list(EXPECTED[name])
    for expected in EXPECTED[name].values():
        verdicts = {one.verdict for one in expected.examples(GRANT_KINDS)}
        assert {"match", None} <= verdicts


@pytest.mark.parametrize("name", packs.NAMES)
def test_an_entry_of_a_whole_pack_finds_what_it_must_and_nothing_else(name: str) -> None:
    pack = parse_pack(DATA[name], published=True)
    for entry_id, expected in EXPECTED[name].items():
        assert [] == [(entry_id, *one) for one in wrong(expected, entry_id, pack)]


def mutations(entry: Json) -> Iterator[tuple[str, Json]]:
    """The entry with one thing in it left out or changed."""

    def changed(what: str) -> Json:
        mutants.append((what, copy.deepcopy(entry)))
        return mutants[-1][1]

    mutants: list[tuple[str, Json]] = []
    for name, value in entry["match"].items():
        del changed(f"without {name}")["match"][name]
        if isinstance(value, list):
            for at, one in enumerate(value if len(value) > 1 else ()):
                del changed(f"without {one} of {name}")["match"][name][at]
        elif name == "persons_min":
            changed("one person less")["match"][name] -= 1
            changed("one person more")["match"][name] += 1
        elif name == "public":
            changed("public turned")["match"][name] = not value
    for action in ACTIONS:
        actions = [one for one in ACTIONS if (one in entry["actions"]) != (one == action)]
        if actions:
            changed(f"{action} turned")["actions"] = actions
    changed("sticky turned")["sticky"] = not entry.get("sticky", False)
    other = changed("disposition turned")
    other["disposition"] = "restrict" if entry["disposition"] == "prohibit" else "prohibit"
    other.pop("unless", None)
    if entry["disposition"] == "restrict":
        for kind in GRANT_KINDS:
            given = entry.get("unless", [])
            changed(f"{kind} turned")["unless"] = [one for one in GRANT_KINDS if (one in given) != (one == kind)]
    for what, days in (("a day earlier", -1), ("a day later", 1)):
        changed(what)["valid_from"] = format_instant(parse_instant(entry["valid_from"]) + days * DAY)
    yield from mutants


@pytest.mark.slow
@pytest.mark.parametrize(("name", "entry", "expected"), ENTRIES)
def test_whatever_is_left_out_of_an_entry_or_turned_breaks_an_example(
    name: str, entry: Json, expected: Expected
) -> None:
    assert [] == list(wrong(expected, entry["id"], alone(name, entry)))
    survived = [
        what
        for what, mutant in mutations(entry)
        if next(wrong(expected, entry["id"], alone(name, mutant)), None) is None
    ]
    assert [] == survived


@pytest.mark.parametrize(("name", "entry", "expected"), ENTRIES)
def test_an_ordinary_asset_of_which_little_is_known_meets_no_question(
    name: str, entry: Json, expected: Expected
) -> None:
    pack = alone(name, entry)
    for personal in ("none", "personal"):
        facts = {"personal": personal, "fields": None, "industry": None, "persons": None}
        for action in ("list", "trade", "deliver"):
            one = Example(action=action, facts=facts, verdict=None)
            assert "needs-info" != answer(one, entry["id"], expected.since, pack)[0]


@pytest.mark.parametrize("personal", ["none", "personal"])
@pytest.mark.parametrize("action", ["list", "trade", "deliver"])
def test_the_default_pack_has_nothing_to_say_of_an_ordinary_asset(personal: str, action: str) -> None:
    facts = {"personal": personal, "fields": None, "industry": None, "persons": None}
    one = Example(action=action, facts=facts, verdict=None)
    assert [] == said_of(one, "2026-11-01", parse_pack(DATA["beijing"], published=True))


def test_the_default_pack_names_every_detector_and_parameter_as_the_contract_has_it() -> None:
    # The days on which nobody works come from the calendar of the program; a pack names those of other years.
    local = {(id_, name) for id_, rule in detectors.RULES.items() for name, one in rule.parameters.items() if one.days}
    given = parse_pack(DATA["beijing"], published=True).detectors
    missing = {(id_, name) for id_, some in parameters(detectors.RULES).items() for name in (None, *some)} - local
    for id_, setting in given.items():
        missing -= {(id_, name) for name in (None, *setting.parameters)}
        assert "enforce" == setting.mode, f"packs/beijing.yaml: detectors: {id_} is in mode enforce"
    lacking = sorted(".".join(filter(None, one)) for one in missing)
    text = "packs/beijing.yaml: detectors: name each detector (`id: {mode: enforce}`), and its parameters:"
    assert not lacking, "\n".join([text, *lacking])
    for id_, some in parameters(detectors.RULES).items():
        for name, default in some.items():
            if (id_, name) not in local:
                text = f"packs/beijing.yaml: detectors: {id_}: {name} has the default of the rule"
                assert default == given[id_].parameters[name], text


def test_the_default_pack_scores_as_the_contract_has_it() -> None:
    pack = parse_pack(DATA["beijing"], published=True)
    assert Settings() == pack.credit
    given = msgspec.to_builtins(Settings())
    assert {name: given[name] for name in given if name != "decisions"} == DATA["beijing"]["credit"]


def test_the_default_pack_tells_somebody_of_every_section_of_industry() -> None:
    pack = parse_pack(DATA["beijing"], published=True)
    assert [] == [letter for letter in "ABCDEFGHIJKLMNOPQRST" if not pack.receivers(f"{letter}99")]
    assert ("北京市经济和信息化局",) == pack.receivers("I6520")
    assert ("北京市通信管理局",) == pack.receivers("I6310")

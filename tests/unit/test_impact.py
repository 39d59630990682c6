"""What a step would reach, and who belongs to whom: told before, and changing nothing."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    derived,
    entry,
    exported,
    granted,
    listed,
    pack,
    party,
    signed,
    terminated,
    terms,
)
from circulation.packs.entry import Entry
from circulation.packs.in_force import Packs
from circulation.packs.reading import parse_pack
from streams.answers import impact, parties
from streams.answers.impact import Limits, Regrade
from streams.answers.impact_document import Impact
from streams.cli.main import cli
from streams.offline.replay import Replay, offline
from streams.store.store import Store

LATER = parse_instant("2026-01-01")
STOPPING = {"process": "model", "irreversible": True, "evidence": "document"}
STORY = [
    party("x:head"),
    party(SELLER, controller="x:head", name="Seller"),
    party(BUYER),
    asset("source", owner=OWNER, category="genome"),
    asset("made", owner=SELLER),
    asset("model", owner=SELLER),
    asset("other", owner=THIRD),
    derived("made", "2025-02-01", "source"),
    derived("model", "2025-02-02", "made", **STOPPING),
    listed("made", "2025-02-03", seller=SELLER, product="p-made"),
    listed("model", "2025-02-03", seller=SELLER, product="p-model"),
    signed("c-made", "2025-02-04", asset="made"),
    signed("c-ended", "2025-02-04", asset="made"),
    terminated("c-ended", "2025-03-01"),
    signed("c-other", "2025-02-04", asset="other"),
]


def filled(store: Store, events: Iterable[Json]) -> Store:
    tally = Replay(offline(store, None), Admission()).run(orjson.dumps(one) for one in events)
    assert 0 == tally.rejected
    return store


def memory(*more: Json) -> Store:
    return filled(Store("sqlite://"), [*STORY, *more])


def entry_of(**members: Any) -> Entry:
    return parse_pack(pack(entry("e", **members)), published=True).negative_list[0]


def reached(found: Impact) -> list[tuple[str, int, bool]]:
    return [(one.asset, one.distance, one.stopped) for one in found.assets]


def contracts(found: Impact) -> list[str]:
    return [one.contract for one in found.contracts]


def test_a_delisting_reaches_all_that_was_derived_and_whoever_has_it(store: Store) -> None:
    with filled(store, STORY).reading() as db:
        found = impact.of_asset(db, "source", LATER)
    assert [("source", 0, False), ("made", 1, False), ("model", 2, True)] == reached(found)
    assert [["source"], ["source", "made"], ["source", "made", "model"]] == [one.path for one in found.assets]
    assert (["p-made", "p-model"], ["c-made"]) == ([one.product for one in found.listings], contracts(found))
    assert [
        (BUYER, ["buyer"], BUYER),
        (SELLER, ["owner", "seller"], "x:head"),
        (OWNER, ["owner"], OWNER),
    ] == [(one.party, one.roles, one.controller) for one in found.parties]


def test_a_regrade_says_what_would_be_graded_below_what_it_was_made_of() -> None:
    with memory().reading() as db:
        for level, below in (("general", []), ("important", ["made"])):
            found = impact.of_asset(db, "source", LATER, Regrade(level=level))
            assert below == [one.asset for one in found.assets if one.below]
        # Behind an irreversible step grades are its own.
        found = impact.of_asset(db, "made", LATER, Regrade(personal="sensitive"))
        assert [] == [one.asset for one in found.assets if one.below]


def test_an_entry_reaches_what_it_matches_and_what_inherits_that(store: Store) -> None:
    filled(store, STORY)
    matching = {"category": ["genome"]}
    with store.reading() as db:
        plain = impact.of_entry(db, entry_of(match=matching), LATER)
        sticky = impact.of_entry(db, entry_of(match=matching, sticky=True), LATER)
        named = impact.of_entry(db, entry_of(match={"assets": ["made", "nowhere"]}), LATER)
        owned = impact.of_entry(db, entry_of(match={"parties": [THIRD]}), LATER)
    assert [("source", 0, False), ("made", 1, False)] == reached(plain)
    assert [("source", 0, False), ("made", 1, False), ("model", 2, True)] == reached(sticky)
    assert (["p-made"], ["p-made", "p-model"]) == (
        [one.product for one in plain.listings],
        [one.product for one in sticky.listings],
    )
    # What nobody registered is still what an entry names.
    assert [("made", 0, False), ("nowhere", 0, False)] == reached(named)
    assert ["c-other"] == contracts(owned)


def test_a_restriction_that_a_grant_satisfies_says_so() -> None:
    restricting = entry_of(match={"category": ["genome"]}, disposition="restrict", unless=["consent"])
    with memory(granted(SELLER, "2025-01-05", "consent")).reading() as db:
        found = impact.of_entry(db, restricting, LATER)
    assert ([True], [True]) == ([one.satisfied for one in found.listings], [one.satisfied for one in found.contracts])
    with memory(granted(SELLER, "2025-01-05", "consent", assets=["source"])).reading() as db:
        found = impact.of_entry(db, restricting, LATER)
    assert ([False], [False]) == ([one.satisfied for one in found.listings], [one.satisfied for one in found.contracts])


def test_what_an_entry_cannot_tell_of_is_named_where_it_circulates() -> None:
    ungraded = [asset("u", level="ungraded"), asset("v", level="ungraded"), listed("u", "2025-02-01")]
    with memory(*ungraded).reading() as db:
        assert ["u"] == impact.of_entry(db, entry_of(match={"level": ["core"]}), LATER).undecided


def test_a_revocation_reaches_what_the_holder_does_by_the_grant(store: Store) -> None:
    right = granted(SELLER, "2025-01-05", "operating-right", assets=["made"], grant="g")
    filled(store, [*STORY, right, exported(SELLER, "2025-03-01", grant="g", asset="made")])
    with store.reading() as db:
        ((holder, grant),) = impact.grants(db, "g")
        found = impact.of_grant(db, holder, grant, LATER)
    assert (SELLER, "operating-right", 1, []) == (holder, found.title, found.exports, found.instead)
    assert (["p-made"], ["c-made"]) == ([one.product for one in found.listings], contracts(found))
    assert [("made", 0, False), ("model", 1, True)] == reached(found)


def test_a_grant_that_covers_the_same_is_told_and_one_that_covers_less_is_not() -> None:
    def right(id_: str, *assets: str, **more: Any) -> Json:
        return granted(SELLER, "2025-01-05", "operating-right", grant=id_, assets=list(assets) or None, **more)

    rights = [
        right("g", "made"),
        right("same", "made", "model"),
        right("all"),
        right("less", "model"),
        right("ended", valid_to="2025-06-01"),
    ]
    with memory(*rights).reading() as db:
        ((holder, grant),) = impact.grants(db, "g")
        assert ["all", "same"] == impact.of_grant(db, holder, grant, LATER).instead
        ((holder, grant),) = impact.grants(db, "all")
        found = impact.of_grant(db, holder, grant, LATER)
        # What it owns, lists or sells.
        begins = {one.asset for one in found.assets if not one.distance}
        assert ([], {"made", "model", "other"}) == (found.instead, begins)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(assets_max=1), "assets_max"),
        (Limits(derivations_max=0), "derivations_max"),
        (Limits(contracts_max=1), "contracts_max"),
    ],
)
def test_a_limit_that_is_reached_is_named(limits: Limits, name: str) -> None:
    with memory().reading() as db:
        assert [name] == impact.of_asset(db, "source", LATER, limits=limits).cut_off
        assert [] == impact.of_asset(db, "source", LATER).cut_off


def test_a_circle_of_derivations_ends() -> None:
    with memory(derived("source", "2025-02-05", "made")).reading() as db:
        found = impact.of_asset(db, "made", LATER)
    assert [("made", 0, False), ("model", 1, True), ("source", 1, False)] == reached(found)


# Parties.


def group(store: Store, party_: str, at: int = LATER) -> parties.Group:
    with store.reading() as db:
        return parties.group(db, party_, at, Packs(parse_pack(pack(), published=True)))


def test_a_group_is_all_that_have_the_same_head(store: Store) -> None:
    filled(
        store,
        [
            party("x:head"),
            party("x:left", controller="x:head"),
            party("x:right", controller="x:head"),
            party("x:below", controller="x:left"),
            party("x:gone", controller="x:left"),
            party("x:gone", "2025-06-01", controller="x:elsewhere"),
        ],
    )
    found = group(store, "x:below")
    assert (["x:below", "x:left", "x:head"], "x:head", []) == (found.chain, found.head, found.circle)
    assert [("x:head", 0), ("x:left", 1), ("x:right", 1), ("x:below", 2)] == [
        (one.party, one.steps) for one in found.members
    ]
    before = group(store, "x:below", parse_instant("2025-05-31"))
    assert "x:gone" in [one.party for one in before.members]


@pytest.mark.parametrize("start", ["x:a", "x:b", "x:c", "x:d"])
def test_parties_that_control_each_other_are_one_group_with_the_smallest_at_its_head(start: str) -> None:
    ring = [party(f"x:{one}", controller=f"x:{other}") for one, other in ("bc", "ca", "ab")]
    found = group(filled(Store("sqlite://"), [*ring, party("x:d", controller="x:b")]), start)
    assert ("x:a", ["x:a", "x:b", "x:c"]) == (found.head, found.circle)
    assert {"x:a", "x:b", "x:c", "x:d"} == {one.party for one in found.members}


def test_limits_are_summed_over_what_the_group_buys_and_exports_over_the_year() -> None:
    store = filled(
        Store("sqlite://"),
        [
            party("x:head"),
            party(BUYER, controller="x:head"),
            party(THIRD, controller="x:head"),
            asset("a", title="An asset"),
            signed("one", "2025-01-02", asset="a", buyer=BUYER, terms=terms(uses_max=100, bytes_max=5)),
            signed("two", "2025-01-02", asset="a", buyer=THIRD, terms=terms(uses_max=11)),
            signed("none", "2025-01-02", asset="a", buyer=THIRD),
            signed("ended", "2025-01-02", asset="a", buyer=THIRD, terms=terms(uses_max=7)),
            terminated("ended", "2025-02-01"),
            exported(BUYER, "2025-03-01", persons=10, sensitive_persons=1),
            exported(BUYER, "2025-03-01", persons=10, sensitive_persons=1, reporter="consumer"),
            exported(THIRD, "2025-04-01", persons=20),
            exported(THIRD, "2025-04-02", persons=99, exemption="contract"),
            exported(THIRD, "2024-04-01", persons=3),
        ],
    )
    found = group(store, BUYER)
    assert [("uses_max", 111, 2, 1), ("bytes_max", 5, 1, 2)] == [
        (one.limit, one.total, one.contracts, one.unlimited) for one in found.limits if one.total
    ]
    assert [(2024, 1, 3, 0), (2025, 2, 30, 1)] == [
        (one.year, one.exports, one.persons, one.sensitive_persons) for one in found.exported
    ]
    assert [(BUYER, ["one"]), (THIRD, ["none", "two"])] == [(one.party, one.contracts) for one in found.holds]


# The commands.


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('impact')}/store.db"
    store = Store(url)
    store.migrate()
    rights = [granted(one, "2025-01-05", "operating-right", grant="g") for one in (SELLER, BUYER)]
    filled(store, [*STORY, *rights, asset("NL-27", owner=OWNER)])
    return url


def ran(url: str, *arguments: str) -> Result:
    return CliRunner(env={"CIRCULATION_STORE": url, "CIRCULATION_RULES": ""}).invoke(cli, arguments)


def test_the_command_tells_an_asset_an_entry_and_a_grant_apart(url: str, tmp_path: Path) -> None:
    assert "asset" == json.loads(ran(url, "impact", "source", "--json").stdout)["kind"]
    assert "grant" == json.loads(ran(url, "impact", "g", "--holder", SELLER, "--json").stdout)["kind"]
    rules = tmp_path / "next.yaml"
    rules.write_bytes(orjson.dumps(pack(entry("genomes", match={"category": ["genome"]}))))
    found = json.loads(ran(url, "impact", "genomes", "--rules", str(rules), "--json").stdout)
    assert ("entry", ["source", "made"]) == (found["kind"], [one["asset"] for one in found["assets"]])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["impact"], 2, "name an ASSET"),
        (["impact", "sourse"], 1, "did you mean source?"),
        (["impact", "g"], 2, "several parties hold a grant 'g'"),
        (["impact", "NL-27"], 2, "say which with --kind"),
        (["impact", "g", "--holder", SELLER, "--level", "core"], 2, "are of an ASSET"),
        (["party"], 2, "name a PARTY"),
        (["party", "x:heda"], 1, "did you mean x:head?"),
    ],
)
def test_an_error_says_what_was_meant(url: str, arguments: Sequence[str], code: int, said: str) -> None:
    result = ran(url, *arguments)
    assert (code, True) == (result.exit_code, said in result.stderr), result.stderr


def test_people_are_told_in_tables(url: str) -> None:
    said = ran(url, "impact", "source", "--level", "core").stdout
    assert "reaches 3 assets, 2 listings, 1 contract, 3 parties" in said
    assert "WOULD BE GRADED BELOW IT" in said
    said = ran(url, "party", SELLER).stdout
    assert "controlled by x:head" in said
    assert {"Group of x:head", "Holds", "Limits of what it buys"} <= {*said.splitlines()}


@pytest.mark.parametrize("name", ["impact", "party"])
def test_each_command_prints_the_schema_of_what_it_writes(url: str, name: str) -> None:
    schema = json.loads(ran(url, name, "--schema").stdout)
    what = "source" if name == "impact" else SELLER
    written = json.loads(ran(url, name, what, "--json").stdout)
    (ref,) = [schema["$ref"]]
    assert written.keys() <= schema["$defs"][ref.rsplit("/", 1)[1]]["properties"].keys()


def test_nothing_is_changed_by_asking(url: str) -> None:
    def rows() -> Any:
        store = Store(url)
        with store.reading() as db:
            return [db.one(f"select count(*) from {one}") for one in ("events", "queue", "findings", "outbox")]

    before = rows()
    ran(url, "impact", "source")
    ran(url, "party", SELLER)
    assert before == rows()

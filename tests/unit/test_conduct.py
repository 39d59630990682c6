"""Sources, rights, raw public data, ends of contracts and trades inside a group: what single cases cannot say."""

import itertools
from collections.abc import Sequence

import orjson
import pytest
from world import admitted

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    derived,
    entry,
    event,
    listed,
    pack,
    party,
    retracted,
    signed,
    terminated,
    used,
)
from circulation.facts.parties import CONTROLLERS_MAX
from circulation.licences import Licences
from circulation.packs.reading import parse_pack
from detectors.broken_provenance import NAMED_MAX
from streams.offline.replay import Replay, findings_of, offline
from streams.store.store import Store

RULES = pack()


def found(detector: str, lines: Sequence[Json], rules: Json = RULES) -> list[Json]:
    return [one for one in findings_of(list(lines), pack=rules) if one["detector"] == detector]


def severities(lines: Sequence[Json]) -> dict[str, str]:
    return {one["about"]["id"]: one["severity"] for one in found("related-party-trade", lines)}


def trades(lines: Sequence[Json]) -> dict[str, int]:
    return {one["about"]["id"]: one["evidence"]["trades"] for one in found("related-party-trade", lines)}


def one_of_group(at: int) -> str:
    return f"group:{at}"


# Sources.


def test_an_asset_that_names_no_owner_is_rejected_and_so_its_listing_has_no_source() -> None:
    nameless = asset("a", owner=None)
    rejected: list[bytes] = []
    run = Replay(offline(Store("sqlite://"), parse_pack(RULES, published=False)), Admission(), rejected=rejected.append)
    run.run([orjson.dumps(nameless)])
    assert ["invalid-data"] == [orjson.loads(one)["reason"] for one in rejected]
    (broken,) = found("broken-provenance", [nameless, listed("a", "2025-02-01")])
    assert ["a"] == broken["evidence"]["missing"]


@pytest.mark.parametrize("count", [NAMED_MAX - 1, NAMED_MAX, NAMED_MAX + 1])
def test_all_missing_sources_are_counted_and_the_first_of_them_named(count: int) -> None:
    inputs = [f"source-{at:03}" for at in range(count)]
    lines = [asset("a"), derived("a", "2025-01-02", *inputs), listed("a", "2025-02-01")]
    (broken,) = found("broken-provenance", lines)
    assert count == broken["evidence"]["missing_count"]
    assert inputs[:NAMED_MAX] == broken["evidence"]["missing"]


def test_a_dataset_that_only_runs_name_is_a_source_that_nobody_registered() -> None:
    run = {
        "eventType": "COMPLETE",
        "eventTime": "2025-01-05T00:00:00+08:00",
        "run": {"runId": "run"},
        "job": {"namespace": "ns", "name": "job"},
        "producer": "//lineage.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "inputs": [{"namespace": "ns", "name": "raw"}],
        "outputs": [{"namespace": "ns", "name": "made"}],
    }
    lines = [asset("ns/made"), run, listed("ns/made", "2025-02-01")]
    (broken,) = found("broken-provenance", lines)
    assert ["ns/raw"] == broken["evidence"]["missing"]
    assert [] == found("broken-provenance", [*lines, asset("ns/raw")])


def test_what_the_list_cannot_tell_of_a_source_is_broken_provenance_and_no_need_of_information() -> None:
    lines = [asset("a"), derived("a", "2025-01-02", "b"), listed("a", "2025-02-01")]
    rules = pack(entry("secret"))
    assert 1 == len(found("broken-provenance", lines, rules))
    assert [] == found("negative-list", lines, rules)


def test_an_act_of_another_contract_with_the_same_id_is_a_finding_of_its_own() -> None:
    lines = [signed(contract, "2025-02-01", asset="a", id="same") for contract in ("c0", "c1")]
    assert 2 == len(found("broken-provenance", lines))


# Public data.


def test_whether_data_are_public_is_asked_at_the_delivery() -> None:
    lines = [
        asset("a", public=False),
        asset("a", "2025-03-01", public=True),
        signed("c", "2025-01-02", asset="a"),
        *(delivered("c", time, mode="file") for time in ("2025-02-28T23:59:59.999999", "2025-03-01")),
    ]
    assert ["2025-03-01T00:00:00+08:00"] == [one["occurred"] for one in found("raw-public-data", lines)]


# The end of a contract.


def ended(*statements: Json) -> int | None:
    licences = Licences()
    licences.add(admitted(signed("c", "2025-01-01")))
    for one in statements:
        licences.terminate(admitted(one))
    licence = licences.at(parse_instant("2025-06-01"))
    return None if licence is None else licence.terminated


def test_of_several_terminations_the_earliest_of_the_best_reporter_counts() -> None:
    provider = terminated("c", "2025-02-01", reporter="provider")
    first, second = terminated("c", "2025-03-01"), terminated("c", "2025-04-01")
    assert ended() is None
    assert parse_instant("2025-02-01") == ended(provider)
    for order in itertools.permutations((provider, first, second)):
        assert parse_instant("2025-03-01") == ended(*order)


def test_terms_that_were_taken_back_stay_so_when_the_contract_is_terminated() -> None:
    licences = Licences()
    first, second = (admitted(signed("c", time, amended=time > "2025-01-01")) for time in ("2025-01-01", "2025-02-01"))
    licences.add(first)
    licences.add(second)
    licences.end(second.type, second.source, second.id)
    end = admitted(terminated("c", "2025-03-01"))
    licences.terminate(end)
    licence = licences.at(parse_instant("2025-06-01"))
    assert licence is not None
    assert (0, end.time) == (licence.index, licence.terminated)
    licences.resume(end.source, end.id)
    licence = licences.at(parse_instant("2025-06-01"))
    assert licence is not None
    assert (0, None) == (licence.index, licence.terminated)


def test_of_a_long_run_of_uses_those_from_the_termination_on_are_found() -> None:
    uses = [
        used("c", f"2025-03-01T{at:02}:00:00", id=f"u{at}", sequence=at + 1, source="//counted") for at in range(24)
    ]
    lines = [signed("c", "2025-01-01"), terminated("c", "2025-03-01T20:00:00"), *uses]
    assert {"u20", "u21", "u22", "u23"} == {one["cause"]["id"] for one in found("use-after-end", lines)}


def test_uses_that_waited_for_terms_are_held_against_a_termination_that_came_before_these() -> None:
    lines = [used("c", "2025-03-02"), terminated("c", "2025-03-01"), signed("c", "2025-01-01")]
    assert 1 == len(found("use-after-end", lines))


def test_a_termination_that_was_taken_back_is_forgotten_by_later_uses_and_stands_for_earlier_ones() -> None:
    end = terminated("c", "2025-03-01")
    early, late = used("c", "2025-03-02"), used("c", "2025-03-04")
    lines = [signed("c", "2025-01-01"), end, early, retracted(end, "2025-03-03"), late]
    assert [early["id"]] == [one["cause"]["id"] for one in found("use-after-end", lines)]


# Trades inside a group.


def test_the_parties_to_a_trade_are_related_in_whatever_order_their_controllers_become_known() -> None:
    statements = [
        party(SELLER, controller=one_of_group(1)),
        party(one_of_group(1), controller=one_of_group(2)),
        party(BUYER, controller=one_of_group(2)),
        signed("c", "2025-02-01"),
    ]
    results = [found("related-party-trade", order) for order in itertools.permutations(statements)]
    assert one_of_group(2) == results[0][0]["evidence"]["controller"]
    for one in results:
        assert [each["finding"] for each in results[0]] == [each["finding"] for each in one]
        assert [each["evidence"] for each in results[0]] == [each["evidence"] for each in one]


def test_a_link_of_the_chain_that_was_taken_back_clears_the_trade() -> None:
    link = party(one_of_group(1), controller=one_of_group(2))
    lines = [
        party(SELLER, controller=one_of_group(1)),
        link,
        party(BUYER, controller=one_of_group(2)),
        signed("c", "2025-02-01"),
    ]
    assert {"c": "yellow"} == severities(lines)
    assert {} == severities([*lines, retracted(link, "2025-03-01")])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [CONTROLLERS_MAX - 1, CONTROLLERS_MAX, CONTROLLERS_MAX + 1])
@pytest.mark.parametrize("topmost_last", [True, False])
def test_a_chain_of_control_is_followed_so_far_and_no_further(steps: int, topmost_last: bool) -> None:
    chain = [SELLER, *(one_of_group(at) for at in range(1, steps)), BUYER]
    links = [party(one, controller=above) for one, above in itertools.pairwise(chain)]
    trade = signed("c", "2025-02-01")
    lines = [*links[:-1], trade, links[-1]] if topmost_last else [*reversed(links), trade]
    assert (steps <= CONTROLLERS_MAX) == ("c" in severities(lines))


def test_circles_of_control_above_both_end() -> None:
    circle = [party(one_of_group(at), controller=one_of_group((at + 1) % 3)) for at in range(3)]
    group = [party(SELLER, controller=one_of_group(0)), party(BUYER, controller=one_of_group(1))]
    (related,) = found("related-party-trade", [*circle, *group, signed("c", "2025-02-01")])
    assert one_of_group(0) == related["evidence"]["controller"]


def test_two_signings_of_one_contract_belong_each_to_its_own_pair() -> None:
    lines = [
        *(party(one, controller=OWNER) for one in (SELLER, BUYER, THIRD)),
        signed("c0", "2025-01-02", buyer=THIRD),
        signed("c0", "2025-01-03"),
        signed("c1", "2025-01-04"),
    ]
    counts = sorted((one["occurred"], one["evidence"]["trades"]) for one in found("related-party-trade", lines))
    assert [1, 1, 2] == [count for _, count in counts]


def test_trades_of_one_instant_are_counted_by_source_and_id() -> None:
    group = [party(one, controller=OWNER) for one in (SELLER, BUYER)]
    same = [signed(f"c{at}", "2025-02-01", id=f"s{at}") for at in range(3)]
    for order in itertools.permutations(same):
        assert {"c0": 1, "c1": 2, "c2": 3} == trades([*group, *order])


@pytest.mark.parametrize(("last", "count"), [("2025-02-28", 2), ("2025-03-01", 1)])
def test_twelve_months_are_calendar_months_also_from_a_leap_day(last: str, count: int) -> None:
    group = [party(one, "2020-01-01", controller=OWNER) for one in (SELLER, BUYER)]
    lines = [*group, signed("c0", "2024-02-29"), signed("c1", last)]
    assert {"c0": 1, "c1": count} == trades(lines)


@pytest.mark.parametrize("repeated", [1, 2, 3])
def test_a_pack_says_from_which_trade_on_it_is_orange(repeated: int) -> None:
    rules = pack(detectors={"related-party-trade": {"repeated": repeated}})
    lines = [party(SELLER, controller=BUYER), *(signed(f"c{at}", f"2025-0{at}-01") for at in (1, 2, 3))]
    said = sorted((one["about"]["id"], one["severity"]) for one in found("related-party-trade", lines, rules))
    assert ["yellow"] * (repeated - 1) + ["orange"] * (4 - repeated) == [severity for _, severity in said]


def test_trades_of_strangers_have_no_scope_until_they_are_none() -> None:
    store = Store("sqlite://")

    def scopes() -> int:
        with store.reading() as db:
            row = db.one("select count(*) from scopes where rule = ?", "related-party-trade")
        return 0 if row is None else int(row[0])

    def take(*lines: Json) -> None:
        Replay(offline(store, parse_pack(RULES, published=False)), Admission()).run(orjson.dumps(one) for one in lines)

    take(party(SELLER), party(BUYER), *(signed(f"c{at}", "2025-02-01") for at in range(5)))
    assert 0 == scopes()
    group = party(SELLER, "2025-01-15", controller=BUYER)
    take(group)
    assert 5 == scopes()
    take(retracted(group, "2025-03-01"))
    assert 0 == scopes()


def test_a_grant_to_a_controller_leaves_the_trades_below_as_they_were() -> None:
    lines = [party(SELLER, controller=OWNER), party(BUYER, controller=OWNER), signed("c", "2025-02-01")]
    grant = event("grant.issued", OWNER, "2025-01-02", grant="g", kind="consent", valid_from="2025-01-02")
    assert found("related-party-trade", lines) == found("related-party-trade", [*lines, grant])

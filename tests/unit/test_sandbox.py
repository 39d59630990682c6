"""Within a sandbox the detectors that the pack names only watch: whatever came first, and until a cap is passed."""

import random
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    entry,
    event,
    exported,
    granted,
    listed,
    party,
    retracted,
    signed,
    terminated,
    terms,
    used,
)
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.modes import only

_ENTRIES = [entry("open", match={"category": ["traffic"]}), entry("red", match={"tags": ["red"]}, sticky=True)]


def pack(*watched: str, **members: Any) -> Json:
    """A pack in which only these detectors and the caps are on, and these only watch within a sandbox."""
    return only(*watched, "sandbox-cap", entries=_ENTRIES, sandbox=list(watched), **members)


LIST = pack("negative-list")


class Run:
    """A replay that goes on, and what it wrote."""

    def __init__(self, rules: Json) -> None:
        self.store = Store("sqlite://")
        self._rules = parse_pack(rules, published=False)
        self.left: list[Json] = []

    def take(self, said: Sequence[Json], until: str | None = None) -> "Run":
        replay = Replay(
            offline(self.store, self._rules),
            Admission(),
            findings=lambda line: self.left.append(orjson.loads(line)),
            until=None if until is None else parse_instant(until),
        )
        replay.run(orjson.dumps(one) for one in said)
        self.statements = {one["party"]: one for one in map(orjson.loads, replay.statements())}
        return self

    def found(self) -> list[Json]:
        with self.store.reading() as db:
            rows = db.rows("select data from findings where standing order by occurred, finding")
        kept = ({name: one for name, one in orjson.loads(row[0]).items() if name != "revision"} for row in rows)
        return list(kept)

    def modes(self) -> dict[str, str]:
        """The mode of each finding of a detector that may be held back, by its cause."""
        return {one["cause"]["id"]: one["mode"] for one in self.found() if one["detector"] != "sandbox-cap"}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.reading() as db:
            return db.rows(query)


def modes(said: Sequence[Json], rules: Json = LIST) -> dict[str, str]:
    return Run(rules).take(said).modes()


def sandbox(**data: Any) -> Json:
    return granted(SELLER, "2025-01-01", "sandbox", **({"grant": "g"} | data))


def sold(contract: str, day: str, amount: str = "100", **data: Any) -> Json:
    return signed(contract, f"2025-02-{day}", amount=amount, **({"id": contract} | data))


ASSET = asset("asset")
THREE = [ASSET, sold("c1", "01"), sold("c2", "02"), sold("c3", "03")]


def test_what_is_found_of_a_trial_only_watches() -> None:
    listing = listed("asset", "2025-02-01", id="listing")
    delivery = delivered("c1", "2025-02-04", id="delivery")
    export = exported(SELLER, "2025-02-05", asset="asset", id="export")
    said = [*THREE, listing, delivery, export]
    causes = ("c1", "c2", "c3", "listing", "delivery", "export")
    assert dict.fromkeys(causes, "enforce") == modes(said)
    assert dict.fromkeys(causes, "shadow") == modes([sandbox(), *said]) == modes([*said, sandbox()])


def test_what_only_watches_opens_no_case_and_costs_no_points() -> None:
    run = Run(LIST).take([party(SELLER), sandbox(), *THREE])
    assert [] == run.rows("select case_id from cases")
    assert 80 == run.statements[SELLER]["score"]
    assert [] == run.statements[SELLER]["findings"]
    after = run.take([event("grant.revoked", SELLER, "2025-02-02", grant="g", reason="x")], until="2025-03-01")
    assert {"c1": "shadow", "c2": "enforce", "c3": "enforce"} == after.modes()
    assert [("negative-list", 2)] == after.rows("select detector, findings from cases where detector = 'negative-list'")
    # two findings of the list, and the end of the sandbox that was passed
    assert 80 - 2 * 10 - 4 == after.statements[SELLER]["score"]


@pytest.mark.parametrize(("cap", "inside"), [("99", 0), ("100", 1), ("199", 1), ("200", 2), ("299", 2), ("300", 3)])
def test_from_the_act_that_passes_a_cap_on_all_rules_are_as_strict_as_ever(cap: str, inside: int) -> None:
    said = [sandbox(amount_max=cap), *THREE]
    expected = {one: "shadow" if at < inside else "enforce" for at, one in enumerate(("c1", "c2", "c3"))}
    assert expected == modes(said) == modes(said[::-1])


def test_what_was_done_earlier_and_comes_later_moves_the_place_at_which_a_cap_is_passed() -> None:
    run = Run(LIST).take([sandbox(amount_max="200"), ASSET, sold("c2", "02"), sold("c3", "03")])
    assert {"c2": "shadow", "c3": "shadow"} == run.modes()
    run.take([sold("c1", "01")])
    assert {"c1": "shadow", "c2": "shadow", "c3": "enforce"} == run.modes()
    run.take([retracted(sold("c1", "01"), "2025-02-04")])
    assert {"c2": "shadow", "c3": "shadow"} == run.modes()


def test_one_sandbox_of_several_is_enough() -> None:
    said = [sandbox(amount_max="100"), sandbox(grant="h", amount_max="200"), *THREE]
    assert {"c1": "shadow", "c2": "shadow", "c3": "enforce"} == modes(said)


@pytest.mark.parametrize(
    ("name", "restriction", "mode"),
    [
        ("its asset", {"assets": ["asset"]}, "shadow"),
        ("another asset", {"assets": ["other"]}, "enforce"),
        ("a purpose that is not named", {"purposes": ["credit"]}, "enforce"),
        ("its end", {"valid_to": "2025-02-01"}, "enforce"),
        ("just after the act", {"valid_to": "2025-02-01T00:00:00.000001+08:00"}, "shadow"),
    ],
)
def test_a_sandbox_holds_back_what_its_grant_covers(name: str, restriction: Json, mode: str) -> None:
    assert {"c1": mode} == modes([sandbox(**restriction), ASSET, sold("c1", "01")])


def test_a_red_line_is_never_held_back() -> None:
    said = [sandbox(), asset("asset", tags=["red"]), sold("c1", "01")]
    found = [one for one in Run(LIST).take(said).found() if one["detector"] == "negative-list"]
    assert {"open": "shadow", "red": "enforce"} == {one["evidence"]["entry"]: one["mode"] for one in found}


def test_what_may_be_a_red_line_is_not_held_back_either() -> None:
    (found,) = Run(LIST).take([sandbox(), sold("c1", "01")]).found()
    assert ("needs-info", "enforce") == (found["evidence"]["verdict"], found["mode"])


def test_a_tally_is_never_held_back() -> None:
    rules = pack("usage-limit", "purpose-drift", "bulk-extraction", "outside-terms")
    said = [
        sandbox(),
        signed("c", "2025-01-02", terms=terms(uses_max=1, purposes=["credit"], countries=["CN"], delivery=["report"])),
        used("c", "2025-02-01", 2, country="DE", id="u"),
        delivered("c", "2025-02-02", country="CN", id="d"),
    ]
    found = {(one["detector"], one["cause"]["id"]): one["mode"] for one in Run(rules).take(said).found()}
    assert {
        ("usage-limit", "u"): "enforce",
        ("purpose-drift", "u"): "enforce",
        ("outside-terms", "u"): "enforce",
        ("outside-terms", "d"): "shadow",
    } == found


def test_a_detector_that_the_pack_does_not_name_is_as_strict_as_ever() -> None:
    rules = only("negative-list", "right-missing", "sandbox-cap", entries=_ENTRIES, sandbox=["right-missing"])
    found = Run(rules).take([sandbox(), ASSET, listed("asset", "2025-02-01")]).found()
    assert {"negative-list": "enforce", "right-missing": "shadow"} == {one["detector"]: one["mode"] for one in found}


def test_the_detectors_may_be_named_as_a_parameter_of_the_rule() -> None:
    rules = only("negative-list", "sandbox-cap", entries=_ENTRIES)
    rules["detectors"]["sandbox-cap"] = {"sandbox": ["negative-list"]}
    assert dict.fromkeys(("c1", "c2", "c3"), "shadow") == modes([sandbox(), *THREE], rules)


def test_what_a_pack_that_comes_later_names_is_judged_anew() -> None:
    run = Run(only("negative-list", "sandbox-cap", entries=_ENTRIES)).take([sandbox(), *THREE])
    assert {"c1": "enforce", "c2": "enforce", "c3": "enforce"} == run.modes()
    again = pack("negative-list") | {"version": "2", "valid_from": "2025-02-02"}
    run.take([event("rulepack.published", "beijing", "2025-03-01", **again)])
    assert {"c1": "enforce", "c2": "shadow", "c3": "shadow"} == run.modes()


def test_a_mode_that_is_milder_already_stays() -> None:
    for mode, within in (("warn", "shadow"), ("shadow", "shadow")):
        rules = pack("negative-list")
        rules["detectors"]["negative-list"] = {"mode": mode}
        assert {"c1": within} == modes([sandbox(), ASSET, sold("c1", "01")], rules)
        assert {"c1": mode} == modes([ASSET, sold("c1", "01")], rules)


def test_what_a_deadline_brings_is_held_back_by_its_instant() -> None:
    rules = pack("deletion-overdue")
    said = [
        sandbox(valid_to="2025-04-01"),
        sold("c1", "01", terms=terms(delete_within_days=15)),
        sold("c2", "01", terms=terms(delete_within_days=60)),
        terminated("c1", "2025-03-01"),
        terminated("c2", "2025-03-01"),
    ]
    found = Run(rules).take(said, until="2025-12-01").found()
    assert {"c1": "shadow", "c2": "enforce"} == {one["about"]["id"]: one["mode"] for one in found}


def test_what_is_screened_again_is_held_back_by_the_instant_of_the_entry() -> None:
    late = [entry("late", match={"category": ["traffic"]}, valid_from="2025-03-01")]
    rules = only("negative-list", "sandbox-cap", entries=late, sandbox=["negative-list"])
    said = [ASSET, sold("c1", "01"), party(THIRD, "2025-04-01")]
    for grant, mode in (([], "enforce"), ([sandbox()], "shadow"), ([sandbox(valid_to="2025-03-01")], "enforce")):
        found = Run(rules).take([*grant, *said]).found()
        assert [mode] == [one["mode"] for one in found]
        assert found == Run(rules).take([*said, *grant]).found()


def test_another_party_s_sandbox_holds_nothing_back() -> None:
    of_the_buyer = granted(BUYER, "2025-01-01", "sandbox", grant="g")
    assert {"c1": "enforce"} == modes([of_the_buyer, ASSET, sold("c1", "01")])


STORY = [
    sandbox(amount_max="250", persons_max=10, uses_max=20, valid_to="2025-03-01"),
    granted(SELLER, "2025-01-05", "sandbox", grant="h", assets=["other"], persons_max=4),
    ASSET,
    asset("other"),
    sold("c1", "01"),
    sold("c2", "05", asset="other"),
    sold("c3", "09"),
    sold("c4", "27"),
    sold("c4", "28", "1", amended=True, id="a4"),
    delivered("c1", "2025-02-03", persons=3, id="d1"),
    delivered("c2", "2025-02-06", persons=4, id="d2"),
    delivered("c2", "2025-02-10", persons=1, id="d3"),
    delivered("c1", "2025-03-01", persons=1, id="d4"),
    exported(SELLER, "2025-02-11", asset="asset", persons=3, id="x"),
    listed("asset", "2025-02-20", id="l1"),
    event("grant.revoked", SELLER, "2025-02-25", grant="h", reason="x"),
    retracted(sold("c1", "01"), "2025-03-02"),
    used("c3", "2025-02-09", 12),
    used("c3", "2025-02-16", 8),
    used("c4", "2025-02-27", 1),
    used("c3", "2025-02-10", 1, reporter="provider"),
    used("c3", "2025-03-02", 1),
]
UNTIL = "2025-04-01T00:00:00+08:00"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_any_order_finds_the_same(seed: int) -> None:
    choose = random.Random(seed)
    shuffled = list(STORY)
    choose.shuffle(shuffled)
    expected = Run(LIST).take(STORY, UNTIL).found()
    assert {"shadow", "enforce"} == {one["mode"] for one in expected}
    caps = {one["evidence"]["cap"]: one["evidence"]["used"] for one in expected if one["detector"] == "sandbox-cap"}
    assert 21 == caps["uses"]
    assert expected == Run(LIST).take(shuffled, UNTIL).found()


@pytest.mark.slow
@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_a_restart_finds_the_same(cut: int) -> None:
    assert Run(LIST).take(STORY, UNTIL).found() == Run(LIST).take(STORY[:cut]).take(STORY[cut:], UNTIL).found()


def test_uses_pass_a_cap_at_the_end_of_their_day() -> None:
    said = [sandbox(uses_max=5), ASSET, sold("c1", "01"), used("c1", "2025-02-01T10:00", 6)]
    said += [sold("c2", "01", signed="2025-02-01"), signed("c3", "2025-02-02", id="c3")]
    assert {"c1": "shadow", "c2": "shadow", "c3": "enforce"} == modes(said)
    assert {"c1": "shadow", "c2": "shadow", "c3": "shadow"} == modes(
        [one for one in said if "usage" not in one["type"]]
    )


def test_what_no_sandbox_holds_back_are_tallies_and_what_is_nobody_s_act() -> None:
    tallies = {id_ for id_, rule in detectors.RULES.items() if rule.tally is not None and rule.check is None}
    nobody_s = {id_ for id_, rule in detectors.RULES.items() if rule.about in ("market", "source")}
    assert tallies | nobody_s | {"sandbox-cap"} == {id_ for id_, rule in detectors.RULES.items() if rule.never_tried}


def test_nothing_is_held_back_where_no_caps_are_watched() -> None:
    rules = pack("negative-list")
    rules["detectors"]["sandbox-cap"] = {"mode": "off"}
    assert {"c1": "enforce"} == modes([sandbox(), ASSET, sold("c1", "01")], rules)


def test_a_pack_that_names_what_is_never_held_back_takes_effect() -> None:
    assert ("negative-list", "usage-limit") == parse_pack(pack("usage-limit", "negative-list"), published=True).sandbox


def test_a_pack_that_names_no_detector_is_refused() -> None:
    with pytest.raises(PackInvalid, match=r"sandbox\[0\]"):
        parse_pack(LIST | {"sandbox": ["no-such-rule"]}, published=False, known=parameters(detectors.RULES))

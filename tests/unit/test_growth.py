"""What an act costs where many of its kind are there: counted in steps of rules and in acts judged, not in time."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
from benchmarks import growth
from circulation import docket
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.credit import public
from circulation.credit.statement import Line, record_line
from circulation.daily import date_of, day_number
from circulation.docket import Docket, Told, docket_id
from circulation.events.names import EXPORT_PERFORMED, OPENLINEAGE_RUN, PARTY_REGISTERED
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    Json,
    asset,
    delivered,
    derived,
    event,
    exported,
    granted,
    listed,
    party,
    retracted,
    signed,
    terms,
    used,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import Said
from circulation.ledger import Ledger
from circulation.rules import Rule, Step, over
from streams import engine as engine_module
from streams.budget import Meter
from streams.engine import Engine
from streams.facts import kept, known, lasting, loading
from streams.facts import recorded as records_found
from streams.facts import running_sums as running
from streams.facts.rulebook import shipped
from streams.intake.retractions import EVENT_OF_ID
from streams.offline.replay import Replay, offline
from streams.store.store import Db, Store

MANY = 60


class Counted:
    """An engine that counts, by rule, the steps of sums and the acts that checks were asked about."""

    def __init__(self, store: Store | None = None) -> None:
        self.steps: Counter[str] = Counter()
        self.store = Store("sqlite://") if store is None else store
        rules = {id_: self._counting(rule) for id_, rule in detectors.RULES.items()}
        self.engine = Engine(self.store, shipped(detectors.RULES), rules=rules)
        self.replay = Replay(self.engine, Admission())

    def _counting(self, rule: Rule) -> Rule:
        if rule.sum is not None and rule.sum.step is not None:
            step = self._stepping(rule.id, rule.sum.step)
            rule = dataclasses.replace(rule, sum=dataclasses.replace(rule.sum, step=step, judge=over(step)))
        if rule.check is not None:
            check = rule.check.check

            def counted(act: Act, facts: Facts) -> Iterable[Said]:
                self.steps[rule.id] += 1
                return check(act, facts)

            rule = dataclasses.replace(rule, check=dataclasses.replace(rule.check, check=counted))
        return rule

    def _stepping(self, id_: str, step: docket.Step) -> Step:
        def counted(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
            self.steps[id_] += 1
            return step(ledger, scope, act, facts)

        return counted

    def take(self, *events: Json) -> Counter[str]:
        """Takes events in, and answers with what was counted for them."""
        self.steps.clear()
        self.engine.intake.forget()  # another one may have had the desk meanwhile
        self.replay.run(map(orjson.dumps, events))
        return self.steps

    def standing(self) -> Mapping[str, Any]:
        with self.store.reading() as db:
            return {
                row[0]: orjson.loads(row[1]) for row in db.rows("select finding, data from findings where standing")
            }


class Reading(Counted):
    """An engine that counts the rows that it reads, and the facts that it has kept and looks at."""

    def __init__(self, patch: pytest.MonkeyPatch, store: Store | None = None) -> None:
        super().__init__(store)
        self.read = 0
        rows, count = Db.rows, kept.count_kept

        def counting(db: Db, sql: str, *values: Any) -> list[tuple[Any, ...]]:
            found = rows(db, sql, *values)
            # A statement of credit goes over all that stands of a party.
            if "from findings where party" not in sql:
                self.read += len(found)
            return found

        def counting_kept(db: Db, rows_kept: int) -> None:
            self.read += rows_kept
            count(db, rows_kept)

        patch.setattr(Db, "rows", counting)
        for module in (kept, known):
            patch.setattr(module, "count_kept", counting_kept)

    def reads(self, *events: Json) -> int:
        """Takes events in by the desks that it has, and answers with how much was read for them."""
        self.read = 0
        self.replay.run(map(orjson.dumps, events))
        return self.read


def at(minute: int) -> str:
    return f"2025-03-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00+08:00"


def export(minute: int, who: str = SELLER, **data: Any) -> Json:
    return exported(who, at(minute), **({"persons": 20_000, "export": f"e{minute}"} | data))


@pytest.mark.parametrize("rule", ["export-assessment-missing", "export-contract-missing", "export-splitting"])
def test_an_export_behind_many_of_its_year_is_one_step(rule: str) -> None:
    engine = Counted()
    engine.take(party(SELLER), *(export(one) for one in range(MANY)))
    assert engine.take(export(MANY))[rule] == 1


def test_an_export_that_comes_late_is_gone_over_with_those_after_it_only() -> None:
    engine = Counted()
    engine.take(party(SELLER), *(export(one * 2) for one in range(MANY)))
    assert engine.take(export(MANY * 2 - 7))["export-assessment-missing"] == 4


def test_an_export_that_is_taken_back_is_gone_over_with_those_after_it_only() -> None:
    engine = Counted()
    late = export(MANY - 3)
    engine.take(party(SELLER), *(export(one) for one in range(MANY)))
    assert engine.take(retracted(late, at(MANY)))["export-assessment-missing"] == 2


def test_an_export_of_a_member_of_a_large_group_is_one_step() -> None:
    engine = Counted()
    members = [f"scheme:member-{one}" for one in range(MANY)]
    engine.take(party(OWNER), *(party(one, controller=OWNER) for one in members))
    engine.take(*(export(number, who) for number, who in enumerate(members)))
    assert engine.take(export(MANY, members[0]))["export-splitting"] == 1


def test_a_party_that_is_registered_again_has_nothing_judged_again() -> None:
    engine = Counted()
    engine.take(party(OWNER), party(SELLER, controller=OWNER), *(export(one) for one in range(MANY)))
    assert engine.take(party(SELLER, at(MANY), controller=OWNER, name="Another name")).keys() == {"person-volume"}


def test_a_controller_that_is_registered_again_has_nothing_of_its_group_judged_again() -> None:
    engine = Counted()
    engine.take(party(OWNER), party(SELLER, controller=OWNER), *(export(one) for one in range(MANY)))
    assert engine.take(party(OWNER, at(MANY), name="Another name")).keys() == {"person-volume"}


def test_a_grant_has_only_the_acts_judged_again_that_come_after_it() -> None:
    engine = Counted()
    engine.take(party(SELLER), *(export(one) for one in range(MANY)))
    taken = engine.take(granted(SELLER, at(MANY - 2), "security-assessment"))
    assert taken["export-assessment-missing"] == 2


def test_an_asset_that_is_registered_again_is_one_step() -> None:
    engine = Counted()
    engine.take(*(asset("a", at(one), title=f"Title {one}") for one in range(MANY)))
    assert set(engine.take(asset("a", at(MANY), title="The last")).values()) == {1}


def test_an_asset_that_is_registered_again_has_nothing_judged_again_that_was_before() -> None:
    engine = Counted()
    listings = [listed("a", at(one), product=f"p{one}") for one in range(MANY)]
    engine.take(asset("a"), *listings)
    # there are two registrations, and as many steps where they are gone over
    assert max(engine.take(asset("a", at(MANY), title="Another")).values()) <= 2


def test_a_listing_has_no_contract_judged_again_that_was_signed_before() -> None:
    engine = Counted()
    contracts = [signed(f"c{one}", at(one), asset="a", product="p") for one in range(MANY)]
    engine.take(asset("a"), listed("a", "2025-01-03", product="p"), *contracts)
    assert engine.take(listed("a", at(MANY - 2), product="p"))["review-missing"] == 2


def test_a_listing_of_a_better_reporter_has_all_contracts_judged_again() -> None:
    engine = Counted()
    contracts = [signed(f"c{one}", at(one), asset="a", product="p") for one in range(MANY)]
    engine.take(asset("a"), listed("a", "2025-01-03", product="p") | {"reporter": "provider"}, *contracts)
    assert engine.take(listed("a", at(MANY - 2), product="p"))["review-missing"] == MANY


def test_a_serious_record_has_no_contract_judged_again_that_was_signed_before() -> None:
    engine = Counted()
    engine.take(party(SELLER), *(signed(f"c{one}", at(one), asset=f"a{one}") for one in range(MANY)))
    data = {"act": "forged", "tier": "serious", "document_date": "2025-01-09", "decided_by": "an office"}
    assert engine.take(event("credit.determined", SELLER, at(MANY), record="r", **data))["barred-party"] == 0


def test_one_more_asset_with_the_same_fields_is_one_step() -> None:
    engine = Counted()
    engine.take(*(asset(f"a{one}", at(one)) for one in range(MANY)))
    taken = engine.take(asset(f"a{MANY}", at(MANY)))
    assert set(taken.values()) == {1}


def day(number: int) -> str:
    return f"2025-{3 + number // 28:02}-{1 + number % 28:02}T00:00:00+08:00"


def graded(number: int, level: str = "ungraded", who: str = "a") -> Json:
    return event("asset.graded", who, day(number), level=level, personal="none", reason="review")


def settled(number: int, settlement: str = "", amount: str = "1.00") -> Json:
    paid = {"payer": BUYER, "payee": SELLER, "amount": amount}
    return event("settlement.paid", "c", day(number), settlement=settlement or f"s{number}", **paid)


def sighted(number: int, mark: str, holder: str = BUYER) -> Json:
    return event("watermark.sighted", "a", day(number), watermark=mark, holder=holder, place="a market")


def approved(number: int, level: str = "general") -> Json:
    data = {"level": level, "personal": "none", "reason": "review", "approved_by": "an office"}
    return event("asset.graded", "a", day(number), **data)


def test_an_approved_grading_behind_many_is_one_step() -> None:
    engine = Counted()
    engine.take(_KEPT, derived("a", day(0), "b"), *(approved(one) for one in range(1, MANY)))
    assert set(engine.take(approved(MANY)).values()) == {1}


def test_an_approved_grading_reaches_back_to_all_that_none_was_made_for() -> None:
    engine = Counted()
    engine.take(_KEPT, *(graded(one, "general") for one in range(MANY)))
    engine.take(approved(MANY), derived("a", day(MANY - 5), "b"))
    taken = engine.take(approved(MANY + 1, "core"))
    assert (taken["grade-laundering"], taken["grading-overdue"]) == (1, 1)
    assert engine.take(approved(MANY - 2))["grade-laundering"] == MANY + 5


def test_an_approved_grading_clears_what_was_stated_less_among_many() -> None:
    states_less = [asset("a", level="core"), *(graded(one, "important") for one in range(MANY))]
    assert ["grade-laundering"] == _laundered(states_less)
    assert [] == _laundered([*states_less, approved(MANY, "important")])


def _laundered(events: Iterable[Json]) -> list[str]:
    return [
        one["detector"]
        for name, one in _found(events).items()
        if name != "due" and one["detector"] == "grade-laundering"
    ]


def important(number: int) -> list[Json]:
    """An input that is graded above its output: each is told of."""
    return [asset(f"b{number}", at(number), level="important"), derived("a", at(number), f"b{number}")]


def between(act: Callable[[str], Json]) -> Callable[[int], list[Json]]:
    """An act before each derivation into one output."""
    return lambda number: [act(at(number)), derived("a", at(number), f"b{number}")]


def stating(who: str, approved_by: str | None = None) -> Callable[[str], Json]:
    data = {"level": "general", "personal": "none", "reason": "review", "approved_by": approved_by}
    return lambda time: event("asset.graded", who, time, **data)


@pytest.mark.parametrize(
    "acts",
    [
        lambda number: [derived("a", at(number), f"b{number}")],
        important,
        between(lambda time: asset("a", time, title=f"at {time}")),
        between(stating("a")),
        between(stating("a", approved_by="an office")),
        between(stating("b0")),
        lambda number: [derived(f"a{number + 1}", at(number), f"a{number}")],
    ],
    ids=["derived", "from what is graded above", "registered", "graded", "approved", "an input graded", "in a chain"],
)
def test_a_derivation_reads_no_more_behind_many_than_behind_few(
    acts: Callable[[int], list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    engine.take(_KEPT, asset("b0", "2025-01-02"), derived("a", "2025-01-03", "b0"))
    counts = [engine.reads(*acts(number)) for number in range(3 * MANY)]
    assert set(counts[MANY : MANY + 9]) == set(counts[-9:])


def on_postgresql(url: str, patch: pytest.MonkeyPatch) -> Reading:
    """An engine beside which others may write: it may keep nothing that it cannot tell to be as it was."""
    store = Store(url)
    store.migrate()
    return Reading(patch, store)


@pytest.mark.parametrize(
    "acts",
    [
        lambda number: [export(number), party(SELLER, at(number), name=f"Name {number}")],
        lambda number: [export(number), granted(SELLER, at(number), "standard-contract", grant=f"g{number}")],
        lambda number: [asset("a", at(number), title=f"at {number}"), listed("a", at(number), product="p")],
        lambda number: [stating("a")(at(number)), listed("a", at(number), product="p")],
        lambda number: [
            signed("c", at(number), amended=True, asset="a"),
            delivered("c", at(number), delivery=f"d{number}"),
        ],
        lambda number: [
            recorded(number),
            signed(f"c{number}", at(number * 5), asset=f"a{number}", buyer=f"scheme:{number}"),
        ],
    ],
    ids=["registered", "granted", "asset registered", "asset graded", "amended", "recorded"],
)
def test_what_was_stated_before_is_not_read_again_where_others_write_too(
    acts: Callable[[int], list[Json]], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = on_postgresql(postgres_url, monkeypatch)
    engine.take(party(SELLER), asset("a", "2025-01-02"), signed("c", "2025-01-03", asset="a"))
    counts = [engine.reads(*acts(number)) for number in range(MANY)]
    assert max(counts[MANY // 3 : MANY // 2]) >= max(counts[-9:])


def refused(number: int, buyer: str) -> Json:
    return event("request.refused", "a", day(number), buyer=buyer, seller=SELLER, reason="no")


_PAYING = signed("c", "2025-01-02", asset="a", amount="1000.00", terms=terms(pay_within_days=70))
_KEPT = asset("a", "2025-01-02", certificate="C", update_days=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "before", "acts"),
    [
        ("certificate-invalid", [_KEPT], lambda one: listed("a", day(one), product=f"p{one}")),
        (
            "certificate-invalid",
            [],
            lambda one: asset(f"a{one}", day(one), owner=f"scheme:{one}", certificate="C", fields=[f"f{one}"]),
        ),
        ("grading-overdue", [_KEPT], graded),
        ("grade-laundering", [_KEPT], graded),
        ("quality", [_KEPT, _PAYING], lambda one: delivered("c", day(one), delivery=f"d{one}")),
        ("onward-transfer", [_KEPT, _PAYING], lambda one: sighted(one, f"w{one}")),
        ("onward-transfer", [_KEPT, _PAYING], lambda one: sighted(one, "w")),
        ("certificate-invalid", [_KEPT], lambda one: listed("a", day(one), product="p")),
        ("guided-price", [_KEPT], lambda one: listed("a", day(one), product="p")),
        (
            "onward-transfer",
            [_KEPT, _PAYING],
            lambda one: delivered("c", day(one), delivery=f"d{one}", watermark=f"w{one}"),
        ),
        ("paper-trade", [_PAYING], lambda one: delivered("c", day(one), delivery=f"d{one}")),
        ("paper-trade", [_PAYING], settled),
        ("payment-overdue", [_PAYING], settled),
    ],
)
def test_one_more_act_behind_many_is_one_step(rule: str, before: list[Json], acts: Callable[[int], Json]) -> None:
    engine = Counted()
    engine.take(*before, *(acts(one) for one in range(MANY)))
    # a check, and those again that are behind a deadline that passes with it
    assert engine.take(acts(MANY))[rule] <= 3


@pytest.mark.slow
def test_a_refusal_behind_many_of_its_month_is_one_step() -> None:
    engine = Counted()
    paid = [signed("c", "2025-01-02", asset="a"), settled(0)]
    engine.take(_KEPT, *paid, *(refused(31, f"scheme:{one}") for one in range(MANY)))
    assert engine.take(refused(32, "scheme:last"))["exclusive-dealing"] == 1


@pytest.mark.slow
def test_what_was_paid_late_has_the_refusals_after_it_judged_again() -> None:
    engine = Counted()
    paid = [signed("c", "2025-01-02", asset="a"), settled(0), settled(9)]
    engine.take(_KEPT, *paid, *(refused(31, f"scheme:{one}") for one in range(MANY)))
    assert engine.take(settled(3))["exclusive-dealing"] == 1 + 1 + MANY


def amended(number: int, **given_: Any) -> Json:
    more = {
        "asset": "a",
        "terms": terms(pay_within_days=70, delete_within_days=9),
        "amount": f"{number + 1}.00",
    } | given_
    return signed("c", day(number), amended=True, **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "steps"),
    # Under a contract of terms alone nothing can be without a signing: that rule is not asked.
    [("unknown-contract", 0), ("payment-overdue", 1), ("deletion-overdue", 1), ("onward-transfer", 1)],
)
def test_an_amendment_behind_many_is_one_step_where_its_rule_is_asked(rule: str, steps: int) -> None:
    engine = Counted()
    engine.take(_KEPT, _PAYING, *(amended(one) for one in range(MANY)))
    assert steps == engine.take(amended(MANY))[rule]


def test_an_amendment_that_sells_nothing_is_no_step_of_sums_on_sales() -> None:
    engine = Counted()
    members = [party(one, controller="x:a") for one in (SELLER, BUYER)]
    engine.take(asset("a", personal="personal"), *members, signed("c", "2025-01-02", asset="a"))
    engine.take(*(signed("c", day(one), amended=True, asset="a") for one in range(9)))
    taken = engine.take(signed("c", day(9), amended=True, asset="a", terms=terms(uses_max=9)))
    sums = ("reciprocal-trade", "exclusive-dealing", "black-market", "right-missing")
    assert [0] * len(sums) == [taken[rule] for rule in sums]


def test_an_amendment_has_nothing_judged_again_that_was_before() -> None:
    engine = Counted()
    acts = [delivered("c", at(one), delivery=f"d{one}", watermark=f"w{one}") for one in range(MANY)]
    engine.take(_KEPT, signed("c", "2025-01-02", asset="a", terms=terms(pay_within_days=70)), *acts, amended(2))
    # there are three statements, and as many steps where they are gone over
    assert max(engine.take(amended(3)).values()) <= 3


def test_an_amendment_that_comes_late_has_judged_again_what_is_after_it() -> None:
    engine = Counted()
    acts = [delivered("c", day(one), delivery=f"d{one}") for one in range(MANY)]
    engine.take(_KEPT, _PAYING, amended(0), *acts)
    assert engine.take(amended(MANY - 3))["outside-terms"] == 3


def test_an_amendment_that_names_a_buyer_of_before_has_nothing_judged_again_that_was_before() -> None:
    engine = Counted()
    acts = [delivered("c", at(one), delivery=f"d{one}") for one in range(MANY)]
    engine.take(_KEPT, _PAYING, *acts, amended(1, buyer=OWNER), amended(2, buyer=BUYER))
    assert max(engine.take(amended(3, buyer=OWNER)).values()) <= 4


def test_an_amendment_that_names_another_buyer_has_nothing_judged_again_that_was_before() -> None:
    engine = Counted()
    acts = [delivered("c", at(one), delivery=f"d{one}") for one in range(MANY)]
    engine.take(_KEPT, _PAYING, *acts, amended(1), amended(2))
    assert max(engine.take(amended(3, buyer=OWNER)).values()) <= 4


def test_an_amendment_that_names_another_seller_has_only_the_signing_judged_again_that_was_before() -> None:
    engine = Counted()
    engine.take(_KEPT, _PAYING, *(delivered("c", at(one), delivery=f"d{one}") for one in range(MANY)), amended(1))
    taken = engine.take(amended(2, seller=OWNER))
    assert taken["outside-terms"] == 0
    assert max(taken.values()) <= 6


def test_an_amendment_to_another_asset_has_nothing_judged_again_that_was_before() -> None:
    engine = Counted()
    acts = [delivered("c", day(one), delivery=f"d{one}", watermark=f"w{one}") for one in range(MANY)]
    engine.take(_KEPT, asset("b", "2025-01-02", update_days=5), _PAYING, amended(0), *acts)
    taken = engine.take(amended(MANY, asset="b"))
    assert taken["outside-terms"] == 0
    assert max(taken.values()) <= 6


def passed_on(found: dict[str, Any]) -> set[str]:
    """The sightings with somebody to whom the data should not have come."""
    said = (one for id_, one in found.items() if id_ != "due" and one["detector"] == "onward-transfer")
    return {one["cause"]["id"] for one in said}


def test_a_mark_is_sighted_by_what_its_contract_says_then_though_it_is_over_another_asset() -> None:
    """What a contract that leads on to another asset says of its buyer, it says of what was delivered before, too."""
    before = [_KEPT, asset("b", "2025-01-02"), signed("c", day(1), asset="a")]
    marked = [delivered("c", day(2), delivery=f"d{one}", watermark=f"w{one}") for one in range(20)]
    moved = signed("c", day(3), amended=True, asset="b", buyer="scheme:next")
    late = signed("c", day(5), amended=True, asset="b", buyer="scheme:last")
    first, second = sighted(4, "w0", "scheme:next"), sighted(6, "w1", "scheme:next")
    expected = _found([*before, *marked, moved, first, late, second])
    assert expected == _found([*before, *marked, first, second, late, moved])
    assert {second["id"]} == passed_on(expected)


def test_who_may_pass_on_what_a_contract_was_moved_to_is_known_from_then_on() -> None:
    """By an amendment a contract comes to be over the asset that a mark is of, and by another it is not any more."""
    before = [_KEPT, asset("b", "2025-01-02"), signed("c", day(1), asset="a", terms=terms(resale=True))]
    marked = [delivered("c", day(2), delivery=f"d{one}", watermark=f"w{one}") for one in range(20)]
    onward = {"seller": BUYER, "buyer": "scheme:third"}
    moved = [
        signed("e", day(1), asset="b", **onward),
        signed("e", day(4), amended=True, asset="a", **onward),
        signed("e", day(6), amended=True, asset="b", **onward),
    ]
    sightings = [sighted(number, f"w{number}", "scheme:third") for number in (3, 5, 7)]
    expected = _found([*before, *marked, moved[0], sightings[0], moved[1], sightings[1], moved[2], sightings[2]])
    assert expected == _found([*before, *marked, *sightings, *reversed(moved)])
    assert {sightings[0]["id"], sightings[2]["id"]} == passed_on(expected)


def test_a_mark_that_was_sighted_is_judged_by_a_seller_who_comes_later_to_the_contract() -> None:
    """Who is not the owner and sells has the contract looked at from its signing on."""
    before = [_KEPT, signed("c", day(1), asset="a", seller=OWNER, buyer=BUYER)]
    sold_on = signed("d", day(2), asset="a", seller=BUYER, buyer="scheme:third")
    acts = [delivered("c", day(3), delivery="e", watermark="w", recipient=BUYER), sold_on]
    acts.append(delivered("d", day(4), delivery="f", watermark="w", recipient="scheme:third"))
    late = signed("c", day(9), amended=True, asset="a", seller=SELLER, buyer=BUYER)
    last = sighted(10, "w", "scheme:fourth")
    assert _found([*before, *acts, late, last]) == _found([*before, late, *acts, last])


def delivering(number: int, **data: Any) -> list[Json]:
    """An amendment, and a delivery before it."""
    made = delivered("c", at(number), delivery=f"d{number}", watermark=data.pop("watermark", None))
    return [made, signed("c", at(number), amended=True, **({"asset": "a"} | data))]


@pytest.mark.parametrize(
    "acts",
    [
        lambda number: [signed("c", at(number), amended=True, asset="a", buyer=f"scheme:{number}")],
        lambda number: delivering(number, buyer=f"scheme:{number}"),
        lambda number: delivering(number, seller=f"scheme:{number}"),
        lambda number: delivering(number, asset=f"a{number}"),
        lambda number: delivering(number, asset=f"a{number}", watermark=f"w{number}"),
        lambda number: delivering(number, buyer=f"scheme:{number}", terms=terms(resale=True)),
        lambda number: delivering(number, asset=f"a{number}", buyer=f"scheme:{number}", terms=terms(resale=True)),
    ],
    ids=["a buyer", "delivered", "a seller", "an asset", "marked", "resale", "an asset for resale"],
)
def test_an_amendment_to_another_reads_no_more_behind_many_than_behind_few(
    acts: Callable[[int], list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    engine.take(_KEPT, _PAYING)
    counts = [engine.reads(*acts(number)) for number in range(3 * MANY)]
    assert set(counts[MANY : MANY + 9]) == set(counts[-9:])


def test_a_settlement_after_the_end_of_months_reads_no_more_behind_many_than_behind_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is paid under a contract of January counts in the markets of January and of later months; it changes nothing
    of those that are over when it is paid."""
    engine = Reading(monkeypatch)
    engine.take(_KEPT, _PAYING)
    paid = {"payer": BUYER, "payee": SELLER, "amount": "1.00"}
    counts = [
        engine.reads(event("settlement.paid", "c", at(number), settlement=f"s{number}", **paid))
        for number in range(2 * MANY)
    ]
    assert set(counts[MANY : MANY + 9]) == set(counts[-9:])


@pytest.mark.parametrize("within_days", [30, 1], ids=["in time", "too late"])
def test_a_report_of_use_reads_no_more_behind_many_days_than_behind_few(
    within_days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    engine.take(_KEPT, signed("c", "2025-01-02", asset="a", terms=terms(report_within_days=within_days)))
    counts = [engine.reads(used("c", day(2 * number), id=f"u{number}")) for number in range(2 * MANY)]
    # At the end of a month, and once in many days, it is a few more.
    assert median(counts[MANY : MANY + 9]) == median(counts[-9:])


@pytest.mark.parametrize("time", ["T12:00", "T00:00:30"], ids=["noon", "midnight"])
def test_a_report_of_two_sides_reads_no_more_behind_many_days_than_behind_few(
    time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    engine.take(_KEPT, signed("c", "2025-01-02", asset="a"))

    def both(number: int) -> list[Json]:
        at_ = f"{date_of(day_number(parse_instant(day(number))))}{time}"
        return [used("c", at_, id=f"{who}{number}", reporter=who) for who in ("provider", "consumer")]

    counts = [engine.reads(*both(number)) for number in range(28 * 5)]
    # A month is added up once, when it is over.
    assert sorted(counts[28 * 2 : 28 * 3]) == sorted(counts[28 * 4 :])
    assert max(counts) < MANY


@pytest.mark.parametrize("late", [False, True])
def test_a_day_is_answered_for_by_who_sold_then_though_that_was_stated_late(*, late: bool) -> None:
    engine = Counted()
    sold = [amended(one, seller=seller) for one, seller in ((1, OWNER), (5, SELLER), (9, OWNER))]
    reports = [
        used("c", day(6), number, id=reporter, reporter=reporter)
        for number, reporter in enumerate(("exchange", "provider"), 1)
    ]
    begin, again, end = sold
    engine.take(_KEPT, _PAYING, begin, *([] if late else [again]), *reports, end, *([again] if late else []))
    (said,) = (one for one in engine.standing().values() if one["detector"] == "reconciliation")
    assert SELLER == said["party"]


def test_deadlines_that_pass_one_after_the_other_are_no_steps() -> None:
    engine = Counted()
    engine.take(_PAYING, *(settled(one) for one in range(MANY)))
    before = engine.standing()
    assert engine.take(party("scheme:other", day(MANY + 20)))["paper-trade"] <= 1
    assert {"paper-trade"} == {engine.standing()[one]["detector"] for one in engine.standing().keys() - before.keys()}


# Whatever comes in whatever order, a sum that goes on says what one says that is gone over from its first act on.

PARTIES = (SELLER, BUYER, OWNER)
MINUTES = st.integers(0, 40)


@st.composite
def statements(draw: st.DrawFn) -> Json:
    minute, who, number = draw(MINUTES), draw(st.sampled_from(PARTIES)), draw(st.integers(0, 5))
    kind = draw(st.sampled_from(["export", "export", "export", "grant", "party", "asset", "element", "graded"]))
    time = at(minute)
    if kind == "export":
        persons = draw(st.sampled_from([1, 90_000, 400_000, 800_000]))
        named = draw(st.sampled_from([None, "g0", "g1"]))
        exemption = draw(st.sampled_from([None, "hr", "ftz"]))
        given_ = {"persons": persons, "grant": named, "exemption": exemption, "export": f"e{minute}-{number}"}
        return exported(who, time, **given_)
    if kind == "grant":
        which = draw(st.sampled_from(["security-assessment", "standard-contract"]))
        return granted(who, time, which, grant=f"g{number % 2}", persons_max=draw(st.sampled_from([None, 100_000])))
    if kind == "party":
        controller = draw(st.sampled_from([None, *PARTIES]))
        return party(who, time, controller=controller, ciio=draw(st.booleans()), employees=number * 100_000)
    if kind == "graded":
        personal = draw(st.sampled_from(["personal", "sensitive"]))
        return event("asset.graded", f"a{number}", time, level="general", personal=personal, reason="review")
    fields = [f"f{one}" for one in range(10 + draw(st.integers(0, 2)))]
    named_ = {"owner": who, "personal": "personal", "persons": draw(st.sampled_from([1, 6_000_000]))}
    named_ |= {"digest": draw(st.sampled_from([None, "d", "e"])), "fields": draw(st.sampled_from([fields, None]))}
    named_ |= {"element": draw(st.sampled_from([None, "E", "F"])), "source_unit": draw(st.sampled_from(["U", "V"]))}
    return asset(f"a{number}", time, certificate=draw(st.sampled_from(["C", None])), **named_)


@st.composite
def dealings(draw: st.DrawFn) -> Json:
    number, which, who = draw(st.integers(0, 60)), draw(st.integers(0, 2)), draw(st.sampled_from(PARTIES))
    name, contract, time = f"a{which}", f"c{draw(st.integers(0, 1))}", day(number)
    kinds = ("asset", "graded", "derived", "listed", "withdrawn", "signed", "delivered", "settled", "sighted")
    kinds += ("refused", "party")
    kind = draw(st.sampled_from(kinds))
    level = draw(st.sampled_from(["ungraded", "general", "important"]))
    if kind == "asset":
        more = {
            "certificate": draw(st.sampled_from(["C", "D", None])),
            "digest": draw(st.sampled_from([None, "d", "e"])),
        }
        return asset(name, time, level=level, update_days=draw(st.sampled_from([None, 5])), owner=who, **more)
    if kind == "graded":
        approved = draw(st.sampled_from([None, None, "an office"]))
        return event("asset.graded", name, time, level=level, personal="none", reason="review", approved_by=approved)
    if kind == "derived":
        return derived(name, time, f"a{(which + 1) % 3}")
    reporter = {"reporter": draw(st.sampled_from(["exchange", "exchange", "provider"]))}
    if kind == "listed":
        return listed(name, time, product=f"p{draw(st.integers(0, 1))}", seller=who) | reporter
    if kind == "refused":
        return event("request.refused", name, time, buyer=f"scheme:{number}", seller=who, reason="no") | reporter
    if kind == "party":
        return party(who, time, controller=draw(st.sampled_from([None, *PARTIES])))
    if kind == "withdrawn":
        return event("asset.withdrawn", name, time, reason="closed")
    if kind == "signed":
        given_ = terms(
            resale=draw(st.booleans()),
            pay_within_days=draw(st.sampled_from([None, 20, 50])),
            delete_within_days=draw(st.sampled_from([None, 3])),
            valid_to=draw(st.sampled_from([None, day(30)])),
            exclusive=draw(st.booleans()),
            recipients=draw(st.sampled_from([None, [BUYER]])),
        )
        more = {"amended": draw(st.booleans()), "asset": name, "amount": "3.00", "signed": "2025-03-01"}
        return signed(contract, time, seller=who, terms=given_, **more) | reporter
    if kind == "settled":
        paid = {"payer": BUYER, "payee": SELLER, "amount": draw(st.sampled_from(["1.00", "2.00"]))}
        return event("settlement.paid", contract, time, settlement=f"s{number}", **paid)
    mark = f"w{draw(st.integers(0, 1))}"
    if kind == "sighted":
        return event("watermark.sighted", name, time, watermark=mark, holder=who, place="a market") | reporter
    return delivered(contract, time, delivery=f"d{number}", watermark=mark, recipient=who)


@settings(max_examples=60, deadline=None)
@given(lines=st.one_of(st.lists(one(), min_size=2, max_size=40) for one in (statements, dealings)), data=st.data())
def test_a_sum_that_goes_on_finds_what_one_finds_that_begins_at_its_first_act(
    lines: list[Json], data: st.DataObject
) -> None:
    taken_back = data.draw(st.lists(st.sampled_from(lines), max_size=3, unique_by=lambda one: one["id"]))
    events = [*lines, *(retracted(one, day(61)) for one in taken_back)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "ACTS_MIN", 1)
        kept = _found(events)
        patch.setattr(running.Sums, "give", lambda *_: None)
        whole = _found(events)
    assert kept == whole


@settings(max_examples=60, deadline=None)
@given(lines=st.one_of(st.lists(one(), min_size=2, max_size=40) for one in (statements, dealings)), data=st.data())
def test_what_is_found_of_statements_hangs_on_no_order(lines: list[Json], data: st.DataObject) -> None:
    order = data.draw(st.permutations(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "ACTS_MIN", 1)
        assert _found(lines) == _found(order)


def _found(events: Iterable[Json]) -> dict[str, Any]:
    store = Store("sqlite://")
    Replay(offline(store, None), Admission()).run(map(orjson.dumps, events))
    with store.reading() as db:
        rows = db.rows("select finding, data from findings where standing")
        due = db.rows("select thing, due from deadlines")
    without = ("revision", "sectors")
    found = {row[0]: {k: v for k, v in orjson.loads(row[1]).items() if k not in without} for row in rows}
    return found | {"due": sorted(due)}


# Credit: what one more costs where there are twice as many is what it costs where there are half of them.

_DETERMINED = {"act": "forged", "document_date": "2025-02-01", "decided_by": "an office"}


def recorded(number: int, tier: str = "minor") -> Json:
    return event("credit.determined", SELLER, at(number * 5), record=f"r{number}", tier=tier, **_DETERMINED)


def objected(number: int, outcome: str = "upheld") -> list[Json]:
    of = {"objection": f"o{number}"}
    filed = event("objection.filed", SELLER, at(number * 5 + 1), record=f"r{number}", grounds="it was not us", **of)
    decided = event("objection.decided", SELLER, at(number * 5 + 2), outcome=outcome, decided_by="an office", **of)
    return [recorded(number), filed, decided]


def repaired(number: int) -> list[Json]:
    of = {"repair": f"p{number}"}
    applied = event("repair.applied", SELLER, at(number * 5 + 1), record=f"r{number}", evidence=["paid"], **of)
    decided = event("repair.decided", SELLER, at(number * 5 + 2), outcome="granted", decided_by="an office", **of)
    return [recorded(number), applied, decided]


def merit(number: int) -> list[Json]:
    named = {"merit": f"m{number}", "act": "help", "points": 1, "decided_by": "an office"}
    return [event("merit.recorded", SELLER, at(number * 5), **named)]


def rows_read(engine: Counted, events: Iterable[Json]) -> int:
    """How many rows judging reads for events."""
    read = 0

    class Counting(Meter):
        def known(self, count: int) -> None:
            nonlocal read
            read += count
            super().known(count)

        def read(self, rows: Sequence[Sequence[Any]], blobs: Sequence[int]) -> None:
            nonlocal read
            read += len(rows)
            super().read(rows, blobs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "Meter", Counting)
        engine.take(*events)
    return read


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param(lambda number: [recorded(number)], id="records"),
        pytest.param(objected, id="objections"),
        pytest.param(repaired, id="repairs"),
        pytest.param(merit, id="merits"),
    ],
)
def test_what_is_recorded_behind_much_of_its_kind_reads_no_more_than_behind_half(
    acts: Callable[[int], list[Json]],
) -> None:
    engine = Counted()
    engine.take(party(SELLER), *(one for number in range(MANY) for one in acts(number)))
    few = rows_read(engine, acts(MANY))
    engine.take(*(one for number in range(MANY + 1, 2 * MANY) for one in acts(number)))
    assert few == rows_read(engine, acts(2 * MANY))


@pytest.mark.parametrize("at_", ["2025-06-30", "2026-06-30"])
def test_time_that_passes_reads_the_records_that_it_changes(at_: str) -> None:
    """Of records that are no longer public, and of those that are, however many."""
    engine = Counted()
    many = [recorded(number, "serious") for number in range(2 * MANY)]
    engine.take(party(SELLER), recorded(2 * MANY), *many[:MANY])
    few = rows_read(engine, [party("scheme:other", at_)])
    other = Counted()
    other.take(party(SELLER), recorded(2 * MANY), *many)
    assert few == rows_read(other, [party("scheme:other", at_)])


def test_a_finding_behind_many_of_its_party_is_stated_without_reading_them() -> None:
    engine = Counted()
    red = {"level": "important", "persons": 1}
    engine.take(party(SELLER), *(export(number, **red) for number in range(MANY)))
    few = rows_read(engine, [export(MANY, **red)])
    engine.take(*(export(number, **red) for number in range(MANY + 1, 2 * MANY)))
    assert few == rows_read(engine, [export(2 * MANY, **red)])


def test_a_serious_record_has_only_what_comes_after_it_judged_again() -> None:
    engine = Counted()
    contracts = [signed(f"c{number}", at(number * 5), asset="a") for number in range(MANY)]
    engine.take(party(SELLER), recorded(0, "serious"), *contracts)
    assert 2 == engine.take(recorded(MANY - 2, "serious"))["barred-party"]


def test_a_serious_record_that_is_withdrawn_has_all_since_it_judged_again() -> None:
    engine = Counted()
    contracts = [signed(f"c{number}", at(number * 5), asset="a") for number in range(MANY)]
    engine.take(party(SELLER), recorded(0, "serious"), recorded(MANY - 2, "serious"), *contracts)
    _, filed, decided = objected(MANY - 2)
    assert 2 >= engine.take(filed)["barred-party"]
    assert 2 == engine.take(decided)["barred-party"]
    of_first = [one for one in objected(0) if "objection" in one["data"]]
    assert MANY <= engine.take(*of_first)["barred-party"]


def test_a_contract_behind_many_serious_records_folds_none_of_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Counted()
    engine.take(party(SELLER), *(recorded(number, "serious") for number in range(MANY)))
    engine.take(signed("c", at(MANY * 5), asset="a"))
    folded: list[str] = []

    def counting(events: Any, *rest: Any) -> Line:
        folded.extend(one.id for one in events)
        return record_line(events, *rest)

    monkeypatch.setattr(public, "record_line", counting)
    engine.take(signed("d", at(MANY * 5 + 1), asset="a"))
    assert [] == folded
    assert any(one["detector"] == "barred-party" and one["about"]["id"] == "d" for one in engine.standing().values())


def test_a_ledger_goes_back_to_what_it_was() -> None:
    ledger = Ledger()
    ledger["a"] = 1
    ledger.add("list", 2)
    mark = ledger.mark
    ledger["a"], ledger["b"] = 3, 4
    ledger.pop("a")
    ledger.add("list", 1)
    ledger.discard("list", 2)
    ledger.back(mark)
    assert (ledger.get("a"), "b" in ledger, list(ledger.list("list"))) == (1, False, [2])


def test_two_judges_on_one_store_go_on_from_what_the_other_judged(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    one, other = Counted(store), Counted(store)
    lines = [export(minute, persons=9_000) for minute in range(MANY)]
    late = export(7, export="late", persons=500_000)
    taken_back = retracted(lines[-9], at(MANY + 1))
    events = [party(SELLER), *lines, late, taken_back, export(MANY + 2)]
    for number, some in enumerate(events):
        (one if number // 3 % 2 else other).take(some)
    expected = {id_: data["evidence"] for id_, data in _found(events).items() if id_ != "due"}
    assert {id_: data["evidence"] for id_, data in one.standing().items()} == expected
    assert one.take(export(MANY + 3))["export-assessment-missing"] <= 6


def looked_at(db: Db) -> int:
    """How many rows of events, and entries of their indexes, the server has looked at."""
    db.rows("select pg_stat_force_next_flush()")
    query = (
        "select seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relname = 'events')"
        " from pg_stat_user_tables t where t.relname = 'events'"
    )
    ((rows,),) = db.rows(query)
    return int(rows)


def test_what_is_stated_since_is_found_without_going_through_what_was_before(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    Counted(store).take(*(party(f"scheme:{number}", at(number)) for number in range(4 * MANY)))
    with store.reading() as db:
        db.run("analyze events")
        db.run("set plan_cache_mode = force_generic_plan")
        for types in [[PARTY_REGISTERED], [OPENLINEAGE_RUN], [PARTY_REGISTERED, EXPORT_PERFORMED]]:
            before = looked_at(db)
            loading.since(db, types, parse_instant(at(4 * MANY - 2)), 101)
            assert looked_at(db) - before <= 4


def test_what_was_taken_back_of_an_asset_is_not_looked_for_where_nothing_was(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    engine = Counted(store)
    engine.take(*(asset("a", at(number), title=f"Title {number}") for number in range(4 * MANY)))
    with store.reading() as db:
        db.run("analyze events")
    engine.take(asset("a", at(4 * MANY), title="One more"))
    with store.reading() as db:
        before = looked_at(db)
    engine.take(asset("a", at(4 * MANY + 1), title="The last"))
    with store.reading() as db:
        assert looked_at(db) - before <= MANY


def test_a_party_with_many_records_is_one_step_to_who_looks_for_those_with_any(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    other = recorded(0) | {"subject": BUYER, "id": "of the buyer"}
    Counted(store).take(*(recorded(number) for number in range(2 * MANY)), other)
    with store.reading() as db:
        db.run("analyze events")
        db.run("set plan_cache_mode = force_generic_plan")
        before = looked_at(db)
        assert {SELLER, BUYER} == {*records_found.parties_with_records(db, 100)}
        assert looked_at(db) - before <= 20
        assert 1 == len(records_found.parties_with_records(db, 1))


def by_turns(events: Sequence[Json], url: str) -> dict[str, Any]:
    """What two workers find that take events in by turns, each with all facts kept that it ever read."""
    store = Store(url)
    store.migrate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lasting, "STATEMENTS_MIN", 1)
        one, other = Counted(store), Counted(store)
        for number, some in enumerate(events):
            (one if number // 2 % 2 else other).take(some)
    return {id_: data["evidence"] for id_, data in one.standing().items()}


def test_two_judges_know_what_was_stated_while_the_other_judged(postgres_url: str) -> None:
    first = granted(SELLER, at(1), "security-assessment", grant="g", persons_max=10_000_000)
    better = granted(SELLER, at(2), "security-assessment", grant="g", persons_max=10) | {"reporter": "provider"}
    amends = [signed("c", at(number), amended=True, asset="a", buyer=f"scheme:{number}") for number in range(3, 9)]
    regraded = event("asset.graded", "a", at(5), level="important", personal="sensitive", reason="review")
    void = granted(SELLER, at(9), "standard-contract", grant="void")
    big = {"persons": 2_000_000, "grant": "g"}
    events = [party(SELLER), party(OWNER), asset("a", "2025-01-02"), signed("c", "2025-01-03", asset="a")]
    events += [
        better,
        export(10, asset="a", **big),
        first,
        export(11, asset="a", **big),
        party(SELLER, at(4), ciio=True),
    ]
    events += [retracted(void, at(12)), void, *amends[:3], delivered("c", at(7), delivery="d"), *amends[3:]]
    events += [retracted(amends[1], at(13)), regraded, export(14, asset="a"), retracted(regraded, at(15))]
    events += [export(16, asset="a"), retracted(first, at(17)), export(18, **big), delivered("c", at(20), delivery="e")]
    events += [
        party(SELLER, at(3), controller=OWNER),
        party(SELLER, at(19), controller=OWNER),
        retracted(better, at(21)),
    ]
    expected = {id_: data["evidence"] for id_, data in _found(events).items() if id_ != "due"}
    assert expected == by_turns(events, postgres_url)
    assert len(expected) > 5


@pytest.mark.parametrize("last", ["sold", "derived"])
def test_a_purchase_that_was_amended_away_counts_no_more_where_others_write_too(last: str, postgres_url: str) -> None:
    """A sum that goes on remembers what was bought, and what is stated of it since is about another buyer."""
    bought = [signed(f"c{number:02}", at(number), asset="a", signed=day(number)) for number in range(20)]
    made = [asset(name, owner=BUYER) for name in ("made", "again")]
    away = signed("c19", at(25), amended=True, asset="a", buyer="scheme:other", signed=day(19))
    before, after = {
        "sold": (listed("a", at(21), product="p", seller=BUYER), listed("a", at(30), product="q", seller=BUYER)),
        "derived": (derived("made", at(21), "a"), derived("again", at(30), "a")),
    }[last]
    events = [asset("a", "2025-01-02"), *made, *bought, before, away, after]
    expected = {id_: data["evidence"] for id_, data in _found(events).items() if id_ != "due"}
    store = Store(postgres_url)
    store.migrate()
    engine = Counted(store)
    for one in events:
        engine.take(one)
    assert expected == {id_: data["evidence"] for id_, data in engine.standing().items()}


def state_bytes(store: Store, subject: str) -> int:
    with store.reading() as db:
        (size,) = db.one("select length(state) from desks where subject = ?", subject) or (0,)
    return int(size)


def numbered(number: int) -> Json:
    return party(SELLER, at(number), name=f"Name {number}", sequence=number)


@pytest.mark.slow
def test_a_feed_with_many_gaps_takes_each_number_once_and_its_desk_stays_small(store: Store) -> None:
    replay = Replay(offline(store, None), Admission())
    replay.run(orjson.dumps(numbered(number)) for number in range(2, 402, 2))
    # 64 gaps at most, and 200 would be twice as much
    assert state_bytes(store, SELLER) < 5_000
    missing = list(range(1, 401, 2))
    filled = [*missing[::3], *missing[1::3], *missing[2::3]]
    again = replay.run(orjson.dumps(numbered(number)) for number in [*filled[:60], *filled[:60], 100, *filled[60:]])
    assert 61 == again.duplicates
    with store.reading() as db:
        assert [] == db.rows("select thing from gaps")
        assert [] == db.rows("select feed from older_gaps")
        assert [] == db.rows("select finding from findings where standing and detector = 'feed-gap'")


def ordered(number: int, verb: str = "acknowledged") -> Json:
    case = f"{docket_id('certificate-invalid', 'asset', 'a')}-1"
    return event(f"case.{verb}", case, at(number), by="an officer", note=f"note {number}")


def test_orders_of_a_case_that_is_not_there_are_read_when_it_opens_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[docket.Step] = []

    def counting(self: Docket, step: docket.Step) -> list[Told]:
        entered.append(step)
        return enter(self, step)

    enter = Docket.enter
    monkeypatch.setattr(Docket, "enter", counting)
    replay = Replay(offline(store, None), Admission())
    replay.run(orjson.dumps(ordered(number)) for number in range(MANY))
    assert MANY == len(entered)
    entered.clear()
    replay.run(map(orjson.dumps, [asset("a", "2025-01-02", certificate=None), listed("a", "2025-01-05")]))
    # each waits, and then takes effect
    assert 2 + 2 * MANY == len(entered)
    with store.reading() as db:
        assert [] == db.rows("select id from docket")
        (told,) = db.one("select count(*) from case_events where what = 'acknowledged'") or (0,)
    assert MANY == told


def test_a_desk_does_not_grow_with_what_was_taken_back_and_what_comes_after_that_is_void(store: Store) -> None:
    replay = Replay(offline(store, None), Admission())
    early, *others = (export(number) for number in range(MANY))
    back = [retracted(one, at(MANY)) for one in (*others, early)]
    replay.run(map(orjson.dumps, [party(SELLER), *others, *back[:3]]))
    before = state_bytes(store, SELLER)
    replay.run(map(orjson.dumps, back[3:]))
    assert before == state_bytes(store, SELLER)
    replay = Replay(offline(store, None), Admission())
    replay.run([orjson.dumps(early)])
    with store.reading() as db:
        counted = db.rows("select event from events where type = 'circulation.export.performed' and retracted is null")
    assert [] == counted


def test_what_is_taken_back_is_found_by_its_id_among_any_number_of_its_subject() -> None:
    with Store("sqlite://").reading() as db:
        (step,) = db.rows(f"explain query plan {EVENT_OF_ID}", *("",) * 5)
    assert "events_by_event (event=? AND subject=?)" in step[-1]


def heartbeat(number: int, *inputs: str, kind: str = "run") -> Json:
    """A stream that runs, once a minute. Without inputs it derives nothing, and its output stays unfinished."""
    datasets = [{"namespace": "n", "name": name} for name in inputs]
    return {
        "eventTime": at(number),
        "job": {"namespace": "jobs", "name": "j"},
        "inputs": datasets,
        "outputs": [{"namespace": "n", "name": "made"}],
        "producer": "urn:p",
        "schemaURL": f"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{kind.title()}Event",
    } | ({"eventType": "RUNNING", "run": {"runId": "r"}} if kind == "run" else {})


schema: Json = {"schema": {"fields": [{"name": f"column {number}"} for number in range(9)]}}
columns: Json = {
    "columnLineage": {
        "fields": {
            f"column {number}": {"inputFields": [{"namespace": "n", "name": "read", "field": f"{number}"}]}
            for number in range(9)
        }
    }
}


def written(number: int, facets: Json, *inputs: str) -> Json:
    """A heartbeat that says of its output what is given."""
    beat = heartbeat(number, *(inputs or ("read",)))
    return beat | {"outputs": [beat["outputs"][0] | {"facets": facets}]}


@pytest.mark.parametrize(
    "beat",
    [
        lambda number: heartbeat(number, "read"),
        lambda number: heartbeat(number),
        lambda number: heartbeat(number, "read", kind="job"),
        lambda number: heartbeat(number, "read") | {"outputs": []},
        lambda number: written(number, schema),
        lambda number: written(number, schema | columns),
        lambda number: written(number, schema | columns if number % 2 else schema),
    ],
    ids=["deriving", "unfinished", "job", "without outputs", "with its schema", "with its columns", "by turns"],
)
def test_a_run_that_says_once_more_what_it_said_reads_no_more_behind_many_than_behind_few(
    beat: Callable[[int], Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    counts = [engine.reads(beat(number)) for number in range(MANY + 1)]
    assert counts[20] == counts[MANY]


@pytest.mark.parametrize(
    "beat",
    [
        lambda number: heartbeat(number, f"read {number}"),
        lambda number: heartbeat(number, "read") | {"outputs": [{"namespace": "n", "name": f"made {number}"}]},
    ],
    ids=["read", "written"],
)
def test_a_run_that_names_one_more_reads_no_more_behind_many_than_behind_few(
    beat: Callable[[int], Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Reading(monkeypatch)
    counts = [engine.reads(beat(number)) for number in range(MANY + 1)]
    assert counts[20] == counts[MANY]


@pytest.mark.parametrize("facets", [{}, schema, schema | columns], ids=["plain", "schema", "columns"])
def test_several_events_of_one_instant_read_no_more_behind_many_than_behind_few(
    facets: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each minute two events, of which the second says something else in what does not matter."""
    engine = Reading(monkeypatch)
    twice = {"producer": "urn:q"}
    counts = [
        engine.reads(written(number, facets), written(number, facets) | twice, written(number, facets, "read", "more"))
        for number in range(MANY + 1)
    ]
    assert counts[20] == counts[MANY]


def test_an_event_that_comes_late_reads_what_came_after_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for many in (20, MANY):
        engine = Reading(monkeypatch)
        engine.take(*(written(2 * number, schema | columns) for number in range(many)))
        counts.append(engine.reads(written(2 * many - 5, schema, "read", "late")))
    assert counts[0] == counts[1]


def test_a_run_above_one_that_reads_once_more_reads_no_more_behind_many_than_behind_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The child says what it read; the one above it wrote all along."""
    counts = []
    for many in (20, MANY):
        engine = Reading(monkeypatch)
        engine.take(*(heartbeat(number) for number in range(many)))
        parent = {"parent": {"run": {"runId": "r"}, "job": {"namespace": "jobs", "name": "j"}}}
        child = heartbeat(many, "read") | {"run": {"runId": "below", "facets": parent}, "outputs": []}
        counts.append(engine.reads(child))
    assert counts[0] == counts[1]


# Acts of these kinds made a planner go through as many rows of PostgreSQL as there were acts.
PLANNED = (
    "settlements of one contract",
    "amendments of one contract, each over another asset, a marked delivery between",
    "derivations into one output",
    "derivations into one output, each from an input that is graded above it",
    "derivations into one output, an input of it graded between",
    "derivations into one output, it is registered between",
    "derivations into one output, approved gradings of it between",
    "amendments of one contract, to seven sellers by turns, a delivery between",
    "amendments of one contract that is to be paid, each to another seller, a settlement between",
)
# A run states the credit of parties at its end: what it leaves in the queue by then is counted once, by the next run.
ACTS_A_RUN = 10


@pytest.mark.parametrize("told", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("name", PLANNED)
def test_postgresql_goes_through_no_more_rows_for_an_act_behind_many_than_behind_few(
    name: str, told: bool, postgres_url: str
) -> None:
    """Rows and entries of indexes that the server looks at, whether or not it was `told` how its tables have grown."""
    store = Store(postgres_url)
    store.migrate()
    (kind,) = (one for one in growth.KINDS if one.name == name)
    replay = Replay(offline(store, None), Admission())

    def take(numbers: Iterable[int]) -> None:
        made = [kind.make(number) for number in numbers]
        acts = (act for some in made for act in ([some] if isinstance(some, dict) else some))
        replay.run(map(orjson.dumps, acts))

    replay.run(map(orjson.dumps, kind.before))
    costs = growth.Costs(store)
    counts, done = [], 0
    for many in (MANY // 2, 2 * MANY):
        for first in range(done, many, ACTS_A_RUN):
            take(range(first, min(first + ACTS_A_RUN, many)))
        if told:
            with store.reading() as db:
                db.run("analyze")
        before = costs.rows()
        done = many + ACTS_A_RUN
        take(range(many, done))
        counts.append(costs.rows() - before)
    assert counts[1] <= counts[0] * 1.2

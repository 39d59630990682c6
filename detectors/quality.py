"""An asset is found incomplete, or is not kept up to date as it says.

Why it matters: buyers pay for data that is whole and fresh; data that ages unnoticed spoils what is built on it
(Beijing's opinion of 2023-06-20, article 19, on data quality).

False positives: deliveries that nobody reported; an asset that is closed and was not withdrawn. The finding is blue, to
be looked at.

What to do: ask the owner for a new assessment, for the next update, or to state another `update_days`.

After each delivery or new digest (the registration is the first) an asset has twice its `update_days` for the next one.
"""

from collections.abc import Iterable
from typing import Final

from circulation.calendar import format_instant, past
from circulation.events.names import ASSET_ASSESSED, ASSET_REGISTERED, ASSET_WITHDRAWN, DELIVERY_COMPLETED
from circulation.examples import OWNER, Case, Json, asset, delivered, event, pack, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.money import exact
from circulation.rules import Check, Parameter, Rule, Sum, over
from circulation.words import many

# The digest that was stated last, the last update with its deadline, and when the asset was withdrawn last.
_DIGEST, _UPDATED, _WITHDRAWN = "digest", "updated", "withdrawn"
_NONE: Final = object()


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds an assessed completeness against the least that is ordinary."""
    completeness, least = act.data.completeness, facts.parameters(act.time)["completeness"]
    if completeness is None or exact(completeness) >= exact(least):
        return []
    registered = facts.asset(act.subject).registration(act.time)
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", act.subject),
            party=None if registered is None else registered.owner,
            occurred=act.time,
            cause=act.cause,
            summary=f"{act.subject} was assessed to be complete to {completeness}, which is less than {least}.",
            summary_zh=f"{act.subject} 经评估完整率为 {completeness}，低于 {least}。",
            evidence={"completeness": completeness, "least": least, "assessment": act.data.assessment},
            asset=act.subject,
        )
    ]


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The asset, where it says how often it is updated; of a delivery the one that the contract is over then."""
    asset_: str | None = act.subject
    if act.type == DELIVERY_COMPLETED:
        statement = facts.contract(act.subject).statement(act.time)
        asset_ = None if statement is None else statement.asset
    if asset_ is not None and facts.asset(asset_).is_updated:
        yield asset_


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes deliveries and new digests; each waits for the next one until its deadline."""
    if act.type == ASSET_WITHDRAWN:
        ledger[_WITHDRAWN] = act.time
        _ended(ledger, act.time)
        return ()
    if act.type == ASSET_REGISTERED:
        digest = ledger.get(_DIGEST, _NONE)
        if act.data.digest is not None or digest is _NONE:
            ledger[_DIGEST] = act.data.digest
        if digest is not _NONE and act.data.digest in (None, digest):
            return ()
    _ended(ledger, act.time)
    ledger[_UPDATED] = None
    registered = facts.asset(scope).registration(act.time)
    if registered is None or not registered.update_days or ledger.get(_WITHDRAWN) == act.time:
        return ()
    factor = facts.parameters(act.time)["update_factor"]
    deadline = past(act.time, int(registered.update_days * exact(factor)))
    ledger[_UPDATED] = (act.time, deadline)
    ledger.keep(
        str(act.time),
        Said(
            severity=RULE.severity,
            about=About("asset", scope),
            party=registered.owner,
            occurred=deadline,
            apart=(str(act.time),),
            due=deadline,
            summary=(
                f"{scope} is to be updated every {many(registered.update_days, 'day')}, and was neither delivered nor"
                f" changed from {format_instant(act.time)} to {format_instant(deadline)}."
            ),
            summary_zh=(
                f"{scope} 应每 {registered.update_days:,} 天更新，自 {format_instant(act.time)} 至"
                f" {format_instant(deadline)} 既无交付也无变化。"
            ),
            evidence={
                "update_days": registered.update_days,
                "since": format_instant(act.time),
                "deadline": format_instant(deadline),
            },
            asset=scope,
        ),
    )
    return ()


def _ended(ledger: Ledger, instant: int) -> None:
    """Takes back that the last update was followed by none, where something came by its deadline."""
    since, deadline = ledger.get(_UPDATED) or (None, None)
    if deadline is not None and instant <= deadline:
        ledger.drop(str(since))


RULE = Rule(
    id="quality",
    title="Incomplete, or out of date",
    title_zh="数据不完整或未按期更新",
    about="asset",
    severity="blue",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 19", "GB/T 36344-2018"),
    parameters={
        "completeness": Parameter(0.95, "completeness below which it is said; more finds more", most=1),
        "update_factor": Parameter(2, "times `update_days` within which an update is still in time; less finds more"),
    },
    check=Check(acts=frozenset({ASSET_ASSESSED}), check=check, needs=frozenset({"asset"})),
    sum=Sum(
        due=True,
        acts=frozenset({ASSET_REGISTERED, ASSET_WITHDRAWN, DELIVERY_COMPLETED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"asset", "contract"}),
    ),
)

_RULES = pack()
_DAILY = asset("a", update_days=5, digest="d1")
_SIGNED = signed("c", "2025-01-01", asset="a")
_DEADLINE, _AFTER = "2025-01-11T00:00:00+08:00", "2025-01-11T00:00:00.000001+08:00"


def _assessed(completeness: float) -> Json:
    return event(
        "asset.assessed",
        "a",
        "2025-02-01",
        assessment="q1",
        kind="quality",
        result="pass",
        completeness=completeness,
        assessor="an assessor",
    )


def _poor(**more: object) -> Json:
    return {"severity": "blue", "about": {"kind": "asset", "id": "a"}, "party": OWNER, **more}


def _stale(deadline: str = _DEADLINE) -> Json:
    return _poor(occurred=deadline, evidence={"update_days": 5, "deadline": deadline})


CASES = (
    *(
        Case(name=f"complete to {share}", rules=_RULES, events=[asset("a"), _assessed(share)], fires=fires)
        for share, fires in ((0.949999, [_poor(evidence={"completeness": 0.949999})]), (0.95, []), (0.950001, []))
    ),
    Case(name="at the deadline", rules=_RULES, events=[_DAILY], until=_DEADLINE),
    Case(name="past the deadline", rules=_RULES, events=[_DAILY], until=_AFTER, fires=[_stale()]),
    Case(name="an asset that promises no updates", rules=_RULES, events=[asset("a")], until="2026-01-01"),
    *(
        Case(
            name=f"a {label} {name} the deadline",
            rules=_RULES,
            events=[_DAILY, _SIGNED, update],
            until="2025-01-12",
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-10T23:59:59.999999", []),
            ("at", "2025-01-11", []),
            ("just after", "2025-01-11T00:00:00.000001", [_stale()]),
        )
        for label, update in (
            ("delivery", delivered("c", time)),
            ("new digest", asset("a", time, update_days=5, digest="d2")),
        )
    ),
    Case(
        name="the same digest again is no update",
        rules=_RULES,
        events=[_DAILY, asset("a", "2025-01-09", update_days=5, digest="d1")],
        until=_AFTER,
        fires=[_stale()],
    ),
    Case(
        name="each update has a deadline of its own",
        rules=_RULES,
        events=[_DAILY, _SIGNED, delivered("c", "2025-01-31")],
        until="2025-02-11",
        fires=[_stale(), _stale("2025-02-10T00:00:00+08:00")],
    ),
    Case(
        name="withdrawn by then",
        rules=_RULES,
        events=[_DAILY, event("asset.withdrawn", "a", "2025-01-11", reason="closed")],
        until="2026-01-01",
    ),
    Case(
        name="a registration that says only now how often it is updated is no update",
        rules=_RULES,
        events=[asset("a"), _SIGNED, delivered("c", "2025-01-05"), asset("a", "2025-01-06", update_days=5)],
        until="2026-01-01",
    ),
    *(
        Case(
            name=f"withdrawn {name} the registration",
            rules=_RULES,
            events=[_DAILY, event("asset.withdrawn", "a", time, reason="old")],
            until=_AFTER,
            fires=fires,
        )
        for name, time, fires in (("just before", "2024-12-31T23:59:59.999999", [_stale()]), ("at", "2025-01-01", []))
    ),
    Case(
        name="a delivery of before the registration does not take its place",
        rules=_RULES,
        events=[_SIGNED, delivered("c", "2024-12-31"), asset("a", update_days=5)],
        until=_AFTER,
        fires=[_stale()],
    ),
    Case(
        name="a delivery that was taken back",
        rules=_RULES,
        events=[_DAILY, _SIGNED, delivered("c", "2025-01-09"), retracted(delivered("c", "2025-01-09"), "2025-01-10")],
        until=_AFTER,
        fires=[_stale()],
    ),
    Case(
        name="other numbers of the pack",
        rules=pack(detectors={"quality": {"completeness": 0.5, "update_factor": 3}}),
        events=[asset("a", "2025-01-20", update_days=5), _assessed(0.6)],
        until="2025-02-04T00:00:00+08:00",
    ),
)

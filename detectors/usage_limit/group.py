"""The sum of a quota group: what the contracts of one buyer that name one group use together, day by day.

In come the terms that name the group and the days of their contracts; out goes each band, on the first day that
reaches it.
"""

import bisect
from collections.abc import Iterable, Sequence
from typing import Any

from circulation.calendar import format_instant
from circulation.daily import end_of
from circulation.examples import SINCE, THIRD, Case, Json, retracted, signed, terms, used
from circulation.facts.acts import Act
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.licences import TERMS_TYPES
from circulation.rules import Parameters, Sum
from detectors.usage_limit.bands import SEVERITY_OF_BAND, band_of, percent_of
from detectors.usage_limit.examples import ZH, cancelled, expected, licensed


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The quota group of the buyer, where the terms name one."""
    if act.data.terms.quota_group is not None:
        yield join_key(act.data.buyer, act.data.terms.quota_group)


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Adds up day by day what the contracts of a group use, and says each band on the first day that reaches it.

    Of which group a contract is, and what the limit is, say the terms in force just before the day's end.
    """
    buyer, group = split_key(scope)
    contracts = [facts.contract(id_) for id_ in sorted({act.subject for act in acts})]
    by_day: dict[int, list[tuple[ContractFacts, int, int]]] = {}
    for contract in contracts:
        for day, reporter, counts in facts.used(contract.id):
            by_day.setdefault(day, []).append((contract, reporter, counts.uses))
    turns = sorted({statement.time for contract in contracts for statement in contract.statements})
    leaders: dict[int, ContractFacts | None] = {}
    totals: dict[int, int] = {}
    by_band: dict[int, Said] = {}
    for day in sorted(by_day):
        end = end_of(day)
        span = bisect.bisect_left(turns, end)
        if span not in leaders:
            members = [contract for contract in contracts if _of_group(contract, end - 1, buyer, group)]
            leaders[span] = min(members, key=_signed, default=None)
        of_group = [entry for entry in by_day[day] if _of_group(entry[0], end - 1, buyer, group)]
        for _, reporter, uses in of_group:
            totals[reporter] = totals.get(reporter, 0) + uses
        # Terms alone reach no band: what they make too much is found on the next day that something is used.
        leader = leaders[span] if of_group else None
        terms = None if leader is None else leader.terms(end - 1)
        if leader is None or terms is None or terms.uses_max is None:
            continue
        used_then, parameters = max(totals.values(), default=0), facts.parameters(end)
        for band in range(1, band_of(used_then, terms.uses_max, parameters) + 1):
            if band not in by_band:
                by_band[band] = _said_of_group(leader, group, end, terms.uses_max, used_then, band, parameters)
    return [by_band[band] for band in sorted(by_band)]


def _of_group(contract: ContractFacts, instant: int, buyer: str, group: str) -> bool:
    statement = contract.statement(instant)
    return statement is not None and statement.buyer == buyer and statement.terms.quota_group == group


def _signed(contract: ContractFacts) -> tuple[int, str]:
    first = contract.signed or contract.statements[0]
    return (first.data.signed, contract.id)


def _said_of_group(
    leader: ContractFacts, group: str, end: int, maximum: int, used: int, band: int, parameters: Parameters
) -> Said:
    statement, percent = leader.statement(end - 1), percent_of(band, parameters)
    if statement is None:
        raise AssertionError("who names the limit has terms")
    passed = "exceed" if band >= 3 else "reach"
    return Said(
        severity=SEVERITY_OF_BAND[band - 1],
        about=About("contract", leader.id),
        party=statement.buyer,
        occurred=end,
        apart=("group", group, str(percent)),
        due=end,
        summary=(
            f"By {format_instant(end)}, {used} of {maximum} licensed uses of the quota group {group}"
            f" {passed} {percent} %."
        ),
        summary_zh=(
            f"截至 {format_instant(end)}，额度组 {group} 使用 {used} 次，许可上限 {maximum}，"
            f"{'超过' if band >= 3 else '达到'} {percent} %。"
        ),
        evidence={
            "limit": "uses",
            "maximum": maximum,
            "used": used,
            "band": percent,
            "quota_group": group,
            "end": format_instant(end),
        },
        asset=statement.asset,
    )


SUM = Sum(
    due=True,
    acts=frozenset(TERMS_TYPES),
    scopes=scopes,
    judge=judge,
    needs=frozenset({"contract", "days"}),
    ended_days=True,
)


def _grouped(contract: str, uses_max: int | None = 100, since: str = SINCE, **more: Any) -> Json:
    return signed(contract, since, terms=terms(uses_max=uses_max, quota_group="g"), **more)


def _share(contract: str, day: str, uses: int, **more: Any) -> Json:
    return used(contract, f"{day}T12:00", uses, **more)


def _reached(band: int, count: int, next_day: str, maximum: int = 100, leader: str = "a") -> Json:
    end, passed = f"{next_day}T00:00:00+08:00", "exceed" if band >= 100 else "reach"
    return expected("uses", maximum, count, band, quota_group="g") | {
        "about": {"kind": "contract", "id": leader},
        "occurred": end,
        "summary": f"By {end}, {count} of {maximum} licensed uses of the quota group g {passed} {band} %.",
        "summary_zh": f"截至 {end}，额度组 g 使用 {count} 次，许可上限 {maximum}，{ZH[passed]} {band} %。",
    }


def _all_at_once(count: int, next_day: str) -> list[Json]:
    passed = {80: count >= 80, 95: count >= 95, 100: count > 100, 120: count > 120}
    return [_reached(band, count, next_day) for band, reached in passed.items() if reached]


_PAIR = [_grouped("a"), _grouped("b", 1, "2025-01-02")]


CASES = (
    *(
        Case(
            name=f"a group's uses at the boundary: {count}",
            events=[*_PAIR, _share("a", "2025-02-01", 40), _share("b", "2025-02-01", count - 40)],
            until="2025-02-02T00:00:00.000001+08:00",
            fires=_all_at_once(count, "2025-02-02"),
        )
        for threshold in (80, 95, 100, 120)
        for count in (threshold - 1, threshold, threshold + 1)
    ),
    Case(
        name="a day of a group counts once it has ended",
        events=[*_PAIR, _share("a", "2025-02-01", 200)],
        until="2025-02-02T00:00:00+08:00",
    ),
    Case(
        name="each band of a group on the first day that reaches it",
        events=[
            *_PAIR,
            _share("a", "2025-02-01", 79),
            _share("b", "2025-02-02", 1),
            _share("a", "2025-02-05", 3),
            _share("b", "2025-02-05", 14),
            _share("b", "2025-02-06", 24),
        ],
        until="2025-03-01",
        fires=[
            _reached(80, 80, "2025-02-03"),
            _reached(95, 97, "2025-02-06"),
            _reached(100, 121, "2025-02-07"),
            _reached(120, 121, "2025-02-07"),
        ],
    ),
    Case(
        name="days of a group are those of UTC+08:00, in their order",
        events=[
            *_PAIR,
            used("b", "2025-02-02T00:00", 40),
            used("a", "2025-02-01T15:59:59.999999Z", 40),
        ],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-03")],
    ),
    Case(
        name="the contract of a group that was signed first names the limit, whichever came first",
        events=[
            _grouped("b", 10, "2025-01-02"),
            _share("b", "2025-02-01", 50),
            _grouped("a", 100, "2025-01-03", signed="2025-01-01"),
            _share("a", "2025-02-02", 31),
        ],
        until="2025-03-01",
        fires=[_reached(80, 81, "2025-02-03")],
    ),
    Case(
        name="of two that were signed at once the smaller id",
        events=[_grouped("b", 10), _grouped("a"), _share("b", "2025-02-01", 80)],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-02")],
    ),
    Case(
        name="a group whose first contract names no limit",
        events=[_grouped("a", None), _grouped("b", 10, "2025-01-02"), _share("b", "2025-02-01", 80)],
        until="2025-03-01",
    ),
    Case(
        name="a group of another buyer is another group",
        events=[
            _grouped("a"),
            _grouped("b", 100, "2025-01-02", buyer=THIRD),
            _share("b", "2025-02-01", 60),
            _share("a", "2025-02-01", 60),
        ],
        until="2025-03-01",
    ),
    Case(
        name="a contract of no group has its own limit, beside a group",
        events=[*_PAIR, licensed(uses_max=50), _share("a", "2025-02-01", 60), _share("c", "2025-02-01", 40, id="u")],
        until="2025-03-01",
        fires=[expected("uses", 50, 40, 80, "u")],
    ),
    Case(
        name="a cancelled use is taken off its day, and a band of a group that is no longer reached is cleared",
        events=[
            *_PAIR,
            _share("a", "2025-02-01", 40, id="u"),
            _share("b", "2025-02-01", 60),
            cancelled("u", "2025-02-10", 15, "a"),
        ],
        until="2025-03-01",
        fires=[_reached(80, 85, "2025-02-02")],
    ),
    Case(
        name="a use of a group that comes late counts on its day",
        events=[
            *_PAIR,
            _share("a", "2025-02-01", 79),
            _share("b", "2025-02-10", 6),
            _share("b", "2025-02-03", 2, id="late"),
        ],
        until="2025-03-01",
        fires=[_reached(80, 81, "2025-02-04")],
    ),
    Case(
        name="the highest tally of a group's reporters counts",
        events=[
            *_PAIR,
            _share("a", "2025-02-01", 60),
            _share("b", "2025-02-01", 19),
            _share("a", "2025-02-01", 70, reporter="consumer"),
            _share("b", "2025-02-02", 10, reporter="consumer"),
        ],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-03")],
    ),
    Case(
        name="uses that came before the terms count in the group",
        events=[_share("a", "2025-02-01", 80), _grouped("a")],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-02")],
    ),
    Case(
        name="a contract joins a group by an amendment, with what it uses from that day on",
        events=[
            _grouped("a"),
            signed("b", "2025-01-02"),
            _share("b", "2025-02-01", 50),
            signed("b", "2025-02-02T18:00", amended=True, terms=terms(quota_group="g")),
            _share("b", "2025-02-02", 50, id="u"),
            _share("a", "2025-02-03", 30),
        ],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-04")],
    ),
    Case(
        name="what a group reached under the limit of then stands when the limit is raised",
        events=[
            *_PAIR,
            _share("a", "2025-02-01", 80),
            signed("a", "2025-02-05", amended=True, terms=terms(uses_max=200, quota_group="g")),
            _share("a", "2025-02-06", 110),
        ],
        until="2025-03-01",
        fires=[_reached(80, 80, "2025-02-02"), _reached(95, 190, "2025-02-07", 200)],
    ),
    Case(
        name="a contract of a group whose signing was taken back leaves it",
        events=[*_PAIR, _share("b", "2025-02-01", 80), retracted(_PAIR[1], "2025-02-10")],
        until="2025-03-01",
    ),
)

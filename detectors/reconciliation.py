"""Two reporters of one contract say different things of a day.

Why it matters: double reporting is the only check on what either side says; who reports less than it used, or more
than it delivered, is found out by the other side's books.

False positives: a report of that day that arrives late, which clears the finding where it makes both sides say the
same. A side that reports its use more than a minute later than the other, over a midnight: more `edge_seconds`, if both
agree on it. A side that reports only part of its use on purpose, or only some months: agree with it on all or nothing.

What to do: ask both sides for their books of that day, or month; have the one that was wrong cancel or retract what it
reported in error.

A day is that of UTC+08:00, and is looked at 24 hours after its end; so is a month. Held against each other are the
uses, bytes, rows and persons of those who report them of that day; bytes, rows and persons count from uses and
deliveries. A difference is a share of the larger tally. A delivery is reported by one side only where, by then, the
provider or the consumer reports it, and nobody else; what the exchange alone reports is no side's.

Near midnight: what a reporter states no farther than `edge_seconds` from a midnight, before and after it, is one
amount. From day to day, each reporter's counts on the day that ends there or on the next: whichever leaves the least
between the reporters on the first of the two, of equal ways on the second, and of equal ways on the day on which the
amount begins; the second day begins with what was decided. It counts on the second where nothing at all is said of the
first. A delivery belongs to the day of its earliest report, whatever is counted where. How near a use was to midnight
is noted as it comes, by the pack of its own time that is there by then: uses are counted and not kept, so a pack is to
come before the uses of its time. Deliveries are kept, and a pack that comes late has them judged again.

Silent: a reporter of whom nothing counts on a day, and who stated a measure on each of the last `silent_days` days on
which another one did, has reported 0 of it, where the other one states it. The first day that it leaves out ends that,
so a side that stops is told of once by the day, and then by the month.

Months: the days of a month are added up, as they were counted, and compared by the same percentage: also those of a
reporter who was silent on single days, or differed by less. Who reports nothing all month has reported 0 of what it has
ever stated of the contract.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from circulation.calendar import DAY, SECOND
from circulation.daily import EDGE_SECONDS_MAX, Edge, Side, day_number, day_scope, end_of, side_of, span_of
from circulation.events.names import DELIVERY_COMPLETED, REPORTERS
from circulation.examples import BUYER, SELLER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.money import exact
from circulation.rules import Parameter, Period, Rule, Sum
from circulation.sides import (
    NOTHING,
    STREAK_MAX,
    Amounts,
    Parts,
    Settled,
    added,
    differing,
    plus,
    settle,
    silent,
    silent_of_month,
)
from circulation.words import LIMIT, REPORTER, listed_zh, many, zh

EXCHANGE = 0
# Both sides have so long after the end of a day to report of it.
AFTER_HOURS = 24


def ends(scope: str) -> int:
    """A day, or a month, is looked at once both sides had the time to report of it."""
    _, last, _ = span_of(scope)
    return end_of(last) + AFTER_HOURS * DAY // 24


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract's day on which the delivery was completed, as this report has it."""
    yield day_scope(day_number(act.time), act.subject)


def members(scope: str) -> Sequence[str]:
    """A day is looked at with the next one, whose beginning may count on it; a month by what was settled."""
    first, last, contract = span_of(scope)
    return (scope, day_scope(first + 1, contract)) if first == last else (scope,)


def touches(scope: str) -> Sequence[str]:
    """The day before looks at a day, too."""
    first, last, contract = span_of(scope)
    return (day_scope(first - 1, contract), scope) if first == last else (scope,)


def settles(scope: str, acts: Sequence[Act], facts: Facts) -> Settled:
    """Adds up what each reporter says of the day, and decides on which day counts what it says near midnight."""
    day, _, contract = span_of(scope)
    settled = facts.settled(contract)
    last = max((number for number in settled if number < day), default=None)
    before = None if last is None else settled[last]
    silent_days = facts.parameters(ends(scope))["silent_days"]
    return settle(_parts(day, contract, acts, facts), before if last == day - 1 else None, before, silent_days)


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds what is settled of each reporter's day, or month, against what is of the others'."""
    first, last, contract = span_of(scope)
    deadline = ends(scope)
    parameters = facts.parameters(deadline)
    settled = facts.settled(contract)
    one_sided: dict[str, str] = {}
    if first == last:
        tallies = settled[first].tallies
        before = max((number for number in settled if number < first), default=None)
        left_out = silent(tallies, None if before is None else settled[before], parameters["silent_days"])
        one_sided = _one_sided(first, deadline, acts)
    else:
        month = [settled[number] for number in sorted(settled) if first <= number <= last]
        tallies = added(*(settled_day.tallies for settled_day in month))
        left_out = silent_of_month(tallies, month[-1].stated if month else {})
    apart = differing({**tallies, **left_out}, exact(parameters["percent"]))
    if not apart and not one_sided:
        return []
    missing = [
        REPORTERS[reporter]
        for reporter in left_out
        if any(REPORTERS[reporter] in amounts for amounts in apart.values())
    ]
    statement = facts.contract(contract).statement(deadline)
    date = scope.split("/", 1)[0]
    sentences = [
        f"{measure} differ ({', '.join(f'{total:,} by the {reporter}' for reporter, total in amounts.items())})"
        for measure, amounts in apart.items()
    ]
    said_zh = [
        f"{zh(LIMIT, measure)}不一致"
        f"（{listed_zh(f'{zh(REPORTER, reporter)} {total:,}' for reporter, total in amounts.items())}）"
        for measure, amounts in apart.items()
    ]
    if one_sided:
        reporters = sorted(set(one_sided.values()))
        deliveries = many(len(one_sided), "delivery is", "deliveries are")
        sentences.append(f"{deliveries} reported by the {' or the '.join(reporters)} only")
        said_zh.append(
            f"{len(one_sided):,} 次交付仅由{'或'.join(zh(REPORTER, reporter) for reporter in reporters)}报告"
        )
    period = {"day": date, "deliveries": dict(sorted(one_sided.items()))} if first == last else {"month": date}
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", contract),
            party=None if statement is None else statement.seller,
            occurred=deadline,
            apart=(date,),
            summary=f"Reporters do not agree on {date}: {'; '.join(sentences)}.",
            summary_zh=f"各报送方对 {date} 的报告不一致：{'；'.join(said_zh)}。",
            evidence={**period, "tallies": apart, "silent": missing},
            asset=None if statement is None else statement.asset,
        )
    ]


def _side(act: Act, facts: Facts) -> Side | None:
    return side_of(act.time, facts.parameters(act.time)["edge_seconds"] * SECOND)


def _counting(acts: Iterable[Act]) -> list[dict[int, Act]]:
    """Of each delivery the report of each reporter that counts: the earliest by (time, source, id)."""
    by_delivery: dict[str, dict[int, Act]] = {}
    for act in sorted(acts, key=order):
        by_delivery.setdefault(act.data.delivery, {}).setdefault(act.reporter, act)
    return [*by_delivery.values()]


def _one_sided(day: int, deadline: int, acts: Iterable[Act]) -> dict[str, str]:
    """The deliveries of a day that one side alone has reported by the deadline, and which."""
    sides = {}
    for by_reporter in _counting(acts):
        first = min(by_reporter.values(), key=order)
        known = [report.reporter for report in by_reporter.values() if report.time <= deadline]
        if day_number(first.time) == day and known == [first.reporter] and first.reporter != EXCHANGE:
            sides[first.data.delivery] = REPORTERS[first.reporter]
    return sides


def _parts(day: int, contract: str, acts: Iterable[Act], facts: Facts) -> Parts:
    """What each reporter says of the day, around either midnight and between, and of the next one."""
    parts = Parts({}, {}, {}, {}, {})
    for number, reporter, counts in facts.used(contract):
        if number == day:
            _add(parts.head, reporter, _amounts(counts.head))
            _add(parts.between, reporter, _amounts(counts.between()))
            _add(parts.tail, reporter, _amounts(counts.tail))
        elif number == day + 1:
            _add(parts.next_head, reporter, _amounts(counts.head))
            _add(parts.next_rest, reporter, _amounts(counts.between()))
            _add(parts.next_rest, reporter, _amounts(counts.tail))
    for by_reporter in _counting(acts):
        for reporter, act in by_reporter.items():
            side, amounts = _side(act, facts), [None, act.data.bytes, act.data.rows, act.data.persons]
            if day_number(act.time) == day:
                _add({Side.HEAD: parts.head, None: parts.between, Side.TAIL: parts.tail}[side], reporter, amounts)
            elif day_number(act.time) == day + 1:
                _add(parts.next_head if side is Side.HEAD else parts.next_rest, reporter, amounts)
    return parts


def _add(tallies: dict[int, Amounts], reporter: int, amounts: Amounts | None) -> None:
    if amounts is not None:
        tallies[reporter] = plus(tallies.get(reporter, NOTHING), amounts)


def _amounts(used_: Edge | None) -> Amounts | None:
    return None if used_ is None else [used_.uses, used_.bytes, used_.rows, None]


RULE = Rule(
    id="reconciliation",
    title="Reporters do not agree on a day",
    title_zh="各方报送不一致",
    about="contract",
    severity="yellow",
    articles=("contract only",),
    parameters={
        "percent": Parameter(1, "by more than so many percent of the larger tally two reporters may not differ"),
        "edge_seconds": Parameter(
            60,
            "seconds on either side of midnight within which what is stated may count on the day before or after",
            most=EDGE_SECONDS_MAX,
        ),
        "silent_days": Parameter(
            7,
            "days in a row on which a reporter kept up with another, so that its silence is a report of 0; fewer find"
            " more",
            above=0,
            most=STREAK_MAX,
        ),
    },
    sum=Sum(
        due=True,
        acts=frozenset({DELIVERY_COMPLETED}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"contract", "days", "settled"}),
        period=Period(ends=ends, members=members, touches=touches, own_acts_only=True),
        each_day=True,
        every_report=True,
        settles=settles,
        edge="edge_seconds",
    ),
)


_RULES = pack()
_SIGNED = signed("c", "2025-01-01")
_DUE, _AFTER = "2025-02-03T00:00:00+08:00", "2025-02-03T00:00:00.000001+08:00"


def _says(reporter: str | None, count: int, time: str = "2025-02-01T12:00", **data: Any) -> Json:
    return used("c", time, count, reporter=reporter, **data)


def _given(reporter: str | None, time: str = "2025-02-01T12:00", delivery: str = "d", **data: Any) -> Json:
    return delivered("c", time, reporter=reporter, delivery=delivery, **data)


def _fires(
    tallies: Json | None = None, deliveries: Json | None = None, day: str = "2025-02-01", due: str = _DUE
) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "occurred": due,
        "evidence": {"day": day, "tallies": tallies or {}, "deliveries": deliveries or {}},
    }


def _cancelled(usage: str, uses: int, time: str = "2025-02-10") -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses)


def _fires_month(tallies: Json, silent: Sequence[str] = ()) -> Json:
    evidence = {"month": "2025-02", "tallies": tallies, "silent": [*silent]}
    return _fires() | {"occurred": "2025-03-02T00:00:00+08:00", "evidence": evidence}


def _both(*days: int, month: str = "2025-02") -> list[Json]:
    return [_says(reporter, 100, f"{month}-{day:02}T12:00") for day in days for reporter in ("provider", "consumer")]


_APART = {"uses": {"provider": 100, "consumer": 50}}
_ENDED, _MONTH_OVER = "2025-03-02T00:00:00+08:00", "2025-03-02T00:00:00.000001+08:00"
_LATER_PACK = pack(detectors={"reconciliation": {"edge_seconds": 0, "silent_days": 2}})

CASES = (
    *(
        Case(
            name=f"100 uses, and {count}",
            rules=_RULES,
            events=[_SIGNED, _says("provider", 100), _says("consumer", count)],
            until=_AFTER,
            fires=[_fires({"uses": {"provider": 100, "consumer": count}})] if fires else [],
        )
        for count, fires in ((98, True), (99, False), (100, False), (101, False), (102, True))
    ),
    *(
        Case(
            name=f"1,000 uses, and {count}",
            rules=_RULES,
            events=[_SIGNED, _says(None, 1000), _says("consumer", count)],
            until=_AFTER,
            fires=[_fires({"uses": {"exchange": 1000, "consumer": count}})] if fires else [],
        )
        for count, fires in ((989, True), (990, False), (1010, False), (1011, True))
    ),
    *(
        Case(
            name=f"{name} 24 hours after the end of the day",
            rules=_RULES,
            events=[_SIGNED, _says("provider", 100), _says("consumer", 50)],
            until=until,
            fires=fires,
        )
        for name, until, fires in (("at", _DUE, []), ("past", _AFTER, [_fires(_APART)]))
    ),
    Case(
        name="one reporter only",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 100), _says("provider", 50, id="v"), _given(None)],
        until=_AFTER,
    ),
    Case(
        name="who says nothing of a day is not held against who does",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 100), _says("consumer", 100, "2025-02-02T12:00")],
        until="2025-03-01",
    ),
    Case(
        name="days are those of UTC+08:00",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 100, "2025-02-01T00:02"),
            _says("consumer", 60, "2025-01-31T16:02:00Z"),
            _says("consumer", 40, "2025-02-01T23:58"),
            _says("consumer", 7, "2025-02-02T00:02"),
        ],
        until="2025-03-01",
    ),
    Case(
        name="each day is its own",
        rules=_RULES,
        events=[
            _SIGNED,
            *(
                _says(reporter, count, f"2025-02-0{day}")
                for day in (1, 2, 3)
                for reporter, count in (("provider", 100), ("consumer", 100 - (day != 2) * 50))
            ),
        ],
        until="2025-03-01",
        fires=[_fires(_APART), _fires(_APART, day="2025-02-03", due="2025-02-05T00:00:00+08:00")],
    ),
    Case(
        name="three reporters: the farthest apart",
        rules=_RULES,
        events=[_SIGNED, _says(None, 1000), _says("provider", 1009), _says("consumer", 998)],
        until=_AFTER,
        fires=[_fires({"uses": {"exchange": 1000, "provider": 1009, "consumer": 998}})],
    ),
    Case(
        name="measures that both report",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 10, bytes=1000, rows=7),
            _says("consumer", 10, bytes=500),
        ],
        until=_AFTER,
        fires=[_fires({"bytes": {"provider": 1000, "consumer": 500}})],
    ),
    Case(
        name="a tally of nothing is one",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 0), _says("consumer", 1), _says("provider", 0, bytes=0, id="w")],
        until=_AFTER,
        fires=[_fires({"uses": {"provider": 0, "consumer": 1}})],
    ),
    Case(
        name="a report that arrives late clears it",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 100),
            _says("consumer", 50),
            signed("other", "2025-02-10"),
            _says("consumer", 50, id="late"),
        ],
    ),
    Case(
        name="a report that arrives late brings it",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 100), signed("other", "2025-02-10"), _says("consumer", 50)],
        fires=[_fires(_APART)],
    ),
    Case(
        name="uses that were cancelled are taken off their day",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 150, id="u"),
            _says("consumer", 100),
            _says("consumer", 10, "2025-02-10"),
            _says("provider", 10, "2025-02-10"),
            _cancelled("u", 50),
        ],
        until="2025-03-01",
    ),
    Case(
        name="uses that were cancelled in part",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 150, id="u"), _says("consumer", 50), _cancelled("u", 50)],
        until="2025-03-01",
        fires=[_fires(_APART)],
    ),
    Case(
        name="uses that came before the terms",
        rules=_RULES,
        events=[_says("provider", 100), _says("consumer", 60, id="u"), _cancelled("u", 10, "2025-02-02"), _SIGNED],
        until=_AFTER,
        fires=[_fires(_APART)],
    ),
    *(
        Case(
            name=f"a delivery reported by {' and '.join(reporters)}",
            rules=_RULES,
            events=[_SIGNED, *(_given(None if reporter == "exchange" else reporter) for reporter in reporters)],
            until=_AFTER,
            fires=[_fires(deliveries={"d": reporters[0]})] if fires else [],
        )
        for reporters, fires in (
            (("provider",), True),
            (("consumer",), True),
            (("exchange",), False),
            (("provider", "consumer"), False),
            (("exchange", "consumer"), False),
            (("exchange", "provider", "consumer"), False),
        )
    ),
    Case(
        name="a delivery that both sides report, with other numbers",
        rules=_RULES,
        events=[_SIGNED, _given("provider", bytes=1000, persons=10), _given("consumer", bytes=980, persons=10)],
        until=_AFTER,
        fires=[_fires({"bytes": {"provider": 1000, "consumer": 980}})],
    ),
    Case(
        name="bytes count from uses and deliveries",
        rules=_RULES,
        events=[
            _SIGNED,
            _given("provider", bytes=900),
            _given("consumer", bytes=500),
            _says("provider", 1, bytes=100),
            _says("consumer", 1, bytes=500),
        ],
        until=_AFTER,
    ),
    *(
        Case(
            name=f"the other side reports it {name} 24 hours after the day",
            rules=_RULES,
            events=[_SIGNED, _given("provider"), _given("consumer", time)],
            until="2025-03-01",
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-02-02T23:59:59.999999", []),
            ("at", "2025-02-03", []),
            ("just after", _AFTER, [_fires(deliveries={"d": "provider"})]),
        )
    ),
    Case(
        name="the other side's report arrives late, of that day",
        rules=_RULES,
        events=[_SIGNED, _given("provider"), signed("other", "2025-02-10"), _given("consumer")],
    ),
    Case(
        name="two sides, one delivery, around midnight",
        rules=_RULES,
        events=[_SIGNED, _given("provider", "2025-02-01T23:59"), _given("consumer", "2025-02-02T00:01")],
        until="2025-03-01",
    ),
    Case(
        name="of several reports of one reporter the earliest",
        rules=_RULES,
        events=[
            _SIGNED,
            _given("provider", "2025-02-01T12:00", bytes=100, id="one"),
            _given("provider", "2025-02-01T13:00", bytes=70, id="two"),
            _given("consumer", bytes=100),
        ],
        until=_AFTER,
    ),
    Case(
        name="a delivery that was taken back",
        rules=_RULES,
        events=[_SIGNED, _given("provider"), retracted(_given("provider"), "2025-02-20")],
    ),
    Case(
        name="one of two reports that was taken back",
        rules=_RULES,
        events=[
            _SIGNED,
            _given("provider"),
            _given("consumer"),
            retracted(_given("consumer"), "2025-02-20"),
        ],
        fires=[_fires(deliveries={"d": "provider"})],
    ),
    Case(
        name="one finding of a day",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 100),
            _says("consumer", 50),
            _given("provider"),
            _given("consumer", delivery="e"),
        ],
        until=_AFTER,
        fires=[_fires(_APART, {"d": "provider", "e": "consumer"})],
    ),
    Case(
        name="what differs without a contract is nobody's",
        rules=_RULES,
        events=[_says("provider", 100), _says("consumer", 50)],
        until=_AFTER,
        fires=[{"about": {"kind": "contract", "id": "c"}, "evidence": {"tallies": _APART}}],
    ),
    Case(
        name="a pack that allows more",
        rules=pack(detectors={"reconciliation": {"percent": 50}}),
        events=[_SIGNED, _says("provider", 100), _says("consumer", 50)],
        until=_AFTER,
    ),
    *(
        Case(
            name=f"the rest is reported {seconds} seconds {when} a midnight",
            rules=_RULES,
            events=[
                _SIGNED,
                _says("provider", 200, f"2025-02-0{day}T12:00"),
                _says("consumer", 100, f"2025-02-0{day}T12:00"),
                _says("consumer", 100, time),
            ],
            until="2025-02-20",
            fires=[_fires({"uses": {"provider": 200, "consumer": 100}}, day=f"2025-02-0{day}", due=due)]
            if seconds > 60
            else [],
        )
        for seconds, when, day, time, due in (
            (59, "after", 1, "2025-02-02T00:00:59", _DUE),
            (60, "after", 1, "2025-02-02T00:01:00", _DUE),
            (61, "after", 1, "2025-02-02T00:01:01", _DUE),
            (59, "before", 2, "2025-02-01T23:59:01", "2025-02-04T00:00:00+08:00"),
            (60, "before", 2, "2025-02-01T23:59:00", "2025-02-04T00:00:00+08:00"),
            (61, "before", 2, "2025-02-01T23:58:59", "2025-02-04T00:00:00+08:00"),
        )
    ),
    Case(
        name="what is said near a midnight counts as a whole",
        rules=_RULES,
        events=[
            _SIGNED,
            *_both(1, 2),
            _says("provider", 60, "2025-02-01T23:59:30"),
            _says("provider", 40, "2025-02-02T00:00:20"),
            _says("consumer", 60, "2025-02-01T23:58"),
            _says("consumer", 40, "2025-02-02T00:02"),
        ],
        until="2025-02-20",
        fires=[
            _fires({"uses": {"provider": 200, "consumer": 160}}),
            _fires({"uses": {"provider": 100, "consumer": 140}}, day="2025-02-02", due="2025-02-04T00:00:00+08:00"),
        ],
    ),
    Case(
        name="what is said near a midnight counts once",
        rules=_RULES,
        events=[
            _SIGNED,
            _says("provider", 100),
            _says("provider", 100, "2025-02-02T12:00"),
            _says("consumer", 100, "2025-02-02T00:00:10"),
            _says("consumer", 50, "2025-02-02T12:00"),
        ],
        until="2025-02-20",
        fires=[_fires(_APART, day="2025-02-02", due="2025-02-04T00:00:00+08:00")],
    ),
    Case(
        name="a side that reports each day just after its end",
        rules=_RULES,
        events=[
            _SIGNED,
            *(_says("provider", 100 * day, f"2025-02-0{day}T12:00") for day in range(1, 6)),
            *(_says("consumer", 100 * day, f"2025-02-0{day + 1}T00:00:10") for day in range(1, 6)),
        ],
        until=_MONTH_OVER,
    ),
    Case(
        name="a delivery that one side reports just after midnight",
        rules=_RULES,
        events=[
            _SIGNED,
            _given("provider", delivery="e", persons=10),
            _given("consumer", delivery="e", persons=10),
            _given("provider", persons=5, bytes=7),
            _given("consumer", "2025-02-02T00:00:30", persons=5, bytes=7),
        ],
        until="2025-02-20",
    ),
    Case(
        name="uses near midnight that were cancelled",
        rules=_RULES,
        events=[
            _SIGNED,
            *_both(1),
            _says("provider", 100, "2025-02-02T00:00:10", id="u"),
            _says("consumer", 50, "2025-02-01T20:00"),
            _cancelled("u", 50),
        ],
        until="2025-02-20",
    ),
    Case(
        name="a pack that sets nothing apart at midnight",
        rules=_LATER_PACK,
        events=[
            _SIGNED,
            *_both(1),
            _says("provider", 50, "2025-02-01T20:00"),
            _says("consumer", 50, "2025-02-02T00:00:01"),
        ],
        until="2025-02-20",
        fires=[_fires({"uses": {"provider": 150, "consumer": 100}})],
    ),
    *(
        Case(
            name=f"silent after {count} days on which both reported",
            rules=rules,
            events=[_SIGNED, *_both(*range(1, count + 1)), _says("provider", 100, f"2025-02-{count + 1:02}T12:00")],
            until="2025-03-01",
            fires=[
                _fires({"uses": {"provider": 100, "consumer": 0}}, day=f"2025-02-{count + 1:02}")
                | {"occurred": f"2025-02-{count + 3:02}T00:00:00+08:00"}
            ]
            if fires
            else [],
        )
        for rules, count, fires in (
            (_RULES, 6, False),
            (_RULES, 7, True),
            (_RULES, 8, True),
            (_LATER_PACK, 1, False),
            (_LATER_PACK, 2, True),
        )
    ),
    Case(
        name="silence is told of by its first day",
        rules=_RULES,
        events=[_SIGNED, *_both(*range(1, 8)), *(_says("provider", 100, f"2025-02-{day:02}") for day in (10, 12, 14))],
        until="2025-03-01",
        fires=[_fires({"uses": {"provider": 100, "consumer": 0}}, day="2025-02-10", due="2025-02-12T00:00:00+08:00")],
    ),
    Case(
        name="days on which the other one said nothing do not count",
        rules=_RULES,
        events=[
            _SIGNED,
            *_both(1, 2, 3, 5, 7, 9),
            _says("consumer", 100, "2025-02-04T12:00"),
            _says("provider", 100, "2025-02-10T12:00"),
        ],
        until="2025-03-01",
    ),
    Case(
        name="who missed one of the last seven days is not held to be silent",
        rules=_RULES,
        events=[
            _SIGNED,
            *_both(1, 2, 3, 5, 6, 7),
            _says("provider", 100, "2025-02-04T12:00"),
            _says("provider", 100, "2025-02-08T12:00"),
        ],
        until="2025-03-01",
    ),
    *(
        Case(
            name=f"of a month one side reports {more} more of 1,000, {when}",
            rules=_RULES,
            events=[
                _SIGNED,
                _says("provider", 1_000),
                _says("consumer", 1_000),
                _says("provider", more, "2025-02-28T12:00"),
            ],
            until=until,
            fires=[_fires_month({"uses": {"provider": 1_000 + more, "consumer": 1_000}})] if fires else [],
        )
        for more, when, until, fires in (
            (10, "and it is over", _MONTH_OVER, False),
            (11, "and it is over", _MONTH_OVER, True),
            (11, "24 hours after its end", _ENDED, False),
            (1_000, "and it is over", _MONTH_OVER, True),
        )
    ),
    Case(
        name="silent all month",
        rules=_RULES,
        events=[_SIGNED, *_both(30, month="2025-01"), _says("provider", 100), _says("provider", 100, "2025-02-20")],
        until=_MONTH_OVER,
        fires=[_fires_month({"uses": {"provider": 200, "consumer": 0}}, ["consumer"])],
    ),
    Case(
        name="who begins to report in a later month",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 100), *_both(1, month="2025-03")],
        until="2025-03-20",
    ),
    Case(
        name="who begins to report in the middle of a month is held against all of it",
        rules=_RULES,
        events=[_SIGNED, _says("provider", 100), *_both(15)],
        until="2025-03-20",
        fires=[_fires_month({"uses": {"provider": 200, "consumer": 100}})],
    ),
    Case(
        name="silent of what it never reported",
        rules=_RULES,
        events=[
            _SIGNED,
            *(_given(reporter, "2025-01-30T12:00", bytes=7) for reporter in ("provider", "consumer")),
            _says("consumer", 100),
        ],
        until=_MONTH_OVER,
    ),
    Case(
        name="a buyer that reports for itself",
        rules=_RULES,
        events=[_SIGNED, _says("consumer", 100), _given("consumer", recipient=BUYER)],
        until=_AFTER,
        fires=[_fires(deliveries={"d": "consumer"})],
    ),
)

"""So many uses in one hour as a contract never saw: somebody may be copying the whole.

Why it matters: who may ask one by one may still carry all of it away, within what was licensed and unseen until it is
over (Data Security Law 29: risks are watched for, and met when they are found).

False positives: a launch, a campaign, a month's end, a backlog that was reported under one hour. A contract that is
used alike every hour deviates by little, so that little more is much.

What to do: ask the buyer what ran in that hour, and the seller for its log of it: keys that were counted through one by
one, or nights, speak for an extraction. Have the rate limited until that is known.

Hours begin on the hour. Those in which nothing was reported are none of a contract's hours: one that is used once a
month would stand out every month. The deviation is that of all earlier hours. Of two or three busy hours that happen to
be alike the next one stands out by chance: a pack may ask for more of them. Each reporter's reports make hours of their
own. An hour is said once, at the use with which it first exceeds, by what came before on the contract's key.
"""

import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from circulation.calendar import HOUR, format_instant
from circulation.daily import TOTAL_MAX
from circulation.events.names import USAGE_CANCELLED, USAGE_REPORTED
from circulation.examples import BUYER, SINCE, SOURCE, Case, Json, event, pack, signed, used
from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Counted, Parameter, Parameters, Rule, Stepped, Tally, Uses
from circulation.words import many

# How many hours before a reporter's newest one uses are still counted that come late, and those given back.
LATE_HOURS_MAX = 24
# How many hours that were said are remembered, so that they are not said again.
SAID_MAX = 100


class Hours(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The hours of one reporter.

    `hour` is the newest, counted from 1970, with its `uses` and `reports`. The hours before it, `earlier` in number,
    have `total` uses, `squares` as the sum of their squares (a text where a stored number cannot hold it) and
    `before` reports. `recent` are those of them that may still change: (hour, uses, reports), oldest first.
    """

    hour: int
    uses: int = 0
    reports: int = 0
    earlier: int = 0
    total: int = 0
    squares: int | str = 0
    before: int = 0
    recent: tuple[tuple[int, int, int], ...] = ()


class Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The hours by rank of the reporter, and which hours were said of late."""

    hours: dict[int, Hours] = {}
    said: tuple[int, ...] = ()


class Sample(NamedTuple):
    """What an hour is held against: the number of earlier hours, their uses, the squares of these, their reports."""

    hours: int
    total: int
    squares: int
    reports: int


def counted(hours: Hours | None, hour: int, uses: int, reports: int) -> Hours | None:
    """The hours with what is reported of one of them; None where that is too long ago to be counted."""
    if hours is None:
        return Hours(hour, uses, reports)
    if hour == hours.hour:
        more = min(hours.uses + uses, TOTAL_MAX)
        reports += hours.reports
        return Hours(hour, more, reports, hours.earlier, hours.total, hours.squares, hours.before, hours.recent)
    since = max(hour, hours.hour) - LATE_HOURS_MAX
    if hour > hours.hour:
        newest = (hours.hour, hours.uses, hours.reports)
        return Hours(
            hour=hour,
            uses=uses,
            reports=reports,
            earlier=hours.earlier + 1,
            total=min(hours.total + hours.uses, TOTAL_MAX),
            squares=_stored(int(hours.squares) + hours.uses**2),
            before=hours.before + hours.reports,
            recent=tuple(entry for entry in (*hours.recent, newest) if entry[0] >= since),
        )
    if hour < since:
        return None
    old = next(((entry[1], entry[2]) for entry in hours.recent if entry[0] == hour), None)
    was, reported = old or (0, 0)
    now = min(was + uses, TOTAL_MAX)
    other_hours = (entry for entry in hours.recent if entry[0] != hour)
    return msgspec.structs.replace(
        hours,
        earlier=hours.earlier + (old is None),
        total=min(hours.total + now - was, TOTAL_MAX),
        squares=_stored(int(hours.squares) + now**2 - was**2),
        before=hours.before + reports,
        recent=tuple(sorted((*other_hours, (hour, now, reported + reports)))),
    )


def _stored(number: int) -> int | str:
    return number if number <= TOTAL_MAX else str(number)


def sample(hours: Hours, hour: int) -> tuple[int, Sample]:
    """The uses of an hour, and what it is held against."""
    used, earlier = hours.uses, Sample(hours.earlier, hours.total, int(hours.squares), hours.before)
    if hour == hours.hour:
        return used, earlier
    later = [entry for entry in hours.recent if entry[0] >= hour]
    earlier = Sample(
        earlier.hours - len(later),
        earlier.total - sum(entry[1] for entry in later),
        earlier.squares - sum(entry[1] ** 2 for entry in later),
        earlier.reports - sum(entry[2] for entry in later),
    )
    return later[0][1], earlier


def stands_out(used: int, earlier: Sample, parameters: Parameters) -> bool:
    """Whether there are enough hours, and the uses exceed their mean by so many deviations: exact, in integers."""
    if not _enough(earlier.hours, earlier.reports, parameters):
        return False
    over = used * earlier.hours - earlier.total
    if over <= 0 or not earlier.hours:
        return False
    k, unit = parameters["k"].as_integer_ratio()
    return bool((over * unit) ** 2 > k * k * _spread(earlier))


def _enough(hours: int, reports: int, parameters: Parameters) -> bool:
    return bool(hours >= parameters["hours_min"] and max(hours, reports) >= parameters["n"])


def _spread(earlier: Sample) -> int:
    """The variance, times the square of the number of hours."""
    return earlier.hours * earlier.squares - earlier.total**2


def step(memory: Memory, _: Mapping[str, Any], count: Counted, licence: Licence, parameters: Parameters) -> Stepped:
    """Counts a report in its hour, or gives back; says an hour that now stands out."""
    event, hour = count.event, count.event.time // HOUR
    reported = event.type == USAGE_REPORTED
    before = memory.hours.get(event.reporter)
    if not reported and (before is None or hour not in (before.hour, *(entry[0] for entry in before.recent))):
        return Stepped(memory)
    hours = counted(before, hour, count.uses, int(reported))
    if hours is None:
        return Stepped(memory)
    memory = Memory({**memory.hours, event.reporter: hours}, memory.said)
    if not reported or hour in memory.said:
        return Stepped(memory)
    used, earlier = sample(hours, hour)
    if not stands_out(used, earlier, parameters):
        return Stepped(memory)
    hours_said = (*memory.said[1 - SAID_MAX :], hour)
    return Stepped(Memory(memory.hours, hours_said), {}, [_said(count, licence, parameters, used, earlier)])


def quiet(memory: Memory, _: Mapping[str, Any], uses: Uses, licence: Licence, parameters: Parameters) -> Stepped | None:
    """A run of uses in one go. An hour's uses only grow, so where the last of some in a row is quiet, all are."""
    hour = uses.first // HOUR
    if len(uses.totals) > 1 or hour != uses.last // HOUR:
        return _quiet_one_by_one(memory, uses, parameters)
    ((reporter, total),) = uses.totals.items()
    now = counted(memory.hours.get(reporter), hour, total[0], uses.count)
    if now is None:
        return Stepped(memory)
    # No hour is held against more than there are before the newest.
    enough = _enough(now.earlier, now.before, parameters)
    if enough and hour not in memory.said and stands_out(*sample(now, hour), parameters):
        return None
    return Stepped(Memory({**memory.hours, reporter: now}, memory.said))


def _quiet_one_by_one(memory: Memory, uses: Uses, parameters: Parameters) -> Stepped | None:
    """A run over several hours or reporters, by those in a row that have both in common."""
    hours = dict(memory.hours)
    for (reporter, hour), run in groupby(uses.each(), key=lambda event_: (event_.reporter, event_.time // HOUR)):
        counts = [event_.data.uses for event_ in run]
        now = counted(hours.get(reporter), hour, sum(counts), len(counts))
        if now is None:
            continue
        hours[reporter] = now
        if hour not in memory.said and stands_out(*sample(now, hour), parameters):
            return None
    return Stepped(Memory(hours, memory.said))


def _said(count: Counted, licence: Licence, parameters: Parameters, used: int, earlier: Sample) -> Said:
    event = count.event
    hour = format_instant(event.time // HOUR * HOUR)
    mean = round(earlier.total / earlier.hours, 3)
    deviation = round(math.sqrt(_spread(earlier)) / earlier.hours, 3)
    return Said(
        severity="yellow",
        about=About("contract", event.subject),
        party=licence.buyer,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        summary=(
            f"{many(used, 'use')} in the hour from {hour}: more than {parameters['k']} times the deviation of"
            f" {deviation} above the {mean} of {many(earlier.hours, 'earlier hour')}."
        ),
        summary_zh=(
            f"{hour} 起的一小时内使用 {used} 次，超过此前 {earlier.hours} 个小时均值 {mean} 加"
            f" {parameters['k']} 倍标准差（{deviation}）。"
        ),
        evidence={
            "hour": hour,
            "used": used,
            "k": parameters["k"],
            "mean": mean,
            "deviation": deviation,
            "hours": earlier.hours,
            "events": earlier.reports,
        },
        asset=licence.asset,
    )


RULE = Rule(
    id="bulk-extraction",
    title="So many uses in an hour that all may be copied",
    title_zh="一小时内使用量异常，疑似整库抓取",
    about="contract",
    severity="yellow",
    articles=("数据安全法 29",),
    parameters={
        "k": Parameter(6, "deviations above the mean from which on an hour is said; fewer find more"),
        "n": Parameter(200, "hours or reports that must have come before; fewer find more and earlier"),
        "hours_min": Parameter(
            1, "earlier hours that it takes, however many the reports; more find less, and less by chance"
        ),
    },
    tally=Tally(events=frozenset({USAGE_REPORTED, USAGE_CANCELLED}), memory=Memory, step=step, quiet=quiet),
)


def _at(hour: int, minute: int = 0) -> str:
    """A minute of the hour of this number since the start of 2025."""
    return f"2025-01-{1 + hour // 24:02}T{hour % 24:02}:{minute:02}"


def _hours(*uses: int, **data: Any) -> list[Json]:
    """One report an hour, from the start of 2025 on."""
    return [used("c", _at(at), count, **data) for at, count in enumerate(uses)]


def _once(count: int, hour: int, number: int) -> list[Json]:
    """So many reports of one and the same count within an hour."""
    return [used("c", f"{_at(hour)}:{at // 20:02}.{at % 20:02}", count, id=f"{hour}-{at}") for at in range(number)]


def _out(hour: int, count: int, cause: str, **evidence: Any) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "cause": {"source": SOURCE, "id": cause},
        "evidence": {"hour": f"{_at(hour)}:00+08:00", "used": count} | evidence,
    }


_SIGNED = signed("c", SINCE)
# Two hundred hours of 9 and 11 uses: 10 on average, with a deviation of 1.
_STEADY = [_SIGNED, *_hours(*[9, 11] * 100)]
_FEW = pack(detectors={"bulk-extraction": {"n": 4, "hours_min": 2}})

CASES = (
    *(
        Case(
            name=f"{count} uses, where 16 are the mean and six deviations",
            events=[*_STEADY, used("c", _at(200), count, id="u")],
            fires=[_out(200, count, "u", mean=10.0, deviation=1.0, hours=200, events=200)] if count > 16 else [],
        )
        for count in (15, 16, 17)
    ),
    *(
        Case(
            name=f"after {earlier} hours",
            events=[_SIGNED, *_hours(*([9, 11] * 101)[:earlier]), used("c", _at(earlier), 1000, id="u")],
            fires=[_out(earlier, 1000, "u", hours=earlier)] if earlier >= 200 else [],
        )
        for earlier in (199, 200, 201)
    ),
    *(
        Case(
            name=f"after {earlier} events in eight hours",
            events=[
                _SIGNED,
                *(use for hour in range(8) for use in _once(1 + hour % 2, hour, 25 if hour else earlier - 175)),
                used("c", _at(8), 1000, id="u"),
            ],
            fires=[_out(8, 1000, "u", hours=8, events=earlier)] if earlier >= 200 else [],
        )
        for earlier in (199, 200, 201)
    ),
    *(
        Case(
            name=f"after {earlier} events in a single hour",
            events=[_SIGNED, *_once(1, 0, earlier), used("c", _at(1), earlier + 1, id="u")],
            fires=[_out(1, earlier + 1, "u", hours=1, events=earlier)] if earlier >= 200 else [],
        )
        for earlier in (199, 200, 201)
    ),
    *(
        Case(
            name=f"after {hours} hours, each of 40 events, where a pack asks for eight",
            rules=pack(detectors={"bulk-extraction": {"hours_min": 8}}),
            events=[
                _SIGNED,
                *(use for hour in range(hours) for use in _once(1, hour, 40)),
                used("c", _at(hours), 1000, id="u"),
            ],
            fires=[_out(hours, 1000, "u", hours=hours, events=40 * hours)] if hours >= 8 else [],
        )
        for hours in (7, 8, 9)
    ),
    Case(
        name="the second hour, when a pack asks for none before it",
        rules=pack(detectors={"bulk-extraction": {"n": 0, "hours_min": 0}}),
        events=[_SIGNED, used("c", _at(0), 1), used("c", _at(1), 2, id="u")],
        fires=[_out(1, 2, "u")],
    ),
    Case(
        name="an hour is said once, at the use with which it first exceeds",
        events=[*_STEADY, *(used("c", _at(200, minute), 8, id=f"u{minute}") for minute in range(4))],
        fires=[_out(200, 24, "u2")],
    ),
    Case(
        name="each hour is held against those before it",
        events=[*_STEADY, used("c", _at(200), 17, id="u0"), used("c", _at(201), 16), used("c", _at(202), 19, id="u2")],
        fires=[_out(200, 17, "u0"), _out(202, 19, "u2", hours=202)],
    ),
    Case(
        name="an hour begins on the hour",
        events=[*_STEADY, used("c", f"{_at(200, 59)}:59.999999", 16), used("c", _at(201), 16)],
    ),
    Case(
        name="hours without uses are none",
        rules=_FEW,
        events=[_SIGNED, *(used("c", f"2025-0{month}-01", 10 + month % 2) for month in range(1, 9))],
    ),
    Case(
        name="a use that comes late counts in its hour",
        rules=_FEW,
        events=[_SIGNED, *_hours(9, 11, 9, 11, 10, 9), used("c", _at(4, 30), 7, id="late")],
        fires=[_out(4, 17, "late", mean=10.0, deviation=1.0, hours=4)],
    ),
    Case(
        name="a use that comes late makes an earlier hour",
        rules=pack(detectors={"bulk-extraction": {"n": 5, "hours_min": 2}}),
        events=[
            _SIGNED,
            *(used("c", _at(hour), 10, id=f"u{hour}") for hour in (0, 2, 3, 4, 5)),
            used("c", _at(1), 10, id="late"),
            used("c", _at(5, 1), 1, id="now"),
        ],
        fires=[_out(5, 11, "now", mean=10.0, deviation=0.0, hours=5)],
    ),
    *(
        Case(
            name=f"a use that comes {hours} hours late",
            rules=_FEW,
            events=[
                _SIGNED,
                *_hours(9, 11, 9, 11, 10),
                used("c", _at(4 + hours), 9),
                used("c", _at(4, 30), 7, id="late"),
            ],
            fires=[_out(4, 17, "late")] if hours <= 24 else [],
        )
        for hours in (23, 24, 25)
    ),
    *(
        Case(
            name=f"an hour that was said, at a use that comes {hours} hours late",
            rules=_FEW,
            events=[
                _SIGNED,
                *_hours(9, 11, 9, 11),
                used("c", _at(4), 17, id="u"),
                used("c", _at(4 + hours), 100, id="v"),
                used("c", _at(4, 30), 1, id="late"),
            ],
            fires=[_out(4, 17, "u"), _out(4 + hours, 100, "v")],
        )
        for hours in (23, 24, 25)
    ),
    Case(
        name="what was given back no longer counts",
        events=[
            *_STEADY,
            used("c", _at(200), 16, id="u"),
            event("usage.cancelled", "c", _at(200, 1), usage="u", uses=1),
            used("c", _at(200, 2), 1),
        ],
    ),
    Case(
        name="uses that are given back to an earlier hour",
        rules=_FEW,
        events=[
            _SIGNED,
            *_hours(9, 11, 9),
            used("c", _at(3), 1011, id="u"),
            event("usage.cancelled", "c", _at(4), usage="u", uses=1000),
            used("c", _at(4), 17, id="out"),
        ],
        fires=[_out(4, 17, "out", mean=10.0, deviation=1.0)],
    ),
    Case(
        name="an hour that was said stays so when uses are given back, and is not said again",
        events=[
            *_STEADY,
            used("c", _at(200), 17, id="u"),
            event("usage.cancelled", "c", _at(200, 1), usage="u", uses=17),
            used("c", _at(200, 2), 17),
        ],
        fires=[_out(200, 17, "u")],
    ),
    Case(
        name="reporters are not added up",
        events=[*_STEADY, *(used("c", _at(200), 15, reporter=reporter) for reporter in ("exchange", "provider"))],
    ),
    Case(
        name="what two reporters say of one hour is said once",
        rules=_FEW,
        events=[
            _SIGNED,
            *(use for reporter in ("exchange", "provider") for use in _hours(9, 11, 9, 11, reporter=reporter)),
            *(used("c", _at(4), 20, reporter=reporter, id=reporter) for reporter in ("exchange", "provider")),
        ],
        fires=[_out(4, 20, "exchange")],
    ),
    Case(
        name="an hour that was said long before a reporter begins with it",
        rules=_FEW,
        events=[
            _SIGNED,
            *_hours(9, 11, 9, 11),
            used("c", _at(4), 20, id="u"),
            used("c", _at(40), 100, id="v"),
            *_hours(9, 11, 9, 11, 20, reporter="provider"),
        ],
        fires=[_out(4, 20, "u"), _out(40, 100, "v")],
    ),
    Case(
        name="uses that waited for their terms",
        rules=_FEW,
        events=[*_hours(9, 11, 9, 11), used("c", _at(4), 17, id="u"), _SIGNED],
        fires=[_out(4, 17, "u")],
    ),
    Case(
        name="numbers that no register holds",
        rules=_FEW,
        events=[_SIGNED, *_hours(*[2**53 - 1] * 4), used("c", _at(4), 2**53 - 1), used("c", _at(4, 1), 1, id="u")],
        fires=[_out(4, 2**53, "u")],
    ),
    *(
        Case(
            name=f"a fraction of a deviation: {count}",
            rules=pack(detectors={"bulk-extraction": {"n": 4, "k": 2.5, "hours_min": 2}}),
            events=[_SIGNED, *_hours(8, 12, 8, 12), used("c", _at(4), count, id="u")],
            fires=[_out(4, count, "u")] if count > 15 else [],
        )
        for count in (15, 16)
    ),
)

"""A source that said it was alive, or that owes events, says nothing more.

Why it matters: while an exchange's feed is silent nobody watches its trades, and what is not seen cannot be found
(Beijing Digital Economy Promotion Regulations 22: data transactions are to be traceable as a whole).

False positives: a source that was switched off for good; have it say so. Network trouble ends by itself: the next
heartbeat clears the finding. A source whose `heartbeat_seconds` are fewer than its business needs on a quiet night.

What to do: ask the source. When it is back, look at `feed-gap` for what is still missing.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import SECOND, format_instant
from circulation.events.names import SOURCE_HEARTBEAT
from circulation.examples import Case, Json, event, pack, used
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Parameter, Rule, Sum
from circulation.words import many


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The source."""
    yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """What is said of the newest heartbeat stands once the clock is past the seconds that it gives.

    Of a source that owes events its newest event counts, of whatever kind, and the seconds that its settings name.
    """
    beat = acts[-1].time if acts else None
    if (heard := facts.heard(scope)) is not None:
        newest, seconds = heard.newest if beat is None else max(beat, heard.newest), heard.seconds
    elif beat is not None:
        newest, seconds = beat, facts.parameters(beat)["seconds"]
    else:
        return []
    deadline = newest + seconds * SECOND
    return [
        Said(
            severity=RULE.severity,
            about=About("source", scope),
            party=None,
            occurred=deadline,
            summary=f"{scope} was last heard at {format_instant(newest)}, and not within {many(seconds, 'second')}.",
            summary_zh=f"{scope} 最近一次报送于 {format_instant(newest)}，此后 {seconds:,} 秒内没有报送。",
            evidence={"newest": format_instant(newest), "seconds": seconds},
            apart=(str(newest),),
            due=deadline,
        )
    ]


RULE = Rule(
    id="feed-silence",
    title="A source is silent",
    title_zh="报送方静默",
    about="source",
    severity="yellow",
    articles=("北京市数字经济促进条例 22",),
    parameters={
        "seconds": Parameter(
            300, "seconds without a heartbeat after which a source is taken for silent, where it owes none"
        )
    },
    sum=Sum(due=True, acts=frozenset({SOURCE_HEARTBEAT}), scopes=scopes, judge=judge, needs=frozenset({"heard"})),
)


def _beat(time: str) -> Json:
    return event("source.heartbeat", "//exchange.example", time)


_RULES = pack()
_SILENT: Json = {
    "severity": "yellow",
    "about": {"kind": "source", "id": "//exchange.example"},
    "occurred": "2025-02-01T08:05:00+08:00",
    "evidence": {"newest": "2025-02-01T08:00:00+08:00", "seconds": 300},
}
_FIRST = _beat("2025-02-01T08:00:00")
_USE = used("c", "2025-02-01T08:00:00")


def _owing(newest: str, deadline: str) -> Json:
    return _SILENT | {
        "occurred": f"2025-02-01T{deadline}+08:00",
        "evidence": {"newest": f"2025-02-01T{newest}+08:00", "seconds": 60},
    }


CASES = (
    Case(name="before the seconds are over", rules=_RULES, events=[_FIRST], until="2025-02-01T08:04:59.999999+08:00"),
    Case(name="when they are over", rules=_RULES, events=[_FIRST], until="2025-02-01T08:05:00+08:00"),
    Case(name="past them", rules=_RULES, events=[_FIRST], until="2025-02-01T08:05:00.000001+08:00", fires=[_SILENT]),
    Case(
        name="the next heartbeat clears it",
        rules=_RULES,
        events=[_FIRST, _beat("2025-02-01T08:10:00")],
        until="2025-02-01T08:15:00+08:00",
    ),
    Case(
        name="a heartbeat of before changes nothing",
        rules=_RULES,
        events=[_FIRST, _beat("2025-02-01T07:59:00")],
        until="2025-02-01T09:00:00+08:00",
        fires=[_SILENT],
    ),
    *(
        Case(
            name=f"a source that owes events within a minute, {name}",
            rules=_RULES,
            events=[_USE, *more],
            until=f"2025-02-01T{until}+08:00",
            owed={_SILENT["about"]["id"]: 60},
            fires=fires,
        )
        for name, more, until, fires in (
            ("when it is over", [], "08:01:00", []),
            ("past it", [], "08:01:00.000001", [_owing("08:00:00", "08:01:00")]),
            ("of which a heartbeat came", [_beat("2025-02-01T08:00:30")], "08:01:30", []),
            (
                "past the one after a heartbeat",
                [_beat("2025-02-01T08:00:30")],
                "08:01:30.000001",
                [_owing("08:00:30", "08:01:30")],
            ),
            (
                "of which a heartbeat came before",
                [_beat("2025-02-01T07:59:59")],
                "08:01:00.000001",
                [_owing("08:00:00", "08:01:00")],
            ),
        )
    ),
    Case(
        name="a source that owes none and sends uses alone",
        rules=_RULES,
        events=[_USE],
        until="2025-02-02",
    ),
    Case(
        name="a pack that is more patient",
        rules=pack(detectors={"feed-silence": {"mode": "enforce", "seconds": 3600}}),
        events=[_FIRST],
        until="2025-02-01T09:00:00+08:00",
    ),
)

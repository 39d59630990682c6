"""An asset is graded below what it was made of, or stated below its own grade.

Why it matters: what is derived keeps the highest grade of its inputs until somebody approves a lower one; else a copy
would free important or sensitive data of its duties (GB/T 43697-2024: of several grades the highest). The same holds
of the asset's own grade: a registration or a grading that nobody approved does not lower it, and says that it tried.

False positives: an approved grading that was not reported; the finding is cleared when it arrives. A derivation whose
document of irreversibility was left out. A source that sends its whole register again with grades of before.

What to do: have the asset graded anew and the grading approved, and stop its trade until then.

An approval counts from the derivation, or the statement, on and as far down as it goes: one for `important` does not
allow `general`. What is not graded yet is another rule's.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from circulation.calendar import format_instant
from circulation.events.names import ASSET_DERIVED, ASSET_GRADED, ASSET_REGISTERED
from circulation.examples import OWNER, SOURCE, Case, Json, asset, derived, event, pack, retracted
from circulation.facts.acts import NEVER, Act, order
from circulation.facts.facts import Facts
from circulation.facts.grades import CLASSES, LEVELS, UNSTATED, Grade, is_approved, stated
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.lineage import Inputs
from circulation.rules import Rule, Sum, over
from circulation.words import FACT, LEVEL, PERSONAL, zh

MEMBERS = (("level", LEVELS), ("personal", CLASSES))

# The instant of the act before, the instant that was looked at before, and the bars of the asset then.
_AT, _SEEN, _BARS = "at", "seen", "bars"
# Which source was told of for stating what, since it was approved last.
_TOLD = "told"


class _Bar(NamedTuple):
    """What an input must rank above, and have come after, for the asset to be below it in a member.

    `approved` is the time of the latest approved grading as low as the asset's.
    """

    rank: int
    approved: int


class _Input(NamedTuple):
    """An input: since when it is one, and how it ranks in each of `MEMBERS`; -1 where it is not graded.

    What had another name counts as it was `then`, which is `NEVER` of all else.
    """

    since: int
    ranks: tuple[int, ...]
    then: int


class _Lower(NamedTuple):
    """An input that is graded above the asset, and since when it is one."""

    input: str
    member: str
    given: str
    above: str
    since: int


# Nothing ranks above the first.
_NO_BARS = tuple(_Bar(len(ranks), NEVER) for _, ranks in MEMBERS)


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The asset."""
    yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Looks at each statement about the asset: one that puts it below an input says so, once until it is mended.

    A run's derivation is no act of its own: those since the act before are looked at, and those that are yet to come,
    which the next act looks at again.

    The ledger has the inputs by name, and in the order of their `since` by how they rank. So an instant costs what has
    changed by then, and not what is known.
    """
    yield from _states_less(ledger, scope, act, facts)
    at = ledger.get(_AT)
    if at == act.time:
        return
    inputs = facts.inputs(scope)
    for instant in _instants(inputs, -NEVER if at is None else at, act.time - 1):
        _keep(ledger, instant, _look(ledger, scope, instant, None, facts))
    _keep(ledger, act.time, _look(ledger, scope, act.time, act, facts))
    ledger[_AT] = act.time
    if inputs.untold > act.time:
        mark = ledger.mark
        instants = _instants(inputs, act.time, NEVER)
        ahead = [(instant, _look(ledger, scope, instant, None, facts)) for instant in instants]
        ledger.back(mark)
        for instant, finding in ahead:
            _keep(ledger, instant, finding)


def _states_less(ledger: Ledger, asset_: str, act: Act, facts: Facts) -> Iterator[Said]:
    """Says of a statement that states less than what is in force, once for each source and what it states."""
    if act.type == ASSET_DERIVED or is_approved(act):
        return
    known, claimed = facts.asset(asset_), stated(act.data)
    held = known.grades.before(act)
    if held is None or not claimed.is_less(held) or known.grades.approves(claimed, act.time):
        return
    key = (_TOLD, act.source, claimed)
    if key in ledger:
        return
    ledger[key] = True
    registered = known.registration(act.time)
    yield Said(
        severity=RULE.severity,
        about=About("asset", asset_),
        party=None if registered is None else registered.owner,
        occurred=act.time,
        cause=act.cause,
        # What the same act puts the asset below is another finding.
        apart=("stated",),
        summary=(
            f"{act.source} states that {asset_} is {_named(claimed)} at {format_instant(act.time)}, when it is"
            f" {_named(held)}, without an approved grading."
        ),
        summary_zh=(
            f"{act.source} 于 {format_instant(act.time)} 称 {asset_} 的级别为{_named_zh(claimed)}，"
            f"而其当时为{_named_zh(held)}，且未经批准分级。"
        ),
        evidence={
            "source": act.source,
            "stated": {"level": claimed.level, "personal": claimed.personal},
            "in_force": {"level": held.level, "personal": held.personal},
            "at": format_instant(act.time),
        },
        asset=asset_,
    )


def _named(grade: Grade) -> str:
    return f"{grade.level} ({grade.personal})"


def _named_zh(grade: Grade) -> str:
    return f"{zh(LEVEL, grade.level)}（{zh(PERSONAL, grade.personal)}）"


def _instants(inputs: Inputs, after: int, until: int) -> list[int]:
    return list(dict.fromkeys(edge.time for edge in inputs.edges(after, until)))


def _keep(ledger: Ledger, instant: int, finding: Said | None) -> None:
    if finding is None:
        ledger.drop(str(instant))
    else:
        ledger.keep(str(instant), finding)


def _look(ledger: Ledger, asset_: str, instant: int, act: Act | None, facts: Facts) -> Said | None:
    """Goes on to an instant; answers with what is to be said of it: what the asset is below that it was not before."""
    changed = _take_in(ledger, asset_, instant, facts)
    before: tuple[_Bar, ...] = ledger.get(_BARS, _NO_BARS)
    bars = _bars(asset_, instant, facts)
    if bars != before:
        ledger[_BARS] = bars
    new: list[_Lower] = []
    for at, (member, ranks) in enumerate(MEMBERS):
        bar, old_bar = bars[at], before[at]
        names = list(ranks)
        for input_, old in changed.items():
            now: _Input = ledger.get(_key(input_))
            if _above(now, at, bar) and not (old is not None and _above(old, at, old_bar)):
                new.append(_Lower(input_, member, names[bar.rank], names[now.ranks[at]], now.since))
        # Of the others only another bar makes a difference.
        for rank in range(bar.rank + 1, len(ranks)) if bar != old_bar else ():
            until = old_bar.approved if rank > old_bar.rank else NEVER
            for since, input_ in _since(ledger.list((member, rank)), bar.approved, until):
                if input_ not in changed:
                    new.append(_Lower(input_, member, names[bar.rank], names[rank], since))
    # A stable sort: the members of one input stay in their order.
    new.sort(key=lambda lower: lower.input)
    return _said(asset_, instant, act, new, facts) if new else None


def _above(input_: _Input, at: int, bar: _Bar) -> bool:
    return input_.ranks[at] > bar.rank and input_.since > bar.approved


def _since(inputs: Sequence[tuple[int, str]], after: int, until: int) -> Sequence[tuple[int, str]]:
    """Of inputs in the order of their `since` those of which it is later than an instant, and not after another."""
    begin, end = (bisect_right(inputs, instant, key=_first) for instant in (after, until))
    return inputs[begin:end]


def _first(pair: tuple[int, str]) -> int:
    return pair[0]


def _key(input_: str) -> tuple[str, str]:
    return "input", input_


def _take_in(ledger: Ledger, asset_: str, instant: int, facts: Facts) -> dict[str, _Input | None]:
    """Has the ledger know the inputs as they are at an instant; answers with those that changed, as they were."""
    seen = ledger.get(_SEEN, -NEVER)
    ledger[_SEEN] = instant
    inputs = facts.inputs(asset_)
    begun: dict[str, tuple[int, int]] = {}
    for edge in inputs.edges(seen, instant):
        then = NEVER if edge.then is None else edge.then
        known: _Input | None = ledger.get(_key(edge.input))
        if not edge.stops and (known is None or known.then < then):
            since, before = begun.get(edge.input, (edge.time, then))
            begun[edge.input] = since, max(before, then)
    again = [input_ for input_ in inputs.stated(seen, instant) if _key(input_) in ledger]
    changed: dict[str, _Input | None] = {}
    for input_ in dict.fromkeys([*begun, *again]):
        old: _Input | None = ledger.get(_key(input_))
        since, then = begun.get(input_, (NEVER, -NEVER))
        if old is not None:
            since, then = old.since, max(old.then, then)
        now = _Input(since, _ranks(facts.asset(input_).grade(min(instant, then))), then)
        if now == old:
            continue
        changed[input_] = old
        ledger[_key(input_)] = now
        for at, (member, _) in enumerate(MEMBERS):
            # What ranks lowest, or not at all, is above nothing.
            if old is not None and old.ranks[at] > 0:
                ledger.discard((member, old.ranks[at]), (old.since, input_))
            if now.ranks[at] > 0:
                ledger.add((member, now.ranks[at]), (now.since, input_))
    return changed


def _ranks(grade: Grade | None) -> tuple[int, ...]:
    """How an asset ranks in each member: neither what is not registered nor what is not graded has a rank."""
    if grade is None:
        return (UNSTATED,) * len(MEMBERS)
    return grade.ranks


def _bars(asset_: str, instant: int, facts: Facts) -> tuple[_Bar, ...]:
    known = facts.asset(asset_)
    ranked = zip(_ranks(known.grade(instant)), MEMBERS, _NO_BARS, strict=True)
    return tuple(
        _Bar(rank, known.approved(member, list(ranks)[: rank + 1])) if rank >= 0 else no_bar
        for rank, (member, ranks), no_bar in ranked
    )


def reaches(act: Act, facts: Facts) -> int:
    """An approved grading holds for all that was derived, or stated, since an earlier one as low, and for nothing
    before that."""
    if not is_approved(act):
        return act.time
    for statement in reversed(facts.asset(act.subject).grades.statements):
        if (
            order(statement) < order(act)
            and is_approved(statement)
            and _as_low(stated(statement.data), stated(act.data))
        ):
            return min(statement.time + 1, act.time)
    return -NEVER


def _as_low(grade: Grade, reference: Grade) -> bool:
    """Whether what clears as far as the other grade is cleared by the one, too."""
    pairs = zip(grade.ranks, reference.ranks, strict=True)
    return all(
        rank == reference_rank if reference_rank == UNSTATED else UNSTATED < rank <= reference_rank
        for rank, reference_rank in pairs
    )


def _word(member: str, value: str) -> str:
    return zh(LEVEL if member == "level" else PERSONAL, value)


def _said(asset_: str, instant: int, act: Act | None, lower: Sequence[_Lower], facts: Facts) -> Said:
    registered = facts.asset(asset_).registration(instant)
    worst = lower[0]
    fact = "level" if worst.member == "level" else "personal data"
    fact_zh = zh(FACT, worst.member)
    more = f", and {len(lower) - 1:,} more" if len(lower) > 1 else ""
    more_zh = f"（另有 {len(lower) - 1:,} 项）" if len(lower) > 1 else ""
    return Said(
        severity=RULE.severity,
        about=About("asset", asset_),
        party=None if registered is None else registered.owner,
        occurred=instant,
        cause=None if act is None else act.cause,
        apart=() if act is not None else (str(instant),),
        summary=(
            f"{asset_} ({fact}: {worst.given}) was derived from {worst.input} ({fact}: {worst.above}) at"
            f" {format_instant(worst.since)}{more}, without an approved grading since."
        ),
        summary_zh=(
            f"{asset_}（{fact_zh}：{_word(worst.member, worst.given)}）于 {format_instant(worst.since)} 由"
            f" {worst.input}（{fact_zh}：{_word(worst.member, worst.above)}）衍生{more_zh}，此后未经批准分级。"
        ),
        evidence={
            "since": format_instant(worst.since),
            "more": len(lower) - 1,
            "lower": [
                {"input": row.input, "member": row.member, "given": row.given, "above": row.above} for row in lower
            ],
        },
        asset=asset_,
    )


RULE = Rule(
    id="grade-laundering",
    title="Graded below what it was made of",
    title_zh="级别低于其来源或此前的级别",
    about="asset",
    severity="red",
    articles=("GB/T 43697-2024", "数据安全法 21"),
    sum=Sum(
        acts=frozenset({ASSET_REGISTERED, ASSET_GRADED, ASSET_DERIVED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        reaches=reaches,
        needs=frozenset({"asset", "inputs"}),
    ),
)


def _laundered(member: str = "level", claim: str = "general", above: str = "important", **more: object) -> Json:
    lower = [{"input": "b", "member": member, "given": claim, "above": above}]
    return {
        "severity": "red",
        "about": {"kind": "asset", "id": "a"},
        "party": OWNER,
        "evidence": {"lower": lower},
        **more,
    }


def _graded(
    time: str,
    level: str = "general",
    approved_by: str | None = "an office",
    asset_: str = "a",
    personal: str = "none",
    source: str = SOURCE,
) -> Json:
    data: Json = {"level": level, "personal": personal, "reason": "review", "approved_by": approved_by}
    return event("asset.graded", asset_, time, source=source, **data)


def _less(
    occurred: str = "2025-02-01T00:00:00+08:00", level: str = "general", personal: str = "none", **more: object
) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "asset", "id": "a"},
        "party": OWNER,
        "occurred": occurred,
        "evidence": {"stated": {"level": level, "personal": personal}},
        **more,
    }


_RULES, _DAY = pack(), "2025-02-01"
_A, _HIGH, _MADE = asset("a"), asset("b", level="important"), derived("a", _DAY, "b", id="made")

CASES = (
    *(
        Case(
            name=f"{claim} made of {above}",
            rules=_RULES,
            events=[asset("a", level=claim), asset("b", level=above), _MADE],
            fires=fires,
        )
        for claim, above, fires in (
            ("general", "general", []),
            ("general", "important", [_laundered(cause={"source": "//exchange.example", "id": "made"})]),
            ("important", "important", []),
            ("important", "core", [_laundered(claim="important", above="core")]),
            ("ungraded", "core", []),
            ("general", "ungraded", []),
        )
    ),
    *(
        Case(
            name=f"the class {claim} made of {above}",
            rules=_RULES,
            events=[asset("a", personal=claim), asset("b", personal=above), _MADE],
            fires=[] if claim == above else [_laundered("personal", claim, above)],
        )
        for claim, above in (("personal", "personal"), ("personal", "sensitive"), ("none", "minor"))
    ),
    *(
        Case(name=f"a grading {name}", rules=_RULES, events=[_A, _HIGH, _MADE, grading], fires=fires)
        for name, grading, fires in (
            ("approved after the derivation", _graded("2025-02-02"), []),
            ("approved at the derivation", _graded(_DAY), []),
            ("approved just before", _graded("2025-01-31T23:59:59.999999"), [_laundered()]),
            ("that nobody approved", _graded("2025-02-02", approved_by=None), [_laundered()]),
            ("approved for another level", _graded("2025-02-02", level="important"), [_laundered()]),
        )
    ),
    Case(
        name="a grading approved after one that approves no level",
        rules=_RULES,
        events=[_A, _HIGH, _MADE, _graded("2025-02-02", "ungraded"), _graded("2025-02-03")],
    ),
    Case(
        name="a derivation that stops",
        rules=_RULES,
        events=[
            _A,
            _HIGH,
            derived("a", _DAY, "b", process="anonymise", irreversible=True, evidence="document-1"),
        ],
    ),
    Case(
        name="an input that was graded up later changes later statements only",
        rules=_RULES,
        events=[_A, asset("b"), _MADE, _graded("2025-02-02", level="important", asset_="b")],
    ),
    Case(
        name="an asset that nobody may grade down later, and so is not below its input",
        rules=_RULES,
        events=[asset("a", level="important"), _HIGH, _MADE, _graded("2025-03-01", approved_by=None)],
        fires=[_less("2025-03-01T00:00:00+08:00")],
    ),
    Case(
        name="an asset that states less at the instant at which it is below its input",
        rules=_RULES,
        events=[
            asset("a", level="important"),
            asset("b", level="core"),
            derived("a", _DAY, "b"),
            _graded(_DAY, approved_by=None),
        ],
        fires=[_laundered(claim="important", above="core"), _less()],
    ),
    Case(
        name="a derivation that was taken back",
        rules=_RULES,
        events=[_A, _HIGH, _MADE, retracted(_MADE, "2025-02-02")],
    ),
    *(
        Case(
            name=f"{count} that are higher",
            rules=_RULES,
            events=[_A, *(asset(asset_, level="important") for asset_ in higher), derived("a", _DAY, *higher)],
            fires=[
                {
                    "severity": "red",
                    "summary": "a (level: general) was derived from b (level: important) at 2025-02-01T00:00:00+08:00"
                    f"{more}, without an approved grading since.",
                    "summary_zh": "a（级别：一般）于 2025-02-01T00:00:00+08:00 由 b（级别：重要）衍生"
                    f"{more_zh}，此后未经批准分级。",
                }
            ],
        )
        for count, higher, more, more_zh in (
            ("one input", ("b",), "", ""),
            ("two inputs", ("b", "d"), ", and 1 more", "（另有 1 项）"),
            ("three inputs", ("b", "d", "e"), ", and 2 more", "（另有 2 项）"),
        )
    ),
    *(
        Case(name=f"{name} states {label}", rules=_RULES, events=[asset("a", level=before), statement], fires=fires)
        for label, before, level, fires in (
            ("less", "core", "important", [_less(level="important")]),
            ("the same", "important", "important", []),
            ("more", "general", "important", []),
            ("nothing", "core", "ungraded", []),
            ("what nobody stated before", "ungraded", "general", []),
        )
        for name, statement in (
            ("a registration", asset("a", _DAY, level=level)),
            ("a grading that nobody approved", _graded(_DAY, level, None)),
        )
    ),
    Case(name="an approved grading states less", rules=_RULES, events=[asset("a", level="core"), _graded(_DAY)]),
    Case(
        name="less of persons, and more in level",
        rules=_RULES,
        events=[asset("a", personal="sensitive"), asset("a", _DAY, level="core", personal="personal")],
        fires=[_less(level="core", personal="personal")],
    ),
    Case(
        name="less than an approved grading",
        rules=_RULES,
        events=[asset("a"), _graded("2025-01-10", "core"), asset("a", _DAY)],
        fires=[_less(cause={"source": "//exchange.example", "id": asset("a", _DAY)["id"]})],
    ),
    Case(
        name="as much as an approved grading that is lower than what was stated before",
        rules=_RULES,
        events=[asset("a", level="core"), _graded("2025-01-10", "important"), asset("a", _DAY, level="important")],
    ),
    *(
        Case(
            name=f"stated less, and {name}",
            rules=_RULES,
            events=[asset("a", level="core"), asset("a", _DAY, level="important"), *more],
            fires=fires,
        )
        for name, more, fires in (
            ("the same again", [asset("a", "2025-02-02", level="important")], [_less(level="important")]),
            (
                "still less",
                [asset("a", "2025-02-02")],
                [_less(level="important"), _less("2025-02-02T00:00:00+08:00")],
            ),
            (
                "so does another source",
                [_graded("2025-02-02", "important", None, source="//elsewhere.example")],
                [_less(level="important"), _less("2025-02-02T00:00:00+08:00", level="important")],
            ),
            ("approved at once", [_graded(_DAY, "important")], []),
            ("approved just before", [_graded("2025-01-31T23:59:59.999999", "core")], [_less(level="important")]),
            ("approved later", [_graded("2025-06-01", "important")], []),
            ("approved as still less", [_graded("2025-06-01")], []),
            ("approved as more", [_graded("2025-06-01", "core")], [_less(level="important")]),
            ("approved with more of persons", [_graded("2025-06-01", personal="personal")], [_less(level="important")]),
            ("graded by nobody", [_graded("2025-06-01", "important", None)], [_less(level="important")]),
            (
                "approved, raised and stated less again",
                [
                    _graded("2025-03-01", "important"),
                    asset("a", "2025-04-01", level="core"),
                    asset("a", "2025-05-01", level="important"),
                ],
                [_less("2025-05-01T00:00:00+08:00", level="important")],
            ),
        )
    ),
    Case(
        name="a statement that came late makes less of the one after it",
        rules=_RULES,
        events=[asset("a", "2025-01-10", level="core"), asset("a", _DAY), asset("a", "2025-01-20", level="core")],
        fires=[_less()],
    ),
    Case(name="an input of which nothing is known", rules=_RULES, events=[_A, _MADE]),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_HIGH, _MADE]),
)

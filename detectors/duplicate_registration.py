"""An asset is registered that is there already under another id.

Why it matters: first registrations and first listings are rewarded, and one set of data that is registered again under
a new id is rewarded twice (Beijing's opinion of 2023-06-20, article 23).

False positives: issues of a series with the same fields, or assets that hold one file for good reasons; the finding is
yellow, for the registrar to look at.

What to do: compare the two; have the later registration withdrawn, and what was paid for it returned.

Alike are assets with one `digest`, whoever owns them, and assets of one owner whose `fields` have so much in common
(Jaccard: what both have of what either has). A statement that changes neither says nothing anew.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from circulation.cases import OWNER, SELLER, THIRD, Case, Json, asset, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.money import exact
from circulation.rules import Parameter, Rule, Sum

REGISTERED = "circulation.asset.registered"
DIGEST, FIELDS = "digest", "fields"
SEPARATOR = "\x1f"


class _Stated(NamedTuple):
    """What an asset's registration says that another may be like."""

    fields: frozenset[str]
    digest: str | None


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The digests and the owners that were ever stated of the asset: what it is no longer must be seen there."""
    stated = facts.asset(act.subject).registrations()
    yield from sorted({SEPARATOR.join((DIGEST, one.digest)) for one in stated if one.digest})
    yield from sorted({SEPARATOR.join((FIELDS, one.owner)) for one in stated if one.fields})


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds each registration against what other assets are by then."""
    by, value = scope.split(SEPARATOR)
    return _same_digest(value, acts) if by == DIGEST else _same_fields(value, acts, facts)


def _same_digest(digest: str, acts: Sequence[Act]) -> list[Said]:
    bearing: dict[str, None] = {}
    seen: set[str] = set()
    found = []
    for act in acts:
        if act.data.digest != digest:
            bearing.pop(act.subject, None)
            continue
        other = next((one for one in bearing if one != act.subject), None)
        if other is not None and act.subject not in seen:
            found.append(_said(act, other, DIGEST, Fraction(1)))
        seen.add(act.subject)
        bearing.setdefault(act.subject)
    return found


def _same_fields(owner: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    stated: dict[str, _Stated] = {}
    # By a field that both must have (of sets that are nearly the same, some of the first few in any fixed order are
    # in both), so that an owner of many assets does not compare each with each.
    by_field: dict[str, dict[str, None]] = {}
    indexed: Fraction | None = None
    said: set[tuple[str, frozenset[str]]] = set()
    found = []
    for act in acts:
        stated.pop(act.subject, None)
        if act.data.owner != owner or not act.data.fields:
            continue
        mine = _Stated(frozenset(act.data.fields), act.data.digest)
        least = exact(facts.parameters(act.time)["jaccard"])
        if indexed is not None and least < indexed:
            by_field = {}
            for one, theirs in stated.items():
                _index(by_field, one, theirs, least)
        indexed = least if indexed is None else min(indexed, least)
        for other in {one: None for name in sorted(mine.fields) for one in by_field.get(name, ())}:
            common = _common(mine, stated.get(other))
            if other != act.subject and common >= least:
                if (act.subject, mine.fields) not in said:
                    found.append(_said(act, other, FIELDS, common))
                break
        said.add((act.subject, mine.fields))
        stated[act.subject] = mine
        _index(by_field, act.subject, mine, indexed)
    return found


def _common(mine: _Stated, theirs: _Stated | None) -> Fraction:
    """What part of their fields both have; none where the other is no longer there, or has the same digest."""
    if theirs is None or (mine.digest is not None and mine.digest == theirs.digest):
        return Fraction(-1)
    return Fraction(len(mine.fields & theirs.fields), len(mine.fields | theirs.fields))


def _index(by_field: dict[str, dict[str, None]], asset_: str, stated: _Stated, least: Fraction) -> None:
    for name in _prefix(stated.fields, least):
        by_field.setdefault(name, {})[asset_] = None


def _prefix(fields: frozenset[str], least: Fraction) -> list[str]:
    """The fields by which a set is found: any set with so much in common has at least one of them."""
    # Whoever is alike lacks at most this many of them.
    lacking = int(len(fields) * (1 - least)) if least > 0 else len(fields)
    return sorted(fields)[: lacking + 1]


def _said(act: Act, other: str, by: str, common: Fraction) -> Said:
    share = f"{float(common * 100):.4g} % of their fields in common and the same owner"
    how = "the same digest" if by == DIGEST else share
    return Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=act.data.owner,
        occurred=act.time,
        cause=act.cause,
        apart=(by,),
        summary=f"{act.subject} was registered, and has {how} as {other}, which was there before.",
        evidence={"by": by, "other": other, "jaccard": round(float(common), 6)},
        asset=act.subject,
    )


RULE = Rule(
    id="duplicate-registration",
    title="Registered again under another id",
    about="asset",
    severity="yellow",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23",),
    parameters={"jaccard": Parameter(0.9, "share of common fields from which on assets are alike; less finds more")},
    sum=Sum(acts=frozenset({REGISTERED}), scopes=scopes, judge=judge, needs=frozenset({"asset"})),
)

_RULES = pack()
_TEN = [f"f{at}" for at in range(10)]


def _registered(
    asset_: str, time: str, fields: Sequence[str] | None = None, digest: str | None = None, **data: object
) -> Json:
    return asset(asset_, time, fields=fields, digest=digest, **data)


def _alike(by: str = FIELDS, asset_: str = "b", other: str = "a", owner: str = OWNER) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": asset_},
        "party": owner,
        "evidence": {"by": by, "other": other},
    }


_A, _LATER = _registered("a", "2025-01-02", _TEN), "2025-01-03"

CASES = (
    *(
        Case(name=f"{name} fields in common", rules=_RULES, events=[_A, _registered("b", _LATER, fields)], fires=fires)
        for name, fields, fires in (
            ("9 of 11", [*_TEN[:9], "x"], []),
            ("9 of 10", _TEN[:9], [_alike()]),
            ("9 of 10, without the first in order,", _TEN[1:], [_alike()]),
            ("10 of 11", [*_TEN, "a0"], [_alike()]),
            ("10 of 12", [*_TEN, "a0", "a1"], []),
            ("10 of 10", list(reversed(_TEN)), [_alike()]),
        )
    ),
    Case(name="another owner", rules=_RULES, events=[_A, _registered("b", _LATER, _TEN, owner=SELLER)]),
    Case(name="no fields", rules=_RULES, events=[_registered("a", "2025-01-02"), _registered("b", _LATER, [])]),
    Case(
        name="the same digest, of another owner",
        rules=_RULES,
        events=[_registered("a", "2025-01-02", digest="d"), _registered("b", _LATER, digest="d", owner=SELLER)],
        fires=[_alike(DIGEST, owner=SELLER)],
    ),
    Case(
        name="another digest",
        rules=_RULES,
        events=[_registered("a", "2025-01-02", digest="d"), _registered("b", _LATER, digest="e")],
    ),
    Case(
        name="the same digest and the same fields are one finding",
        rules=_RULES,
        events=[_registered("a", "2025-01-02", _TEN, "d"), _registered("b", _LATER, _TEN, "d")],
        fires=[_alike(DIGEST)],
    ),
    Case(
        name="the same asset again",
        rules=_RULES,
        events=[_registered("a", "2025-01-02", _TEN, "d"), _registered("a", _LATER, _TEN, "d")],
    ),
    Case(
        name="the same duplicate again",
        rules=_RULES,
        events=[_A, _registered("b", _LATER, _TEN), _registered("b", "2025-01-04", _TEN)],
        fires=[_alike()],
    ),
    Case(
        name="the later of the two, whichever came first",
        rules=_RULES,
        events=[_registered("b", _LATER, _TEN), _A],
        fires=[_alike()],
    ),
    Case(
        name="an asset that has another digest by then",
        rules=_RULES,
        events=[
            asset("b", "2025-01-02", digest="d", fields=None),
            asset("b", "2025-01-03", digest="e", fields=None),
            asset("a", "2025-01-04", digest="d", fields=None),
        ],
    ),
    Case(
        name="an asset that has other fields by then",
        rules=_RULES,
        events=[asset("b", "2025-01-02"), asset("b", "2025-01-03", fields=["other"]), asset("a", "2025-01-04")],
    ),
    Case(
        name="an asset that another one owns by then",
        rules=_RULES,
        events=[asset("b", "2025-01-02"), asset("b", "2025-01-03", owner=THIRD), asset("a", "2025-01-04")],
    ),
    Case(
        name="an earlier registration that was taken back",
        rules=_RULES,
        events=[_A, retracted(_A, _LATER), _registered("b", _LATER, _TEN)],
    ),
    Case(
        name="another share of the pack",
        rules=pack(detectors={"duplicate-registration": {"jaccard": 0.5}}),
        events=[_A, _registered("b", _LATER, _TEN[:5])],
        fires=[_alike()],
    ),
)

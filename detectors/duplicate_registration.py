"""An asset is registered that is there already under another id.

Why it matters: first registrations and first listings are rewarded, and one set of data that is registered again under
a new id is rewarded twice (Beijing's opinion of 2023-06-20, article 23).

False positives: issues of a series with the same fields, or assets that hold one file for good reasons; the finding is
yellow, for the registrar to look at.

What to do: compare the two; have the later registration withdrawn, and what was paid for it returned.

Alike are assets with one `digest`, whoever owns them, and assets of one owner whose `fields` have so much in common
(Jaccard: what both have of what either has). A statement that changes neither says nothing anew.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    mine = [act for act in acts if act.data.owner == owner and act.data.fields]
    often = Counter(name for act in mine for name in {*act.data.fields})
    index = _Index(often, min((_least(act, facts) for act in mine), default=Fraction(1)))
    said: set[tuple[str, frozenset[str]]] = set()
    found = []
    for at, act in enumerate(acts):
        index.remove(act.subject)
        if act.data.owner != owner or not act.data.fields:
            continue
        stated = _Stated(frozenset(act.data.fields), act.data.digest)
        other = index.earliest(stated, _least(act, facts))
        if other is not None and (act.subject, stated.fields) not in said:
            found.append(_said(act, *other))
        said.add((act.subject, stated.fields))
        index.add(act.subject, stated, at)
    return found


def _least(act: Act, facts: Facts) -> Fraction:
    return exact(facts.parameters(act.time)["jaccard"])


class _Index:
    """What an owner's assets state, so that one of many is not compared with each.

    Of sets that have much in common some of the first few in any fixed order are in both; the order is that of how
    seldom a field is met, since what all assets have tells nothing. Assets that state the same are compared once.
    """

    def __init__(self, often: Mapping[str, int], least: Fraction) -> None:
        self._often = often
        self._least = least
        self._stated: dict[str, _Stated] = {}
        # With the place of the registration, so that the first of these assets is the earliest.
        self._alike: dict[_Stated, dict[str, int]] = {}
        self._by_field: dict[str, dict[_Stated, None]] = {}

    def _first_fields(self, stated: _Stated) -> list[str]:
        """The fields by which it is found: any set with so much in common has at least one of them."""
        # Whoever is alike lacks at most this many of them.
        lacking = int(len(stated.fields) * (1 - self._least)) if self._least > 0 else len(stated.fields)
        return sorted(stated.fields, key=lambda name: (self._often[name], name))[: lacking + 1]

    def add(self, asset_: str, stated: _Stated, at: int) -> None:
        """From now on an asset states this."""
        self._stated[asset_] = stated
        self._alike.setdefault(stated, {})[asset_] = at
        for name in self._first_fields(stated):
            self._by_field.setdefault(name, {})[stated] = None

    def remove(self, asset_: str) -> None:
        """What an asset stated is no longer so."""
        stated = self._stated.pop(asset_, None)
        if stated is None:
            return
        del self._alike[stated][asset_]
        if not self._alike[stated]:
            del self._alike[stated]
            for name in self._first_fields(stated):
                del self._by_field[name][stated]

    def earliest(self, mine: _Stated, least: Fraction) -> tuple[str, str, Fraction] | None:
        """The earliest of the assets that are alike, by what, and what part of their fields both have."""
        near = dict.fromkeys(one for name in mine.fields for one in self._by_field.get(name, ()))
        alike = [
            (next(iter(self._alike[theirs].items())), common)
            for theirs in near
            if (common := _common(mine, theirs)) >= least
        ]
        if not alike:
            return None
        (other, _), common = min(alike, key=lambda one: one[0][1])
        return other, FIELDS, common


def _common(mine: _Stated, theirs: _Stated) -> Fraction:
    """What part of their fields both have; none of an asset that has the same digest."""
    if mine.digest is not None and mine.digest == theirs.digest:
        return Fraction(-1)
    return Fraction(len(mine.fields & theirs.fields), len(mine.fields | theirs.fields))


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

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

from circulation.cases import OWNER, SELLER, Case, Json, asset, pack, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.money import exact
from circulation.rules import Parameter, Rule, Sum

REGISTERED = "circulation.asset.registered"
DIGEST, FIELDS = "digest", "fields"
SEPARATOR = "\x1f"


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The digest; the owner."""
    if act.data.digest:
        yield SEPARATOR.join((DIGEST, act.data.digest))
    if act.data.fields:
        yield SEPARATOR.join((FIELDS, act.data.owner))


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds each registration against the earlier ones of other assets."""
    return _same_digest(acts) if scope.startswith(DIGEST + SEPARATOR) else _same_fields(acts, facts)


def _same_digest(acts: Sequence[Act]) -> list[Said]:
    first = acts[0]
    seen = {first.subject}
    found = []
    for act in acts:
        if act.subject not in seen:
            seen.add(act.subject)
            found.append(_said(act, first.subject, DIGEST, Fraction(1)))
    return found


def _same_fields(acts: Sequence[Act], facts: Facts) -> list[Said]:
    # By a field that both must have (of sets that are nearly the same, some of the first few in any fixed order are
    # in both), so that an owner of many assets does not compare each with each.
    by_field: dict[str, dict[tuple[str, frozenset[str], str | None], None]] = {}
    said: set[tuple[str, frozenset[str]]] = set()
    found = []
    for act in acts:
        mine, digest = frozenset(act.data.fields), act.data.digest
        least = exact(facts.parameters(act.time)["jaccard"])
        candidates = {one: None for name in sorted(mine) for one in by_field.get(name, ())}
        for other, theirs, of_other in candidates:
            common = Fraction(len(mine & theirs), len(mine | theirs))
            if other != act.subject and common >= least and (digest is None or digest != of_other):
                if (act.subject, mine) not in said:
                    found.append(_said(act, other, FIELDS, common))
                break
        said.add((act.subject, mine))
        for name in _prefix(mine, least):
            by_field.setdefault(name, {})[act.subject, mine, digest] = None
    return found


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
    sum=Sum(acts=frozenset({REGISTERED}), scopes=scopes, judge=judge),
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

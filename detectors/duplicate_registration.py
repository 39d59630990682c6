"""An asset is registered that is there already under another id.

Why it matters: first registrations and first listings are rewarded, and one set of data that is registered again under
a new id is rewarded twice (Beijing's opinion of 2023-06-20, article 23).

False positives: issues of a series with the same fields, or assets that hold one file for good reasons; the finding is
yellow, for the registrar to look at.

What to do: compare the two; have the later registration withdrawn, and what was paid for it returned.

Alike are assets with one `digest`, whoever owns them, and assets of one owner whose `fields` have so much in common
(Jaccard: what both have of what either has). A statement that changes none of these says nothing anew.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from circulation.events.names import ASSET_REGISTERED
from circulation.examples import OWNER, SELLER, THIRD, Case, Json, asset, pack, retracted
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.ledger import Ledger
from circulation.money import exact
from circulation.rules import Parameter, Rule, Sum, over

DIGEST, FIELDS = "digest", "fields"
# Of the fields that a like asset can lack none, so many more are looked up: few that are not alike have all of these.
FIELDS_MORE = 3

_BEARS, _SEEN, _STATED, _ALIKE, _NUMBER, _FIELD, _NEXT = "bears", "seen", "stated", "alike", "number", "field", "next"


class _Stated(NamedTuple):
    """What an asset's registration says that another may be like."""

    fields: frozenset[str]
    digest: str | None


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The digest and the owner that are stated, and those just before: what leaves must be seen there."""
    known = facts.asset(act.subject)
    stated = [statement for statement in (known.before(act), known.after(act)) if statement is not None]
    yield from sorted({join_key(DIGEST, statement.digest) for statement in stated if statement.digest})
    yield from sorted({join_key(FIELDS, statement.owner) for statement in stated if statement.fields})


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds a registration against what other assets are by then."""
    by, value = split_key(scope)
    # Of the owner the home of the asset tells, whoever registers it.
    owner = facts.asset(act.subject).after(act).owner
    return _same_digest(ledger, value, act, owner) if by == DIGEST else _same_fields(ledger, value, act, owner, facts)


def _same_digest(ledger: Ledger, digest: str, act: Act, owner: str) -> Iterable[Said]:
    since = ledger.get((_BEARS, act.subject))
    if act.data.digest != digest:
        if since is not None:
            ledger.pop((_BEARS, act.subject))
            ledger.discard(_BEARS, (since, act.subject))
        return
    bearer = next((asset_ for _, asset_ in ledger.list(_BEARS)[:2] if asset_ != act.subject), None)
    if bearer is not None and (_SEEN, act.subject) not in ledger:
        yield _said(act, owner, bearer, DIGEST, Fraction(1))
    ledger[_SEEN, act.subject] = True
    if since is None:
        ledger[_BEARS, act.subject] = order(act)
        ledger.add(_BEARS, (order(act), act.subject))


def _same_fields(ledger: Ledger, of: str, act: Act, owner: str, facts: Facts) -> Iterable[Said]:
    _remove(ledger, act.subject)
    if owner != of or not act.data.fields:
        return
    stated = _Stated(frozenset(act.data.fields), act.data.digest)
    match = _earliest(ledger, stated, exact(facts.parameters(act.time)["jaccard"]))
    if match is not None and (_SEEN, act.subject, stated.fields) not in ledger:
        yield _said(act, owner, *match)
    ledger[_SEEN, act.subject, stated.fields] = True
    _add(ledger, act, stated)


# What an owner's assets state lies in a ledger under a number for each that is stated alike, and by field, so that one
# of many is not compared with each.


def _add(ledger: Ledger, act: Act, stated: _Stated) -> None:
    """From now on an asset states this."""
    ledger[_STATED, act.subject] = (stated, order(act))
    number = ledger.get((_NUMBER, stated))
    if number is None:
        number = ledger.get(_NEXT, 0)
        ledger[_NEXT] = number + 1
        ledger[_NUMBER, stated] = number
        ledger[_NUMBER, number] = stated
    if not ledger.list((_ALIKE, number)):
        for name in stated.fields:
            ledger.add((_FIELD, name), number)
    ledger.add((_ALIKE, number), (order(act), act.subject))


def _remove(ledger: Ledger, asset_: str) -> None:
    """What an asset stated is no longer so."""
    entry = ledger.pop((_STATED, asset_))
    if entry is None:
        return
    stated, since = entry
    number = ledger.get((_NUMBER, stated))
    ledger.discard((_ALIKE, number), (since, asset_))
    if not ledger.list((_ALIKE, number)):
        for name in stated.fields:
            ledger.discard((_FIELD, name), number)


def _earliest(ledger: Ledger, stated: _Stated, least: Fraction) -> tuple[str, str, Fraction] | None:
    """The earliest of the assets that are alike, by what, and what part of their fields both have."""
    # Whoever is alike lacks at most so many of mine: of any few more it has these few, and what all have tells nothing.
    lacking = int(len(stated.fields) * (1 - least)) if least > 0 else len(stated.fields) - 1
    telling = sorted(stated.fields, key=lambda name: (len(ledger.list((_FIELD, name))), name))[: lacking + FIELDS_MORE]
    has = Counter[int]()
    for name in telling:
        has.update(ledger.list((_FIELD, name)))
    alike = []
    for number, count in has.items():
        if count >= len(telling) - lacking:
            common = _common(stated, ledger.get((_NUMBER, number)))
            if common >= least:
                alike.append((*ledger.list((_ALIKE, number))[0], common))
    if not alike:
        return None
    _, asset_, common = min(alike)
    return asset_, FIELDS, common


def _common(stated: _Stated, known: _Stated) -> Fraction:
    """What part of their fields both have; none of an asset that has the same digest."""
    if stated.digest is not None and stated.digest == known.digest:
        return Fraction(-1)
    return Fraction(len(stated.fields & known.fields), len(stated.fields | known.fields))


def _said(act: Act, owner: str, original: str, by: str, common: Fraction) -> Said:
    share = f"{float(common * 100):.4g} % of their fields in common and the same owner"
    how = "the same digest" if by == DIGEST else share
    how_zh = "摘要相同" if by == DIGEST else f"字段重合 {float(common * 100):.4g} % 且所有方相同"
    return Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=owner,
        occurred=act.time,
        cause=act.cause,
        apart=(by,),
        summary=f"{act.subject} was registered, and has {how} as {original}, which was there before.",
        summary_zh=f"{act.subject} 被登记，与此前登记的 {original} {how_zh}。",
        evidence={"by": by, "other": original, "jaccard": round(float(common), 6)},
        asset=act.subject,
    )


RULE = Rule(
    id="duplicate-registration",
    title="Registered again under another id",
    title_zh="以其他标识重复登记",
    about="asset",
    severity="yellow",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 23",),
    parameters={
        "jaccard": Parameter(0.9, "share of common fields from which on assets are alike; less finds more", most=1)
    },
    sum=Sum(acts=frozenset({ASSET_REGISTERED}), scopes=scopes, judge=over(step), step=step, needs=frozenset({"asset"})),
)

_RULES = pack()
_TEN = [f"f{at}" for at in range(10)]


def _registered(
    asset_: str, time: str, fields: Sequence[str] | None = None, digest: str | None = None, **data: object
) -> Json:
    return asset(asset_, time, fields=fields, digest=digest, **data)


def _alike(by: str = FIELDS, asset_: str = "b", original: str = "a", owner: str = OWNER) -> Json:
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": asset_},
        "party": owner,
        "evidence": {"by": by, "other": original},
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
        name="an asset that goes to who has another like it",
        rules=_RULES,
        events=[
            _A,
            _registered("b", _LATER, _TEN, owner=SELLER),
            _registered("b", "2025-01-04", _TEN, owner=SELLER),
            _registered("b", "2025-01-05", _TEN),
        ],
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

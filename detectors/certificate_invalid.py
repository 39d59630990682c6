"""An asset is listed without a certificate, or with one that another asset bears.

Why it matters: a certificate of registration says what rights there are over the data and in what state it is; without
one of its own, nobody has looked at what is sold (Beijing's opinion of 2023-06-20, article 6).

False positives: a registration with its certificate that was made in time and reported late; the finding is cleared
when it arrives. An asset that was registered anew under another id and keeps its certificate: withdraw and renumber it.

What to do: ask for the certificate, and delist the product until there is one.
"""

from collections.abc import Iterable, Sequence

from circulation.cases import SELLER, Case, Json, asset, listed, pack, retracted
from circulation.facts import Act, Facts, order
from circulation.findings import About, Said
from circulation.rules import Check, Rule, Sum

LISTED, REGISTERED = "circulation.product.listed", "circulation.asset.registered"


def certificate(asset_: str, instant: int, facts: Facts) -> str | None:
    """The certificate that was stated by the instant; None where there was none by then."""
    stated = facts.asset(asset_).stated(instant)
    return None if stated is None else stated.certificate


def check(act: Act, facts: Facts) -> list[Said]:
    """A listing needs a certificate that was stated by then."""
    if certificate(act.subject, act.time, facts) is not None:
        return []
    return [_said(act, f"{act.subject} was listed without a certificate.", {"certificate": None})]


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The certificate that is stated, or under which the asset is listed."""
    named = act.data.certificate if act.type == REGISTERED else certificate(act.subject, act.time, facts)
    if named is not None:
        yield named


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Of several assets with one certificate it belongs to the first that bore it and still does."""
    bearing: dict[str, tuple[int, str, str]] = {}
    for act in acts:
        if act.type == REGISTERED:
            bearing.setdefault(act.subject, order(act))
    found: list[Said] = []
    for act in acts:
        if act.type == REGISTERED:
            continue
        # At one instant a listing may stand before the registration that it is judged by.
        mine = bearing[act.subject]
        others = [one for one, since in bearing.items() if since < mine and certificate(one, act.time, facts) == scope]
        if others:
            summary = f"{act.subject} was listed with the certificate {scope}, which {others[0]} bears."
            found.append(_said(act, summary, {"certificate": scope, "bearer": others[0]}))
    return found


def _said(act: Act, summary: str, evidence: Json) -> Said:
    return Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=act.data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=summary,
        evidence=evidence,
        asset=act.subject,
    )


RULE = Rule(
    id="certificate-invalid",
    title="Listed without a certificate of its own",
    about="asset",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 6", "公共数据资源登记管理暂行办法"),
    check=Check(acts=frozenset({LISTED}), check=check, needs=frozenset({"asset"})),
    sum=Sum(acts=frozenset({LISTED, REGISTERED}), scopes=scopes, judge=judge, needs=frozenset({"asset"})),
)


def _invalid(certificate_: str | None, bearer: str | None = None) -> Json:
    evidence = {"certificate": certificate_} | ({} if bearer is None else {"bearer": bearer})
    return {
        "severity": "orange",
        "about": {"kind": "asset", "id": "a"},
        "party": SELLER,
        "evidence": evidence,
    }


_RULES, _DAY = pack(), "2025-02-01"
_A, _LISTED = asset("a", "2025-01-03", certificate="x"), listed("a", _DAY)
_EARLIER = asset("b", "2025-01-02", certificate="x")

CASES = (
    Case(name="a certificate of its own", rules=_RULES, events=[_A, asset("b"), _LISTED]),
    Case(
        name="no certificate",
        rules=_RULES,
        events=[asset("a", certificate=None), _LISTED],
        fires=[_invalid(None)],
    ),
    Case(name="no registration", rules=_RULES, events=[_LISTED], fires=[_invalid(None)]),
    *(
        Case(
            name=f"a certificate that is stated {name}",
            rules=_RULES,
            events=[_LISTED, asset("a", time, certificate="x")],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", []),
            ("at the listing", _DAY, []),
            ("just after", "2025-02-01T00:00:00.000001", [_invalid(None)]),
        )
    ),
    Case(
        name="one that another asset already bears",
        rules=_RULES,
        events=[_A, _EARLIER, _LISTED],
        fires=[_invalid("x", "b")],
    ),
    Case(
        name="the first that bore it may be listed",
        rules=_RULES,
        events=[_A, asset("b", "2025-01-04", certificate="x"), _LISTED],
    ),
    Case(
        name="one that another asset bears no longer",
        rules=_RULES,
        events=[_A, _EARLIER, asset("b", "2025-01-05", certificate="y"), _LISTED],
    ),
    Case(
        name="one that a provider stated after the exchange, as another asset already does",
        rules=_RULES,
        events=[
            asset("a", "2025-01-02", certificate="own"),
            asset("a", "2025-01-03", certificate="x", reporter="provider"),
            _EARLIER,
            _LISTED,
        ],
        fires=[_invalid("x", "b")],
    ),
    Case(
        name="a listing that stands before its own registration at one instant",
        rules=_RULES,
        events=[_EARLIER, asset("a", _DAY, certificate="x", id="z"), listed("a", _DAY, id="a")],
        fires=[_invalid("x", "b")],
    ),
    Case(
        name="a bearer whose registration was taken back",
        rules=_RULES,
        events=[_A, _EARLIER, retracted(_EARLIER, "2025-01-05"), _LISTED],
    ),
)

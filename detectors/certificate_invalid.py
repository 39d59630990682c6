"""An asset is listed without a certificate, or with one that another asset bears.

Why it matters: a certificate of registration says what rights there are over the data and in what state it is; without
one of its own, nobody has looked at what is sold (Beijing's opinion of 2023-06-20, article 6).

False positives: a registration with its certificate that was made in time and reported late; the finding is cleared
when it arrives. An asset that was registered anew under another id and keeps its certificate: withdraw and renumber it.

What to do: ask for the certificate, and delist the product until there is one.
"""

from collections.abc import Iterable

from circulation.events.names import ASSET_REGISTERED, PRODUCT_LISTED
from circulation.examples import SELLER, Case, Json, asset, listed, pack, retracted
from circulation.facts.acts import Act, order
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Check, Rule, Sum, over

# When each asset first bore the certificate, and those that bear it now, in that order.
_BORE, _BEARS, _BEARERS = "bore", "bears", "bearers"


def certificate(asset_: str, instant: int, facts: Facts) -> str | None:
    """The certificate that was stated by the instant; None where there was none by then."""
    stated = facts.asset(asset_).stated(instant)
    return None if stated is None else stated.certificate


def check(act: Act, facts: Facts) -> list[Said]:
    """A listing needs a certificate that was stated by then."""
    if certificate(act.subject, act.time, facts) is not None:
        return []
    summary, summary_zh = f"{act.subject} was listed without a certificate.", f"{act.subject} 挂牌时没有登记证书。"
    return [_said(act, summary, summary_zh, {"certificate": None})]


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The certificate that is stated, and the one just before, which it leaves; or under which the asset is listed."""
    named = {certificate(act.subject, act.time, facts)}
    if act.type == ASSET_REGISTERED:
        before = facts.asset(act.subject).before(act)
        named = {act.data.certificate, None if before is None else before.certificate}
    yield from sorted(id_ for id_ in named if id_ is not None)


def step(ledger: Ledger, scope: str, act: Act, _: Facts) -> Iterable[Said]:
    """Of several assets with one certificate it belongs to the first that bore it and still does."""
    since = ledger.get((_BORE, act.subject))
    if act.type != ASSET_REGISTERED:
        bearer = next((asset_ for _, asset_ in ledger.list(_BEARERS)[:1]), act.subject)
        if bearer != act.subject and since is not None and ledger.get((_BORE, bearer)) < since:
            summary = f"{act.subject} was listed with the certificate {scope}, which {bearer} bears."
            summary_zh = f"{act.subject} 挂牌时使用的登记证书 {scope} 已由 {bearer} 持有。"
            yield _said(act, summary, summary_zh, {"certificate": scope, "bearer": bearer})
        return
    if since is None and act.data.certificate == scope:
        since = ledger[_BORE, act.subject] = order(act)
    if ((_BEARS, act.subject) in ledger) == (act.data.certificate == scope):
        return
    if act.data.certificate == scope:
        ledger[_BEARS, act.subject] = True
        ledger.add(_BEARERS, (since, act.subject))
    else:
        ledger.pop((_BEARS, act.subject))
        ledger.discard(_BEARERS, (since, act.subject))


def _said(act: Act, summary: str, summary_zh: str, evidence: Json) -> Said:
    return Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=act.data.seller,
        occurred=act.time,
        cause=act.cause,
        summary=summary,
        summary_zh=summary_zh,
        evidence=evidence,
        asset=act.subject,
    )


RULE = Rule(
    id="certificate-invalid",
    title="Listed without a certificate of its own",
    title_zh="挂牌无自有登记证书",
    about="asset",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 6", "公共数据资源登记管理暂行办法"),
    check=Check(acts=frozenset({PRODUCT_LISTED}), check=check, needs=frozenset({"asset"})),
    sum=Sum(
        acts=frozenset({PRODUCT_LISTED, ASSET_REGISTERED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        # A listing may have been made at the very instant of the registration that it is judged by.
        first=frozenset({ASSET_REGISTERED}),
        needs=frozenset({"asset"}),
    ),
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

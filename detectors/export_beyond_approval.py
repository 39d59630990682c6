"""An export goes beyond the approval that it names.

Why it matters: what was assessed, filed or certified was a certain purpose, recipient, country and scale; what goes
beyond it was never looked at (Regulation on Network Data Security, article 38).

False positives: an approval that was widened and not reported anew; the finding is cleared once it is, if that was in
time. One person in two exports under it counts twice.

What to do: have the exports under it stopped, and ask for a new approval.

A grant that is named and does not exist covers nothing. What is sent under one is summed by the year at +08:00.
"""

from collections.abc import Iterable

from circulation.calendar import year_of
from circulation.events.names import EXPORT_PERFORMED
from circulation.examples import ABROAD, SELLER, THIRD, Case, Json, event, exported, granted, pack, retracted
from circulation.exports import exempt
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.facts.parties import covers
from circulation.findings import About, Said
from circulation.keys import join_key
from circulation.ledger import Ledger
from circulation.rules import Rule, Sum, over
from circulation.words import LIMIT, Word, zh

KINDS = ("security-assessment", "standard-contract", "certification")
MEASURES = ("persons", "sensitive_persons")


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The exporter's year under the grant that the export names."""
    if act.data.grant is not None:
        yield join_key(act.subject, str(year_of(act.time)), act.data.grant)


def step(ledger: Ledger, _: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Holds an export against the grant at its time, and the year's sum so far against its maxima."""
    counted = () if exempt(act, facts) else MEASURES
    for measure in counted:
        ledger[measure] = ledger.get(measure, 0) + getattr(act.data, measure)
    sums = {measure: ledger.get(measure, 0) for measure in MEASURES}
    broken = _broken(act, {measure: sums[measure] for measure in counted}, facts)
    if broken:
        yield Said(
            severity=RULE.severity,
            about=About("party", act.subject),
            party=act.subject,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"The grant {act.data.grant} does not allow an export that names it:"
                f" {'; '.join(reason.en for reason in broken)}."
            ),
            summary_zh=f"授权 {act.data.grant} 不覆盖以其名义进行的出境：{'；'.join(reason.zh for reason in broken)}。",
            evidence={"grant": act.data.grant, "year": year_of(act.time), "broken": [reason.en for reason in broken]}
            | sums,
            asset=act.data.asset,
        )


def _broken(act: Act, sums: dict[str, int], facts: Facts) -> list[Word]:
    data = act.data
    grant = facts.party(act.subject).grant(data.grant, act.time)
    if grant is None or grant.kind not in KINDS:
        return [Word("it is not valid", "该授权当时无效")]
    broken = []
    if not covers(grant, asset=data.asset, countries=(data.country,), recipients=(data.recipient,)):
        broken.append(
            Word("it is for another asset, country, recipient or purpose", "该授权针对其他数据资产、国家、接收方或目的")
        )
    for measure, total in sums.items():
        maximum = getattr(grant, f"{measure}_max")
        if maximum is not None and total > maximum:
            broken.append(
                Word(f"{measure} {total:,} above {maximum:,}", f"{zh(LIMIT, measure)} {total:,} 超过 {maximum:,}")
            )
    return broken


RULE = Rule(
    id="export-beyond-approval",
    title="An export beyond its approval",
    title_zh="出境超出批准范围",
    about="party",
    severity="red",
    articles=("网络数据安全管理条例 38", "促进和规范数据跨境流动规定 7"),
    sum=Sum(acts=frozenset({EXPORT_PERFORMED}), scopes=scopes, judge=over(step), step=step, needs=frozenset({"party"})),
)


def _beyond(broken: str, **more: object) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"grant": "g", "broken": [broken]},
        **more,
    }


_RULES, _DAY = pack(), "2025-03-01"
_NOT_VALID, _OTHER = "it is not valid", "it is for another asset, country, recipient or purpose"


def _grant(time: str = "2025-01-02", kind: str = "security-assessment", **data: object) -> Json:
    return granted(SELLER, time, kind, grant="g", **data)


def _sent(persons: int = 1, sensitive: int = 0, time: str = _DAY, **data: object) -> Json:
    return exported(SELLER, time, persons=persons, sensitive_persons=sensitive, grant="g", **data)


CASES = (
    Case(name="no grant is named", rules=_RULES, events=[exported(SELLER, _DAY, persons=1)]),
    Case(name="a grant that does not exist", rules=_RULES, events=[_sent()], fires=[_beyond(_NOT_VALID)]),
    *(
        Case(name=f"a grant {name}", rules=_RULES, events=[grant, _sent()], fires=fires)
        for name, grant, fires in (
            ("that covers", _grant(countries=["DE"], recipients=[ABROAD]), []),
            ("issued at the export", _grant(_DAY), []),
            ("issued just after", _grant("2025-03-01T00:00:00.000001"), [_beyond(_NOT_VALID)]),
            ("that ends at the export", _grant(valid_to=_DAY), [_beyond(_NOT_VALID)]),
            ("that is no approval of exports", _grant(kind="consent"), [_beyond(_NOT_VALID)]),
            ("for another country", _grant(countries=["FR"]), [_beyond(_OTHER)]),
            ("for another recipient", _grant(recipients=[THIRD]), [_beyond(_OTHER)]),
            ("for an asset that the export does not name", _grant(assets=["a"]), [_beyond(_OTHER)]),
        )
    ),
    *(
        Case(
            name=f"{persons:,} persons of at most 100",
            rules=_RULES,
            events=[_grant(persons_max=100), *sent],
            fires=fires,
        )
        for persons, sent, fires in (
            (99, [_sent(50), _sent(49, time="2025-03-02")], []),
            (100, [_sent(50), _sent(50, time="2025-03-02")], []),
            (
                101,
                [_sent(50), _sent(51, time="2025-03-02", id="second")],
                [_beyond("persons 101 above 100", cause={"source": "//exchange.example", "id": "second"})],
            ),
        )
    ),
    Case(
        name="sensitive persons have a maximum of their own",
        rules=_RULES,
        events=[_grant(persons_max=100, sensitive_persons_max=1), _sent(100, 2)],
        fires=[_beyond("sensitive_persons 2 above 1")],
    ),
    Case(
        name="a new year begins at midnight in Beijing",
        rules=_RULES,
        events=[
            _grant(persons_max=100),
            _sent(100, time="2025-12-31T15:59:59.999999Z"),
            _sent(100, time="2025-12-31T16:00:00Z"),
        ],
    ),
    Case(
        name="the order of arrival does not matter",
        rules=_RULES,
        events=[_grant(persons_max=100), _sent(60, time="2025-03-02", id="later"), _sent(60, id="earlier")],
        fires=[_beyond("persons 120 above 100", cause={"source": "//exchange.example", "id": "later"})],
    ),
    Case(
        name="an export under an exemption that holds does not count",
        rules=_RULES,
        events=[_grant(persons_max=100), _sent(100, exemption="contract"), _sent(100, time="2025-03-02")],
    ),
    Case(
        name="nor does it pass what others have passed",
        rules=_RULES,
        events=[_grant(persons_max=100), _sent(101), _sent(1, time="2025-03-02", exemption="contract")],
        fires=[_beyond("persons 101 above 100")],
    ),
    Case(
        name="an export that was taken back does not count",
        rules=_RULES,
        events=[_grant(persons_max=1), _sent(), retracted(_sent(), "2025-03-02"), _sent(time="2025-03-03")],
    ),
    Case(
        name="a grant that was revoked by then",
        rules=_RULES,
        events=[_grant(), event("grant.revoked", SELLER, _DAY, grant="g", reason="misuse"), _sent()],
        fires=[_beyond(_NOT_VALID)],
    ),
)

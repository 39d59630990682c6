"""Sensitive data of persons is delivered without their consent.

Why it matters: sensitive personal information may be given to another only with separate consent, that of children
under fourteen only with a guardian's (Personal Information Protection Law, articles 23, 29 and 31).

False positives: consent that was given and not reported; the finding is cleared when it arrives, if it was issued no
later than the delivery. A delivery that does not say how many persons are in it is taken to hold none.

What to do: stop the deliveries, have the buyer delete what he received, and ask the seller for the consents.
"""

from circulation.events.names import DELIVERY_COMPLETED
from circulation.examples import BUYER, SELLER, THIRD, Case, Json, asset, delivered, event, granted, pack, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule
from circulation.words import GRANT, PERSONAL, many, zh

CONSENTS = {"sensitive": "consent", "minor": "guardian-consent"}


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for a consent, held by the seller, that covers asset, purposes, recipient and country of a delivery."""
    persons = (act.data.persons or 0) + (act.data.sensitive_persons or 0)
    contract = facts.contract(act.subject).statement(act.time)
    if contract is None or not persons:
        return []
    personal = facts.subject(contract.asset, act.time).personal
    kind = CONSENTS.get(personal or "")
    if kind is None or facts.party(contract.seller).covered(
        act.time,
        {kind},
        asset=contract.asset,
        purposes=contract.terms.purposes or (),
        countries=() if act.data.country is None else (act.data.country,),
        recipients=(act.data.recipient,),
    ):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=contract.seller,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"Data of {many(persons, 'person')} in {contract.asset} ({personal}) was"
                f" delivered to {act.data.recipient}, and no {kind} covers it."
            ),
            summary_zh=(
                f"{contract.asset}（{zh(PERSONAL, personal)}）中 {persons:,} 人的数据交付给"
                f" {act.data.recipient}，没有{zh(GRANT, kind)}覆盖。"
            ),
            evidence={
                "asset": contract.asset,
                "personal": personal,
                "persons": persons,
                "consent": kind,
                "recipient": act.data.recipient,
            },
            asset=contract.asset,
        )
    ]


RULE = Rule(
    id="consent-missing",
    title="Sensitive data delivered without consent",
    title_zh="未经同意交付敏感个人信息",
    about="contract",
    severity="red",
    articles=("个人信息保护法 23", "个人信息保护法 29", "个人信息保护法 31"),
    check=Check(acts=frozenset({DELIVERY_COMPLETED}), check=check, needs=frozenset({"asset", "contract", "party"})),
)


def _missing(kind: str = "consent", persons: int = 1) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "evidence": {"consent": kind, "persons": persons},
    }


_RULES, _DAY = pack(), "2025-02-01"
_SENSITIVE, _SIGNED = asset("a", personal="sensitive"), signed("c", "2025-01-02", asset="a")
_DELIVERED = delivered("c", _DAY, persons=1)

CASES = (
    *(
        Case(
            name=f"data of the class {personal}",
            rules=_RULES,
            events=[asset("a", personal=personal), _SIGNED, _DELIVERED],
            fires=fires,
        )
        for personal, fires in (
            ("none", []),
            ("personal", []),
            ("sensitive", [_missing()]),
            ("minor", [_missing("guardian-consent")]),
        )
    ),
    Case(name="no persons", rules=_RULES, events=[_SENSITIVE, _SIGNED, delivered("c", _DAY, persons=0)]),
    Case(name="persons that are not stated", rules=_RULES, events=[_SENSITIVE, _SIGNED, delivered("c", _DAY)]),
    Case(
        name="persons of whom sensitive data is delivered",
        rules=_RULES,
        events=[_SENSITIVE, _SIGNED, delivered("c", _DAY, persons=1, sensitive_persons=2)],
        fires=[_missing(persons=3)],
    ),
    Case(
        name="an asset that is graded sensitive just after the delivery",
        rules=_RULES,
        events=[
            asset("a", personal="personal"),
            event("asset.graded", "a", "2025-02-01T00:00:00.000001", level="general", personal="sensitive", reason="x"),
            _SIGNED,
            _DELIVERED,
        ],
    ),
    *(
        Case(
            name=f"consent {name}",
            rules=_RULES,
            events=[_SENSITIVE, _SIGNED, _DELIVERED, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("of all", "2025-01-02", "consent", {}, []),
            ("issued at the delivery", _DAY, "consent", {}, []),
            ("issued just after", "2025-02-01T00:00:00.000001", "consent", {}, [_missing()]),
            ("that ended", "2025-01-02", "consent", {"valid_to": _DAY}, [_missing()]),
            ("of guardians", "2025-01-02", "guardian-consent", {}, [_missing()]),
            ("for this recipient", "2025-01-02", "consent", {"recipients": [BUYER]}, []),
            ("for another recipient", "2025-01-02", "consent", {"recipients": [THIRD]}, [_missing()]),
        )
    ),
    Case(
        name="consent that the buyer holds",
        rules=_RULES,
        events=[_SENSITIVE, _SIGNED, granted(BUYER, "2025-01-02", "consent"), _DELIVERED],
        fires=[_missing()],
    ),
)

"""Something happened under a contract that was not signed by then.

Why it matters: use without a contract is use without a right, and nobody can hold it against terms.

False positives: a signing that was made in time and arrives late; the finding is cleared when it does. An amendment is
no signing.

What to do: ask the reporter for the contract; have it filed, or the access closed.

Once a contract, whatever follows; `occurred` is the earliest such instant.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant
from circulation.cases import BUYER, SELLER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Rule, Sum

SIGNED, AMENDED = "circulation.contract.signed", "circulation.contract.amended"
DONE = {"circulation.delivery.completed": "delivery", "circulation.settlement.paid": "settlement"}


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract."""
    yield act.subject


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Holds the earliest use, delivery or settlement against the earliest signing."""
    signings = [act.time for act in acts if act.type == SIGNED]
    done = [(act.time, DONE[act.type]) for act in acts if act.type in DONE]
    first_use = facts.first_use(scope)
    if first_use is not None:
        done.append((first_use, "use"))
    if not done:
        return []
    earliest, kind = min(done)
    signing = min(signings, default=None)
    if signing is not None and signing <= earliest:
        return []
    statement = facts.contract(scope).statement(earliest)
    known = "is not known" if signing is None else f"was signed only at {format_instant(signing)}"
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", scope),
            party=None if statement is None else statement.seller,
            occurred=earliest,
            summary=f"A {kind} at {format_instant(earliest)} under a contract that {known}.",
            evidence={"kind": kind, "signed": None if signing is None else format_instant(signing)},
            asset=None if statement is None else statement.asset,
        )
    ]


RULE = Rule(
    id="unknown-contract",
    title="Under a contract that was not signed",
    about="contract",
    severity="orange",
    articles=("contract only",),
    sum=Sum(
        # An amendment is no signing, but may be all that tells who the seller is.
        acts=frozenset({SIGNED, AMENDED, *DONE}),
        scopes=scopes,
        judge=judge,
        needs=frozenset({"contract", "uses"}),
    ),
)


def _unknown(kind: str, occurred: str, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "occurred": f"{occurred}T00:00:00+08:00",
        "evidence": {"kind": kind},
        **more,
    }


_RULES = pack()
_PAID = event("settlement.paid", "c", "2025-02-01", settlement="s", payer=BUYER, payee=SELLER, amount="1.00")

CASES = (
    *(
        Case(name=f"a {kind} without a contract", rules=_RULES, events=[said], fires=[_unknown(kind, "2025-02-01")])
        for kind, said in (
            ("use", used("c", "2025-02-01")),
            ("delivery", delivered("c", "2025-02-01")),
            ("settlement", _PAID),
        )
    ),
    *(
        Case(
            name=f"a signing {name} a use",
            rules=_RULES,
            events=[used("c", "2025-02-01"), signed("c", time)],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", []),
            ("at the instant of", "2025-02-01", []),
            ("just after", "2025-02-01T00:00:00.000001", [_unknown("use", "2025-02-01", party=SELLER)]),
        )
    ),
    Case(
        name="a use from before the signing that comes after it",
        rules=_RULES,
        events=[signed("c", "2025-01-10"), used("c", "2025-02-01"), used("c", "2025-01-09")],
        fires=[_unknown("use", "2025-01-09", party=SELLER)],
    ),
    Case(
        name="once a contract, with the earliest of all",
        rules=_RULES,
        events=[used("c", "2025-02-03"), delivered("c", "2025-02-01"), used("c", "2025-02-02"), _PAID],
        fires=[_unknown("delivery", "2025-02-01")],
    ),
    Case(
        name="an amendment is no signing",
        rules=_RULES,
        events=[signed("c", "2025-01-01", amended=True), used("c", "2025-02-01")],
        fires=[_unknown("use", "2025-02-01")],
    ),
    Case(
        name="a signing that was taken back",
        rules=_RULES,
        events=[signed("c", "2025-01-01"), used("c", "2025-02-01"), retracted(signed("c", "2025-01-01"), "2025-02-02")],
        fires=[_unknown("use", "2025-02-01")],
    ),
    Case(name="nothing but a signing", rules=_RULES, events=[signed("c", "2025-01-01")]),
)

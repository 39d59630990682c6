"""Something happened under a contract that was not signed by then.

Why it matters: use without a contract is use without a right, and nobody can hold it against terms.

False positives: a signing that was made in time and arrives late; the finding is cleared when it does. An amendment is
no signing, and a report of no uses, bytes and rows is no use.

What to do: ask the reporter for the contract; have it filed, or the access closed.

Once a contract, whatever follows; `occurred` is the earliest such instant.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import format_instant
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, DELIVERY_COMPLETED, SETTLEMENT_PAID
from circulation.examples import BUYER, SELLER, Case, Json, delivered, event, pack, retracted, signed, used
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Rule, Sum, over
from circulation.words import ACT, zh

_SIGNED, _DONE = "signed", "done"
DONE = {DELIVERY_COMPLETED: "delivery", SETTLEMENT_PAID: "settlement"}


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract; of what was done under it only what no signing came before."""
    signed = facts.contract(act.subject).signed
    if act.type not in DONE or signed is None or act.time < signed.time:
        yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes the earliest signing, and the earliest delivery or settlement."""
    if act.type == CONTRACT_SIGNED and _SIGNED not in ledger:
        ledger[_SIGNED] = act.time
    elif act.type in DONE:
        performed = (act.time, DONE[act.type])
        ledger[_DONE] = min(performed, ledger.get(_DONE, performed))
    ledger.drop(scope)
    finding = _held(scope, ledger.get(_SIGNED), ledger.get(_DONE), facts)
    if finding is not None:
        ledger.keep(scope, finding)
    return ()


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """The same of all acts together, or of uses alone."""
    if acts:
        return over(step)(scope, acts, facts)
    finding = _held(scope, None, None, facts)
    return [] if finding is None else [finding]


def _held(scope: str, signing: int | None, performed: tuple[int, str] | None, facts: Facts) -> Said | None:
    """Holds the earliest use, delivery or settlement against the earliest signing."""
    first_use = facts.first_use(scope)
    if first_use is not None:
        performed = min((first_use, "use"), performed or (first_use, "use"))
    if performed is None:
        return None
    earliest, kind = performed
    if signing is not None and signing <= earliest:
        return None
    statement = facts.contract(scope).statement(earliest)
    known = "is not known" if signing is None else f"was signed only at {format_instant(signing)}"
    known_zh = "合同未知" if signing is None else f"合同于 {format_instant(signing)} 才签订"
    return Said(
        severity=RULE.severity,
        about=About("contract", scope),
        party=None if statement is None else statement.seller,
        occurred=earliest,
        summary=f"A {kind} at {format_instant(earliest)} under a contract that {known}.",
        summary_zh=f"{format_instant(earliest)} 发生一次{zh(ACT, kind)}，而{known_zh}。",
        evidence={
            "kind": kind,
            "first": format_instant(earliest),
            "signed": None if signing is None else format_instant(signing),
        },
        asset=None if statement is None else statement.asset,
    )


RULE = Rule(
    id="unknown-contract",
    title="Under a contract that was not signed",
    title_zh="合同未签订",
    about="contract",
    severity="orange",
    articles=("contract only",),
    sum=Sum(
        # An amendment is no signing, but may be all that tells who the seller is.
        acts=frozenset({CONTRACT_SIGNED, CONTRACT_AMENDED, *DONE}),
        scopes=scopes,
        judge=judge,
        step=step,
        triggers=frozenset(DONE),
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
        Case(name=f"a {kind} without a contract", rules=_RULES, events=[act], fires=[_unknown(kind, "2025-02-01")])
        for kind, act in (
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
    *(
        Case(name=f"a report of {counts}", rules=_RULES, events=[used("c", "2025-02-01", **Json(counts))], fires=fires)
        for counts, fires in (
            ({"uses": 0}, []),
            ({"uses": 0, "bytes": 0, "rows": 0}, []),
            ({"uses": 1}, [_unknown("use", "2025-02-01")]),
            ({"uses": 0, "bytes": 1}, [_unknown("use", "2025-02-01")]),
            ({"uses": 0, "rows": 1}, [_unknown("use", "2025-02-01")]),
        )
    ),
    Case(
        name="a report of nothing before the first use",
        rules=_RULES,
        events=[used("c", "2025-01-31", 0), used("c", "2025-02-01")],
        fires=[_unknown("use", "2025-02-01")],
    ),
    Case(
        name="a report of nothing before the signing",
        rules=_RULES,
        events=[used("c", "2025-01-31", 0), signed("c", "2025-02-01"), used("c", "2025-02-01")],
    ),
)

"""What the examples of both rules are built with."""

from typing import Any

from circulation.examples import BUYER, SINCE, Json, event, signed, terms

ZH = {"exceeds": "超过", "exceed": "超过", "reaches": "达到", "reach": "达到"}


def expected(limit: str, maximum: int, count: int, band: int, cause: str | None = None, **evidence: Any) -> Json:
    """A band that must be found of the contract `c`; `cause` is the id of the event that raised it."""
    severity = {80: "blue", 95: "yellow", 100: "orange", 120: "red"}[band]
    finding: Json = {
        "severity": severity,
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "evidence": {"limit": limit, "maximum": maximum, "used": count, "band": band} | evidence,
    }
    return finding if cause is None else finding | {"cause": {"id": cause}}


def licensed(**limits: Any) -> Json:
    """The contract `c`, with these limits."""
    return signed("c", SINCE, terms=terms(**limits))


def cancelled(usage: str, time: str, uses: int, contract: str = "c", **attributes: Any) -> Json:
    """Some uses of an earlier report given back."""
    return event("usage.cancelled", contract, time, usage=usage, uses=uses, **attributes)

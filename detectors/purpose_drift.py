"""A use for a purpose that the contract does not allow.

Why it matters: consent and authorisation are given for a purpose; data that leaves it is used without either
(Personal Information Protection Law 23, Network Data Security Regulations 12).

False positives: purposes that two systems spell differently. A purpose allows its sub-purposes (`credit` allows
`credit/scoring`), never the other way round.

What to do: ask the buyer what the use was for; have the contract amended or the use stopped.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from circulation.events.names import USAGE_REPORTED
from circulation.examples import BUYER, Case, Json, event, retracted, signed, terms, used
from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Counted, Parameters, Rule, Stepped, Tally, Uses
from circulation.terms import allows_purpose
from circulation.words import listed_zh


class Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Nothing has to be remembered."""


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Says a use whose purpose lies outside what the terms name. A report of nothing is none."""
    event, allowed = counted.event, licence.terms.purposes
    if not counted.adds or allows_purpose(allowed, event.data.purpose):
        return Stepped(memory)
    purposes = list(allowed or ())
    finding = Said(
        severity="orange",
        about=About("contract", event.subject),
        party=licence.buyer,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        summary=f"Used for “{event.data.purpose}”; the terms allow {', '.join(purposes) or 'nothing'}.",
        summary_zh=f"使用目的为“{event.data.purpose}”，合同只允许：{listed_zh(purposes)}。",
        evidence={"given": event.data.purpose, "allowed": purposes},
        asset=licence.asset,
    )
    return Stepped(memory, {}, [finding])


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, _: Parameters) -> Stepped | None:
    """A run of uses is quiet when each purpose in it is allowed."""
    allowed = licence.terms.purposes
    if allowed is not None:
        for kind in uses.kinds:
            if not allows_purpose(allowed, kind[0]):
                return None
    return Stepped(memory)


RULE = Rule(
    id="purpose-drift",
    title="Use for another purpose",
    title_zh="改变使用目的",
    about="contract",
    severity="orange",
    articles=("网络数据安全管理条例 12", "个人信息保护法 23"),
    tally=Tally(events=frozenset({USAGE_REPORTED}), memory=Memory, step=step, quiet=quiet),
)


def _licensed(*purposes: str, time: str = "2025-01-01", amended: bool = False) -> Json:
    return signed("c", time, amended=amended, terms=terms(purposes=list(purposes)))


def _drift(purpose: str, *allowed: str, cause: str | None = None) -> Json:
    finding: Json = {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "evidence": {"given": purpose, "allowed": list(allowed)},
    }
    return finding if cause is None else finding | {"cause": {"id": cause}}


_CREDIT = _licensed("credit")
_DAY = "2025-02-01"

CASES = (
    *(
        Case(name=f"allowed where the terms name credit: {purpose}", events=[_CREDIT, used("c", _DAY, purpose=purpose)])
        for purpose in ("credit", "credit/scoring", "credit/scoring/retail")
    ),
    *(
        Case(
            name=f"not allowed where the terms name credit: {purpose}",
            events=[_CREDIT, used("c", _DAY, purpose=purpose)],
            fires=[_drift(purpose, "credit")],
        )
        for purpose in ("creditors", "Credit", "research", "credi", "scoring/credit")
    ),
    Case(
        name="a sub-purpose does not allow what is above it",
        events=[_licensed("credit/scoring", "research"), used("c", _DAY, purpose="credit")],
        fires=[_drift("credit", "credit/scoring", "research")],
    ),
    Case(
        name="terms that name no purposes allow any",
        events=[signed("c", "2025-01-01"), used("c", _DAY, purpose="anything")],
    ),
    Case(
        name="an empty list allows nothing",
        events=[_licensed(), used("c", _DAY, purpose="research")],
        fires=[_drift("research")],
    ),
    Case(
        name="each use is a finding of its own",
        events=[
            _CREDIT,
            *(used("c", _DAY, purpose="advertising", id=id_) for id_ in ("u1", "u2")),
            used("c", _DAY, purpose="credit"),
        ],
        fires=[_drift("advertising", "credit", cause="u1"), _drift("advertising", "credit", cause="u2")],
    ),
    Case(
        name="uses that waited are judged by the first terms",
        events=[used("c", "2024-12-01", purpose="research", id="u"), _CREDIT],
        fires=[_drift("research", "credit", cause="u")],
    ),
    Case(
        name="the terms of the time of the use judge it",
        events=[
            _CREDIT,
            _licensed("research", time="2025-03-01", amended=True),
            used("c", "2025-02-28T23:59:59.999999", purpose="credit"),
            used("c", "2025-03-01", purpose="research"),
            used("c", "2025-03-01", purpose="credit", id="u"),
        ],
        fires=[_drift("credit", "research", cause="u")],
    ),
    Case(
        name="an amendment that comes after a use does not judge it",
        events=[
            _CREDIT,
            used("c", "2025-03-02", purpose="research", id="u"),
            _licensed("research", time="2025-03-01", amended=True),
            used("c", "2025-03-02", purpose="research"),
        ],
        fires=[_drift("research", "credit", cause="u")],
    ),
    Case(
        name="terms that were taken back end on the key",
        events=[
            _CREDIT,
            _licensed("research", time="2025-03-01", amended=True),
            used("c", "2025-03-02", purpose="research"),
            retracted(_licensed("research", time="2025-03-01", amended=True), "2025-03-03"),
            used("c", "2025-03-04", purpose="research", id="u"),
        ],
        fires=[_drift("research", "credit", cause="u")],
    ),
    Case(
        name="a cancelled use was a use",
        events=[
            _CREDIT,
            used("c", _DAY, purpose="research", id="u"),
            event("usage.cancelled", "c", "2025-02-02", usage="u", uses=1),
        ],
        fires=[_drift("research", "credit", cause="u")],
    ),
    *(
        Case(
            name=f"a report of {counts}",
            events=[_CREDIT, used("c", _DAY, purpose="research", **counts)],
            fires=fires,
        )
        for counts, fires in (
            ({"uses": 0}, []),
            ({"uses": 0, "bytes": 0, "rows": 0}, []),
            ({"uses": 1}, [_drift("research", "credit")]),
            ({"uses": 0, "bytes": 1}, [_drift("research", "credit")]),
            ({"uses": 0, "rows": 1}, [_drift("research", "credit")]),
        )
    ),
)

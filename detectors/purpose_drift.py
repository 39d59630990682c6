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

from circulation.findings import About, Cause, Said
from circulation.licences import Licence
from circulation.rules import Counted, Parameters, Rule, Stepped, Tally, Uses
from circulation.terms import allows_purpose


class Memory(msgspec.Struct, array_like=True, frozen=True):
    """Nothing has to be remembered."""


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Says a use whose purpose lies outside what the terms name."""
    event, allowed = counted.event, licence.terms.purposes
    if event.type != "circulation.usage.reported" or counted.uses < 0 or allows_purpose(allowed, event.data.purpose):
        return Stepped(memory, {}, [])
    purposes = list(allowed or ())
    said = Said(
        severity="orange",
        about=About("contract", event.subject),
        party=licence.buyer,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        summary=f"Used for {event.data.purpose!r}; the terms allow {len(purposes)}: {', '.join(purposes) or 'none'}.",
        evidence={"given": event.data.purpose, "allowed": purposes},
        asset=licence.asset,
    )
    return Stepped(memory, {}, [said])


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, _: Parameters) -> Stepped | None:
    """A run of uses is quiet when each purpose in it is allowed."""
    allowed = licence.terms.purposes
    if allowed is None or all(allows_purpose(allowed, purpose) for purpose in uses.purposes):
        return Stepped(memory, {}, [])
    return None


RULE = Rule(
    id="purpose-drift",
    title="Use for another purpose",
    about="contract",
    severity="orange",
    articles=("网络数据安全管理条例 12", "个人信息保护法 23"),
    tally=Tally(events=frozenset({"circulation.usage.reported"}), memory=Memory, step=step, quiet=quiet),
)

"""Named examples of a rule, and small builders of the events in them.

The examples of a rule live in its file, say what it promises, and run through the real engine. So events are written
as an exchange would send them: CloudEvents as dicts, with ids that follow from what they say.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from circulation.voices import Voices

Json = dict[str, Any]

SOURCE = "//exchange.example"

# Synthetic unified social credit codes with valid checks; ABROAD is a party of another scheme.
SELLER = "91110108MA00AA017N"
BUYER = "91110105MA00AB028N"
OWNER = "91310115MA00AC039Y"
THIRD = "91440300MA00AD04XT"
ABROAD = "lei:529900T8BM49AURSDO55"

SINCE = "2025-01-01"

# The endings that a date, and a date and time without seconds, lack, by their length.
_REST = {10: "T00:00:00+08:00", 16: ":00+08:00"}
_OFFSET = re.compile(r"T.*(Z|[+-]\d\d:\d\d)$")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An example of a rule: events, and the findings that they must give: exactly `fires`, nothing where that is empty.

    `fires` are partial findings: members that are left out may be anything. `until` moves the clock on at the end;
    `rules` are the members of the pack in force, where it is not the shipped one. `owed` are the sources that owe
    events, each with the seconds within which.
    """

    name: str
    events: Sequence[Json]
    fires: Sequence[Json] = ()
    until: str | None = None
    rules: Json | None = None
    owed: Mapping[str, int] = {}

    @property
    def voices(self) -> Voices:
        """The sources as the settings have them."""
        return Voices(owed=self.owed)


def agrees(expected: Any, finding: Any) -> bool:
    """Whether a partial finding is contained in a finding: members in members, all else equal."""
    if isinstance(expected, Mapping):
        return isinstance(finding, Mapping) and all(
            name in finding and agrees(value, finding[name]) for name, value in expected.items()
        )
    return bool(expected == finding)


def instant(text: str) -> str:
    """RFC 3339 at +08:00 of a date (its start), or of a date and time without offset, seconds being 0 if left out."""
    if _OFFSET.search(text):
        return text
    return text + _REST.get(len(text), "+08:00")


def event(
    type_: str,
    subject: str,
    time: str,
    /,
    *,
    id: str | None = None,
    source: str = SOURCE,
    reporter: str | None = None,
    sequence: int | None = None,
    epoch: int | None = None,
    **data: Any,
) -> Json:
    """One structured CloudEvent. `type_` goes without the `circulation.` that all of them begin with.

    Without `id`, the id is a digest of the rest: saying the same thing twice is a duplicate.
    """
    attributes: Json = {
        "specversion": "1.0",
        "source": source,
        "type": f"circulation.{type_}",
        "subject": subject,
        "time": instant(time),
    }
    if reporter is not None:
        attributes["reporter"] = reporter
    if sequence is not None:
        attributes |= {"sequence": str(sequence), "sequencetype": "Integer"}
    if epoch is not None:
        attributes["sequenceepoch"] = str(epoch)
    attributes["data"] = {name: value for name, value in data.items() if value is not None}
    canonical = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS)
    return {"id": id or hashlib.blake2b(canonical, digest_size=8).hexdigest(), **attributes}


def retracted(taken_back: Json, time: str, *, reason: str = "sent in error") -> Json:
    """The retraction of an event, by its source."""
    members = {"event": taken_back["id"], "type": taken_back["type"], "reason": reason}
    return event("event.retracted", taken_back["subject"], time, source=taken_back["source"], **members)


def party(party_: str, /, time: str = SINCE, **data: Any) -> Json:
    """A registration of a party."""
    defaults: Json = {"name": f"Party {party_[-4:]}", "roles": ["dealer"]}
    return event("party.registered", party_, time, **(defaults | data))


def asset(asset_: str, /, time: str = SINCE, **data: Any) -> Json:
    """A registration of an asset about which every fact is known and harmless."""
    defaults: Json = {
        "title": f"Asset {asset_}",
        "owner": OWNER,
        "rights": ["holding", "processing", "operating"],
        "certificate": f"certificate-{asset_}",
        "category": "traffic",
        "industry": "I65",
        "level": "general",
        "personal": "none",
        "fields": ["road", "speed"],
        "persons": 0,
    }
    return event("asset.registered", asset_, time, **(defaults | data))


def derived(asset_: str, /, time: str, *inputs: str, process: str = "join", **data: Any) -> Json:
    """A derivation of an asset from others."""
    return event(
        "asset.derived", asset_, time, inputs=[{"asset": input_} for input_ in inputs], process=process, **data
    )


def listed(asset_: str, /, time: str, *, seller: str = SELLER, **data: Any) -> Json:
    """A listing of a product made of an asset."""
    defaults: Json = {"product": f"product-{asset_}", "delivery": ["api"]}
    return event("product.listed", asset_, time, seller=seller, **(defaults | data))


def terms(**changes: Any) -> Json:
    """Terms of a contract that limit nothing, and what is to be different."""
    return {"valid_from": SINCE} | changes


def signed(contract: str, /, time: str, *, amended: bool = False, **data: Any) -> Json:
    """A signing (or an amendment) of a contract, valid from the start of 2025 without limits."""
    defaults: Json = {
        "asset": "asset",
        "seller": SELLER,
        "buyer": BUYER,
        "channel": "on-exchange",
        "amount": "1000",
        "signed": instant(time),
        "terms": terms(),
    }
    return event("contract.amended" if amended else "contract.signed", contract, time, **(defaults | data))


def terminated(contract: str, /, time: str, *, reason: str = "by agreement", **data: Any) -> Json:
    """A termination of a contract."""
    return event("contract.terminated", contract, time, reason=reason, **data)


def delivered(contract: str, /, time: str, **data: Any) -> Json:
    """A delivery under a contract to its buyer."""
    defaults: Json = {"delivery": f"delivery-{instant(time)}", "mode": "api", "bytes": 1000, "recipient": BUYER}
    return event("delivery.completed", contract, time, **(defaults | data))


def used(contract: str, /, time: str, uses: int = 1, *, purpose: str = "research", **data: Any) -> Json:
    """A report of uses of a contract. Two reports that say the same at one time need an `id`."""
    return event("usage.reported", contract, time, uses=uses, purpose=purpose, **data)


def exported(party_: str, /, time: str, *, persons: int = 0, sensitive_persons: int = 0, **data: Any) -> Json:
    """An export of a party; the business id follows from the time."""
    defaults: Json = {"export": f"export-{instant(time)}", "recipient": ABROAD, "country": "DE", "level": "general"}
    return event(
        "export.performed", party_, time, persons=persons, sensitive_persons=sensitive_persons, **(defaults | data)
    )


def granted(party_: str, /, time: str, kind: str, **data: Any) -> Json:
    """A grant that restricts nothing and is valid from its issue, and what is to be different."""
    defaults: Json = {"grant": f"grant-{kind}", "valid_from": instant(time)}
    return event("grant.issued", party_, time, kind=kind, **(defaults | data))


def entry(id_: str, /, **members: Any) -> Json:
    """A prohibition of all four actions with what matches nothing but a tag named like the entry."""
    defaults: Json = {
        "title": f"Entry {id_}",
        "disposition": "prohibit",
        "match": {"tags": [id_]},
        "actions": ["list", "trade", "deliver", "export"],
        "legal_basis": f"Example Act, article of {id_}",
        "valid_from": "2020-01-01",
    }
    return {"id": id_} | defaults | members


def pack(*entries: Json, **members: Any) -> Json:
    """A pack with this negative list; detectors keep their defaults."""
    defaults: Json = {"pack": "beijing", "version": "1", "valid_from": "2020-01-01", "approved_by": ["one", "two"]}
    return defaults | {"negative_list": list(entries)} | members

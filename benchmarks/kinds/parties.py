"""Kinds of acts of parties: their exports, their grants, their groups."""

from typing import Any, Final

from benchmarks.kinds.events import TOP, at, member, party_id
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.examples import SELLER, Json


def _export(party: str, i: int, **data: Any) -> Json:
    return examples.exported(party, at(i), persons=1, export=f"export-{i}", **data)


def _retracted(i: int) -> list[Json]:
    export = _export(SELLER, i)
    return [export, examples.retracted(export, at(i + 0.5))]


KINDS: Final = (
    Kind("exports of one party", lambda i: _export(SELLER, i), [examples.party(SELLER)]),
    Kind(
        "exports under one grant, each beyond it",
        lambda i: _export(SELLER, i, grant="grant-security-assessment"),
        [examples.party(SELLER), examples.granted(SELLER, "2025-01-05", "security-assessment", persons_max=10)],
    ),
    Kind("exports, each by a new member of one group", lambda i: [member(i), _export(party_id(i), i)], [TOP]),
    Kind("exports retracted", _retracted, [examples.party(SELLER)]),
    Kind(
        "exports that come late by an hour",
        lambda i: _export(SELLER, i + (120 if i % 2 else 60)),
        [examples.party(SELLER)],
    ),
    Kind("parties under one controller", member, [TOP]),
    Kind(
        "a controller registered again, a member and its export between",
        lambda i: [member(i), _export(party_id(i), i), examples.party("scheme:top", at(i), name=f"Top {i}")],
        [TOP],
    ),
    Kind("a party registered again", lambda i: examples.party(SELLER, at(i), name=f"Name {i}")),
    Kind(
        "a party registered again, an export between",
        lambda i: [_export(SELLER, i), examples.party(SELLER, at(i), name=f"Name {i}")],
    ),
    Kind(
        "grants of one holder, an export between",
        lambda i: [
            _export(SELLER, i),
            examples.granted(SELLER, at(i), "standard-contract", grant=f"grant-{i}", assets=[f"asset-{i}"]),
        ],
        [examples.party(SELLER)],
    ),
)

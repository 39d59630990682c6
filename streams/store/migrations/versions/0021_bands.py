"""Bands of limits are raised and cleared anew; what is asked of rights is asked of all that was kept.

What tallies remember of limits says which band a total is in now, and which findings of it stand, with their causes.
Uses that state bytes or rows are remembered with these. What a seller offers is looked for by the asset; so references
to products, and what waits to be judged for one, are gone.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from circulation.calendar import parse_instant
from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACTS
from circulation.events.reading import decode_data
from circulation.terms import Terms

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# As things and texts were then.
MARK = "\x1f"
TERMS = (CONTRACT_SIGNED, CONTRACT_AMENDED)
LIMITS = ("uses", "bytes", "rows", "persons")
SEVERITIES = ("blue", "yellow", "orange", "red")
# Where in a desk's state the memory of the rule stands.
AT = 11
SLICE = 1_000


def upgrade() -> None:
    op.add_column("remembered", sa.Column("volumes", sa.LargeBinary()))
    bind = op.get_bind()
    raised = _raised(bind)
    for contract, state in _desks(bind):
        _convert(bind, contract, state, raised.get(contract, []))
    for name, values in (
        ("delete from refs where kind = 'product'", {}),
        ("delete from queue where thing like :old", {"old": f"fact{MARK}product{MARK}%"}),
    ):
        bind.execute(sa.text(name), values)


def _raised(bind: sa.Connection) -> dict[str, list[tuple[dict[str, Any], int]]]:
    """By contract what stands of its limits, with its band."""
    by_contract: dict[str, list[tuple[dict[str, Any], int]]] = {}
    query = "select data, severity from findings where detector = 'usage-limit' and standing order by occurred, finding"
    for raw, severity in bind.execute(sa.text(query)):
        data = json.loads(bytes(raw) if not isinstance(raw, str) else raw)
        if "cause" in data:
            by_contract.setdefault(data["about"]["id"], []).append((data, SEVERITIES.index(severity) + 1))
    return by_contract


def _desks(bind: sa.Connection) -> Iterator[tuple[str, list[Any]]]:
    """The contracts whose tally remembers a band, of a total or of a window."""
    after = ""
    query = sa.text(
        "select subject, state from desks where topic = :topic and subject > :after order by subject limit :most"
    )
    while rows := bind.execute(query, {"topic": CONTRACTS, "after": after, "most": SLICE}).all():
        for subject, raw in rows:
            state = msgspec.msgpack.decode(bytes(raw))
            if len(state) > AT and state[AT] is not None:
                yield subject, state
        after = rows[-1][0]


def _convert(bind: sa.Connection, contract: str, state: list[Any], raised: list[tuple[dict[str, Any], int]]) -> None:
    totals, bands = state[AT]
    if bands:
        terms = _terms(bind, contract)
        maxima = {key: _maximum(terms, *key.split(":")) for key in bands}
        new = {f"{key}:{maxima[key]}": band for key, band in bands.items() if maxima[key] is not None}
        levels, standing = {}, {}
        for key, band in new.items():
            limit, origin, maximum = key.split(":")
            used = max(total[LIMITS.index(limit)] for total in totals.values())
            levels[key] = min(band, _band(used, int(maximum)))
            # Of a limit that came back to a number that it had, what was raised is the last one's.
            later = [
                candidate
                for candidate in new
                if candidate.split(":")[::2] == [limit, maximum] and int(candidate.split(":")[1]) > int(origin)
            ]
            if not later:
                standing[key] = _standing(raised, limit=limit, maximum=int(maximum))
        state[AT] = [totals, levels, standing]
        values = {"state": msgspec.msgpack.encode(state), "topic": CONTRACTS, "subject": contract}
        bind.execute(sa.text("update desks set state = :state where topic = :topic and subject = :subject"), values)
    query = "select name, state from parts where contract = :contract and name like 'usage-limit/%'"
    for name, raw in bind.execute(sa.text(query), {"contract": contract}).all():
        uses, band = msgspec.msgpack.decode(bytes(raw), type=tuple[dict[int, int], int])
        if not band:
            continue
        _, seconds, maximum, start = name.split("/", 1)[1].split(":")
        window = {"limit": "window", "maximum": int(maximum), "seconds": int(seconds)}
        at = [finding for finding in raised if _micros(finding[0]["evidence"].get("window")) == int(start)]
        part = [uses, min(band, _band(max(uses.values(), default=0), int(maximum))), _standing(at, **window)]
        values = {"state": msgspec.msgpack.encode(part), "contract": contract, "name": name}
        bind.execute(sa.text("update parts set state = :state where contract = :contract and name = :name"), values)


def _terms(bind: sa.Connection, contract: str) -> list[Terms]:
    """The terms of a contract as they came, also those that were taken back later: licences are counted so."""
    query = (
        "select type, data from events where topic = :topic and subject = :subject and type in (:signed, :amended)"
        " and (retracted is null or retracted > id) order by id"
    )
    values = {"topic": CONTRACTS, "subject": contract, "signed": TERMS[0], "amended": TERMS[1]}
    return [decode_data(type_, bytes(raw)).terms for type_, raw in bind.execute(sa.text(query), values)]


def _maximum(terms: list[Terms], limit: str, origin: str) -> int | None:
    if int(origin) >= len(terms):
        return None
    origin_terms = terms[int(origin)]
    maximum: int | None = (
        None if limit == "uses" and origin_terms.quota_group else getattr(origin_terms, f"{limit}_max")
    )
    return maximum


def _band(used: int, maximum: int) -> int:
    """The band that a total is in, by the percentages of the contract."""
    percent = used * 100
    if used > maximum:
        return 4 if percent > maximum * 120 else 3
    if not used:
        return 0
    return 2 if percent >= maximum * 95 else int(percent >= maximum * 80)


def _standing(raised: list[tuple[dict[str, Any], int]], **evidence: Any) -> list[list[Any]]:
    return [
        [band, str(data["evidence"]["band"]), [data["cause"]["source"], data["cause"]["id"]]]
        for data, band in raised
        if all(data["evidence"].get(name) == value for name, value in evidence.items())
    ]


def _micros(instant: str | None) -> int | None:

    return None if instant is None else parse_instant(instant)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

"""Statements of credit from the store: what they are folded from, and the fold for several parties at once."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from circulation.credit.statement import TYPES, Standing, Statement, statement
from circulation.events.event import Event
from circulation.events.names import PARTIES, PARTY_REGISTERED
from circulation.packs.in_force import Packs
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of


class Ledger(NamedTuple):
    """The records of a party that were not taken back, and the findings that count against it."""

    events: list[Event]
    findings: list[Standing]


def ledgers(db: Db, parties: Collection[str]) -> dict[str, Ledger]:
    """The ledger of each party, also of one of which nothing is known."""
    by_party = {party: Ledger([], []) for party in parties}
    query = (
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = any(?)"  # noqa: S608
        " and retracted is null"
    )
    for row in sorted(db.rows(query, PARTIES, list(by_party), list(TYPES))):
        by_party[row[2]].events.append(event_of(row))
    query = "select party, finding, severity, occurred from findings where party = any(?) and standing and mode = ?"
    for party, *rest in db.rows(query, list(by_party), "enforce"):
        by_party[party].findings.append(Standing(*rest))
    return by_party


def statements(ledgers_: Mapping[str, Ledger], packs: Packs, as_of: int) -> dict[str, Statement]:
    """The statement of each party at an instant (µs), by the parameters in force then."""
    settings = packs.credit(as_of)
    return {
        party: statement(party, ledger.events, ledger.findings, as_of, settings) for party, ledger in ledgers_.items()
    }


def known_parties(db: Db) -> list[str]:
    """Every party that is registered, has a record or a merit, or is responsible for what stands; in order."""
    types = [PARTY_REGISTERED, *TYPES]
    query = (
        "select subject from events where topic = ? and type = any(?) and retracted is null"
        " union select party from findings where standing and mode = ? and party is not null"
    )
    return sorted(row[0] for row in db.rows(query, PARTIES, types, "enforce"))

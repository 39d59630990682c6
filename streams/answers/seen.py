"""The facts that the parts of a trace are told from: loaded in bulk, with the limits that each part says it reached."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from circulation.events.names import CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACTS
from circulation.facts.assets import AssetFacts
from circulation.facts.contracts import ContractFacts
from circulation.facts.parties import PartyFacts, chain
from circulation.packs.entry import Subject
from streams.answers.kept import EVENTS, stood
from streams.answers.trace_document import Cut, CutOff, LimitName, Limits
from streams.facts import loading
from streams.store import schema
from streams.store.ask import Question, any_of
from streams.store.db import Db

SIGNINGS = [CONTRACT_SIGNED, CONTRACT_AMENDED]


class Seen(NamedTuple):
    """The input of the parts of a trace: the assets shown, nearest first, and the facts about them."""

    db: Db
    at: int
    known_at: int | None
    limits: Limits
    cut: list[CutOff]
    shown: Sequence[str]
    assets: Mapping[str, AssetFacts]
    registrations: Mapping[str, Any]
    contracts: Mapping[str, ContractFacts]
    parties: Mapping[str, PartyFacts]

    def over(self, name: LimitName, of: Cut) -> None:
        """Says that a limit was reached."""
        self.cut.append(CutOff(name=name, maximum=getattr(self.limits, name), of=of))

    def owner(self, asset: str) -> str | None:
        """The owner of the asset."""
        data = self.registrations[asset]
        return None if data is None else data.owner

    def name(self, party: str) -> str | None:
        """The name of a party."""
        data = self.parties[party].at(self.at) if party in self.parties else None
        return None if data is None else data.name

    def subject(self, asset: str, instant: int) -> Subject:
        """The asset as a negative list sees it, by what it is at an instant."""
        registered = self.assets[asset].registration(instant)
        owner = None if registered is None else registered.owner
        if owner is None or owner not in self.parties:
            return self.assets[asset].subject(instant, None)
        data = self.parties[owner].at(instant)
        subject = self.assets[asset].subject(instant, None if data is None else data.industry)
        return msgspec.structs.replace(subject, controllers=tuple(chain(self.parties, owner, self.at)[1:]))

    def in_force(self) -> Iterator[tuple[ContractFacts, Any]]:
        """The contracts in force over shown assets, with what they say then."""
        objects = set(self.shown)
        for contract in self.contracts.values():
            data = valid(contract, self.at)
            if data is not None and data.asset in objects:
                yield contract, data


def valid(contract: ContractFacts, at: int) -> Any | None:
    """The statement of a contract that is in force at the instant; None before it was signed, and when it is not."""
    data = contract.statement(at)
    return data if data is not None and contract.in_force(at) and data.terms.valid_from <= at else None


_REFS: Final = schema.refs.c


@cache
def _signed(*, dated: bool) -> Question:
    """The first contracts that were ever about one of the assets."""
    naming = select(EVENTS.subject).distinct().join(schema.refs, EVENTS.id == _REFS.event)
    signed = naming.where(
        _REFS.kind == "asset",
        _REFS.ref == any_of("assets"),
        EVENTS.topic == CONTRACTS,
        EVENTS.type == any_of("types"),
        stood(dated=dated),
    )
    return Question(signed.order_by(EVENTS.subject).limit(bindparam("count")))


def contracts_over(
    db: Db, assets: Sequence[str], known_at: int | None, count_max: int
) -> tuple[dict[str, ContractFacts], bool]:
    """The contracts that were ever about one of the assets, and whether there are more."""
    rows = _signed(dated=known_at is not None).rows(
        db, assets=list(assets), types=SIGNINGS, known_at=known_at, count=count_max + 1
    )
    return loading.contracts(db, [row[0] for row in rows[:count_max]], known_at), len(rows) > count_max


def concerned(seen_assets: Mapping[str, AssetFacts], contracts: Mapping[str, ContractFacts], at: int) -> set[str]:
    """The parties whose facts a trace asks for."""
    parties = {party for contract in contracts.values() for party in contract.parties()}
    for asset in seen_assets.values():
        parties |= asset.owners() | asset.sellers(at)
    return parties

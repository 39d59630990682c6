"""The bounds of a trial: which acts a `sandbox` grant covers, and where caps are passed (contract §4, `sandbox-cap`).

A sandbox tries a rule out on real data, within a measure: so many uses, so many persons, so much money, until a day.
Within it the detectors that a pack names only watch; once any measure is passed, all of them are as strict again as
they are for everybody. Acts are those of the grant's holder: what he lists, what he sells, what is delivered under his
contracts, what he exports.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from circulation.calendar import format_instant
from circulation.daily import Used, end_of
from circulation.events.event import Event
from circulation.events.names import (
    CONTRACT_AMENDED,
    CONTRACT_SIGNED,
    DELIVERY_COMPLETED,
    EXPORT_PERFORMED,
    PRODUCT_LISTED,
)
from circulation.facts.acts import Act, order
from circulation.facts.contracts import ContractFacts
from circulation.facts.facts import Facts, Need
from circulation.facts.parties import PartyFacts, Trial, covers
from circulation.findings import Cause
from circulation.keys import join_key, split_key
from circulation.money import millionths, written

# The types that count towards the caps.
COUNTED: Final = frozenset({CONTRACT_SIGNED, CONTRACT_AMENDED, DELIVERY_COMPLETED, EXPORT_PERFORMED})
NEEDS: Final[frozenset[Need]] = frozenset({"contract", "party", "days"})
# The rule that says where caps were passed.
DETECTOR: Final = "sandbox-cap"


# In the order in which acts are judged: (time, source, id).
Place = tuple[int, str, str]


class Named(NamedTuple):
    """The holder of an act, and its members by which a grant may be restricted."""

    holder: str
    asset: str | None
    purposes: Sequence[str] = ()
    countries: Sequence[str] = ()
    recipients: Sequence[str] = ()


class Passed(NamedTuple):
    """A cap that was passed: where, by which act, and how far."""

    cap: str
    maximum: str | int
    used: str | int
    place: Place
    cause: Cause | None
    asset: str | None


def named(act: Act | Event, contract: ContractFacts | None) -> Named | None:
    """The names in an act; None where nobody is known who could hold a grant for it.

    `contract` are the facts of the contract that it is under. Of that it names the purposes, and where it has no
    recipient of its own, the buyer and the countries.
    """
    data = act.data
    if act.type == PRODUCT_LISTED:
        return Named(data.seller, act.subject, data.purposes or ())
    if act.type == EXPORT_PERFORMED:
        return Named(act.subject, data.asset, (), (data.country,), (data.recipient,))
    if contract is None:
        return None
    statement = data if act.type in (CONTRACT_SIGNED, CONTRACT_AMENDED) else contract.statement(act.time)
    if statement is None:
        return None
    target = of_contract(statement)
    if act.type != DELIVERY_COMPLETED:
        return target
    countries = () if data.country is None else (data.country,)
    return target._replace(countries=countries, recipients=(data.recipient,))


def of_contract(statement: Any) -> Named:
    """The names in the terms of a contract."""
    terms = statement.terms
    return Named(statement.seller, statement.asset, terms.purposes or (), terms.countries or (), (statement.buyer,))


def restricted_to(trial: Trial, target: Named) -> bool:
    """Whether what an act names lies within what the grant restricts, whenever it was done."""
    return covers(
        trial.grant,
        asset=target.asset,
        purposes=target.purposes,
        countries=target.countries,
        recipients=target.recipients,
    )


def covering(party: PartyFacts, target: Named, instant: int) -> list[Trial]:
    """The sandboxes of a party that cover an act at the instant."""
    return [trial for trial in party.trials if trial.since <= instant < trial.end and restricted_to(trial, target)]


def scope_of(holder: str, grant: str) -> str:
    """The scope of one sandbox."""
    return join_key(holder, grant)


def holder_of(scope: str) -> str:
    """The holder of the sandbox of a scope."""
    return split_key(scope)[0]


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The sandboxes that an act lies within but for its time: an act after one's end is judged, too."""
    target = named(act, _contract(act, facts))
    if target is not None:
        for trial in facts.party(target.holder).trials:
            if restricted_to(trial, target):
                yield scope_of(target.holder, trial.grant.grant)


def passed(scope: str, acts: Iterable[Act], facts: Facts) -> list[Passed]:
    """Each cap that was passed, once, at the act with which it was: the acts in the order of (time, source, id)."""
    holder, grant = split_key(scope)
    party = facts.party(holder)
    trial = next((candidate for candidate in party.trials if candidate.grant.grant == grant), None)
    if trial is None:
        return []
    by_cap: dict[str, Passed] = {}
    count = _Count(trial)
    contracts: set[str] = set()
    for act in acts:
        if act.type in (CONTRACT_SIGNED, CONTRACT_AMENDED):
            contracts.add(act.subject)
        if trial.since <= act.time < trial.end:
            count.add(act)
            for cap, maximum, used in count.beyond():
                by_cap.setdefault(cap, Passed(cap, maximum, used, order(act), act.cause, _asset(act, facts)))
        elif act.time >= max(trial.since, trial.end) and "end" not in by_cap:
            target = named(act, _contract(act, facts))
            if target is None or not covering(party, target, act.time):
                at = (format_instant(trial.end), format_instant(act.time))
                by_cap["end"] = Passed("end", *at, order(act), act.cause, _asset(act, facts))
    for passing in _by_use(trial, party, [facts.contract(contract) for contract in sorted(contracts)], facts):
        if passing.cap not in by_cap or passing.place < by_cap[passing.cap].place:
            by_cap[passing.cap] = passing
    return list(by_cap.values())


def _by_use(trial: Trial, party: PartyFacts, contracts: Sequence[ContractFacts], facts: Facts) -> Iterable[Passed]:
    """The caps that are passed by uses, which are known by the day: at the end of the first that does so."""
    used: dict[int, list[tuple[Named, int, Used]]] = {}
    for contract in contracts:
        for day, reporter, counts in facts.used(contract.id):
            statement = contract.statement(end_of(day) - 1)
            target = None if statement is None else of_contract(statement)
            if target is not None and target.holder == party.id and restricted_to(trial, target):
                used.setdefault(day, []).append((target, reporter, counts))
    totals: dict[int, int] = {}
    over = ended = False
    for day in sorted(used):
        place: Place = (end_of(day), "", "")
        for target, reporter, counts in used[day]:
            if counts.last_use >= trial.since and counts.first_use < trial.end:
                totals[reporter] = totals.get(reporter, 0) + counts.uses
            elif counts.first_use >= max(trial.since, trial.end) and counts.uses and not ended:
                ended = not covering(party, target, counts.first_use)
                if ended:
                    at = (format_instant(trial.end), format_instant(counts.first_use))
                    yield Passed("end", *at, place, None, target.asset)
        maximum, total = trial.grant.uses_max, max(totals.values(), default=0)
        if maximum is not None and total > maximum and not over:
            over = True
            yield Passed("uses", maximum, total, place, None, used[day][0][0].asset)


class _Count:
    """The use of a sandbox's caps so far."""

    def __init__(self, trial: Trial) -> None:
        self._grant = trial.grant
        self._amounts: dict[str, int] = {}
        self._persons = {"persons": 0, "sensitive_persons": 0}

    def add(self, act: Act) -> None:
        """Adds an act. An amendment replaces the contract's terms of before."""
        data = act.data
        if act.type in (CONTRACT_SIGNED, CONTRACT_AMENDED):
            # The cap is in the default currency, and amounts of different currencies are never compared.
            self._amounts[act.subject] = millionths(data.amount) if data.currency in (None, "CNY") else 0
            return
        for name in self._persons:
            self._persons[name] += getattr(data, name) or 0

    def beyond(self) -> Iterable[tuple[str, str | int, str | int]]:
        """The caps that are passed: (cap, maximum, used)."""
        for name, used in self._persons.items():
            maximum = getattr(self._grant, f"{name}_max")
            if maximum is not None and used > maximum:
                yield name, maximum, used
        amount_max = self._grant.amount_max
        amount = sum(self._amounts.values())
        if amount_max is not None and amount > millionths(amount_max):
            yield "amount", amount_max, written(amount)


def _contract(act: Act, facts: Facts) -> ContractFacts | None:
    return None if act.type == EXPORT_PERFORMED else facts.contract(act.subject)


def _asset(act: Act, facts: Facts) -> str | None:
    target = named(act, _contract(act, facts))
    return None if target is None else target.asset

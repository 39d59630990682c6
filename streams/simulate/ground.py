"""The parts of a plant: its events, their expected findings, and a ground that no other plant shares.

A plant is a function of its `Ground`. It yields `Told`, in any order, and `Must`: a finding that follows from what it
told by the words of the contract. Beside each plant stand near misses: the last thing that is still allowed, of which
nothing is said, so that one who draws a limit elsewhere, or finds too much, is seen.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.calendar import DAY, format_instant, parse_instant, start_of_month
from circulation.events.names import OPENLINEAGE_RUN
from circulation.events.types import TYPES
from circulation.findings import Kind, Severity
from circulation.identifiers import uscc_check_character
from circulation.voices import OFFICIALS, takes_official
from streams.simulate.told import Must, Told, line_of

# The market lies before the story of the demo, so that the two may share a clock. The plants' deadlines and months
# fit in: the last event comes when all of them are past.
BEGIN: Final = parse_instant("2023-07-01")
END: Final = parse_instant("2024-12-31T23:50:00+08:00")
FIRST_MONTH: Final = 2023 * 12 + 6

# Two exchanges: one numbers its events, the other does not.
NUMBERED: Final = "//north.example/events"
UNNUMBERED: Final = "//south.example/events"

# A source that is neither of them.
ELSEWHERE: Final = "//west.example/events"

# Plants of one kind begin on different days, and in different months, spread over so many.
BASE_DAYS, BASE_STEP = 150, 37
BASE_MONTHS: Final = 4

PARTIES_A_GROUND: Final = 100
PLANT_PARTIES: Final = 50_000_000

# Of the events whose order on a key is nothing to anybody so many come late, and of all of them so many come twice.
LATE_SHARE, TWICE_SHARE = 0.15, 0.05
LATE_MAX: Final = 5 * DAY
TWICE_MAX: Final = 2 * DAY

# Counted in the order of their key, or changing how that is counted: what comes late here is another plant's affair.
IN_ORDER: Final = frozenset(
    {
        "usage.reported",
        "usage.cancelled",
        "contract.signed",
        "contract.amended",
        "contract.terminated",
        "event.retracted",
        "source.heartbeat",
    }
)

_REGIONS: Final = ("110105", "110108", "310115", "440300", "330106", "510104")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)


def credit_code(number: int) -> str:
    """A unified social credit code that is right in both its checks (GB 32100, and GB 11714 within it)."""
    organisation = f"{number:08}"
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(organisation, _ORGANISATION_WEIGHTS, strict=True)) % 11
    first17 = f"91{_REGIONS[number % len(_REGIONS)]}{organisation}{'X' if rest == 10 else rest % 11}"
    return first17 + uscc_check_character(first17)


Plant = Callable[["Ground"], Iterator[Told | Must]]


class Ground:
    """Names and builders of one plant: its parties, assets and contracts are nobody else's, and so are its markets.

    `day(n)` is n days after the ground's first; parties are registered on day 0, assets on day 1, contracts signed on
    day 5 unless something else is said. `until` is where the clock is when the findings are looked at.
    """

    def __init__(self, kind: str, at: int, number: int, until: int) -> None:
        self.kind = kind
        self.number = number
        self.until = until
        self.in_order = False
        self._first_party = PLANT_PARTIES + at * PARTIES_A_GROUND
        self._parties: dict[str, str] = {}
        self._registered: set[str] = set()
        self._owners: dict[str, str] = {}
        self._entitled: set[tuple[str, str]] = set()
        self._count = 0
        self._source = NUMBERED if (at + number) % 2 else UNNUMBERED

    def day(self, count: float) -> int:
        """The instant so many days after the first one of this ground."""
        return BEGIN + (self.number * BASE_STEP % BASE_DAYS) * DAY + int(count * DAY)

    def month(self, count: int, day: float = 0) -> int:
        """An instant in the so-manieth of this ground's months, so many days after its start."""
        return start_of_month(self.month_number(count)) + int(day * DAY)

    def month_number(self, count: int) -> int:
        """That month as a number, as calendars count them."""
        return FIRST_MONTH + self.number % BASE_MONTHS + count

    def who(self, name: str) -> str:
        """The code of a party of this ground."""
        if name not in self._parties:
            if len(self._parties) == PARTIES_A_GROUND:
                raise AssertionError(f"{self.kind} has more than {PARTIES_A_GROUND} parties")
            self._parties[name] = credit_code(self._first_party + len(self._parties))
        return self._parties[name]

    def thing(self, name: str) -> str:
        """The id of an asset, a contract, a source or a document of this ground."""
        return f"{self.kind}-{self.number}-{name}"

    def about(self, name: str) -> tuple[Kind, str]:
        """Return an asset as what a finding is about."""
        return ("asset", self.thing(name))

    def contract(self, name: str) -> tuple[Kind, str]:
        """Return a contract as what a finding is about."""
        return ("contract", self.thing(name))

    def event(self, type_: str, subject: str, time: int, **data: Any) -> Told:
        """Any event; members that are None are left out."""
        self._count += 1
        id_ = f"{self.kind}-{self.number}-{self._count}"
        members = {k: v for k, v in data.items() if v is not None}
        source = OFFICIALS if takes_official(f"circulation.{type_}", members) else self._source
        return Told(time, type_, subject, id_, source, members)

    def party(self, name: str, time: int | None = None, **facts: Any) -> Told:
        """A registration of a party."""
        self._registered.add(name)
        defaults = {"name": f"{self.kind} {name}", "roles": ["dealer", "buyer"], "industry": "I65", "employees": 100}
        return self.event("party.registered", self.who(name), self.day(0) if time is None else time, **defaults | facts)

    def asset(self, name: str, time: int | None = None, *, owner: str = "seller", **facts: Any) -> Told:
        """A registration of an asset about which every fact is known and harmless."""
        self._registered.add(name)
        self._owners.setdefault(name, owner)
        id_ = self.thing(name)
        defaults: dict[str, Any] = {
            "title": f"{self.kind} {name}",
            "owner": self.who(owner),
            "rights": ["holding", "processing", "operating"],
            "certificate": f"certificate-{id_}",
            "category": id_,
            "industry": "I65",
            "level": "general",
            "personal": "none",
            "fields": [f"{id_}-value"],
            "persons": 0,
        }
        return self.event("asset.registered", id_, self.day(1) if time is None else time, **defaults | facts)

    def derived(self, name: str, time: int, *inputs: str, process: str = "copy", **data: Any) -> Told:
        """A derivation of one asset of this ground from others."""
        named = [{"asset": self.thing(input_)} for input_ in inputs]
        return self.event("asset.derived", self.thing(name), time, inputs=named, process=process, **data)

    def ran(self, kind: str, time: int, run: str, inputs: Sequence[str], outputs: Sequence[str]) -> Told:
        """An OpenLineage event of a run of this ground; a dataset without a name is called as its namespace is."""
        sides = {"inputs": inputs, "outputs": outputs}
        data = {side: [{"namespace": self.thing(name), "name": ""} for name in names] for side, names in sides.items()}
        return Told(time, OPENLINEAGE_RUN, self.thing(run), kind, UNNUMBERED, data)

    def listed(self, name: str, time: int | None = None, *, seller: str = "seller", **data: Any) -> Told:
        """A listing of the product of an asset."""
        defaults = {"product": f"product-{self.thing(name)}", "seller": self.who(seller), "delivery": ["api"]}
        return self.event("product.listed", self.thing(name), self.day(3) if time is None else time, **defaults | data)

    def granted(self, name: str, kind: str, time: int | None = None, **data: Any) -> Told:
        """A grant that restricts nothing and is valid from its issue."""
        when = self.day(1) if time is None else time
        defaults = {"grant": f"{self.kind}-{kind}-{self._count}", "kind": kind, "valid_from": format_instant(when)}
        return self.event("grant.issued", self.who(name), when, **defaults | data)

    def signed(
        self,
        name: str,
        time: int | None = None,
        *,
        asset: str = "asset",
        seller: str = "seller",
        buyer: str = "buyer",
        terms: Mapping[str, Any] | None = None,
        amended: bool = False,
        **data: Any,
    ) -> Told:
        """A signing (or an amendment) of a contract whose terms limit nothing but what is said."""
        when = self.day(5) if time is None else time
        stated = format_instant(when)
        defaults: dict[str, Any] = {
            "asset": self.thing(asset),
            "seller": self.who(seller),
            "buyer": self.who(buyer),
            "channel": "on-exchange",
            "amount": "5000",
            "signed": stated,
            "terms": {"valid_from": stated, **(terms or {})},
        }
        type_ = "contract.amended" if amended else "contract.signed"
        return self.event(type_, self.thing(name), when, **defaults | data)

    def delivered(self, name: str, time: int, *, to: str = "buyer", **data: Any) -> Told:
        """A delivery under a contract."""
        defaults: dict[str, Any] = {
            "delivery": f"delivery-{self.thing(name)}-{self._count}",
            "mode": "api",
            "bytes": 1_000,
            "recipient": self.who(to),
            "country": "CN",
            "region": "110108",
        }
        return self.event("delivery.completed", self.thing(name), time, **defaults | data)

    def paid(
        self, name: str, time: int, amount: str = "5000", *, by: str = "buyer", to: str = "seller", **data: Any
    ) -> Told:
        """A settlement under a contract."""
        defaults = {
            "settlement": f"settlement-{self.thing(name)}-{self._count}",
            "payer": self.who(by),
            "payee": self.who(to),
            "amount": amount,
        }
        return self.event("settlement.paid", self.thing(name), time, **defaults | data)

    def used(self, name: str, time: int, uses: int = 1, **data: Any) -> Told:
        """A report of uses under a contract."""
        return self.event("usage.reported", self.thing(name), time, uses=uses, **{"purpose": "research"} | data)

    def exported(self, name: str, time: int, persons: int = 0, sensitive: int = 0, **data: Any) -> Told:
        """An export of a party."""
        defaults: dict[str, Any] = {
            "export": f"export-{self.kind}-{self._count}",
            "recipient": "lei:529900T8BM49AURSDO55",
            "country": "SG",
            "level": "general",
        }
        counts = {"persons": persons, "sensitive_persons": sensitive}
        return self.event("export.performed", self.who(name), time, **counts, **defaults | data)

    def trade(
        self,
        name: str,
        time: int | None = None,
        *,
        asset: str = "asset",
        seller: str = "seller",
        buyer: str = "buyer",
        amount: str = "5000",
        delivered: bool = True,
        paid: bool = True,
        **data: Any,
    ) -> Iterator[Told]:
        """An ordinary contract: whoever is not there yet is registered, it is signed, and served and paid in days. A
        seller that does not own the asset holds a right to operate it."""
        for party in (seller, buyer):
            if party not in self._registered:
                yield self.party(party)
        if asset not in self._registered:
            yield self.asset(asset, owner=seller)
        if seller != self._owners[asset] and (seller, asset) not in self._entitled:
            self._entitled.add((seller, asset))
            yield self.granted(seller, "operating-right", assets=[self.thing(asset)])
        signing = self.signed(name, time, asset=asset, seller=seller, buyer=buyer, amount=amount, **data)
        yield signing
        if delivered:
            yield self.delivered(name, signing.time + DAY, to=buyer)
        if paid:
            yield self.paid(name, signing.time + 2 * DAY, amount, by=buyer, to=seller)

    def must(
        self,
        detector: str,
        severity: Severity,
        about: tuple[Kind, str],
        why: str,
        *,
        cause: Told | None = None,
        occurred: int | None = None,
        party: str | None = None,
        evidence: Mapping[str, Any] | None = None,
        **more_evidence: Any,
    ) -> Must:
        """An expected finding: its subject, its event or instant, and why."""
        more: dict[str, Any] = {}
        if cause is not None:
            more["cause"] = {"source": cause.source, "id": cause.id}
            occurred = cause.time if occurred is None else occurred
        if occurred is not None:
            more["occurred"] = format_instant(occurred)
        if party is not None:
            more["party"] = party
        if evidence or more_evidence:
            more["evidence"] = {**(evidence or {}), **more_evidence}
        return Must(detector, severity, *about, why, more)


class Grown(NamedTuple):
    """A plant that has grown: its lines in the order in which they arrive, and what must be found in them.

    Of the lines some are duplicates, heartbeats that a newer one replaces, and cancellations: they leave no row.
    """

    lines: list[tuple[int, bytes]]
    musts: list[Must]
    duplicates: int
    heartbeats_replaced: int
    cancellations: int


def grow(plant: Plant, on: Ground, seed: int) -> Grown:
    """Numbers the events of a plant, and has some of them come late and some of them twice."""
    yielded = list(plant(on))
    musts = [item for item in yielded if isinstance(item, Must)]
    events = sorted((item for item in yielded if isinstance(item, Told)), key=lambda event: event.time)
    choose = random.Random(f"{seed} {on.kind} {on.number}")  # noqa: S311 (a seeded market, not a secret)
    last: dict[tuple[str | None, str, str, int], int] = {}
    lines: list[tuple[int, bytes]] = []
    duplicates = 0
    beats: dict[str, int] = {}
    for event in events:
        number = None
        if event.source != UNNUMBERED:
            # A retraction goes to the topic of the event that it takes back.
            type_ = event.data["type"] if event.type == "event.retracted" else f"circulation.{event.type}"
            key = (TYPES[type_][0], event.source, event.subject, event.epoch)
            number = last[key] = last.get(key, 0) + 1
        if event.lost:
            continue
        line = line_of(event, number)
        lateness, twice = choose.random(), choose.random()
        arrives = event.time if event.arrives is None else event.arrives
        if event.arrives is None and lateness < LATE_SHARE and not on.in_order and event.type not in IN_ORDER:
            arrives = min(arrives + int(LATE_MAX * lateness / LATE_SHARE), END - 1)
        lines.append((arrives, line))
        if event.type == "source.heartbeat":
            beats[event.subject] = beats.get(event.subject, 0) + 1
        elif twice < TWICE_SHARE:
            duplicates += 1
            lines.append((min(arrives + int(TWICE_MAX * twice / TWICE_SHARE), END - 1), line))
    lines.sort(key=lambda line: line[0])
    cancellations = sum(event.type == "usage.cancelled" for event in events)
    return Grown(lines, musts, duplicates, sum(beats.values()) - len(beats), cancellations)

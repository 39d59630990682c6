"""The market beside the story: a year of ordinary trade, in which a few things go wrong that are listed beforehand.

What must be found comes from the plan of each plant, never from a detector, so that it can be held against what the
workers find. Beside each plant is a near miss: the last thing that is still allowed. Everything lies in the year
before the story's, so that the two share a clock and neither moves the other's deadlines.

Its findings are about things of their own, and one seed makes the same bytes.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from circulation.calendar import DAY, HOUR, parse_instant
from streams.story import Found, Teller, code

SOURCE: Final = "//market.example/events"
BEGIN: Final = parse_instant("2024-01-01")
SEED: Final = 7
EVENTS_MIN: Final = 2_000
EVENTS_A_CONTRACT: Final = 400
EVENTS_A_PLANT: Final = 20_000
EVENTS_A_DUPLICATE: Final = 500
CONTRACTS_A_SELLER: Final = 5
SIGNED_DAY, FIRST_DAY, LAST_DAY = 10, 15, 330
USES: Final = (1, 1, 1, 2, 5, 20)
LICENSED_TIMES: Final = 2
SELLER_CODES, BUYER_CODES, PLANT_CODES = 100_000, 200_000, 300_000


class Planned(NamedTuple):
    """An event before it has its number: when (µs), type, subject, and the rest as the teller takes it."""

    time: int
    type: str
    subject: str
    rest: dict[str, Any]


class Market(NamedTuple):
    """Lines in the order of time, what must be found in them, and how many of them are duplicates."""

    lines: list[bytes]
    found: Counter[Found]
    duplicates: int


def market(events: int, seed: int = SEED) -> Market:
    """A market of exactly so many lines, from `EVENTS_MIN` on.

    Uses are many, and heavy-tailed by contract; everything else is about one line in a hundred.
    """
    choose = random.Random(seed)  # noqa: S311 (it is a seeded market, not a secret)
    planned: list[Planned] = []
    found: Counter[Found] = Counter()
    for number in range(max(1, events // EVENTS_A_PLANT)):
        for plant in PLANTS:
            more, what = plant(number)
            planned += more
            found.update(what)
    contracts = [f"market-{number:05}" for number in range(max(4, events // EVENTS_A_CONTRACT))]
    duplicates = events // EVENTS_A_DUPLICATE
    fixed = len(planned) + sum(len(list(_trade(number, 0))) for number in range(len(contracts)))
    uses = events - duplicates - fixed
    if uses < duplicates:
        raise ValueError(f"a market has at least {EVENTS_MIN} events, got {events}")
    used: Counter[int] = Counter()
    weights = [1 / (rank + 1) for rank in range(len(contracts))]
    shares = Counter(choose.choices(range(len(contracts)), weights, k=uses))
    for number, share in sorted(shares.items()):
        # Evenly, so that no hour stands out.
        step = (LAST_DAY - FIRST_DAY) * DAY // share
        for at in range(share):
            count = choose.choice(USES)
            used[number] += count
            time = BEGIN + FIRST_DAY * DAY + at * step + choose.randrange(0, step, 1_000_000)
            planned.append(_use(contracts[number], time, count))
    for number in range(len(contracts)):
        planned += _trade(number, used[number])
    planned.sort(key=lambda one: one.time)
    twice = set(choose.sample([at for at, one in enumerate(planned) if one.type == "usage.reported"], duplicates))
    return Market(list(_told(planned, twice)), found, duplicates)


def _told(planned: Sequence[Planned], twice: set[int]) -> Iterator[bytes]:
    tell = Teller(SOURCE)
    for at, one in enumerate(planned):
        line = orjson.dumps(tell(one.type, one.subject, one.time, **one.rest))
        yield line
        if at in twice:
            yield line


def _at(day: float) -> int:
    return BEGIN + int(day * DAY)


def _plan(day: float, type_: str, subject: str, **rest: Any) -> Planned:
    return Planned(_at(day), type_, subject, rest)


def _use(contract: str, time: int, uses: int, *, purpose: str = "research", **rest: Any) -> Planned:
    return Planned(time, "usage.reported", contract, {"uses": uses, "purpose": purpose, "country": "CN", **rest})


def _party(number: int, **rest: Any) -> Planned:
    who = party(number)
    facts = {"name": f"Market Party {number}", "roles": ["dealer", "buyer"], "industry": "I65"}
    return _plan(1, "party.registered", who, **(facts | rest))


def party(number: int) -> str:
    """The credit code of a party of the market."""
    return code(f"91110108MA2{number:06}")


def _asset(asset: str, owner: str, **rest: Any) -> Planned:
    facts: dict[str, Any] = {
        "title": asset,
        "owner": owner,
        "rights": ["holding", "processing", "operating"],
        "certificate": f"certificate-{asset}",
        "category": "traffic",
        "industry": "I65",
        "level": "general",
        "personal": "none",
        "fields": [f"{asset}-value"],
        "persons": 0,
    }
    return _plan(2, "asset.registered", asset, **(facts | rest))


def _signed(contract: str, asset: str, seller: str, buyer: str, **terms: Any) -> Planned:
    return _plan(
        SIGNED_DAY,
        "contract.signed",
        contract,
        asset=asset,
        seller=seller,
        buyer=buyer,
        channel="on-exchange",
        amount="5000",
        signed="2024-01-11",
        terms={"valid_from": "2024-01-11", "purposes": ["research"], "countries": ["CN"], **terms},
    )


def _listed(asset: str, seller: str, **rest: Any) -> Planned:
    return _plan(5, "product.listed", asset, product=f"product-{asset}", seller=seller, delivery=["api"], **rest)


def _trade(number: int, used: int) -> Iterator[Planned]:
    """One ordinary contract: the parties, the asset, the listing, the trade, its delivery and its payment."""
    group, contract = number // CONTRACTS_A_SELLER, f"market-{number:05}"
    seller, buyer, asset = party(SELLER_CODES + group), party(BUYER_CODES + number), f"market-asset-{group:05}"
    if number % CONTRACTS_A_SELLER == 0:
        yield _party(SELLER_CODES + group)
        yield _asset(asset, seller)
        yield _listed(asset, seller)
    yield _party(BUYER_CODES + number)
    yield _signed(contract, asset, seller, buyer, uses_max=LICENSED_TIMES * used + 1)
    yield _plan(
        SIGNED_DAY + 2,
        "delivery.completed",
        contract,
        delivery=f"delivery-{contract}",
        mode="api",
        bytes=1_000,
        recipient=buyer,
        country="CN",
    )
    yield _paid(contract, seller, buyer, SIGNED_DAY + 3)


def _paid(contract: str, seller: str, buyer: str, day: float) -> Planned:
    return _plan(
        day,
        "settlement.paid",
        contract,
        settlement=f"settlement-{contract}",
        payer=buyer,
        payee=seller,
        amount="5000",
    )


# Plants: each is made of parties and an asset of its own, and answers with its events and with what must be found.

Plant = Callable[[int], tuple[list[Planned], list[Found]]]


class _Ground(NamedTuple):
    seller: str
    buyer: str
    asset: str
    events: list[Planned]


def _ground(kind: int, number: int, **asset: Any) -> _Ground:
    """Two strangers, and an asset that one of them may sell."""
    first = PLANT_CODES + 20 * number * len(PLANTS) + 2 * kind
    seller, buyer, name = party(first), party(first + 1), f"plant-{kind}-{number}"
    return _Ground(seller, buyer, name, [_party(first), _party(first + 1), _asset(name, seller, **asset)])


def _overrun(number: int) -> tuple[list[Planned], list[Found]]:
    """1,000 uses are licensed: 1,250 in steps of 50 pass every band; 799 pass none."""
    seller, buyer, asset, events = _ground(0, number)
    over, near = f"overrun-{number}", f"nearly-{number}"
    for contract, counts in ((over, [50] * 25), (near, [50] * 15 + [49])):
        events.append(_signed(contract, asset, seller, buyer, uses_max=1_000))
        events += [_use(contract, _at(FIRST_DAY + day), count) for day, count in enumerate(counts)]
    return events, [Found("usage-limit", severity, over) for severity in ("blue", "yellow", "orange", "red")]


def _drift(number: int) -> tuple[list[Planned], list[Found]]:
    """A use for advertising under terms of research; a sub-purpose of research is allowed."""
    seller, buyer, asset, events = _ground(1, number)
    contract = f"drift-{number}"
    events.append(_signed(contract, asset, seller, buyer))
    events += [_use(contract, _at(40), 3, purpose="research/health"), _use(contract, _at(41), 3, purpose="advertising")]
    return events, [Found("purpose-drift", "orange", contract)]


def _abroad(number: int) -> tuple[list[Planned], list[Found]]:
    """A use from another country than the terms allow."""
    seller, buyer, asset, events = _ground(2, number)
    contract = f"abroad-{number}"
    events.append(_signed(contract, asset, seller, buyer))
    events += [_use(contract, _at(50), 2), _use(contract, _at(51), 2, country="SG")]
    return events, [Found("outside-terms", "orange", contract)]


def _ended(number: int) -> tuple[list[Planned], list[Found]]:
    """A use an hour after the termination, and one an hour before it."""
    seller, buyer, asset, events = _ground(3, number)
    contract = f"ended-{number}"
    events += [_signed(contract, asset, seller, buyer), _plan(60, "contract.terminated", contract, reason="agreed")]
    events += [_use(contract, _at(60) - HOUR, 2), _use(contract, _at(60) + HOUR, 2)]
    return events, [Found("use-after-end", "orange", contract)]


def _secret(number: int) -> tuple[list[Planned], list[Found]]:
    """A state secret is listed; an asset with another tag may be."""
    seller, _, asset, events = _ground(4, number, tags=["state-secret"])
    open_ = f"{asset}-open"
    events += [_asset(open_, seller, tags=["open"]), _listed(asset, seller), _listed(open_, seller)]
    return events, [Found("negative-list", "red", asset)]


def _rightless(number: int) -> tuple[list[Planned], list[Found]]:
    """Two list another one's asset; one of them holds an operating right for it."""
    seller, other, asset, events = _ground(5, number)
    granted = f"{asset}-granted"
    events.append(_asset(granted, seller))
    events.append(
        _plan(
            3,
            "grant.issued",
            other,
            grant=f"grant-{asset}",
            kind="operating-right",
            assets=[granted],
            valid_from="2024-01-01",
        )
    )
    events += [_listed(asset, other), _listed(granted, other)]
    return events, [Found("right-missing", "orange", asset)]


def _related(number: int) -> tuple[list[Planned], list[Found]]:
    """Two with one controller trade with each other; with a stranger either may."""
    seller, buyer, asset, events = _ground(6, number)
    stranger = events[0].subject
    inside = code(f"91110108MA4{number:06}")
    events.append(_plan(1, "party.registered", inside, name=f"Subsidiary {number}", roles=["buyer"], controller=seller))
    related, free = f"related-{number}", f"unrelated-{number}"
    events += [_signed(related, asset, stranger, inside), _signed(free, asset, stranger, buyer)]
    return events, [Found("related-party-trade", "yellow", related)]


def _paper(number: int) -> tuple[list[Planned], list[Found]]:
    """Paid, and nothing delivered within 30 days; the other is used on the last of them."""
    seller, buyer, asset, events = _ground(7, number)
    paper, served = f"paper-{number}", f"served-{number}"
    for contract in (paper, served):
        events += [_signed(contract, asset, seller, buyer), _paid(contract, seller, buyer, 20)]
    events.append(_use(served, _at(50), 1))
    return events, [Found("paper-trade", "orange", paper)]


def _unsigned(number: int) -> tuple[list[Planned], list[Found]]:
    """Two uses under a contract that nobody signed: found once."""
    contract = f"unsigned-{number}"
    return [_use(contract, _at(70 + day), 1) for day in range(2)], [Found("unknown-contract", "orange", contract)]


def _hole(number: int) -> tuple[list[Planned], list[Found]]:
    """One number of a source never comes."""
    seller, buyer, asset, events = _ground(9, number)
    contract, source = f"hole-{number}", f"//feed.example/{number}"
    events.append(_signed(contract, asset, seller, buyer))
    for day in range(3):
        events.append(_use(contract, _at(80 + day), 1, source=source, lost=1 if day == 1 else 0))
    return events, [Found("feed-gap", "yellow", source)]


PLANTS: Final[tuple[Plant, ...]] = (
    _overrun,
    _drift,
    _abroad,
    _ended,
    _secret,
    _rightless,
    _related,
    _paper,
    _unsigned,
    _hole,
)

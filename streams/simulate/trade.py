"""The ordinary trade of the market, of which nothing may be found: houses that list what they derived, and buyers.

Every house works within one month and in categories of that month, so that no market of it grows or concentrates; its
contracts are licensed for twice what is used, paid for what they license, served before they are paid. Some of it comes
late and some of it twice. How many uses a contract has is heavy-tailed; they come evenly over some days.
"""

import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from circulation.calendar import DAY, HOUR, SECOND, format_instant, start_of_month
from circulation.events.names import USAGE_REPORTED
from streams.simulate.ground import END, FIRST_MONTH, NUMBERED, UNNUMBERED, credit_code
from streams.simulate.told import Told, line_of

CONTRACTS_A_HOUSE: Final = 5
EVENTS_A_CONTRACT: Final = 400
# Beyond these contracts become longer and not more, so that what is alive at one time stays the same.
CONTRACTS_MAX: Final = 100_000
# Houses of a month begin within its first half, and are done before its end.
MONTHS: Final = 17
HOUSES_BEGIN_DAYS: Final = 13
USES_BEGIN, USES_HOURS_MAX = 3 * DAY, 144
# Three uses an hour and more, twice as many in one hour as in the next: nobody takes a day's pause and then everything
# at once, and no hour stands out from those before it, since they differ.
USES_AN_HOUR: Final = 3
SHARES_BLOCK: Final = 500
COUNTS: Final = (1, 1, 2, 2, 3, 5)
LICENSED_TIMES: Final = 2
ENDS: Final = 11 * DAY
# Nearly the same everywhere, so that no house has much of a market.
AMOUNTS: Final = (5_000, 6_000)
# Of so many contracts one's parties are heard of late; of so many uses one is overtaken by the next.
LATE_EVERY, LATE_BY = 20, 30 * HOUR
OVERTAKEN_EVERY: Final = 97
CATEGORIES: Final = ("traffic", "weather", "parking", "energy", "retail", "maps", "logistics")
INDUSTRIES: Final = ("I65", "G54", "M74", "F52", "N77")
PURPOSES: Final = ("research", "navigation", "planning", "pricing")
PROCESSES: Final = ("copy", "join", "aggregate", "model", "deidentify")
SELLERS, BUYERS = 10_000_000, 20_000_000


class Contract(NamedTuple):
    """One contract of the ordinary trade: its number, how often it is used, and how many of the reports come twice."""

    number: int
    uses: int
    duplicates: int

    @property
    def house(self) -> int:
        """The number of the house that sells."""
        return self.number // CONTRACTS_A_HOUSE

    @property
    def opens(self) -> bool:
        """Whether the house begins with it."""
        return self.number % CONTRACTS_A_HOUSE == 0


def contracts_of(events: int) -> int:
    """How many contracts a market of so many events has."""
    return min(max(CONTRACTS_A_HOUSE, events // EVENTS_A_CONTRACT), CONTRACTS_MAX)


def statements_of(number: int) -> int:
    """How many lines a contract has apart from its uses: those of the house are with its first contract."""
    plan = Contract(number, 0, 0)
    house = 3 + 2 * _depth(plan.house) + _exports(plan.house) if plan.opens else 0
    return house + 4 + 2 * _deleted(number)


def _depth(house: int) -> int:
    """How many derivations lie between what a house collected and what it sells."""
    return house % 6


def _exports(house: int) -> int:
    return int(house % 3 == 1)


def _deleted(number: int) -> int:
    return int(number % 4 == 2)


def weight(number: int) -> float:
    """The share of the uses that a contract has: few have most, and any block of contracts looks like any other."""
    return 1.0 / (1 + number * 167 % SHARES_BLOCK)


def starts(house: int, houses: int) -> int:
    """When a house begins: one after another, months by month, in the order of their numbers."""
    place = house * MONTHS / houses
    month = int(place)
    return start_of_month(FIRST_MONTH + month) + int((place - month) * HOUSES_BEGIN_DAYS * DAY)


def lines_of(plan: Contract, houses: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """When each line of a contract arrives, and the line, in that order."""
    choose = random.Random(f"{seed} {plan.number}")  # noqa: S311 (a seeded market, not a secret)
    start = starts(plan.house, houses) + plan.number % CONTRACTS_A_HOUSE * HOUR
    statements = _made(plan, start, choose)
    # A registration may come after what rests on it: what was made in time is in time.
    if choose.randrange(LATE_EVERY) == 0:
        statements = [
            statement.late(LATE_BY) if statement.type == "party.registered" else statement for statement in statements
        ]
    return _woven(plan, statements, start, choose)


def _source(house: int) -> str:
    return NUMBERED if house % 2 else UNNUMBERED


class _Said:
    """Collects what is said of one contract, with ids that follow from its number."""

    def __init__(self, contract: str, source: str) -> None:
        self.events: list[Told] = []
        self._contract, self._source = contract, source

    def __call__(self, type_: str, subject: str, time: int, **data: Any) -> None:
        self.events.append(Told(time, type_, subject, f"{self._contract}-s{len(self.events)}", self._source, data))


def _made(plan: Contract, start: int, choose: random.Random) -> list[Told]:
    """All that is said of a contract but its uses."""
    house, contract = plan.house, f"trade-{plan.number}"
    seller, buyer = credit_code(SELLERS + house), credit_code(BUYERS + plan.number)
    product = f"house-{house}-{_depth(house)}"
    say = _Said(contract, _source(house))
    if plan.opens:
        _house(house, seller, start, say)
    name = f"Buyer {plan.number}"
    say("party.registered", buyer, start + HOUR, name=name, roles=["buyer"], industry="I65")
    signed = start + DAY + choose.randrange(HOUR // SECOND) * SECOND
    end = start + ENDS
    terms: dict[str, Any] = {
        "valid_from": format_instant(signed),
        "valid_to": format_instant(end + DAY),
        "uses_max": LICENSED_TIMES * max(COUNTS) * plan.uses + 1,
        "purposes": [PURPOSES[plan.number % len(PURPOSES)]],
        "countries": ["CN"],
    }
    if _deleted(plan.number):
        terms |= {"delete_within_days": 15, "pay_within_days": 10}
    amount = str(choose.randrange(*AMOUNTS))
    say(
        "contract.signed",
        contract,
        signed,
        asset=product,
        product=f"product-{product}",
        seller=seller,
        buyer=buyer,
        channel="on-exchange",
        amount=amount,
        signed=format_instant(signed),
        terms=terms,
    )
    say(
        "delivery.completed",
        contract,
        signed + 2 * HOUR,
        delivery=f"delivery-{plan.number}",
        mode="api",
        bytes=choose.randrange(10_000, 10_000_000),
        recipient=buyer,
        country="CN",
    )
    paid = {"settlement": f"settlement-{plan.number}", "payer": buyer, "payee": seller, "amount": amount}
    say("settlement.paid", contract, signed + DAY, **paid)
    if _deleted(plan.number):
        say("contract.terminated", contract, end, reason="all used")
        say("deletion.proved", contract, end + HOUR, evidence=f"document-{plan.number}")
    return say.events


def _house(house: int, seller: str, start: int, say: _Said) -> None:
    """A house and what it offers: collected, derived in some steps, listed; and a small export now and then."""
    roles = ["holder", "dealer"]
    say(
        "party.registered",
        seller,
        start,
        name=f"House {house}",
        roles=roles,
        industry="I65",
        employees=50 + house % 100,
    )
    depth = _depth(house)
    month = format_instant(start)[:7]
    industry, category = INDUSTRIES[house % len(INDUSTRIES)], f"{CATEGORIES[house % len(CATEGORIES)]}-{month}"
    for step in range(depth + 1):
        asset = f"house-{house}-{step}"
        say(
            "asset.registered",
            asset,
            start + 60 * SECOND,
            title=f"{category}, step {step}",
            owner=seller,
            rights=["holding", "processing", "operating"],
            certificate=f"certificate-{asset}",
            category=category,
            industry=industry,
            level="general",
            personal="none",
            fields=[f"{asset}-{name}" for name in ("place", "time", "value")],
            persons=0,
            origin="derived" if step else "collected",
            digest=f"sha256:{asset}",
        )
        if step:
            inputs = [{"asset": f"house-{house}-{step - 1}", "share": 1}]
            process = PROCESSES[(house + step) % len(PROCESSES)]
            say("asset.derived", asset, start + step * 120 * SECOND, inputs=inputs, process=process)
    product = f"house-{house}-{depth}"
    price = {"mode": "per-use", "amount": "10"}
    say(
        "product.listed",
        product,
        start + HOUR // 2,
        product=f"product-{product}",
        seller=seller,
        price=price,
        delivery=["api"],
    )
    if _exports(house):
        say(
            "export.performed",
            seller,
            start + 2 * DAY,
            export=f"export-{house}",
            recipient="lei:529900T8BM49AURSDO55",
            country="SG",
            persons=100 + house % 900,
            sensitive_persons=0,
            level="general",
        )


def _uneven(steady: int) -> int:
    """Of two hours each, what would come steadily has two thirds in the first of them."""
    whole, within = steady // (2 * HOUR) * 2 * HOUR, steady % (2 * HOUR)
    return whole + (within * 3 // 4 if within < 4 * HOUR // 3 else HOUR + (within - 4 * HOUR // 3) * 3 // 2)


def _woven(plan: Contract, statements: list[Told], start: int, choose: random.Random) -> Iterator[tuple[int, bytes]]:
    """The uses of a contract among its statements; now and then one comes after its follower, or once more."""
    contract = f"trade-{plan.number}"
    numbers: dict[str, int] | None = {} if plan.house % 2 else None
    # Numbers are those of the times, also of what comes late.
    waiting: list[tuple[int, int, Told, int | None]] = []
    for at, statement in enumerate(sorted(statements, key=lambda statement: statement.time)):
        number = None
        if numbers is not None and statement.subject != contract:
            number = numbers[statement.subject] = numbers.get(statement.subject, 0) + 1
        waiting.append((statement.time if statement.arrives is None else statement.arrives, at, statement, number))
    waiting.sort(reverse=True)

    def stated(until: int) -> Iterator[tuple[int, bytes]]:
        while waiting and waiting[-1][0] <= until:
            arrives, _, statement, number = waiting.pop()
            if numbers is not None and statement.subject == contract:
                number = numbers[contract] = numbers.get(contract, 0) + 1
            yield arrives, line_of(statement, number)

    begin = (start + USES_BEGIN) // HOUR * HOUR
    step = min(USES_HOURS_MAX * HOUR // max(1, plan.uses), HOUR // USES_AN_HOUR)
    twice_every = plan.uses // plan.duplicates if plan.duplicates else plan.uses + 1
    head = f'{{"specversion":"1.0","id":"{contract}-'
    middle = f'","source":"{_source(plan.house)}","type":"{USAGE_REPORTED}","subject":"{contract}","time":"'
    purpose = PURPOSES[plan.number % len(PURPOSES)]
    below, kinds = choose.random, len(COUNTS)
    held: bytes | None = None
    repeated, time = 0, begin
    for at in range(plan.uses):
        time = begin + _uneven(at * step + int(below() * step))
        yield from stated(time)
        uses, counted = COUNTS[int(below() * kinds)], ""
        if numbers is not None:
            number = numbers[contract] = numbers[contract] + 1
            counted = f',"sequence":"{number}","sequencetype":"Integer"'
        line = (
            f'{head}{at}{middle}{format_instant(time)}"{counted},"data":{{"uses":{uses},"bytes":{uses * 4096}'
            f',"purpose":"{purpose}","country":"CN"}}}}'
        ).encode()
        if held is None and at % OVERTAKEN_EVERY == 0 and at + 1 < plan.uses:
            held = line
            continue
        yield time, line
        if held is not None:
            yield time, held
            held = None
        if repeated < plan.duplicates and at % twice_every == twice_every - 1:
            repeated += 1
            yield time, line
    for _ in range(plan.duplicates - repeated):
        yield time, line
    yield from stated(END)

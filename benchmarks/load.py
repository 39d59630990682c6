"""The load: contracts of parties over assets, and uses of them in random order, with what must be found among them.

All of it is made up from numbers, the same every time. Most contracts are far from their limits; of every hundredth
the uses are twice as many as were licensed, so that it passes all bands that its uses do not jump over.
"""

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from circulation.calendar import SECOND, format_instant
from circulation.events.names import CONTRACTS, DELIVERY_COMPLETED, USAGE_REPORTED
from circulation.events.types import TYPES
from circulation.examples import Json, asset, event, party
from circulation.identifiers import uscc_check_character

SOURCE: Final = "//exchange.example/events"
PARTIES: Final = 200
# Parties that buy and never sell, beside these.
BUYERS: Final = 1_000
ASSETS: Final = 500
USES_MEAN: Final = 3
# One contract of so many is licensed for half of what will be used.
TIGHT_EVERY: Final = 100
AMPLE: Final = 1_000_000_000
EVENTS_PER_SECOND: Final = 100
REGISTERED: Final = "2019-01-01"
# Later than the instants at which entries of the shipped list took effect: nothing was screened since.
SIGNED: Final = "2026-06-01"
CHINA: Final = dt.timezone(dt.timedelta(hours=8))

# (severity, from this share of the limit on), highest first; the two upper ones only beyond it.
BANDS: Final = (("red", 120), ("orange", 100), ("yellow", 95), ("blue", 80))


class Message(NamedTuple):
    """A structured CloudEvent and its key."""

    topic: str
    key: bytes
    value: bytes


def contract_id(number: int) -> str:
    """The id of a contract."""
    return f"contract-{number:06}"


def party_id(number: int) -> str:
    """A social credit code with the right check character."""
    first17 = f"91110108{number:09}"
    return first17 + uscc_check_character(first17)


def message(members: Json, sequence: int = 1) -> Message:
    """Make the message of an event, numbered by its source."""
    # A source that numbers events numbers them for each subject.
    event = members | {"source": SOURCE, "sequence": str(sequence), "sequencetype": "Integer"}
    topic = TYPES[event["type"]][0]
    if topic is None:
        raise ValueError(f"{event['type']} has no topic of its own")
    return Message(topic, event["subject"].encode(), orjson.dumps(event))


def entities() -> Iterator[Message]:
    """The registrations of all parties and assets, before anything is done with them. No two assets are alike."""
    for number in range(PARTIES + BUYERS):
        yield message(party(party_id(number), REGISTERED, industry="I65"))
    for number in range(ASSETS):
        fields = [f"field-{number}-{index}" for index in range(3)]
        yield message(asset(f"asset-{number:04}", REGISTERED, owner=party_id(number % PARTIES), fields=fields))


def signings(limits: list[int]) -> Iterator[Message]:
    """A signing for each contract, licensed for as many uses as `limits` says."""
    for number, limit in enumerate(limits):
        seller, buyer = number % ASSETS % PARTIES, PARTIES + number * 7 % BUYERS
        terms = {
            "valid_from": "2020-01-01",
            "valid_to": "2099-01-01",
            "uses_max": limit,
            "bytes_max": AMPLE * 1000,
            "purposes": ["credit", "research", "insurance/pricing"],
            "countries": ["CN", "SG"],
        }
        yield message(
            event(
                "contract.signed",
                contract_id(number),
                SIGNED,
                asset=f"asset-{number % ASSETS:04}",
                seller=party_id(seller),
                buyer=party_id(buyer),
                channel="on-exchange",
                amount="1000",
                signed=SIGNED,
                terms=terms,
            )
        )


class Acts:
    """Contracts with what is done under them, in the order of time: a signing, two deliveries and a payment each.

    Buyers buy only, so that nothing goes round. Of every hundredth contract a delivery leaves the countries of its
    terms; after the iteration `expected` has these findings.
    """

    PER_CONTRACT: Final = 4

    def __init__(self, acts: int, *, until: int) -> None:
        self.contracts = acts // self.PER_CONTRACT
        self.acts = self.contracts * self.PER_CONTRACT
        self.expected: Counter[str] = Counter()
        self._since = (until // SECOND - self.contracts // 10 - 60) * SECOND

    def __iter__(self) -> Iterator[Message]:
        self.expected.clear()
        for number in range(self.contracts):
            start = self._since + number * SECOND // 10
            times = [format_instant(start + shift * SECOND) for shift in range(self.PER_CONTRACT)]
            abroad = number % TIGHT_EVERY == 0
            self.expected["orange"] += abroad
            for sequence, members in enumerate(_dealt(number, times, abroad=abroad), start=1):
                yield message(members, sequence)


def _dealt(number: int, times: Sequence[str], *, abroad: bool) -> Iterator[Json]:
    contract = contract_id(number)
    seller, buyer = party_id(number % ASSETS % PARTIES), party_id(PARTIES + number * 7 % BUYERS)
    yield event(
        "contract.signed",
        contract,
        times[0],
        asset=f"asset-{number % ASSETS:04}",
        seller=seller,
        buyer=buyer,
        channel="on-exchange",
        amount="1000",
        signed=times[0],
        terms={"valid_from": "2020-01-01", "valid_to": "2099-01-01", "uses_max": AMPLE, "countries": ["CN", "SG"]},
    )
    for index, country in enumerate(("CN", "DE" if abroad else "SG"), start=1):
        yield event(
            "delivery.completed",
            contract,
            times[index],
            delivery=f"{contract}-{index}",
            mode="api",
            bytes=4096,
            recipient=buyer,
            country=country,
        )
    paid = f"{contract}-paid"
    yield event("settlement.paid", contract, times[3], settlement=paid, payer=buyer, payee=seller, amount="1000")


def limits(contracts: int, events: int) -> list[int]:
    """How many uses each contract is licensed for when so many events are spread over all."""
    tight = max(1, events * USES_MEAN // contracts // 2)
    return [tight if number % TIGHT_EVERY == 0 else AMPLE for number in range(contracts)]


def use(contract: int, number: int, uses: int, time: str, sequence: int) -> bytes:
    """One use of about 500 bytes: what a careful exchange would report."""
    return (
        f'{{"specversion":"1.0","id":"{number:08x}-5e1f-7abc-8def-{contract:012x}","source":"{SOURCE}"'
        f',"type":"{USAGE_REPORTED}","subject":"contract-{contract:06}","time":"{time}"'
        f',"datacontenttype":"application/json","partitionkey":"contract-{contract:06}"'
        f',"sequence":"{sequence}","sequencetype":"Integer","reporter":"exchange"'
        f',"data":{{"uses":{uses},"bytes":{uses * 4096},"rows":{uses * 20},"purpose":"credit/scoring"'
        f',"actor":"urn:example:application:risk-engine","country":"CN","region":"110108"'
        f',"environment":"urn:example:private-computing:node-07"}}}}'
    ).encode()


def delivery(contract: int, number: int, country: str, time: str, sequence: int) -> bytes:
    """One delivery to a country."""
    return (
        f'{{"specversion":"1.0","id":"{number:08x}-delivery-{contract:012x}","source":"{SOURCE}"'
        f',"type":"{DELIVERY_COMPLETED}","subject":"contract-{contract:06}","time":"{time}"'
        f',"datacontenttype":"application/json","partitionkey":"contract-{contract:06}"'
        f',"sequence":"{sequence}","sequencetype":"Integer","reporter":"exchange"'
        f',"data":{{"delivery":"delivery-{number}","mode":"api","bytes":4096,"rows":20'
        f',"recipient":"{party_id(PARTIES)}","country":"{country}","region":"110108"}}}}'
    ).encode()


class Uses:
    """So many uses of random contracts, in the order of time. After the iteration `expected` has the findings.

    Attributes:
        expected: how many findings of each severity the uses must raise, by the plain words of contract §3.
        sent: how many uses of each contract were made.
    """

    def __init__(self, events: int, limits: list[int], *, until: int, seed: int = 7) -> None:
        self.events = events
        self.expected: Counter[str] = Counter()
        self.sent = [0] * len(limits)
        self._limits = limits
        self._since = (until // SECOND - events // EVENTS_PER_SECOND - 1) * SECOND
        self._seed = seed

    def __iter__(self) -> Iterator[Message]:
        sent, limits, topic = self.sent, self._limits, CONTRACTS
        used = [0] * len(limits)
        passed: dict[int, int] = {}
        below = random.Random(self._seed).random
        keys = [contract_id(number).encode() for number in range(len(limits))]
        time = ""
        for number in range(self.events):
            hundredth = number % EVENTS_PER_SECOND
            if hundredth == 0:
                time = format_instant(self._since + number // EVENTS_PER_SECOND * SECOND)[:19]
            contract = int(below() * len(limits))
            uses = 1 + number % (2 * USES_MEAN - 1)
            sent[contract] += 1
            used[contract] += uses
            limit = limits[contract]
            if limit != AMPLE:
                for severity, percent in BANDS:
                    share = used[contract] * 100
                    if share > limit * percent or (share == limit * percent and percent < 100):
                        if percent > passed.get(contract, 0):
                            passed[contract] = percent
                            self.expected[severity] += 1
                        break
            value = use(contract, number, uses, f"{time}.{hundredth:02}+08:00", sent[contract] + 1)
            yield Message(topic, keys[contract], value)

"""A seeded market, as careless sources would report it: what the end-to-end tests send and hold against a replay.

Limits are low, so that bands are passed; numbers are missing and come late, or never; events come twice; terms come
after the uses, registrations after the acts, and some never. Every key has its order; keys are mixed at random.
"""

import random
from collections.abc import Iterator
from typing import Any

import orjson

from circulation.calendar import format_instant, parse_instant
from circulation.examples import (
    ABROAD,
    asset,
    delivered,
    derived,
    entry,
    event,
    exported,
    granted,
    listed,
    pack,
    party,
    retracted,
    signed,
    terminated,
    used,
)

Json = dict[str, Any]

BEGIN = parse_instant("2025-01-01")
HOUR = 3_600_000_000
DAY = 24 * HOUR
YEAR_DAYS = 365
EXCHANGE, PROVIDER, CONSUMER = "//exchange.example", "//provider.example", "//consumer.example"
# Events of a contract, on average; about one event in nine is of a party or an asset.
EVENTS_A_CONTRACT = 300
PURPOSES = ("research", "credit/scoring", "credit", "advertising")
PLACES = ((None, None), ("CN", "110108"), ("CN", "110105"), ("CN", "310115"), ("DE", None))
MANGLED = (
    b"",
    b"{",
    b'{"specversion":"1.0"}',
    b"[" * 100_000,
    b'\xff\xfe{"id":1}',
    b"null",
    b'{"uses":NaN}',
)


def _at(instant: int) -> str:
    return format_instant(instant)


class Market:
    """`packs` are sent before everything else; `lines` is all the rest, in the order of a file."""

    def __init__(self, events: int, seed: int = 11) -> None:
        self._random = random.Random(seed)
        self.contracts = [f"contract-{number:05}" for number in range(max(4, events // EVENTS_A_CONTRACT))]
        self._assets = [f"asset-{number:04}" for number in range(max(8, len(self.contracts) // 2))]
        self._parties = [f"corp:{number:04}" for number in range(max(6, len(self.contracts) // 8))]
        self.packs = [orjson.dumps(one) for one in self._packs()]
        keys = [self._party(one) for one in self._parties] + [self._asset(one) for one in self._assets]
        keys += [self._run(number) for number in range(len(self._assets) // 4)]
        spent = sum(map(len, keys))
        each = max(20, (events - spent) // len(self.contracts))
        keys += [self._contract(one, each) for one in self.contracts]
        self.lines = list(self._mixed(keys))

    def _mixed(self, keys: list[list[bytes]]) -> Iterator[bytes]:
        turns = [at for at, key in enumerate(keys) for _ in key]
        self._random.shuffle(turns)
        rest = [iter(key) for key in keys]
        for number, turn in enumerate(turns):
            yield next(rest[turn])
            if number % 997 == 996:
                yield self._random.choice(MANGLED)

    def _instant(self, first_day: float = 0, last_day: float = YEAR_DAYS) -> int:
        return BEGIN + self._random.randrange(int(first_day * DAY), int(last_day * DAY), 1_000_000)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    # Packs.

    def _packs(self) -> list[Json]:
        first = pack(
            entry("secret", match={"level": ["core"]}),
            entry("health", match={"category": ["health"]}, disposition="restrict", unless=["security-assessment"]),
            entry("faces", match={"fields": ["face*"]}, actions=["deliver", "export"], sticky=True),
            version="1",
            detectors={"purpose-drift": {"mode": "warn"}},
        )
        second = pack(
            entry("secret", match={"level": ["core", "important"]}),
            entry("crowds", match={"persons_min": 5_000}, actions=["trade"], valid_from="2025-09-01"),
            version="2",
            valid_from="2025-07-01",
            detectors={"usage-limit": {"mode": "enforce", "warning_percent": 70}},
        )
        return [
            event("rulepack.published", "beijing", "2024-12-01", id="p1", **first),
            event("rulepack.published", "beijing", "2025-06-01", id="p2", **second),
        ]

    # What goes wrong on the way.

    def _numbered(self, events: list[Json]) -> list[Json]:
        """Numbers of each source, in the order of the key."""
        highest: dict[str, int] = {}
        for one in events:
            source = one["source"]
            if source == CONSUMER:
                continue  # it does not count
            highest[source] = highest.get(source, 0) + 1
            one["sequence"], one["sequencetype"] = str(highest[source]), "Integer"
        return events

    def _carelessly(self, events: list[Json]) -> list[bytes]:
        """Some come late, some never, some twice, and some of those under another id."""
        late: list[tuple[int, Json]] = []
        kept: list[Json] = []
        for at, one in enumerate(events):
            while late and late[0][0] <= at:
                kept.append(late.pop(0)[1])
            plain = one["type"] == "circulation.usage.reported"
            if plain and self._chance(0.002):
                continue
            if plain and self._chance(0.004):
                late.append((at + self._random.randrange(2, 40), one))
                late.sort(key=lambda pair: pair[0])
                continue
            kept.append(one)
            if self._chance(0.01):
                again = dict(one)
                if "sequence" in one and self._chance(0.3):
                    again["id"] = f"{one['id']}-again"
                late.append((at + self._random.randrange(1, 30), again))
                late.sort(key=lambda pair: pair[0])
        kept += [one for _, one in late]
        lines = []
        for one in kept:
            if self._chance(0.002):
                broken = {**one, "data": {**one["data"], "uses": -1, "name": 7, "title": 7, "asset": 7, "delivery": 7}}
                lines.append(orjson.dumps(broken))
            lines.append(orjson.dumps(one))
        return lines

    # Keys.

    def _party(self, who: str) -> list[bytes]:
        choose = self._random
        events: list[Json] = []
        if self._chance(0.9):
            controller = choose.choice(self._parties) if self._chance(0.3) else None
            events.append(
                party(
                    who,
                    _at(self._instant(0, 60)),
                    controller=controller,
                    industry=choose.choice(["I65", "J66", None]),
                    ciio=self._chance(0.1) or None,
                    employees=choose.choice([None, 50, 5_000]),
                    ftz=choose.choice([None, "SH"]),
                )
            )
        for number in range(choose.randrange(6, 14)):
            one = exported(
                who,
                _at(self._instant()),
                persons=choose.choice([0, 900, 40_000, 400_000]),
                sensitive_persons=choose.choice([0, 0, 30, 4_000]),
                export=f"export-{who}-{number}",
                asset=choose.choice([None, *self._assets]),
                level=choose.choice(["general", "general", "important"]),
                exemption=choose.choice([None, None, None, None, None, None, "hr", "no-personal", "ftz", "contract"]),
                recipient=choose.choice([ABROAD, "corp:abroad"]),
                country=choose.choice(["DE", "SG"]),
            )
            events.append(one)
            if self._chance(0.2):
                other = {**one, "source": PROVIDER, "reporter": "provider", "id": f"{one['id']}-p"}
                events.insert(choose.randrange(len(events)), other)
            if self._chance(0.1):
                events.append(retracted(one, _at(self._instant(100))))
        if self._chance(0.5):
            kind = choose.choice(["security-assessment", "standard-contract", "consent"])
            events.append(granted(who, _at(self._instant(0, 200)), kind, countries=choose.choice([None, ["DE"]])))
            if self._chance(0.4):
                events.append(
                    event("grant.revoked", who, _at(self._instant(200, 300)), grant=f"grant-{kind}", reason="misused")
                )
        choose.shuffle(events)
        return self._carelessly(self._numbered(events))

    def _asset(self, what: str) -> list[bytes]:
        choose = self._random
        events: list[Json] = []
        for _ in range(choose.choice([0, 1, 1, 1, 1, 2])):
            events.append(
                asset(
                    what,
                    _at(self._instant(0, 200)),
                    owner=choose.choice(self._parties),
                    category=choose.choice(["traffic", "health"]),
                    industry=choose.choice([None, "I65", "Q84"]),
                    level=choose.choice(["general", "general", "general", "important", "core", "ungraded"]),
                    personal=choose.choice(["none", "personal", "sensitive"]),
                    fields=choose.choice([None, ["road"], ["face_id", "name"]]),
                    persons=choose.choice([None, 0, 800, 20_000]),
                )
            )
        if self._chance(0.2):
            graded = {"level": choose.choice(["general", "core"]), "personal": "none", "reason": "looked at"}
            events.append(event("asset.graded", what, _at(self._instant(50, 300)), **graded))
        for _ in range(choose.choice([0, 0, 1, 1, 2])):
            inputs = choose.sample(self._assets, 2)
            process = choose.choice(["join", "copy", "anonymise"])
            stops = {"irreversible": True, "evidence": "document-1"} if process == "anonymise" else {}
            one = derived(what, _at(self._instant(0, 150)), *inputs, process=process, **stops)
            events.append(one)
            if self._chance(0.2):
                events.append(retracted(one, _at(self._instant(150, 300))))
        for number in range(choose.choice([1, 2, 3])):
            seller, product = choose.choice(self._parties), f"product-{what}-{number}"
            one = listed(what, _at(self._instant(20, 350)), seller=seller, product=product)
            events.append(one)
            if self._chance(0.3):
                events.append(
                    event("product.delisted", what, _at(self._instant(350, 360)), product=product, reason="sold")
                )
            if self._chance(0.1):
                events.append(retracted(one, _at(self._instant(350, 360))))
        choose.shuffle(events)
        return self._carelessly(self._numbered(events))

    def _run(self, number: int) -> list[bytes]:
        choose = self._random
        inputs, outputs = choose.sample(self._assets, 2), choose.sample(self._assets, 1)
        events = []
        for state in ("START", choose.choice(["COMPLETE", "COMPLETE", "FAIL"])):
            events.append(
                {
                    "eventType": state,
                    "eventTime": _at(self._instant(0, 200)),
                    "run": {"runId": f"run-{number}"},
                    "job": {"namespace": "market", "name": "job"},
                    "inputs": [{"namespace": "market", "name": one} for one in inputs],
                    "outputs": [{"namespace": "market", "name": one} for one in outputs],
                    "producer": "https://pipelines.example/",
                    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
                }
            )
        choose.shuffle(events)
        return [orjson.dumps(one) for one in events]

    def _terms(self, uses: int) -> Json:
        choose = self._random
        members: Json = {
            "valid_from": "2025-01-01",
            "valid_to": choose.choice([None, None, None, None, "2025-09-01", "2025-12-01"]),
            "uses_max": choose.choice([None, uses // 3, uses, 3 * uses]),
            "bytes_max": choose.choice([None, 400 * uses]),
            "rows_max": choose.choice([None, 4 * uses]),
            "persons_max": choose.choice([None, 500]),
            "windows": choose.choice(
                [
                    None,
                    [{"uses_max": max(1, uses // 100), "seconds": 86_400}],
                    [{"uses_max": uses // 8, "seconds": 2_592_000}],
                ]
            ),
            "purposes": choose.choice([None, ["research", "credit"]]),
            "countries": choose.choice([None, None, None, ["CN"]]),
            "regions": choose.choice([None, None, None, ["110000"]]),
            "delivery": choose.choice([None, ["api"]]),
            "delete_within_days": choose.choice([None, 15, 60]),
        }
        return {name: value for name, value in members.items() if value is not None}

    def _contract(self, contract: str, count: int) -> list[bytes]:
        choose = self._random
        told = choose.choice([EXCHANGE, EXCHANGE, EXCHANGE, PROVIDER])
        members = {
            "asset": choose.choice(self._assets),
            "seller": choose.choice(self._parties),
            "buyer": choose.choice(self._parties),
        }
        terms = self._terms(2 * count)
        opening = signed(contract, _at(self._instant(0, 30)), source=told, terms=terms, **members)
        hours = (
            sorted(choose.sample(range(8_500), count))
            if count <= 8_500
            else sorted(choose.choices(range(8_500), k=count))
        )
        events: list[Json] = []
        usages: list[Json] = []
        for number, hour in enumerate(hours):
            source = CONSUMER if self._chance(0.08) else told
            country, region = choose.choice(PLACES[:3]) if self._chance(0.98) else choose.choice(PLACES)
            use = used(
                contract,
                _at(BEGIN + hour * HOUR + choose.randrange(3_600) * 1_000_000),
                choose.choice([1, 1, 2, 5]),
                purpose=choose.choice(PURPOSES[:2]) if self._chance(0.98) else choose.choice(PURPOSES),
                id=f"{contract}-{number}",
                source=source,
                reporter={EXCHANGE: None, PROVIDER: "provider", CONSUMER: "consumer"}[source],
                bytes=choose.choice([None, 900]),
                rows=choose.choice([None, 9]),
                country=country,
                region=region,
            )
            events.append(use)
            usages.append(use)
            if self._chance(0.01):
                back = choose.choice(usages[-40:])
                given = {"usage": back["id"], "uses": choose.choice([1, 2, 9])}
                events.append(
                    event("usage.cancelled", contract, use["time"], source=back["source"], id=f"x{number}", **given)
                )
            if self._chance(0.01):
                amounts = {"bytes": choose.choice([500, 90_000]), "persons": choose.choice([None, 0, 90])}
                mode = choose.choice(["api", "api", "file"])
                id_ = f"delivery-{contract}-{number}"
                one = delivered(
                    contract, use["time"], source=told, delivery=id_, mode=mode, recipient=members["buyer"], **amounts
                )
                events.append(one)
                if self._chance(0.3):
                    other = {**one, "source": PROVIDER, "reporter": "provider", "id": f"{one['id']}-p"}
                    events.insert(choose.randrange(max(0, len(events) - 30), len(events)), other)
                if self._chance(0.2):
                    events.append(retracted(one, use["time"]))
            if self._chance(1 / count):
                change = signed(
                    contract, use["time"], amended=True, source=told, terms=self._terms(3 * count), **members
                )
                events.append(change)
                if self._chance(0.3):
                    events.append(retracted(change, use["time"]))
            if self._chance(0.3 / count):
                events.append(terminated(contract, use["time"], source=told))
                if self._chance(0.5):
                    events.append(event("deletion.proved", contract, use["time"], source=told, evidence="document-2"))
        if self._chance(0.95):
            # Mostly first, sometimes after uses that have to wait for it.
            events.insert(0 if self._chance(0.8) else choose.randrange(min(60, len(events))), opening)
        return self._carelessly(self._numbered(events))

"""What cannot be admitted is kept byte for byte, with its reason and its place; what stands beside it is taken in."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from running import Sender, Worker, received, truth, wait_drained

from circulation.admission.reasons import Reason
from circulation.examples import BUYER, SELLER, asset, delivered, party, signed, used
from streams.topics import ASSETS, CONTRACTS, PARTIES, REJECTED

RECORDS = 3_000
SEED = 3
SOURCES = """
//exchange.example: {types: ["circulation.*"]}
//dealer.example: {types: ["circulation.party.*"]}
"""
STRUCTURED = (("content-type", b"application/cloudevents+json"),)
BATCH = (("content-type", b"application/cloudevents-batch+json"),)


class Hostile(NamedTuple):
    """One record, and the reasons of what it holds: by index in a batch, else under None."""

    topic: str
    key: bytes | None
    value: bytes
    reasons: dict[int | None, tuple[str, bytes]]
    headers: tuple[tuple[str, bytes], ...] = STRUCTURED


def good(number: int) -> tuple[str, dict[str, Any]]:
    kind = number % 4
    if kind == 0:
        return PARTIES, party(f"corp:{number}", "2025-01-01")
    if kind == 1:
        return ASSETS, asset(f"asset-{number}", "2025-01-01")
    if kind == 2:
        return CONTRACTS, signed(f"contract-{number}", "2025-01-01")
    return CONTRACTS, used(f"contract-{number}", "2025-01-02", 3)


def mangled(choose: random.Random, topic: str, event: dict[str, Any]) -> tuple[str, str, bytes]:
    """A topic, the reason for which the record is refused, and its bytes."""
    whole = orjson.dumps(event)
    data = event["data"]
    number = next((name for name in ("uses", "persons", "amount") if name in data), "employees")
    ways = [
        (topic, "not-json", whole[: choose.randrange(1, len(whole))]),
        (topic, "not-json", whole.replace(b"2025", b"\xff\xfe25", 1)),
        (topic, "not-json", whole + b"}"),
        (topic, "not-json", orjson.dumps({**event, "data": {**data, number: None}}).replace(b":null", b":NaN")),
        (topic, "not-json", b"\x00" * choose.randrange(1, 50)),
        (topic, "not-cloudevent", choose.choice([b"[]", b"null", b"7", b'"text"', b"{}", b'{"specversion":"0.3"}'])),
        (topic, "not-cloudevent", orjson.dumps({**event, "specversion": 1})),
        (topic, "not-cloudevent", orjson.dumps({**event, "time": "2025-02-30T00:00:00Z"})),
        (topic, "not-cloudevent", orjson.dumps({**event, "time": "2025-01-01T00:00:00"})),
        (topic, "too-deep", orjson.dumps(event)[:-1] + b',"deep":' + b"[" * 100 + b"]" * 100 + b"}"),
        (topic, "too-deep", b'{"a":' * choose.choice([65, 5_000])),
        (topic, "unknown-type", orjson.dumps({**event, "type": "circulation.party.vanished"})),
        ({PARTIES: ASSETS, ASSETS: CONTRACTS, CONTRACTS: PARTIES}[topic], "unknown-type", whole),
        (topic, "bad-identifier", orjson.dumps({**event, "subject": "a\u0007b"})),
        (topic, "bad-identifier", orjson.dumps({**event, "subject": "x" * 2_000})),
        (topic, "not-authorised", orjson.dumps({**event, "source": "//nobody.example"})),
        (topic, "from-the-future", orjson.dumps({**event, "time": "2999-01-01T00:00:00Z"})),
        (topic, "invalid-data", orjson.dumps({**event, "data": {**data, number: -1}})),
        (topic, "invalid-data", orjson.dumps({**event, "data": {**data, number: "many"}})),
        (topic, "invalid-data", orjson.dumps({**event, "data": []})),
    ]
    if "buyer" in data:
        ways.append((topic, "bad-identifier", orjson.dumps({**event, "data": {**data, "buyer": SELLER[:-1] + "0"}})))
        ways.append((topic, "invalid-data", orjson.dumps({**event, "data": {**data, "signed": "2025-02-29"}})))
        ways.append((topic, "invalid-data", orjson.dumps({**event, "data": {**data, "currency": "XYZ"}})))
    return choose.choice(ways)


def corpus() -> Iterator[Hostile]:
    choose = random.Random(SEED)
    for number in range(RECORDS):
        topic, event = good(number)
        key = event["subject"].encode()
        if number % 5 == 0:
            yield Hostile(topic, key, orjson.dumps(event), {})
            continue
        if number % 50 == 7:
            # Every element has the key of its batch; what is good in it is taken in.
            elements, reasons = [], {}
            for index in range(4):
                one = used("contract-2", "2025-01-02", id=f"batch-{number}-{index}")
                broken = orjson.dumps({**one, "data": {**one["data"], "uses": -1}})
                elements.append(broken if index % 2 else orjson.dumps(one))
                if index % 2:
                    reasons[index] = ("invalid-data", broken)
            yield Hostile(CONTRACTS, b"contract-2", b"[ " + b" ,\n".join(elements) + b" ]", reasons, BATCH)
            continue
        if number % 50 == 8:
            yield Hostile(topic, b"another key", orjson.dumps(event), {None: ("key-mismatch", orjson.dumps(event))})
            continue
        if number % 1_000 == 9:
            large = orjson.dumps({**event, "note": "x" * (5 << 20)})
            yield Hostile(topic, key, large, {None: ("too-large", large)})
            continue
        where, reason, value = mangled(choose, topic, event)
        yield Hostile(where, key, value, {None: (reason, value)})


def binary(event: dict[str, Any]) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    names = ("specversion", "id", "source", "type", "subject", "time")
    headers = tuple((f"ce_{name}", event[name].encode()) for name in names)
    return orjson.dumps(event["data"]), (*headers, ("content-type", b"application/json"))


def test_a_hostile_corpus_is_kept_byte_for_byte_with_reason_and_place(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    expected: dict[tuple[str, ...], tuple[str, bytes]] = {}
    faults: list[Any] = []
    taken = set()

    def send(one: Hostile) -> None:
        def landed(error: Any, record: Any) -> None:
            if error is not None:
                faults.append(error)
            for index, (reason, value) in one.reasons.items():
                place = (record.topic(), str(record.partition()), str(record.offset()))
                expected[(*place, "" if index is None else str(index))] = (reason, value)

        sender.raw(one.topic, one.value, one.key, one.headers, landed)

    for one in corpus():
        send(one)
        if not one.reasons:
            taken.add(one.key.decode())
    for event in (party("corp:binary", "2025-01-01"), party("corp:binary-too", "2025-01-01")):
        value, headers = binary(event)
        sender.raw(PARTIES, value, event["subject"].encode(), headers)
        taken.add(event["subject"])
    for event in (party("corp:again", f"2025-01-0{day}", sequence=1) for day in (1, 2)):
        value = orjson.dumps(event)
        again = event["time"].startswith("2025-01-02")
        reasons = {None: ("sequence-reused", value)} if again else {}
        send(Hostile(PARTIES, b"corp:again", value, reasons))
    taken.add("corp:again")
    value, headers = binary(delivered("contract-2", "2025-01-03", recipient=BUYER, bytes=-1))
    send(Hostile(CONTRACTS, b"contract-2", value, {None: ("invalid-data", value)}, headers))
    sender.flush()
    assert [] == faults

    (tmp_path / "sources.yaml").write_text(SOURCES)
    # The corpus is a handful of uses of contracts that nobody signed: no rule is to be held for that.
    quiet = {"sources": str(tmp_path / "sources.yaml"), "breaker_looks_min": "1000000"}
    with Worker(topics, url, tmp_path, **quiet) as worker:
        wait_drained(topics, url)
        status, said = worker.ready()
        # From 1 December on it warns of the calendar, until that of the next year is known.
        assert (200, []) == (status, [one for one in said["warnings"] if "the working days of" not in one])
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in worker.metric("circulation_rejected_total"))

    found: dict[tuple[str, ...], tuple[str, bytes]] = {}
    for record in received(topics, REJECTED):
        headers = {name: value.decode() for name, value in record.headers()}
        assert headers["detail"]
        assert record.key() == (headers["source"].encode() if "source" in headers else None)
        place = (headers["topic"], headers["partition"], headers["offset"], headers.get("index", ""))
        assert place not in found
        found[place] = (headers["reason"], record.value() or b"")
    wrong = [
        (place, expected.get(place, ("none", b""))[0], found.get(place, ("none", b""))[0], str(found.get(place))[:200])
        for place in sorted(expected.keys() | found.keys())
        if expected.get(place) != found.get(place)
    ]
    assert not wrong, f"{len(wrong)} of {len(expected)}: {Counter(one[1:3] for one in wrong)}\n{wrong[:10]}"
    assert len(expected) == counted
    reasons = {reason for reason, _ in found.values()}
    assert {str(reason) for reason in Reason} == reasons
    lasting = {subject for _, subject, *_ in truth(url).desks}
    assert taken <= lasting

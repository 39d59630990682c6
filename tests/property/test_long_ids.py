"""Ids of any admitted length are kept and judged alike, whatever store they are kept in."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.events.types import TYPES
from circulation.examples import Json, asset, delivered, derived, event, listed, pack, party, signed, used
from circulation.identifiers import DATASET_LENGTH_MAX, ID_LENGTH_MAX, SOURCE_LENGTH_MAX
from circulation.packs.reading import parse_pack
from deploy.postgres import Postgres
from streams.offline.replay import Replay, offline
from streams.store import keys
from streams.store.store import Store
from tests.model import examples, markets

CODE = re.compile(r"[0-9A-Z]{18}$|[a-z]+:")
# The members whose texts are ids, of whatever kind: a party and a source are told by how they look.
IDS = re.compile(
    r"(seller|buyer|owner|controller|recipient|payer|payee|exchange|holder|actor|decided_by|contract|delivery|settlement"
    r"|export|grant|incident|record|objection|repair|merit|product|usage|event|watermark|parties|source|id|assets?)$"
)
DATABASES = count(1)
ASSETS = frozenset({"asset", "assets"})


def longest(text: str, characters: int) -> str:
    """A text of this length that begins with the given one, of characters of 4 bytes, which no index can compress."""
    of = random.Random(text)
    return text + "".join(chr(of.randrange(0x20000, 0x2A6DF)) for _ in range(characters - len(text)))


def longer_id(text: str, *, of_asset: bool = False) -> str:
    if text.startswith("//"):
        return longest(text, SOURCE_LENGTH_MAX)
    if CODE.match(text):
        return longest(text if ":" in text else f"x:{text}", ID_LENGTH_MAX)
    return longest(f"ns/{text}", DATASET_LENGTH_MAX) if of_asset else longest(text, ID_LENGTH_MAX)


def longer(value: Any, member: str = "") -> Any:
    """An event, or a part of it, with every id as long as the contract allows."""
    if isinstance(value, str):
        return longer_id(value, of_asset=member in ASSETS) if IDS.match(member) else value
    if isinstance(value, list):
        return [longer(one, member) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {name: one if name in ("terms", "price") else longer(one, name) for name, one in value.items()}


def longer_event(line: Json) -> Json:
    if "eventType" in line:
        found = orjson.loads(orjson.dumps(line))
        found["run"]["runId"] = longest(line["run"]["runId"], ID_LENGTH_MAX)
        for each in [*found.get("inputs", ()), *found.get("outputs", ())]:
            if each["namespace"] + "/" + each["name"] in markets.ASSETS:
                each["name"] = longer_id(each["namespace"] + "/" + each["name"], of_asset=True).partition("/")[2]
                each["namespace"] = "ns"
            else:
                each["name"] = longest(each["name"], DATASET_LENGTH_MAX - len(each["namespace"]) - 1)
        return found
    made: Json = longer(line)
    type_ = line["data"]["type"] if line["type"] == "circulation.event.retracted" else line["type"]
    topic = TYPES[type_][0]
    if topic != "circulation.rules" and topic != "circulation.orders":
        made["subject"] = longer_id(line["subject"], of_asset=topic == "circulation.assets")
    return made


def written(store: Store, lines: Sequence[Json], default: Json | None = None, until: str | None = None) -> list[bytes]:
    """All that a replay into this store writes."""
    out: list[bytes] = []
    engine = offline(store, None if default is None else parse_pack(default, published=False))
    sinks = {"findings": out.append, "cases": out.append, "rejected": out.append}
    replay = Replay(engine, Admission(), **sinks, until=None if until is None else parse_instant(until))
    replay.run([orjson.dumps(one) for one in lines])
    return [*out, *replay.statements()]


@pytest.fixture(scope="module")
def template(postgres: Postgres, migrated_postgres: str) -> Iterator[str]:
    postgres.start()
    return migrated_postgres


def on_postgres(postgres: Postgres, template: str, *arguments: Any) -> list[bytes]:
    name = f"long_{next(DATABASES)}"
    store = Store(postgres.create_database(name, template))
    try:
        return written(store, *arguments)
    finally:
        store.close()
        postgres.drop_database(name)


def test_any_market_with_the_longest_ids_is_judged_alike_on_either_store(postgres: Postgres, template: str) -> None:
    @settings(max_examples=examples(4))
    @given(lines=markets.markets(), default=markets.packs, until=st.sampled_from(markets.UNTIL))
    def alike(lines: list[Json], default: Json, until: str) -> None:
        long = [longer_event(one) for one in lines]
        rules = longer(default) | {name: default[name] for name in ("pack", "version", "detectors") if name in default}
        rules["negative_list"] = [
            new | {"id": old["id"]} for new, old in zip(rules["negative_list"], default["negative_list"], strict=True)
        ]
        assert written(Store("sqlite://"), long, rules, until) == on_postgres(postgres, template, long, rules, until)

    alike()


LONGEST = tuple(longest(f"ns/{one}", DATASET_LENGTH_MAX) for one in "abc")


def run(output: str, *inputs: str) -> Json:
    return {
        "eventType": "COMPLETE",
        "eventTime": "2025-01-03T00:00:00Z",
        "producer": longest("//producer", SOURCE_LENGTH_MAX),
        "run": {"runId": longest("run", ID_LENGTH_MAX)},
        "job": {"namespace": longest("n", 512), "name": longest("j", 511)},
        "inputs": [{"namespace": "ns", "name": one[3:]} for one in inputs],
        "outputs": [{"namespace": "ns", "name": output[3:]}],
    }


def test_the_longest_ids_of_each_kind_are_judged_as_short_ones_are(postgres: Postgres, template: str) -> None:
    first, second, third = LONGEST
    source = longest("//source", SOURCE_LENGTH_MAX)
    contract, seller = longest("c", ID_LENGTH_MAX), longest("x:seller", ID_LENGTH_MAX)
    lines = [
        asset(first, owner=seller, level="core", source=source, title="t", certificate="1"),
        asset(third, owner=seller, title="t", certificate="3"),
        derived(third, "2025-01-02", second),
        run(second, first),
        listed(third, "2025-01-04", seller=seller, product=longest("p", ID_LENGTH_MAX)),
        signed(contract, "2025-01-05", asset=third, seller=seller, terms={"valid_from": "2025-01-01", "uses_max": 5}),
        used(contract, "2025-01-06", 10, sequence=3, source=source),
        delivered(contract, "2025-01-07", delivery=longest("d", ID_LENGTH_MAX), source=source),
        event("source.heartbeat", source, "2025-01-08", source=source),
        party(seller, source=source, name="n"),
    ]
    rules = pack({**markets.ENTRIES[1], "id": "core"})
    found = on_postgres(postgres, template, lines, rules, "2026-02-01T00:00:00+08:00")
    assert written(Store("sqlite://"), lines, rules, "2026-02-01T00:00:00+08:00") == found
    assert [] == [one for one in found if one.startswith(b'{"line"')]
    raised = [one["data"] for one in map(orjson.loads, found) if one.get("type") == "circulation.finding.raised"]
    ways = [one["evidence"]["path"] for one in raised if one["detector"] == "negative-list"]
    assert [first, second, third] in ways
    assert {"feed-gap", "feed-silence", "usage-limit"} <= {one["detector"] for one in raised}
    assert {third, contract, source} <= {one["about"]["id"] for one in raised}


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=900))
def test_a_key_is_short_and_is_the_text_itself_where_that_is_short(text: str) -> None:
    key = keys.key(text)
    assert len(key.encode()) <= keys.KEY_BYTES_MAX
    assert (key == text) == (len(text.encode()) <= keys.KEY_BYTES_MAX)


def test_postgres_and_the_program_make_the_same_keys(postgres: Postgres, template: str) -> None:
    name = f"long_{next(DATABASES)}"
    store = Store(postgres.create_database(name, template))
    texts = ["", "a", "a" * 800, "a" * 801, "é" * 400, "é" * 401, LONGEST[0], LONGEST[1], "a\\b'\"%?" * 200]
    with store.reading() as db:
        for text in texts:
            assert [(keys.key(text),)] == db.rows("select circulation_key(?)", text)
    store.close()
    postgres.drop_database(name)

"""One key is counted by one worker: wherever its records lie, whoever reads them when, however many partitions come."""

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from itertools import count as counting
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circulation.examples import Json, signed, terms, used
from deploy.postgres import Postgres
from streams.health.clock import Clock
from streams.store.store import Store
from streams.wire.addresses import home_of
from tests.end_to_end.running import Truth, differences, replayed, truth
from tests.model.partitions import Reading, Topic, outbox, relay

CONTRACTS_MAX = 3
BEFORE, AFTER = 4, 8

NAMES = counting(1)
SOURCES = ("urn:a", "urn:b")


def market(choose: random.Random, count: int, *, numbered: bool) -> list[Json]:
    """Uses of few contracts by two sources, terms somewhere among them, and a use given back here and there.

    A use is given back by its own source: where that puts them in one partition they come in this order.
    """
    lines: list[Json] = []
    sent: Counter[tuple[str, str]] = Counter()
    opened = set()
    for number in range(count):
        contract, source = f"contract-{choose.randrange(CONTRACTS_MAX)}", choose.choice(SOURCES)
        at = f"2025-02-01T08:{number // 60:02}:{number % 60:02}"
        if contract not in opened and choose.random() < 0.2:
            opened.add(contract)
            lines.append(
                signed(contract, "2025-01-01", source="urn:exchange", terms=terms(uses_max=max(2, count // 5)))
            )
        sent[contract, source] += 1
        sequence = {"sequence": sent[contract, source]} if numbered else {}
        lines.append(used(contract, at, id=f"use-{number}", source=source, **sequence))
    return lines


@contextlib.contextmanager
def stores(url: str | None, count: int) -> Iterator[list[Store]]:
    made = [Store("sqlite://" if url is None else url) for _ in range(count)]
    yield made
    for one in made:
        one.close()


def run(lines: list[Json], workers: int, url: str | None, seed: int, *, misplace: float, grow: bool) -> None:
    """Puts the lines into a topic while workers read it, all in an order that the seed decides; then what they found is
    what a replay finds of the same records in the order in which each key was taken in."""
    choose = random.Random(seed)
    topic, taken = Topic(BEFORE), list[bytes]()
    clients = {source: choose.random() for source in (*SOURCES, "urn:exchange")}
    todo = list(lines)
    with stores(url, workers) as own:
        reading = [Reading(store, topic, taken) for store in own]
        try:
            for number, worker in enumerate(reading):
                worker.own(range(number, BEFORE, workers))
            grown = not grow

            def put() -> None:
                line = todo.pop(0)
                key, known = line["subject"].encode(), len(topic.partitions)
                if grown and grow and choose.random() < 0.3:
                    known = BEFORE  # a client that has not heard of the new ones
                right = home_of(key, known)
                elsewhere = clients[line["source"]] < misplace and choose.random() < 0.7
                topic.put(choose.randrange(known) if elsewhere else right, key, orjson.dumps(line))

            while True:
                worker = choose.choice(reading)
                step = choose.random()
                if todo and step < 0.5:
                    put()
                elif step < 0.8:
                    worker.read(choose, 4)
                elif step < 0.9:
                    relay(own[0], topic, lambda: choose.random() < 0.3)
                elif not grown and len(todo) <= len(lines) // 2:
                    grown = True
                    topic.grow(AFTER)
                elif step < 0.95:
                    # a rebalance: of new partitions one worker hears before the other
                    worker.own(range(reading.index(worker), len(topic.partitions), workers))
                else:
                    worker.see_grown()
                behind = sum(map(len, topic.partitions)) - sum(sum(one.positions().values()) for one in reading)
                if (
                    not todo
                    and grown
                    and not behind
                    and not outbox(own[0])
                    and not any(one.homing.held for one in reading)
                ):
                    break
            engine = reading[0].engine
            engine.settle_apart(Clock(reading[0].settings, own[0])())
            found = truth(own[0])
        finally:
            for worker in reading:
                worker.close()
    found = found._replace(
        findings={id_: one for id_, one in found.findings.items() if one["detector"] != "misplaced-key"}
    )
    different = differences(replayed(taken).truth, found)
    assert not different, "\n".join(different)
    assert said(replayed(map(orjson.dumps, lines)).truth) == said(found)


def said(found: Truth) -> Counter[Any]:
    """What is found, but for which use it was that passed a band, and gaps, which close as they come."""
    return Counter(
        (one["detector"], one["about"]["id"], str(one["evidence"].get("band"))) for one in found.findings.values()
    )


MARKETS = st.builds(
    lambda seed, count, numbered: market(random.Random(seed), count, numbered=numbered),
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.booleans(),
)


@settings(max_examples=40)
@given(lines=MARKETS, seed=st.integers(0, 2**32), misplace=st.sampled_from([0.0, 0.4, 1.0]), grow=st.booleans())
def test_wherever_a_key_s_records_lie_one_worker_on_sqlite_finds_what_a_replay_finds(
    lines: list[Json], seed: int, misplace: float, grow: bool
) -> None:
    run(lines, 1, None, seed, misplace=misplace, grow=grow)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=MARKETS, seed=st.integers(0, 2**32), misplace=st.sampled_from([0.0, 0.4, 1.0]), grow=st.booleans())
def test_wherever_a_key_s_records_lie_two_workers_on_postgresql_find_what_a_replay_finds(
    postgres: Postgres, migrated_postgres: str, lines: list[Json], seed: int, misplace: float, grow: bool
) -> None:
    name = f"homes_{next(NAMES)}"
    url = postgres.create_database(name, migrated_postgres)
    try:
        run(lines, 2, url, seed, misplace=misplace, grow=grow)
    finally:
        postgres.drop_database(name)

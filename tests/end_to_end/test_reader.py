"""The reader notices that it reads something no more, and begins again where it was."""

import time

import orjson
from running import Sender, ends, wait

from circulation.examples import party
from streams.topics import PARTIES
from streams.wire.reader import STUCK_SECONDS_MAX, Reader


def some(count, since=0):
    return [orjson.dumps(party(f"test:{number}", "2025-01-01")) for number in range(since, since + count)]


def values(fetches):
    return [record.value() for fetch in fetches for part in fetch.parts.values() for record in part.records]


def read(reader, count):
    found = []
    wait("records come", lambda: found.extend(values(reader.pull(0.1))) or len(found) >= count)
    return found


def test_a_reader_that_is_renewed_goes_on_where_it_is_assigned(topics):
    sender = Sender(topics)
    lines = some(100)
    sender.send(lines)
    reader = Reader(topics, records_max=1_000)
    partitions = list(ends(topics, [PARTIES]))
    reader.assign(dict.fromkeys(partitions, 0), stopped={}, held=())
    assert sorted(lines) == sorted(read(reader, 100))
    generation = reader.generation
    reader.renew()
    assert generation < reader.generation
    assert [] == reader.pull(0.1)
    more = some(50, since=100)
    before = ends(topics, [PARTIES])
    sender.send(more)
    reader.assign(before, stopped={}, held=())
    assert sorted(more) == sorted(read(reader, 50))
    reader.close()


def test_a_partition_is_stuck_where_nothing_of_it_comes_though_there_is_more(topics):
    reader = Reader(topics, records_max=1_000)
    there = (PARTIES, 0)
    reader.assign({there: 0, (PARTIES, 1): 5}, stopped={}, held=())
    last = {there: 10, (PARTIES, 1): 5}
    begun = time.monotonic()
    assert [] == reader.stuck(last, begun)
    # All that was fetched is not pulled yet: it waits behind others.
    assert [] == reader.stuck(last, begun + 9 * STUCK_SECONDS_MAX)
    reader._drained = float("inf")
    reader.assign({there: 0, (PARTIES, 1): 5}, stopped={}, held=())
    reader._still = {}
    assert [] == reader.stuck(last, 0.0)
    assert [] == reader.stuck(last, STUCK_SECONDS_MAX)
    assert [there] == reader.stuck(last, STUCK_SECONDS_MAX + 0.1)
    # It moves: the time begins again.
    reader.assign({there: 4, (PARTIES, 1): 5}, stopped={}, held=())
    assert [] == reader.stuck(last, STUCK_SECONDS_MAX + 0.2)
    assert [there] == reader.stuck(last, 2 * STUCK_SECONDS_MAX + 0.3)
    # What is held is not asked for.
    reader.assign({there: 4}, stopped={}, held=[there])
    assert [] == reader.stuck(last, 9 * STUCK_SECONDS_MAX)
    reader.close()

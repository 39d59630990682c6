"""The records of an archive in an order in which they can be judged again."""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from circulation.events.names import ASSETS, CONTRACTS, ORDERS, PARTIES, RULES
from streams.offline.archive_files import Span, rows
from streams.topics import TOPICS_IN
from streams.wire.files import Record

# Of records of the same millisecond, packs come first, and facts before acts.
RANKS: Final = {topic: rank for rank, topic in enumerate((RULES, PARTIES, ASSETS, CONTRACTS, ORDERS))}


def inputs(spans: Sequence[Span]) -> list[Span]:
    """Those of the spans that hold what came in: they alone are judged again."""
    return [span for span in spans if span.topic in TOPICS_IN]


def records(spans: Sequence[Span]) -> Iterator[Record]:
    """The records of spans: each partition in its order, and the partitions by Kafka's timestamps.

    So a key keeps its order, and a pack comes before what was sent after it. That is all that findings ask for
    (contract §4): other records may change places. Raises OSError where a file cannot be read.
    """
    partitions = itertools.groupby(spans, key=lambda span: (span.topic, span.partition))
    yield from (
        record
        for *_, record in heapq.merge(
            *(_stamped(number, list(chain)) for number, (_, chain) in enumerate(partitions)),
        )
    )


def _stamped(number: int, chain: Sequence[Span]) -> Iterator[tuple[int, int, int, Record]]:
    """The records of one partition, each behind what it is sorted by; `number` tells the partitions apart."""
    for span in chain:
        rank = RANKS.get(span.topic, len(RANKS))
        for offset, timestamp, key, headers, value in rows(span.path):
            place = (span.topic, span.partition, offset)
            yield timestamp, rank, number, Record(value, span.topic, key, headers, place, max(timestamp, 0) * 1_000)

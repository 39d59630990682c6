"""Judges gaps in the numbers of feeds: what intake has found to be missing is raised, and cleared once it is there."""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.facts import feeds
from streams.findings.engine_findings import OpenGap
from streams.judging.round import Round
from streams.store import queue

_decode: Final = msgspec.msgpack.Decoder(OpenGap).decode


def judge(round_: Round, things: Sequence[str]) -> None:
    """Enter the gaps that are open, and clear those that are not.

    A thing may be a number that came and was rejected: then the gap that it is in is judged, by itself.
    """
    db = round_.db
    rows = db.rows("select thing, gap from gaps where thing = any(?) order by thing", things)
    rule = round_.shapes.rules["feed-gap"]
    entries = []
    for thing, raw in rows:
        gap = _decode(raw)
        entries += round_.entries(thing, [(rule, gap.said(_refused(round_, gap)))])
    round_.enter(entries, things)
    query = "select thing, last from gaps where feed = ? and begin <= ? order by begin desc limit 1"
    within: dict[str, None] = {}
    for thing in sorted({*things} - {row[0] for row in rows}):
        feed, number = queue.feed_of(thing)
        row = db.one(query, feed, number)
        if row is not None and number <= row[1]:
            within[row[0]] = None
    round_.queue(within, queue.LIVE)


def _refused(round_: Round, open_: OpenGap) -> list[tuple[int, str]]:
    """The numbers of a gap that came, were rejected, and are missing still, each with its code."""
    db, gap, names = round_.db, open_.gap, (open_.topic, open_.subject, open_.source)
    refused = feeds.refused(db, queue.feed(*names, gap.epoch), gap)
    spans = feeds.missing(db, *names, gap) if refused else []
    return [(number, reason) for number, reason in refused if any(first <= number <= last for first, last in spans)]

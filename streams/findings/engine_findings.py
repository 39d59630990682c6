"""Findings of the engine itself: gaps in the numbers of a feed, and rules that failed on an act."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from circulation import sequences
from circulation.events.event import Event
from circulation.events.names import ASSETS, CONTRACTS, PARTIES, SOURCE_HEARTBEAT
from circulation.events.types import TYPES
from circulation.findings import About, Cause, Kind, Said
from detectors import feed_gap
from streams.store import queue

# Events of a topic are about such an entity.
KINDS: Mapping[str, Kind] = {PARTIES: "party", ASSETS: "asset", CONTRACTS: "contract"}


class OpenGap(msgspec.Struct, array_like=True, frozen=True):
    """A gap as the store keeps it while it is open, with its feed."""

    topic: str
    subject: str
    source: str
    gap: sequences.Gap

    @property
    def thing(self) -> str:
        """The key of the gap: the feed and its first missing number."""
        return queue.gap(self.topic, self.subject, self.source, self.gap.begin, self.gap.epoch)

    def said(self, refused: Sequence[tuple[int, str]] = ()) -> Said:
        """The statement on the gap, with all numbers that its event revealed as missing, and which of them were
        `refused` and why (number, code)."""
        gap, cause = self.gap, Cause(self.source, self.gap.id)
        if gap.ended is not None:
            return feed_gap.ended(self.topic, self.subject, cause, gap.time, gap.epoch, *gap.ended)
        return feed_gap.said(self.topic, self.subject, cause, gap.time, gap.revealed, refused, gap.epoch)


def gap_of(event: Event, gap: sequences.Gap) -> OpenGap:
    """A gap in the feed that an event is of."""
    return OpenGap(event.topic, event.subject, event.source, gap)


def error_said(rule: str, error: Exception, event: Any, party: str | None) -> Said:
    """The finding that a rule failed on an act, for which `party` is responsible; the other rules go on."""
    kind, subject = about_of(event)
    text = f"{type(error).__name__}: {error}"[:500]
    return Said(
        severity="yellow",
        about=About(kind, subject),
        party=party,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        apart=(rule,),
        summary=f"The rule {rule} failed on this act: {text}.",
        summary_zh=f"规则 {rule} 在处理该行为时出错：{text}。",
        evidence={"rule": rule, "error": text},
    )


def about_of(event: Any) -> tuple[Kind, str]:
    """The subject of a finding about an act itself: the entity that the act lands on."""
    if event.type == SOURCE_HEARTBEAT:
        return "source", event.subject
    return KINDS[TYPES[event.type][0] or CONTRACTS], event.subject

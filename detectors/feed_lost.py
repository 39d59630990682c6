"""Kafka no longer has records that were not taken in.

Why it matters: what they held can never be judged; every statement of the monitor has a hole there.

False positives: none; the records are gone for this monitor, though the source may still have them.

What to do: `circulation feed list` shows the partition, `circulation feed resume` has it read on; the finding then says
from where to where records are missing. Have the sources send those again: what came already is ignored. Look at the
topic's retention and at whoever deleted or made it anew. The finding is cleared only where `--archive` has every one of
the records.

A partition that its topic was given later, and whose first records were gone before anybody read it, is read on at
once: the finding says how many are missing.

Only a worker sees this, so there is no act to check: it asks `said` when it stops reading a partition.
"""

from typing import Any, NamedTuple

from circulation.findings import About, Said
from circulation.rules import Rule


class GoingOn(NamedTuple):
    """From which offset the partition is read on (None where it is no more, and was closed), the first and the last
    that are lost (None where nobody can tell the last), and who had it so (None: it was never stopped)."""

    offset: int | None
    lost_from: int
    lost_to: int | None
    by: str | None

    @property
    def anything_lost(self) -> bool:
        """Whether any offset is lost: an archive may have had all of them."""
        return self.lost_to is None or self.lost_from <= self.lost_to


def said(
    topic: str,
    partition: int,
    offset: int,
    low: int | None,
    why: str,
    occurred: int,
    going_on: GoingOn | None = None,
) -> Said:
    """What is said of a partition that is read no more, or goes on behind what is lost.

    `offset` is the first that was not taken in, and what tells one loss from another; `low` is the lowest that Kafka
    has, None where it has no such partition; `occurred` is the clock (µs) when the loss was seen.
    """
    evidence: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset, "low": low, "why": why}
    summary = f"{topic}[{partition}] is not read from offset {offset:,} on: {why}."
    summary_zh = f"{topic}[{partition}] 自偏移量 {offset:,} 起未被读取（{why}）。"
    if going_on is not None:
        evidence["from"] = going_on.lost_from
        if going_on.by is not None:
            evidence["by"] = going_on.by
        lost = f"from offset {going_on.lost_from:,} on"
        lost_zh = f"自偏移量 {going_on.lost_from:,} 起"
        if going_on.lost_to is not None:
            evidence["to"] = going_on.lost_to
            lost = f"from offset {going_on.lost_from:,} to {going_on.lost_to:,}"
            lost_zh = f"偏移量 {going_on.lost_from:,} 至 {going_on.lost_to:,}"
        if going_on.offset is not None:
            evidence["resumed"] = going_on.offset
        summary = f"{topic}[{partition}] was not read {lost}: {why}. {_done(going_on)}."
        summary_zh = f"{topic}[{partition}] {lost_zh}的记录未被读取（{why}）。{_done_zh(going_on)}。"
    return Said(
        severity=RULE.severity,
        about=About("source", f"{topic}[{partition}]"),
        party=None,
        occurred=occurred,
        summary=summary,
        summary_zh=summary_zh,
        evidence=evidence,
        apart=(str(offset),),
    )


def _done(going_on: GoingOn) -> str:
    """What became of the partition, as a sentence."""
    if going_on.offset is None:
        return f"{going_on.by} had it closed"
    if going_on.by is None:
        return f"It is read from offset {going_on.offset:,} on"
    return f"{going_on.by} had it go on from offset {going_on.offset:,}"


def _done_zh(going_on: GoingOn) -> str:
    """The same in Chinese."""
    if going_on.offset is None:
        return f"已由 {going_on.by} 关闭"
    by = "" if going_on.by is None else f"由 {going_on.by} 决定，"
    return f"{by}自偏移量 {going_on.offset:,} 起继续读取"


RULE = Rule(
    id="feed-lost",
    title="Records are lost before they were taken in",
    title_zh="记录在读取前丢失",
    about="source",
    severity="red",
    articles=("北京市数字经济促进条例 22",),
)

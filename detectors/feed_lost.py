"""Kafka no longer has records that were not taken in.

Why it matters: what they held can never be judged; every statement of the monitor has a hole there.

False positives: none; the records are gone for this monitor, though the source may still have them.

What to do: have the sources send again what they sent to this partition since the offset in `evidence`: what came
already is ignored. Look at the topic's retention and at whoever deleted or made it anew. Nothing clears the finding.

Only a worker sees this, so there is no act to check: it asks `said` when it stops reading a partition.
"""

from circulation.findings import About, Said
from circulation.rules import Rule


def said(topic: str, partition: int, offset: int, low: int | None, why: str, occurred: int) -> Said:
    """What is said of a partition that is read no more.

    `offset` is the first that was not taken in, and what tells one loss from another; `low` is the lowest that Kafka
    has, None where it has no such partition; `occurred` is the clock (µs) when the loss was seen.
    """
    return Said(
        severity=RULE.severity,
        about=About("source", f"{topic}[{partition}]"),
        party=None,
        occurred=occurred,
        summary=f"{topic}[{partition}] is not read from offset {offset:,} on: {why}.",
        evidence={"topic": topic, "partition": partition, "offset": offset, "low": low, "why": why},
        apart=(str(offset),),
    )


RULE = Rule(
    id="feed-lost",
    title="Records are lost before they were taken in",
    about="source",
    severity="red",
    articles=("北京市数字经济促进条例 22",),
)

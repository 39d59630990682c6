"""Numbers are missing in what a source sends about one subject.

Why it matters: a source that counts its events promises that none is left out. Where one is, every judgement of
that subject rests on less than what happened: a delivery may be unseen, a limit passed unnoticed. An exchange must
keep its trade records whole and hand them over (Data Security Law, articles 33 and 47).

False positives: events that travel on several connections may overtake each other. The finding is cleared by itself
when all that was missing has come, in whatever order. A record that was rejected keeps its number missing until a
good one bears it; `rejected` tells which those are, and why. A source that lost its counters counts on under a higher
`sequenceepoch`: that it begins is told once and stands, for nobody knows what was the last event before.

What to do: look into `circulation.rejected` for the numbers in `rejected` first. Then have the source send them again,
with the same numbers: what came already is ignored.

Only the intake sees numbers, so there is no act to check: the engine asks `said` when an event reveals a gap, and
`ended` when one begins an epoch.
"""

from collections.abc import Sequence

from circulation.events.names import PARTIES
from circulation.examples import SELLER, SOURCE, Case, party
from circulation.findings import About, Cause, Said
from circulation.rules import Rule
from circulation.words import listed_zh, many


def said(
    topic: str,
    subject: str,
    cause: Cause,
    occurred: int,
    missing: Sequence[tuple[int, int]],
    refused: Sequence[tuple[int, str]] = (),
    epoch: int = 0,
) -> Said:
    """What is said of a gap: `missing` are inclusive ranges of numbers, as the event `cause` revealed them.

    `occurred` is the `time` of that event (µs). What is filled in later does not change `missing`; the engine clears
    the finding when everything has come. `refused` are numbers that came, were rejected, and are missing still, each
    with its code, in order.
    """
    reasons: dict[int, list[str]] = {}
    for number, reason in refused:
        reasons.setdefault(number, []).append(reason)
    count = sum(last - first + 1 for first, last in missing)
    ranges = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in missing)
    ranges_zh = listed_zh(f"{first}" if first == last else f"{first} 至 {last}" for first, last in missing)
    counted_events = many(count, "event is", "events are")
    return Said(
        severity=RULE.severity,
        about=About("source", cause.source),
        party=None,
        occurred=occurred,
        summary=f"{counted_events} missing from {cause.source} about {subject} on {topic}: {ranges}.",
        summary_zh=f"{cause.source} 在 {topic} 上关于 {subject} 的事件缺失 {count:,} 条：{ranges_zh}。",
        evidence={
            "topic": topic,
            "subject": subject,
            **({"sequenceepoch": epoch} if epoch else {}),
            "count": count,
            "missing": [[first, last] for first, last in missing],
            **({"rejected": [{"number": number, "reasons": of} for number, of in reasons.items()]} if reasons else {}),
        },
        cause=cause,
        # A source may use an id again for another subject, and, where it counts, for the same one.
        apart=(topic, subject, str(missing[0][0]), *([str(epoch)] if epoch else [])),
    )


def ended(topic: str, subject: str, cause: Cause, occurred: int, epoch: int, before: int, last: int) -> Said:
    """What is said when the event `cause` begins an epoch: the one `before` it had `last` as its highest number.

    `occurred` is the `time` of that event (µs). What came after that number under the former epoch nobody knows.
    """
    return Said(
        severity=RULE.severity,
        about=About("source", cause.source),
        party=None,
        occurred=occurred,
        summary=(
            f"{cause.source} counts its events about {subject} on {topic} under sequenceepoch {epoch} now; {last} was"
            f" the last number under {before}, and whether more were to come is not known."
        ),
        summary_zh=(
            f"{cause.source} 在 {topic} 上关于 {subject} 的事件现以 sequenceepoch {epoch} 重新编号；"
            f"此前 {before} 的最后序号为 {last}，其后是否还有事件不得而知。"
        ),
        evidence={
            "topic": topic,
            "subject": subject,
            "sequenceepoch": epoch,
            "before": {"sequenceepoch": before, "last": last},
        },
        cause=cause,
        apart=(topic, subject, "0", str(epoch)),
    )


RULE = Rule(
    id="feed-gap",
    title="Numbers are missing in a source's events",
    title_zh="报送序号缺失",
    about="source",
    severity="yellow",
    articles=("数据安全法 33", "数据安全法 47", "北京市数字经济促进条例 22"),
)


def _counted(sequence: int, epoch: int | None = None, id_: str = "n") -> dict[str, object]:
    return party(
        SELLER,
        f"2025-02-01T08:{epoch or 0:02}:{sequence:02}",
        name=f"Name {sequence}",
        id=f"{id_}{sequence}",
        sequence=sequence,
        epoch=epoch,
    )


def _begun(epoch: int, before: int, last: int, id_: str) -> dict[str, object]:
    evidence = {
        "topic": PARTIES,
        "subject": SELLER,
        "sequenceepoch": epoch,
        "before": {"sequenceepoch": before, "last": last},
    }
    return {"severity": "yellow", "cause": {"id": id_}, "evidence": evidence}


def _gap(sequence: int, first: int, last: int) -> dict[str, object]:
    evidence = {"topic": PARTIES, "subject": SELLER, "missing": [[first, last]]}
    counted_events, numbers = (
        ("1 event is", f"{first}") if first == last else (f"{last - first + 1} events are", f"{first} to {last}")
    )
    return {
        "severity": "yellow",
        "cause": {"id": f"n{sequence}"},
        "evidence": evidence,
        "summary": f"{counted_events} missing from {SOURCE} about {SELLER} on {PARTIES}: {numbers}.",
    }


CASES = (
    Case(name="numbers without a gap", events=[_counted(1), _counted(2), _counted(3)]),
    Case(name="one number is missing", events=[_counted(1), _counted(3)], fires=[_gap(3, 2, 2)]),
    Case(name="a feed that begins late", events=[_counted(3)], fires=[_gap(3, 1, 2)]),
    Case(
        name="two gaps are two findings",
        events=[_counted(1), _counted(3), _counted(6)],
        fires=[_gap(3, 2, 2), _gap(6, 4, 5)],
    ),
    Case(name="what came after all clears it", events=[_counted(3), _counted(2), _counted(1)]),
    Case(
        name="half of a gap filled leaves it standing",
        events=[_counted(3), _counted(1)],
        fires=[_gap(3, 1, 2)],
    ),
    Case(name="a number that came already reveals nothing", events=[_counted(1), _counted(2), _counted(1)]),
    Case(
        name="a higher epoch begins, and the end of the one before is not known",
        events=[_counted(1), _counted(2), _counted(1, 1, "again")],
        fires=[_begun(1, 0, 2, "again1")],
    ),
    Case(name="the first epoch of a source is any", events=[_counted(1, 9), _counted(2, 9)]),
    Case(
        name="a higher epoch that begins late lacks its own numbers, too",
        events=[_counted(1), _counted(2, 3, "again")],
        fires=[
            _begun(3, 0, 1, "again2"),
            {"severity": "yellow", "cause": {"id": "again2"}, "evidence": {"sequenceepoch": 3, "missing": [[1, 1]]}},
        ],
    ),
    Case(
        name="what the epoch before lacked may still come",
        events=[_counted(2), _counted(1, 1, "again"), _counted(1)],
        fires=[_begun(1, 0, 2, "again1")],
    ),
)

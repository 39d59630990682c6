"""Numbers are missing in what a source sends about one subject.

Why it matters: a source that counts its events promises that none is left out. Where one is, every judgement of
that subject rests on less than what happened: a delivery may be unseen, a limit passed unnoticed. An exchange must
keep its trade records whole and hand them over (Data Security Law, articles 33 and 47).

False positives: events that travel on several connections may overtake each other. The finding is cleared by itself
when all that was missing has come, in whatever order. A record that was rejected keeps its number missing until a
good one bears it.

What to do: look into `circulation.rejected` for the numbers first. Then have the source send them again, with the
same numbers: what came already is ignored.

Only the intake sees numbers, so there is no act to check: the engine asks `said` when an event reveals a gap.
"""

from collections.abc import Sequence

from circulation.cases import SELLER, SOURCE, Case, party
from circulation.findings import About, Cause, Said
from circulation.rules import Rule


def said(topic: str, subject: str, cause: Cause, occurred: int, missing: Sequence[tuple[int, int]]) -> Said:
    """What is said of a gap: `missing` are inclusive ranges of numbers, as the event `cause` revealed them.

    `occurred` is the `time` of that event (µs). What is filled in later does not change what is said; the engine
    clears the finding when everything has come.
    """
    count = sum(last - first + 1 for first, last in missing)
    ranges = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in missing)
    what = "1 event is" if count == 1 else f"{count:,} events are"
    return Said(
        severity=RULE.severity,
        about=About("source", cause.source),
        party=None,
        occurred=occurred,
        summary=f"{what} missing from {cause.source} about {subject} on {topic}: {ranges}.",
        evidence={"topic": topic, "subject": subject, "missing": [[first, last] for first, last in missing]},
        cause=cause,
        # A source may use an id again for another subject, and, where it counts, for the same one.
        apart=(topic, subject, str(missing[0][0])),
    )


RULE = Rule(
    id="feed-gap",
    title="Numbers are missing in a source's events",
    about="source",
    severity="yellow",
    articles=("数据安全法 33", "数据安全法 47", "北京市数字经济促进条例 22"),
)


def _counted(sequence: int) -> dict[str, object]:
    return party(
        SELLER, f"2025-02-01T08:00:{sequence:02}", name=f"Name {sequence}", id=f"n{sequence}", sequence=sequence
    )


def _gap(sequence: int, first: int, last: int) -> dict[str, object]:
    evidence = {"topic": "circulation.parties", "subject": SELLER, "missing": [[first, last]]}
    what, numbers = (
        ("1 event is", f"{first}") if first == last else (f"{last - first + 1} events are", f"{first} to {last}")
    )
    return {
        "severity": "yellow",
        "cause": {"id": f"n{sequence}"},
        "evidence": evidence,
        "summary": f"{what} missing from {SOURCE} about {SELLER} on circulation.parties: {numbers}.",
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
)

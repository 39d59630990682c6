"""The story of the demo, act by act: made-up parties, seven things that go wrong, and one that is put right again.

All names and codes are synthetic (the codes' check characters are right). Everything lies in the past, for events of
the future are not admitted, and bears sequence numbers, as a careful exchange would send it. The acts move the clock,
which is the highest time among the events: each begins where no deadline of the one before is still open.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from circulation.calendar import parse_instant
from streams.demo.chapters import (
    CAREFUL,
    CITY,
    DAILY_USES,
    DAYS,
    HOSPITAL,
    HUB,
    INSURER,
    NAMES,
    NAVIGATION,
    TRAVEL,
    Chapter,
    Teller,
    a_decision,
    a_feed_with_a_hole,
    a_licence_that_is_overrun,
    a_source_that_may_not_be_sold,
    a_use_for_another_purpose,
    an_objection,
    data_that_should_be_gone,
    exports_that_add_up,
    parties,
)


class Found(NamedTuple):
    """An expected finding: detector, severity, and the id of its subject."""

    detector: str
    severity: str
    about: str


class Act(NamedTuple):
    """Events and the expected findings. `score` is that of the party whose credit the act shows, at its end."""

    title: str
    prose: str
    events: tuple[dict[str, Any], ...]
    raised: tuple[Found, ...] = ()
    cleared: tuple[Found, ...] = ()
    party: str | None = None
    score: int | None = None


DUPLICATES: Final = 1
REJECTED: Final = 1


def acts() -> Iterator[Act]:
    """The acts in their order."""
    tell = Teller()
    for title, prose, chapter, rest in _ACTS:
        ordered = sorted(
            chapter(tell), key=lambda event: parse_instant(str(event.get("time") or event.get("eventTime")))
        )
        yield Act(title, prose, tuple(ordered), **rest)


def events() -> Iterator[dict[str, Any]]:
    """The events, act by act. One is sent twice, one has a wrong credit code, one is an OpenLineage run's."""
    for act in acts():
        yield from act.events


def lines() -> Iterator[bytes]:
    """The events as lines of a file."""
    for event in events():
        yield orjson.dumps(event)


_OVERRUN_RED: Final = Found("usage-limit", "red", "contract-traffic")
_ACTS: Final[tuple[tuple[str, str, Chapter, dict[str, Any]], ...]] = (
    (
        "The cast",
        "Seven parties are registered by an exchange. An eighth registration bears a credit code whose check character "
        "is wrong: it is not admitted, and kept byte for byte in circulation.rejected, where its sender finds it.",
        parties,
        {},
    ),
    (
        "A licence is overrun",
        f"{NAMES[NAVIGATION]} bought 10,000 uses of city traffic speeds. {DAILY_USES} a day are reported for {DAYS} "
        "days, one report twice, which counts once. The rule warns at 80 % and 95 %, and says what is more than was "
        "bought, and more than 120 % of it.",
        a_licence_that_is_overrun,
        {
            "raised": (
                Found("usage-limit", "blue", "contract-traffic"),
                Found("usage-limit", "yellow", "contract-traffic"),
                Found("usage-limit", "orange", "contract-traffic"),
                _OVERRUN_RED,
            ),
            "party": NAVIGATION,
            "score": 65,
        },
    ),
    (
        "A use for another purpose",
        f"{NAMES[NAVIGATION]} bought air quality data for research inside the country. Five uses are reported: one is "
        "for advertising, and one is from abroad. A sub-purpose (research/health) is allowed.",
        a_use_for_another_purpose,
        {
            "raised": (
                Found("purpose-drift", "orange", "contract-research"),
                Found("outside-terms", "orange", "contract-research"),
            ),
            "party": NAVIGATION,
            "score": 57,
        },
    ),
    (
        "A source that may not be sold",
        f"{NAMES[INSURER]} lists risk scores. They are a model of features of a table that was copied from the genome "
        f"archive of {NAMES[HOSPITAL]}: three derivations, one of them an OpenLineage run's. The negative list "
        "prohibits the source, and what is prohibited is inherited over any number of steps. And the first copy was "
        "registered without the persons that are in it, and made though no contract or grant allows it.",
        a_source_that_may_not_be_sold,
        {
            "raised": (
                Found("derivation-forbidden", "orange", "lab/variant-table"),
                Found("grade-laundering", "red", "lab/variant-table"),
                Found("negative-list", "red", "insurance-risk-scores"),
            )
        },
    ),
    (
        "Data that should be gone",
        "Two contracts end on 1 March; the buyers have 30 days to delete what they got. One proves it. Of the other "
        "nothing is heard: that is found when the clock is past the deadline, though no event says so.",
        data_that_should_be_gone,
        {"raised": (Found("deletion-overdue", "orange", "contract-expired"),), "party": NAVIGATION, "score": 53},
    ),
    (
        "A feed with a hole",
        f"{NAMES[CITY]} lists a product of street sensors that nobody has graded, so that the list cannot be applied. "
        "And the sensors' hub numbers its events: number 2 never comes, and then the hub falls silent.",
        a_feed_with_a_hole,
        {
            "raised": (
                Found("negative-list", "yellow", "street-sensors"),
                Found("feed-gap", "yellow", HUB),
                Found("feed-silence", "yellow", HUB),
            )
        },
    ),
    (
        "Exports that add up",
        f"{NAMES[TRAVEL]} and {NAMES[CAREFUL]} each export four times, 1,020,000 persons in all: no single export "
        "needs a security assessment, their sum does. The second party has one, and nothing is said of it. By now the "
        "street sensors have been without a grade for more than 30 days.",
        exports_that_add_up,
        {
            "raised": (
                Found("export-assessment-missing", "blue", TRAVEL),
                Found("export-assessment-missing", "yellow", TRAVEL),
                Found("export-assessment-missing", "red", TRAVEL),
                Found("export-contract-missing", "orange", TRAVEL),
                Found("grading-overdue", "yellow", "street-sensors"),
            )
        },
    ),
    (
        "An objection is filed",
        f"{NAMES[NAVIGATION]} objects to the red finding of its licence: part of the uses were the seller's own load "
        "test. While the objection is open, the finding takes no points.",
        an_objection,
        {"party": NAVIGATION, "score": 63},
    ),
    (
        "The objection is upheld",
        "The bureau agrees. The finding is cleared, and the score is what it would be had the finding never been; the "
        "others stand.",
        a_decision,
        {"cleared": (_OVERRUN_RED,), "party": NAVIGATION, "score": 63},
    ),
)

# The expected findings: the story raises these, and no more; those cleared do not stand at the end.
RAISED: Final = tuple(finding for *_, rest in _ACTS for finding in rest.get("raised", ()))
CLEARED: Final = tuple(finding for *_, rest in _ACTS for finding in rest.get("cleared", ()))
STANDING: Final = tuple(finding for finding in RAISED if finding not in CLEARED)

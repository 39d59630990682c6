"""What the slow model reads: events as they were taken in, instants, and the form in which findings are compared."""

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

from circulation.working_days import YEARS

Json = dict[str, Any]
Moment = dt.datetime

CHINA = dt.timezone(dt.timedelta(hours=8))
REPORTERS = ("exchange", "provider", "consumer")
TERMS_TYPES = ("contract.signed", "contract.amended")
# What only the home of a contract states with effect.
STATING = (*TERMS_TYPES, "contract.terminated")
TOPICS = {
    "party": "parties",
    "grant": "parties",
    "export": "parties",
    "incident": "parties",
    "credit": "parties",
    "objection": "parties",
    "repair": "parties",
    "merit": "parties",
    "source": "parties",
    "asset": "assets",
    "product": "assets",
    "request": "assets",
    "watermark": "assets",
    "contract": "contracts",
    "delivery": "contracts",
    "usage": "contracts",
    "settlement": "contracts",
    "deletion": "contracts",
    "rulepack": "rules",
}


class Found(NamedTuple):
    """A finding, as far as the model tells: evidence as sorted pairs of chosen members."""

    detector: str
    severity: str
    about: tuple[str, str]
    party: str | None
    cause: tuple[str, str] | None
    occurred: Moment
    mode: str
    evidence: str


def moment(text: str) -> Moment:
    """RFC 3339 with an offset, or a date: the start of that day at +08:00."""
    if len(text) == 10:
        text += "T00:00:00+08:00"
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(CHINA)


def chosen(**evidence: Any) -> str:
    """Members of the evidence as one text that can be compared and sorted."""
    return repr(sorted(evidence.items()))


def months_after(instant: Moment, months: int) -> Moment:
    """The same time of the day at +08:00 some calendar months later, at most the month's last day."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last))


def days_after(instant: Moment, days: float) -> Moment:
    """Some times 24 hours later."""
    return instant + dt.timedelta(hours=24 * days)


def midnight(day: dt.date) -> Moment:
    """The start of a day at +08:00."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=CHINA)


def knows(year: int, setting: Json) -> bool:
    """Whether a year is known with the lists of a pack."""
    return year in YEARS or any(one[:4] == str(year) for one in setting["holidays"])


def over(received: Moment, count: int, setting: Callable[[dt.date], Json]) -> Moment | None:
    """When the last of some working days after that of receipt is over; None where a year's calendar is not known."""
    day = received.date()
    while count:
        day += dt.timedelta(days=1)
        given = setting(day)
        if not knows(day.year, given):
            return None
        free, worked = given["holidays"], given["workdays"]
        if not [one for one in free if one[:4] == str(day.year)]:
            free, worked = YEARS[day.year]
        count -= (day.weekday() < 5 and str(day) not in free) or str(day) in worked
    return midnight(day + dt.timedelta(days=1))


class One:
    """An event that was taken in; `at` is its place in the file."""

    def __init__(self, raw: Json, at: int) -> None:
        self.at = at
        self.run = "run" in raw
        if self.run:
            self.topic, self.type, self.subject = "assets", "run", raw["run"]["runId"]
            self.source, self.time = raw.get("producer", ""), moment(raw["eventTime"])
            self.id = f"{raw.get('eventType')}@{raw['eventTime']}"
            self.data, self.reporter, self.sequence, self.epoch = raw, 0, None, 0
            return
        self.type = raw["type"].removeprefix("circulation.")
        self.subject, self.source, self.id = raw["subject"], raw["source"], raw["id"]
        self.time = moment(raw["time"])
        self.data = raw["data"]
        self.reporter = REPORTERS.index(raw.get("reporter", "exchange"))
        self.sequence = int(raw["sequence"]) if "sequence" in raw else None
        self.epoch = int(raw.get("sequenceepoch", "0"))
        about = self.data["type"].removeprefix("circulation.") if self.type == "event.retracted" else self.type
        self.topic = TOPICS[about.split(".")[0]]

    @property
    def order(self) -> tuple[Moment, str, str]:
        return (self.time, self.source, self.id)

    @property
    def cause(self) -> tuple[str, str]:
        return (self.source, self.id)

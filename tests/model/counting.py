"""One contract in the order of its key: what was counted, held against the terms that came before it."""

import datetime as dt
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.model.events import TERMS_TYPES, Json, Moment, One, moment

if TYPE_CHECKING:
    from tests.model.world import World

WAITING_MAX = 10_000
# As late as a use or a cancellation may come and still be counted in its hour (detectors/bulk_extraction.py).
LATE = dt.timedelta(hours=24)


def outside(one: One, terms: Json) -> Iterable[tuple[str, str | None, str | None]]:
    """(term, "broken" or None where it is lacking, what is given) of what a use or delivery breaks."""
    use = one.type == "usage.reported"
    if not within(terms, one.time):
        yield "time", "broken", None
    given: list[tuple[str, str | None, list[str] | None, bool]] = [
        ("country", one.data.get("country"), terms.get("countries"), True),
        ("region", one.data.get("region"), terms.get("regions"), True),
        ("recipient", one.data.get("actor" if use else "recipient"), terms.get("recipients"), False),
    ]
    if use:
        given.append(("environment", one.data.get("environment"), terms.get("environments"), True))
    else:
        given.append(("mode", one.data["mode"], terms.get("delivery"), False))
    for term, value, allowed, must in given:
        if allowed is None:
            continue
        if value is None:
            if must:
                yield term, None, None
        elif not any(value == each or (term == "region" and below(value, each)) for each in allowed):
            yield term, "broken", value


def below(region: str, above: str) -> bool:
    """Whether a region is one of another's sub-regions."""
    if above[2:] == "0000":
        return region[:2] == above[:2]
    return above[4:] == "00" and region[:4] == above[:4]


def within(terms: Json, instant: Moment) -> bool:
    """Whether an instant is in [valid_from, valid_to)."""
    return moment(terms["valid_from"]) <= instant and not ("valid_to" in terms and instant >= moment(terms["valid_to"]))


def hour_of(instant: Moment) -> Moment:
    """The start of the hour."""
    return instant.replace(minute=0, second=0, microsecond=0)


# What tells a window from others: its seconds and its uses.
Window = tuple[int, int]


def windows_of(one: One) -> set[Window]:
    return {(each["seconds"], each["uses_max"]) for each in one.data["terms"].get("windows") or ()}


class Counted:
    """A use that was counted: what is left of it, and the licence that it was counted under."""

    def __init__(self, one: One, licence: One | None) -> None:
        self.one = one
        self.left = one.data["uses"]
        self.licence = licence
        self.gone = False

    def amount(self, measure: str) -> int | None:
        """What of it counts; None where it states none. Of one of which nothing is left neither bytes nor rows do."""
        if measure == "uses":
            return self.left
        stated = self.one.data.get(measure)
        return 0 if stated is not None and self.gone else stated


class Desk:
    """One contract, in the order of its key."""

    def __init__(self, contract: str, world: "World") -> None:
        self.contract = contract
        self.world = world
        self.terms: list[One] = []
        self.waiting: list[One | Counted] = []
        self.uses: list[Counted] = []
        self.deliveries: list[One] = []
        # By limit the height of the band that its total is in, its maximum, and what stands of it.
        self.bands: dict[tuple[Any, ...], int] = {}
        self.maxima: dict[tuple[Any, ...], int] = {}
        self.raised: dict[tuple[Any, ...], list[tuple[int, tuple[str, str], Any]]] = {}
        self.lacking: set[str] = set()
        self.origins: dict[tuple[int, str | Window], int] = {}
        # By reporter the uses and the number of reports of each hour; and the hours that were said.
        self.hours: dict[int, dict[Moment, list[int]]] = {}
        self.said: set[Moment] = set()

    def visible(self, at: int) -> list[One]:
        """The home's statements of terms that stand at this place of the key, of each kind the best reporter's."""
        home = self.world.home(self.contract, at)
        stand = [one for one in self.terms if self.world.stands(one, at) and home in (None, one.source)]
        return [one for one in stand if one.reporter == min(e.reporter for e in stand if e.type == one.type)]

    def licence(self, instant: Moment, at: int) -> One | None:
        return self.world.first_stated(self.visible(at), instant)

    def ended(self, at: int) -> Moment | None:
        """The home's earliest termination that stands at this place of the key, of the best reporter's."""
        home = self.world.home(self.contract, at)
        came = [
            one
            for one in self.world.events
            if (one.type, one.subject) == ("contract.terminated", self.contract)
            and one.at <= at
            and home in (None, one.source)
            and self.world.stands(one, at)
        ]
        best = min((one.reporter for one in came), default=None)
        return min((one.time for one in came if one.reporter == best), default=None)

    def may_wait(self, one: One) -> bool:
        waiting = sum(1 for each in self.waiting if isinstance(each, Counted))
        return bool(self.visible(one.at)) or waiting < WAITING_MAX

    def knows(self, one: One) -> bool:
        return any((use.one.source, use.one.id) == (one.source, one.data["usage"]) for use in self.known())

    def known(self) -> list[Counted]:
        return [*self.uses, *(one for one in self.waiting if isinstance(one, Counted))]

    def after(self, one: One) -> None:
        if one.type in TERMS_TYPES:
            if self.world.stands(one, one.at):
                self.origin(one)
                self.terms.append(one)
                self.amended(one)
                if self.visible(one.at):
                    self.release(one.at)
        elif one.type == "usage.reported":
            use = Counted(one, None)
            if self.visible(one.at):
                self.use(use, one.at)
            else:
                self.waiting.append(use)
        elif one.type == "usage.cancelled":
            (use,) = (u for u in self.known() if (u.one.source, u.one.id) == (one.source, one.data["usage"]))
            given_back = min(use.left, one.data["uses"])
            use.left -= given_back
            emptied = not use.left and not use.gone
            use.gone = use.gone or emptied
            if use in self.uses:
                self.hour_given_back(use.one, given_back)
                self.given_back(one, use.one.cause if emptied else None, use.licence)
        elif one.type == "contract.terminated":
            self.terminate(one)
        elif one.type == "event.retracted":
            self.resume(one)
            self.take_back(one)
        elif one.type == "delivery.completed":
            if self.visible(one.at):
                self.deliver(one, one.at)
            else:
                self.waiting.append(one)

    def release(self, at: int) -> None:
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            if isinstance(one, Counted):
                self.use(one, at)
            else:
                self.deliver(one, at)

    def origin(self, one: One) -> None:
        """Since which statement each limit has the value that this one gives it: bands begin anew with another."""
        before = [each for each in self.visible(one.at - 1) if each.time <= one.time]
        last = max(before, key=lambda each: each.order, default=None)
        for limit in ("uses_max", "bytes_max", "rows_max", "persons_max", *windows_of(one)):
            own = one.at
            if (
                last is not None
                and (last.at, limit) in self.origins
                and self.limit(last, limit) == self.limit(one, limit)
            ):
                own = self.origins[(last.at, limit)]
            self.origins[(one.at, limit)] = own

    def limit(self, one: One, limit: str | Window) -> Any:
        """The value of a limit: of a window what it is aligned to, of uses none within a quota group."""
        terms = one.data["terms"]
        if isinstance(limit, tuple):
            return moment(terms["valid_from"])
        return None if limit == "uses_max" and "quota_group" in terms else terms.get(limit)

    def amended(self, one: One) -> None:
        """Each limit that gets another value begins anew: the band that the total is in already is raised."""
        if self.licence(one.time, one.at) is one:
            stated = {
                limit: 1
                for limit in ("uses", "bytes", "rows", "persons")
                if self.origins[(one.at, f"{limit}_max")] == one.at
            }
            self.limits(one, one, one.at, stated)

    def given_back(self, by: One, gone: tuple[str, str] | None, licence: One) -> None:
        """Each limit goes back to the band that its total is in. What nothing is left of stands no longer, and where
        the total is in a band above all that stand then, that one is raised by what took it back."""
        for key, level in list(self.bands.items()):
            used, maximum, evidence = self.now(key, by.at)
            height = self.height(used, maximum, by, by.at)
            self.bands[key] = min(level, height)
            cleared = [each for each in self.raised.get(key, []) if each[1] == gone]
            if not cleared:
                continue
            self.world.found -= {found for _, _, found in cleared}
            self.raised[key] = [each for each in self.raised[key] if each not in cleared]
            if height > max((each[0] for each in self.raised[key]), default=-1):
                self.bands[key] = height
                self.raise_(key, height, used, maximum, by, licence, by.at, **evidence)

    def now(self, key: tuple[Any, ...], at: int) -> tuple[int, int, Json]:
        """What is used of a limit now, its maximum, and what tells of it."""
        if key[0] == "window":
            _, origin, window, start = key
            evidence = {"limit": "window", "seconds": window[0], "window": start.isoformat()}
            return max(self.in_window(origin, window, start)), window[1], evidence
        return max(self.total(key[0], each, at) for each in range(3)), self.maxima[key], {"limit": key[0]}

    def use(self, use: Counted, at: int) -> None:
        one = use.one
        use.licence = self.licence(one.time, at)
        self.uses.append(use)
        terms, about, buyer = use.licence.data["terms"], ("contract", self.contract), use.licence.data["buyer"]
        nothing = not any(use.amount(measure) for measure in ("uses", "bytes", "rows"))
        purposes, purpose = terms.get("purposes"), one.data["purpose"]
        allowed = nothing or purposes is None or any(purpose == p or purpose.startswith(f"{p}/") for p in purposes)
        if not allowed:
            self.world.say("purpose-drift", "orange", about, buyer, one, one.time, at, given=purpose, allowed=purposes)
        for term, given, said in () if nothing else outside(one, terms):
            if given is None and term in self.lacking:
                continue
            if given is None:
                self.lacking.add(term)
            severity = "yellow" if given is None else "orange"
            evidence = {"term": term, "given": said, "kind": "use"}
            self.world.say("outside-terms", severity, about, buyer, one, one.time, at, **evidence)
        if (ended := self.ended(at)) is not None and ended <= one.time and not nothing:
            evidence = {"kind": "use", "terminated": ended.isoformat()}
            self.world.say("use-after-end", "orange", about, buyer, one, one.time, at, **evidence)
        self.limits(one, use.licence, at, {m: use.amount(m) or 0 for m in ("uses", "bytes", "rows")})
        self.windows(use, at)
        self.hour(use, at)

    def hour(self, use: Counted, at: int) -> None:
        """Counts a use in its reporter's hour, and holds the hour against all before it in which that one reported."""
        one, start = use.one, hour_of(use.one.time)
        hours = self.hours.setdefault(one.reporter, {})
        if hours and start < max(hours) - LATE:
            return
        counted = hours.setdefault(start, [0, 0])
        counted[0] += use.left
        counted[1] += 1
        earlier = [each for before, each in hours.items() if before < start]
        reports = sum(number for _, number in earlier)
        setting = self.world.setting("bulk-extraction", one.time, at)
        enough = len(earlier) >= setting["n"] or reports >= setting["n"]
        if start in self.said or not earlier or not enough or len(earlier) < setting["hours_min"]:
            return
        mean = Fraction(sum(uses for uses, _ in earlier), len(earlier))
        variance = sum((uses - mean) ** 2 for uses, _ in earlier) / len(earlier)
        if counted[0] > mean and (counted[0] - mean) ** 2 > Fraction(str(setting["k"])) ** 2 * variance:
            self.said.add(start)
            numbers = {"hour": start.isoformat(), "used": counted[0], "hours": len(earlier), "events": reports}
            about, buyer = ("contract", self.contract), use.licence.data["buyer"]
            self.world.say("bulk-extraction", "yellow", about, buyer, one, one.time, at, **numbers)

    def hour_given_back(self, one: One, uses: int) -> None:
        """What is given back to an hour that may still change."""
        hours, start = self.hours.get(one.reporter, {}), hour_of(one.time)
        if start in hours and start >= max(hours) - LATE:
            hours[start][0] -= uses

    def deliver(self, one: One, at: int) -> None:
        if not self.world.stands(one, at):
            return
        measures = ("bytes", "rows", "persons")
        before = {measure: self.total(measure, one.reporter, at) for measure in measures}
        self.deliveries.append(one)
        more = {measure: self.total(measure, one.reporter, at) - before[measure] for measure in measures}
        licence = self.licence(one.time, at)
        if licence is not None:
            if min(more.values()) < 0:
                # An earlier report counts in the place of one that told of more.
                self.lowered(one, at)
            self.limits(one, licence, at, more)

    def lowered(self, one: One, at: int) -> None:
        for key, level in list(self.bands.items()):
            used, maximum, _ = self.now(key, at)
            self.bands[key] = min(level, self.height(used, maximum, one, at))

    def terminate(self, one: One) -> None:
        """Uses that were taken in before a termination with an earlier time: once, by day and reporter."""
        before = self.ended(one.at - 1)
        if not self.visible(one.at) or self.ended(one.at) != one.time or (before is not None and before <= one.time):
            return
        days: dict[dt.date, dict[int, list[Counted]]] = {}
        for use in self.known():
            days.setdefault(use.one.time.date(), {}).setdefault(use.one.reporter, []).append(use)
        late = 0
        for by_reporter in days.values():
            sums = [
                sum(use.left for use in uses)
                for uses in by_reporter.values()
                if any(use.one.time >= one.time for use in uses if use.one.data["uses"])
            ]
            late += max(sums, default=0)
        licence = self.licence(one.time, one.at)
        if late and licence is not None:
            evidence = {"kind": "uses", "terminated": one.time.isoformat(), "uses": late}
            about, buyer = ("contract", self.contract), licence.data["buyer"]
            self.world.say("use-after-end", "orange", about, buyer, one, one.time, one.at, **evidence)

    def resume(self, one: One) -> None:
        """What was said of a termination that is taken back is cleared."""
        if one.data["type"] == "circulation.contract.terminated":
            self.world.found -= {
                each
                for each in self.world.found
                if (each.detector, each.about) == ("use-after-end", ("contract", self.contract))
                and each.cause == (one.source, one.data["event"])
            }

    def take_back(self, one: One) -> None:
        """Another report of a delivery that was taken back may then count, and with more than that one had."""
        for target in self.deliveries:
            if target.cause != (one.source, one.data["event"]) or not self.world.stands(target, one.at - 1):
                continue
            measures = ("bytes", "rows", "persons")
            more = {
                measure: self.total(measure, target.reporter, one.at) - self.total(measure, target.reporter, one.at - 1)
                for measure in measures
            }
            others = [
                each
                for each in self.deliveries
                if (each.data["delivery"], each.reporter) == (target.data["delivery"], target.reporter)
                and self.world.stands(each, one.at)
            ]
            counting = min(others, key=lambda each: each.order, default=None)
            licence = self.licence((counting or target).time, one.at) or self.terms[-1]
            self.given_back(one, target.cause, licence)
            if counting is not None:
                self.limits(counting, licence, one.at, more)

    def total(self, measure: str, reporter: int, at: int) -> int:
        """What a reporter reported so far and did not take back."""
        uses = [use for use in self.uses if use.one.reporter == reporter]
        if measure == "uses":
            return sum(use.left for use in uses)
        total = sum(use.amount(measure) or 0 for use in uses)
        earliest: dict[str, One] = {}
        for one in sorted(self.deliveries, key=lambda one: one.order):
            if one.reporter == reporter and self.world.stands(one, at):
                earliest.setdefault(one.data["delivery"], one)
        return total + sum(one.data.get(measure) or 0 for one in earliest.values())

    def limits(self, one: One, licence: One, at: int, more: dict[str, int]) -> None:
        for measure, added in more.items():
            maximum = licence.data["terms"].get(f"{measure}_max")
            shared = measure == "uses" and "quota_group" in licence.data["terms"]
            if maximum is None or shared or added <= 0:
                continue
            used = max(self.total(measure, reporter, at) for reporter in range(3))
            origin = self.origins[(licence.at, f"{measure}_max")]
            self.maxima[measure, origin] = maximum
            self.band((measure, origin), used, maximum, one, licence, at, limit=measure)

    def windows(self, use: Counted, at: int) -> None:
        one, licence = use.one, use.licence
        terms = licence.data["terms"]
        if not within(terms, one.time) or not use.left:
            return
        for window in windows_of(licence):
            origin, start = self.origins[(licence.at, window)], self.start(one.time, licence, window[0])
            counts = self.in_window(origin, window, start)
            evidence = {"limit": "window", "seconds": window[0], "window": start.isoformat()}
            self.band(("window", origin, window, start), max(counts), window[1], one, licence, at, **evidence)

    def in_window(self, origin: int, window: Window, start: Moment) -> list[int]:
        """What is left of the uses that were counted in a window, by reporter."""
        counts = [0, 0, 0]
        for other in self.uses:
            if (
                self.origins.get((other.licence.at, window)) == origin
                and within(other.licence.data["terms"], other.one.time)
                and self.start(other.one.time, other.licence, window[0]) == start
            ):
                counts[other.one.reporter] += other.left
        return counts

    @staticmethod
    def start(instant: Moment, licence: One, seconds: int) -> Moment:
        valid_from, length = moment(licence.data["terms"]["valid_from"]), dt.timedelta(seconds=seconds)
        return valid_from + (instant - valid_from) // length * length

    def height(self, used: int, maximum: int, one: One, at: int) -> int:
        """The band that a total is in, from 0 up; -1 where in none."""
        for height in (3, 2, 1, 0):
            band = self.percents(one, at)[height]
            if used and (used * 100 > maximum * band if height >= 2 else used * 100 >= maximum * band):
                return height
        return -1

    def percents(self, one: One, at: int) -> tuple[Any, ...]:
        setting = self.world.setting("usage-limit", one.time, at)
        return setting["warning_percent"], setting["late_warning_percent"], 100, setting["red_percent"]

    def band(
        self, key: tuple[Any, ...], used: int, maximum: int, one: One, licence: One, at: int, **evidence: Any
    ) -> None:
        height = self.height(used, maximum, one, at)
        if height > self.bands.get(key, -1):
            self.bands[key] = height
            self.raise_(key, height, used, maximum, one, licence, at, **evidence)

    def raise_(
        self,
        key: tuple[Any, ...],
        height: int,
        used: int,
        maximum: int,
        one: One,
        licence: One,
        at: int,
        **evidence: Any,
    ) -> None:
        severity = ("blue", "yellow", "orange", "red")[height]
        numbers = {"maximum": maximum, "used": used, "band": self.percents(one, at)[height]}
        about, buyer = ("contract", self.contract), licence.data["buyer"]
        said = self.world.say("usage-limit", severity, about, buyer, one, one.time, at, **numbers, **evidence)
        if said is not None:
            self.raised.setdefault(key, []).append((height, one.cause, said))

"""The tally of one contract: its uses, bytes, rows and persons against the limits of its terms, at each event.

In come the events that count for a contract, with the terms of their time; out go the bands that an event is the first
to pass, and those that are cleared since what raised them was taken back.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from circulation.calendar import format_instant
from circulation.daily import TOTAL_MAX
from circulation.events.event import Event
from circulation.events.names import DELIVERY_COMPLETED, USAGE_CANCELLED, USAGE_REPORTED
from circulation.examples import Case, Json, delivered, event, pack, retracted, signed, terms, used
from circulation.findings import About, Cause, Said
from circulation.licences import LIMITS, TERMS_TYPES, Licence, window_name
from circulation.rules import Counted, Parameters, Stepped, Tally, Uses
from circulation.terms import Terms, Window, inside
from circulation.words import LIMIT, zh
from detectors.usage_limit.bands import SEVERITY_OF_BAND, band_of, percent_of
from detectors.usage_limit.examples import ZH, cancelled, expected, licensed

# Standing findings of one limit that are remembered, the newest: each but the first takes a cancellation.
RAISED_MAX = 256


class Raised(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A band that was raised, as the finding names it, and its cause."""

    band: int
    percent: str
    cause: Cause


class Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`totals`: uses, bytes, rows, persons by rank of the reporter. By limit (`_key`) `bands`: the band that its total
    is in, 1 … 4, or was in when it was raised last; and `raised`: what stands of it."""

    totals: dict[int, tuple[int, int, int, int]] = {}
    bands: dict[str, int] = {}
    raised: dict[str, tuple[Raised, ...]] = {}


class Part(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One window: its uses by rank of the reporter, the band that they are in, and what stands of it."""

    uses: dict[int, int] = {}
    band: int = 0
    raised: tuple[Raised, ...] = ()


def maxima(terms: Terms) -> tuple[int | None, int | None, int | None, int | None]:
    """The limits in the order of `LIMITS`. The uses of a quota group are counted over its contracts, not here."""
    uses_max = None if terms.quota_group else terms.uses_max
    return (uses_max, terms.bytes_max, terms.rows_max, terms.persons_max)


def window_start(instant: int, terms: Terms, window: Window) -> int:
    """Start of the tumbling window that an instant falls in; windows are aligned to `valid_from`."""
    length = window.seconds * 1_000_000
    return instant - (instant - terms.valid_from) % length


def names(instant: int, licence: Licence) -> Sequence[str]:
    """The windows that a use at this instant counts in; none outside the validity."""
    terms = licence.terms
    if not terms.windows or not inside(terms, instant):
        return ()
    return list(
        dict.fromkeys(
            f"{licence.origins[name]}:{name}:{window_start(instant, terms, window)}"
            for window in terms.windows
            for name in (window_name(window),)
        )
    )


_NOTHING = (0, 0, 0, 0)


def _added(
    totals: Mapping[int, tuple[int, int, int, int]], reporter: int, more: tuple[int, int, int, int]
) -> dict[int, tuple[int, int, int, int]]:
    old = totals.get(reporter, _NOTHING)
    new = (old[0] + more[0], old[1] + more[1], old[2] + more[2], old[3] + more[3])
    if max(new) > TOTAL_MAX:
        a, b, c, d = (min(total, TOTAL_MAX) for total in new)
        new = (a, b, c, d)
    return {**totals, reporter: new}


def _key(limit: str, licence: Licence, maximum: int) -> str:
    return f"{limit}:{licence.origins[limit]}:{maximum}"


def step(
    memory: Memory, parts: Mapping[str, Part], counted: Counted, licence: Licence, parameters: Parameters
) -> Stepped:
    """Adds (or gives back) what one event counts, and says each band that it is the first to pass.

    1. Add it to the totals.
    2. Hold the limits of the licence against them, as far as it adds to what they limit, or states them anew.
    3. Of what is given back, put all limits back to the band that they are in; clear what nothing is left of.
    4. The same of the windows that it counts in.
    """
    event = counted.event
    more = (counted.uses, counted.bytes, counted.rows, counted.persons)
    totals = _added(memory.totals, event.reporter, more) if any(more) else memory.totals
    if not totals:
        return Stepped(memory)
    bands, raised = memory.bands, memory.raised
    findings: list[Said] = []
    cleared: list[tuple[About, Cause, tuple[str, ...]]] = []
    if counted.by is not None or min(more) < 0:
        bands, raised = dict(bands), dict(raised)
        for key in bands:
            limit, _, maximum_text = key.split(":")
            at, maximum = LIMITS.index(limit), int(maximum_text)
            tell = _Teller(counted, licence, parameters, limit, maximum, max(total[at] for total in totals.values()))
            bands[key], raised[key] = tell.given_back(bands[key], raised.get(key, ()), findings, cleared)
    stated = event.type in TERMS_TYPES
    for at, (limit, maximum_) in enumerate(zip(LIMITS, maxima(licence.terms), strict=True)):
        if maximum_ is None or not (licence.origins[limit] == str(licence.index) if stated else more[at] > 0):
            continue
        key = _key(limit, licence, maximum_)
        tell = _Teller(counted, licence, parameters, limit, maximum_, max(total[at] for total in totals.values()))
        band, standing = tell.passed(bands.get(key, 0), raised.get(key, ()), findings)
        if band > bands.get(key, 0):
            bands, raised = {**bands, key: band}, {**raised, key: standing}
    changed: dict[str, Part] = {}
    if counted.uses:
        for name in names(event.time, licence):
            part = parts.get(name) or Part()
            uses = {**part.uses, event.reporter: min(part.uses.get(event.reporter, 0) + counted.uses, TOTAL_MAX)}
            _, seconds, maximum_text, start = name.split(":")
            window = (int(start), int(seconds))
            tell = _Teller(counted, licence, parameters, "window", int(maximum_text), max(uses.values()), window)
            if counted.by is not None:
                changed[name] = Part(uses, *tell.given_back(part.band, part.raised, findings, cleared))
            else:
                changed[name] = Part(uses, *tell.passed(part.band, part.raised, findings))
    return Stepped(Memory(totals, bands, raised), changed, findings, cleared)


_NAMES = {"uses": "uses", "bytes": "bytes", "rows": "rows", "persons": "persons", "window": "uses in one window"}


class _Teller(NamedTuple):
    """What is said of one limit, whose total is now `used`."""

    counted: Counted
    licence: Licence
    parameters: Parameters
    limit: str
    maximum: int
    used: int
    window: tuple[int, int] | None = None

    def passed(self, band: int, raised: tuple[Raised, ...], findings: list[Said]) -> tuple[int, tuple[Raised, ...]]:
        """Raise the band that the total is in now, where that is above the one it was in; with what stands then."""
        now = band_of(self.used, self.maximum, self.parameters)
        return (now, self._raise(now, raised, self.counted.event, findings)) if now > band else (band, raised)

    def given_back(
        self,
        band: int,
        raised: tuple[Raised, ...],
        findings: list[Said],
        cleared: list[tuple[About, Cause, tuple[str, ...]]],
    ) -> tuple[int, tuple[Raised, ...]]:
        """Go back to the band that the total is in now. What nothing is left of is cleared; where no band that stands
        then is as high as the total, that one is raised, by what took it back."""
        now = band_of(self.used, self.maximum, self.parameters)
        gone = [raising for raising in raised if raising.cause == self.counted.gone]
        if not gone or self.counted.by is None:
            return min(band, now), raised
        about = About("contract", self.counted.event.subject)
        cleared += ((about, raising.cause, self._apart(raising.percent)) for raising in gone)
        standing = tuple(raising for raising in raised if raising not in gone)
        if now <= max((raising.band for raising in standing), default=0):
            return min(band, now), standing
        return now, self._raise(now, standing, self.counted.by, findings)

    def _raise(self, band: int, raised: tuple[Raised, ...], cause: Event, findings: list[Said]) -> tuple[Raised, ...]:
        if not self.counted.told:
            return raised
        findings.append(self._said(band, cause))
        new = Raised(band, str(percent_of(band, self.parameters)), Cause(cause.source, cause.id))
        return (*raised[1 - RAISED_MAX :], new)

    def _apart(self, percent: str) -> tuple[str, ...]:
        window = () if self.window is None else (*map(str, self.window), str(self.maximum))
        return (self.limit, percent, *window)

    def _said(self, band: int, cause: Event) -> Said:
        percent = percent_of(band, self.parameters)
        evidence: dict[str, Any] = {"limit": self.limit, "maximum": self.maximum, "used": self.used, "band": percent}
        where = where_zh = ""
        if self.window is not None:
            start, seconds = self.window
            evidence |= {"window": format_instant(start), "seconds": seconds}
            where = f" (the {seconds} s from {format_instant(start)})"
            where_zh = f"（自 {format_instant(start)} 起 {seconds} 秒）"
        passed = "exceeds" if band >= 3 else "reaches"
        return Said(
            severity=SEVERITY_OF_BAND[band - 1],
            about=About("contract", cause.subject),
            party=self.licence.buyer,
            occurred=cause.time,
            cause=Cause(cause.source, cause.id),
            apart=self._apart(str(percent)),
            summary=f"{self.used} of {self.maximum} licensed {_NAMES[self.limit]}{where}: {passed} {percent} %.",
            summary_zh=(
                f"{zh(LIMIT, self.limit)}{where_zh}为 {self.used}，许可上限 {self.maximum}，"
                f"{'超过' if band >= 3 else '达到'} {percent} %。"
            ),
            evidence=evidence,
            asset=self.licence.asset,
        )


def quiet(
    memory: Memory, parts: Mapping[str, Part], uses: Uses, licence: Licence, parameters: Parameters
) -> Stepped | None:
    """A run of uses in one go. Totals only grow within a run, so what the last says nothing of, none does."""
    totals = memory.totals
    for reporter, (count, size, rows) in uses.totals.items():
        totals = _added(totals, reporter, (count, size, rows, 0))
    highest = [max(amounts) for amounts in zip(*totals.values(), strict=True)] if len(totals) > 1 else totals[reporter]
    warning = parameters["warning_percent"]
    for at, maximum in enumerate(maxima(licence.terms)):
        if maximum is not None and highest[at] * 100 >= maximum * warning:
            limit, band = LIMITS[at], band_of(highest[at], maximum, parameters)
            if band > memory.bands.get(_key(limit, licence, maximum), 0):
                return None
    if not licence.terms.windows:
        return Stepped(Memory(totals, memory.bands, memory.raised))
    windows = names(uses.first, licence)
    if windows != names(uses.last, licence) or not windows:
        return None  # the run spreads over windows, or leaves the validity: step through it
    changed: dict[str, Part] = {}
    for name in windows:
        part = parts.get(name) or Part()
        counts = dict(part.uses)
        for reporter, (count, _, _) in uses.totals.items():
            counts[reporter] = min(counts.get(reporter, 0) + count, TOTAL_MAX)
        if band_of(max(counts.values()), int(name.split(":")[2]), parameters) > part.band:
            return None
        changed[name] = Part(counts, part.band, part.raised)
    return Stepped(Memory(totals, memory.bands, memory.raised), changed)


TALLY = Tally(
    events=frozenset({USAGE_REPORTED, USAGE_CANCELLED, DELIVERY_COMPLETED, *TERMS_TYPES}),
    memory=Memory,
    step=step,
    quiet=quiet,
    part=Part,
    names=names,
)


_DAY = 24 * 60 * 60


def _at_once(limit: str, count: int, maximum: int = 100) -> list[Json]:
    for band, passed in ((120, "exceeds"), (100, "exceeds"), (95, "reaches"), (80, "reaches")):
        share = count * 100
        if share > maximum * band or (passed == "reaches" and share == maximum * band):
            summaries = {
                "summary": f"{count} of {maximum} licensed {limit}: {passed} {band} %.",
                "summary_zh": f"{zh(LIMIT, limit)}为 {count}，许可上限 {maximum}，{ZH[passed]} {band} %。",
            }
            return [expected(limit, maximum, count, band) | summaries]
    return []


def _amended(time: str, **limits: Any) -> Json:
    return signed("c", time, amended=True, terms=terms(**limits))


def _at_amendment(finding: Json, time: str = "2025-02-02T00:00:00+08:00") -> Json:
    return finding | {"occurred": time}


_HUNDRED = licensed(uses_max=100)
_DAILY = licensed(windows=[{"uses_max": 10, "seconds": _DAY}])
_VOLUME = delivered("c", "2025-02-01", delivery="d", bytes=90, id="d1")
_TYPO = delivered("c", "2025-02-01", delivery="d", bytes=0, rows=1000, id="d1")


def _window(start: str, count: int, band: int, cause: str | None = None) -> Json:
    return expected("window", 10, count, band, cause, window=f"{start}T00:00:00+08:00", seconds=_DAY)


CASES = (
    *(
        Case(
            name=f"uses at the boundary: {count}",
            events=[_HUNDRED, used("c", "2025-02-01", count)],
            fires=_at_once("uses", count),
        )
        for threshold in (80, 95, 100, 120)
        for count in (threshold - 1, threshold, threshold + 1)
    ),
    *(
        Case(
            name=f"{limit} of a delivery at the boundary: {count}",
            events=[
                licensed(**{f"{limit}_max": 100}),
                delivered("c", "2025-02-01", **({"bytes": 0} | {limit: count})),
            ],
            fires=_at_once(limit, count),
        )
        for limit in ("bytes", "rows", "persons")
        for count in (79, 80, 100, 101, 120, 121)
    ),
    *(
        Case(
            name=f"a limit that hundreds do not divide: {count} of 7",
            events=[licensed(uses_max=7), used("c", "2025-02-01", count)],
            fires=_at_once("uses", count, 7),
        )
        for count in (5, 6, 7, 8, 9)
    ),
    Case(
        name="each band once, at the event that first reaches it",
        events=[
            _HUNDRED,
            *(
                used("c", f"2025-02-{day:02}", uses, id=f"u{day}")
                for day, uses in enumerate((79, 1, 1, 14, 5, 1, 19, 1, 50), start=1)
            ),
        ],
        fires=[
            expected("uses", 100, 80, 80, "u2"),
            expected("uses", 100, 95, 95, "u4"),
            expected("uses", 100, 101, 100, "u6"),
            expected("uses", 100, 121, 120, "u8"),
        ],
    ),
    Case(
        name="a limit of nothing is passed by the first use",
        events=[licensed(uses_max=0), used("c", "2025-02-01", 0), used("c", "2025-02-02", 1, id="first")],
        fires=[expected("uses", 0, 1, 120, "first")],
    ),
    Case(
        name="an absent limit does not limit",
        events=[licensed(), used("c", "2025-02-01", 2**53 - 1, bytes=2**53 - 1, rows=2**53 - 1)],
    ),
    Case(
        name="a pack with a later warning takes no band back",
        rules=pack(version="1"),
        events=[
            event(
                "rulepack.published",
                "beijing",
                "2025-02-01",
                **pack(
                    version="2",
                    valid_from="2025-02-02",
                    detectors={"usage-limit": {"mode": "enforce", "warning_percent": 90}},
                ),
            ),
            _HUNDRED,
            used("c", "2025-02-01", 85, id="u"),
            used("c", "2025-02-03", 1, id="v"),
            used("c", "2025-02-04", 6, id="w"),
        ],
        fires=[expected("uses", 100, 85, 80, "u")],
    ),
    Case(
        name="a late delivery adds no uses, and so holds none against the limit of its time",
        events=[
            _HUNDRED,
            _amended("2025-02-02", uses_max=1000),
            used("c", "2025-02-03", 500),
            delivered("c", "2025-02-01"),
        ],
    ),
    Case(
        name="bytes and rows count from uses and deliveries",
        events=[
            licensed(bytes_max=100, rows_max=100),
            delivered("c", "2025-02-01", bytes=50, rows=10),
            used("c", "2025-02-02", 1, bytes=30, rows=90, id="u"),
        ],
        fires=[expected("bytes", 100, 80, 80, "u"), expected("rows", 100, 100, 95, "u")],
    ),
    Case(
        name="uses outside the validity count in the total and in no window",
        events=[
            licensed(uses_max=100, valid_to="2025-03-01", windows=[{"uses_max": 10, "seconds": _DAY}]),
            used("c", "2025-03-01", 50),
            used("c", "2024-12-31T23:59:59.999999", 50),
        ],
        fires=[expected("uses", 100, 100, 95)],
    ),
    *(
        Case(
            name=f"uses in one window at the boundary: {count}",
            events=[_DAILY, used("c", "2025-02-01T12:00", count)],
            fires=[] if band is None else [_window("2025-02-01", count, band)],
        )
        for count, band in ((7, None), (8, 80), (9, 80), (10, 95), (11, 100), (12, 100), (13, 120))
    ),
    Case(
        name="windows begin anew, aligned to the start of the validity",
        events=[
            _DAILY,
            used("c", "2025-01-01", 4),
            used("c", "2025-01-01T23:59:59.999999", 3),
            used("c", "2025-01-02", 7),
            used("c", "2025-01-03", 8, id="third"),
        ],
        fires=[_window("2025-01-03", 8, 80, "third")],
    ),
    Case(
        name="a use that comes late counts in the window of its time",
        events=[
            _DAILY,
            used("c", "2025-01-01T10:00", 6),
            used("c", "2025-01-02T10:00", 6),
            used("c", "2025-01-01T11:00", 2, id="late"),
        ],
        fires=[_window("2025-01-01", 8, 80, "late")],
    ),
    Case(
        name="the bands of each window are its own",
        events=[_DAILY, used("c", "2025-01-01", 11), used("c", "2025-01-02", 11)],
        fires=[_window("2025-01-01", 11, 100), _window("2025-01-02", 11, 100)],
    ),
    Case(
        name="several windows of one contract",
        events=[
            licensed(windows=[{"uses_max": 10, "seconds": 3600}, {"uses_max": 20, "seconds": _DAY}]),
            used("c", "2025-01-01T10:00", 7),
            used("c", "2025-01-01T11:00", 7),
            used("c", "2025-01-01T12:00", 7, id="third"),
        ],
        fires=[expected("window", 20, 21, 100, "third", window="2025-01-01T00:00:00+08:00", seconds=_DAY)],
    ),
    Case(
        name="a raised limit starts its bands anew against the running total",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 101),
            _amended("2025-02-02", uses_max=200),
            used("c", "2025-02-03", 58),
            used("c", "2025-02-04", 1, id="u"),
        ],
        fires=[expected("uses", 100, 101, 100), expected("uses", 200, 160, 80, "u")],
    ),
    Case(
        name="a lowered limit is reached at once, and what adds nothing reaches nothing more",
        events=[
            licensed(uses_max=100, bytes_max=100),
            used("c", "2025-02-01", 70, bytes=70),
            _amended("2025-02-02", uses_max=50, bytes_max=50),
            used("c", "2025-02-03", 0),
            used("c", "2025-02-04", 1, id="u"),
            used("c", "2025-02-05", 0, bytes=1, id="v"),
        ],
        fires=[_at_amendment(expected("uses", 50, 70, 120)), _at_amendment(expected("bytes", 50, 70, 120))],
    ),
    Case(
        name="a lowered limit is held against what was used before",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 70),
            _amended("2025-02-02", uses_max=72),
            used("c", "2025-02-03", 2),
            used("c", "2025-02-04", 1, id="u"),
        ],
        fires=[_at_amendment(expected("uses", 72, 70, 95)), expected("uses", 72, 73, 100, "u")],
    ),
    Case(
        name="an amendment that leaves a limit as it is leaves its bands too",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 80),
            _amended("2025-02-02", uses_max=100, bytes_max=10),
            used("c", "2025-02-03", 1),
        ],
        fires=[expected("uses", 100, 80, 80)],
    ),
    Case(
        name="amended windows align anew for later uses",
        events=[
            _DAILY,
            used("c", "2025-02-01T10:00", 7),
            signed(
                "c",
                "2025-02-01T11:00",
                amended=True,
                terms=terms(valid_from="2025-01-01T12:00:00+08:00", windows=[{"uses_max": 10, "seconds": _DAY}]),
            ),
            used("c", "2025-02-01T11:30", 7),
            used("c", "2025-02-01T12:30", 8, id="u"),
        ],
        fires=[expected("window", 10, 8, 80, "u", window="2025-02-01T12:00:00+08:00")],
    ),
    Case(
        name="a window that is restated goes on as it was, whatever is stated beside it",
        events=[
            _DAILY,
            used("c", "2025-02-01T10:00", 7),
            _amended("2025-02-01", windows=[{"uses_max": 9, "seconds": 60}, {"uses_max": 10, "seconds": _DAY}]),
            used("c", "2025-02-01T11:30", 1, id="u"),
        ],
        fires=[expected("window", 10, 8, 80, "u", window="2025-02-01T00:00:00+08:00")],
    ),
    Case(
        name="a limit of its own begins where a contract leaves its quota group",
        events=[
            licensed(uses_max=100, quota_group="g"),
            used("c", "2025-02-01", 80),
            _amended("2025-02-02", uses_max=100),
        ],
        fires=[_at_amendment(expected("uses", 100, 80, 80), "2025-02-02T00:00:00+08:00")],
    ),
    Case(
        name="a use is held against the terms of its time",
        events=[_HUNDRED, _amended("2025-03-01", uses_max=10), used("c", "2025-02-01", 79)],
    ),
    Case(
        name="uses wait for the first terms, and are then counted in their order",
        events=[used("c", "2025-02-02", 79), used("c", "2025-02-01", 1, id="second"), _HUNDRED],
        fires=[expected("uses", 100, 80, 80, "second") | {"occurred": "2025-02-01T00:00:00+08:00"}],
    ),
    Case(
        name="terms that came after a use do not judge it",
        events=[_HUNDRED, used("c", "2025-02-02", 60), _amended("2025-02-01", uses_max=50)],
        fires=[_at_amendment(expected("uses", 50, 60, 100), "2025-02-01T00:00:00+08:00")],
    ),
    Case(
        name="a band that is passed anew is a finding of its own, while something is left of what passed it first",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 80, id="u"),
            cancelled("u", "2025-02-02", 50),
            used("c", "2025-02-03", 49),
            used("c", "2025-02-04", 1, id="v"),
            used("c", "2025-02-05", 15, id="w"),
        ],
        fires=[
            expected("uses", 100, 80, 80, "u"),
            expected("uses", 100, 80, 80, "v"),
            expected("uses", 100, 95, 95, "w"),
        ],
    ),
    Case(
        name="a band that the total did not come back below is not raised anew",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 90, id="u"),
            cancelled("u", "2025-02-02", 10),
            used("c", "2025-02-03", 5),
        ],
        fires=[expected("uses", 100, 90, 80, "u")],
    ),
    Case(
        name="a typo that is cancelled hides no true excess",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 1000, id="typo"),
            cancelled("typo", "2025-02-01T00:05", 1000),
            *(used("c", f"2025-02-0{day}", 50, id=f"u{day}") for day in (2, 3, 4, 5)),
        ],
        fires=[
            expected("uses", 100, 100, 95, "u3"),
            expected("uses", 100, 150, 120, "u4"),
        ],
    ),
    Case(
        name="what nothing is left of stands no longer, and the band that the total still reaches is raised instead",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 85),
            used("c", "2025-02-02", 50, id="u"),
            used("c", "2025-02-03", 20),
            cancelled("u", "2025-02-04", 50, id="x"),
        ],
        fires=[
            expected("uses", 100, 85, 80),
            expected("uses", 100, 105, 100, "x") | {"occurred": "2025-02-04T00:00:00+08:00"},
        ],
    ),
    Case(
        name="where a band as high stands, nothing is raised instead",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 110, id="t"),
            used("c", "2025-02-02", 50, id="u"),
            cancelled("u", "2025-02-04", 50),
        ],
        fires=[expected("uses", 100, 110, 100, "t")],
    ),
    Case(
        name="taken back in two parts: cleared with the second",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 80, id="u"),
            cancelled("u", "2025-02-02", 79),
            cancelled("u", "2025-02-03", 1),
        ],
    ),
    Case(
        name="a part that is left keeps its band",
        events=[_HUNDRED, used("c", "2025-02-01", 80, id="u"), cancelled("u", "2025-02-02", 79)],
        fires=[expected("uses", 100, 80, 80, "u")],
    ),
    Case(
        name="bytes and rows go with the last of the uses",
        events=[
            licensed(bytes_max=100, rows_max=100),
            used("c", "2025-02-01", 2, bytes=101, rows=80, id="u"),
            cancelled("u", "2025-02-02", 1),
            cancelled("u", "2025-02-03", 1),
            used("c", "2025-02-04", 1, bytes=80, rows=79, id="v"),
        ],
        fires=[expected("bytes", 100, 80, 80, "v")],
    ),
    Case(
        name="bytes and rows stay with a part of the uses",
        events=[
            licensed(bytes_max=100),
            used("c", "2025-02-01", 2, bytes=50, id="u"),
            cancelled("u", "2025-02-02", 1),
            used("c", "2025-02-04", 1, bytes=30, id="v"),
        ],
        fires=[expected("bytes", 100, 80, 80, "v")],
    ),
    Case(
        name="a use of nothing that states bytes gives them back once",
        events=[
            licensed(bytes_max=100),
            used("c", "2025-02-01", 0, bytes=50),
            used("c", "2025-02-02", 0, bytes=30, id="u"),
            cancelled("u", "2025-02-03", 0),
            cancelled("u", "2025-02-04", 1),
            used("c", "2025-02-05", 0, bytes=30, id="v"),
        ],
        fires=[expected("bytes", 100, 80, 80, "v")],
    ),
    Case(
        name="a use that is cancelled while it waits gives its bytes back, too",
        events=[
            used("c", "2025-02-01", 5, bytes=90, id="u"),
            cancelled("u", "2025-02-02", 5),
            licensed(bytes_max=100),
            used("c", "2025-02-03", 1, bytes=79),
        ],
    ),
    Case(
        name="a window's band is raised anew, and cleared with its cause",
        events=[
            _DAILY,
            used("c", "2025-02-01", 8, id="u"),
            cancelled("u", "2025-02-01T01:00", 8),
            used("c", "2025-02-01T02:00", 9, id="v"),
            cancelled("v", "2025-02-01T03:00", 5),
            used("c", "2025-02-01T04:00", 4, id="w"),
        ],
        fires=[_window("2025-02-01", 9, 80, "v"), _window("2025-02-01", 8, 80, "w")],
    ),
    Case(
        name="a window's total that still reaches a band has it raised by the cancellation",
        events=[
            _DAILY,
            used("c", "2025-02-01", 7),
            used("c", "2025-02-01T01:00", 4, id="u"),
            used("c", "2025-02-01T02:00", 1),
            used("c", "2025-02-02", 7),
            cancelled("u", "2025-02-03", 4, id="x"),
        ],
        fires=[_window("2025-02-01", 8, 80, "x") | {"occurred": "2025-02-03T00:00:00+08:00"}],
    ),
    Case(
        name="a delivery that is retracted and sent again with less",
        events=[
            licensed(rows_max=100),
            _TYPO,
            retracted(_TYPO, "2025-02-02"),
            delivered("c", "2025-02-01", delivery="d", bytes=0, rows=10, id="d2"),
            delivered("c", "2025-02-03", delivery="e", bytes=0, rows=85, id="d3"),
        ],
        fires=[expected("rows", 100, 95, 95, "d3")],
    ),
    Case(
        name="a retraction after which the total still reaches a band",
        events=[
            licensed(rows_max=100),
            _TYPO,
            delivered("c", "2025-02-03", delivery="e", bytes=0, rows=85),
            retracted(_TYPO, "2025-02-04"),
        ],
        fires=[expected("rows", 100, 85, 80) | {"occurred": "2025-02-04T00:00:00+08:00"}],
    ),
    Case(
        name="another report of a retracted delivery counts in its place",
        events=[
            licensed(rows_max=100),
            _TYPO,
            delivered("c", "2025-02-01T01:00", delivery="d", bytes=0, rows=85, id="again"),
            retracted(_TYPO, "2025-02-04"),
        ],
        fires=[expected("rows", 100, 85, 80) | {"occurred": "2025-02-04T00:00:00+08:00"}],
    ),
    Case(
        name="an amendment that restates a limit goes on with its bands",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 101, id="u"),
            _amended("2025-02-02", uses_max=100),
            cancelled("u", "2025-02-03", 101),
            used("c", "2025-02-04", 80, id="v"),
        ],
        fires=[expected("uses", 100, 80, 80, "v")],
    ),
    Case(
        name="a limit that is amended and amended back starts anew each time",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 90, id="u"),
            _amended("2025-02-02", uses_max=200),
            _amended("2025-02-03", uses_max=100),
        ],
        fires=[
            expected("uses", 100, 90, 80, "u"),
            _at_amendment(expected("uses", 100, 90, 80), "2025-02-03T00:00:00+08:00"),
        ],
    ),
    Case(
        name="the bands of a limit before and of the one that was amended are both cleared where their causes go",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 90, id="u"),
            _amended("2025-02-02", uses_max=200),
            used("c", "2025-02-03", 80, id="v"),
            cancelled("v", "2025-02-04", 80),
            cancelled("u", "2025-02-05", 90),
            used("c", "2025-02-06", 160, id="w"),
        ],
        fires=[expected("uses", 200, 160, 80, "w")],
    ),
    Case(
        name="a cancelled use gives back to its window",
        events=[
            _DAILY,
            used("c", "2025-01-01", 7, id="u"),
            cancelled("u", "2025-01-02", 7),
            used("c", "2025-01-01T10:00", 7),
            used("c", "2025-01-02T10:00", 7),
        ],
    ),
    Case(
        name="a cancellation gives back at most what is left",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 20),
            used("c", "2025-02-02", 10, id="u"),
            cancelled("u", "2025-02-03", 8),
            cancelled("u", "2025-02-04", 8),
            used("c", "2025-02-05", 59),
            used("c", "2025-02-06", 1, id="v"),
        ],
        fires=[expected("uses", 100, 80, 80, "v")],
    ),
    Case(
        name="a cancellation by another source counts for nothing",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 70, id="u"),
            cancelled("u", "2025-02-02", 70, source="//other.example"),
            used("c", "2025-02-03", 10, id="v"),
        ],
        fires=[expected("uses", 100, 80, 80, "v")],
    ),
    Case(
        name="a use that waits can be cancelled",
        events=[used("c", "2025-02-01", 100, id="u"), cancelled("u", "2025-02-02", 21), _HUNDRED],
    ),
    Case(
        name="reporters are not added up",
        events=[
            _HUNDRED,
            *(used("c", "2025-02-01", 79, reporter=reporter) for reporter in ("exchange", "provider", "consumer")),
        ],
    ),
    Case(
        name="the highest tally of a reporter counts",
        events=[
            _HUNDRED,
            used("c", "2025-02-01", 10),
            used("c", "2025-02-02", 101, reporter="consumer", id="u"),
        ],
        fires=[expected("uses", 100, 101, 100, "u")],
    ),
    Case(
        name="a retracted delivery gives its volumes back",
        events=[
            licensed(bytes_max=100, persons_max=100),
            delivered("c", "2025-02-01", delivery="d", bytes=70, persons=70, id="d1"),
            retracted(delivered("c", "2025-02-01", delivery="d", bytes=70, persons=70, id="d1"), "2025-02-02"),
            delivered("c", "2025-02-03", bytes=79, persons=79),
        ],
    ),
    Case(
        name="the band that a retracted delivery raised is cleared",
        events=[licensed(bytes_max=100), _VOLUME, retracted(_VOLUME, "2025-02-02")],
    ),
    Case(
        name="a delivery that was taken back before it came never counts",
        events=[licensed(bytes_max=100), retracted(_VOLUME, "2025-02-02"), _VOLUME],
    ),
    Case(
        name="a delivery that was taken back while it waited for terms never counts",
        events=[_VOLUME, retracted(_VOLUME, "2025-02-02"), licensed(bytes_max=100)],
    ),
    Case(
        name="two reports of one delivery count once",
        events=[
            licensed(bytes_max=100),
            delivered("c", "2025-02-02", delivery="d", bytes=79),
            delivered("c", "2025-02-01", delivery="d", bytes=78),
        ],
    ),
    Case(
        name="other percentages of the pack",
        events=[_HUNDRED, used("c", "2025-02-01", 50)],
        fires=[expected("uses", 100, 50, 80) | {"evidence": {"band": 50}}],
        rules=pack(detectors={"usage-limit": {"warning_percent": 50}}),
    ),
)

"""Use beyond what was licensed: counts, volumes and windows of one contract.

Why it matters: the licence is the measure of the trade; whoever uses more than was licensed takes what was not sold.
The opinions of 2023 ask for limits on the number of uses as a means of control after the trade.

False positives: a reporter that counts retries as uses; an amendment that was agreed but not yet reported. A use that
was reported by mistake is cancelled, which gives its uses back; a band that was raised stays raised.

What to do: at 80 % and 95 % tell the buyer, so that the licence is extended in time. Beyond the limit ask for the
amendment or for the uses to stop; beyond 120 % order rectification.
"""

from collections.abc import Mapping, Sequence

import msgspec

from circulation.calendar import format_instant
from circulation.findings import About, Cause, Said, Severity
from circulation.licences import LIMITS, Licence
from circulation.rules import Counted, Parameter, Parameters, Rule, Stepped, Tally, Uses
from circulation.terms import Terms, Window, inside

# What a stored total can hold; a thousand events of the largest count would pass it.
TOTAL_MAX = 2**63 - 1

SEVERITY_OF_BAND: tuple[Severity, ...] = ("blue", "yellow", "orange", "red")


class Memory(msgspec.Struct, array_like=True, frozen=True):
    """`totals`: uses, bytes, rows, persons by rank of the reporter; `bands`: the highest passed, 1 … 4, by limit."""

    totals: dict[int, tuple[int, int, int, int]] = {}
    bands: dict[str, int] = {}


class Part(msgspec.Struct, array_like=True, frozen=True):
    """One window: its uses by rank of the reporter, and the highest band that was passed."""

    uses: dict[int, int] = {}
    band: int = 0


def band_of(used: int, maximum: int, parameters: Parameters) -> int:
    """The band that a total is in: 0 none, 1 first warning, 2 late warning, 3 over the limit, 4 far over it."""
    percent = used * 100
    if percent > maximum * parameters["red_percent"]:
        return 4
    if used > maximum:
        return 3
    if used and percent >= maximum * parameters["late_warning_percent"]:
        return 2
    if used and percent >= maximum * parameters["warning_percent"]:
        return 1
    return 0


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
    origin = licence.origins["windows"]
    return list(
        dict.fromkeys(
            f"{origin}:{window.seconds}:{window.uses_max}:{window_start(instant, terms, window)}"
            for window in terms.windows
        )
    )


def _added(
    totals: Mapping[int, tuple[int, int, int, int]], reporter: int, more: tuple[int, int, int, int]
) -> dict[int, tuple[int, int, int, int]]:
    a, b, c, d = totals.get(reporter, (0, 0, 0, 0))
    top = TOTAL_MAX
    return {
        **totals,
        reporter: (min(a + more[0], top), min(b + more[1], top), min(c + more[2], top), min(d + more[3], top)),
    }


def step(
    memory: Memory, parts: Mapping[str, Part], counted: Counted, licence: Licence, parameters: Parameters
) -> Stepped:
    """Adds (or gives back) what one event counts, and says each band that it is the first to pass."""
    event, terms = counted.event, licence.terms
    more = (counted.uses, counted.bytes, counted.rows, counted.persons)
    totals = _added(memory.totals, event.reporter, more)
    bands, said = memory.bands, []
    for at, (limit, maximum) in enumerate(zip(LIMITS, maxima(terms), strict=True)):
        if maximum is None or more[at] <= 0:
            continue
        used = max(total[at] for total in totals.values())
        band = band_of(used, maximum, parameters)
        key = f"{limit}:{licence.origins[limit]}"
        if band > bands.get(key, 0):
            bands = {**bands, key: band}
            said.append(_said(counted, licence, parameters, limit, maximum, used, band))
    changed: dict[str, Part] = {}
    if counted.uses:
        for name in names(event.time, licence):
            part = parts.get(name) or Part()
            uses = {**part.uses, event.reporter: min(part.uses.get(event.reporter, 0) + counted.uses, TOTAL_MAX)}
            _, seconds, maximum_text, start = name.split(":")
            maximum, used = int(maximum_text), max(uses.values())
            band = band_of(used, maximum, parameters) if counted.uses > 0 else 0
            if band > part.band:
                window = (int(start), int(seconds))
                said.append(_said(counted, licence, parameters, "window", maximum, used, band, window))
            changed[name] = Part(uses, max(band, part.band))
    return Stepped(Memory(totals, bands), changed, said)


def quiet(
    memory: Memory, parts: Mapping[str, Part], uses: Uses, licence: Licence, parameters: Parameters
) -> Stepped | None:
    """A run of uses in one go. Totals only grow within a run, so what the last says nothing of, none does."""
    totals = memory.totals
    for reporter, (count, size, rows) in uses.totals.items():
        totals = _added(totals, reporter, (count, size, rows, 0))
    for at, (limit, maximum) in enumerate(zip(LIMITS, maxima(licence.terms), strict=True)):
        if maximum is None:
            continue
        used = max(total[at] for total in totals.values())
        if used * 100 >= maximum * parameters["warning_percent"]:
            band = band_of(used, maximum, parameters)
            if band > memory.bands.get(f"{limit}:{licence.origins[limit]}", 0):
                return None
    changed: dict[str, Part] = {}
    if licence.terms.windows:
        windows = names(uses.first, licence)
        if windows != names(uses.last, licence) or not windows:
            return None  # the run spreads over windows, or leaves the validity: step through it
        for name in windows:
            part = parts.get(name) or Part()
            counts = dict(part.uses)
            for reporter, (count, _, _) in uses.totals.items():
                counts[reporter] = min(counts.get(reporter, 0) + count, TOTAL_MAX)
            if band_of(max(counts.values()), int(name.split(":")[2]), parameters) > part.band:
                return None
            changed[name] = Part(counts, part.band)
    return Stepped(Memory(totals, memory.bands), changed, [])


_NAMES = {"uses": "uses", "bytes": "bytes", "rows": "rows", "persons": "persons", "window": "uses in one window"}


def _said(
    counted: Counted,
    licence: Licence,
    parameters: Parameters,
    limit: str,
    maximum: int,
    used: int,
    band: int,
    window: tuple[int, int] | None = None,
) -> Said:
    event = counted.event
    percents = (parameters["warning_percent"], parameters["late_warning_percent"], 100, parameters["red_percent"])
    percent = percents[band - 1]
    evidence = {"limit": limit, "maximum": maximum, "used": used, "band": percent}
    apart: tuple[str, ...] = (limit, str(percent))
    where = ""
    if window is not None:
        start, seconds = window
        evidence |= {"window": format_instant(start), "seconds": seconds}
        apart += (str(start), str(seconds), str(maximum))
        where = f" (the {seconds} s from {format_instant(start)})"
    passed = "exceeds" if band >= 3 else "reaches"
    return Said(
        severity=SEVERITY_OF_BAND[band - 1],
        about=About("contract", event.subject),
        party=licence.buyer,
        occurred=event.time,
        cause=Cause(event.source, event.id),
        apart=apart,
        summary=f"{used} of {maximum} licensed {_NAMES[limit]}{where}: {passed} {percent} %.",
        evidence=evidence,
        asset=licence.asset,
    )


RULE = Rule(
    id="usage-limit",
    title="Use beyond the licensed limit",
    about="contract",
    severity="orange",
    articles=("实施意见 2023 (十二): limits on the number of uses", "DB11/T 2349-2024"),
    parameters={
        "warning_percent": Parameter(80, "from this share of a limit on, a blue warning"),
        "late_warning_percent": Parameter(95, "from this share on, a yellow warning"),
        "red_percent": Parameter(120, "beyond this share the violation is red instead of orange"),
    },
    tally=Tally(
        events=frozenset(
            {"circulation.usage.reported", "circulation.usage.cancelled", "circulation.delivery.completed"}
        ),
        memory=Memory,
        step=step,
        quiet=quiet,
        part=Part,
        names=names,
    ),
)

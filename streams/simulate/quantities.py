"""Plants about how much a contract allows: uses, volumes, persons and rates, and what is counted towards them."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import HOUR, SECOND, format_instant
from circulation.findings import Severity
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told

# Running totals of uses of 1,000, and what the last of them is the first to pass; the one before each is a near miss.
TOTALS: Final[tuple[tuple[int, Severity | None, int], ...]] = (
    (799, None, 0),
    (800, "blue", 80),
    (949, None, 0),
    (950, "yellow", 95),
    (1_000, None, 0),
    (1_001, "orange", 100),
    (1_200, None, 0),
    (1_201, "red", 120),
)


def overrun(on: Ground) -> Iterator[Told | Must]:
    """1,000 uses are licensed. Each band of 80, 95, 100 and 120 % is said once, at the use that first passes it; one
    use fewer passes none (contract §3, "Limits"). One report that passes all of them raises the highest only."""
    yield from on.trade("licence", terms={"uses_max": 1_000})
    before = 0
    for at, (total, severity, band) in enumerate(TOTALS):
        use = on.used("licence", on.day(10 + at), total - before)
        yield use
        if severity is not None:
            why = f"{total:,} of 1,000 licensed uses pass {band} %"
            evidence = {"limit": "uses", "maximum": 1_000, "used": total, "band": band}
            yield on.must("usage-limit", severity, on.contract("licence"), why, cause=use, evidence=evidence)
        before = total
    yield from on.trade("leap", terms={"uses_max": 1_000})
    leap = on.used("leap", on.day(10), 1_201)
    yield leap
    why = "one report passes every band of 1,000 uses: the highest is said"
    yield on.must("usage-limit", "red", on.contract("leap"), why, cause=leap, used=1_201, band=120)
    yield from on.trade("nearly", terms={"uses_max": 1_000})
    yield on.used("nearly", on.day(10), 799)


def volumes(on: Ground) -> Iterator[Told | Must]:
    """Bytes, rows and persons are counted from deliveries and uses: 10,000 bytes and 100 rows are reached and not
    passed, the next one passes them; 800 of 1,000 persons are a first warning."""
    on.in_order = True
    yield from on.trade("bytes", terms={"bytes_max": 10_000}, delivered=False)
    first = on.delivered("bytes", on.day(6), bytes=10_000)
    over = on.used("bytes", on.day(11), 1, bytes=1)
    yield from (first, over)
    why = "all 10,000 licensed bytes are delivered, and not one more"
    evidence: dict[str, Any] = {"limit": "bytes", "maximum": 10_000, "used": 10_000, "band": 95}
    yield on.must("usage-limit", "yellow", on.contract("bytes"), why, cause=first, evidence=evidence)
    evidence |= {"used": 10_001, "band": 100}
    yield on.must("usage-limit", "orange", on.contract("bytes"), "one byte more", cause=over, evidence=evidence)
    yield from on.trade("rows", terms={"rows_max": 100})
    yield on.used("rows", on.day(10), 1, rows=79)
    rows = on.used("rows", on.day(11), 1, rows=1)
    yield rows
    why = "80 of 100 licensed rows"
    yield on.must("usage-limit", "blue", on.contract("rows"), why, cause=rows, limit="rows", used=80, band=80)
    yield from on.trade("persons", terms={"persons_max": 1_000}, delivered=False)
    yield on.delivered("persons", on.day(6), persons=799)
    persons = on.delivered("persons", on.day(7), persons=1)
    yield persons
    why = "data of 800 of 1,000 licensed persons was delivered"
    evidence = {"limit": "persons", "maximum": 1_000, "used": 800, "band": 80}
    yield on.must("usage-limit", "blue", on.contract("persons"), why, cause=persons, evidence=evidence)


def rates(on: Ground) -> Iterator[Told | Must]:
    """Ten uses an hour, in windows that tumble from `valid_from` on: 13 in one window pass every band, 7 at its last
    microsecond and 7 at the first of the next one pass none."""
    yield from on.trade("licence", terms={"windows": [{"uses_max": 10, "seconds": 3_600}]})
    start = on.day(5) + 200 * HOUR
    bands: dict[int, tuple[Severity, int]] = {
        8: ("blue", 80),
        10: ("yellow", 95),
        11: ("orange", 100),
        13: ("red", 120),
    }
    for total in range(1, 14):
        use = on.used("licence", start + total * 60 * SECOND)
        yield use
        if total in bands:
            severity, band = bands[total]
            evidence = {"limit": "window", "maximum": 10, "used": total, "band": band, "seconds": 3_600}
            window = format_instant(start)
            why = f"{total} uses within an hour for which 10 are licensed"
            yield on.must(
                "usage-limit", severity, on.contract("licence"), why, cause=use, evidence=evidence, window=window
            )
    edge = start + 10 * HOUR
    yield from (on.used("licence", edge - 1, 7), on.used("licence", edge, 7))


def given_back(on: Ground) -> Iterator[Told | Must]:
    """A cancelled use gives its uses back, at most what is left of them. A band that is passed anew is said anew, and
    stands beside the first while something is left of what passed that; a typo that is taken back whole leaves none."""
    yield from on.trade("licence", terms={"uses_max": 1_000})
    first = on.used("licence", on.day(10), 900)
    yield first
    yield on.must("usage-limit", "blue", on.contract("licence"), "900 of 1,000 uses", cause=first, used=900, band=80)
    yield on.event("usage.cancelled", on.thing("licence"), on.day(11), usage=first.id, uses=200)
    again = on.used("licence", on.day(12), 100)
    yield again
    why = "800 of 1,000 uses once more, after 200 were given back"
    yield on.must("usage-limit", "blue", on.contract("licence"), why, cause=again, used=800, band=80)
    second = on.used("licence", on.day(13), 150)
    yield second
    why = "950 of 1,000 uses, after 200 were given back"
    yield on.must("usage-limit", "yellow", on.contract("licence"), why, cause=second, used=950, band=95)
    yield from on.trade("emptied", terms={"uses_max": 1_000})
    whole = on.used("emptied", on.day(10), 799)
    yield whole
    for day in (11, 12):  # of the second nothing is left
        yield on.event("usage.cancelled", on.thing("emptied"), on.day(day), usage=whole.id, uses=799)
    yield on.used("emptied", on.day(13), 799)
    yield from on.trade("typo", terms={"uses_max": 1_000})
    first = on.used("typo", on.day(10), 900)
    yield first
    yield on.must("usage-limit", "blue", on.contract("typo"), "900 of 1,000 uses", cause=first, used=900, band=80)
    typo = on.used("typo", on.day(11), 9_000)
    cancel = on.event("usage.cancelled", on.thing("typo"), on.day(12), usage=typo.id, uses=9_000)
    last = on.used("typo", on.day(13), 101)
    yield from (typo, cancel, last)
    yield on.must("usage-limit", "orange", on.contract("typo"), "1,001 uses without the typo", cause=last, used=1_001)


def two_reporters(on: Ground) -> Iterator[Told | Must]:
    """Each reporter's reports make a tally, and the highest is held against the limit: 799 reported by both sides are
    799 and not 1,598; with one more from both, the warning comes at the first that says it."""
    yield from on.trade("licence", terms={"uses_max": 1_000})
    for at, uses in enumerate((799, 1)):
        for hour, reporter in enumerate(("provider", "consumer")):
            use = on.used("licence", on.day(10 + at) + hour * HOUR, uses)._replace(
                reporter=reporter, source=f"//{reporter}.example/{on.number}"
            )
            yield use
            if (uses, reporter) == (1, "provider"):
                why = "the provider's tally is the first to reach 800 of 1,000 uses"
                yield on.must("usage-limit", "blue", on.contract("licence"), why, cause=use, used=800, band=80)


def extended(on: Ground) -> Iterator[Told | Must]:
    """An amended limit starts its bands anew against the running total: what that reaches already is said at once."""
    yield from on.trade("licence", terms={"uses_max": 100})
    first = on.used("licence", on.day(10), 100)
    yield first
    why = "all of 100 licensed uses, and none beyond"
    yield on.must("usage-limit", "yellow", on.contract("licence"), why, cause=first, maximum=100, used=100, band=95)
    terms = {"valid_from": format_instant(on.day(5)), "uses_max": 1_000}
    yield on.signed("licence", on.day(11), signed=format_instant(on.day(5)), amended=True, terms=terms)
    yield on.used("licence", on.day(12), 699)
    second = on.used("licence", on.day(13), 1)
    yield second
    why = "with the 100 before the amendment, 800 of now 1,000 uses"
    yield on.must("usage-limit", "blue", on.contract("licence"), why, cause=second, maximum=1_000, used=800, band=80)
    for at, (limit, band) in enumerate(((1_001, None), (801, 95), (801, None))):
        terms = {"valid_from": format_instant(on.day(5)), "uses_max": limit}
        lowered = on.signed("licence", on.day(14 + at), signed=format_instant(on.day(5)), amended=True, terms=terms)
        yield lowered
        if band is not None:
            why = "the limit is lowered to what is used already"
            evidence = {"maximum": limit, "used": 800, "band": band}
            yield on.must("usage-limit", "yellow", on.contract("licence"), why, cause=lowered, evidence=evidence)


def shared(on: Ground) -> Iterator[Told | Must]:
    """Two contracts of one buyer share the 1,000 uses that the first of them names: their days add up, and each band is
    said at the end of the day that first reaches it. A cancelled use is no longer reached."""
    for name, limit in (("first", 1_000), ("second", 5)):
        terms = {"uses_max": limit, "quota_group": on.thing("group")}
        yield from on.trade(name, on.day(5) + HOUR * (name == "second"), terms=terms)
    before = 0
    for at, (total, severity, band) in enumerate(TOTALS):
        more, before = total - before, total
        half = more // 2
        yield from (on.used("first", on.day(10 + at), half), on.used("second", on.day(10 + at) + HOUR, more - half))
        if severity is not None:
            why = f"by the end of the day {total:,} of 1,000 uses that two contracts share"
            evidence = {"limit": "uses", "maximum": 1_000, "used": total, "band": band}
            about = on.contract("first")
            yield on.must("usage-limit", severity, about, why, occurred=on.day(11 + at), evidence=evidence)
    yield from on.trade("third", terms={"uses_max": 1_000, "quota_group": on.thing("other")})
    wrong = on.used("third", on.day(10), 2_000)
    yield wrong
    yield on.event("usage.cancelled", on.thing("third"), on.day(15), usage=wrong.id, uses=1_201)


PLANTS: Final[tuple[Plant, ...]] = (
    overrun,
    volumes,
    rates,
    given_back,
    two_reporters,
    extended,
    shared,
)

"""Plants about data that goes abroad: the year's sums, what covers them, exemptions, approvals, and groups."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, day_of, format_instant, parse_instant, start_of_day
from circulation.findings import Kind, Severity
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told

# The turn of the only whole year within the market, at +08:00.
NEW_YEAR: Final = parse_instant("2024-01-01")
# From here on the list has the volumes of the free-trade zone's reference rules (domain.md, NL-46).
VOLUMES: Final = parse_instant("2024-08-30")


def _party(on: Ground, name: str) -> tuple[Kind, str]:
    return ("party", on.who(name))


def unassessed(on: Ground) -> Iterator[Told | Must]:
    """The year's persons reach 80, 95 and 100 % of 1,000,000, and sensitive ones of 10,000; one person fewer reaches
    none. Of one export of both each measure warns. A standard contract is there, so that only the assessment is
    missing; who is assessed is not warned."""
    bands: tuple[tuple[Severity, int], ...] = (("blue", 80), ("yellow", 95), ("red", 100))
    for name, limit, measure in (("many", 1_000_000, "persons"), ("sensitive", 10_000, "sensitive_persons")):
        yield from (on.party(name), on.granted(name, "standard-contract"))
        total = 0
        for at, (severity, percent) in enumerate(bands):
            for hour, reached in enumerate((limit * percent // 100 - 1, limit * percent // 100)):
                more, total = reached - total, reached
                counts = (more, 0) if measure == "persons" else (0, more)
                export = on.exported(name, on.day(5 + at) + hour * HOUR, *counts)
                yield export
            why = f"{total:,} of {limit:,} ({measure}) in one year, and no assessment"
            evidence = {"measure": measure, "band": percent, "sum": total, "limit": limit}
            yield on.must("export-assessment-missing", severity, _party(on, name), why, cause=export, evidence=evidence)
    yield from (on.party("both"), on.granted("both", "standard-contract"))
    export = on.exported("both", on.day(5), 800_000, 9_500)
    yield export
    for severity, measure, total in (("blue", "persons", 800_000), ("yellow", "sensitive_persons", 9_500)):
        why = f"{total:,} ({measure}) in one year, whatever the other measure warns of, and no assessment"
        evidence = {"measure": measure, "sum": total}
        yield on.must("export-assessment-missing", severity, _party(on, "both"), why, cause=export, evidence=evidence)
    yield on.party("assessed")
    yield on.granted("assessed", "security-assessment")
    yield on.exported("assessed", on.day(5), 2_000_000, 20_000)


def uncontracted(on: Ground) -> Iterator[Told | Must]:
    """100,000 persons of a year, or one of whom sensitive data is sent, need a standard contract or a certification:
    99,999 do not, and with either of the two nothing is said."""
    for name, kind, counts, more in (
        ("many", None, (99_999, 0), (1, 0)),
        ("sensitive", None, (10, 0), (0, 1)),
        ("contracted", "standard-contract", (99_999, 0), (1, 1)),
        ("certified", "certification", (99_999, 0), (1, 1)),
        ("few", None, (99_999, 0), (0, 0)),
    ):
        yield on.party(name)
        if kind is not None:
            yield on.granted(name, kind)
        yield on.exported(name, on.day(5), *counts)
        export = on.exported(name, on.day(6), *more)
        yield export
        if name in ("many", "sensitive"):
            persons, sensitive = counts[0] + more[0], counts[1] + more[1]
            why = f"{persons:,} persons and {sensitive:,} sensitive ones in a year, and no contract"
            evidence = {"persons": persons, "sensitive_persons": sensitive}
            yield on.must("export-contract-missing", "orange", _party(on, name), why, cause=export, evidence=evidence)


def at_once(on: Ground) -> Iterator[Told | Must]:
    """One export of 999,999 persons, or of 9,999 of whom sensitive data is sent, asks for a contract, with a warning
    that an assessment is near; with one more it asks for the assessment only."""
    for name, counts, measure in (("many", (999_999, 0), "persons"), ("sensitive", (0, 9_999), "sensitive_persons")):
        below, at = f"{name}-below", f"{name}-at"
        yield from (on.party(below), on.party(at))
        nearly = on.exported(below, on.day(5), *counts)
        full = on.exported(at, on.day(5), *(count + 1 if count else 0 for count in counts))
        yield from (nearly, full)
        why = f"{max(counts):,} ({measure}) in one year, and no contract"
        yield on.must("export-contract-missing", "orange", _party(on, below), why, cause=nearly)
        why = f"{max(counts):,} ({measure}) in one year are more than 95 % of what needs an assessment"
        yield on.must("export-assessment-missing", "yellow", _party(on, below), why, cause=nearly, measure=measure)
        why = f"{max(counts) + 1:,} ({measure}) in one year, and no assessment"
        yield on.must("export-assessment-missing", "red", _party(on, at), why, cause=full, measure=measure)


def turn_of_the_year(on: Ground) -> Iterator[Told | Must]:
    """Years turn at +08:00: what is exported on the last microsecond of one and at the first instant of the next does
    not add up, what is exported on both sides of 1 January in UTC does."""
    for name, first, second in (
        ("apart", NEW_YEAR - 1, NEW_YEAR),
        ("together", NEW_YEAR, NEW_YEAR + 8 * HOUR + on.number + 1),
    ):
        yield on.party(name, NEW_YEAR - 100 * HOUR)
        yield on.exported(name, first, 60_000)
        export = on.exported(name, second, 40_000)
        yield export
        if name == "together":
            why = "100,000 persons within one year at +08:00"
            evidence = {"year": 2024, "persons": 100_000}
            yield on.must("export-contract-missing", "orange", _party(on, name), why, cause=export, evidence=evidence)


def important(on: Ground) -> Iterator[Told | Must]:
    """Important data, by what the export or its asset says, and any person's data of a critical infrastructure are sent
    abroad without an assessment; with one, or with nobody in it, they may be. Of the asset the list says the same."""
    yield from (on.party("exporter"), on.party("assessed"), on.party("infrastructure", ciio=True))
    yield on.asset("asset", owner="exporter", level="important")
    yield on.granted("assessed", "security-assessment", on.day(5))
    stated = on.exported("exporter", on.day(5), level="important")
    by_asset = on.exported("exporter", on.day(6), asset=on.thing("asset"))
    person = on.exported("infrastructure", on.day(6), 1)
    yield from (stated, by_asset, person)
    yield on.exported("assessed", on.day(5), level="important")
    yield on.exported("infrastructure", on.day(5))
    for name, export, why in (
        ("exporter", stated, "important data was exported without an assessment"),
        ("exporter", by_asset, "its asset is important, whatever the export says"),
        ("infrastructure", person, "a critical infrastructure exported data of a person without an assessment"),
    ):
        level = "general" if export is person else "important"
        yield on.must("export-important-data", "red", _party(on, name), why, cause=export, level=level)
    about: tuple[Kind, str] = ("asset", on.thing("asset"))
    why = "important data may go abroad only with an assessment"
    evidence = {"action": "export", "entry": "NL-32"}
    yield on.must("negative-list", "orange", about, why, cause=by_asset, evidence=evidence)


def beyond(on: Ground) -> Iterator[Told | Must]:
    """An export names an approval that is for another country, has expired at its instant, does not exist, or whose
    1,000 persons of the year it is the first to pass."""
    time = on.day(5)
    for name, facts, fires in (
        ("country", {"countries": ["DE"]}, True),
        ("expired", {"valid_to": format_instant(time)}, True),
        ("absent", {}, False),
        ("within", {"countries": ["SG"], "valid_to": format_instant(time + 1)}, True),
    ):
        yield on.party(name)
        grant = on.thing(f"approval-{name}")
        if fires:
            yield on.granted(name, "certification", grant=grant, **facts)
        export = on.exported(name, time, 10, grant=grant)
        yield export
        if name != "within":
            why = f"the approval that it names does not cover the export: {name}"
            yield on.must("export-beyond-approval", "red", _party(on, name), why, cause=export)
    yield on.party("scale")
    grant = on.thing("approval-scale")
    yield on.granted("scale", "certification", grant=grant, persons_max=1_000)
    yield on.exported("scale", time, 1_000, grant=grant)
    over = on.exported("scale", time + HOUR, 1, grant=grant)
    yield over
    why = "one person more than the 1,000 that the approval allows in a year"
    yield on.must("export-beyond-approval", "red", _party(on, "scale"), why, cause=over)


def split(on: Ground) -> Iterator[Told | Must]:
    """Members of a group together reach what none of them reaches alone: 100,000 persons, of three members on two
    levels; 1,000,000; 10,000 of whom sensitive data is sent. Beside each a group that lacks one person; and of two with
    one sensitive person each, each has reached by itself what the group reaches."""
    for group, parts, measure, band in (
        ("three", (40_000, 35_000, 25_000), "persons", "contract"),
        ("three-less", (40_000, 35_000, 24_999), "persons", None),
        ("large", (600_000, 400_000), "persons", "assessment"),
        ("large-less", (600_000, 399_999), "persons", None),
        ("sensitive", (6_000, 4_000), "sensitive_persons", "assessment"),
        ("sensitive-less", (6_000, 3_999), "sensitive_persons", None),
        ("each", (1, 1), "sensitive_persons", None),
    ):
        yield on.party(group)
        for at, count in enumerate(parts):
            # The third is controlled by the second. Their own contracts are there where they need them.
            member, above = f"{group}-{at}", group if at < 2 else f"{group}-1"
            yield from (on.party(member, controller=on.who(above)), on.granted(member, "standard-contract"))
            counts = (count, 0) if measure == "persons" else (0, count)
            export = on.exported(member, on.day(5 + at), *counts)
            yield export
        if band is not None:
            why = f"the members of a group together reach {sum(parts):,} ({measure}) in a year, and none alone"
            evidence = {"band": band, measure: sum(parts)}
            yield on.must("export-splitting", "orange", _party(on, group), why, cause=export, evidence=evidence)


def exempted(on: Ground) -> Iterator[Told | Must]:
    """Staff of 100 and one person more, nobody's data with somebody in it, a zone without membership and one of a
    critical infrastructure; beside each an exemption that holds, which also takes millions out of the year's sums."""
    yield on.party("employer", employees=100)
    yield on.party("member", ftz="beijing")
    yield on.party("infrastructure", ftz="beijing", ciio=True)
    cases: tuple[tuple[str, dict[str, Any], str | None, Severity, str], ...] = (
        ("employer", {"persons": 100, "exemption": "hr"}, None, "yellow", ""),
        ("employer", {"persons": 101, "exemption": "hr"}, "export-exemption-misuse", "yellow", "more than the staff"),
        ("employer", {"exemption": "no-personal"}, None, "yellow", ""),
        ("employer", {"persons": 1, "exemption": "no-personal"}, "export-exemption-misuse", "yellow", "not of nobody"),
        ("employer", {"persons": 2_000_000, "exemption": "contract"}, None, "yellow", ""),
        ("employer", {"persons": 2_000_000, "exemption": "emergency"}, None, "yellow", ""),
        ("employer", {"persons": 2_000_000, "exemption": "foreign-origin"}, None, "yellow", ""),
        ("member", {"persons": 2_000_000, "exemption": "ftz"}, None, "orange", ""),
        ("employer", {"persons": 1, "exemption": "ftz"}, "export-ftz-ineligible", "orange", "registered in no zone"),
        ("infrastructure", {"exemption": "ftz"}, "export-ftz-ineligible", "orange", "a critical infrastructure"),
    )
    for at, (name, facts, detector, severity, why) in enumerate(cases):
        export = on.exported(name, on.day(5 + at), **facts)
        yield export
        if detector is not None:
            yield on.must(detector, severity, _party(on, name), f"claims an exemption: {why}", cause=export)


def masses(on: Ground) -> Iterator[Told | Must]:
    """An asset with data of 10,000,001 persons, or 1,000,001 sensitive ones, counts as important abroad; with one
    fewer it does not. Its owner has passed the volume as well."""
    since = VOLUMES + on.number % 10 * HOUR
    for name, personal, persons, entry, measure in (
        ("many", "personal", 10_000_001, "NL-46-a", "personal"),
        ("fewer", "personal", 10_000_000, None, None),
        ("sensitive", "sensitive", 1_000_001, "NL-46-b", "sensitive"),
        ("fewer-sensitive", "sensitive", 1_000_000, None, None),
    ):
        yield on.party(name, since)
        registered = on.asset(f"asset-{name}", since + HOUR, owner=name, personal=personal, persons=persons)
        export = on.exported(name, since + 2 * HOUR, 10, asset=on.thing(f"asset-{name}"))
        yield from (registered, export)
        if entry is not None:
            why = f"data of {persons:,} persons ({personal}) counts as important when it goes abroad"
            about: tuple[Kind, str] = ("asset", on.thing(f"asset-{name}"))
            yield on.must("negative-list", "orange", about, why, cause=export, action="export", entry=entry)
            why = f"the assets of one owner hold data of {persons:,} persons"
            yield on.must(
                "person-volume", "orange", _party(on, name), why, cause=registered, measure=measure, persons=persons
            )


def undeclared(on: Ground) -> Iterator[Told | Must]:
    """Data of 10 persons is delivered abroad, and declared at the end of 72 hours. Declared a microsecond later, of 9
    persons, by its contract and another recipient, or not at all, it is not. Without a country that is only guessed."""
    abroad = "lei:529900T8BM49AURSDO55"
    time = on.day(36)
    deadline = time + 72 * HOUR
    cases: tuple[tuple[str, dict[str, Any] | None, dict[str, Any], Severity | None], ...] = (
        ("declared", {"time": deadline, "delivery": "d"}, {}, None),
        ("by-contract", {"time": time - 31 * 24 * HOUR, "contract": on.thing("by-contract")}, {}, None),
        ("late", {"time": deadline + 1, "delivery": "d"}, {}, "orange"),
        ("few", {"time": time, "delivery": "d", "persons": 9}, {}, "orange"),
        ("other", {"time": time, "contract": on.thing("other"), "recipient": "lei:other"}, {}, "orange"),
        ("guessed", None, {"country": None, "region": None}, "yellow"),
        ("sensitive", None, {"persons": 0, "sensitive_persons": 10}, "red"),
        ("home", None, {"country": "CN"}, None),
        ("nobody", None, {"persons": 0}, None),
    )
    for name, declared, data, severity in cases:
        seller = f"seller-{name}"
        yield from on.trade(name, on.day(35), asset=f"asset-{name}", seller=seller, delivered=False)
        yield on.granted(seller, "standard-contract")
        members: dict[str, Any] = {"delivery": "d", "recipient": abroad, "country": "SG", "persons": 10} | data
        delivery = on.delivered(name, time, **members)
        yield delivery
        if declared is not None:
            declaration = {"persons": 10} | declared
            yield on.exported(seller, declaration.pop("time"), declaration.pop("persons"), **declaration)
        if severity is not None:
            why = f"delivered abroad, and no export declared that covers it: {name}"
            evidence = {"contract": on.thing(name)}
            about = _party(on, seller)
            yield on.must(
                "undeclared-export", severity, about, why, cause=delivery, occurred=deadline, evidence=evidence
            )


def hidden(on: Ground) -> Iterator[Told | Must]:
    """60,000 persons are delivered abroad and 40,000 exported, which together need a contract; beside them 39,999."""
    for name, count in (("many", 40_000), ("fewer", 39_999)):
        seller = f"seller-{name}"
        yield from on.trade(name, asset=f"asset-{name}", seller=seller, delivered=False)
        delivery = on.delivered(name, on.day(6), recipient="lei:abroad", country="SG", persons=60_000)
        export = on.exported(seller, on.day(7), count)
        yield from (delivery, export)
        why = "delivered abroad, and no export declared"
        yield on.must("undeclared-export", "orange", _party(on, seller), why, cause=delivery, occurred=on.day(9))
        if name == "many":
            why = "100,000 persons of a year, of which 60,000 were not declared, and no contract"
            evidence = {"persons": 100_000}
            about = _party(on, seller)
            yield on.must("export-contract-missing", "orange", about, why, cause=export, evidence=evidence)


def read_abroad(on: Ground) -> Iterator[Told | Must]:
    """Personal and important data is used in another country; of nobody's general data, at home, or cancelled, it is
    nothing."""
    time = on.day(7)
    for name, facts, country, uses, fires in (
        ("important", {"level": "important"}, "SG", 1, True),
        ("personal", {"personal": "personal", "persons": 10}, "SG", 2, True),
        ("general", {}, "SG", 1, False),
        ("home", {"level": "important"}, "CN", 1, False),
        ("nil", {"level": "important"}, "SG", 0, False),
    ):
        seller, asset = f"seller-{name}", f"asset-{name}"
        yield from (on.party(seller), on.asset(asset, owner=seller, **facts))
        # The reviews that such data needs when it is sold.
        yield from (on.granted(seller, kind) for kind in ("risk-assessment", "impact-assessment"))
        yield from on.trade(name, asset=asset, seller=seller)
        yield from (on.used(name, time + at * DAY, uses, country=country) for at in (0, 1))
        if fires:
            why = f"data that may not leave unseen is used in {country}: {name}"
            party, evidence = on.who("buyer"), {"country": country, "uses": uses}
            end = start_of_day(day_of(time)) + DAY
            yield on.must("use-abroad", "orange", on.contract(name), why, occurred=end, party=party, evidence=evidence)


PLANTS: Final[tuple[Plant, ...]] = (
    unassessed,
    uncontracted,
    at_once,
    turn_of_the_year,
    important,
    beyond,
    split,
    exempted,
    masses,
    undeclared,
    hidden,
    read_abroad,
)

"""Plants about what a contract allows besides how much: what for, where, how long, and whether there is one."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant
from streams.simulate.ground import ELSEWHERE, Ground, Plant
from streams.simulate.told import Must, Told


def drift(on: Ground) -> Iterator[Told | Must]:
    """Terms of research allow what lies under it, and neither advertising nor what merely begins with its letters."""
    yield from on.trade("licence", terms={"purposes": ["research"]})
    for at, (purpose, allowed) in enumerate(
        (("research", True), ("research/health", True), ("advertising", False), ("researches", False))
    ):
        use = on.used("licence", on.day(10 + at), 2, purpose=purpose)
        yield use
        if not allowed:
            why = f"used for {purpose}; the terms allow research"
            evidence = {"given": purpose, "allowed": ["research"]}
            yield on.must("purpose-drift", "orange", on.contract("licence"), why, cause=use, evidence=evidence)


def outside(on: Ground) -> Iterator[Told | Must]:
    """Uses at the edges of time, place, actor and environment: what is inside is silent, the next step outside is said,
    and what is not stated where it is restricted is said once, in yellow."""
    since, until = on.day(8), on.day(20)
    terms = {
        "valid_from": format_instant(since),
        "valid_to": format_instant(until),
        "countries": ["CN"],
        "regions": ["110000"],
        "recipients": [on.who("buyer"), "team-7"],
        "environments": ["enclave"],
    }
    right = {"country": "CN", "region": "110108", "actor": "team-7", "environment": "enclave"}
    yield from on.trade("licence", terms=terms, delivered=False)
    validity = {"valid_from": format_instant(since), "valid_to": format_instant(until)}
    cases: tuple[tuple[int, dict[str, Any], str | None], ...] = (
        (since - 1, {}, "time"),
        (since, {}, None),
        (on.day(9), {"country": "SG"}, "country"),
        (on.day(10), {"region": "310115"}, "region"),
        (on.day(11), {"actor": "team-8"}, "recipient"),
        (on.day(12), {"environment": "laptop"}, "environment"),
        (on.day(13), {"actor": None}, None),
        (until - 1, {}, None),
        (until, {}, "time"),
    )
    for time, changes, term in cases:
        use = on.used("licence", time, 1, **{k: v for k, v in (right | changes).items() if v is not None})
        yield use
        if term is not None:
            value = format_instant(time) if term == "time" else next(iter(changes.values()))
            allowed = validity if term == "time" else terms["recipients" if term == "recipient" else _PLURAL[term]]
            why = f"a use with {term} {value}"
            evidence = {"term": term, "given": value, "allowed": allowed}
            yield on.must("outside-terms", "orange", on.contract("licence"), why, cause=use, evidence=evidence)
    yield from on.trade("silent", terms=terms | {"valid_from": format_instant(on.day(5))}, delivered=False)
    for at, missing in enumerate(("country", "region", "environment")):
        for again in range(2):
            stated = {name: value for name, value in right.items() if name != missing}
            use = on.used("silent", on.day(10 + at) + again * HOUR, 1, **stated)
            yield use
            if not again:
                why = f"uses do not say their {missing}, which the terms restrict"
                evidence = {"term": missing, "given": None, "allowed": terms[_PLURAL[missing]]}
                yield on.must("outside-terms", "yellow", on.contract("silent"), why, cause=use, evidence=evidence)


_PLURAL: Final = {"country": "countries", "region": "regions", "environment": "environments"}


def misdelivered(on: Ground) -> Iterator[Told | Must]:
    """Deliveries outside recipient, mode, country, region and time, each beside one that is inside."""
    until = on.day(30)
    terms = {
        "valid_from": format_instant(on.day(5)),
        "valid_to": format_instant(until),
        "countries": ["CN", "SG"],
        "regions": ["110000"],
        "recipients": [on.who("buyer")],
        "delivery": ["api", "report"],
    }
    yield on.party("other")
    yield from on.trade("licence", terms=terms)
    cases: tuple[tuple[int, dict[str, Any], str | None, Any, Any], ...] = (
        (on.day(10), {"country": "SG", "mode": "report"}, None, None, None),
        (on.day(11), {"country": "DE"}, "country", "DE", ["CN", "SG"]),
        (on.day(12), {"region": "310115"}, "region", "310115", ["110000"]),
        (on.day(13), {"recipient": on.who("other")}, "recipient", on.who("other"), [on.who("buyer")]),
        (on.day(14), {"mode": "file"}, "mode", "file", ["api", "report"]),
        (until - 1, {}, None, None, None),
        (
            until,
            {},
            "time",
            format_instant(until),
            {"valid_from": format_instant(on.day(5)), "valid_to": format_instant(until)},
        ),
    )
    for time, changes, term, value, allowed in cases:
        delivery = on.delivered("licence", time, **changes)
        yield delivery
        if term is not None:
            why = f"a delivery with {term} {value}"
            evidence = {"term": term, "given": value, "allowed": allowed}
            yield on.must("outside-terms", "orange", on.contract("licence"), why, cause=delivery, evidence=evidence)
    for at in range(2):
        silent = on.delivered("licence", on.day(16 + at), country=None, region=None)
        yield silent
        for term, member in (("country", "countries"), ("region", "regions")) if not at else ():
            why = f"deliveries do not say their {term}; the first of them is named"
            evidence = {"term": term, "given": None, "allowed": terms[member]}
            yield on.must("outside-terms", "yellow", on.contract("licence"), why, cause=silent, evidence=evidence)


def ended(on: Ground) -> Iterator[Told | Must]:
    """A use and a delivery just before a termination, and each of them just after it."""
    yield from on.trade("licence")
    end = on.day(20)
    yield on.used("licence", end - 1, 2)
    yield on.delivered("licence", end - 1)
    yield on.event("contract.terminated", on.thing("licence"), end, reason="agreed")
    use, delivery = on.used("licence", end + 1, 2), on.delivered("licence", end + HOUR)
    yield from (use, delivery)
    for late, kind in ((use, "use"), (delivery, "delivery")):
        why = f"a {kind} after the termination"
        evidence = {"kind": kind, "terminated": format_instant(end)}
        yield on.must("use-after-end", "orange", on.contract("licence"), why, cause=late, evidence=evidence)


def ended_late(on: Ground) -> Iterator[Told | Must]:
    """A termination that is reported five days after it; uses came at its instant and after it, or just before it."""
    on.in_order = True
    end = on.day(20)
    for name, times in (("after", (end - 1, end, end + 2 * DAY)), ("before", (end - 1,))):
        yield from on.trade(name)
        yield from (on.used(name, time, 2) for time in times)
        termination = on.event("contract.terminated", on.thing(name), end, reason="agreed").late(5 * DAY)
        yield termination
        if name == "after":
            why = "used after a termination that was reported later"
            evidence = {"kind": "uses", "last": format_instant(end + 2 * DAY)}
            yield on.must("use-after-end", "orange", on.contract(name), why, cause=termination, evidence=evidence)


def unsigned(on: Ground) -> Iterator[Told | Must]:
    """Uses, a delivery and a payment under contracts that are never signed, or signed a microsecond too late; a
    signing that was made at the instant of the first use and comes late is in time."""
    yield from (on.party("seller"), on.party("buyer"), on.asset("asset"))
    uses = [on.used("never", on.day(10 + at)) for at in range(2)]
    yield from uses
    why = "two uses under a contract that nobody signed: once, at the first"
    yield on.must("unknown-contract", "orange", on.contract("never"), why, occurred=uses[0].time, kind="use")
    delivery = on.delivered("handed", on.day(12))
    yield delivery
    why = "a delivery under a contract that nobody signed"
    yield on.must("unknown-contract", "orange", on.contract("handed"), why, occurred=delivery.time, kind="delivery")
    since = {"valid_from": format_instant(on.day(5))}
    for name, signed in (("late", on.day(14) + 1), ("in-time", on.day(14))):
        first = on.used(name, on.day(14))
        yield first
        yield on.signed(name, signed, terms=since)._replace(arrives=on.day(14) + 2 * DAY)
        if name == "late":
            why = "used a microsecond before it was signed"
            yield on.must("unknown-contract", "orange", on.contract(name), why, occurred=first.time, kind="use")


def carried_away(on: Ground) -> Iterator[Told | Must]:
    """Used once and three times in turn, hour by hour. After 199 hours any number may come; after 200 of them 9 uses
    are more than six deviations above the mean; in the hour after that, since it has seen two such, they are not."""
    yield from on.trade("licence")
    for at in range(199):
        yield on.used("licence", on.day(10) + at * HOUR, 1 + at % 2 * 2)
    yield on.used("licence", on.day(10) + 199 * HOUR, 9)
    # 406 uses in 200 hours, 1,072 as the sum of their squares: a mean of 2.03, and 6 deviations of 1.113 are 8.71.
    nine = on.used("licence", on.day(10) + 200 * HOUR, 9)
    yield nine
    why = "9 uses in an hour exceed the mean of 200 hours by more than six deviations"
    yield on.must("bulk-extraction", "yellow", on.contract("licence"), why, cause=nine, used=9)
    # 415 in 201, and 1,153: a mean of 2.06, and 6 deviations of 1.214 are 9.35.
    yield on.used("licence", on.day(10) + 201 * HOUR, 9)


def rewritten(on: Ground) -> Iterator[Told | Must]:
    """Another exchange signs a contract under the same id with a limit a hundred times as high, or ends it: neither has
    an effect. The buyer's own report of the signing is no other contract, and the home may amend."""
    on.in_order = True
    yield from (on.party("seller"), on.party("buyer"), on.asset("asset"))
    for name in ("signed-again", "ended", "seen-by-the-buyer", "amended"):
        yield on.signed(name, terms={"uses_max": 10})
    again = on.signed("signed-again", on.day(6), terms={"uses_max": 1000})._replace(source=ELSEWHERE)
    ended = on.event("contract.terminated", on.thing("ended"), on.day(6), reason="agreed")._replace(source=ELSEWHERE)
    seen = on.signed("seen-by-the-buyer", on.day(6), terms={"uses_max": 1000})
    yield from (again, ended, seen._replace(source=ELSEWHERE, reporter="consumer"))
    yield on.signed("amended", on.day(6), terms={"uses_max": 1000}, amended=True)
    over = on.used("signed-again", on.day(7), 20)
    yield from (over, on.used("ended", on.day(7), 2), on.used("amended", on.day(7), 20))
    for name, cause in (("signed-again", again), ("ended", ended)):
        why = f"another source states of the contract that it was {name}"
        yield on.must("terms-conflict", "orange", on.contract(name), why, cause=cause, given=ELSEWHERE)
    why = "20 of 10 uses, whatever another source would allow"
    limit = {"limit": "uses", "maximum": 10, "used": 20, "band": 120}
    yield on.must("usage-limit", "red", on.contract("signed-again"), why, cause=over, evidence=limit)


PLANTS: Final[tuple[Plant, ...]] = (
    drift,
    outside,
    misdelivered,
    ended,
    ended_late,
    unsigned,
    carried_away,
    rewritten,
)

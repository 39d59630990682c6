"""Plants about parties who do what they may not: barred, unverified, passing data on, beyond a sandbox."""

from collections.abc import Iterator
from typing import Final

from circulation.calendar import DAY, HOUR, day_of, format_instant
from circulation.findings import Kind
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told


def serious_record(on: Ground, party: str, time: int) -> Told:
    """Return a serious record of a party, determined at that time."""
    return on.event(
        "credit.determined",
        on.who(party),
        time,
        record=on.thing(f"record-{party}"),
        act="forged certificate",
        tier="serious",
        document_date=str(day_of(time)),
        decided_by="an office",
    )


def barred(on: Ground) -> Iterator[Told | Must]:
    """A party with a serious record signs and lists, and so does a sister with the same controller. Before the record,
    while an objection suspends it, and with a record that is not serious they may; a second objection suspends nothing.
    """
    yield on.party("top")
    for name in ("barred", "sister"):
        yield from (on.party(name, controller=on.who("top")), on.asset(f"asset-{name}", owner=name))
    yield on.party("stranger")
    for name in ("objecting", "twice", "general"):
        yield on.party(name)
        yield on.asset(f"asset-{name}", owner=name)
    time = on.day(10)
    for name in ("barred", "objecting", "twice", "general"):
        record = serious_record(on, name, time)
        yield record._replace(data=record.data | {"tier": "general"}) if name == "general" else record
    for name, objection, filed, decided in (
        ("objecting", "objection", on.day(11), on.day(13)),
        ("twice", "objection-1", on.day(11), on.day(11) + HOUR),
        ("twice", "objection-2", on.day(11) + 2 * HOUR, on.day(13)),
    ):
        named = {"objection": on.thing(objection)}
        about = {"record": on.thing(f"record-{name}"), "grounds": "it was not us"}
        yield on.event("objection.filed", on.who(name), filed, **named, **about)
        answer = {"outcome": "rejected", "decided_by": "an office"}
        yield on.event("objection.decided", on.who(name), decided, **named, **answer)
    yield on.signed("before", time - 1, asset="asset-barred", seller="barred", buyer="stranger")
    for name in ("barred", "sister", "objecting", "twice", "general"):
        signing = on.signed(f"sold-{name}", on.day(12), asset=f"asset-{name}", seller=name, buyer="stranger")
        listing = on.listed(f"asset-{name}", on.day(12), seller=name)
        yield from (signing, listing)
        if name in ("barred", "sister", "twice"):
            culprit = "one with the same controller" if name == "sister" else "the seller"
            why = f"signed while {culprit} has a published serious record"
            yield on.must("barred-party", "red", on.contract(f"sold-{name}"), why, cause=signing)
            listed: tuple[Kind, str] = ("asset", on.thing(f"asset-{name}"))
            yield on.must("barred-party", "red", listed, f"listed while {culprit} has one", cause=listing)


def unverified(on: Ground) -> Iterator[Told | Must]:
    """Traded on an exchange with a buyer, or over an asset of an owner, whom no exchange had registered: a provider's
    own statement and one a microsecond late do not help. Registered at that instant and heard of late is in time;
    filed contracts are not the exchange's."""
    time = on.day(5)
    yield from (on.party("seller"), on.party("owner", time + 1), on.asset("asset"))
    yield on.asset("of-another", owner="owner")
    yield on.granted("seller", "operating-right", assets=[on.thing("of-another")])
    registration = on.party("provider-said")
    yield registration._replace(reporter="provider", source=f"//provider.example/{on.number}")
    yield from (on.party("late", time + 1), on.party("in-time", time).late(2 * DAY), on.party("buyer"))
    for name, buyer, asset, channel, role in (
        ("unknown", "nobody", "asset", "on-exchange", "buyer"),
        ("self-stated", "provider-said", "asset", "on-exchange", "buyer"),
        ("later", "late", "asset", "on-exchange", "buyer"),
        ("owned", "buyer", "of-another", "on-exchange", "owner"),
        ("timely", "in-time", "asset", "on-exchange", None),
        ("filed", "nobody", "asset", "filed", None),
    ):
        signing = on.signed(name, time, asset=asset, buyer=buyer, channel=channel)
        yield signing
        if role is not None:
            party = on.who("owner" if role == "owner" else buyer)
            why = f"no exchange had registered the {role}: {name}"
            yield on.must("unverified-trade", "orange", on.contract(name), why, cause=signing, unverified={role: party})


def passed_on(on: Ground) -> Iterator[Told | Must]:
    """A watermark is seen with a stranger, and with the buyer of a contract that does not allow resale; with whoever is
    down a chain of contracts that allow it, and with the buyer himself, it may be."""
    yield from (on.party("seller"), on.party("stranger"), on.asset("asset"))
    for name in ("one", "two", "three"):
        yield on.party(name)
    yield from on.trade("first", buyer="one", terms={"resale": True}, delivered=False)
    mark = on.thing("mark")
    yield on.delivered("first", on.day(6), to="one", watermark=mark)
    yield from on.trade("second", on.day(8), seller="one", buyer="two")
    yield from on.trade("third", on.day(9), seller="two", buyer="three")
    for at, (holder, fires) in enumerate((("one", False), ("two", False), ("three", True), ("stranger", True))):
        members = {"watermark": mark, "holder": on.who(holder), "place": "a forum"}
        sighting = on.event("watermark.sighted", on.thing("asset"), on.day(20 + at), **members)
        yield sighting
        if fires:
            why = f"the mark of the first delivery was seen with {holder}, whom no chain of resale leads to"
            evidence = {"watermark": mark, "holder": on.who(holder)}
            yield on.must("onward-transfer", "red", on.contract("first"), why, cause=sighting, evidence=evidence)


def sandboxed(on: Ground) -> Iterator[Told | Must]:
    """Trials in sandboxes with a cap each: what makes it full passes nothing, the next bit does; one goes on at the
    instant at which it ends, and another stops a microsecond before."""
    end = on.day(20)
    for name, cap, limit in (
        ("amount", "amount", {"amount_max": "10000"}),
        ("persons", "persons", {"persons_max": 100}),
        ("uses", "uses", {"uses_max": 1_000}),
        ("end", "end", {"valid_to": format_instant(end)}),
        ("within", None, {"valid_to": format_instant(end)}),
    ):
        yield on.party(name)
        yield on.granted(name, "sandbox", **limit)
        yield from on.trade(f"{name}-first", asset=f"asset-{name}", seller=name)
        yield from on.trade(f"{name}-second", asset=f"asset-{name}", seller=name)
        if cap == "amount":
            yield from on.trade("amount-third", on.day(8), asset="asset-amount", seller=name, amount="0.01")
        elif cap == "persons":
            yield from (
                on.delivered("persons-first", on.day(8), persons=100),
                on.delivered("persons-second", on.day(9)),
            )
            yield on.delivered("persons-second", on.day(10), persons=1)
        elif cap == "uses":
            yield from (on.used("uses-first", on.day(8), 400), on.used("uses-second", on.day(9), 600))
            yield on.used("uses-first", on.day(10))
        else:
            yield on.delivered(f"{name}-first", end if cap else end - 1)
        if cap is not None:
            about: tuple[Kind, str] = ("party", on.who(name))
            why = f"the trial went on beyond the {cap} of its sandbox"
            yield on.must("sandbox-cap", "orange", about, why, party=on.who(name), cap=cap)


PLANTS: Final[tuple[Plant, ...]] = (barred, unverified, passed_on, sandboxed)

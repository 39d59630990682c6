"""Plants about what was to happen within a time, and did not: proofs, payments, deliveries, reports, gradings."""

from collections.abc import Iterator
from typing import Final

from circulation.calendar import DAY, HOUR, day_of, format_instant, start_of_day
from circulation.findings import Kind
from circulation.working_days import Lists, last_day
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told


def undeleted(on: Ground) -> Iterator[Told | Must]:
    """15 days after a contract's end deletion is to be proved: at that instant it is in time, a microsecond later it
    is not. An end by `valid_to` counts as one by termination does."""
    terms = {"delete_within_days": 15}
    end = on.day(20)
    deadline = end + 15 * DAY
    for name, proved in (("proved", deadline), ("late", deadline + 1), ("expired", None)):
        more = {"valid_to": format_instant(end)} if name == "expired" else {}
        yield from on.trade(name, terms=terms | more)
        if name != "expired":
            yield on.event("contract.terminated", on.thing(name), end, reason="agreed")
        if proved is not None:
            yield on.event("deletion.proved", on.thing(name), proved, evidence=f"document-{on.thing(name)}")
        if name != "proved":
            yield on.must(
                "deletion-overdue",
                "orange",
                ("contract", on.thing(name)),
                "nobody proved within 15 days of the end that the data was deleted",
                occurred=deadline,
                party=on.who("buyer"),
                end=format_instant(end),
            )


def unpaid(on: Ground) -> Iterator[Told | Must]:
    """5,000 are due 30 days after the signing: two payments that make them up at that instant are in time; a cent that
    comes a microsecond later is missing. A sister of the buyer may pay the exchange, and what was paid beyond may go
    back; who is paid by the seller has paid nothing, and a cent that goes back after the deadline is missing again."""
    deadline = on.day(5) + 30 * DAY
    for name, last in (("paid", deadline), ("late", deadline + 1)):
        yield from on.trade(name, terms={"pay_within_days": 30}, paid=False)
        yield on.paid(name, on.day(7), "4999.99")
        yield on.paid(name, last, "0.01")
    yield on.must(
        "payment-overdue",
        "yellow",
        ("contract", on.thing("late")),
        "of 5,000 a cent was not paid within 30 days",
        occurred=deadline,
        party=on.who("buyer"),
        paid="4999.99",
    )
    yield from (on.party("exchange", roles=["exchange"]), on.party("sister", controller=on.who("buyer")))
    yield from on.trade("by-a-sister", exchange=on.who("exchange"), terms={"pay_within_days": 30}, paid=False)
    yield on.paid("by-a-sister", on.day(7), "5000", by="sister", to="exchange")
    yield on.paid("by-a-sister", on.day(8), "5000", by="exchange", to="seller")
    yield from on.trade("backwards", terms={"pay_within_days": 30}, paid=False)
    yield on.paid("backwards", on.day(7), "5000", by="seller", to="buyer")
    why = "the seller paid the buyer, and nobody the seller"
    yield on.must("payment-overdue", "yellow", on.contract("backwards"), why, occurred=deadline, paid="0")
    for name, amount in (("given-back", "5000.01"), ("beyond", "5000.02")):
        yield from on.trade(name, terms={"pay_within_days": 30}, paid=False)
        yield on.paid(name, on.day(7), amount)
        for time in (on.day(8), deadline + DAY):
            refund = on.paid(name, time, "0.01", by="seller", to="buyer")
            yield refund
        if name == "given-back":
            why = "after the deadline a cent of the 5,000 was paid back"
            yield on.must("payment-overdue", "yellow", on.contract(name), why, cause=refund, paid="4999.99")


def silent_buyers(on: Ground) -> Iterator[Told | Must]:
    """Use is to be reported within 30 days of the start and of each report: at the last instant is in time, a
    microsecond later is not. Once a contract has ended, nobody waits for a report."""
    start = on.day(5)
    for name, uses, late in (
        ("in-time", (start + 30 * DAY,), None),
        ("late", (start + 30 * DAY + 1,), start),
        ("again", (start + DAY, start + 31 * DAY + 1), start + DAY),
        ("ended", (), None),
    ):
        end = start + 30 * DAY - 1 if name == "ended" else start + 50 * DAY
        yield from on.trade(name, terms={"report_within_days": 30, "valid_to": format_instant(end)})
        yield from (on.used(name, time) for time in uses)
        if late is not None:
            why = f"in force, and no use was reported for 30 days: {name}"
            about: tuple[Kind, str] = ("contract", on.thing(name))
            yield on.must("report-overdue", "yellow", about, why, occurred=late + 30 * DAY, party=on.who("buyer"))


def paper(on: Ground) -> Iterator[Told | Must]:
    """Paid, and nothing delivered or used within 30 days: an empty delivery, uses of 0 and cancelled ones are nothing;
    another contract is used on the last instant of them, and one is delivered before it is paid. Of one all was paid
    back at that instant, of another a microsecond later."""
    deadline = on.day(7) + 30 * DAY
    for name, served in (("served", deadline), ("late", deadline + 1), ("before", on.day(6))):
        yield from on.trade(name, delivered=False)
        yield on.delivered(name, served) if name == "before" else on.used(name, served)
    for name, usage in (
        ("empty", on.delivered("empty", on.day(8), bytes=0, rows=0)),
        ("filled", on.delivered("filled", on.day(8), bytes=0, rows=1)),
        ("nil", on.used("nil", on.day(8), 0)),
        ("cancelled", on.used("cancelled", on.day(8), 2)),
        ("kept", on.used("kept", on.day(8), 2)),
    ):
        yield from on.trade(name, delivered=False)
        yield usage
        if name in ("cancelled", "kept"):
            back = {"usage": usage.id, "uses": 2 if name == "cancelled" else 1}
            yield on.event("usage.cancelled", on.thing(name), on.day(9), **back)
    for name, refunded in (("undone", deadline), ("undone-late", deadline + 1)):
        yield from on.trade(name, delivered=False)
        yield on.paid(name, refunded, by="seller", to="buyer")
    for name, why in (
        ("late", "paid, and used a microsecond after the 30 days"),
        ("empty", "paid, and an empty delivery"),
        ("nil", "paid, and 0 uses"),
        ("cancelled", "paid, and all uses cancelled"),
        ("undone-late", "paid, and paid back a microsecond after the 30 days"),
    ):
        party = on.who("seller")
        yield on.must("paper-trade", "orange", on.contract(name), why, occurred=deadline, party=party)


def ungraded(on: Ground) -> Iterator[Told | Must]:
    """An asset may stay without a grade for 30 days: graded, or withdrawn, at their end is in time, a microsecond later
    is not."""
    deadline = on.day(1) + 30 * DAY
    for name, graded in (("in-time", deadline), ("late", deadline + 1)):
        yield on.asset(name, level="ungraded")
        yield on.event("asset.graded", on.thing(name), graded, level="general", personal="none", reason="review")
    yield on.asset("withdrawn", level="ungraded")
    yield on.event("asset.withdrawn", on.thing("withdrawn"), deadline, reason="no longer offered")
    yield on.must(
        "grading-overdue",
        "yellow",
        ("asset", on.thing("late")),
        "registered, and not graded within 30 days",
        occurred=deadline,
        party=on.who("seller"),
    )


def unreported(on: Ground) -> Iterator[Told | Must]:
    """An incident is to be reported within 1, 2 or 4 hours, by who discovered it: at the last instant, a microsecond
    after it, and never."""
    yield on.party("holder")
    for operator, hours in (("ciio", 1), ("state", 2), ("other", 4)):
        discovered = on.day(10)
        deadline = discovered + hours * HOUR
        for name, reported in (("in-time", deadline), ("late", deadline + 1), ("never", None)):
            incident = on.thing(f"{operator}-{name}")
            members = {"incident": incident, "kind": "leak", "operator": operator}
            yield on.event("incident.discovered", on.who("holder"), discovered, **members)
            if reported is not None:
                yield on.event("incident.reported", on.who("holder"), reported, incident=incident)
            if name != "in-time":
                yield on.must(
                    "incident-late",
                    "red",
                    ("party", on.who("holder")),
                    f"discovered, and not reported within {hours} h ({operator}): {name}",
                    occurred=deadline,
                    party=on.who("holder"),
                    incident=incident,
                )


def stale(on: Ground) -> Iterator[Told | Must]:
    """Updated every 10 days means: something new within 20. A delivery at the last instant is in time; the same digest
    again is nothing new. And a completeness of 0.95 will do, less will not."""
    start = on.day(1)
    for name, update in (("in-time", start + 20 * DAY), ("late", start + 20 * DAY + 1)):
        yield on.asset(name, update_days=10, digest=f"sha256:{on.thing(name)}")
        yield from on.trade(f"sold-{name}", asset=name, delivered=False)
        yield on.delivered(f"sold-{name}", update)
        yield on.event("asset.withdrawn", on.thing(name), update + DAY, reason="replaced")
    yield on.must(
        "quality",
        "blue",
        ("asset", on.thing("late")),
        "to be updated every 10 days, and nothing new for 20",
        occurred=start + 20 * DAY,
        party=on.who("seller"),
    )
    for name, completeness in (("whole", 0.95), ("holes", 0.9499)):
        yield on.asset(name)
        members = {"assessment": on.thing(name), "kind": "quality", "result": "pass", "assessor": "an assessor"}
        assessed = on.event("asset.assessed", on.thing(name), on.day(4), completeness=completeness, **members)
        yield assessed
        if name == "holes":
            why = "assessed to be complete to less than 0.95"
            yield on.must("quality", "blue", ("asset", on.thing(name)), why, cause=assessed, completeness=completeness)


def slow_office(on: Ground) -> Iterator[Told | Must]:
    """An objection is to be decided within 7 working days and a repair within 10: on the last of them is in time, on
    the day after it is not. The day of receipt does not count, and neither do Saturdays and Sundays."""
    yield on.party("holder")
    for kind, received, decided, count in (
        ("objection", "objection.filed", "objection.decided", 7),
        ("repair", "repair.applied", "repair.decided", 10),
    ):
        for name, more in (("in-time", 0), ("late", 1)):
            record = on.thing(f"record-{kind}-{name}")
            yield on.event(
                "credit.determined",
                on.who("holder"),
                on.day(2),
                record=record,
                act="late settlement",
                tier="minor",
                document_date=str(day_of(on.day(2))),
                decided_by="an office",
            )
            id_ = on.thing(f"{kind}-{name}")
            stated = {"grounds": "paid in time"} if kind == "objection" else {"evidence": ["document-1"]}
            yield on.event(received, on.who("holder"), on.day(4) + 10 * HOUR, **{kind: id_}, record=record, **stated)
            last = last_day(day_of(on.day(4)), count, lambda _: Lists())
            if last is None:
                continue
            decision = on.event(
                decided,
                on.who("holder"),
                start_of_day(last) + more * DAY + 23 * HOUR,
                **{kind: id_},
                outcome="rejected" if kind == "objection" else "granted",
                decided_by="an office",
            )
            yield decision
            if more:
                yield on.must(
                    "credit-clock",
                    "orange",
                    ("party", on.who("holder")),
                    f"the {kind} was decided a day after the {count} working days",
                    last_day=str(last),
                )


PLANTS: Final[tuple[Plant, ...]] = (undeleted, unpaid, silent_buyers, paper, ungraded, unreported, stale, slow_office)

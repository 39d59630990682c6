"""Plants about what may circulate at all: the negative list, and everything that is made of what it names."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant, parse_instant
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told

# When entries of the list take effect (domain.md §1.3): secrets on the day of the revised law.
SECRETS: Final = parse_instant("2024-05-01")

# Facts that the shipped list prohibits (`red`) or allows only with a grant (`orange`), and beside them what is missing
# by one fact. All of these entries are in force from the first day of the market.
LISTED: Final[tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...]] = (
    ("NL-02", "red", {"level": "core"}, {"level": "important"}),
    ("NL-03", "red", {"tags": ["national-security"]}, {"tags": ["security"]}),
    ("NL-04", "red", {"tags": ["privacy-infringing"]}, {"tags": ["privacy"]}),
    ("NL-08", "red", {"tags": ["directly-identifying"], "personal": "personal"}, {"tags": ["directly-identifying"]}),
    ("NL-09", "red", {"tags": ["illegally-obtained"]}, {"tags": ["obtained"]}),
    ("NL-19", "orange", {"personal": "sensitive", "fields": ["Face_Embedding"]}, {"fields": ["Face_Embedding"]}),
    ("NL-20", "orange", {"personal": "sensitive", "fields": ["patient"]}, {"personal": "sensitive", "fields": ["pat"]}),
    (
        "NL-21",
        "orange",
        {"personal": "sensitive", "fields": ["card_no"]},
        {"personal": "personal", "fields": ["card_no"]},
    ),
    ("NL-22", "orange", {"personal": "sensitive", "fields": ["gps"]}, {"personal": "sensitive", "fields": ["mgps"]}),
    ("NL-23", "orange", {"personal": "sensitive", "fields": ["religion"]}, {"fields": ["religion"]}),
    ("NL-24", "orange", {"personal": "minor"}, {"personal": "sensitive"}),
    ("NL-25", "red", {"category": "credit-reporting", "fields": ["blood_type"]}, {"fields": ["blood_type"]}),
    ("NL-26", "orange", {"category": "credit-reporting", "fields": ["income"]}, {"category": "credit-reporting"}),
    ("NL-27", "red", {"tags": ["human-genetic-resources"]}, {"tags": ["genetic"]}),
    ("NL-30", "orange", {"tags": ["classified-surveying"]}, {"tags": ["surveying"]}),
    ("NL-36", "red", {"tags": ["entrusted-government-data"]}, {"tags": ["government-data"]}),
    ("NL-40", "red", {"tags": ["government-sharing"]}, {"tags": ["sharing"]}),
    ("NL-50", "red", {"tags": ["re-identified"]}, {"tags": ["identified"]}),
)


def forbidden(on: Ground) -> Iterator[Told | Must]:
    """An asset that the list names is listed, fact by fact, and beside it one that lacks a fact of the entry."""
    yield on.party("seller")
    for entry, severity, facts, harmless in LISTED:
        hit, miss = entry.lower(), f"{entry.lower()}-miss"
        for name, stated in ((hit, facts), (miss, harmless)):
            # A field of its own, lest the two are taken for one asset that is registered twice.
            fields = [*stated.get("fields", ()), f"{on.thing(name)}-value"]
            yield on.asset(name, **stated | {"fields": fields})
        yield on.listed(miss)
        listing = on.listed(hit)
        yield listing
        yield on.must(
            "negative-list",
            "red" if severity == "red" else "orange",
            on.about(hit),
            f"listed, and {entry} matches it",
            cause=listing,
            action="list",
            verdict="match",
            entry=entry,
            origin=on.thing(hit),
            path=[on.thing(hit)],
        )


def everywhere(on: Ground) -> Iterator[Told | Must]:
    """One asset that is prohibited is listed, traded, delivered and exported: one finding for each act."""
    yield from (on.party("seller"), on.party("buyer"), on.asset("asset", tags=["national-security"]))
    acts = {
        "list": on.listed("asset"),
        "trade": on.signed("contract"),
        "deliver": on.delivered("contract", on.day(6)),
        "export": on.exported("seller", on.day(7), asset=on.thing("asset")),
    }
    yield on.paid("contract", on.day(7))
    for action, act in acts.items():
        yield act
        why = f"NL-03 prohibits it, and it was done: {action}"
        yield on.must("negative-list", "red", on.about("asset"), why, cause=act, action=action, entry="NL-03")


def deep(on: Ground) -> Iterator[Told | Must]:
    """Data obtained illegally stays so over any number of steps, also over one that nobody can turn back, since the
    entry is sticky; delisting and withdrawing what lies between changes nothing."""
    yield from (on.party("seller"), on.asset("step-0", tags=["illegally-obtained"]))
    steps: tuple[dict[str, Any], ...] = (
        {"process": "copy"},
        {"process": "join"},
        {"process": "deidentify"},
        {"process": "model", "irreversible": True, "evidence": "document-1"},
        {"process": "aggregate"},
        {"process": "other"},
    )
    for at, step in enumerate(steps, start=1):
        yield on.asset(f"step-{at}")
        yield on.derived(f"step-{at}", on.day(1) + at * HOUR, f"step-{at - 1}", **step)
    yield on.event("asset.withdrawn", on.thing("step-3"), on.day(2), reason="renamed")
    last = f"step-{len(steps)}"
    listing = on.listed(last)
    yield listing
    path = [on.thing(f"step-{at}") for at in range(len(steps) + 1)]
    why = "six steps from a source that was obtained illegally"
    yield on.must("negative-list", "red", on.about(last), why, cause=listing, entry="NL-09", origin=path[0], path=path)


def stopped(on: Ground) -> Iterator[Told | Must]:
    """A match that is not sticky stops at a derivation that is irreversible, of a process that makes it so, and has
    evidence: it does not where one of the three is missing."""
    yield from (on.party("seller"), on.asset("source", tags=["privacy-infringing"]))
    whole: dict[str, Any] = {"process": "aggregate", "irreversible": True, "evidence": "document-1"}
    for name, changes in (
        ("stops", {}),
        ("reversible", {"irreversible": None}),
        ("joined", {"process": "join"}),
        ("unproved", {"evidence": None}),
        ("empty", {"evidence": ""}),
    ):
        yield on.asset(name)
        yield on.derived(name, on.day(2), "source", **whole | changes)
        listing = on.listed(name)
        yield listing
        if changes:
            path = [on.thing("source"), on.thing(name)]
            why = f"derived from what infringes privacy, and the derivation does not stop that ({name})"
            yield on.must("negative-list", "red", on.about(name), why, cause=listing, entry="NL-04", path=path)


def consented(on: Ground) -> Iterator[Told | Must]:
    """Medical data may be listed with a consent that the seller holds and that covers it at that instant: issued at it
    is in time; for another asset, expired at it or revoked by it is none."""
    yield on.party("seller")
    time = on.day(3)
    for name, grant in (
        ("in-time", {"time": time}),
        ("until-after", {"valid_to": format_instant(time + 1)}),
        ("late", {"time": time + 1}),
        ("expired", {"valid_to": format_instant(time)}),
        ("not-yet", {"valid_from": format_instant(time + 1)}),
        ("elsewhere", {"assets": [on.thing("another")]}),
        ("revoked", {"revoked": True}),
    ):
        facts: dict[str, Any] = {"assets": [on.thing(name)]} | grant
        when, revoked = facts.pop("time", None), facts.pop("revoked", False)
        yield on.asset(name, personal="sensitive", fields=[f"patient_{on.thing(name)}"])
        consent = on.granted("seller", "consent", when, **facts)
        yield consent
        if revoked:
            yield on.event("grant.revoked", on.who("seller"), time, grant=consent.data["grant"], reason="withdrawn")
        listing = on.listed(name, time)
        yield listing
        if name not in ("in-time", "until-after"):
            why = f"medical data listed, and no consent covers it: {name}"
            yield on.must("negative-list", "orange", on.about(name), why, cause=listing, entry="NL-20")


def doubtful(on: Ground) -> Iterator[Told | Must]:
    """An undecided match is not passed: no level, or sensitive data whose fields are not stated. Graded before
    the listing, or not sensitive, it can be decided."""
    yield on.party("seller")
    for name, facts, missing in (
        ("level", {"level": "ungraded"}, ["level"]),
        ("fields", {"personal": "sensitive", "fields": None}, ["fields"]),
        ("graded", {"level": "ungraded"}, None),
        ("plain", {"fields": None}, None),
    ):
        yield on.asset(name, **facts)
        listing = on.listed(name)
        if facts.get("level"):
            graded = listing.time if name == "graded" else listing.time + 1
            yield on.event("asset.graded", on.thing(name), graded, level="general", personal="none", reason="review")
        yield listing
        if missing:
            why = f"listed, and whether it is on the list hangs on its {name}, which nobody stated"
            evidence = {"action": "list", "verdict": "needs-info", "missing": missing}
            yield on.must("negative-list", "yellow", on.about(name), why, cause=listing, evidence=evidence)


def screened(on: Ground) -> Iterator[Told | Must]:
    """State secrets are prohibited from a day on: what is listed or under contract when it comes is screened then; what
    was delisted or had ended by then is not."""
    before = SECRETS - (20 + on.number % 5) * DAY
    yield from (on.party("seller", before), on.party("buyer", before))
    for name in ("listed", "delisted", "traded", "ended"):
        yield on.asset(name, before + HOUR, tags=["state-secret"])
    yield from (on.listed("listed", before + DAY), on.listed("delisted", before + DAY))
    product = f"product-{on.thing('delisted')}"
    yield on.event("product.delisted", on.thing("delisted"), SECRETS - 1, product=product, reason="law")
    for name in ("traded", "ended"):
        yield on.signed(f"contract-{name}", before + DAY, asset=name)
        yield on.delivered(f"contract-{name}", before + 2 * DAY)
    yield on.event("contract.terminated", on.thing("contract-ended"), SECRETS - 1, reason="law")
    for name, action in (("listed", "list"), ("traded", "trade")):
        evidence = {"action": action, "verdict": "match", "entry": "NL-01"}
        why = f"it was {name} when NL-01 took effect"
        yield on.must("negative-list", "red", on.about(name), why, occurred=SECRETS, evidence=evidence)


PLANTS: Final[tuple[Plant, ...]] = (
    forbidden,
    everywhere,
    deep,
    stopped,
    consented,
    doubtful,
    screened,
)

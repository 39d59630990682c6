"""Plants about what may circulate at all, where it came from, and who may offer it."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant, parse_instant
from circulation.events.names import PRODUCT_LISTED
from circulation.findings import Kind
from streams.simulate.ground import ELSEWHERE, Ground, Must, Plant, Told

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


def _asset(on: Ground, name: str) -> tuple[Kind, str]:
    return ("asset", on.thing(name))


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
            _asset(on, hit),
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
        yield on.must("negative-list", "red", _asset(on, "asset"), why, cause=act, action=action, entry="NL-03")


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
    yield on.must(
        "negative-list", "red", _asset(on, last), why, cause=listing, entry="NL-09", origin=path[0], path=path
    )


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
            yield on.must("negative-list", "red", _asset(on, name), why, cause=listing, entry="NL-04", path=path)


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
            yield on.must("negative-list", "orange", _asset(on, name), why, cause=listing, entry="NL-20")


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
            yield on.must("negative-list", "yellow", _asset(on, name), why, cause=listing, evidence=evidence)


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
        yield on.must("negative-list", "red", _asset(on, name), why, occurred=SECRETS, evidence=evidence)


def sourceless(on: Ground) -> Iterator[Told | Must]:
    """An ancestor, two steps up, was not registered when the product was listed and sold: a microsecond too late does
    not help; registered at the instant and heard of late does."""
    yield from (on.party("seller"), on.party("buyer"))
    time = on.day(3)
    for name in ("in-time", "late", "never"):
        yield from (on.asset(name), on.asset(f"{name}-middle"))
        yield on.derived(f"{name}-middle", on.day(1) + HOUR, f"{name}-source", process="join")
        yield on.derived(name, on.day(1) + 2 * HOUR, f"{name}-middle")
        if name != "never":
            registered = on.asset(f"{name}-source", time + (name == "late"))
            yield registered.late(3 * DAY)
        listing = on.listed(name, time)
        yield listing
        if name != "in-time":
            why = f"listed, and an ancestor was not registered by then: {name}"
            missing = [on.thing(f"{name}-source")]
            yield on.must("broken-provenance", "orange", _asset(on, name), why, cause=listing, missing=missing)
    yield from on.trade("contract", asset="never")
    # `trade` told the signing with the defaults of this ground
    why = "sold, and an ancestor is not registered"
    yield on.must("broken-provenance", "orange", _asset(on, "never"), why, occurred=on.day(5), missing=missing)


def unfinished(on: Ground) -> Iterator[Told | Must]:
    """Runs that were to write products failed, and nobody said what these are made of. Beside them is one that another
    run made in the end, one whose run had told before it failed, and one whose run is still heard of."""
    yield on.party("seller")
    yield from (on.asset(name) for name in ("source", "failed", "silent", "mended", "told", "heard"))
    begin = on.day(2)
    for name in ("failed", "silent", "mended", "told", "heard"):
        kind = "RUNNING" if name == "told" else "START"
        time = on.day(3) - 24 * HOUR + 1 if name == "heard" else begin
        yield on.ran(kind, time, f"run-{name}", ["source"], [name])
        if name in ("failed", "mended", "told"):
            yield on.ran("FAIL", begin + HOUR, f"run-{name}", [], [])
    yield on.ran("COMPLETE", begin + 2 * HOUR, "again", ["source"], ["mended"])
    for name in ("failed", "silent", "mended", "told", "heard"):
        listing = on.listed(name)
        yield listing
        if name in ("failed", "silent"):
            why = f"listed, and the run that was to write it {'failed' if name == 'failed' else 'was heard of no more'}"
            yield on.must("broken-provenance", "yellow", _asset(on, name), why, cause=listing)


def uncertified(on: Ground) -> Iterator[Told | Must]:
    """Listed without a certificate, and with one that an earlier asset bears; the earlier one is all right, and so is
    one whose certificate is stated anew and heard of late."""
    yield on.party("seller")
    yield on.asset("none", certificate=None)
    yield on.asset("first", certificate=on.thing("shared"))
    yield on.asset("second", on.day(2), certificate=on.thing("shared"))
    yield from (on.asset("late", certificate=None), on.asset("late", on.day(3)).late(2 * DAY))
    for name, why in (
        ("none", "listed without a certificate"),
        ("second", "listed with the certificate of another asset"),
        ("first", ""),
        ("late", ""),
    ):
        listing = on.listed(name)
        yield listing
        if why:
            certificate = None if name == "none" else on.thing("shared")
            yield on.must(
                "certificate-invalid", "orange", _asset(on, name), why, cause=listing, certificate=certificate
            )


def rightless(on: Ground) -> Iterator[Told | Must]:
    """Listed by an owner without the right to operate, and by another party without a grant of it; with a grant for
    this asset that is valid at that instant the other may."""
    yield from (on.party("seller"), on.party("other"))
    for name in ("owned", "granted", "foreign", "expired"):
        yield on.asset(name, rights=["holding", "processing"] if name == "owned" else ["holding", "operating"])
    yield on.granted("other", "operating-right", assets=[on.thing("granted")])
    yield on.granted("other", "operating-right", assets=[on.thing("expired")], valid_to=format_instant(on.day(3)))
    for name in ("owned", "granted", "foreign", "expired"):
        listing = on.listed(name, seller="seller" if name == "owned" else "other")
        yield listing
        if name != "granted":
            why = f"listed without an operating right: {name}"
            yield on.must("right-missing", "orange", _asset(on, name), why, cause=listing)


def guided(on: Ground) -> Iterator[Told | Must]:
    """A guided price may reach its ceiling, and not pass it by a cent; a negotiated one has none."""
    yield on.party("seller")
    for name, mode, amount in (
        ("at", "guided", "100"),
        ("above", "guided", "100.01"),
        ("free", "negotiated", "100.01"),
    ):
        yield on.asset(name)
        listing = on.listed(name, price={"mode": mode, "amount": amount, "ceiling": "100.00"})
        yield listing
        if name == "above":
            why = "offered a cent above the guided ceiling"
            yield on.must("guided-price", "orange", _asset(on, name), why, cause=listing, amount=amount)


def two_sources(on: Ground) -> Iterator[Told | Must]:
    """One element of the catalogue with two units; the same unit twice, and a unit whose predecessor was withdrawn
    before, are no conflict."""
    yield on.party("seller")
    for case, first, second, withdrawn in (
        ("clash", "one", "two", False),
        ("same", "one", "one", False),
        ("moved", "one", "two", True),
    ):
        element = on.thing(f"element-{case}")
        yield on.asset(f"{case}-first", element=element, source_unit=first)
        if withdrawn:
            yield on.event("asset.withdrawn", on.thing(f"{case}-first"), on.day(2) - 1, reason="moved")
        registered = on.asset(f"{case}-second", on.day(2), element=element, source_unit=second)
        yield registered
        if case == "clash":
            about = _asset(on, f"{case}-second")
            why = "another unit already answers for this element"
            yield on.must("one-source", "yellow", about, why, cause=registered, element=element, source_unit=second)


def registered_twice(on: Ground) -> Iterator[Told | Must]:
    """The same digest under another id and owner; nine of ten fields the same and one owner. 17 of 19 are not enough,
    and neither are nine of ten of another owner."""
    yield from (on.party("seller"), on.party("other"))
    fields = [on.thing(f"field-{at}") for at in range(10)]
    names = [on.thing(f"few-{at}") for at in range(19)]
    yield on.asset("digest", digest=f"sha256:{on.thing('one')}")
    again = on.asset("digest-again", on.day(2), owner="other", digest=f"sha256:{on.thing('one')}")
    yield from (again, on.asset("fields", fields=fields[:9]))
    alike = on.asset("fields-again", on.day(2), fields=fields)
    yield from (alike, on.asset("fields-of-another", on.day(2), owner="other", fields=fields))
    yield from (on.asset("few", fields=names[:17]), on.asset("few-again", on.day(2), fields=names))
    why = "registered with the digest of another asset"
    yield on.must("duplicate-registration", "yellow", _asset(on, "digest-again"), why, cause=again, by="digest")
    why = "registered with nine of ten fields of another asset of its owner"
    yield on.must("duplicate-registration", "yellow", _asset(on, "fields-again"), why, cause=alike, by="fields")


def laundered(on: Ground) -> Iterator[Told | Must]:
    """General data out of important data, and data of nobody out of personal data; graded so with an approval since,
    out of a derivation that stops, or graded as high as its input it may be."""
    yield on.party("seller")
    yield from (on.asset("important", level="important"), on.asset("personal", personal="personal", persons=10))
    approval = {"level": "general", "personal": "none", "reason": "review", "approved_by": "an office"}
    for name, source, member in (
        ("low", "important", "level"),
        ("nobody", "personal", "personal"),
        ("approved", "important", None),
        ("stopped", "important", None),
        ("kept", "important", None),
        ("early", "important", "level"),
    ):
        yield on.asset(name, level="important" if name == "kept" else "general")
        derivation = on.derived(name, on.day(2), source)
        if name == "stopped":
            derivation = on.derived(name, on.day(2), source, process="model", irreversible=True, evidence="document-1")
        yield derivation
        if name in ("approved", "early"):
            graded = on.day(3) if name == "approved" else on.day(2) - 1
            yield on.event("asset.graded", on.thing(name), graded, **approval)
        if member is not None:
            above = {"level": "important", "personal": "personal"}[member]
            grade = {"level": "general", "personal": "none"}[member]
            lower = [{"input": on.thing(source), "member": member, "given": grade, "above": above}]
            why = f"graded below what it was made of, and nobody approved that since: {name}"
            yield on.must("grade-laundering", "red", _asset(on, name), why, cause=derivation, lower=lower)


def stated_less(on: Ground) -> Iterator[Told | Must]:
    """A core asset is registered again, or graded by nobody, as general: it stays core, and its listing is found. What
    states as much, or no grade, or is approved since, is left alone."""
    yield on.party("seller")
    graded = {"personal": "none", "reason": "review"}
    for name, level, less in (
        ("registered-less", "core", True),
        ("graded-less", "core", True),
        ("as-much", "important", False),
        ("no-grade", "important", False),
        ("approved", "important", False),
    ):
        yield on.asset(name, level=level)
        again = on.asset(name, on.day(2), level={"as-much": level, "no-grade": "ungraded"}.get(name, "general"))
        if name == "graded-less":
            again = on.event("asset.graded", on.thing(name), on.day(2), level="general", **graded)
        yield again
        if name == "approved":
            approved = {"level": "general", "approved_by": "an office"}
            yield on.event("asset.graded", on.thing(name), on.day(3), **graded, **approved)
        if less:
            why = f"stated as general when it is core, and nobody approved that: {name}"
            stated = {"level": "general", "personal": "none"}
            yield on.must("grade-laundering", "red", _asset(on, name), why, cause=again, stated=stated)
            listing = on.listed(name)
            yield listing
            yield on.must(
                "negative-list",
                "red",
                _asset(on, name),
                "core data stays core until an approved grading",
                cause=listing,
                entry="NL-02",
            )


def relabelled(on: Ground) -> Iterator[Told | Must]:
    """A listed asset is registered again without the listed fact; another source registers it for somebody
    else. An approved grading since, a mark that stays, or the same owner in another's word are left alone."""
    yield from (on.party("seller"), on.party("other"))
    secret: dict[str, Any] = {"tags": ["national-security"]}
    for name, facts in (("hidden", {}), ("kept", secret), ("approved", {})):
        again = on.asset(name, on.day(2), **facts)
        yield from (on.asset(name, **secret), again)
        if name == "approved":
            graded = {"level": "general", "personal": "none", "reason": "review", "approved_by": "an office"}
            yield on.event("asset.graded", on.thing(name), on.day(3), **graded)
        if name == "hidden":
            why = "registered again without the tag by which the list names it"
            yield on.must("relabelled", "orange", _asset(on, name), why, cause=again, entry="NL-03")
    for name, owner in (("taken", "other"), ("confirmed", "seller")):
        # The home is who came first, so neither comes late.
        first = on.asset(name)
        second = on.asset(name, on.day(2), owner=owner)._replace(source=ELSEWHERE)
        yield from (first._replace(arrives=first.time), second._replace(arrives=second.time))
        if owner == "other":
            changed = {"owner": {"before": on.who("seller"), "after": on.who("other")}}
            why = "another source states another owner, which has no effect"
            yield on.must("relabelled", "orange", _asset(on, name), why, cause=second, changed=changed)


def taken_back(on: Ground) -> Iterator[Told | Must]:
    """A listing without a certificate that is taken back is as if it had never been made: nothing is left of it."""
    on.in_order = True
    yield from (on.party("seller"), on.asset("asset", certificate=None))
    listing = on.listed("asset")
    yield listing
    members = {"event": listing.id, "type": PRODUCT_LISTED, "reason": "sent in error"}
    yield on.event("event.retracted", on.thing("asset"), on.day(4), **members)


PLANTS: Final[tuple[Plant, ...]] = (
    forbidden,
    everywhere,
    deep,
    stopped,
    consented,
    doubtful,
    screened,
    sourceless,
    unfinished,
    uncertified,
    rightless,
    guided,
    two_sources,
    registered_twice,
    laundered,
    stated_less,
    relabelled,
    taken_back,
)

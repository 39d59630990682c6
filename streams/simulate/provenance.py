"""Plants about where assets came from, who may offer them, and what was made to look harmless."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, HOUR, format_instant
from circulation.events.names import PRODUCT_LISTED
from streams.simulate.ground import ELSEWHERE, Ground, Plant
from streams.simulate.told import Must, Told


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
            yield on.must("broken-provenance", "orange", on.about(name), why, cause=listing, missing=missing)
    yield from on.trade("contract", asset="never")
    # `trade` told the signing with the defaults of this ground
    why = "sold, and an ancestor is not registered"
    yield on.must("broken-provenance", "orange", on.about("never"), why, occurred=on.day(5), missing=missing)


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
            yield on.must("broken-provenance", "yellow", on.about(name), why, cause=listing)


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
            yield on.must("certificate-invalid", "orange", on.about(name), why, cause=listing, certificate=certificate)


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
            yield on.must("right-missing", "orange", on.about(name), why, cause=listing)


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
            yield on.must("guided-price", "orange", on.about(name), why, cause=listing, amount=amount)


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
            about = on.about(f"{case}-second")
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
    yield on.must("duplicate-registration", "yellow", on.about("digest-again"), why, cause=again, by="digest")
    why = "registered with nine of ten fields of another asset of its owner"
    yield on.must("duplicate-registration", "yellow", on.about("fields-again"), why, cause=alike, by="fields")


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
            yield on.must("grade-laundering", "red", on.about(name), why, cause=derivation, lower=lower)


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
            yield on.must("grade-laundering", "red", on.about(name), why, cause=again, stated=stated)
            listing = on.listed(name)
            yield listing
            yield on.must(
                "negative-list",
                "red",
                on.about(name),
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
            yield on.must("relabelled", "orange", on.about(name), why, cause=again, entry="NL-03")
    for name, owner in (("taken", "other"), ("confirmed", "seller")):
        # The home is who came first, so neither comes late.
        first = on.asset(name)
        second = on.asset(name, on.day(2), owner=owner)._replace(source=ELSEWHERE)
        yield from (first._replace(arrives=first.time), second._replace(arrives=second.time))
        if owner == "other":
            changed = {"owner": {"before": on.who("seller"), "after": on.who("other")}}
            why = "another source states another owner, which has no effect"
            yield on.must("relabelled", "orange", on.about(name), why, cause=second, changed=changed)


def taken_back(on: Ground) -> Iterator[Told | Must]:
    """A listing without a certificate that is taken back is as if it had never been made: nothing is left of it."""
    on.in_order = True
    yield from (on.party("seller"), on.asset("asset", certificate=None))
    listing = on.listed("asset")
    yield listing
    members = {"event": listing.id, "type": PRODUCT_LISTED, "reason": "sent in error"}
    yield on.event("event.retracted", on.thing("asset"), on.day(4), **members)


PLANTS: Final[tuple[Plant, ...]] = (
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

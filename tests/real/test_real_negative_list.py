"""The negative list of a real data market as a pack: who and what is on it is found, and nobody else."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from real_input import (
    PURGATORY_REGISTERED,
    Change,
    Stall,
    account,
    entry_of,
    history,
    last_state,
    played,
    stalls,
    wire,
)

from circulation.calendar import format_instant, parse_instant
from circulation.examples import Json, entry, event, listed, pack

AFTER_ALL = "2022-06-01"
SECOND = 1_000_000


@pytest.fixture(scope="module")
def changes(test_data: Path) -> list[Change]:
    return history(test_data)


def one_line_each(lines: list[Change]) -> dict[str, tuple[Json, list[Change]]]:
    return {f"{one.kind}/{one.id}": (entry_of(one), [one]) for one in lines}


def one_entry_a_reason(lines: list[Change]) -> dict[str, tuple[Json, list[Change]]]:
    found: dict[str, tuple[Json, list[Change]]] = {}
    for kind, member in (("asset", "assets"), ("account", "parties")):
        for reason in sorted({one.reason for one in lines}):
            named = [one for one in lines if (one.kind, one.reason) == (kind, reason)]
            ids = [one.id if kind == "asset" else account(one.id) for one in named]
            if ids:
                found[f"{kind}: {reason}"] = (entry(f"{kind}: {reason}", match={member: ids}), named)
    return found


@pytest.mark.parametrize("shape", [one_line_each, one_entry_a_reason])
def test_the_findings_are_exactly_those_of_the_list(changes: list[Change], shape) -> None:
    lines = last_state(changes)
    entries = shape(lines)
    offers = stalls(changes)
    events = [*(one.registered() for one in offers), *(one.listed(AFTER_ALL) for one in offers)]
    found = played(wire(events), pack=pack(*(one for one, _ in entries.values())))

    expected = set()
    for id_, (_, named) in entries.items():
        assets = {one.id for one in named if one.kind == "asset"}
        parties = {account(one.id) for one in named if one.kind == "account"}
        for one in offers:
            if one.asset in assets or {one.owner, one.seller} & parties:
                expected.add((one.asset, id_, one.listing))
    said = [one for one in found.standing() if one["detector"] == "negative-list"]
    assert [] == found.rejected
    assert expected == {(one["about"]["id"], one["evidence"]["entry"], one["cause"]["id"]) for one in said}
    assert len(expected) == len(said)
    assert {("red", "match")} == {(one["severity"], one["evidence"]["verdict"]) for one in said}
    assert {1, 2} == {sum(listing == one.listing for _, _, listing in expected) for one in offers} - {0}


def test_ids_that_are_no_addresses_are_taken_as_they_are(changes: list[Change]) -> None:
    odd = {one.id for one in changes if len(one.id.removeprefix("0x").removeprefix("did:op:")) != 40}
    without_prefix = {one.id for one in changes if one.kind == "account" and not one.id.startswith("0x")}

    # Each was taken off again, so none is in the last state; as ids of the history they are good ones.
    assert {"0x000", "did:op:0000"} == odd
    assert 5 == len(without_prefix)
    assert not (odd | without_prefix) & {one.id for one in last_state(changes)}


def test_at_every_second_of_its_history_the_list_is_what_it_was_then(changes: list[Change]) -> None:
    began: dict[tuple[str, str], Change] = {}
    spans: list[tuple[Change, int, int | None]] = []
    for one in changes:
        key = (one.kind, one.id)
        if one.change == "added":
            began[key] = one
        elif one.change == "removed":
            added = began.pop(key)
            spans.append((added, parse_instant(added.time), parse_instant(one.time)))
    spans += [(one, parse_instant(one.time), None) for one in began.values()]
    entries = [
        entry_of(one, valid_to=None if end is None else format_instant(end)) | {"id": f"{one.kind}/{one.id}/{place}"}
        for place, (one, start, end) in enumerate(spans)
    ]

    offers = {(one.asset if one.seller == one.owner else one.seller): one for one in reversed(stalls(changes))}
    events = [one.registered() for one in offers.values()]
    expected = set()
    for kind, id_ in dict.fromkeys((one.kind, one.id) for one in changes):
        offer = offers[id_ if kind == "asset" else account(id_)]
        times = {parse_instant(one.time) for one in changes if (one.kind, one.id) == (kind, id_)}
        for time in sorted({each + shift for each in times for shift in (-SECOND, 0, SECOND)}):
            listing = f"{kind} {id_} at {format_instant(time)}"
            events.append(listed(offer.asset, format_instant(time), seller=offer.seller, id=listing, product="data"))
            expected |= {
                (offer.asset, f"{kind}/{id_}/{place}", listing)
                for place, (one, start, end) in enumerate(spans)
                if (one.kind, one.id) == (kind, id_) and start <= time and (end is None or time < end)
            }
    found = played(wire(events), pack=pack(*entries))
    assert [] == found.rejected

    # What has no cause was screened again when an entry took effect, and is not about a listing of that second.
    said = [one for one in found.standing() if one["detector"] == "negative-list" and "cause" in one]
    assert expected == {(one["about"]["id"], one["evidence"]["entry"], one["cause"]["id"]) for one in said}
    assert len(expected) == len(said)
    assert len(expected) > len(changes)


def test_as_the_list_grew_and_shrank_what_was_listed_was_screened(changes: list[Change]) -> None:
    every = sorted({one.time for one in changes})
    # All that shrank it, and of the others every third: few enough to be quick.
    times = sorted({*every[::3], every[-1], *(one.time for one in changes if one.change == "removed")})
    lists = {time: last_state(one for one in changes if one.time <= time) for time in times}
    offers = stalls(changes)
    events = [*(one.registered() for one in offers), *(one.listed(PURGATORY_REGISTERED) for one in offers)]
    expected = set()
    before: dict[tuple[str, str], Change] = {}
    for time, lines in lists.items():
        # Without the time at which a line came: it takes effect as its version does.
        entries = [entry_of(one, valid_from=PURGATORY_REGISTERED) for one in lines]
        published = pack(*entries, version=time) | {"valid_from": time}
        events.append(event("rulepack.published", "beijing", time, **published))
        now = {(one.kind, one.id): one for one in lines}
        new = {key for key in now if key not in before}
        for key, offer in offered(offers, new):
            expected.add((offer.asset, "/".join(key), None, parse_instant(time)))
        # What came or went is listed once more, and judged by the list of now.
        later = format_instant(parse_instant(time) + SECOND)
        touched = {key for key in {*now, *before} if (key in now) != (key in before)}
        again = {offer for _, offer in offered(offers, touched)}
        events += [listed(one.asset, later, seller=one.seller, id=f"{one.listing} {time}") for one in sorted(again)]
        for key, offer in offered(sorted(again), set(now)):
            expected.add((offer.asset, "/".join(key), f"{offer.listing} {time}", parse_instant(later)))
        before = now

    found = played(wire(events), pack=pack())
    assert [] == found.rejected
    said = [one for one in found.standing() if one["detector"] == "negative-list"]
    assert expected == {
        (
            one["about"]["id"],
            one["evidence"]["entry"],
            one["cause"]["id"] if "cause" in one else None,
            parse_instant(one["occurred"]),
        )
        for one in said
    }
    assert len(expected) == len(said)
    assert sum(1 for one in changes if one.change == "added") < sum(1 for _, _, cause, _ in expected if cause is None)


def offered(offers: Sequence[Stall], keys: Collection[tuple[str, str]]) -> list[tuple[tuple[str, str], Stall]]:
    """Which lines of the list an offer is on, as (line, offer)."""
    found = []
    for one in offers:
        named = {("asset", one.asset), *(("account", each.removeprefix("eip155:")) for each in (one.owner, one.seller))}
        found += [(key, one) for key in named if key in keys]
    return found

"""The history of a real negative list as a series of packs: each act is judged by the list of its time, and whatever is
under contract is screened whenever the list changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from real_input import CLEAN, PURGATORY_REGISTERED, Change, account, entry_of, history, last_state, played, wire

import detectors
from circulation.calendar import format_instant, parse_instant
from circulation.examples import Json, asset, delivered, event, pack, signed
from circulation.lint.lint import lint

SECOND = 1_000_000
OTHERS = 30
# Of the lines that were never taken off again, every so many-th is on the market; all are in the packs.
EVERY = 8
Key = tuple[str, str]


class Trade(NamedTuple):
    """A contract on the market; `key` is the line of the list that it may stand on, None for what never does."""

    contract: str
    asset: str
    buyer: str
    key: Key | None


def trades(changes: Sequence[Change]) -> list[Trade]:
    """A contract on assets that were ever on the list, others with accounts of it as buyers, and others still."""
    found = []
    removed = {(one.kind, one.id) for one in changes if one.change != "added"}
    for place, key in enumerate(dict.fromkeys((one.kind, one.id) for one in changes)):
        kind, id_ = key
        if key not in removed and place % EVERY:
            continue
        bought = id_ if kind == "asset" else f"did:op:bought-{place}"
        found.append(Trade(f"c{place}", bought, account(f"0x{place:040x}") if kind == "asset" else account(id_), key))
    return found + [Trade(f"o{at}", f"did:op:other-{at}", account(f"0xffff{at:036x}"), None) for at in range(OTHERS)]


@pytest.fixture(scope="module")
def changes(test_data: Path) -> list[Change]:
    return history(test_data)


@pytest.fixture(scope="module")
def versions(changes: list[Change]) -> dict[str, dict[Key, Change]]:
    """What the list was from each instant at which it changed."""
    times = sorted({one.time for one in changes})
    return {
        time: {(one.kind, one.id): one for one in last_state(each for each in changes if each.time <= time)}
        for time in times
    }


def published(versions: dict[str, dict[Key, Change]]) -> list[Json]:
    """Each version as a pack; its lines take effect as it does."""
    packs = []
    for time, lines in versions.items():
        entries = [entry_of(one, valid_from=PURGATORY_REGISTERED, provenance="S") for one in lines.values()]
        data = pack(*entries, version=time) | {"valid_from": time}
        packs.append(event("rulepack.published", "beijing", time, **data))
    return packs


def test_each_version_of_the_list_is_a_pack_in_which_nothing_is_wrong(versions: dict[str, dict[Key, Change]]) -> None:
    assert 39 == len(versions)
    for one in published(versions):
        assert () == lint(one["data"], detectors.RULES).remarks


@pytest.mark.parametrize("late", [False, True], ids=["packs as they were made", "packs at the end, newest first"])
def test_what_is_found_at_each_date_is_what_the_list_of_that_date_says(
    changes: list[Change], versions: dict[str, dict[Key, Change]], late: bool
) -> None:
    market = trades(changes)
    said = [asset(one.asset, PURGATORY_REGISTERED, owner=CLEAN) for one in market]
    said += [
        signed(one.contract, PURGATORY_REGISTERED, asset=one.asset, seller=CLEAN, buyer=one.buyer) for one in market
    ]
    packs = published(versions)
    expected = set()
    before: dict[Key, Change] = {}
    for published_, (time, lines) in zip(packs, versions.items(), strict=True):
        at = parse_instant(time)
        touched = {key for key in {*lines, *before} if (key in lines) != (key in before)}
        concerned = [one for one in market if one.key in touched]
        if not late:
            said.append(published_)
        for shift, then in ((-1, before), (0, lines), (SECOND, lines)):
            for one in concerned:
                moment = format_instant(at + shift)
                said.append(delivered(one.contract, moment, id=f"{one.contract} {moment}", recipient=one.buyer))
                if one.key in then:
                    line, act = "/".join(one.key or ()), f"{one.contract} {moment}"
                    expected.add((one.asset, line, "deliver", act, at + shift))
        for one in concerned:
            if one.key in lines:
                expected.add((one.asset, "/".join(one.key or ()), "trade", None, at))
        before = lines
    if late:
        said += reversed(packs)

    found = played(wire(said), pack=pack())
    assert [] == found.rejected
    standing = [one for one in found.standing() if one["detector"] == "negative-list"]
    assert expected == {
        (
            one["about"]["id"],
            one["evidence"]["entry"],
            one["evidence"]["action"],
            one["cause"]["id"] if "cause" in one else None,
            parse_instant(one["occurred"]),
        )
        for one in standing
    }
    assert len(expected) == len(standing)
    # The pack that was in force is named, whenever it was published.
    times = sorted(map(parse_instant, versions))
    for one in standing:
        version = max(each for each in times if each <= parse_instant(one["occurred"]))
        assert version == parse_instant(one["rulepack"]["version"])

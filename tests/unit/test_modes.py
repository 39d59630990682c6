"""What a detector finds is treated by the mode in force at the instant at which it occurred, whenever a pack comes.

Of each shape of a rule there is one detector; each finds something one microsecond before a pack takes effect, at that
instant, and one microsecond after it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.calendar import days, format_instant, parse_instant
from circulation.examples import (
    BUYER,
    SELLER,
    SOURCE,
    Json,
    asset,
    entry,
    event,
    exported,
    listed,
    party,
    retracted,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.modes import only

TURN = parse_instant("2025-06-01")
INSTANTS = {"before": TURN - 1, "at": TURN, "after": TURN + 1}
UNTIL = parse_instant("2025-08-01")
# The other shapes judge anew when a pack comes late; uses are counted and not kept (contract §4).
Events = Callable[[str, int], list[Json]]


def _check(name: str, at: int) -> list[Json]:
    return [asset(name, tags=["secret"]), listed(name, format_instant(at))]


def _screen(name: str, _: int) -> list[Json]:
    return [asset(name, tags=[f"from-{name}"]), listed(name, "2025-03-01")]


def _tally(name: str, at: int) -> list[Json]:
    return [signed(name, "2025-02-01", terms=terms(uses_max=10)), used(name, format_instant(at), 11)]


def _sum(name: str, at: int) -> list[Json]:
    return [party(f"x:{name}"), exported(f"x:{name}", format_instant(at), persons=1_000_000)]


def _deadline(name: str, at: int) -> list[Json]:
    paid = event(
        "settlement.paid",
        name,
        format_instant(at - days(30)),
        settlement="s",
        payer=BUYER,
        payee=SELLER,
        amount="1000",
    )
    return [signed(name, "2025-02-01"), paid]


def _uses(name: str, at: int) -> list[Json]:
    return [used(name, format_instant(at))]


def _gap(name: str, at: int) -> list[Json]:
    source = f"{SOURCE}/{name}"
    return [
        party(SELLER, "2025-01-01", source=source, sequence=1),
        party(SELLER, format_instant(at), source=source, sequence=3),
    ]


SHAPES: dict[str, tuple[str, Events]] = {
    "check": ("negative-list", _check),
    "screen": ("negative-list", _screen),
    "tally": ("usage-limit", _tally),
    "sum": ("export-assessment-missing", _sum),
    "deadline": ("paper-trade", _deadline),
    "sum of uses": ("unknown-contract", _uses),
    "gap": ("feed-gap", _gap),
}
LATE = [shape for shape in SHAPES if shape != "tally"]


def rules(detector: str, mode: str, version: str, **members: Any) -> Json:
    entries = [entry("secret")]
    entries += [entry(f"from-{name}", valid_from=format_instant(at)) for name, at in INSTANTS.items()]
    made = only(detector, entries=entries, version=version, **members)
    made["detectors"][detector] = {"mode": mode}
    return made


class Ran(NamedTuple):
    """What stands, with what followed of it, and what left: findings by the name of the instant."""

    standing: dict[str, Json]
    in_cases: set[str]
    with_points: set[str]
    left: list[tuple[str, str]]


def ran(default: Json, lines: Sequence[Json]) -> Ran:
    store = Store("sqlite://")
    engine = offline(store, parse_pack(default, published=False))
    left: list[bytes] = []
    run = Replay(engine, Admission(), findings=left.append, until=UNTIL)
    run.run(orjson.dumps(one) for one in lines)
    points = [one for raw in run.statements() for one in orjson.loads(raw)["findings"]]
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing = true")]
        members = {row[0] for row in db.rows("select finding from case_findings where standing = true")}
    names = {format_instant(at): name for name, at in INSTANTS.items()}
    by_id = {one["finding"]: names[one["occurred"]] for one in found}
    raised = [orjson.loads(one) for one in left]
    return Ran(
        {by_id[one["finding"]]: one for one in found},
        {by_id[one] for one in members if one in by_id},
        {by_id[one["finding"]] for one in points if one["finding"] in by_id},
        [(names[one["data"]["occurred"]], one["data"]["mode"]) for one in raised if one["type"].endswith("raised")],
    )


def acts(shape: str) -> list[Json]:
    _, make = SHAPES[shape]
    return [one for name, at in INSTANTS.items() for one in make(name, at)]


def published(data: Json) -> Json:
    return event("rulepack.published", data["pack"], "2025-01-01", id=data["version"], **data)


def expect(found: Ran, first: str, second: str) -> None:
    """What holds where the mode was the first before the turn, and the second from it on."""
    modes = {"before": first, "at": second, "after": second}
    on = {name: mode for name, mode in modes.items() if mode != "off"}
    assert on == {name: one["mode"] for name, one in found.standing.items()}
    versions = {"before": "1", "at": "2", "after": "2"}
    assert {name: versions[name] for name in on} == {
        name: one["rulepack"]["version"] for name, one in found.standing.items()
    }
    acted_upon = {name for name, mode in on.items() if mode in ("warn", "enforce")}
    assert acted_upon == found.in_cases
    responsible = {name for name, mode in on.items() if mode == "enforce" and "party" in found.standing[name]}
    assert responsible == found.with_points


PAIRS = [("off", "enforce"), ("enforce", "off"), ("shadow", "warn"), ("warn", "enforce"), ("enforce", "shadow")]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_mode_is_that_of_the_instant_at_which_it_occurred(shape: str, first: str, second: str) -> None:
    detector, _ = SHAPES[shape]
    turn = rules(detector, second, "2", valid_from=format_instant(TURN))
    found = ran(rules(detector, first, "1"), [published(turn), *acts(shape)])
    expect(found, first, second)
    # Nothing left in a mode in which it was not: each was said once.
    modes = {"before": first, "at": second, "after": second}
    assert sorted((name, mode) for name, mode in modes.items() if mode != "off") == sorted(found.left)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("shape", LATE)
def test_a_pack_that_comes_late_is_as_if_it_had_come_before(shape: str, first: str, second: str) -> None:
    detector, _ = SHAPES[shape]
    turn = rules(detector, second, "2", valid_from=format_instant(TURN))
    found = ran(rules(detector, first, "1"), [*acts(shape), published(turn)])
    expect(found, first, second)
    early = ran(rules(detector, first, "1"), [published(turn), *acts(shape)])
    revised = {name: one | {"revision": 0} for name, one in found.standing.items()}
    assert {name: one | {"revision": 0} for name, one in early.standing.items()} == revised


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("shape", LATE)
def test_a_pack_that_is_taken_back_is_as_if_it_had_never_been(shape: str, first: str, second: str) -> None:
    detector, _ = SHAPES[shape]
    said = published(rules(detector, second, "2", valid_from=format_instant(TURN)))
    found = ran(rules(detector, first, "1"), [said, *acts(shape), retracted(said, "2025-07-01")])
    never = ran(rules(detector, first, "1"), acts(shape))
    plain = [{name: one | {"revision": 0} for name, one in some.standing.items()} for some in (never, found)]
    assert plain[0] == plain[1]
    assert (never.in_cases, never.with_points) == (found.in_cases, found.with_points)


def test_what_is_used_while_a_tally_is_off_counts_when_it_is_on_again() -> None:
    off = rules("usage-limit", "off", "1")
    turn = published(rules("usage-limit", "enforce", "2", valid_from=format_instant(TURN)))
    contract = signed("c", "2025-02-01", terms=terms(uses_max=10))

    def found(*lines: Json) -> list[Json]:
        store = Store("sqlite://")
        Replay(offline(store, parse_pack(off, published=False)), Admission()).run(
            orjson.dumps(one) for one in (turn, contract, *lines)
        )
        with store.reading() as db:
            rows = db.rows("select data from findings where standing = true order by occurred")
        return [orjson.loads(row[0])["evidence"] for row in rows]

    seven = used("c", "2025-05-01", 7)
    assert [{"limit": "uses", "maximum": 10, "used": 11, "band": 100}] == found(seven, used("c", "2025-06-01", 4))
    # What it passed while it was off is not said later: each band is said at the use that reaches it, or never.
    assert [] == found(seven, used("c", "2025-05-02", 4), used("c", "2025-06-01", 1))
    beyond = found(seven, used("c", "2025-05-02", 4), used("c", "2025-06-01", 2))
    assert [{"limit": "uses", "maximum": 10, "used": 13, "band": 120}] == beyond


@pytest.mark.parametrize("shape", LATE)
def test_older_content_that_is_published_as_a_new_version_brings_back_what_it_found(shape: str) -> None:
    detector, _ = SHAPES[shape]
    since = format_instant(TURN)
    old = rules(detector, "enforce", "1")
    lines = [
        *acts(shape),
        published(rules(detector, "off", "2", valid_from=since)),
        # Of equal instants the one that is published later is in force.
        published(rules(detector, "enforce", "3", valid_from=since)) | {"time": "2025-01-02T00:00:00+08:00"},
    ]
    found, before = ran(old, lines), ran(old, acts(shape))
    versions = {name: one["rulepack"]["version"] for name, one in found.standing.items()}
    assert {"before": "1", "at": "3", "after": "3"} == versions
    aside = {"revision": 0, "rulepack": None}
    assert {name: one | aside for name, one in before.standing.items()} == {
        name: one | aside for name, one in found.standing.items()
    }
    assert (before.in_cases, before.with_points) == (found.in_cases, found.with_points)

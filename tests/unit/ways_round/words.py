"""Ways round the rules by saying something else afterwards, or in somebody else's name: each is closed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from circulation.admission.admission import Admission
from circulation.admission.sources import Sources
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    SELLER,
    SOURCE,
    Json,
    asset,
    derived,
    entry,
    event,
    listed,
    pack,
    retracted,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from circulation.voices import Voices
from streams.offline.replay import Replay, offline
from streams.store.migrations import config
from streams.store.store import Store

RULES = pack(
    entry("core", match={"level": ["core"]}),
    entry("minors", match={"personal": ["minor"]}),
    entry("faces", match={"fields": ["face*"]}),
)
CORE = asset("a", level="core")
LISTED = listed("a", "2025-06-01")


def graded(time: str, level: str = "general", approved_by: str | None = None, **more: Any) -> Json:
    data = {"level": level, "personal": "none", "reason": "review", "approved_by": approved_by}
    return event("asset.graded", "a", time, **data | more)


def replayed(events: Sequence[Json], admission: Admission | None = None) -> list[Json]:
    """What stands, and the reasons of what was rejected."""
    store, rejected = Store("sqlite://"), list[bytes]()
    engine = offline(store, parse_pack(RULES, published=False))
    Replay(engine, admission or Admission(), rejected=rejected.append).run(map(orjson.dumps, events))
    with store.reading() as db:
        said = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]
    return [*said, *({"detector": "rejected", "severity": orjson.loads(one)["reason"]} for one in rejected)]


def found(events: Sequence[Json], *detectors: str, admission: Admission | None = None) -> list[tuple[str, str]]:
    """(detector, severity) of what stands, of these detectors."""
    said = replayed(events, admission)
    return sorted((one["detector"], one["severity"]) for one in said if one["detector"] in detectors)


LISTING_FOUND = ("negative-list", "red")
TOLD = ("grade-laundering", "red")


@pytest.mark.parametrize(
    "less",
    [
        [asset("a", "2025-02-01")],
        [graded("2025-02-01")],
        # in two steps, each by another source
        [asset("a", "2025-02-01", level="important"), graded("2025-02-02", source="//elsewhere.example")],
        # by way of no grade at all
        [asset("a", "2025-02-01", level="ungraded"), asset("a", "2025-02-02")],
    ],
    ids=["registered again as general", "graded by nobody", "in steps", "by way of no grade"],
)
def test_a_core_asset_stays_core_whatever_is_said_of_it_later(less: list[Json]) -> None:
    said = found([CORE, *less, LISTED], "negative-list", "grade-laundering")
    assert LISTING_FOUND in said
    assert TOLD in said


def test_a_grading_by_an_office_stands_against_a_later_registration() -> None:
    events = [asset("a"), graded("2025-01-10", "core", "an office"), asset("a", "2025-02-01"), LISTED]
    assert [TOLD, LISTING_FOUND] == found(events, "negative-list", "grade-laundering")


def test_less_that_is_dated_before_the_higher_statement_lowers_nothing() -> None:
    assert [LISTING_FOUND] == found([CORE, asset("a", "2024-12-31"), LISTED], "negative-list", "grade-laundering")


def test_a_class_of_persons_stays_when_a_higher_level_is_stated_with_a_lower_class() -> None:
    events = [asset("a", personal="minor"), asset("a", "2025-02-01", level="important", personal="none"), LISTED]
    assert [TOLD, LISTING_FOUND] == found(events, "negative-list", "grade-laundering")


def test_an_input_that_is_stated_lower_before_the_copy_is_made_still_counts_as_what_it_is() -> None:
    events = [asset("b", level="core"), asset("b", "2025-02-01"), asset("a"), derived("a", "2025-03-01", "b"), LISTED]
    assert [TOLD, TOLD, LISTING_FOUND] == found(events, "negative-list", "grade-laundering")


def test_an_approved_grading_sets_it_free_and_clears_what_was_told() -> None:
    events = [CORE, asset("a", "2025-02-01"), graded("2025-03-01", approved_by="an office"), LISTED]
    assert [] == found(events, "negative-list", "grade-laundering")


# Officials.


def test_an_approved_grading_from_a_source_that_is_no_officials_is_rejected_and_lowers_nothing() -> None:
    events = [CORE, graded("2025-02-01", approved_by="an office"), LISTED]
    officials = Admission(voices=Voices(["urn:office"]))
    said = found(events, "negative-list", "grade-laundering", "rejected", admission=officials)
    assert [LISTING_FOUND, ("rejected", "not-authorised")] == said
    by_the_office = [CORE, graded("2025-02-01", approved_by="an office", source="urn:office"), LISTED]
    assert [] == found(by_the_office, "negative-list", "grade-laundering", "rejected", admission=officials)


# Contracts.

ELSEWHERE = "//elsewhere.example"
TEN = signed("c", "2025-01-10", terms=terms(uses_max=10))
FIFTY = used("c", "2025-02-01", 50)
CONFLICT, OVER = ("terms-conflict", "orange"), ("usage-limit", "red")


def by_another(time: str = "2025-01-11", /, **more: Any) -> Json:
    return signed("c", time, source=ELSEWHERE, **{"terms": terms(uses_max=1000)} | more)


@pytest.mark.parametrize(
    "others",
    [
        [by_another()],
        [by_another(amended=True)],
        # dated before the home's own
        [by_another("2025-01-05")],
        # in two steps, the first of which says nothing new
        [by_another(terms=terms(uses_max=10)), by_another("2025-01-12", amended=True)],
        # once the home's own is taken back
        [by_another(), retracted(TEN, "2025-01-12"), TEN | {"id": "again", "time": "2025-01-13T00:00:00+08:00"}],
    ],
    ids=["signed", "amended", "dated before", "in two steps", "after a retraction"],
)
def test_another_source_loosens_no_terms(others: list[Json]) -> None:
    assert [CONFLICT, OVER] == found([TEN, *others, FIFTY], "terms-conflict", "usage-limit")


def test_a_second_exchange_ends_no_contract() -> None:
    ended = event("contract.terminated", "c", "2025-01-20", source=ELSEWHERE, reason="no longer needed")
    few = used("c", "2025-02-01", 5)
    assert [CONFLICT] == found([TEN, ended, few], "terms-conflict", "use-after-end")


def test_a_lesser_reporters_home_gives_way_to_the_exchange() -> None:
    seen = by_another("2025-01-05", reporter="provider")
    assert [OVER] == found([seen, TEN, FIFTY], "terms-conflict", "usage-limit")
    # and does not come back with what it says later
    later = by_another("2025-01-20", reporter="provider", amended=True)
    assert [CONFLICT, OVER] == found([seen, TEN, later, FIFTY], "terms-conflict", "usage-limit")


def test_a_trade_of_another_source_is_no_trade_of_the_contract() -> None:
    mine = by_another(seller=BUYER, buyer=BUYER)
    assert [] == found([TEN, mine], "related-party-trade")


def test_two_sources_of_one_exchange_are_one_home() -> None:
    both = Sources.parse(
        f"{SOURCE}: {{types: ['*'], party: {SELLER}}}\n{ELSEWHERE}: {{types: ['*'], party: {SELLER}}}".encode()
    )
    admission = Admission(both, Voices(None, both.parties))
    assert [] == found([TEN, by_another(), FIFTY], "terms-conflict", "usage-limit", admission=admission)


def test_uses_wait_for_the_homes_terms_and_for_nobody_elses() -> None:
    taken_back = retracted(TEN, "2025-01-12")
    again = signed("c", "2025-02-02", terms=terms(uses_max=10))
    assert [CONFLICT, OVER] == found([TEN, taken_back, FIFTY, by_another(), again], "terms-conflict", "usage-limit")
    assert [CONFLICT] == found([TEN, taken_back, FIFTY, by_another()], "terms-conflict", "usage-limit")


# Owners, rights, and what an asset is.

FACES = asset("a", fields=["face_id"])
RELABELLED = ("relabelled", "orange")


@pytest.mark.parametrize(
    "again",
    [
        [asset("a", "2025-02-01")],
        # by another source, and then by the home as the other has it
        [asset("a", "2025-02-01", source=ELSEWHERE), asset("a", "2025-02-02")],
        # by way of not saying
        [asset("a", "2025-02-01", fields=None), asset("a", "2025-02-02")],
    ],
    ids=["at once", "another source first", "by way of not saying"],
)
def test_what_the_list_names_is_not_registered_as_something_else_unseen(again: list[Json]) -> None:
    assert [RELABELLED] == found([FACES, *again, LISTED], "relabelled", "negative-list")


def test_another_source_names_no_owner_and_gives_no_right() -> None:
    taken = asset("a", "2025-02-01", source=ELSEWHERE, owner=SELLER)
    said = found([asset("a"), taken, LISTED], "relabelled", "right-missing")
    assert [RELABELLED, ("right-missing", "orange")] == said
    # dated before the home's, it does so neither
    before = asset("a", "2024-12-01", source=ELSEWHERE, owner=SELLER)
    assert said == found([asset("a"), before, LISTED], "relabelled", "right-missing")


def test_the_home_changes_the_owner_with_a_word_of_yellow_unless_it_is_an_officials() -> None:
    events = [asset("a"), asset("a", "2025-02-01", owner=SELLER), LISTED]
    office = Admission(voices=Voices(["urn:office"]))
    assert [("relabelled", "yellow")] == found(events, "relabelled", "right-missing", admission=office)
    assert [] == found(events, "relabelled", "right-missing", admission=Admission(voices=Voices([SOURCE])))


# Retractions.

OFFICE = Admission(voices=Voices(["urn:office"]))


@pytest.mark.parametrize(
    "events",
    [
        [CORE, retracted(CORE, "2025-01-20"), asset("a", "2025-02-01")],
        # taken back before it comes
        [retracted(CORE, "2025-01-20"), CORE, asset("a", "2025-02-01")],
        [asset("a"), graded("2025-01-10", "core"), retracted(graded("2025-01-10", "core"), "2025-02-01")],
    ],
    ids=["a registration", "before it came", "a grading"],
)
def test_a_retraction_takes_back_no_level_unless_an_official_makes_it(events: list[Json]) -> None:
    assert LISTING_FOUND in found([*events, LISTED], "negative-list", admission=OFFICE)
    assert [] == found([*events, LISTED], "negative-list", admission=Admission(voices=Voices([SOURCE])))


def test_a_retraction_takes_back_no_class_either() -> None:
    minor = asset("a", personal="minor")
    events = [minor, retracted(minor, "2025-01-20"), asset("a", "2025-02-01"), LISTED]
    assert [TOLD, LISTING_FOUND] == found(events, "negative-list", "grade-laundering", admission=OFFICE)


def test_a_description_is_not_washed_by_taking_the_older_one_back() -> None:
    again = asset("a", "2025-02-01")
    assert [RELABELLED] == found([FACES, again, retracted(FACES, "2025-02-02")], "relabelled")
    # nor by taking it back before the new one
    assert [RELABELLED] == found([FACES, retracted(FACES, "2025-01-20"), again], "relabelled")


def test_taking_back_the_newest_description_is_told_of_where_the_older_one_fits_less() -> None:
    newest = asset("a", "2025-02-01", fields=["face_id"])
    assert [RELABELLED] == found([asset("a"), newest, retracted(newest, "2025-02-02")], "relabelled")


def test_the_owner_that_a_retraction_brings_back_is_told_of() -> None:
    sold = asset("a", "2025-02-01", owner=SELLER)
    events = [asset("a"), sold, retracted(sold, "2025-02-02")]
    assert [("relabelled", "yellow")] == found(events, "relabelled", admission=OFFICE)


def test_an_asset_is_withdrawn_for_a_moment_every_month_so_that_nobody_has_to_grade_it() -> None:
    events = [asset("a", level="ungraded")]
    for month in range(1, 6):
        events.append(event("asset.withdrawn", "a", f"2025-{month:02}-28", reason="no longer offered"))
        events.append(asset("a", f"2025-{month:02}-28T00:00:01", level="ungraded"))
    overdue = [one for one in replayed(events) if one["detector"] == "grading-overdue"]
    assert ["2025-01-31T00:00:00+08:00", "2025-03-30T00:00:01+08:00"] == sorted(one["occurred"] for one in overdue)


def test_what_stood_before_is_judged_anew_once(tmp_path: Path) -> None:
    (before,) = (
        one for one in ScriptDirectory.from_config(config()).walk_revisions() if one.path.endswith("_judged_anew.py")
    )
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    rules = parse_pack(RULES, published=False)

    def upgrade() -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/store.db")
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            before.module.upgrade()
        engine.dispose()

    def standing() -> list[str]:
        with store.reading() as db:
            return [row[0] for row in db.rows("select detector from findings where standing order by detector")]

    # of a store in which nothing is, nothing is judged anew
    upgrade()
    with store.writing() as db:
        assert db.rows("select thing from queue") == []
    Replay(offline(store, rules), Admission()).run(map(orjson.dumps, [CORE, asset("a", "2025-02-01"), LISTED]))
    found_first = standing()
    assert {"grade-laundering", "negative-list"} <= {*found_first}
    # as a version would have left it that had looked for neither
    with store.writing() as db:
        db.run("delete from findings")
    upgrade()
    Replay(offline(store, rules), Admission(), until=parse_instant("2025-06-01")).run([])
    assert found_first == standing()
    store.close()

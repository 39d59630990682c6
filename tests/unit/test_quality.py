"""How good what a source says is: each of its five parts at its boundaries, and where they are shown."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.sources import Sources
from circulation.calendar import LATEST, parse_instant
from circulation.events.event import Event
from circulation.examples import SELLER, Json, delivered, event, pack, party, retracted, signed, terms, used
from circulation.packs.reading import parse_pack
from circulation.quality import FIRST_MONTH, PARTS, Months, Share, bounds, format_month, month_of, parse_month, score
from circulation.voices import LATE_SECONDS, Voices
from streams.answers import sources as answers
from streams.cli.main import cli
from streams.engine import Engine
from streams.facts import quality
from streams.intake import Arrival
from streams.intake.quality import MISSING_MAX
from streams.offline.replay import Replay, offline
from streams.settings import Settings
from streams.store.migrations import config
from streams.store.store import Store
from streams.wire.files import Record
from streams.worker import counts
from streams.worker.metrics import OTHER
from streams.worker.pruning import PASS_SECONDS, Pruning
from streams.worker.registry import Metrics

A, B, C = "urn:a", "urn:b", "urn:c"
RULES = pack()
FEBRUARY = 202502


def admission(*named: str, late: int = LATE_SECONDS) -> Admission:
    if not named:
        return Admission(voices=Voices(late_seconds=late))
    sources = Sources.parse(orjson.dumps({one: {"types": ["*"]} for one in named}))
    return Admission(sources, sources.voices(None, late))


def run(store: Store, events: Sequence[Any], *, until: str | None = None, by: Admission | None = None) -> None:
    lines = (one if isinstance(one, bytes | Record) else orjson.dumps(one) for one in events)
    Replay(
        offline(store, parse_pack(RULES, published=False)),
        by or admission(),
        until=None if until is None else parse_instant(until),
    ).run(lines)


def of(store: Store, source: str | None, part: str, month: int = FEBRUARY) -> tuple[int, int]:
    """What is good in a part, and of how many."""
    with store.reading() as db:
        found = [one for one in answers.quality(db, month) if one["source"] == source]
    if not found:
        return (0, 0)
    return found[0]["parts"][part]["good"], found[0]["parts"][part]["all"]


def seen(events: Sequence[Any], source: str, part: str, month: int = FEBRUARY, **more: Any) -> tuple[int, int]:
    store = Store("sqlite://")
    run(store, events, **more)
    return of(store, source, part, month)


def record(one: Json, arrived: str) -> Record:
    """An event as an archive has it: with the instant at which Kafka was given it."""
    topic = "circulation.parties" if "party." in one["type"] else "circulation.contracts"
    place = (topic, 0, 0)
    return Record(orjson.dumps(one), topic, one["subject"].encode(), (), place, parse_instant(arrived))


def use(time: str, number: int | None = None, source: str = A, contract: str = "c", **more: Any) -> Json:
    return used(contract, time, source=source, sequence=number, **more)


SIGNED = signed("c", "2025-01-01", source=B)


# Months and scores.


@pytest.mark.parametrize(
    ("instant", "month"),
    [
        ("2025-01-31T23:59:59.999999+08:00", 202501),
        ("2025-02-01T00:00:00+08:00", 202502),
        ("2025-01-31T16:00:00Z", 202502),
        ("2025-12-31T23:59:59.999999+08:00", 202512),
        ("2026-01-01T00:00:00+08:00", 202601),
        ("2000-01-31T23:59:59.999999+08:00", 200001),
        ("1999-12-31T23:59:59.999999+08:00", FIRST_MONTH),
        ("0001-01-01T00:00:00+08:00", FIRST_MONTH),
        ("9999-12-31T23:59:59.999999+08:00", 999912),
    ],
)
def test_a_month_is_that_of_china(instant: str, month: int) -> None:
    months = Months()
    for one in (parse_instant("2025-02-10"), parse_instant(instant), parse_instant(instant)):
        months.of(one)
    assert month == month_of(parse_instant(instant)) == months.of(parse_instant(instant))


def test_months_follow_each_other() -> None:
    months = [parse_month(f"{year}-{month:02}") for year in (2024, 2025) for month in range(1, 13)]
    for one, following in pairwise(months):
        begin, end = bounds(one)
        assert (one, one, following) == (month_of(begin), month_of(end - 1), month_of(end))
    assert LATEST + 1 == bounds(999912)[1]


@pytest.mark.parametrize("text", ["2025", "2025-13", "2025-00", "2025-1", "1999-12", "2025-01-01", "", "٢٠٢٥-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a month as 2026-10"):
        parse_month(text)


def test_a_month_is_written_as_it_is_read() -> None:
    assert "2025-02" == format_month(parse_month("2025-02"))


def test_a_score_is_the_mean_of_the_parts_that_there_are() -> None:
    assert 75.0 == score({"on_time": Share(1, 2), "admitted": Share(3, 3), "linked": Share(0, 0)})
    assert 66.7 == score({"on_time": Share(2, 3)})
    assert score({"on_time": Share(0, 0)}) is None
    assert 0.0 == score({"linked": Share(0, 5)})


# On time.


@pytest.mark.parametrize(
    ("arrived", "good"),
    [("13:00:00", 1), ("12:59:59.999", 1), ("13:00:00.001", 0), ("11:59:00", 1), ("23:00:00", 0)],
)
@pytest.mark.parametrize("kind", ["a use of a run", "a use by itself", "a registration"])
def test_an_event_is_on_time_that_arrives_within_the_hour(kind: str, arrived: str, good: int) -> None:
    events = {
        "a use of a run": [use("2025-02-01T12:00:00", 1)],
        "a use by itself": [use("2025-02-01T12:00:00")],
        "a registration": [party(SELLER, "2025-02-01T12:00:00", source=A)],
    }[kind]
    records = [record(SIGNED, "2025-01-01"), *(record(one, f"2025-02-01T{arrived}+08:00") for one in events)]
    assert (good, 1) == seen(records, A, "on_time")


def test_from_when_on_an_event_is_late_can_be_set() -> None:
    records = [record(SIGNED, "2025-01-01"), record(use("2025-02-01T12:00:00", 1), "2025-02-01T12:00:31+08:00")]
    for late, good in ((30, 0), (31, 1)):
        assert (good, 1) == seen(records, A, "on_time", by=admission(late=late))


def test_each_use_of_a_run_is_on_time_by_itself() -> None:
    arrived = ("12:30", "13:30", "12:30", "13:30")
    uses = [
        record(use("2025-02-01T12:00:00", at), f"2025-02-01T{time}:00+08:00")
        for at, time in enumerate(arrived, start=1)
    ]
    assert (2, 4) == seen([record(SIGNED, "2025-01-01"), *uses], A, "on_time")


def test_of_a_line_of_a_file_nobody_knows_when_it_arrived() -> None:
    assert (0, 0) == seen([SIGNED, use("2025-02-01T12:00:00", 1)], A, "on_time")


# Admitted.


def test_admitted_are_those_that_were_taken_in_of_these_and_the_rejected() -> None:
    good = [party(SELLER, f"2025-02-0{day}", source=A) for day in range(1, 6)]
    bad = [party(SELLER, f"2025-02-1{day}", source=A, roles=["king"]) for day in range(3)]
    assert (5, 8) == seen([*good, *bad], A, "admitted")


def test_duplicates_count_nowhere() -> None:
    events = [SIGNED, use("2025-02-01", 1), use("2025-02-01", 2), party(SELLER, "2025-02-01", source=A)]
    for part, expected in (("admitted", (3, 3)), ("linked", (2, 2)), ("complete", (2, 2))):
        assert expected == seen([*events, *events, *events[1:]], A, part)


def test_what_is_not_authorised_counts_in_nobody_s_quality() -> None:
    store = Store("sqlite://")
    run(store, [party(SELLER, "2025-02-01", source=B), party(SELLER, "2025-02-01", source=A)], by=admission(A))
    assert ((1, 1), (0, 0)) == (of(store, A, "admitted"), of(store, B, "admitted"))


def test_what_only_the_desk_rejects_counts_too() -> None:
    lost = event("usage.cancelled", "c", "2025-02-03", source=A, usage="never", uses=1)
    reused = use("2025-02-05", 1, id="other")
    assert (2, 4) == seen([SIGNED, use("2025-02-01", 1), use("2025-02-02", 2), lost, reused], A, "admitted")


@pytest.mark.parametrize(
    ("time", "month"),
    [
        ("2025-02-20T00:00:00+08:00", 202502),
        ("2025-01-31T23:59:59+08:00", 202501),
        # What cannot be read counts where the clock is, and so does what is of the future.
        ("yesterday", 202503),
        (None, 202503),
        ("9999-01-01T00:00:00Z", 202503),
    ],
)
def test_a_rejected_record_counts_in_its_month(time: str | None, month: int) -> None:
    bad = party(SELLER, "2025-01-01", source=A, roles=["king"]) | {"time": time}
    store = Store("sqlite://")
    run(store, [party(SELLER, "2025-03-05", source=B), bad])
    assert {month} == {one for one in (202501, 202502, 202503, 999901) if of(store, A, "admitted", one) == (0, 1)}


def test_a_rejected_record_that_names_no_source_counts_nowhere() -> None:
    store = Store("sqlite://")
    run(store, [party(SELLER, "2025-02-01", source=A), b"no json", party(SELLER, "2025-02-01") | {"source": ""}])
    with store.reading() as db:
        assert [(A, 202502)] == db.rows("select reported_by, month from quality")


# Linked.


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([SIGNED, use("2025-02-01", 1), use("2025-02-02", 2)], (2, 2)),
        ([use("2025-02-01", 1), use("2025-02-02", 2)], (0, 2)),
        ([use("2025-02-01", 1), SIGNED, use("2025-02-02", 2)], (2, 2)),
        ([SIGNED, use("2025-02-01", 1), use("2025-02-01", contract="unknown")], (1, 2)),
        ([SIGNED, delivered("c", "2025-02-01", source=A), delivered("d", "2025-02-01", source=A)], (1, 2)),
        ([delivered("c", "2025-02-01", source=A), SIGNED], (1, 1)),
        # Nothing else is about a contract.
        ([SIGNED, party(SELLER, "2025-02-01", source=A)], (0, 0)),
        # What was taken back while it waited never is.
        (
            [
                delivered("c", "2025-02-01", source=A, id="d"),
                retracted(delivered("c", "2025-02-01", source=A, id="d"), "2025-02-02"),
                SIGNED,
            ],
            (0, 1),
        ),
    ],
)
def test_linked_is_what_is_about_a_contract_of_which_there_are_terms(
    events: list[Json], expected: tuple[int, int]
) -> None:
    assert expected == seen(events, A, "linked")


def paid(contract: str, time: str, **more: Any) -> Json:
    return event(
        "settlement.paid", contract, time, source=A, settlement=time, payer="p:1", payee="p:2", amount="1", **more
    )


def test_settlements_are_linked_once_however_often_terms_come_and_go() -> None:
    first = signed("c", "2025-01-01", source=B, id="first")
    back = retracted(first, "2025-02-03")
    again = signed("c", "2025-01-02", source=B, id="second")
    assert (0, 1) == seen([paid("c", "2025-02-01")], A, "linked")
    assert (1, 1) == seen([paid("c", "2025-02-01"), first], A, "linked")
    assert (2, 2) == seen([paid("c", "2025-02-01"), first, paid("c", "2025-02-02"), back, again], A, "linked")
    assert (3, 3) == seen(
        [paid("c", "2025-02-01"), first, back, paid("c", "2025-02-04"), again, paid("c", "2025-02-05")], A, "linked"
    )


# Complete.


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3], (3, 3)),
        ([1, 3], (2, 3)),
        ([3], (1, 3)),
        ([1, 5, 3], (3, 5)),
        ([1, 5, 2, 3, 4], (5, 5)),
        ([5, 4, 3, 2, 1], (5, 5)),
        ([2, 9, 5, 1, 20], (5, 20)),
        ([None, 1, None], (1, 1)),
        ([None], (0, 0)),
    ],
)
def test_complete_is_what_came_of_what_was_numbered(numbers: list[int | None], expected: tuple[int, int]) -> None:
    events = [use(f"2025-02-{at + 1:02}", one) for at, one in enumerate(numbers)]
    assert expected == seen([SIGNED, *events], A, "complete")


def test_missing_numbers_count_in_the_month_of_what_revealed_them() -> None:
    store = Store("sqlite://")
    run(store, [SIGNED, use("2025-01-31", 1), use("2025-02-02", 4)])
    assert ((1, 1), (1, 3)) == (of(store, A, "complete", 202501), of(store, A, "complete", 202502))
    # One that comes is of its own month, and missing no more in that one.
    run(store, [use("2025-01-30", 2)])
    assert ((2, 2), (1, 2)) == (of(store, A, "complete", 202501), of(store, A, "complete", 202502))


def test_gaps_that_a_desk_does_not_remember_are_filled_as_well() -> None:
    odd = [use("2025-02-02", number) for number in range(1, 401, 2)]
    even = [use("2025-02-01", number) for number in range(2, 400, 2)]
    assert (200, 399) == seen([SIGNED, *odd], A, "complete")
    assert (399, 399) == seen([SIGNED, *odd, *even], A, "complete")


def test_no_number_is_too_much_for_the_store(store: Store) -> None:
    huge = [use("2025-02-01", 2**53 - 1, contract=f"c{at}") for at in range(1_100)]
    run(store, huge)
    assert (1_100, 1_100 + 1_100 * MISSING_MAX) == of(store, A, "complete")


def test_a_gap_of_the_epoch_before_may_still_be_filled() -> None:
    events = [SIGNED, use("2025-02-01", 3), use("2025-02-02", 1, epoch=1, id="again")]
    assert (2, 4) == seen(events, A, "complete")
    assert (3, 4) == seen([*events, use("2025-02-01", 2)], A, "complete")


# Agreeing.


PROVIDED = [use("2025-02-01T08:00", 1, uses=100, reporter="provider", source=A)]
DAYS_LATER = "2025-02-20"


@pytest.mark.parametrize(("uses", "good"), [(98, 0), (99, 1), (101, 1), (102, 0)])
def test_agreeing_are_days_on_which_two_reporters_say_the_same(uses: int, good: int) -> None:
    consumed = use("2025-02-01T09:00", 1, uses=uses, reporter="consumer", source=C)
    store = Store("sqlite://")
    run(store, [SIGNED, *PROVIDED, consumed], until=DAYS_LATER)
    assert [(good, 1)] * 2 == [of(store, one, "agreeing") for one in (A, C)]
    assert (0, 0) == of(store, B, "agreeing")


def test_a_day_is_compared_once_it_is_over_by_a_day() -> None:
    consumed = use("2025-02-01T09:00", 1, uses=1, reporter="consumer", source=C)
    for until, expected in (("2025-02-03T00:00:00+08:00", (0, 0)), ("2025-02-03T00:00:00.000001+08:00", (0, 1))):
        assert expected == seen([SIGNED, *PROVIDED, consumed], A, "agreeing", until=until)


def test_a_day_of_one_reporter_is_not_compared() -> None:
    assert (0, 0) == seen([SIGNED, *PROVIDED], A, "agreeing", until=DAYS_LATER)


def test_what_the_exchange_reports_counts_for_the_home_of_the_contract() -> None:
    other = use("2025-02-01T08:00", 1, uses=50, source=C)
    consumed = use("2025-02-01T09:00", 1, uses=50, reporter="consumer", source=A)
    store = Store("sqlite://")
    run(store, [SIGNED, other, consumed], until=DAYS_LATER)
    assert [(1, 1), (1, 1), (0, 0)] == [of(store, one, "agreeing") for one in (A, B, C)]


def test_a_late_report_has_the_day_counted_as_it_is_then() -> None:
    consumed = use("2025-02-01T09:00", 1, uses=60, reporter="consumer", source=C)
    late = use("2025-02-01T10:00", 2, uses=40, reporter="consumer", source=C)
    store = Store("sqlite://")
    run(store, [SIGNED, *PROVIDED, consumed], until=DAYS_LATER)
    assert (0, 1) == of(store, A, "agreeing")
    run(store, [late])
    assert [(1, 1)] * 2 == [of(store, one, "agreeing") for one in (A, C)]
    cancelled = event("usage.cancelled", "c", "2025-02-02", source=C, usage=late["id"], uses=40)
    run(store, [cancelled])
    assert [(0, 1)] * 2 == [of(store, one, "agreeing") for one in (A, C)]


def test_deliveries_are_compared_too_and_in_every_mode() -> None:
    one_sided = delivered("c", "2025-02-01", source=A, reporter="provider", delivery="d")
    both = delivered("c", "2025-02-02", source=A, reporter="provider", delivery="e")
    same = delivered("c", "2025-02-02", source=C, reporter="consumer", delivery="e")
    store = Store("sqlite://")
    off = parse_pack(pack(detectors={"reconciliation": {"mode": "off"}}), published=False)
    replay = Replay(offline(store, off), admission(), until=parse_instant(DAYS_LATER))
    replay.run(map(orjson.dumps, [SIGNED, one_sided, both, same]))
    assert [(1, 2), (1, 1)] == [of(store, one, "agreeing") for one in (A, C)]


# Who has a row.


def test_of_sources_that_nobody_named_so_many_have_a_row_of_their_own() -> None:
    store = Store("sqlite://")
    events = [party(SELLER, "2025-02-01", source=f"urn:{at}", id=f"{at}") for at in range(6)]
    with mock.patch.object(quality, "SOURCES_MAX", 4):
        run(store, [*events, *(one | {"id": one["id"] + "b"} for one in events), party(SELLER, "2025-03-01", source=A)])
    assert [(2, 2)] * 4 == [of(store, f"urn:{at}", "admitted") for at in range(4)]
    assert (4, 4) == of(store, None, "admitted")
    # Another month has rows of its own.
    assert (1, 1) == of(store, A, "admitted", 202503)


def test_a_source_that_is_named_always_has_a_row() -> None:
    store = Store("sqlite://")
    events = [party(SELLER, "2025-02-01", source=f"urn:{at}", id=f"{at}") for at in range(6)]
    with mock.patch.object(quality, "SOURCES_MAX", 0):
        run(store, events, by=admission(*(f"urn:{at}" for at in range(6))))
    assert [(1, 1)] * 6 == [of(store, f"urn:{at}", "admitted") for at in range(6)]


def test_a_source_cannot_make_months_at_will() -> None:
    store = Store("sqlite://")
    run(store, [party(SELLER, f"{year:04}-02-01", source=A, id=f"{year}") for year in range(1, 2000, 100)])
    with store.reading() as db:
        assert [(A, FIRST_MONTH, 20)] == db.rows("select reported_by, month, admitted from quality")


# Where it is shown.


SHOWN = [
    SIGNED,
    *(use(f"2025-02-0{at}", at) for at in (1, 2, 4)),
    use("2025-02-05", contract="unknown"),
    party(SELLER, "2025-02-01", source=A, roles=["king"]),
    party(SELLER, "2025-02-01", source=B),
]


def test_the_view_has_a_row_for_each_source_and_month(store: Store) -> None:
    run(store, SHOWN)
    columns = ", ".join(f"{part}, {part}_of" for part in PARTS)
    with store.reading() as db:
        rows = db.rows(f"select source, month, {columns}, score from source_quality order by source, month")
    assert [
        # the mean of 4/5, 3/4 and 3/4
        (A, "2025-02", 0, 0, 4, 5, 3, 4, 3, 4, 0, 0, 76.7),
        (B, "2025-01", 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 100.0),
        (B, "2025-02", 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 100.0),
    ] == [(*row[:-1], float(row[-1])) for row in rows]


def test_the_view_says_the_same_as_the_command(store: Store) -> None:
    run(store, SHOWN)
    with store.reading() as db:
        for month in (202501, 202502):
            query = "select source, score from source_quality where month = ? order by source"
            rows = [(source, float(found)) for source, found in db.rows(query, format_month(month))]
            assert rows == [(one["source"], one["score"]) for one in answers.quality(db, month)]


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    url = f"sqlite:///{tmp_path / 'circulation.db'}"
    monkeypatch.setenv("CIRCULATION_STORE", url)
    store = Store(url)
    store.migrate()
    run(store, SHOWN)
    return store


def shown(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["sources", *arguments])
    return done.exit_code, done.output


def test_the_command_shows_each_part_with_its_numbers_in_two_languages(settled: Store) -> None:
    code, text = shown("--month", "2025-02")
    assert 0 == code
    lines = text.splitlines()
    assert "Quality of reports, 2025-02" == lines[0]
    heads = ("source", "score", "on time 及时", "admitted 合格", "linked 关联", "complete 完整", "agreeing 一致")
    assert all(one in lines[1] for one in heads)
    assert ["urn:a", "76.7", "–", "80.0% (4 of 5)", "75.0% (3 of 4)", "75.0% (3 of 4)", "–"] == [
        one.strip() for one in lines[2].split("  ") if one.strip()
    ]


def test_the_command_says_the_same_to_programs(settled: Store) -> None:
    code, text = shown("urn:a", "--month", "2025-02", "--json")
    said = orjson.loads(text)
    assert (0, "2025-02", ["2025-02", "2025-01"]) == (code, said["month"], said["months"])
    (one,) = said["sources"]
    assert ("urn:a", "2025-02", 76.7) == (one["source"], one["month"], one["score"])
    assert {"good": 3, "all": 4, "zh": "关联"} == one["parts"]["linked"]
    assert [*PARTS] == sorted(one["parts"], key=PARTS.index)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--month", "2025-2"], 2, "--month: expected a month as 2026-10"),
        (["urn:nobody", "--month", "2025-02"], 1, "in 2025-02 nothing is counted of a source that begins with"),
        (["--month", "2024-02"], 0, "nothing is counted in 2024-02; there is: 2025-02, 2025-01"),
    ],
)
def test_the_command_says_what_there_is_not(settled: Store, arguments: list[str], code: int, words: str) -> None:
    found, text = shown(*arguments)
    assert (code, True) == (found, words in text), text


def test_metrics_name_the_busiest_of_the_sources_that_are_named(store: Store) -> None:
    by = admission(A, B, C)
    run(
        store,
        [*SHOWN, party(SELLER, "2025-02-02", source=C, id="c1"), party(SELLER, "2025-02-03", source=C, id="c2")],
        by=by,
    )
    store.voices = by.voices
    clock = parse_instant("2025-02-28")
    metrics = Metrics(CollectorRegistry())
    for most, names in ((3, {A, B, C}), (2, {A, C, OTHER}), (0, {OTHER}), (1, {A, OTHER})):
        with mock.patch.object(counts, "SOURCES_MAX", most), store.reading() as db:
            metrics.counted(counts.count(db, clock), clock, clock)
        told = {
            (one.labels["source"], one.labels["part"]): one.value
            for family in metrics.registry.collect()
            if family.name == "circulation_source_quality_all"
            for one in family.samples
        }
        assert {(name, part) for name in names for part in PARTS} == set(told)
        assert 8 == sum(value for (_, part), value in told.items() if part == "admitted")
    labels = {"source": A, "part": "admitted"}
    assert (4, 5) == tuple(
        metrics.registry.get_sample_value(f"circulation_source_quality_{one}", labels) for one in ("good", "all")
    )


def test_metrics_name_no_source_that_nobody_named(store: Store) -> None:
    run(store, SHOWN)
    with store.reading() as db:
        found = counts.count(db, parse_instant("2025-02-28")).quality
    assert {OTHER} == {source for source, _ in found}
    assert Share(5, 6) == found[OTHER, "admitted"]


# How it is kept.


def test_two_workers_add_to_the_same_rows(postgres_url: str) -> None:
    Store(postgres_url).migrate()
    workers = [Engine(Store(postgres_url), parse_pack(RULES, published=False)) for _ in range(2)]

    def take(number: int) -> None:
        now = parse_instant("2025-06-01")
        for at in range(20):
            raw = orjson.dumps(party(SELLER, f"2025-0{1 + at % 2}-01", source=A, id=f"{number}-{at}"))
            admitted = Admission().admit(raw, topic=None, key=ANY, headers=(), now=now)
            assert isinstance(admitted, Event)
            workers[number].take([Arrival(1, now, admitted, raw, (admitted.topic, number, at))], [], now)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(take, number) for number in range(2)]:
            done.result()
    store = Store(postgres_url)
    assert [(20, 20)] * 2 == [of(store, A, "admitted", month) for month in (202501, FEBRUARY)]


def test_months_go_after_three_years_but_for_sources_that_owe_events(store: Store) -> None:
    sources = Sources.parse(orjson.dumps({A: {"types": ["*"], "heartbeat_seconds": 60}, B: {"types": ["*"]}}))
    by = Admission(sources, sources.voices(None, 60))
    months = ("2022-01-15", "2025-01-15")
    run(store, [party(SELLER, month, source=one, id=month) for month in months for one in (A, B)], by=by)
    store.voices = by.voices
    engine = Engine(store, parse_pack(RULES, published=False))
    pruning = Pruning(store, Settings.read({}), engine.rules, engine.known)
    while pruning.step(parse_instant("2025-06-01")) < PASS_SECONDS:
        pass
    with store.reading() as db:
        rows = db.rows("select reported_by, month from quality order by reported_by, month")
    assert [(A, 202201), (A, 202501), (B, 202501)] == rows


def test_of_a_store_of_before_it_is_known_when_sources_were_heard() -> None:
    store = Store("sqlite://")
    run(store, [party(SELLER, "2025-02-01", source=A), party(SELLER, "2025-03-01", source=A), SIGNED])
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        with store.reading() as db:
            kept = db.rows("select source, time from events")
        connection.exec_driver_sql("create table events (source text, time bigint)")
        for row in kept:
            connection.exec_driver_sql("insert into events values (?, ?)", row)
        module = ScriptDirectory.from_config(config()).get_revision("0025").module
        with Operations.context(MigrationContext.configure(connection)):
            module.upgrade()
        rows = connection.exec_driver_sql(
            "select reported_by, month, admitted, last from quality order by 1"
        ).fetchall()
    assert [(A, 202503, 0, parse_instant("2025-03-01")), (B, 202501, 0, parse_instant("2025-01-01"))] == [
        tuple(row) for row in rows
    ]


def test_terms_with_limits_count_as_those_without() -> None:
    held = signed("c", "2025-01-01", source=B, terms=terms(uses_max=2))
    events = [held, *(use(f"2025-02-0{at}", at) for at in range(1, 6))]
    for part in ("admitted", "linked", "complete"):
        assert (5, 5) == seen(events, A, part)

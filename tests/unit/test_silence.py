"""A source that owes events is silent by all that it says, plain uses too: by its settings of now."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.admission.sources import HEARTBEAT_SECONDS_MAX, Sources, SourcesInvalid
from circulation.calendar import format_instant, parse_instant
from circulation.events.event import Event
from circulation.examples import SELLER, Json, asset, event, pack, party, retracted, signed, used
from circulation.packs.reading import parse_pack
from streams.cli.groups import Refused
from streams.cli.inputs import admission_of_settings, voices_of_settings
from streams.engine import Engine
from streams.intake import Arrival
from streams.offline import replay
from streams.offline.replay import Replay, offline
from streams.settings import Settings, SettingsInvalid
from streams.store.store import Store

FEED = "urn:feed"
OTHER = "urn:other"
RULES = pack()


def admission(owed: int | None = 60) -> Admission:
    """Where the feed owes an event a minute, or none."""
    due = "" if owed is None else f", heartbeat_seconds: {owed}"
    text = f'{{{FEED}: {{types: ["*"]{due}}}, {OTHER}: {{types: ["*"]}}, //exchange.example: {{types: ["*"]}}}}'
    sources = Sources.parse(text.encode())
    return Admission(sources, sources.voices(None, 3_600))


def run(store: Store, events: Sequence[Json], until: str | None = None, owed: int | None = 60) -> list[Json]:
    """Replays into a store; answers with what was raised and cleared of silence."""
    told: list[Json] = []
    Replay(
        offline(store, parse_pack(RULES, published=False)),
        admission(owed),
        findings=lambda line: told.append(orjson.loads(line)),
        until=None if until is None else parse_instant(until),
    ).run(map(orjson.dumps, events))
    return [one for one in told if one["data"]["detector"] == "feed-silence"]


def silent(store: Store) -> list[tuple[str, str, int]]:
    """The sources that are silent, since when, and after how many seconds that is told."""
    with store.reading() as db:
        rows = db.rows("select data from findings where standing and detector = 'feed-silence' order by about")
    found = [orjson.loads(row[0]) for row in rows]
    return [(one["about"]["id"], one["evidence"]["newest"], one["evidence"]["seconds"]) for one in found]


def said(contract: str, time: str, number: int | None = None, source: str = FEED, **more: Any) -> Json:
    return used(contract, time, source=source, sequence=number, **more)


SIGNED = signed("c", "2025-01-01")


@pytest.mark.parametrize(
    ("until", "told"),
    [("08:00:59.999999", False), ("08:01:00", False), ("08:01:00.000001", True)],
)
def test_a_source_that_never_sent_a_heartbeat_is_silent_once_its_seconds_are_over(until: str, told: bool) -> None:
    store = Store("sqlite://")
    run(store, [SIGNED, said("c", "2025-02-01T08:00:00", 1)], f"2025-02-01T{until}+08:00")
    assert [(FEED, "2025-02-01T08:00:00+08:00", 60)] * told == silent(store)


@pytest.mark.parametrize(
    "event_",
    [
        said("c", "2025-02-01T08:00:30", 2),
        said("unsigned", "2025-02-01T08:00:30"),
        asset("a", "2025-02-01T08:00:30", source=FEED),
        party(SELLER, "2025-02-01T08:00:30", source=FEED),
        event("source.heartbeat", FEED, "2025-02-01T08:00:30", source=FEED),
        signed("d", "2025-02-01T08:00:30", source=FEED),
        retracted(party(SELLER, "2025-01-05", source=FEED), "2025-02-01T08:00:30"),
    ],
    ids=lambda one: f"{one['type']} of {one['subject']}",
)
def test_an_event_of_any_kind_is_heard(event_: Json) -> None:
    store = Store("sqlite://")
    events = [SIGNED, said("c", "2025-02-01T08:00:00", 1), event_]
    run(store, events, "2025-02-01T08:01:30+08:00")
    assert [] == silent(store)
    run(store, [], "2025-02-01T08:01:30.000001+08:00")
    assert [(FEED, "2025-02-01T08:00:30+08:00", 60)] == silent(store)


def test_what_ends_a_silence_clears_what_was_said_of_it() -> None:
    store = Store("sqlite://")
    first = [SIGNED, said("c", "2025-02-01T08:00:00", 1), asset("a", "2025-02-01T08:05:00", source=OTHER)]
    assert ["raised"] == [one["type"].rsplit(".", 1)[1] for one in run(store, first)]
    told = run(store, [said("c", "2025-02-01T08:05:30", 2)])
    assert ["cleared"] == [one["type"].rsplit(".", 1)[1] for one in told]
    assert "refuted" == told[0]["data"]["reason"]
    assert [] == silent(store)


def test_what_is_rejected_or_came_before_is_not_heard() -> None:
    store = Store("sqlite://")
    once = party(SELLER, "2025-02-01T08:00:00", source=FEED, id="once")
    again = once | {"time": "2025-02-01T08:00:40+08:00"}
    bad = party(SELLER, "2025-02-01T08:00:50", source=FEED, roles=["king"])
    run(store, [once, again, bad], "2025-02-01T08:01:01+08:00")
    assert [(FEED, "2025-02-01T08:00:00+08:00", 60)] == silent(store)


def test_what_happened_earlier_and_comes_later_changes_nothing() -> None:
    store = Store("sqlite://")
    events = [SIGNED, said("c", "2025-02-01T08:00:00", 1), said("c", "2025-01-31T08:00:00", 2)]
    run(store, events, "2025-02-01T09:00:00+08:00")
    assert [(FEED, "2025-02-01T08:00:00+08:00", 60)] == silent(store)


def test_a_source_that_owes_none_goes_by_its_heartbeats_alone() -> None:
    store = Store("sqlite://")
    beat = event("source.heartbeat", FEED, "2025-02-01T08:00:00", source=FEED)
    events = [SIGNED, beat, said("c", "2025-02-01T08:04:00", 1), said("c", "2025-02-01T08:00:00", source=OTHER)]
    run(store, events, "2025-02-01T08:05:01+08:00", owed=None)
    assert [(FEED, "2025-02-01T08:00:00+08:00", 300)] == silent(store)


def test_the_settings_of_the_last_start_count() -> None:
    store = Store("sqlite://")
    events = [SIGNED, said("c", "2025-02-01T08:00:00", 1)]
    run(store, events, "2025-02-01T08:10:00+08:00", owed=None)
    assert [] == silent(store)
    for owed, expected in ((60, [60]), (600, []), (300, [300]), (None, []), (599, [599])):
        run(store, [], "2025-02-01T08:10:00+08:00", owed=owed)
        assert expected == [seconds for *_, seconds in silent(store)], owed


def test_where_the_rule_comes_on_with_a_late_pack_who_is_silent_is_told_of() -> None:
    store = Store("sqlite://")
    off = parse_pack(pack(detectors={"feed-silence": {"mode": "off"}}), published=False)
    on = event("rulepack.published", "beijing", "2025-01-05", **pack(valid_from="2025-01-06", pack="beijing"))
    for events in ([SIGNED, said("c", "2025-02-01T08:00:00", 1)], [on]):
        engine = offline(store, off)
        Replay(engine, admission(), until=parse_instant("2025-02-01T09:00:00+08:00")).run(map(orjson.dumps, events))
        assert ([FEED] if events == [on] else []) == [source for source, *_ in silent(store)]


def minutes(count: int, seconds: int = 30) -> list[Json]:
    start = parse_instant("2025-02-01T08:00:00+08:00")
    return [said("c", format_instant(start + at * seconds * 1_000_000), at + 1) for at in range(count)]


@pytest.mark.parametrize("seconds", [30, 60, 61])
def test_any_grouping_of_uses_writes_the_same_bytes(seconds: int) -> None:
    def written() -> list[Json]:
        return run(Store("sqlite://"), [SIGNED, *minutes(40, seconds)], "2025-02-01T12:00:00+08:00")

    whole = written()
    assert whole
    for run_max in (1, 2, 7):
        with mock.patch.object(replay, "RUN_MAX", run_max):
            assert whole == written()


def test_a_deadline_moves_and_none_is_added_for_what_is_heard() -> None:
    store = Store("sqlite://")
    due = []
    for one in [SIGNED, *minutes(20)]:
        run(store, [one])
        with store.reading() as db:
            due.append(db.rows("select due from deadlines where thing like '%feed-silence%'"))
    assert [0] + [1] * 20 == [*map(len, due)]
    assert due[1] < due[-1]


def arrivals(events: Sequence[Json], by: Admission, now: int) -> list[Arrival]:
    found = []
    for at, one in enumerate(events):
        raw = orjson.dumps(one)
        admitted = by.admit(raw, topic=None, key=ANY, headers=(), now=now)
        assert isinstance(admitted, Event), admitted
        found.append(Arrival(at, now, admitted, raw, (admitted.topic, 0, at)))
    return found


def test_a_worker_asks_for_no_judgement_of_a_source_that_was_not_silent(store: Store) -> None:
    by = admission()
    store.voices = by.voices
    engine = Engine(store, parse_pack(RULES, published=False))
    now = parse_instant("2025-02-01T08:00:00+08:00")
    engine.take(arrivals([SIGNED], by, now), [], now)
    queued = []
    for one in minutes(5):
        time = parse_instant(one["time"])
        engine.release(time, time)
        engine.settle_apart(time)
        queued.append(engine.take(arrivals([one], by, time), [], time).queued)
    # The first is judged, for it makes the deadline.
    assert [1, 0, 0, 0, 0] == queued
    late = parse_instant("2025-02-01T09:00:00+08:00")
    engine.release(late, late)
    engine.settle_apart(late)
    assert [FEED] == [source for source, *_ in silent(store)]
    assert 1 == engine.take(arrivals([said("c", "2025-02-01T09:00:00", 6)], by, late), [], late).queued
    engine.settle_apart(late)
    assert [] == silent(store)


@pytest.mark.parametrize("given", [0, -1, True, "60", 1.5, HEARTBEAT_SECONDS_MAX + 1, [60]])
def test_seconds_that_are_none_are_refused(given: Any) -> None:
    text = orjson.dumps({FEED: {"types": ["*"], "heartbeat_seconds": given}})
    with pytest.raises(SourcesInvalid, match="heartbeat_seconds: expected a whole number from 1 to"):
        Sources.parse(text)


@pytest.mark.parametrize("given", [1, HEARTBEAT_SECONDS_MAX])
def test_seconds_are_read(given: int) -> None:
    sources = Sources.parse(orjson.dumps({FEED: {"types": ["*"], "heartbeat_seconds": given}}))
    assert {FEED: given} == sources.owed == sources.voices(None, 60).owed


def test_workers_and_replays_read_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sources.yaml"
    path.write_bytes(orjson.dumps({FEED: {"types": ["*"], "heartbeat_seconds": 60}, OTHER: {"types": ["*"]}}))
    given = {"CIRCULATION_SOURCES": str(path), "CIRCULATION_LATE_SECONDS": "31"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    worker = Settings.read(given).voices()
    for one in (worker, admission_of_settings(offline=True).voices, voices_of_settings()):
        assert ({FEED: 60}, {FEED, OTHER}, 31_000_000) == (one.owed, one.named, one.late)


@pytest.mark.parametrize("value", ["0", "-1", "an hour", str(366 * 86_400 + 1)])
def test_a_time_that_is_none_is_refused_by_both(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCULATION_LATE_SECONDS", value)
    words = "CIRCULATION_LATE_SECONDS must be a whole number from 1 to"
    with pytest.raises(SettingsInvalid, match=words):
        Settings.read({"CIRCULATION_LATE_SECONDS": value})
    with pytest.raises(Refused, match=words):
        voices_of_settings()

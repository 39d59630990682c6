"""What publishing a pack answers with: from what a worker would admit, and from what the store says of its workers."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from circulation.admission.admission import Admission
from circulation.admission.envelope import UNPACKED_BYTES_MAX
from circulation.admission.reasons import Rejection
from circulation.admission.records import EVENT_BYTES_MAX, LARGE_BYTES_MAX
from circulation.admission.sources import Sources
from circulation.events.event import Event
from circulation.examples import Json, entry, event, pack, used
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.facts.rulebook import RULES
from streams.health import workers
from streams.health.workers import Alive
from streams.offline.replay import Replay, offline
from streams.store import schema
from streams.store.store import Store
from streams.wire import publishing
from streams.wire.emit import CLOUDEVENT
from streams.wire.publishing import Sent, Unfit, Waiting

NOW = 1_764_374_400_000_000
SECOND = 1_000_000


def long_pack(size: int, title: int = 400) -> Json:
    """A pack that has about so many bytes as JSON: entries that name ids, with titles of so many characters."""
    one = entry("e-000000", match={"assets": ["asset-000000"]}, title="t" * title)
    return pack(*({**one, "id": f"e-{n:06}"} for n in range(size // len(orjson.dumps(one)))))


def admit(data: Json, admission: Admission | None = None) -> None:
    parsed = parse_pack(data, published=True)
    record = publishing.event_of(parsed, NOW)
    publishing.admit(record, parsed.pack.encode(), admission or Admission(), NOW)


@pytest.mark.slow
def test_a_pack_of_several_mib_is_admitted_and_one_beyond_64_mib_is_refused_with_what_to_do() -> None:
    admit(long_pack(3 * EVENT_BYTES_MAX))
    with pytest.raises(Unfit, match=r"too-large.*at most 67108864 bytes when it is unpacked; name several ids in one"):
        admit(long_pack(UNPACKED_BYTES_MAX + 2**20, title=4_000))


@pytest.mark.slow
def test_a_pack_that_would_be_longer_than_an_event_may_be_is_packed_and_is_the_same_pack() -> None:
    short = parse_pack(long_pack(EVENT_BYTES_MAX), published=True)
    assert orjson.loads(short.canonical) == orjson.loads(publishing.event_of(short, NOW))["data"]
    long = parse_pack(long_pack(LARGE_BYTES_MAX + 2**20), published=True)
    record = publishing.event_of(long, NOW)
    assert record == publishing.event_of(long, NOW)
    assert LARGE_BYTES_MAX > len(record)
    event = Admission().admit(record, topic=RULES, key=long.pack.encode(), headers=CLOUDEVENT, now=NOW)
    assert isinstance(event, Event)
    assert (long.canonical, long.digest) == (event.raw_data, parse_pack(event.data, published=True).digest)


def test_what_the_sources_do_not_allow_is_refused_before_it_is_sent() -> None:
    sources = Sources.parse(b"//exchange.example: {types: ['circulation.*']}")
    with pytest.raises(Unfit, match=r"not-authorised.*must allow circulation\.rulepack\.published to the source"):
        admit(pack(entry("a")), Admission(sources))


@pytest.mark.parametrize(
    ("said", "more", "reason"),
    [
        (event("rulepack.published", "beijing", "2025-01-01", **pack(entry("a"))), LARGE_BYTES_MAX, None),
        (event("rulepack.published", "beijing", "2025-01-01", **pack(entry("a"))), LARGE_BYTES_MAX + 1, "too-large"),
        ({"eventTime": "2025-01-01T00:00:00Z", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"},
          "eventType": "START"}, LARGE_BYTES_MAX, None),
        ({"eventTime": "2025-01-01T00:00:00Z", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"},
          "eventType": "START"}, LARGE_BYTES_MAX + 1, "too-large"),
        (used("c", "2025-01-01"), EVENT_BYTES_MAX + 1, "too-large"),
        (event("source.heartbeat", "s", "2025-01-01"), EVENT_BYTES_MAX + 1, "too-large"),
        ({"type": "circulation.rulepack.published"}, EVENT_BYTES_MAX + 1, "not-cloudevent"),
    ],
)  # fmt: skip
def test_only_packs_and_openlineage_events_may_have_16_mib(said: Json, more: int, reason: str | None) -> None:
    record = orjson.dumps(said)
    record += b" " * (more - len(record))
    answer = Admission().admit(record, topic=None, key=b"beijing", headers=(), now=NOW)
    assert reason == (answer.reason if isinstance(answer, Rejection) else None)


def test_what_is_large_and_no_json_is_too_large() -> None:
    for record in (b"[" * (EVENT_BYTES_MAX + 1), b'{"a":' * EVENT_BYTES_MAX, b"\xff" * (EVENT_BYTES_MAX + 1)):
        answer = Admission().admit(record, topic=RULES, key=None, headers=CLOUDEVENT, now=NOW)
        assert isinstance(answer, Rejection)
        assert "too-large" == answer.reason


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path}/store.db")
    found.migrate()
    yield found
    found.close()


PACK = pack(entry("a"))
SENT = Sent("beijing", publishing.id_of(parse_pack(PACK, published=True), NOW), 0, 7, {})


def live(store: Store, *admitted: int, silent_seconds: dict[int, int] | None = None, name: str = "beijing") -> None:
    """These workers are in the store, each with what it has admitted; some were last heard so long ago."""
    with store.writing() as db:
        now = workers.now(db)
        db.run("delete from workers")
        rows = []
        for at, number in enumerate(admitted):
            beat = now - (silent_seconds or {}).get(at, 0) * SECOND
            rows.append(Alive(f"worker-{at}", at, beat, "1", name, "shipped", number))
        db.many(schema.workers, rows)


def take(store: Store) -> int:
    """The pack is taken in, as workers do; answers with its number."""
    record = publishing.event_of(parse_pack(PACK, published=True), NOW)
    Replay(offline(store, None), Admission()).run([record])
    with store.reading() as db:
        row = db.one("select id from events where topic = ?", RULES)
    assert row is not None
    return int(row[0])


def state(store: Store, waiting: Waiting) -> str | None:
    with store.reading() as db:
        answer = waiting.step(waiting.look(db))
    return None if answer is None else f"{answer.state}: {answer.text}"


def test_a_pack_is_admitted_when_every_worker_that_lives_has_it(store: Store) -> None:
    waiting = Waiting(SENT)
    live(store, 0, 0)
    assert state(store, waiting) is None
    number = take(store)
    live(store, number, 0)
    assert state(store, waiting) is None
    assert (1, 2) == (waiting.done, waiting.all)
    live(store, number, number)
    assert "admitted: admitted by all 2 workers of this store" == state(store, waiting)


def test_a_pack_that_is_published_again_after_another_is_in_force_again(store: Store) -> None:
    older, newer = (parse_pack(pack(entry("a"), version=name), published=True) for name in ("older", "newer"))
    records = [publishing.event_of(one, NOW + at) for at, one in enumerate((older, newer, older))]
    engine = offline(store, None)
    Replay(engine, Admission()).run(records)
    with store.reading() as db:
        engine.rulebook.refresh(db)
    assert "older" == engine.rulebook().in_force(NOW).version


def test_without_a_worker_nothing_is_known(store: Store) -> None:
    assert "undecided: no worker of this store lives: it is admitted when one is started" == state(store, Waiting(SENT))


@pytest.mark.parametrize("seconds", [15, 30])
def test_a_worker_is_waited_for_until_it_has_been_silent_for_30_s(store: Store, seconds: int) -> None:
    number = take(store)
    live(store, number, 0, silent_seconds={1: seconds})
    said = state(store, Waiting(SENT))
    if seconds < 30:
        assert said is None
    else:
        assert said is not None
        assert said.startswith("undecided: silent for 30 s or more: worker-1, last heard 30 s ago (the others have it)")


def test_a_worker_that_was_killed_long_ago_is_not_waited_for(store: Store) -> None:
    number = take(store)
    live(store, number, 0, silent_seconds={1: 3_600})
    assert "admitted: admitted by the worker of this store" == state(store, Waiting(SENT))


def test_a_pack_that_was_read_and_not_kept_has_passed(store: Store) -> None:
    waiting = Waiting(SENT)
    live(store, 0)
    with store.writing() as db:
        db.run("insert into progress (topic, partition, next, topic_id) values (?, 0, 7, 'id')", RULES)
    assert state(store, waiting) is None
    assert not waiting.passed
    with store.writing() as db:
        db.run("update progress set next = 8")
    assert state(store, waiting) is None
    assert waiting.passed


def test_workers_that_run_another_pack_are_named(store: Store) -> None:
    take(store)
    live(store, 0, name="shenzhen")
    assert "admitted: admitted, but workers of this store run the packs shenzhen" == state(store, Waiting(SENT))


def test_the_command_sends_and_exits_with_3_where_no_worker_lives(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(publishing, "send", lambda *_: SENT)
    (tmp_path / "pack.yaml").write_text(json.dumps(PACK))
    for url in (f"sqlite:///{tmp_path}/store.db", f"sqlite:///{tmp_path}/none.db"):
        monkeypatch.setenv("CIRCULATION_STORE", url)
        done = CliRunner().invoke(cli, ["rules", "publish", str(tmp_path / "pack.yaml")])
        assert 3 == done.exit_code, done.output
        assert "published pack beijing" in done.stdout
        assert "not known to be in force: " in done.stderr

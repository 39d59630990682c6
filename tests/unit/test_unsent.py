"""What Kafka refused: listed, sent again while it still holds, discarded with a reason that the journal keeps."""

import threading
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.events.names import FINDINGS, JOURNAL, MESSAGE_DISCARDED
from circulation.findings import About, Said
from detectors import RULES
from streams.cli.main import cli
from streams.facts.rulebook import Rulebook, shipped
from streams.findings.book import Book
from streams.findings.entry import Entry
from streams.health.readiness import DELAY_SECONDS_MAX
from streams.health.workers import Heart
from streams.settings import Settings
from streams.store.outbox import Message, post
from streams.store.store import Store
from streams.wire import unsent
from streams.worker.worker import Worker

PACK = shipped(RULES)
BOOK = Book(lambda _db, entries, _facts: [() for _ in entries])


def run(store: Store, *arguments: str) -> Result:
    environ = {"CIRCULATION_STORE": store._url.render_as_string(hide_password=False)}
    result = CliRunner(env=environ).invoke(cli, ["outbox", *arguments], prog_name="circulation")
    assert "Traceback" not in result.output
    return result


def said(severity: Any = "red") -> Entry:
    about = About("party", "x:1")
    what = Said(severity=severity, about=about, party="x:1", occurred=0, summary="said", summary_zh="说", evidence={})
    return Entry("thing", RULES["feed-gap"], PACK, what, 0)


def enter(store: Store, *entries: Entry) -> None:
    """Says this and nothing else of the thing."""
    with store.writing() as db:
        BOOK.enter(db, entries, things=["thing"], now=1)


def refuse(store: Store, topic: str = FINDINGS, why: str = "Broker: Message size too large") -> None:
    """Sets aside what waits for this topic, and lets the rest leave."""
    with store.reading() as db:
        ids = [row[0] for row in db.rows("select id from outbox where topic = ? order by id", topic)]
    unsent.set_aside(store, [(id_, why) for id_ in ids], 2_000_000)
    with store.writing() as db:
        db.run("delete from outbox")


def waiting(store: Store) -> list[dict[str, Any]]:
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select value from outbox order by id")]


def test_what_is_set_aside_is_listed_with_where_it_was_to_go_and_why(store: Store) -> None:
    assert ("[]\n", "nothing is set aside\n") == (run(store, "list", "--json").stdout, run(store, "list").stderr)
    with store.writing() as db:
        post(db, [Message("circulation.rejected", None, (), b"x" * 9), Message(FINDINGS, b"x:1", (), b"not json")])
        db.run("update outbox set since = 1000000")
    refuse(store, "circulation.rejected", "too large")
    first, *more = orjson.loads(run(store, "list", "--json").stdout)
    assert [] == more
    assert {
        "id": 1,
        "topic": "circulation.rejected",
        "key": None,
        "bytes": 9,
        "since": "1970-01-01T08:00:01+08:00",
        "set_aside": "1970-01-01T08:00:02+08:00",
        "reason": "too large",
    } == first
    assert "too large" in run(store, "list").stdout


def test_what_still_holds_is_sent_again(store: Store) -> None:
    enter(store, said())
    with store.reading() as db:
        sent = [bytes(row[0]) for row in db.rows("select value from outbox where topic = ?", FINDINGS)]
    refuse(store)
    result = run(store, "retry", "1", "--no-wait")
    assert (0, "1 will be sent again: a worker does it\n") == (result.exit_code, result.output)
    assert [orjson.loads(one) for one in sent] == waiting(store)
    with store.reading() as db:
        assert 0 == unsent.count(db)


@pytest.mark.parametrize(("then", "why"), [([], "was cleared"), ([said("orange")], "was raised again")])
def test_what_a_later_event_has_outdated_is_not_sent_again(store: Store, then: list[Entry], why: str) -> None:
    enter(store, said())
    refuse(store)
    enter(store, *then)
    result = run(store, "retry", "--all")
    assert 1 == result.exit_code
    assert why in result.stderr
    with store.reading() as db:
        assert 1 == unsent.count(db)


def test_a_retry_sends_what_it_can_and_says_what_is_not_there(store: Store) -> None:
    with store.writing() as db:
        post(db, [Message(FINDINGS, b"k", (), b"any bytes")])
    refuse(store)
    result = run(store, "retry", "7", "1", "--no-wait")
    assert (1, "7 is not set aside\n") == (result.exit_code, result.stderr)
    with store.reading() as db:
        assert [(b"any bytes",)] == [(bytes(row[0]),) for row in db.rows("select value from outbox")]


def test_a_retry_that_no_worker_sends_says_so(store: Store) -> None:
    with store.writing() as db:
        post(db, [Message(FINDINGS, b"k", (), b"any bytes")])
    refuse(store)
    result = run(store, "retry", "--all")
    assert (3, "0 were sent\n") == (result.exit_code, result.stdout)
    assert result.stderr.startswith("1 waits to be sent: no worker of this store lives")


@pytest.mark.parametrize("refused", [0, 1])
def test_a_retry_waits_for_what_becomes_of_it(store: Store, refused: int) -> None:
    """A message whose cause is not mended is refused again, and that is said."""
    living = Heart(store, Rulebook(PACK), pack="beijing", shipped="aa")
    living.begin()
    with store.writing() as db:
        post(db, [Message(FINDINGS, b"k", (), b"any bytes"), Message(FINDINGS, b"l", (), b"others")])
    refuse(store)
    url = store._url.render_as_string(hide_password=False)

    def relay() -> None:
        """As the relay does it."""
        own = Store(url)
        rows: list[Any] = []
        while not rows:
            with own.reading() as db:
                rows = db.rows("select id from outbox order by id")
        unsent.set_aside(own, [(id_, "still too large") for (id_,) in rows[:refused]], 3_000_000)
        with own.writing() as db:
            db.run("delete from outbox")
        own.close()

    sending = threading.Thread(target=relay)
    sending.start()
    result = run(store, "retry", "--all")
    sending.join()
    sent = "1 was sent" if refused else "2 were sent"
    assert (refused, f"{sent}\n") == (result.exit_code, result.stdout)
    assert refused == result.stderr.count("was refused again (circulation.findings, 9 bytes): still too large")


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("x",), ("0",)])
def test_a_retry_names_ids_or_all(store: Store, arguments: tuple[str, ...]) -> None:
    assert 2 == run(store, "retry", *arguments).exit_code


def test_what_is_discarded_is_in_the_journal_with_who_and_why(store: Store) -> None:
    enter(store, said())
    event = next(one for one in waiting(store) if one["type"] == "circulation.finding.raised")
    refuse(store)
    result = run(store, "discard", "1", "--by", "Li Wei", "--reason", "told by letter")
    assert 0 == result.exit_code
    (told,) = waiting(store)
    with store.reading() as db:
        assert [(JOURNAL, b"Li Wei")] == [
            (topic, bytes(key)) for topic, key in db.rows("select topic, key from outbox")
        ]
        assert 0 == unsent.count(db)
    size = told["data"].pop("bytes")
    assert (MESSAGE_DISCARDED, unsent.SOURCE, "Li Wei") == (told["type"], told["source"], told["subject"])
    assert len(orjson.dumps(event)) == size
    assert {
        "by": "Li Wei",
        "reason": "told by letter",
        "message": 1,
        "topic": FINDINGS,
        "key": "x:1",
        "refused": "Broker: Message size too large",
        "event": event["id"],
    } == told["data"]
    assert 1 == run(store, "discard", "1", "--by", "Li Wei", "--reason", "again").exit_code


@pytest.mark.parametrize(
    ("by", "reason"), [("", "why"), ("who", " "), ("x" * 129, "why"), ("who", "x" * 1_201), ("who", "two\nlines")]
)
def test_a_discard_says_who_and_why_in_words_that_can_be_kept(store: Store, by: str, reason: str) -> None:
    result = run(store, "discard", "1", "--by", by, "--reason", reason)
    assert 2 == result.exit_code
    assert "must be of 1 to" in result.stderr


def test_what_is_set_aside_is_told_of(store: Store) -> None:
    worker = Worker(Settings.read({"CIRCULATION_STORE": store._url.render_as_string(hide_password=False)}), store)
    worker.gauges.look()
    assert {"waits_seconds": 0.0, "stuck": False, "held": {}, "set_aside": 0} == worker.condition.readiness()["outbox"]
    with store.writing() as db:
        post(db, [Message(FINDINGS, b"k", (), b"x")] * 2)
    refuse(store)
    worker = Worker(Settings.read({"CIRCULATION_STORE": store._url.render_as_string(hide_password=False)}), store)
    worker.gauges.look()
    state = worker.condition.readiness()
    assert {"waits_seconds": 0.0, "stuck": False, "held": {}, "set_aside": 2} == state["outbox"]
    assert "2 messages could not be sent: circulation outbox list says why" in state["warnings"]
    assert "circulation_outbox_set_aside 2.0" in worker.condition.exposition()[0].decode().splitlines()


def test_an_outbox_that_nothing_leaves_is_stuck(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(Settings.read({"CIRCULATION_STORE": store._url.render_as_string(hide_password=False)}), store)
    now = [0.0]
    monkeypatch.setattr("streams.worker.gauges.time.monotonic", lambda: now[0])
    with store.writing() as db:
        post(db, [Message(FINDINGS, b"k", (), b"x")] * 2)
    seen = []
    for now[0] in (0.0, DELAY_SECONDS_MAX, DELAY_SECONDS_MAX + 1):
        worker.gauges.look()
        seen.append(worker.condition.readiness()["outbox"]["stuck"])
    with store.writing() as db:
        db.run("delete from outbox where id = 1")
    worker.gauges.look()
    assert [False, False, True, False] == [*seen, worker.condition.readiness()["outbox"]["stuck"]]


def test_a_number_is_not_given_twice(store: Store) -> None:
    """A person names it, maybe long after it was listed."""
    numbers = []
    for _ in range(2):
        with store.writing() as db:
            post(db, [Message(FINDINGS, b"k", (), b"x")])
        refuse(store)
        with store.writing() as db:
            numbers += [one.id for one in unsent.messages(db)]
            db.run("delete from unsent")
    assert [1, 2] == numbers

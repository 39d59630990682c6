"""`circulation status`: what is said of a monitor as a whole, and that it is no when anything is not watched."""

import os
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

import detectors
from streams.cli.main import cli
from streams.facts.rulebook import Rulebook, shipped
from streams.feeds.feeds import Feed
from streams.health import workers
from streams.health.workers import Heart
from streams.store import schema
from streams.store.store import Store
from streams.topics import ASSETS, PARTIES
from streams.wire.broker import Group
from streams.worker import status
from streams.worker.status import Status

SECOND = 1_000_000
PACK = shipped(detectors.RULES)
NOWHERE = "127.0.0.1:1"
READ = Feed(ASSETS, 0, 7, "t", 0, 10, "t")
OTHER = Feed(PARTIES, 3, 5, "t", 0, 5, "t")


def heart(store: Store, *reasons: str) -> Heart:
    """A worker that lives, and says this of itself."""
    made = Heart(store, Rulebook(PACK), pack="beijing", shipped="aa", says=lambda: (reasons, ["a warning"]))
    made.begin()
    return made


def looked(store: Store, **changes: Any) -> Status:
    """How a store is beside a Kafka where all is well, but for the changes."""
    with store.reading() as db:
        found = status.look(store, db, PACK, 0)
    well: dict[str, Any] = {
        "feeds": [READ, OTHER],
        "group": Group("circulation-x", "stable", {"m": [(ASSETS, 0), (PARTIES, 3)]}),
    }
    found = found._replace(**(well | changes))
    if found.group is None or not found.alive:
        return found
    # Kafka calls a member by the name of its client and a number of its own.
    (worker,) = (one.worker for one in found.alive)
    mine = {name.replace("m", f"{worker}-m", 1): tps for name, tps in found.group.members.items()}
    return found._replace(group=found.group._replace(members=mine))


def test_it_is_ready_where_a_worker_lives_that_says_so_and_every_partition_has_a_member(store: Store) -> None:
    one = heart(store)
    said = status.document(looked(store))
    assert (True, [], 3) == (said["ready"], said["reasons"], said["lag"])
    assert [(one.worker, True, ["a warning"])] == [
        (each["worker"], each["ready"], each["warnings"]) for each in said["workers"]
    ]
    assert [(ASSETS, 3, f"{one.worker}-m"), (PARTIES, 0, f"{one.worker}-m")] == [
        (each["topic"], each["lag"], each["member"]) for each in said["partitions"]
    ]
    assert (PACK.digest, store.place) == (said["pack"]["digest"], said["store"]["place"])
    assert said["store"]["bytes"] > 0


@pytest.mark.parametrize(
    ("changes", "word", "mend"),
    [
        ({"feeds": [READ, OTHER._replace(low=6, end=9)]}, "circulation.parties[3] is not read", "feed resume"),
        ({"group": Group("g", "", {})}, "the group g is not there", "logs"),
        ({"group": Group("g", "preparing_rebalancing", {})}, "partitions change hands", "logs"),
        ({"group": Group("g", "stable", {"m": [(ASSETS, 0)]})}, "no worker has circulation.parties[3]", "seconds"),
        (
            {"group": Group("g", "stable", {"m": [(ASSETS, 0)], "other": [(PARTIES, 3)]})},
            "no workers of this store: other;",
            "`circulation restore OUT/`",
        ),
        (
            {"feeds": None, "group": None, "silent": "Kafka does not answer"},
            "Kafka does not answer",
            "CIRCULATION_KAFKA",
        ),
    ],
)
def test_what_no_worker_says_is_said(store: Store, changes: dict[str, Any], word: str, mend: str) -> None:
    heart(store)
    (why,) = status.reasons(looked(store, **changes))
    assert word in why
    assert mend in why


def test_what_a_worker_says_is_said_by_its_name_and_nothing_twice(store: Store) -> None:
    lost = "circulation.parties[3] is not read: gone; what mends it"
    one = heart(store, "the judge hangs", lost)
    assert [f"{one.worker}: the judge hangs", f"{one.worker}: {lost}"] == status.reasons(looked(store))
    (first, second) = status.reasons(looked(store, feeds=[READ, OTHER._replace(low=6, end=9)]))
    assert first.startswith("circulation.parties[3] is not read: Kafka no longer has the offsets 5 to 5")
    assert f"{one.worker}: the judge hangs" == second


def test_a_worker_that_has_not_been_heard_for_longer_than_it_ever_is_silent_is_named(store: Store) -> None:
    one = heart(store)
    found = looked(store)
    beat = found.alive[0].beat
    assert [] == status.reasons(found._replace(at=beat + int(workers.LATE_SECONDS * SECOND)))
    (why,) = status.reasons(found._replace(at=beat + int((workers.LATE_SECONDS + 1) * SECOND)))
    assert why.startswith(f"{one.worker}: it was last heard 11 s ago")


def test_where_no_worker_lives_that_is_the_reason(store: Store) -> None:
    one = heart(store, "the judge hangs")
    one.end()
    assert ["no worker of this store lives: start one (`circulation worker`)"] == status.reasons(looked(store))


def test_a_worker_says_at_its_next_look_that_it_is_ready_no_more_and_again(store: Store) -> None:
    reasons: list[str] = []
    one = Heart(store, Rulebook(PACK), pack="beijing", shipped="aa", says=lambda: (tuple(reasons), ()))
    one.begin()
    one.beat()  # the first look always says so
    seen = []
    for now in ([], ["it waits"], ["it waits"], []):
        reasons[:] = now
        one.beat()
        with store.reading() as db:
            (row,) = workers.alive(db)
        seen.append(row.reasons)
    assert [[], ["it waits"], ["it waits"], []] == seen


def test_what_a_worker_says_is_bounded(store: Store) -> None:
    long = "x" * (2 * workers.SENTENCE_CHARACTERS_MAX)
    heart(store, *[long] * (2 * workers.SENTENCES_MAX))
    with store.reading() as db:
        (row,) = workers.alive(db)
    assert (workers.SENTENCES_MAX, {workers.SENTENCE_CHARACTERS_MAX}) == (len(row.reasons), set(map(len, row.reasons)))


def test_what_waits_is_counted_with_its_age(store: Store) -> None:
    with store.writing() as db:
        now = workers.now(db)
        db.many(schema.queue, [(0, "act\x1fa\x1fb", now - 90 * SECOND), (2, "credit\x1fx", now)])
        db.many(schema.outbox, [(now - 30 * SECOND, "circulation.findings", None, b"[]", b"{}")])
    said = status.document(looked(store))
    assert (2, 1, 0) == (said["judge"]["waiting"], said["outbox"]["waiting"], said["outbox"]["set_aside"])
    assert 90 <= said["judge"]["waits_seconds"] < 150
    assert 30 <= said["outbox"]["waits_seconds"] < 90


def ran(store: Store, *words: str) -> Result:
    environ = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_STORE": store._url.render_as_string(hide_password=False), "CIRCULATION_KAFKA": NOWHERE}
    return CliRunner(env=environ).invoke(cli, ["status", *words], prog_name="circulation")


def test_the_command_says_what_the_store_knows_where_kafka_is_away_and_exits_1(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.wire.broker.TIMEOUT_SECONDS", 1.0)
    one = heart(store)
    with store.writing() as db:
        db.run("insert into progress (topic, partition, next, topic_id, partitions) values (?, 2, 17, 't', 8)", ASSETS)
    done = ran(store, "--json")
    said = orjson.loads(done.stdout)
    assert (1, "", False) == (done.exit_code, done.stderr, said["ready"])
    (why,) = said["reasons"]
    assert why.startswith(f"Kafka at {NOWHERE} does not answer: ")
    assert [one.worker] == [each["worker"] for each in said["workers"]]
    assert [{"topic": ASSETS, "partition": 2, "position": 17}] == said["partitions"]
    assert (None, None) == (said["group"], said["lag"])
    text = ran(store)
    assert 1 == text.exit_code
    for word in ("Not ready", one.worker, f"pack {PACK.pack}", "no items wait", "a warning", ASSETS):
        assert word in text.stdout

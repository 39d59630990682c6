"""Topics that are made anew with other numbers of partitions, and partitions whose first records nobody read."""

import contextlib
import os
import signal

import orjson
import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition
from running import Sender, Worker, ends, members, truth, wait, wait_drained
from test_feed_resume import BY, circulation, losses, resumed, told

from circulation.examples import OWNER, asset
from streams.health.workers import group, identity
from streams.store.store import Store
from streams.topics import ASSETS, RULES, TOPICS_IN


def assets(begin, end):
    return [orjson.dumps(asset(f"asset-{number}", "2025-01-01", owner=OWNER)) for number in range(begin, end)]


def grow(bootstrap, topic, partitions):
    """As another tool does it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.create_partitions([NewPartitions(topic, partitions)]).values():
        future.result()
    wait("they are there", lambda: partitions == len(ends(bootstrap, [topic])))


def make_anew(bootstrap, **partitions):
    """Deletes topics, and makes them with so many partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    names = {f"circulation.{name}": count for name, count in partitions.items()}
    for future in admin.delete_topics([*names]).values():
        future.result()
    wait("they are gone", lambda: not names.keys() & admin.list_topics(timeout=20).topics.keys())
    for future in admin.create_topics([NewTopic(name, count, 1) for name, count in names.items()]).values():
        future.result()
    wait("they are there", lambda: names.keys() <= admin.list_topics(timeout=20).topics.keys())
    wait("they have leaders", lambda: sum(names.values()) == len(ends(bootstrap, names)))


def status(bootstrap, url):
    return orjson.loads(circulation(bootstrap, url, "status", "--json").stdout)


@pytest.mark.parametrize("workers", [1, 2])
def test_topics_made_anew_with_fewer_partitions_are_read_on_by_workers_that_run(workers, topics, tmp_path, request):
    """Nobody starts a worker again: the group gives out what is there now."""
    url = f"sqlite:///{tmp_path}/store.db" if workers == 1 else request.getfixturevalue("postgres_url")
    sender = Sender(topics)
    sender.send(assets(0, 24))
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Worker(topics, url, tmp_path, f"worker-{n}")) for n in range(workers)]
        wait_drained(topics, url)
        for worker in running:
            worker.wait_ready()
        make_anew(topics, assets=2, parties=1)
        done = circulation(topics, url, "feed", "resume", "--all", "--from", "earliest", *BY)
        assert 0 == done.exit_code, done.output
        Sender(topics).send(assets(24, 48))
        wait_drained(topics, url)
        for worker in running:
            worker.wait_ready()
            assert "Traceback" not in worker.said()
    assert {f"asset-{number}" for number in range(48)} == {subject for _, subject, *_ in truth(url).events}


def test_a_topic_made_anew_with_fewer_partitions_is_read_on_and_what_is_no_more_is_closed(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    grow(topics, RULES, 2)
    sender.send(assets(0, 24))
    with Worker(topics, url, tmp_path) as worker:
        wait_drained(topics, url)
        worker.wait_ready()
        before = {part: end for (_, part), end in ends(topics, [ASSETS]).items()}
        assert 0 == worker.signal(signal.SIGTERM)
        make_anew(topics, assets=2, rules=1)
        worker.start()
        worker.wait_unready(lambda state: {ASSETS, RULES} == {one["topic"] for one in state["stopped"]})
        why = "the topic has 2 partitions, the store read 8"
        said = status(topics, url)["reasons"]
        (reason,) = [one for one in said if f"{ASSETS}[2-7]" in one]
        assert f"{ASSETS}[2-7] are not read: {why}" in reason
        assert f"`circulation feed resume {ASSETS} --all --from earliest --by NAME --note WHY` closes them" in reason
        assert [] == [one for one in said if "no worker has" in one or "topics create" in one]
        listed = circulation(topics, url, "feed", "list").stdout
        assert 7 == listed.count("partition is no more")
        assert "partition is no more: the topic has 1 partition, the store read 2" in listed
        refused = circulation(topics, url, "feed", "resume", ASSETS, 5, "--from", 3, *BY)
        assert (2, "") == (refused.exit_code, refused.stdout)
        assert "is no more: it can only be closed (--from earliest)" in refused.stderr
        done = circulation(topics, url, "feed", "resume", ASSETS, 5, "--from", "earliest", *BY)
        assert 0 == done.exit_code, done.output
        assert f"{ASSETS}[5] is closed; it was at {before[5]}: {why}" in done.stdout
        again = circulation(topics, url, "feed", "resume", ASSETS, 5, "--from", "earliest", *BY)
        assert (1, True) == (again.exit_code, f"{ASSETS} has no partition 5" in again.stderr)
        everything = circulation(topics, url, "feed", "resume", "--all", "--from", "earliest", *BY)
        assert 0 == everything.exit_code, everything.output
        assert [f"{RULES}[0]", f"{ASSETS}[0]", f"{ASSETS}[1]"] == resumed(everything)
        assert 6 == everything.stdout.count(" is closed; ")
        sender = Sender(topics)
        sender.send(assets(24, 48))
        worker.wait_ready()
        wait_drained(topics, url)
        wait("status is ready", lambda: status(topics, url)["ready"])
        assert {(ASSETS, 0), (ASSETS, 1), (RULES, 0)} == {
            (one["topic"], one["partition"])
            for one in status(topics, url)["partitions"]
            if one["topic"] in (ASSETS, RULES)
        }
    found = truth(url).findings.values()
    assert [] == [one for one in found if one["detector"] == "misplaced-key"]
    assert {f"asset-{number}" for number in range(48)} <= {subject for _, subject, *_ in truth(url).events}
    lost = {one["about"]["id"]: one for one in losses(url)}
    # Of the packs' topic nothing was ever read.
    assert {f"{ASSETS}[{part}]" for part in range(8)} == lost.keys()
    closed = lost[f"{ASSETS}[5]"]
    assert {"from": before[5], "why": why, "by": "Li Wei"}.items() <= closed["evidence"].items()
    assert not {"to", "resumed"} & closed["evidence"].keys()
    assert closed["summary"].endswith(f"from offset {before[5]:,} on: {why}. Li Wei had it closed.")
    (data,) = [one for one in told(topics) if (one["topic"], one["partition"]) == (ASSETS, 5)]
    assert (before[5], True, "Li Wei", "retention was 7 days", closed["finding"]) == tuple(
        data[name] for name in ("from", "closed", "by", "note", "finding")
    )
    assert not {"to", "resumed"} & data.keys()


def test_a_worker_that_is_no_member_for_long_says_so_and_joins_as_soon_as_it_can(topics, tmp_path):
    """What its group refuses is nothing that its client mends by itself: it is tried again and again."""
    url = f"sqlite:///{tmp_path}/store.db"
    with Worker(topics, url, tmp_path, stall_seconds="3") as worker:
        worker.wait_ready()
        assert {"alive": True, "reasons": []} == orjson.loads(worker.answer("/health")[1])
        store = Store(url)
        with store.reading() as db:
            name = group(identity(db))
        store.close()
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            wait("the group forgets it", lambda: not members(topics))
            # It gives out partitions in another way.
            stranger = Consumer({"bootstrap.servers": topics, "group.id": name, "log_level": 0})
            stranger.subscribe([ASSETS])
            wait("another is the group", lambda: stranger.poll(0.1) or stranger.assignment())
        finally:
            os.kill(worker.pid, signal.SIGCONT)

        def says_no():
            stranger.poll(0)
            reasons = orjson.loads(worker.answer("/health")[1] or b"{}").get("reasons", [])
            return len(reasons) == 1 and "no member of its group" in reasons[0]

        wait("it is refused", lambda: stranger.poll(0) or "the group is joined again in" in worker.said())
        wait("/health says no", says_no)
        stranger.close()
        worker.wait_ready()
        wait("/health says yes", lambda: worker.answer("/health")[0] == 200)
        assert "Traceback" not in worker.said()


@pytest.mark.parametrize("partitions", [3, 12])
def test_keys_of_a_topic_made_anew_while_no_worker_ran_go_by_its_own_number(topics, tmp_path, partitions):
    url = f"sqlite:///{tmp_path}/store.db"
    Sender(topics).send(assets(0, 24))
    with Worker(topics, url, tmp_path):
        wait_drained(topics, url)
    make_anew(topics, assets=partitions)
    done = circulation(topics, url, "feed", "resume", "--all", "--from", "earliest", *BY)
    assert 0 == done.exit_code, done.output
    Sender(topics).send(assets(24, 48))
    with Worker(topics, url, tmp_path, "again") as worker:
        worker.wait_ready()
        wait_drained(topics, url, TOPICS_IN)
        wait("status is ready", lambda: status(topics, url)["ready"])
    assert [] == [one for one in truth(url).findings.values() if one["detector"] == "misplaced-key"]
    store = Store(url)
    with store.reading() as db:
        query = "select sum(sent_on), min(partitions), max(partitions) from progress where topic = ?"
        assert (0, partitions, partitions) == tuple(db.one(query, ASSETS) or ())
    store.close()


def test_what_expired_in_new_partitions_before_anybody_read_it_is_a_finding_in_a_store_that_read_the_topic(
    topics, tmp_path
):
    url, new = f"sqlite:///{tmp_path}/store.db", f"sqlite:///{tmp_path}/new.db"
    Sender(topics).send(assets(0, 24))
    with Worker(topics, url, tmp_path):
        wait_drained(topics, url)
    grow(topics, ASSETS, 10)
    Sender(topics).send(assets(24, 200))
    low = {part: end - 1 for (_, part), end in ends(topics, [ASSETS]).items() if part >= 8}
    assert all(low.values())
    with KafkaAdminClient(bootstrap_servers=topics) as admin:
        admin.delete_records({TopicPartition(ASSETS, part): offset for part, offset in low.items()})
    for name in ("grown", "again"):
        with Worker(topics, url, tmp_path, name) as worker:
            assert [] == [one for one in worker.wait_ready()["warnings"] if "begins at offset" in one]
            wait_drained(topics, url)
            wait("status is ready", lambda: status(topics, url)["ready"])
        found = {one["about"]["id"]: one for one in losses(url)}
        assert {f"{ASSETS}[{part}]": (0, offset - 1, offset) for part, offset in low.items()} == {
            id_: tuple(one["evidence"][name] for name in ("from", "to", "resumed")) for id_, one in found.items()
        }
    store = Store(url)
    with store.reading() as db:
        assert [(1,)] == db.rows("select distinct revision from findings where detector = 'feed-lost'")
    store.close()
    # A store that begins with the topic as it is has lost nothing of it.
    with Worker(topics, new, tmp_path, "new") as worker:
        warned = [one for one in worker.wait_ready()["warnings"] if "begins at offset" in one]
        wait_drained(topics, new)
    assert (2, []) == (len(warned), losses(new))

"""A partition whose records are gone goes on when a person says so: once, in the open, and without a restart."""

import shutil

import orjson
from click.testing import CliRunner
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition
from running import Sender, Worker, differences, ends, of_topic, received, replayed, truth, wait, wait_drained

from circulation.examples import OWNER, SELLER, asset, party, signed, terms, used
from streams import topics as kafka_topics
from streams.cli.main import cli
from streams.offline.archive import archive
from streams.offline.archive_files import spans
from streams.topics import ASSETS, JOURNAL, PARTIES, RULES

ANEW = {ASSETS, RULES}
BY = ("--by", "Li Wei", "--note", "retention was 7 days")


def circulation(topics, url, *words):
    environ = {"CIRCULATION_KAFKA": topics, "CIRCULATION_STORE": url}
    return CliRunner(env=environ).invoke(cli, [str(one) for one in words], prog_name="circulation")


def losses(url):
    return [one for one in truth(url).findings.values() if one["detector"] == "feed-lost"]


def told(topics):
    """What the journal says of partitions that go on."""
    events = (orjson.loads(record.value()) for record in received(topics, JOURNAL))
    return [one["data"] for one in events if one["type"] == "circulation.feed.resumed"]


def as_replayed(url, lines):
    """All but the losses are as if the lines that were lost had never been sent."""
    found = truth(url)
    kept = {id_: one for id_, one in found.findings.items() if one["detector"] != "feed-lost"}
    return differences(replayed(map(orjson.dumps, lines)).truth, found._replace(findings=kept))


def resumed(result):
    """The partitions of which a command says that they go on, in its order."""
    return [line.split(" goes on ")[0] for line in result.stdout.splitlines() if " goes on " in line]


def parties(*days):
    return [party(SELLER, f"2025-01-0{day}", name=f"Name {day}") for day in days]


def delete_all_but_the_last(topics, lines):
    """Has the broker delete what it holds of the only partition of parties; answers with it and its low offset."""
    ((_, partition), end), *more = [(tp, end) for tp, end in ends(topics, [PARTIES]).items() if end]
    assert ([], lines) == (more, end)
    with KafkaAdminClient(bootstrap_servers=topics) as admin:
        admin.delete_records({TopicPartition(PARTIES, partition): end - 1})
    return partition, end - 1


def test_a_running_worker_reads_on_behind_what_is_lost_and_the_finding_says_from_where_to_where(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    sender = Sender(topics)
    sender.send(map(orjson.dumps, parties(1)))
    with Worker(topics, url, tmp_path) as worker:
        wait_drained(topics, url)
    sender.send(map(orjson.dumps, parties(2, 3, 4)))
    partition, low = delete_all_but_the_last(topics, 4)
    acts = [signed("contract", "2025-01-02", terms=terms(uses_max=1)), used("contract", "2025-01-03", 2)]
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_unready(lambda state: state["stopped"])
        (before,) = wait("the loss is raised", lambda: losses(url))
        listed = circulation(topics, url, "feed", "list")
        assert 1 == listed.exit_code
        (line,) = [one for one in listed.stdout.splitlines() if "records expired" in one]
        assert [PARTIES, str(partition), "1", "3", "4"] == line.split()[:5]
        for wrong in (low - 1, 5):
            refused = circulation(topics, url, "feed", "resume", PARTIES, partition, "--from", wrong, *BY)
            assert (2, "") == (refused.exit_code, refused.stdout)
            assert f"Kafka has the offsets from 3 to its end at 4, got {wrong}" in refused.stderr
        done = circulation(topics, url, "feed", "resume", PARTIES, partition, "--from", "earliest", *BY)
        assert 0 == done.exit_code, done.output
        assert f"{PARTIES}[{partition}] goes on from offset 3; it was at 1" in done.stdout
        worker.wait_ready()
        sender.send(map(orjson.dumps, [*parties(5), *acts]))
        wait_drained(topics, url)
        # There is nothing to resume any more.
        again = circulation(topics, url, "feed", "resume", PARTIES, partition, "--from", "earliest", *BY)
        assert 1 == again.exit_code
        assert "has nothing to resume: it is read, from offset 5 on" in again.stderr
        assert 0 == circulation(topics, url, "feed", "list").exit_code
    assert [] == as_replayed(url, [*parties(1, 4, 5), *acts])
    (lost,) = losses(url)
    assert before["finding"] == lost["finding"]
    assert before["occurred"] == lost["occurred"]
    assert {"from": 1, "to": 2, "resumed": 3, "by": "Li Wei"}.items() <= lost["evidence"].items()
    assert "was not read from offset 1 to 2" in lost["summary"]
    (data,) = told(topics)
    assert (PARTIES, partition, 1, 1, 2, 3, "Li Wei", "retention was 7 days", lost["finding"]) == tuple(
        data[name] for name in ("topic", "partition", "position", "from", "to", "resumed", "by", "note", "finding")
    )


def test_what_is_resumed_while_no_worker_runs_is_read_on_by_the_next(topics, postgres_url, tmp_path):
    sender = Sender(topics)
    sender.send(map(orjson.dumps, parties(1)))
    with Worker(topics, postgres_url, tmp_path):
        wait_drained(topics, postgres_url)
    sender.send(map(orjson.dumps, parties(2, 3, 4)))
    partition, low = delete_all_but_the_last(topics, 4)
    done = circulation(topics, postgres_url, "feed", "resume", PARTIES, partition, "--from", low + 1, *BY)
    assert 0 == done.exit_code, done.output
    sender.send(map(orjson.dumps, parties(5)))
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        wait_drained(topics, postgres_url)
        # Topics that are made anew are read in place of the old ones, without a restart.
        with KafkaAdminClient(bootstrap_servers=topics) as admin:
            admin.delete_topics([*ANEW])
        worker.wait_unready(lambda state: ANEW == {one["topic"] for one in state["stopped"]})
        everything = ("feed", "resume", "--all", "--from", "earliest", *BY)
        early = circulation(topics, postgres_url, *everything)
        assert (1, "") == (early.exit_code, early.stdout)
        assert [f"{ASSETS}[0] is not there", f"{RULES}[0] is not there"] == [
            line.split(":")[0] for line in early.stderr.splitlines() if "[0]" in line
        ][::-1]
        kafka_topics.create(topics)
        sender.send([orjson.dumps(asset("asset", "2025-01-01", owner=OWNER))])
        # It says so no longer that the topics are not there: that they are others is what a person decides on.
        worker.wait_unready(lambda state: {"made anew" in one["why"] for one in state["stopped"]} == {True})
        one = circulation(topics, postgres_url, "feed", "resume", ASSETS, 3, "--from", "earliest", *BY)
        assert 0 == one.exit_code, one.output
        assert [f"{ASSETS}[3]"] == resumed(one)
        of_assets = circulation(topics, postgres_url, *everything[:2], ASSETS, *everything[2:])
        assert 0 == of_assets.exit_code, of_assets.output
        assert [f"{ASSETS}[{number}]" for number in range(8) if number != 3] == resumed(of_assets)
        others = circulation(topics, postgres_url, *everything)
        assert 0 == others.exit_code, others.output
        assert [f"{RULES}[0]"] == resumed(others)
        again = circulation(topics, postgres_url, *everything)
        assert (1, "") == (again.exit_code, again.stdout)
        assert "there is nothing to resume" in again.stderr
        worker.wait_ready()
        wait_drained(topics, postgres_url)
    # Of what was there the one who resumed left out the last as well.
    assert [] == as_replayed(postgres_url, [*parties(1, 5), asset("asset", "2025-01-01", owner=OWNER)])
    evidence = {one["about"]["id"]: one["evidence"] for one in losses(postgres_url)}
    lost = evidence.pop(f"{PARTIES}[{partition}]")
    assert (1, 3, 4) == tuple(lost[name] for name in ("from", "to", "resumed"))
    # Of the topics that were made anew nothing had ever been read: nothing is lost with them, and the journal has each.
    assert {} == evidence
    assert 1 + 9 == len(told(topics))


def test_a_store_that_was_restored_goes_on_from_the_archive_and_nothing_is_lost(topics, tmp_path):
    url, restored = f"sqlite:///{tmp_path}/store.db", f"sqlite:///{tmp_path}/restored.db"
    sender = Sender(topics)
    sender.send(map(orjson.dumps, parties(1)))
    with Worker(topics, url, tmp_path):
        wait_drained(topics, url)
    assert 0 == circulation(topics, url, "backup", tmp_path / "backup").exit_code
    acts = [signed("contract", "2025-01-02", terms=terms(uses_max=1)), used("contract", "2025-01-03", 2)]
    sender.send(map(orjson.dumps, [*parties(2, 3), *acts, *parties(4)]))
    archive(tmp_path / "archive", topics)
    partition, _ = delete_all_but_the_last(topics, 4)
    back = circulation(topics, restored, "restore", tmp_path / "backup")
    assert 0 == back.exit_code, back.output
    why = "Kafka no longer has the offsets 1 to 2"
    assert f"{PARTIES}[{partition}] is not read on: {why}; circulation feed resume has it go on\n" == back.stderr
    resume = ("feed", "resume", PARTIES, partition, "--from", "earliest", "--archive", tmp_path / "archive", *BY)
    with Worker(topics, restored, tmp_path, "restored") as worker:
        worker.wait_unready(lambda state: state["stopped"])
        wait("the loss is raised", lambda: losses(restored))
        # What a worker remembers of a file of SQLite is its own: nobody takes in beside it.
        refused = circulation(topics, restored, *resume)
        assert (2, True) == (refused.exit_code, "is in use by another worker" in refused.stderr)
    # The same offsets of another topic of that name are other records.
    shutil.copytree(tmp_path / "archive", tmp_path / "other")
    for span in spans(tmp_path / "other"):
        of_topic(span, "another")
    other = circulation(
        topics, restored, *(tmp_path / "other" if one == tmp_path / "archive" else one for one in resume)
    )
    assert (1, "", 1) == (other.exit_code, other.stdout, len(other.stderr.splitlines())), other.output
    assert "holds another topic of the name circulation.parties" in other.stderr
    done = circulation(topics, restored, *resume)
    assert 0 == done.exit_code, done.output
    assert "2 records from offset 1 to 2 were taken in from" in done.stdout
    with Worker(topics, restored, tmp_path, "again") as worker:
        worker.wait_ready()
        wait_drained(topics, restored)
    assert [] == losses(restored)
    assert [] == as_replayed(restored, [*parties(1, 2, 3), *acts, *parties(4)])
    (data,) = told(topics)
    assert ({"from": 1, "to": 2, "records": 2}, False) == (data["kept"], "from" in data)


def test_of_an_archive_that_ends_early_the_rest_is_said_to_be_lost(topics, postgres_url, tmp_path):
    sender = Sender(topics)
    sender.send(map(orjson.dumps, parties(1)))
    with Worker(topics, postgres_url, tmp_path):
        wait_drained(topics, postgres_url)
    sender.send(map(orjson.dumps, parties(2)))
    archive(tmp_path / "archive", topics)
    sender.send(map(orjson.dumps, parties(3, 4)))
    partition, _ = delete_all_but_the_last(topics, 4)
    resume = ("feed", "resume", PARTIES, partition, "--from", "earliest", "--archive", tmp_path / "archive", *BY)
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_unready(lambda state: state["stopped"])
        (before,) = wait("the loss is raised", lambda: losses(postgres_url))
        done = circulation(topics, postgres_url, *resume)
        assert 0 == done.exit_code, done.output
        worker.wait_ready()
        wait_drained(topics, postgres_url)
        again = circulation(topics, postgres_url, *resume)
        assert (1, True) == (again.exit_code, "has nothing to resume" in again.stderr)
    assert [] == as_replayed(postgres_url, parties(1, 2, 4))
    (lost,) = losses(postgres_url)
    assert (before["finding"], 2, 2, 3) == (
        lost["finding"],
        *(lost["evidence"][name] for name in ("from", "to", "resumed")),
    )
    assert "was not read from offset 2 to 2" in lost["summary"]

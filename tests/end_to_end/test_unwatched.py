"""States in which something is not watched though each part by itself seems well: each of them is said."""

import shutil
import signal
import subprocess
import sys

import orjson
import psycopg
import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from running import ROOT, Sender, Worker, wait, wait_drained
from test_status import status

from circulation.events.names import CLOCK, CONTRACTS, ORDERS
from circulation.examples import SELLER, event, pack, party, signed
from deploy.processes import free_port
from streams import topics as kafka_topics
from streams.cli.main import cli
from streams.health.readiness import partitions_of
from streams.health.workers import alive
from streams.store.store import Store
from streams.topics import TOPICS_IN

SOME = [party(SELLER, "2025-01-01"), signed("c", "2025-01-01")]


def begin(worker, topics, url):
    """Has a worker take in something."""
    worker.wait_ready()
    Sender(topics).send(map(orjson.dumps, SOME))
    wait_drained(topics, url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_topic_that_is_deleted_while_others_remain_is_missed(kind, topics, request, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    missing = {CONTRACTS, ORDERS}
    with Worker(topics, url, tmp_path) as worker:
        begin(worker, topics, url)
        with KafkaAdminClient(bootstrap_servers=topics) as admin:
            admin.delete_topics([*missing])
        for again in range(2):
            said = worker.wait_unready(lambda state: missing == {one["topic"] for one in state["stopped"]})
            (told,) = [why for why in said["reasons"] if "`circulation topics create` makes them" in why]
            assert missing == {topic for topic, _ in partitions_of(told)}, again
            (gauge,) = [line for line in worker.metric("circulation_partitions_stopped") if f'"{CONTRACTS}"' in line]
            assert float(gauge.split()[-1]) >= 1
            assert not status(topics, url)["ready"]
            if not again:
                # Nor does one that begins only now take it for a Kafka that is as it should be.
                assert 0 == worker.signal(signal.SIGTERM)
                worker.start()
        kafka_topics.create(topics)
        worker.wait_unready(lambda state: {CONTRACTS} <= {one["topic"] for one in state["stopped"]})


def test_a_worker_whose_clock_nobody_bounds_says_so_until_the_broker_tells_its_own(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with KafkaAdminClient(bootstrap_servers=topics) as admin:
        admin.delete_topics([CLOCK])
    with Worker(topics, url, tmp_path, clock="wall") as worker:
        worker.wait_unready(lambda state: [why for why in state["reasons"] if "no clock but this machine's" in why])
        with KafkaAdminClient(bootstrap_servers=topics) as admin:
            admin.create_topics([NewTopic(CLOCK, 1, 1, topic_configs={"message.timestamp.type": "CreateTime"})])
        worker.wait_unready(lambda state: [why for why in state["reasons"] if "type=LogAppendTime" in why])
        assert 0 == CliRunner(env={"CIRCULATION_KAFKA": topics}).invoke(cli, ["topics", "create", "--apply"]).exit_code
        worker.wait_ready()


def test_two_stores_of_one_id_are_told_apart(topics, tmp_path):
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    with Worker(topics, first, tmp_path) as worker:
        begin(worker, topics, first)
    shutil.copy(tmp_path / "first.db", tmp_path / "second.db")
    with Worker(topics, first, tmp_path, "one") as one, Worker(topics, second, tmp_path, "two") as two:
        for worker, url in ((one, first), (two, second)):
            said = worker.wait_unready(lambda state: [why for why in state["reasons"] if "no workers of this" in why])
            assert "`circulation restore OUT/`" in " ".join(said["reasons"])
            assert [why for why in status(topics, url)["reasons"] if "no workers of this store" in why]
        assert 0 == two.signal(signal.SIGTERM)
        one.wait_ready()


def test_a_table_that_somebody_locked_is_said_by_the_worker_and_keeps_nobody_who_looks(topics, postgres_url, tmp_path):
    with Worker(topics, postgres_url, tmp_path) as worker:
        begin(worker, topics, postgres_url)
        with psycopg.connect(postgres_url) as other:
            other.execute("lock table progress in access exclusive mode")
            worker.wait_unready(lambda state: [why for why in state["reasons"] if "it has not seen for" in why])
            looked = subprocess.run(
                [sys.executable, "-m", "streams.cli.main", "status"],
                cwd=ROOT,
                env=worker.settings | {"PATH": "/usr/bin"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert 1 == looked.returncode
            assert "lock timeout" in looked.stderr
            assert "Traceback" not in looked.stderr
            other.rollback()
        worker.wait_ready()


def test_a_role_that_may_make_no_tables_is_told_what_to_grant(topics, postgres_url, tmp_path):
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        (database,) = owner.execute("select current_database()").fetchone()
        owner.execute("drop role if exists guest")
        owner.execute("create role guest login password 'guest'")
        owner.execute("revoke create on schema public from public")
    address = psycopg.conninfo.conninfo_to_dict(postgres_url)
    url = f"postgresql://guest:guest@{address['host']}:{address['port']}/{database}"
    worker = Worker(topics, url, tmp_path).start()
    assert 2 == worker.ended()
    (said,) = [line for line in worker.said().splitlines() if line.startswith("circulation:")]
    assert "the role guest may make no tables" in said
    assert f"alter database {database} owner to guest" in said
    assert "Traceback" not in worker.said()


def test_a_worker_whose_port_is_taken_names_the_setting(topics, tmp_path):
    with Worker(topics, f"sqlite:///{tmp_path}/store.db", tmp_path) as worker:
        worker.wait_ready()
        second = Worker(topics, f"sqlite:///{tmp_path}/other.db", tmp_path, "second", web=worker.web).start()
        assert 2 == second.ended()
        assert f"circulation: CIRCULATION_WEB: nothing can listen on {worker.web}" in second.said()


def test_a_watch_that_fails_is_not_said_to_be_a_kafka_that_is_away(topics, postgres_url, tmp_path):
    with Worker(topics, postgres_url, tmp_path) as worker:
        worker.wait_ready()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("alter table looks rename to looks_elsewhere")
            said = worker.wait_unready(lambda state: [why for why in state["reasons"] if "watching: " in why])
            assert said["broker"]
            other.execute("alter table looks_elsewhere rename to looks")
        worker.wait_ready()


@pytest.mark.parametrize(("away", "told"), [("Kafka", signal.SIGTERM), ("the store", signal.SIGINT)])
def test_a_worker_that_waits_to_begin_says_for_what_and_ends_in_order(topics, tmp_path, away, told):
    nobody = f"127.0.0.1:{free_port()}"
    url = f"postgresql://nobody:none@{nobody}/none" if away == "the store" else f"sqlite:///{tmp_path}/store.db"
    worker = Worker(nobody if away == "Kafka" else topics, url, tmp_path).start()
    said = worker.wait_unready(lambda state: "does not answer" in state["reasons"][0])
    assert said["reasons"][0].startswith(f"{away} does not answer: see that what CIRCULATION_")
    assert (False, []) == (said["store" if away == "the store" else "broker"], said["stopped"])
    assert (200, True) == ((page := worker.answer("/health"))[0], orjson.loads(page[1])["alive"])
    assert 0 == worker.signal(told)
    assert "Traceback" not in worker.said()
    if away == "Kafka":
        store = Store(url)
        with store.reading() as db:
            assert [] == alive(db)
        store.close()


def test_commands_say_that_topics_are_not_there_though_the_store_never_read_them(topics, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    kafka_topics.delete(topics)
    store = Store(url)
    store.migrate()
    store.close()

    def run(*words):
        environ = {"CIRCULATION_KAFKA": topics, "CIRCULATION_STORE": url}
        return CliRunner(env=environ).invoke(cli, list(words))

    listed = wait("Kafka has no topics", lambda: (done := run("feed", "list", "--json")).exit_code and done)
    assert {(topic, 0, "not there") for topic in TOPICS_IN} == {
        (one["topic"], one["partition"], one["state"]) for one in orjson.loads(listed.stdout)
    }
    for words in (["rejected", "list"], ["rejected", "send-again", "--reason", "not-json"]):
        done = run(*words)
        assert (1, "") == (done.exit_code, done.stdout)
        assert "there is no topic circulation.rejected: circulation topics create makes it" in done.stderr


def test_a_worker_that_runs_the_shipped_pack_in_place_of_the_one_it_was_told_warns(topics, tmp_path):
    def doubts(state):
        return [one for one in state["warnings"] if "CIRCULATION_PACK" in one]

    with Worker(topics, f"sqlite:///{tmp_path}/store.db", tmp_path, pack="shenzhen") as worker:
        (said,) = doubts(worker.wait_ready())
        assert "no pack 'shenzhen' (CIRCULATION_PACK) is in force, and so the shipped 'beijing' is" in said
        data = pack(pack="shenzhen", valid_from="2020-01-01")
        Sender(topics).send(
            [orjson.dumps(event("rulepack.published", "shenzhen", "2025-01-01", **data)), *map(orjson.dumps, SOME)]
        )
        wait("it is in force", lambda: not doubts(worker.wait_ready()))

"""`circulation rejected` on a real Kafka: what was rejected is found, and sent again once its cause is mended."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from running import ROOT, received

from circulation.admission.admission import Admission
from circulation.admission.sources import Sources
from circulation.examples import asset, used
from streams.cli.main import cli
from streams.intake import Refused, rejected
from streams.store.store import Store
from streams.topics import ASSETS, CONTRACTS, REJECTED, TOPICS_IN
from streams.wire.emit import CLOUDEVENT

BATCH = [("content-type", b"application/cloudevents-batch+json")]


@pytest.fixture
def circulation(topics, tmp_path):
    def run(*words, **settings):
        environ = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
        environ |= {"CIRCULATION_KAFKA": topics, "CIRCULATION_STORE": f"sqlite:///{tmp_path}/none.db"}
        environ |= {f"CIRCULATION_{name}": str(value) for name, value in settings.items()}
        return CliRunner(env=environ).invoke(cli, ["rejected", *map(str, words)])

    return run


def test_what_was_rejected_is_listed_shown_and_sent_again(circulation, topics, tmp_path):
    good, other = used("c-1", "2025-01-02", id="u-1"), asset("a-1", "2025-01-01")
    broken = used("c-1", "2025-01-03", id="u-2")
    broken["data"]["uses"] = -1
    inside = used("c-1", "2025-01-04", id="u-3")
    batch = orjson.dumps([good, inside])
    sources = tmp_path / "sources.yaml"
    sources.write_text("//other.example: {types: ['*']}\n")
    refusing = Admission(Sources.parse(sources.read_bytes()))

    def everything():
        return Counter((one.key(), one.value()) for topic in TOPICS_IN for one in received(topics, topic))

    # As workers do: what they reject goes to circulation.rejected with its place.
    sender = Producer({"bootstrap.servers": topics, "partitioner": "murmur2_random", "log_level": 0})
    placed = []

    def send(topic, value, key, headers):
        sender.produce(topic, value, key, headers=list(headers), on_delivery=lambda _, record: placed.append(record))
        assert 0 == sender.flush(60)
        return placed[-1]

    for value, topic, key, headers in (
        (orjson.dumps(good), CONTRACTS, b"c-1", CLOUDEVENT),
        (orjson.dumps(other), ASSETS, b"a-1", CLOUDEVENT),
        (orjson.dumps(broken), CONTRACTS, b"c-1", CLOUDEVENT),
        (batch, CONTRACTS, b"c-1", BATCH),
    ):
        at = send(topic, value, key, headers)
        answers = refusing.admit(value, topic=topic, key=key, headers=headers, now=2**60)
        # Of the batch only the second element: the first was sent by itself, too.
        answer = answers[1] if isinstance(answers, list) else answers
        message = rejected(Refused(1, answer, (topic, at.partition(), at.offset())))
        send(REJECTED, message.value, message.key, [(name, text.encode()) for name, text in message.headers])

    listed = circulation("list", "--json")
    assert 0 == listed.exit_code, listed.output
    rows = json.loads(listed.stdout)
    assert ["not-authorised"] * 4 == [one["reason"] for one in rows]
    assert {"//exchange.example"} == {one["source"] for one in rows}
    assert [None, None, None, 1] == sorted((one["index"] for one in rows), key=lambda one: one or 0)
    assert 1 == len(json.loads(circulation("list", "--json", "--limit", "1").stdout))
    assert [] == json.loads(circulation("list", "--json", "--reason", "not-json").stdout)
    assert [] == json.loads(circulation("list", "--json", "--source", "//nobody.example").stdout)
    assert [] == json.loads(circulation("list", "--json", "--until", "2020-01-01").stdout)
    assert 4 == len(json.loads(circulation("list", "--json", "--since", "2020-01-01").stdout))

    of_asset = next(one for one in rows if one["topic"] == ASSETS)
    assert orjson.dumps(other) == circulation("show", of_asset["rejected"], "--raw").stdout_bytes
    assert "$.source: '//exchange.example' may not report" in circulation("show", of_asset["rejected"]).stdout
    assert 1 == circulation("show", "0@999").exit_code
    assert 2 == circulation("show", "0-999").exit_code
    assert 2 == circulation("send-again").exit_code

    # As long as the cause is there, nothing is sent.
    still = circulation("send-again", "--reason", "not-authorised", SOURCES=sources)
    assert 1 == still.exit_code
    assert 4 == still.stderr.count("not sent: ")
    assert "0 sent again" in still.stdout

    sources.write_text("//exchange.example: {types: ['*']}\n")
    before = everything()
    again = circulation("send-again", "--source", "//exchange.example", SOURCES=sources)
    assert 1 == again.exit_code, "one of them is wrong in itself"
    assert "invalid-data: $.data.uses" in again.stderr
    assert "3 sent again, 1 would be rejected again and were not sent" in again.stdout
    new = everything() - before
    expected = (("c-1", good), ("a-1", other), ("c-1", inside))
    assert Counter((key.encode(), orjson.dumps(one)) for key, one in expected) == new


# The command, killed at the moment when Kafka has all that it sent.
KILLED = """
import os, signal
from streams.wire import emit
send = emit.send_records
def send_and_die(*records):
    send(*records)
    os.kill(os.getpid(), signal.SIGKILL)
emit.send_records = send_and_die
from streams.cli.main import cli
cli()
"""


def test_who_sent_again_is_noted_though_the_command_is_killed_once_all_was_sent(topics, tmp_path):
    store = Store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    good = orjson.dumps(asset("a-1", "2025-01-01"))
    rejection = Admission(Sources.parse(b"//other.example: {types: ['*']}")).admit(
        good, topic=ASSETS, key=b"a-1", headers=CLOUDEVENT, now=2**60
    )
    message = rejected(Refused(1, rejection, (ASSETS, 0, 1_000)))
    sender = Producer({"bootstrap.servers": topics, "log_level": 0})
    headers = [(name, text.encode()) for name, text in message.headers]
    sender.produce(REJECTED, message.value, message.key, partition=0, headers=headers)
    assert 0 == sender.flush(60)
    (name,) = (f"{one.partition()}@{one.offset()}" for one in received(topics, REJECTED))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CIRCULATION_")}
    environ |= {"CIRCULATION_KAFKA": topics, "CIRCULATION_STORE": f"sqlite:///{tmp_path}/store.db"}
    words = ["rejected", "send-again", "--reason", "not-authorised"]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *words], env=environ, cwd=ROOT, capture_output=True, timeout=120
    )
    assert -signal.SIGKILL == ended.returncode, ended.stderr
    assert [good] == [one.value() for topic in TOPICS_IN for one in received(topics, topic)]
    with store.reading() as db:
        ((arguments,),) = db.rows("select arguments from looks")
    assert name in orjson.loads(arguments)

"""The life of a case on a real Kafka: found, opened, ordered by an official, echoed, closed."""

import orjson
from click.testing import CliRunner
from running import Sender, Worker, received, wait_drained

from circulation.docket import docket_id
from circulation.examples import signed, terms, used
from streams.cli.main import cli
from streams.store.store import Store
from streams.topics import CASES, JOURNAL

CASE = docket_id("usage-limit", "contract", "c") + "-1"


def lives(bootstrap, topic=CASES):
    """What was told of the case, in the order in which it left: id, type, state."""
    told = [(record.key(), orjson.loads(record.value())) for record in received(bootstrap, topic)]
    assert all(key == event["subject"].encode() for key, event in told)
    cases = [event for _, event in told if event["type"].startswith("circulation.case.")]
    return [(event["id"], event["type"], event["data"]["state"]) for event in cases if event["subject"] == CASE]


def test_a_case_is_opened_ordered_echoed_and_closed(topics, postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCULATION_KAFKA", topics)
    store = Store(postgres_url)
    uses = [used("c", f"2025-01-0{day}", count, id=f"u{day}") for day, count in ((2, 96), (3, 10))]

    def open_findings():
        with store.reading() as db:
            query = "select severity from open_findings where detector = 'usage-limit' order by severity"
            return [row[0] for row in db.rows(query)]

    def order(*words):
        result = CliRunner().invoke(cli, ["case", *words, "--by", "an official"], prog_name="circulation")
        assert result.exit_code == 0, result.output

    # A case may be acknowledged before it is there.
    order("acknowledge", CASE)
    with Worker(topics, postgres_url, tmp_path, "one") as one, Worker(topics, postgres_url, tmp_path, "two") as two:
        one.wait_ready()
        two.wait_ready()
        wait_drained(topics, postgres_url)
        assert lives(topics) == []
        Sender(topics).send(map(orjson.dumps, [signed("c", "2025-01-01", terms=terms(uses_max=100)), *uses]))
        wait_drained(topics, postgres_url)
        found = [
            (f"{CASE}.1", "circulation.case.opened", "opened"),
            (f"{CASE}.2", "circulation.case.acknowledged", "acknowledged"),
            (f"{CASE}.3", "circulation.case.escalated", "acknowledged"),
        ]
        assert lives(topics) == found
        assert open_findings() == ["orange", "yellow"]

        order("close", CASE, "--note", "the buyer paid for more")
        wait_drained(topics, postgres_url)
        found.append((f"{CASE}.4", "circulation.case.closed", "closed"))
        assert lives(topics) == found == lives(topics, JOURNAL)
        assert open_findings() == []
    store.close()

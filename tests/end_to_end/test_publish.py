"""`circulation rules publish` on a real Kafka: what it says is what the workers do."""

import json

import orjson
import pytest
from click.testing import CliRunner
from running import Sender, Worker, received, truth, wait_drained

from circulation.admission.envelope import PACKED
from circulation.admission.records import LARGE_BYTES_MAX
from circulation.examples import asset, entry, listed, pack
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.facts.rulebook import RULES

# Entries that name ids, with long titles: together more than an event may have.
ENTRIES, TITLE = 9_000, "重要数据" * 200


@pytest.fixture
def circulation(topics):
    def run(store, *words, **settings):
        settings = {"KAFKA": topics, "STORE": store, "CLOCK": "events", **settings}
        environ = {f"CIRCULATION_{name}": str(value) for name, value in settings.items()}
        return CliRunner().invoke(cli, ["rules", "publish", *map(str, words)], env=environ)

    return run


def test_a_pack_of_more_than_16_mib_is_in_force_on_every_worker_when_publish_ends(
    circulation, topics, postgres_url, tmp_path
):
    entries = (entry(f"e-{n}", match={"assets": [f"asset-{n}"]}, title=f"{n} {TITLE}") for n in range(ENTRIES))
    long = pack(*entries, valid_from="2024-01-01")
    path = tmp_path / "long.yaml"
    path.write_bytes(orjson.dumps(long))
    assert path.stat().st_size > LARGE_BYTES_MAX
    with (
        Worker(topics, postgres_url, tmp_path, "one") as one,
        Worker(topics, postgres_url, tmp_path, "two") as two,
    ):
        for worker in (one, two):
            worker.wait_ready()
        done = circulation(postgres_url, path)
        assert 0 == done.exit_code, done.output
        assert "admitted by all 2 workers of this store; in force from 2024-01-01" in done.stdout
        assert parse_pack(long, published=True).digest in done.stdout
        Sender(topics).send(map(orjson.dumps, [asset("asset-7999", "2025-01-01"), listed("asset-7999", "2025-01-02")]))
        wait_drained(topics, postgres_url)
        found = [one for one in truth(postgres_url).findings.values() if one["detector"] == "negative-list"]
        assert ["e-7999"] == [finding["evidence"]["entry"] for finding in found]
        assert [PACKED] == [orjson.loads(one.value())["datacontenttype"] for one in received(topics, RULES)]

    alone = circulation(postgres_url, path, "--version", "2")
    assert 3 == alone.exit_code, alone.output
    assert "no worker of this store lives" in alone.stderr


def test_publish_tells_why_the_workers_rejected_a_pack(circulation, topics, tmp_path):
    store = f"sqlite:///{tmp_path}/store.db"
    path, sources = tmp_path / "pack.yaml", tmp_path / "sources.yaml"
    path.write_text(json.dumps(pack(entry("a"))))
    sources.write_text("//exchange.example: {types: ['*']}\n")
    with Worker(topics, store, tmp_path, sources=str(sources)) as worker:
        worker.wait_ready()
        refused = circulation(store, path)
        assert 1 == refused.exit_code, refused.output
        assert (
            "rejected by the workers: not-authorised: $.source: '/circulation/officials' may not report"
            in refused.stderr
        )
        # With the same settings as the workers it is not even sent.
        unsent = circulation(store, path, "--version", "2", SOURCES=sources)
        assert 2 == unsent.exit_code
        assert "published" not in unsent.stdout
        assert "CIRCULATION_SOURCES must allow circulation.rulepack.published" in unsent.stderr

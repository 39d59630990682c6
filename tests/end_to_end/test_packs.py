"""Packs take effect on every worker, as a whole or not at all, while they run."""

import json

import orjson
from click.testing import CliRunner
from running import Sender, Worker, received, truth, wait, wait_drained

import detectors
from circulation.admission.admission import Admission
from circulation.events.names import ASSETS
from circulation.examples import asset, entry, event, listed, pack, signed, terms, used
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.facts.rulebook import RULES
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from streams.topics import REJECTED
from tests.modes import only


def published(version, *entries, since="2024-01-01", **members):
    data = pack(*entries, version=version, valid_from=since, **members)
    return event("rulepack.published", "beijing", "2024-01-01", id=version, **data)


def digest(said):
    return parse_pack(said["data"], published=True).digest


def test_a_pack_takes_effect_on_two_running_workers_and_an_invalid_one_not_at_all(topics, postgres_url, tmp_path):
    sender = Sender(topics)

    def send(*events):
        sender.send(map(orjson.dumps, events))

    def runs(worker, wanted):
        lines = [line for line in worker.metric("circulation_pack_info") if line.endswith(" 1.0")]
        return len(lines) == 1 and f'digest="{wanted}"' in lines[0]

    def entries_found():
        standing = truth(postgres_url).findings.values()
        return sorted(
            (one["about"]["id"], one["evidence"]["entry"], one["rulepack"]["version"])
            for one in standing
            if one["detector"] == "negative-list"
        )

    with (
        Worker(topics, postgres_url, tmp_path, "one") as one,
        Worker(topics, postgres_url, tmp_path, "two") as two,
    ):
        for worker in (one, two):
            worker.wait_ready()
        send(
            *(asset(f"asset-{number}", "2025-01-01", tags=["secret"]) for number in range(8)),
            *(listed(f"asset-{number}", "2025-01-02") for number in range(8)),
        )
        wait_drained(topics, postgres_url)
        assert [] == entries_found()

        first = published("1", entry("secret"))
        send(first)
        for worker in (one, two):
            wait("the pack runs", lambda worker=worker: runs(worker, digest(first)))
        wait_drained(topics, postgres_url)
        assert [(f"asset-{number}", "secret", "1") for number in range(8)] == entries_found()

        # One entry of two is wrong: nothing of the pack counts.
        invalid = published("2", entry("road", match={"fields": ["road"]}), entry("none", disposition="perhaps"))
        send(invalid)
        alone = published("3", entry("road"), approved_by=["one"], detectors={"negative-list": {"mode": "enforce"}})
        send(alone)
        wait_drained(topics, postgres_url)
        # They bear no key, so they may lie on any partition.
        refused = {one.value(): dict(one.headers()) for one in received(topics, REJECTED)}
        assert {orjson.dumps(invalid), orjson.dumps(alone)} == set(refused)
        assert {b"invalid-data"} == {headers["reason"] for headers in refused.values()}
        assert b"disposition" in refused[orjson.dumps(invalid)]["detail"]
        assert b"approved_by" in refused[orjson.dumps(alone)]["detail"]
        assert all(runs(worker, digest(first)) for worker in (one, two))
        assert [(f"asset-{number}", "secret", "1") for number in range(8)] == entries_found()

        # The next good one replaces the first on both, for uses too.
        second = published(
            "4",
            entry("road", match={"fields": ["road"]}),
            since="2025-01-02",
            detectors={"usage-limit": {"mode": "off"}},
        )
        send(second)
        for worker in (one, two):
            wait("the pack runs", lambda worker=worker: runs(worker, digest(second)))
        for number in range(16):
            send(
                signed(f"contract-{number}", "2025-01-03", terms=terms(uses_max=1), asset=f"asset-{number % 8}"),
                used(f"contract-{number}", "2025-01-04", 5),
            )
        wait_drained(topics, postgres_url)
        found = entries_found()
        assert {("road", "4")} == {(entry_, version) for _, entry_, version in found}
        # The listings, judged anew; the contracts; and what was listed when the entry took effect.
        assert 8 + 16 + 8 == len(found)
        assert [] == [one for one in truth(postgres_url).findings.values() if one["detector"] == "usage-limit"]
        assert one.ready()[1]["pack"] == two.ready()[1]["pack"] == digest(second)


def test_a_rule_that_fires_on_everything_is_held_and_the_older_pack_comes_back_on_every_worker(
    topics, postgres_url, tmp_path
):
    sender = Sender(topics)
    files = {
        "good": only("negative-list", entries=[entry("secret")], valid_from="2025-01-01"),
        # Somebody meant another tag, and left the match empty.
        "bad": only("negative-list", entries=[entry("secret", match={})], version="2", valid_from="2025-01-01"),
    }
    for name, data in files.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(data))  # which is YAML

    def circulation(*words, **settings):
        settings = {"KAFKA": topics, "STORE": postgres_url, "CLOCK": "events", **settings}
        environ = {f"CIRCULATION_{name}": value for name, value in settings.items()}
        done = CliRunner().invoke(cli, [str(word) for word in words], env=environ)
        assert 0 == done.exit_code, done.output
        return done

    def found():
        standing = truth(postgres_url).findings.values()
        return sorted((one["about"]["id"], one["rulepack"]["version"]) for one in standing)

    def runs(worker, version):
        lines = [line for line in worker.metric("circulation_pack_info") if line.endswith(" 1.0")]
        return len(lines) == 1 and f'version="{version}"' in lines[0] and worker.ready()[1]["pack"] in lines[0]

    def held(worker):
        lines = worker.metric("circulation_rule_breaker")
        assert len(detectors.RULES) == len(lines)
        return [line for line in lines if line.endswith(" 1.0")]

    limits = {"breaker_looks_min": "20", "breaker_percent": "20", "breaker_seconds": "3600"}
    with (
        Worker(topics, postgres_url, tmp_path, "one", **limits) as one,
        Worker(topics, postgres_url, tmp_path, "two", **limits) as two,
    ):
        both = (one, two)
        for worker in both:
            worker.wait_ready()
        circulation("rules", "publish", tmp_path / "good.yaml")
        for worker in both:
            wait("the pack runs", lambda worker=worker: runs(worker, "1"))
        secret = [f"asset-{number:02}" for number in range(3)]
        assets = [f"asset-{number:02}" for number in range(60)]
        sender.send(
            orjson.dumps(one)
            for name in assets
            for one in (asset(name, "2025-01-01", tags=["secret"] * (name in secret)), listed(name, "2025-02-01"))
        )
        sender.flush()
        wait_drained(topics, postgres_url)
        assert [(name, "1") for name in secret] == found()
        assert [] == [line for worker in both for line in held(worker)]

        # A backtest says it before, and changes nothing.
        before = truth(postgres_url)
        said = circulation("rules", "backtest", tmp_path / "bad.yaml", BREAKER_LOOKS_MIN="20", BREAKER_PERCENT="20")
        assert "negative-list would newly fire on 95% of 60 that it looks at" in said.stderr
        assert before == truth(postgres_url)

        circulation("rules", "publish", tmp_path / "bad.yaml")
        for worker in both:
            wait("the pack runs", lambda worker=worker: runs(worker, "2"))
        wait_drained(topics, postgres_url)
        # What is found is found, held or not.
        assert [(name, "2") for name in assets] == found()
        wait("a worker holds the rule", lambda: any(map(held, both)))
        warnings = [text for worker in both for text in worker.ready()[1]["warnings"] if "alerts are held" in text]
        assert warnings
        assert all(text.startswith("negative-list fires on ") for text in warnings)
        assert all(200 == worker.ready()[0] for worker in both)

        # Published again as it is, it is a duplicate; as a new version it is in force again.
        circulation("rules", "publish", tmp_path / "good.yaml", "--version", "3")
        for worker in both:
            wait("the pack runs", lambda worker=worker: runs(worker, "3"))
        wait_drained(topics, postgres_url)
        assert [(name, "3") for name in secret] == found()
        live = truth(postgres_url).findings

    # Offline the same packs, as they were sent, give the same.
    sent = [record.value() for topic in (RULES, ASSETS) for record in received(topics, topic)]
    store = Store("sqlite://")
    Replay(offline(store, None), Admission()).run(sent)
    assert truth(store).findings == live

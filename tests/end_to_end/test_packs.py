"""Packs take effect on every worker, as a whole or not at all, while they run."""

import orjson
from running import Sender, Worker, received, truth, wait, wait_drained

from circulation.cases import asset, entry, event, listed, pack, signed, terms, used
from circulation.rulepack import parse_pack
from streams.topics import REJECTED


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

"""All real files through a real Kafka and a worker: the same is true as after a replay."""

from pathlib import Path

from real_input import (
    ASKED,
    Change,
    catalogue,
    catalogue_story,
    conformance_samples,
    derivations,
    edges,
    entry_of,
    files_of_runs,
    history,
    last_state,
    runs_apart,
    runs_of,
    stalls,
    wire,
)
from running import Sender, Worker, differences, received, replayed, sent_findings, truth, wait_drained

from circulation.examples import Json, event, pack, party
from streams.store.store import Store
from streams.topics import PARTIES, REJECTED

PUBLISHED = "2026-08-01"
LISTED_AFTER = "2026-09-01"


def published(changes: list[Change]) -> Json:
    """The market's list as a version of the pack that is run, from after the catalogue's listings on."""
    members = pack(*map(entry_of, last_state(changes)), version="market", valid_from=PUBLISHED)
    return event("rulepack.published", "beijing", PUBLISHED, **members)


def test_all_real_input_at_once_is_found_as_in_a_replay(test_data: Path, topics: str, tmp_path: Path) -> None:
    changes = history(test_data)
    offers = stalls(changes)
    codes = (test_data / "identifiers" / "uscc.txt").read_text().split()
    runs = [one for file in files_of_runs(test_data) for one in (*runs_apart(file), *runs_of(file))]
    lines = wire(
        [
            published(changes),
            *(party(one) for one in codes),
            *runs,
            *catalogue_story(catalogue(test_data)),
            *(one.registered() for one in offers),
            *(one.listed(LISTED_AFTER) for one in offers),
            # Events of other worlds: good CloudEvents, and none of ours.
            *(ASKED | attributes | {"data": {"said": data}} for attributes, data in conformance_samples(test_data)),
        ]
    )
    url = f"sqlite:///{tmp_path}/circulation.db"
    with Worker(topics, url, tmp_path) as worker:
        worker.wait_ready()
        Sender(topics).send(lines)
        wait_drained(topics, url)
    found = truth(url)

    expected = replayed(lines)
    assert [] == differences(expected.truth, found)
    rejected = sorted((dict(one.headers())["reason"].decode(), one.value()) for one in received(topics, REJECTED))
    assert sorted((one["reason"], one["record"].encode()) for one in expected.rejected) == rejected
    assert {"unknown-type"} == {reason for reason, _ in rejected}
    assert (found.findings, []) == sent_findings(topics)
    parties = {subject for topic, subject, type_, *_ in found.events if topic == PARTIES}
    assert set(codes) <= parties
    assert edges(runs) == derivations(Store(url))
    judged = [one for one in found.findings.values() if one["detector"] == "negative-list"]
    assert {"match", "needs-info"} == {one["evidence"]["verdict"] for one in judged}

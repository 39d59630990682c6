"""Kinds of acts of lineage: derivations, and runs of OpenLineage."""

from typing import Final

from benchmarks.kinds.events import ASSET, at, graded, party_id, registered_again
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.examples import Json


def _running(i: int, *, read: str, written: str) -> Json:
    """Events of an OpenLineage run that never ends."""
    return {
        "eventTime": at(i),
        "eventType": "RUNNING",
        "run": {"runId": "run"},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [{"namespace": "lake", "name": read}],
        "outputs": [{"namespace": "lake", "name": written}],
        "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


KINDS: Final = (
    Kind("derivations into one output", lambda i: examples.derived("asset", at(i), f"input-{i}"), [ASSET]),
    Kind(
        "derivations into one output, each from an input that is graded above it",
        lambda i: [
            examples.asset(f"input-{i}", at(i - 0.5), owner=party_id(i), level="important"),
            examples.derived("asset", at(i), f"input-{i}"),
        ],
        [ASSET],
    ),
    Kind(
        "derivations into one output, an input of it graded between",
        lambda i: [
            examples.event(
                "asset.graded",
                "input",
                at(i - 0.5),
                level=("general", "important")[i % 2],
                personal="none",
                reason="review",
            ),
            examples.derived("asset", at(i), f"input-{i}"),
        ],
        [ASSET, examples.asset("input", "2025-01-02"), examples.derived("asset", "2025-01-03", "input")],
    ),
    Kind(
        "derivations into one output, it is registered between",
        lambda i: [examples.derived("asset", at(i), f"input-{i}"), registered_again(i + 0.5)],
        [ASSET],
    ),
    Kind(
        "derivations into one output, approved gradings of it between",
        lambda i: [examples.derived("asset", at(i), f"input-{i}"), graded(i, approved_by="an office")],
        [ASSET],
    ),
    Kind(
        "derivations, each from the output before",
        lambda i: examples.derived(f"asset-{i + 1}", at(i), f"asset-{i}"),
    ),
    Kind("derivations from one input", lambda i: examples.derived(f"output-{i}", at(i), "asset"), [ASSET]),
    Kind("a run that reads one more each time", lambda i: _running(i, read=f"input-{i}", written="output")),
    Kind("a run that writes one more each time", lambda i: _running(i, read="input", written=f"output-{i}")),
    Kind(
        "a run that reads and writes one more each time",
        lambda i: _running(i, read=f"input-{i}", written=f"output-{i}"),
        anew="all outputs are made of all inputs, so that one more input has all of them judged again",
    ),
)

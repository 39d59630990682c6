"""Runs to which an event adds names and nothing else: what it derives is found without all that the run said before."""

from typing import Final

import msgspec

from circulation.events.event import Event
from circulation.lineage import run_node
from circulation.openlineage.runs import ALL, ENDS, NEVER, Run, key_of, tells

_FACETS: Final = ("listed", "columns", "whole", "fields", "aliases", "renamed", "changes")


class Plain(msgspec.Struct, frozen=True):
    """A run that derives, each of its outputs from all of its inputs, as far as it has got.

    Steps lead through its node; there is none where it has one `output`, or one `input` for several outputs.
    """

    key: str
    parents: frozenset[str]
    streaming: bool
    output: str = ""
    input: str = ""

    @property
    def node(self) -> str:
        """The node between its outputs and its inputs."""
        return run_node(self.key, ALL)

    def reads(self, event: Event) -> set[str]:
        """The inputs that an event may add."""
        return {*event.data.inputs} - {self.input}

    def writes(self, event: Event) -> set[str]:
        """The outputs that an event may add."""
        return {*event.data.outputs} - {self.output}

    def takes(self, event: Event) -> bool:
        """Whether a later event adds names at most, and is one with which the run may derive."""
        data = event.data
        return (
            data.event_type not in ENDS
            and key_of(event) == self.key
            and tells(event, streaming=self.streaming)
            and data.streaming <= self.streaming
            and (data.parent is None or data.parent in self.parents)
            and not _has_facets(event)
        )

    def steps(self, inputs: set[str], outputs: set[str]) -> set[tuple[str, str]] | None:
        """The steps that new inputs and outputs make: (output, input); None where there is a node from then on."""
        if self.output:
            return None if outputs or self.output in inputs else {(self.output, input_) for input_ in inputs}
        if self.input:
            return None if inputs or self.input in outputs else {(output, self.input) for output in outputs}
        return {(self.node, input_) for input_ in inputs} | {(output, self.node) for output in outputs}


def plain_of(runs: list[Run]) -> Plain | None:
    """The runs of a subject, where it is plain."""
    if len(runs) != 1:
        return None
    (run,) = runs
    if run.kind != "run" or run.derives == NEVER or run.reads or any(map(_has_facets, run.events)):
        return None
    if not tells(run.events[-1], streaming=run.streaming) or len(run.inputs) == len(run.outputs) == 2:
        return None
    output, input_ = ("", "")
    if len(run.outputs) == 1:
        (output,) = run.outputs
    elif len(run.inputs) == 1:
        (input_,) = run.inputs
    return Plain(run.key, frozenset(run.parents), run.streaming, output, input_)


def _has_facets(event: Event) -> bool:
    return any(getattr(event.data, name) for name in _FACETS)

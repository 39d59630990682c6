"""What a plant yields: events before they have their place in the file, and findings that must be there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from circulation.calendar import format_instant
from circulation.events.names import OPENLINEAGE_RUN


class Told(NamedTuple):
    """An event before it has its place in the file. `arrives` is when it comes, where that is not left to chance; its
    source counts it under `epoch`."""

    time: int
    type: str
    subject: str
    id: str
    source: str
    data: dict[str, Any]
    reporter: str | None = None
    arrives: int | None = None
    lost: bool = False
    epoch: int = 0

    def late(self, by: int) -> "Told":
        """The same event, which comes so much later than it happened."""
        return self._replace(arrives=self.time + by)


class Must(NamedTuple):
    """A finding that must be there, and why. `more` are other members of its `data` that the plan knows."""

    detector: str
    severity: str
    kind: str
    id: str
    why: str
    more: Mapping[str, Any]

    def members(self) -> dict[str, Any]:
        """As a line of the list."""
        about = {"kind": self.kind, "id": self.id}
        return {"detector": self.detector, "severity": self.severity, "about": about, **self.more, "why": self.why}


def line_of(event: Told, number: int | None) -> bytes:
    """The event as a line of a file, without its end."""
    if event.type == OPENLINEAGE_RUN:
        return orjson.dumps(
            {
                "eventType": event.id,
                "eventTime": format_instant(event.time),
                "run": {"runId": event.subject},
                "job": {"namespace": event.source, "name": "job"},
                "producer": event.source,
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                **event.data,
            }
        )
    members: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": f"circulation.{event.type}",
        "subject": event.subject,
        "time": format_instant(event.time),
    }
    if event.reporter is not None:
        members["reporter"] = event.reporter
    if number is not None:
        members |= {"sequence": str(number), "sequencetype": "Integer"}
    if event.epoch:
        members["sequenceepoch"] = str(event.epoch)
    members["data"] = event.data
    return orjson.dumps(members)

"""The three kinds of OpenLineage events, told apart and read into what is kept of them."""

import hashlib
import json
from typing import Any, Final, Literal, NamedTuple

from circulation.calendar import parse_instant
from circulation.identifiers import ID_LENGTH_MAX, Fault, check_id
from circulation.openlineage import facets
from circulation.openlineage.facets import dataset_of, object_of, text_of

TIME_LENGTH_MAX: Final = 64
# Longer whole numbers are none that anybody counts with; some take seconds to read.
DIGITS_MAX: Final = 400
_DIGEST_BYTES: Final = 16

Kind = Literal["run", "job", "dataset"]


class NotOpenLineage(ValueError):
    """The fault of an event whose run, job or dataset cannot be told."""


class Identity(NamedTuple):
    """The identity of an event: the part that is like a CloudEvent's envelope.

    `subject` is the run's id, or the name of the job or the dataset; `id` says what happened and when. `producer` is
    None where the event names none, as dbt's files do.
    """

    kind: Kind
    subject: str
    id: str
    producer: str | None
    time: int


def lenient(record: bytes) -> Any:
    """The JSON of an event as producers write it that know nothing of JSON's numbers: NaN and Infinity are null.

    Raises `ValueError`.
    """
    return json.loads(
        record.decode(),
        parse_constant=lambda _: None,
        parse_int=lambda digits: int(digits) if len(digits) <= DIGITS_MAX else None,
    )


def identity_of(document: Any) -> Identity:
    """Tell the three kinds apart, by their members, and read the identity. Raises `NotOpenLineage`."""
    if not isinstance(document, dict):
        raise NotOpenLineage("$: expected an OpenLineage event, an object")
    producer = document.get("producer")
    if producer is not None and (not isinstance(producer, str) or not producer):
        raise NotOpenLineage("$.producer: expected a text that is not empty")
    kind: Kind = "run"
    if document.get("run") is None:
        if document.get("dataset") is not None:
            kind = "dataset"
        elif document.get("job") is not None:
            kind = "job"
    if kind == "run":
        run = object_of(document.get("run")).get("runId")
        if not isinstance(run, str) or not run:
            raise NotOpenLineage("$.run.runId: expected a text that is not empty")
        subject, event_type = run, document.get("eventType") or ""
    elif kind == "job":
        subject, event_type = _subject("/".join(_job(document.get("job")) or ())), "JOB"
    else:
        subject, event_type = _subject(dataset_of(document.get("dataset")) or ""), "DATASET"
    if not subject:
        raise NotOpenLineage(f"$.{kind}: expected `namespace` and `name`")
    text, time = _time(document.get("eventTime"))
    return Identity(kind, subject, f"{event_type}@{text}", producer, time)


def data_of(document: dict[str, Any], identity: Identity) -> tuple[dict[str, Any], Fault | None]:
    """The data as `circulation.events.assets.Run` has it, and the first thing that is wrong with it."""
    faults: list[Fault] = []
    contents: facets.Said = {name: {} for name in facets.SAID}
    data: dict[str, Any] = {"kind": identity.kind, "event_type": document.get("eventType")}
    if identity.kind == "run":
        data["run"] = identity.subject
        run_facets = object_of(object_of(document.get("run")).get("facets"))
        data["parent"], data["parent_job"] = facets.parent_of(run_facets)
        facets.of_job(run_facets, contents)
    if identity.kind == "dataset":
        data["outputs"] = [_dataset(document.get("dataset"), contents, written=True)]
    else:
        job_facets = object_of(object_of(document.get("job")).get("facets"))
        data["streaming"] = facets.is_streaming(job_facets) or None
        facets.of_job(job_facets, contents)
        for member in ("inputs", "outputs"):
            data[member] = _datasets(document, member, contents, faults)
        job = _job(document.get("job"))
        if job is None:
            faults.append(Fault("$.job", "expected `namespace` and `name`"))
        else:
            data["job_namespace"], data["job_name"] = job
    data |= {name: values for name, values in contents.items() if values}
    return data, faults[0] if faults else None


def _job(thing: Any) -> tuple[str, str] | None:
    thing = object_of(thing)
    namespace, name = text_of(thing.get("namespace")), text_of(thing.get("name"))
    return (namespace, name) if namespace and name else None


def _subject(name: str) -> str:
    """The name of a job or a dataset as an id; where it is none, its digest is."""
    if not name or check_id(name) is None:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return "".join(filter(str.isprintable, name))[: ID_LENGTH_MAX - len(digest)] + digest


def _time(text: Any) -> tuple[str, int]:
    if isinstance(text, str) and len("2026-01-01Z") < len(text) <= TIME_LENGTH_MAX:
        for offset in ("", "Z"):  # without an offset it is UTC
            try:
                return text, parse_instant(text + offset)
            except ValueError:
                continue
    raise NotOpenLineage("$.eventTime: expected RFC 3339")


def _datasets(document: dict[str, Any], member: str, contents: facets.Said, faults: list[Fault]) -> list[str]:
    datasets = document.get(member)
    if datasets is None:
        return []
    if not isinstance(datasets, list):
        faults.append(Fault(f"$.{member}", "expected an array of datasets"))
        return []
    names: dict[str, None] = {}
    for index, dataset in enumerate(datasets):
        name = _dataset(dataset, contents, written=member == "outputs")
        if name is None:
            faults.append(Fault(f"$.{member}[{index}]", "expected `namespace` and `name`"))
        else:
            names[name] = None
    return list(names)


def _dataset(thing: Any, contents: facets.Said, *, written: bool) -> str | None:
    name = dataset_of(thing)
    if name is not None:
        facets.of_dataset(name, object_of(thing.get("facets")), contents, written=written)
    return name

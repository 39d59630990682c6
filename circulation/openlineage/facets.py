"""The part of facets that is kept. They are anybody's to extend, so a form that the standard does not have is passed
over, and no facet makes an event inadmissible.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from circulation.identifiers import check_id, check_text
from circulation.openlineage.names import dataset_id

TRANSFORMATIONS_MAX: Final = 16
DATASET, STREAMING, RENAME = "DATASET", "STREAMING", "RENAME"
# Changes of a dataset that end nothing, though they may be said to.
CHANGES: Final = frozenset({"CREATE", "DROP", "OVERWRITE", "TRUNCATE"})

# The contents of facets by dataset: the members of `circulation.events.assets.Run` of the same names.
Said = dict[str, dict[str, Any]]
SAID: Final = ("listed", "columns", "whole", "fields", "aliases", "renamed", "changes", "owners")


def object_of(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """The value where it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    """The value where it is a text that can be kept, else None."""
    if not isinstance(value, str) or check_text(value) is not None:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, as JSON's escapes can write
        return None
    return value


def dataset_of(thing: Any) -> str | None:
    """The id of a dataset that is named by `namespace` and `name`."""
    thing = object_of(thing)
    namespace, name = thing.get("namespace"), thing.get("name")
    if not isinstance(namespace, str) or not namespace or not isinstance(name, str):
        return None
    return dataset_id(namespace, name)


def of_dataset(name: str, facets: dict[str, Any], contents: Said, *, written: bool) -> None:
    """Adds what the facets of a dataset say of it; what it was made of only where it is `written`."""
    aliases = map(dataset_of, list_of(object_of(facets.get("symlinks")).get("identifiers")))
    _add(contents["aliases"], name, (alias for alias in aliases if alias is not None and alias != name))
    change = object_of(facets.get("lifecycleStateChange"))
    kind = change.get("lifecycleStateChange")
    before = dataset_of(change.get("previousIdentifier"))
    if kind == RENAME and before is not None and before != name:
        _add(contents["renamed"], name, [before])
    elif isinstance(kind, str) and kind in CHANGES:
        _add(contents["changes"], name, [kind])
    _add(contents["owners"], name, _texts(object_of(facets.get("ownership")).get("owners")))
    if not written:
        return
    _add(contents["fields"], name, _texts(object_of(facets.get("schema")).get("fields")))
    _lineage(name, object_of(facets.get("lineage")), contents)
    _column_lineage(name, object_of(facets.get("columnLineage")), contents)


def of_job(facets: dict[str, Any], contents: Said) -> None:
    """Adds what the `lineage` facet of a job or a run lists: each dataset with what it was made of."""
    lineage = facets.get("lineage")
    entries = object_of(lineage).get("entries", object_of(lineage).get("lineage", lineage))
    for entry in map(object_of, list_of(entries)):
        name = dataset_of(entry)
        if name is not None and entry.get("type", DATASET) == DATASET:
            _lineage(name, entry, contents)


def is_streaming(facets: dict[str, Any]) -> bool:
    """Whether the `jobType` facet of a job says that it never ends."""
    kind = object_of(facets.get("jobType")).get("processingType")
    return isinstance(kind, str) and kind.upper() == STREAMING


def parent_of(facets: dict[str, Any]) -> tuple[str | None, str | None]:
    """The run that started this one, and its job."""
    parent = object_of(facets.get("parent"))
    run, job = object_of(parent.get("run")).get("runId"), object_of(parent.get("job"))
    if not isinstance(run, str) or check_id(run) is not None:
        return None, None
    texts = [text_of(job.get("namespace")), text_of(job.get("name"))]
    return run, "/".join(filter(None, texts)) if all(texts) else None


def _add(contents: dict[str, Any], name: str, more: Iterable[Any]) -> None:
    """Adds to what is said of a dataset, each thing once."""
    if together := list(dict.fromkeys([*contents.get(name, ()), *more])):
        contents[name] = together


def _texts(things: Any) -> Iterator[str]:
    for thing in list_of(things):
        if name := text_of(object_of(thing).get("name")):
            yield name


def _lineage(name: str, facet: Mapping[str, Any], contents: Said) -> None:
    inputs, fields = facet.get("inputs"), facet.get("fields")
    if not isinstance(inputs, list) and not isinstance(fields, dict):
        return
    listed = list_of(inputs)
    for field in object_of(fields).values():
        listed = [*listed, *list_of(object_of(field).get("inputs"))]
    sources = [dataset_of(dataset) for dataset in listed if object_of(dataset).get("type", DATASET) == DATASET]
    # An empty list says something, too: that it was made of nothing.
    contents["listed"][name] = list(
        dict.fromkeys([*contents["listed"].get(name, ()), *(source for source in sources if source)])
    )


def _column_lineage(name: str, facet: Mapping[str, Any], contents: Said) -> None:
    fields = facet.get("fields")
    if not isinstance(fields, dict) and not isinstance(facet.get("dataset"), list):
        return
    columns = contents["columns"].setdefault(name, {})
    for column, field in object_of(fields).items():
        if (column_name := text_of(column)) is not None:
            inputs = list_of(object_of(field).get("inputFields"))
            columns[column_name] = [*columns.get(column_name, ()), *_columns(inputs, object_of(field))]
    whole = map(dataset_of, list_of(facet.get("dataset")))
    _add(contents["whole"], name, (dataset for dataset in whole if dataset is not None))


def _columns(inputs: Iterable[Any], field: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in map(object_of, inputs):
        if (input_ := dataset_of(entry)) is not None:
            yield {"input": input_, "field": text_of(entry.get("field")) or "", "how": _how(entry, field)}


def _how(entry: Mapping[str, Any], field: Mapping[str, Any]) -> list[str]:
    """The transformations by their names; in older versions of the facet it is one for the whole column."""
    names = []
    for transformation in map(object_of, list_of(entry.get("transformations"))[:TRANSFORMATIONS_MAX]):
        words = [
            transformation.get("type"),
            transformation.get("subtype"),
            "masking" if transformation.get("masking") is True else None,
        ]
        names.append("/".join(word for word in map(text_of, words) if word))
    if not names and (older := text_of(field.get("transformationType"))):
        names.append(older)
    return [word for word in dict.fromkeys(names) if word]

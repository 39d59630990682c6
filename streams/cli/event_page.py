"""The page of `docs/` on events: each type with its topic and subject, and the members of its data as they are read."""

import datetime as dt
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson

from circulation.calendar import Instant
from circulation.events.data import Data
from circulation.events.names import (
    ASSET_GRADED,
    ASSETS,
    CONTRACT_AMENDED,
    CONTRACTS,
    EVENT_RETRACTED,
    OBJECTION_FILED,
    OPENLINEAGE_RUN,
    ORDERS,
    PARTIES,
    REPORTERS,
    RULEPACK_PUBLISHED,
    RULES,
    SOURCE_HEARTBEAT,
    USAGE_CANCELLED,
)
from circulation.events.types import TYPES
from circulation.identifiers import AssetId as Asset
from circulation.identifiers import (
    Count,
    Country,
    Currency,
    DocumentId,
    Fraction,
    Identifier,
    Industry,
    Money,
    Region,
    Text,
)
from circulation.identifiers import Party as PartyId
from circulation.voices import MAY_TAKE_OFFICIAL

# The name of each kind of value in the tables, and its format.
KINDS: Final[dict[Any, tuple[str, str]]] = {
    PartyId: ("party", "a unified social credit code (18 characters of GB 32100-2015), or `scheme:value`"),
    Asset: ("asset", "an id, or a dataset `namespace/name` of up to 1,024 characters"),
    Identifier: ("id", "1 to 128 printable characters"),
    DocumentId: ("document", "an id; an empty one is none"),
    Text: ("text", "anything but U+0000"),
    Country: ("country", "ISO 3166-1, two capital letters"),
    Region: ("region", "GB/T 2260, six digits in a text"),
    Industry: ("industry", "GB/T 4754-2017: a letter A to T, then nothing or two to four digits"),
    Currency: ("currency", "ISO 4217, three capital letters"),
    Money: ("money", 'a decimal in a text, `"12000.50"`: no sign, up to 18 digits before the point and 6 after it'),
    Count: ("count", "a whole number from 0 on, up to 2⁵³ - 1"),
    Fraction: ("fraction", "a number from 0 to 1"),
    Instant: ("instant", "RFC 3339 with an offset, or a date, which is the start of that day at +08:00"),
    dt.date: ("date", "a day, `2025-03-01`"),
    bool: ("boolean", "`true` or `false`"),
}
SUBJECTS: Final = {
    PARTIES: "a party",
    ASSETS: "an asset",
    CONTRACTS: "a contract, by its id",
    ORDERS: "a case, by its id",
    RULES: "a rule pack, by its name",
}
# Notes that the members do not give.
NOTES: Final = {
    SOURCE_HEARTBEAT: "Says only that the source is alive, which is the subject. `data` may be left out.",
    EVENT_RETRACTED: "On the topic, and with the subject, of what is taken back; `event` is its `id`, `type` its type.",
    OBJECTION_FILED: "To one thing: either a `record` or a `finding`.",
    CONTRACT_AMENDED: "States the whole contract anew.",
    USAGE_CANCELLED: "`usage` is the `id` of the event that reported the uses.",
    RULEPACK_PUBLISHED: "The data is a [pack](packs.md); `circulation rules publish` sends it.",
}


def page(generated: str) -> Iterator[str]:
    """The page, line by line; `made` says that it is generated."""
    yield from ("# Events", "", generated, "")
    yield "What may be sent: one CloudEvent a Kafka record or a line of a file. `circulation emit` sends each to its"
    yield "topic, and says of each that would be rejected why; [what is rejected, and what is ignored](envelope.md)."
    yield from ("", "| attribute | is |", "| --- | --- |")
    yield '| `specversion` | `"1.0"` |'
    yield "| `id`, `source` | name the event together: the same again is a duplicate |"
    yield "| `type` | one of those below |"
    yield "| `subject` | what the event is about, and the key of its record |"
    yield "| `time` | when it happened: RFC 3339 with an offset, or a date |"
    yield "| `data` | an object with the members below |"
    yield (
        "| `sequence`, `sequencetype` | may be left out: a number in a text that counts from `1` on what the source"
        " says of the subject, and `Integer`: [so a hole is noticed](envelope.md#numbers-of-a-feed) |"
    )
    yield f"| `reporter` | may be left out: as whom the source speaks, {_kind(typing.Literal[REPORTERS])} |"
    yield ""
    yield from _official()
    yield from ("", "## Values", "", "| kind | is written as |", "| --- | --- |")
    yield from (f"| {name} | {how} |" for name, how in KINDS.values())
    yield ""
    structs: dict[type[msgspec.Struct], None] = {}
    for topic, subject in SUBJECTS.items():
        yield from (f"## {topic}", "", f"The subject is {subject}.", "")
        for name, (home, data) in TYPES.items():
            if home == topic or (home is None and topic == PARTIES):
                yield from _type(name, data, structs)
        if topic == ASSETS:
            yield "Events of OpenLineage come as they are, and are retracted as"
            yield from (f"`{OPENLINEAGE_RUN}`: [lineage](lineage.md).", "")
    yield from ("## Objects in them", "")
    for struct in structs:
        yield from _struct(struct.__name__, struct)


def _official() -> Iterator[str]:
    yield "Taken from officials only ([`CIRCULATION_OFFICIAL_SOURCES`](deploy.md)):"
    yield from (f"`{name}`," for name in TYPES if name in MAY_TAKE_OFFICIAL - {ASSET_GRADED})
    yield f"and `{ASSET_GRADED}` with `approved_by`."


def _type(name: str, data: type[Data] | None, structs: dict[type[msgspec.Struct], None]) -> Iterator[str]:
    yield from (f"### {name}", "")
    if name in NOTES:
        yield from (NOTES[name], "")
    if data is None:
        return
    for hint in typing.get_type_hints(data, include_extras=True).values():
        _gather(hint, structs)
    yield from _members(data)


def _struct(name: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    yield from (f"### {name.lower()}", "", inspect.cleandoc(struct.__doc__ or ""), "")
    yield from _members(struct)


def _members(struct: type[msgspec.Struct]) -> Iterator[str]:
    fields = msgspec.structs.fields(struct)
    if not fields:
        return
    hints = typing.get_type_hints(struct, include_extras=True)
    yield from ("| member | is | |", "| --- | --- | --- |")
    for field in fields:
        if field.required:
            must = "required, or [`policy`](odrl.md) in its place" if field.name == "terms" else "required"
        else:
            must = "" if field.default is None else f"else `{orjson.dumps(field.default).decode()}`"
        yield f"| `{field.name}` | {_kind(hints[field.name])} | {must} |"
    yield ""


def _kind(hint: Any) -> str:
    """The name of a type in a table."""
    if hint in KINDS:
        return KINDS[hint][0]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is typing.Annotated:
        least = hint.__metadata__[0].ge
        return _kind(parts[0]) if least is None else f"a whole number from {least} on"
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(part) for part in parts if part is not type(None))
    name: str = hint.__name__.lower()
    return f"[{name}](#{name})"


def _gather(hint: Any, structs: dict[type[msgspec.Struct], None]) -> None:
    """Adds the structs that a type holds, at any depth, in the order in which they are met."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint not in structs:
        structs[hint] = None
        for inner in typing.get_type_hints(hint, include_extras=True).values():
            _gather(inner, structs)
    for argument in typing.get_args(hint):
        _gather(argument, structs)

"""Reads the data of events (contract §2): JSON objects into structs, and says what is wrong.

Instants come as text and are microseconds once read. Members that no struct names are left out: a monitor keeps
what it judges by, never what it was not asked to look at. One that is a slip away from a known member is a fault, and
so is any inside of a member (`terms`, `windows`, `price`, `inputs`): a slip must not loosen a licence.
"""

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from msgspec import inspect

from circulation.calendar import Instant, parse_instant, shown
from circulation.events.assets import Run
from circulation.events.contracts import ContractAmended, ContractSigned
from circulation.events.names import OPENLINEAGE_RUN
from circulation.events.types import TYPES
from circulation.identifiers import Fault, Problems, Rule
from circulation.near import did_you_mean, meant, named, slips_of
from circulation.odrl.policy import terms_of


class Reading(NamedTuple):
    """An event's data, read: the struct and the canonical JSON of it, or what is wrong.

    `identifiers` are malformed identifiers, wherever they stand; `faults` all other faults; the first ten of each.
    `unknown` counts the members that were left out since nobody knows them.
    """

    data: Any
    raw: bytes
    identifiers: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()
    unknown: int = 0

    @property
    def identifier(self) -> Fault | None:
        """The first malformed identifier."""
        return self.identifiers[0] if self.identifiers else None

    @property
    def fault(self) -> Fault | None:
        """The first of all other faults."""
        return self.faults[0] if self.faults else None


def read(type_name: str, data: dict[str, Any]) -> Reading:
    """Read an event's data, as JSON gave it. Total: what is wrong is in the answer."""
    target = _target(type_name)
    if target is None:
        raw = _canonical(data)
        if b"null" not in raw:  # as of nearly all packs, which are long
            return Reading(data, raw)
        kept = _without_nulls(data)
        return Reading(kept, _canonical(kept))
    problems = Problems()
    if target in (ContractSigned, ContractAmended):
        data = _with_terms(data, problems)
    kept = _walk(_plan(target), data, None, problems)
    if not problems.identifiers and not problems.faults:
        try:
            return Reading(
                msgspec.convert(kept, target, dec_hook=_dec_hook), _canonical(kept), unknown=problems.unknown
            )
        except msgspec.ValidationError:
            pass
    _check_types(target, kept, None, problems)
    return Reading(None, b"", tuple(problems.identifiers), tuple(problems.faults))


def decode_data(type_name: str, raw: bytes) -> Any:
    """The data of an event from its `raw_data`; `msgspec.ValidationError` for what `read` never wrote."""
    return _decoder(type_name).decode(raw)


def _target(type_name: str) -> Any | None:
    return Run if type_name == OPENLINEAGE_RUN else TYPES[type_name][1]


@functools.cache
def _decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_target(type_name) or dict[str, Any], dec_hook=_dec_hook)


def _dec_hook(target: type, value: Any) -> Any:
    if target is Instant and isinstance(value, str):
        return Instant(parse_instant(value))
    raise ValueError(f"Expected `str`, got `{type(value).__name__}`")


def _canonical(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _with_terms(contract: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """A contract's data with `terms`, in whichever of the two forms they are stated. Only terms are kept: what is
    judged is what was admitted, also when the mapping learns more one day."""
    terms, policy = contract.get("terms") is not None, contract.get("policy") is not None
    if terms == policy:
        problems.add("$.data", "exactly one of `terms` and `policy`")
    return contract if terms or not policy else contract | {"terms": terms_of(contract, problems)}


class _Plan(NamedTuple):
    """How to walk over a value of some type: the rule for a text, and what to do with items or members."""

    rule: Rule | None = None
    item: "_Plan | None" = None
    members: "dict[str, _Plan] | None" = None
    # Members that mean something: also those that are read in another way.
    known: frozenset[str] = frozenset()


# Nothing is to be looked at in such a value: its type is left to msgspec.
_PLAIN: Final = _Plan()

# A place in a value: the place that holds it, and the member or item there.
_Place = tuple[Any, str | int]


def _walk(plan: _Plan, value: Any, place: _Place | None, problems: Problems) -> Any:
    """The value without nulls and members that no struct names. msgspec stops at the first fault, and codes have an
    order, so malformed identifiers are looked for here, in all of the data. Types are left to msgspec."""
    if isinstance(value, str):
        if plan.rule is not None and (broken := plan.rule.check(value)) is not None:
            problems.add(_path(place), f"{broken}, got {shown(value)}", identifies=plan.rule.identifies)
        return value
    if plan.members is not None and isinstance(value, dict):
        kept = {
            name: member if of_member is _PLAIN else _walk(of_member, member, (place, name), problems)
            for name, of_member in plan.members.items()
            if (member := value.get(name)) is not None
        }
        if len(kept) < len(value):
            _check_unknown(plan, value, place, problems)
        return kept
    if plan.item is not None and isinstance(value, list):
        return [_walk(plan.item, item, (place, index), problems) for index, item in enumerate(value)]
    return value


def _check_unknown(plan: _Plan, value: Mapping[str, Any], place: _Place | None, problems: Problems) -> None:
    """Find fault with members that are a slip away from an absent one; inside of a member with all that are unknown."""
    absent = frozenset(name for name in plan.known if value.get(name) is None)
    slips = slips_of(absent)
    for name, member in value.items():
        if member is None or name in plan.known or problems.full:
            continue
        if place is not None:
            problems.add(_path((place, named(name))), f"no such member{meant(name, absent)}")
        elif names := slips.of(name):
            problems.add(_path((place, named(name))), f"no such member{did_you_mean(names)}")
        else:
            problems.unknown += 1


def _check_types(target: Any, value: Any, place: _Place | None, problems: Problems) -> None:
    """Find fault with a value of a type, in as many of its members as there are: msgspec stops at the first."""
    before = len(problems.faults)
    structs, items = _parts(target)
    if structs and isinstance(value, dict):
        for field in msgspec.structs.fields(structs[0]):
            member = value.get(field.encode_name)
            if member is not None:
                _check_types(field.type, member, (place, field.encode_name), problems)
            elif field.required:
                problems.add(_path(place), f"Object missing required field `{field.encode_name}`")
    elif items and isinstance(value, list):
        for index, item in enumerate(value):
            if problems.full:
                return
            _check_types(items[0], item, (place, index), problems)
    if len(problems.faults) == before:
        try:
            msgspec.convert(value, target, dec_hook=_dec_hook)
        except msgspec.ValidationError as error:
            rule, _, path = str(error).partition(" - at `$")
            path = _path(place) + path.removesuffix("`")
            kind = _kind(target) if path == _path(place) else ""
            if all(fault.path != path for fault in problems.faults):
                problems.add(path, f"{rule}; this is to be {kind}" if kind else rule)


@functools.cache
def _kind(target: Any) -> str:
    """The kind of value that a type is, in words; empty where there are none."""
    return _kind_of(inspect.type_info(target))


def _kind_of(of: inspect.Type) -> str:
    kinds = (_plain_kind(type_) if rule is None else str(rule.kind) for rule, type_ in _alternatives(of))
    return " or ".join(filter(None, kinds))


def _plain_kind(of: inspect.Type) -> str:
    match of:
        case inspect.CustomType(cls=cls) if cls is Instant:
            return _INSTANT_KIND
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.IntType(ge=least, le=most) if least is not None and most is not None:
            return f"a whole number from {least} to {most}"
        case inspect.FloatType(ge=least, le=most) if least is not None and most is not None:
            return f"a number from {least:g} to {most:g}"
        case inspect.VarTupleType(item_type=item):
            return f"a list, of which each is {kind}" if (kind := _kind_of(item)) else "a list"
    return _KINDS.get(type(of), "")


def _alternatives(of: inspect.Type) -> Iterator[tuple[Rule | None, inspect.Type]]:
    """The types that a value may be of, unwrapped, each with the rule that is stated of it."""
    match of:
        case inspect.Metadata(type=inner, extra=extra) if extra:
            yield extra["rule"], inner
        case inspect.Metadata(type=inner):
            yield from _alternatives(inner)
        case inspect.UnionType(types=members):
            for member in members:
                yield from _alternatives(member)
        case _:
            yield None, of


@functools.cache
def _parts(target: Any) -> tuple[list[Any], list[Any]]:
    """The structs that a value of a type may be, and the types of the items that it may have."""
    origin, parts = typing.get_origin(target), typing.get_args(target)
    if origin is typing.Annotated:
        return _parts(parts[0])
    if origin is tuple:
        return [], [parts[0]]
    if origin in (typing.Union, types.UnionType):
        member_parts = [_parts(part) for part in parts]
        return [type_ for structs, _ in member_parts for type_ in structs], [
            type_ for _, items in member_parts for type_ in items
        ]
    return ([target] if isinstance(target, type) and issubclass(target, msgspec.Struct) else []), []


def _path(place: _Place | None) -> str:
    if place is None:
        return "$.data"
    before, step = place
    return f"{_path(before)}[{step}]" if isinstance(step, int) else f"{_path(before)}.{step}"


def _check_instant(text: str) -> str | None:
    try:
        parse_instant(text)
    except ValueError:
        return "Expected RFC 3339 with an offset, or a date"
    return None


_INSTANT_KIND: Final = "an instant: RFC 3339 with an offset, or a date"
_INSTANT: Final = _Plan(Rule(_check_instant, identifies=False, kind=_INSTANT_KIND))
_KINDS: Final[Mapping[type[inspect.Type], str]] = {
    inspect.StrType: "a text",
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.DateType: "a date: YYYY-MM-DD",
}


@functools.cache
def _plan(struct: Any) -> _Plan:
    return _plan_of(inspect.type_info(struct))


def _plan_of(of: inspect.Type) -> _Plan:
    plans = [
        _plain_plan(type_) if rule is None else _plan_of(type_)._replace(rule=rule) for rule, type_ in _alternatives(of)
    ]
    return _Plan(
        next((plan.rule for plan in plans if plan.rule), None),
        next((plan.item for plan in plans if plan.item), None),
        next((plan.members for plan in plans if plan.members is not None), None),
        next((plan.known for plan in plans if plan.known), frozenset()),
    )


def _plain_plan(of: inspect.Type) -> _Plan:
    match of:
        case inspect.VarTupleType(item_type=item):
            return _Plan(item=_plan_of(item))
        case inspect.StructType(fields=fields):
            members = {field.encode_name: _plan_of(field.type) for field in fields}
            members = {name: _PLAIN if plan == _PLAIN else plan for name, plan in members.items()}
            # Terms may be stated as a policy.
            return _Plan(members=members, known=frozenset({*members, *(["policy"] if "terms" in members else [])}))
        case inspect.CustomType(cls=cls) if cls is Instant:
            return _INSTANT
    return _PLAIN

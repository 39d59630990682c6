"""Remarks on the parameters of detectors: values out of range, in the wrong order, or unlike one another."""

import datetime as dt
import itertools
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, Literal

from circulation.lint.remarks import Level, Remark
from circulation.near import hint
from circulation.packs.pack import DetectorSetting, Pack
from circulation.rules import Parameter, Rule

SATURDAY: Final = 5


def detector_remarks(rule: Rule, setting: DetectorSetting) -> Iterator[Remark]:
    """Remarks on the parameters that a pack gives one detector."""
    path = f"$.detectors.{rule.id}"
    if setting.mode == "off" and setting.parameters:
        names = ", ".join(setting.parameters)
        yield Remark("warning", "no-effect", path, f"is off, so that {names} {_has(setting.parameters)} no effect")
    for name, value in setting.parameters.items():
        for level, kind, text in _value(value, rule.parameters[name]):
            yield Remark(level, kind, f"{path}.{name}", text)
    off, worked = (
        {name for name, parameter in rule.parameters.items() if parameter.days == days} for days in ("off", "worked")
    )
    for free, name in itertools.product(sorted(off), sorted(worked)):
        dates = [
            {day for day in setting.parameters.get(parameter, ()) if isinstance(day, str)} for parameter in (free, name)
        ]
        for day in sorted(dates[0] & dates[1]):
            yield Remark("error", "no-effect", f"{path}.{name}", f"{day} is a day of {free}, too")


def _has(names: Collection[str]) -> str:
    return "has" if len(names) == 1 else "have"


# A remark without its place: level, kind, text.
Unplaced = tuple[Level, str, str]


def _value(value: Any, parameter: Parameter) -> Iterator[Unplaced]:
    """Remarks on one parameter by itself: it is of the type of its default, and may yet be no sense."""
    default = parameter.default
    if type(default) in (int, float):
        if value < 0:
            yield "error", "out-of-range", f"must not be negative, got {value}"
        elif value == 0 and default:
            yield "warning", "out-of-range", f"is 0 where {default} is usual: everything reaches it, or nothing does"
        elif parameter.most is not None and value > parameter.most:
            yield "error", "out-of-range", f"must be at most {parameter.most}, got {value}"
    elif _fraction(default) is not None:
        yield from _share(value)
    elif isinstance(default, list | tuple) and not value and default:
        yield (
            "warning",
            "no-effect",
            f"is empty, so that nothing is held against it; usual is {', '.join(map(str, default))}",
        )
    elif isinstance(default, list | tuple) and default and _fraction(default[0]) is not None:
        yield from (remark for item in value for remark in _share(item))
        shares = [_fraction(item) for item in value]
        if None not in shares and shares != sorted(shares, key=lambda share: share or 0):
            yield "error", "order", f"must rise, got {', '.join(map(str, value))}"
    elif parameter.choices:
        choices = parameter.choices
        for item in value:
            if item not in choices:
                yield "error", "invalid", f"must be of {', '.join(choices)}, got {item!r}{hint(str(item), choices)}"
    elif parameter.days is not None:
        yield from (remark for item in value for remark in _day(item, parameter.days))


def _share(value: Any) -> Iterator[Unplaced]:
    share = _fraction(value)
    if share is None:
        yield "error", "invalid", f"must be a fraction such as 1/2, got {value!r}"
    elif not 0 < share <= 1:
        yield "error", "out-of-range", f"must be a share from above 0 to 1, got {value}"


def _fraction(value: object) -> Fraction | None:
    if not isinstance(value, str):
        return None
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        return None


def _day(value: Any, days: str) -> Iterator[Unplaced]:
    try:
        day = dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        yield "error", "invalid", f"must be dates, got {value!r}"
        return
    if days == "off" and day.weekday() >= SATURDAY:
        yield "warning", "no-effect", f"{day} is a {day:%A} on which nobody works anyway"
    if days == "worked" and day.weekday() < SATURDAY:
        yield "warning", "no-effect", f"{day} is a {day:%A} that is worked anyway"


def _number(pack: Pack, rules: Mapping[str, Rule], id_: str, name: str) -> Any:
    """The value of a parameter in force: the pack's, else the default."""
    return pack.setting(id_).parameters.get(name, rules[id_].parameters[name].default)


def order_remarks(pack: Pack, rules: Mapping[str, Rule]) -> Iterator[Remark]:
    """Numbers that do not rise as they must."""
    for id_, rule in rules.items():
        settings = pack.setting(id_).parameters
        for lower, sign, upper in _rising(rule):
            low, high = (
                limit if isinstance(limit, int) else _number(pack, rules, id_, limit) for limit in (lower, upper)
            )
            if low < high or (low == high and sign == "<="):
                continue
            # Told at the number that the pack gives; the other may be a default.
            name, value, must, counterpart, against = (
                (lower, low, "below", upper, high) if lower in settings else (upper, high, "above", lower, low)
            )
            bound = str(against) if counterpart == against else f"{counterpart}, which is {against}"
            text = f"must be {must} {bound}{', or equal' if sign == '<=' else ''}, got {value}"
            yield Remark("error", "order", f"$.detectors.{id_}.{name}", text)


def _rising(rule: Rule) -> Iterator[tuple[str | int, Literal["<", "<="], str | int]]:
    """Numbers that must rise, in pairs: parameters by their names, and what the rule itself fixes."""
    for name, parameter in rule.parameters.items():
        if parameter.above is not None:
            yield parameter.above, "<", name
        if parameter.below is not None:
            yield name, "<", parameter.below
        if parameter.at_most is not None:
            yield name, "<=", parameter.at_most


def alike_remarks(pack: Pack, rules: Mapping[str, Rule]) -> Iterator[Remark]:
    """Numbers of the law that several detectors hold: where one pack gives different values, one of them is a slip."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for id_, rule in rules.items():
        for name, parameter in rule.parameters.items():
            if parameter.alike is not None:
                first_id, _, first_name = parameter.alike.partition(".")
                groups.setdefault(parameter.alike, [(first_id, first_name)]).append((id_, name))
    for group in groups.values():
        numbers = [
            (id_, name, _number(pack, rules, id_, name)) for id_, name in group if pack.setting(id_).mode != "off"
        ]
        for id_, name, value in numbers[1:]:
            first_id, first_name, first = numbers[0]
            if value != first:
                text = f"is {value}, where {first_id}.{first_name} is {first}: it is one number of the law"
                yield Remark("warning", "order", f"$.detectors.{id_}.{name}", text)

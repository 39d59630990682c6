"""What is wrong with a rule pack beyond what keeps it from taking effect: what cannot be meant.

A pack is approved by people who read it, and a slip in it looks like law. So everything that can be told from the pack
alone is told at once: what can never match, what changes nothing, numbers that stand in the wrong order, law that
nobody has seen. An error is what nobody can want; a warning is what somebody may have good reasons for.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, get_args

from circulation.calendar import format_instant
from circulation.near import hint
from circulation.rulepack import (
    LEVELS,
    NEVER_TRIED,
    PERSONAL,
    DetectorSetting,
    Entry,
    Pack,
    PackInvalid,
    Problem,
    parse_pack,
)
from circulation.terms import DeliveryMode

REMARKS_MAX: Final = 1_000
SATURDAY: Final = 5

# Numbers that must rise, detector by detector: parameters by name, and what the rule itself fixes. With "<=" two
# of them may be equal.
RISING: Final[tuple[tuple[str, str, tuple[str | int, ...]], ...]] = (
    ("usage-limit", "<", ("warning_percent", "late_warning_percent", 100, "red_percent")),
    ("export-assessment-missing", "<", ("warning_percent", "late_warning_percent", 100)),
    ("export-contract-missing", "<", ("persons", "assessment_persons")),
    ("export-contract-missing", "<", ("sensitive_persons", "assessment_sensitive_persons")),
    ("export-splitting", "<", ("contract_persons", "assessment_persons")),
    ("export-splitting", "<", ("contract_sensitive_persons", "assessment_sensitive_persons")),
    ("incident-late", "<=", ("ciio_hours", "state_hours", "other_hours")),
    ("concentration", "<", ("moderate", "high")),
    ("black-market", "<=", ("first_items", "second_items", "other_items")),
    ("person-volume", "<=", ("ciio_persons", "sensitive_persons", "personal_persons")),
)
# Numbers of the law that several detectors hold: where one pack gives them different values, one of them is a slip.
ALIKE: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (
        ("export-assessment-missing", "persons"),
        ("export-contract-missing", "assessment_persons"),
        ("export-splitting", "assessment_persons"),
    ),
    (
        ("export-assessment-missing", "sensitive_persons"),
        ("export-contract-missing", "assessment_sensitive_persons"),
        ("export-splitting", "assessment_sensitive_persons"),
    ),
    (("export-contract-missing", "persons"), ("export-splitting", "contract_persons")),
    (("export-contract-missing", "sensitive_persons"), ("export-splitting", "contract_sensitive_persons")),
)
# Numbers that cannot be larger, since they are shares or since the rule looks no farther.
MOST: Final[Mapping[tuple[str, str], int]] = {
    ("duplicate-registration", "jaccard"): 1,
    ("quality", "completeness"): 1,
    ("ring-trade", "days"): 60,
    ("exclusive-dealing", "months"): 12,
}
# Lists of which an empty one is ordinary.
MAY_BE_EMPTY: Final = frozenset({("credit-clock", "holidays"), ("credit-clock", "workdays")})

# Lists whose items are words of the contract.
CHOICES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {("raw-public-data", "modes"): get_args(DeliveryMode)}

# GB/T 4754-2017: the first and the last division of each section.
DIVISIONS: Final[Mapping[str, tuple[int, int]]] = {
    "A": (1, 5),
    "B": (6, 12),
    "C": (13, 43),
    "D": (44, 46),
    "E": (47, 50),
    "F": (51, 52),
    "G": (53, 60),
    "H": (61, 62),
    "I": (63, 65),
    "J": (66, 69),
    "K": (70, 70),
    "L": (71, 72),
    "M": (73, 75),
    "N": (76, 79),
    "O": (80, 82),
    "P": (83, 83),
    "Q": (84, 85),
    "R": (86, 90),
    "S": (91, 96),
    "T": (97, 97),
}

Level = Literal["error", "warning"]
# What a remark is about; docs/packs.md says what each means.
KINDS: Final = (
    "invalid",
    "unknown",
    "missing",
    "overlap",
    "never-valid",
    "never-matches",
    "everything",
    "no-effect",
    "order",
    "out-of-range",
    "approvers",
    "to-verify",
)


class Remark(NamedTuple):
    """One thing that lint says: the place as a path, a sentence that names the value and the rule, and its kind."""

    level: Level
    kind: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class Linted(NamedTuple):
    """What lint made of a pack: the pack, where it can be read at all, and everything that is to be said of it."""

    pack: Pack | None
    remarks: tuple[Remark, ...]

    @property
    def errors(self) -> list[Remark]:
        """The remarks for which the pack must not be used."""
        return [one for one in self.remarks if one.level == "error"]


def lint(data: object, known: Mapping[str, Mapping[str, Any]]) -> Linted:
    """Everything that is to be said of a pack; `known` are the parameters of each detector with their defaults."""
    remarks: list[Remark] = []
    pack: Pack | None
    try:
        pack = parse_pack(data, published=False, known=known)
    except PackInvalid as error:
        remarks += [Remark("error", one.kind, one.path, one.rule) for one in _problems(error)]
        # What only means nothing is no reason to look no further.
        pack = _lenient(data, known)
    if pack is not None:
        remarks += _unpublishable(data, remarks)
        remarks += _semantics(pack, known)
    if len(remarks) > REMARKS_MAX:
        left = len(remarks) - REMARKS_MAX
        remarks = [*remarks[:REMARKS_MAX], Remark(remarks[REMARKS_MAX].level, "invalid", "$", f"and {left} more")]
    return Linted(pack, tuple(remarks))


def _problems(error: PackInvalid) -> Sequence[Problem]:
    return error.found or [Problem("$", one.removeprefix("$: ")) for one in error.problems]


def _lenient(data: object, known: Mapping[str, Mapping[str, Any]]) -> Pack | None:
    try:
        return parse_pack(data, published=False, known=known, strict=False)
    except PackInvalid:
        return None


def _unpublishable(data: object, said: Collection[Remark]) -> Iterator[Remark]:
    """What a file may lack and what is published may not: two approvers."""
    try:
        parse_pack(data, published=True)
    except PackInvalid as error:
        paths = {one.path for one in said}
        for one in _problems(error):
            path = "$" + one.path.removeprefix("$.data")
            if path not in paths:
                yield Remark("warning", one.kind, path, f"cannot be published: {one.rule}")


def _semantics(pack: Pack, known: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    for index, entry in enumerate(pack.negative_list):
        yield from _entry(entry, f"$.negative_list[{index}]", pack)
    yield from _twice(pack.negative_list)
    for id_, setting in pack.detectors.items():
        yield from _detector(id_, setting, known.get(id_, {}))
    yield from _order(pack, known)
    yield from _alike(pack, known)
    yield from _modes(pack)
    yield from _credit(pack)
    yield from _sectors(pack)


# Entries.


def _entry(entry: Entry, path: str, pack: Pack) -> Iterator[Remark]:
    def error(kind: str, where: str, rule: str) -> Remark:
        return Remark("error", kind, path + where, f"{entry.id} {rule}")

    def warning(kind: str, where: str, rule: str) -> Remark:
        return Remark("warning", kind, path + where, f"{entry.id} {rule}")

    if entry.valid_to is not None and entry.valid_to <= pack.valid_from:
        until, since = format_instant(entry.valid_to), format_instant(pack.valid_from)
        yield error("never-valid", ".valid_to", f"ends at {until}, before its pack begins at {since}")
    if pack.valid_to is not None and pack.valid_to <= entry.valid_from:
        since, until = format_instant(entry.valid_from), format_instant(pack.valid_to)
        yield error("never-valid", ".valid_from", f"begins at {since}, when its pack has ended at {until}")
    match = entry.match
    if match.level == frozenset({"ungraded"}):
        yield error("never-matches", ".match.level", "asks for ungraded alone, which is unknown and never a match")
    elif match.level is not None and "ungraded" in match.level:
        yield warning("no-effect", ".match.level", "names ungraded, which is unknown and never a match")
    if match.persons_min and match.personal == frozenset({"none"}):
        rule = f"asks for {match.persons_min} persons in assets that are about none"
        yield error("never-matches", ".match.persons_min", rule)
    if match.persons_min == 0:
        rule = "is 0, which any number reaches: it only asks for the number to be known"
        yield warning("no-effect", ".match.persons_min", f"persons_min {rule}")
    for name, everything in (("level", set(LEVELS) - {"ungraded"}), ("personal", set(PERSONAL))):
        if (getattr(match, name) or set()) >= everything:
            yield warning("no-effect", f".match.{name}", f"names every {name} there is")
    if all(getattr(match, name) is None for name in match.__struct_fields__):
        yield warning("everything", ".match", "asks nothing and matches every asset")
    if match.industry is not None and not _industry(match.industry):
        rule = f"asks for industry {match.industry}, of which GB/T 4754-2017 has no division"
        yield warning("never-matches", ".match.industry", rule)
    if match.fields is not None and any(set(one) == {"*"} for one in match.fields):
        yield warning("everything", ".match.fields", "has a glob that fits every field")
    for name in ("category", "tags", "fields"):
        for one in sorted(getattr(match, name) or ()):
            if one != one.strip():
                yield warning("never-matches", f".match.{name}", f"has blanks around {one!r}")
    memory = [
        basis
        for basis, mark in zip(entry.legal_basis, entry.provenance * len(entry.legal_basis), strict=False)
        if mark == "M"
    ]
    if memory:
        yield warning("to-verify", ".provenance", f"rests on {', '.join(memory)} from memory: to be verified")


def _twice(entries: Sequence[Entry]) -> Iterator[Remark]:
    first: dict[tuple[Any, ...], Entry] = {}
    for index, entry in enumerate(entries):
        what = (entry.match, entry.disposition, entry.actions, entry.unless, entry.sticky)
        earlier = first.setdefault(what, entry)
        if earlier.id != entry.id and earlier.overlaps(entry):
            text = f"{entry.id} says what {earlier.id} says already, at the same time"
            yield Remark("warning", "no-effect", f"$.negative_list[{index}]", text)


def _industry(prefix: str) -> bool:
    """Whether there is a division that begins with the prefix, or that the prefix is a part of."""
    low, high = DIVISIONS[prefix[0]]
    digits = prefix[1:3]
    return any(f"{division:02}".startswith(digits) for division in range(low, high + 1))


# Detectors.


def _detector(id_: str, setting: DetectorSetting, defaults: Mapping[str, Any]) -> Iterator[Remark]:
    path = f"$.detectors.{id_}"
    if setting.mode == "off" and setting.parameters:
        names = ", ".join(setting.parameters)
        yield Remark("warning", "no-effect", path, f"is off, so that {names} {_has(setting.parameters)} no effect")
    for name, value in setting.parameters.items():
        for level, kind, rule in _value(id_, name, value, defaults.get(name)):
            yield Remark(level, kind, f"{path}.{name}", rule)
    holidays, workdays = (
        {day for day in setting.parameters.get(name, ()) if isinstance(day, str)} for name in ("holidays", "workdays")
    )
    for day in sorted(holidays & workdays):
        yield Remark("error", "no-effect", f"{path}.workdays", f"{day} is a day of holidays, too")


def _has(names: Collection[str]) -> str:
    return "has" if len(names) == 1 else "have"


Said = tuple[Level, str, str]


def _value(id_: str, name: str, value: Any, default: Any) -> Iterator[Said]:
    """What is to be said of one parameter by itself: it is of the type of its default, and may yet be no sense."""
    if type(default) in (int, float):
        most = MOST.get((id_, name))
        if value < 0:
            yield "error", "out-of-range", f"must not be negative, got {value}"
        elif value == 0 and default:
            yield "warning", "out-of-range", f"is 0 where {default} is usual: everything reaches it, or nothing does"
        elif most is not None and value > most:
            yield "error", "out-of-range", f"must be at most {most}, got {value}"
    elif _fraction(default) is not None:
        yield from _share(value)
    elif isinstance(default, list | tuple) and not value and default:
        yield (
            "warning",
            "no-effect",
            f"is empty, so that nothing is held against it; usual is {', '.join(map(str, default))}",
        )
    elif isinstance(default, list | tuple) and default and _fraction(default[0]) is not None:
        yield from (said for one in value for said in _share(one))
        shares = [_fraction(one) for one in value]
        if None not in shares and shares != sorted(shares, key=lambda one: one or 0):
            yield "error", "order", f"must rise, got {', '.join(map(str, value))}"
    elif (id_, name) in CHOICES:
        choices = CHOICES[id_, name]
        for one in value:
            if one not in choices:
                yield "error", "invalid", f"must be of {', '.join(choices)}, got {one!r}{hint(str(one), choices)}"
    elif name in ("holidays", "workdays"):
        yield from (said for one in value for said in _day(one, name))


def _share(value: Any) -> Iterator[Said]:
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


def _day(value: Any, name: str) -> Iterator[Said]:
    try:
        day = dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        yield "error", "invalid", f"must be dates, got {value!r}"
        return
    if name == "holidays" and day.weekday() >= SATURDAY:
        yield "warning", "no-effect", f"{day} is a {day:%A} on which nobody works anyway"
    if name == "workdays" and day.weekday() < SATURDAY:
        yield "warning", "no-effect", f"{day} is a {day:%A} that is worked anyway"


def _number(pack: Pack, known: Mapping[str, Mapping[str, Any]], id_: str, name: str) -> Any:
    """What is in force of a parameter: what the pack gives, else the default; None where there is no such thing."""
    return pack.setting(id_).parameters.get(name, known.get(id_, {}).get(name))


def _order(pack: Pack, known: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    for id_, sign, chain in RISING:
        given = pack.setting(id_).parameters
        numbers = [one if isinstance(one, int) else _number(pack, known, id_, one) for one in chain]
        for (lower, low), (upper, high) in pairwise(zip(chain, numbers, strict=True)):
            if None in (low, high) or low < high or (low == high and sign == "<="):
                continue
            # Told at the number that the pack gives; the other may be a default.
            name, value, must, other, against = (
                (lower, low, "below", upper, high) if lower in given else (upper, high, "above", lower, low)
            )
            what = str(against) if other == against else f"{other}, which is {against}"
            rule = f"must be {must} {what}{', or equal' if sign == '<=' else ''}, got {value}"
            yield Remark("error", "order", f"$.detectors.{id_}.{name}", rule)


def _alike(pack: Pack, known: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    for group in ALIKE:
        numbers = [(id_, name, _number(pack, known, id_, name)) for id_, name in group]
        numbers = [one for one in numbers if one[2] is not None and pack.setting(one[0]).mode != "off"]
        for id_, name, value in numbers[1:]:
            first_id, first_name, first = numbers[0]
            if value != first:
                text = f"is {value}, where {first_id}.{first_name} is {first}: it is one number of the law"
                yield Remark("warning", "order", f"$.detectors.{id_}.{name}", text)


def _modes(pack: Pack) -> Iterator[Remark]:
    list_mode = pack.setting("negative-list").mode
    if pack.negative_list and list_mode == "off":
        text = f"is off, so that {len(pack.negative_list)} entries of negative_list have no effect"
        yield Remark("warning", "no-effect", "$.detectors.negative-list", text)
    place = "$.detectors.sandbox-cap" if pack.setting("sandbox-cap").parameters.get("sandbox") else "$.sandbox"
    if pack.sandbox and pack.setting("sandbox-cap").mode == "off":
        yield Remark("warning", "no-effect", place, "names detectors, but sandbox-cap is off")
    for id_ in pack.sandbox:
        mode = pack.setting(id_).mode
        if mode in ("off", "shadow"):
            text = f"names {id_}, which is {mode} already and cannot be downgraded"
            yield Remark("warning", "no-effect", place, text)
        if id_ in NEVER_TRIED:
            yield Remark("warning", "no-effect", place, f"names {id_}, which no sandbox holds back")


# Credit and sectors.


def _credit(pack: Pack) -> Iterator[Remark]:
    given = pack.credit
    for tier in given.points.__struct_fields__:
        public, repairable = (getattr(one, tier) for one in (given.public_months, given.repairable_months))
        if repairable > public:
            text = f"is {repairable}, but a record is public for {public} months only: it could never be repaired"
            yield Remark("error", "order", f"$.credit.repairable_months.{tier}", text)
    for name, part, reverse in (
        ("points", given.points, False),
        ("public_months", given.public_months, False),
        ("repairable_months", given.repairable_months, False),
        ("finding_points", given.finding_points, True),
    ):
        numbers = {one: getattr(part, one) for one in part.__struct_fields__}
        if list(numbers.values()) != sorted(numbers.values(), reverse=reverse):
            shown = ", ".join(f"{one} {number}" for one, number in numbers.items())
            text = f"must {'fall' if reverse else 'rise'} from {' to '.join(numbers)}, got {shown}"
            yield Remark("error", "order", f"$.credit.{name}", text)


def _sectors(pack: Pack) -> Iterator[Remark]:
    for prefix, receivers in pack.sectors.items():
        path = f"$.sectors.{prefix}"
        if not receivers:
            yield Remark("warning", "no-effect", path, f"{prefix} names nobody, so that nobody is told")
        if not _industry(prefix):
            yield Remark("warning", "never-matches", path, f"GB/T 4754-2017 has no division {prefix}")
        around = pack.receivers(prefix[:-1])
        if receivers and receivers == around:
            text = f"{prefix} tells {', '.join(receivers)}, whom the shorter prefix tells already"
            yield Remark("warning", "no-effect", path, text)

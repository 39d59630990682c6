"""Faults of a rule pack beyond those that keep it from taking effect: content that cannot be meant.

A pack is approved by people who read it, and a slip in it looks like law. So everything that can be told from the pack
alone is told at once: what can never match, what changes nothing, numbers that stand in the wrong order, law that
nobody has seen. An error is what nobody can want; a warning is what somebody may have good reasons for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.lint.detectors import alike_remarks, detector_remarks, order_remarks
from circulation.lint.entries import entry_remarks, globs_remarks, has_division, twice_remarks
from circulation.lint.remarks import Remark
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid, Problem
from circulation.packs.reading import parse_pack
from circulation.rules import Rule, parameters
from circulation.words import many

REMARKS_MAX: Final = 1_000


class Linted(NamedTuple):
    """The result of lint: the pack, where it can be read at all, and all remarks on it."""

    pack: Pack | None
    remarks: tuple[Remark, ...]

    @property
    def errors(self) -> list[Remark]:
        """The remarks for which the pack must not be used."""
        return [remark for remark in self.remarks if remark.level == "error"]


def lint(data: object, rules: Mapping[str, Rule]) -> Linted:
    """Everything that is to be said of a pack; `rules` are the detectors that there are, by their ids."""
    known = parameters(rules)
    remarks: list[Remark] = []
    pack: Pack | None
    try:
        pack = parse_pack(data, published=False, known=known)
    except PackInvalid as error:
        remarks += [Remark("error", problem.kind, problem.path, problem.rule) for problem in _problems(error)]
        # A member without meaning is no reason to stop here.
        pack = _lenient(data, known)
    if pack is not None:
        remarks += _unpublishable(data if remarks else _shortened(data), remarks)
        remarks += _semantics(pack, rules)
    if len(remarks) > REMARKS_MAX:
        left = len(remarks) - REMARKS_MAX
        remarks = [*remarks[:REMARKS_MAX], Remark(remarks[REMARKS_MAX].level, "invalid", "$", f"and {left} more")]
    return Linted(pack, tuple(remarks))


def _problems(error: PackInvalid) -> Sequence[Problem]:
    return error.found or [Problem("$", text.removeprefix("$: ")) for text in error.problems]


def _lenient(data: object, known: Mapping[str, Mapping[str, Any]]) -> Pack | None:
    try:
        return parse_pack(data, published=False, known=known, strict=False)
    except PackInvalid:
        return None


def _shortened(data: object) -> object:
    """A pack that is good as a file, with one entry: what it lacks for being published does not hang on how many."""
    if not isinstance(data, Mapping) or not data.get("negative_list"):
        return data
    return {**data, "negative_list": data["negative_list"][:1]}


def _unpublishable(data: object, remarks: Collection[Remark]) -> Iterator[Remark]:
    """Find what a published pack needs and a file may lack: two approvers."""
    try:
        parse_pack(data, published=True)
    except PackInvalid as error:
        paths = {remark.path for remark in remarks}
        for problem in _problems(error):
            path = "$" + problem.path.removeprefix("$.data")
            if path not in paths:
                yield Remark("warning", problem.kind, path, f"cannot be published: {problem.rule}")


def _semantics(pack: Pack, rules: Mapping[str, Rule]) -> Iterator[Remark]:
    for index, entry in enumerate(pack.negative_list):
        yield from entry_remarks(entry, f"$.negative_list[{index}]", pack)
    yield from twice_remarks(pack.negative_list)
    yield from globs_remarks(pack.negative_list)
    for id_, setting in pack.detectors.items():
        yield from detector_remarks(rules[id_], setting)
    yield from order_remarks(pack, rules)
    yield from alike_remarks(pack, rules)
    yield from _modes(pack, rules)
    yield from _credit(pack)
    yield from _sectors(pack)


def _modes(pack: Pack, rules: Mapping[str, Rule]) -> Iterator[Remark]:
    list_mode = pack.setting("negative-list").mode
    if pack.negative_list and list_mode == "off":
        of = "of negative_list"
        entries = many(len(pack.negative_list), f"entry {of} has", f"entries {of} have")
        text = f"is off, so that {entries} no effect"
        yield Remark("warning", "no-effect", "$.detectors.negative-list", text)
    place = "$.detectors.sandbox-cap" if pack.setting("sandbox-cap").parameters.get("sandbox") else "$.sandbox"
    if pack.sandbox and pack.setting("sandbox-cap").mode == "off":
        yield Remark("warning", "no-effect", place, "names detectors, but sandbox-cap is off")
    for id_ in pack.sandbox:
        mode = pack.setting(id_).mode
        if mode in ("off", "shadow"):
            text = f"names {id_}, which is {mode} already and cannot be downgraded"
            yield Remark("warning", "no-effect", place, text)
        if rules[id_].never_tried:
            yield Remark("warning", "no-effect", place, f"names {id_}, which no sandbox holds back")


def _credit(pack: Pack) -> Iterator[Remark]:
    credit = pack.credit
    for tier in credit.points.__struct_fields__:
        public, repairable = (getattr(months, tier) for months in (credit.public_months, credit.repairable_months))
        if repairable > public:
            text = f"is {repairable}, but a record is public for {public} months only: it could never be repaired"
            yield Remark("error", "order", f"$.credit.repairable_months.{tier}", text)
    for name, part, reverse in (
        ("points", credit.points, False),
        ("public_months", credit.public_months, False),
        ("repairable_months", credit.repairable_months, False),
        ("finding_points", credit.finding_points, True),
    ):
        numbers = {member: getattr(part, member) for member in part.__struct_fields__}
        if list(numbers.values()) != sorted(numbers.values(), reverse=reverse):
            shown = ", ".join(f"{member} {number}" for member, number in numbers.items())
            text = f"must {'fall' if reverse else 'rise'} from {' to '.join(numbers)}, got {shown}"
            yield Remark("error", "order", f"$.credit.{name}", text)


def _sectors(pack: Pack) -> Iterator[Remark]:
    for prefix, receivers in pack.sectors.items():
        path = f"$.sectors.{prefix}"
        if not receivers:
            yield Remark("warning", "no-effect", path, f"{prefix} names nobody, so that nobody is told")
        if not has_division(prefix):
            yield Remark("warning", "never-matches", path, f"GB/T 4754-2017 has no division {prefix}")
        around = pack.receivers(prefix[:-1])
        if receivers and receivers == around:
            text = f"{prefix} tells {', '.join(receivers)}, whom the shorter prefix tells already"
            yield Remark("warning", "no-effect", path, text)

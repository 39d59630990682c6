"""Reads a pack from its data.

A pack is data that two officials approve, so everything wrong with it is told at once, each with its place.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import orjson

from circulation.credit.settings import CREDIT_CLOCK, Decision, Settings, settings_of
from circulation.findings import MODES
from circulation.identifiers import ID_LENGTH_MAX, check_country
from circulation.near import hint
from circulation.packs.entries import INDUSTRY_PREFIX, Entries
from circulation.packs.members import TEXT_CHARS_MAX
from circulation.packs.pack import DEFAULT_SETTING, HOME, DetectorSetting, Pack
from circulation.packs.problems import PackInvalid, name_in_path, type_name


def parse_pack(
    data: object,
    *,
    published: bool,
    known: Mapping[str, Collection[str]] | None = None,
    strict: bool | None = None,
) -> Pack:
    """A pack from its data: of a `circulation.rulepack.published` event, or of a YAML file.

    `known` gives the detectors that there are and the parameters of each; a mapping from their names to their defaults
    also has the types of values checked. A pack that was checked when it was taken in is read again without `known`.
    `strict` (by default for all that is not published) refuses members and parameters that mean nothing, and what can
    never have an effect; otherwise they are ignored (contract §1) and listed in `ignored`.

    Absent `negative_list`, `detectors`, `credit`, `sectors` are empty, and absent `home` is China. The parameters of a
    detector stand beside its `mode`, or in a member `parameters`. A published pack that enforces needs two distinct
    approvers. It is taken to enforce unless it names detectors, names every one of them in another mode, and, where it
    has entries, `negative-list` among them: what a pack does not name is enforced by default.

    Raises `PackInvalid` with everything that is wrong.
    """
    # A pack that is in force was admitted once, by other rules perhaps: it is read as it was.
    slips = published and known is not None
    reading = _Reading("$.data" if published else "$", (not published) if strict is None else strict, slips)
    if not isinstance(data, Mapping):
        raise PackInvalid([f"{reading.root}: Expected `object`, got `{type_name(data)}`"])
    try:
        raw = orjson.dumps(dict(data), option=_CANONICAL)
    except orjson.JSONEncodeError as error:
        raise PackInvalid([f"{reading.root}: cannot be written as JSON: {error}"]) from error
    plain: dict[str, Any] = dict(data)
    if b"null" in raw:
        plain = _without_nulls(orjson.loads(raw))
        raw = orjson.dumps(plain, option=_CANONICAL)
    pack = reading.pack(plain, raw, published, known)
    if reading.problems:
        raise PackInvalid(reading.listed())
    return pack


_PACK_MEMBERS = frozenset(
    {
        "pack",
        "version",
        "valid_from",
        "valid_to",
        "approved_by",
        "negative_list",
        "detectors",
        "credit",
        "sectors",
        "sandbox",
        "home",
    }
)

# A value that is no JSON must not become JSON by good will, or a file and an event could differ and have one digest.
_CANONICAL = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def _decision(parameters: Mapping[str, Any]) -> Decision:
    """How long a decision on an objection may take: the parameters of `credit-clock`, which are checked elsewhere."""
    members = {"working_days": "objection_working_days", "holidays": "holidays", "workdays": "workdays"}
    try:
        return msgspec.convert(
            {member: parameters[name] for member, name in members.items() if name in parameters}, Decision
        )
    except msgspec.ValidationError:
        return Decision()


def _without_nulls(value: Any) -> Any:
    """The value with its null members absent, which is the same (contract §1). The encoder has bounded its depth."""
    if type(value) is dict:
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if type(value) is list:
        return [_without_nulls(item) for item in value]
    return value


def _copied(value: dict[str, Any]) -> dict[str, Any]:
    """The same JSON, which nobody else can change."""
    copied: dict[str, Any] = orjson.loads(orjson.dumps(value))
    return copied


class _Reading(Entries):
    """One reading of a pack."""

    def pack(
        self,
        data: dict[str, Any],
        canonical: bytes,
        published: bool,
        known: Mapping[str, Collection[str]] | None,
    ) -> Pack:
        root = self.root
        self.known_only(data, root, _PACK_MEMBERS)
        name = self.text(data, "pack", root, ID_LENGTH_MAX, required=True)
        version = self.text(data, "version", root, ID_LENGTH_MAX, required=True)
        start, end = self.validity(data, root)
        approvers = self.texts(data, "approved_by", root, chars_max=TEXT_CHARS_MAX) or []
        entries = self.entries(data)
        detectors = self.detectors(data, known)
        sandbox = self.sandbox(data, detectors, known)
        enforced = [detector for detector, setting in detectors.items() if setting.mode == "enforce"]
        if entries and "negative-list" not in detectors:
            enforced.append("negative-list")
        if published and (enforced or not detectors) and len({approver.strip() for approver in approvers} - {""}) < 2:
            names = ", ".join(enforced[:3]) or "every detector"
            rule = f"must name two distinct approvers, for the pack enforces {names}"
            self.problem(f"{root}.approved_by", rule, "approvers")
        return Pack(
            pack=name or "",
            version=version or "",
            valid_from=start,
            valid_to=end,
            approved_by=tuple(approvers),
            negative_list=entries,
            detectors=detectors,
            credit=self.credit(data, detectors.get(CREDIT_CLOCK, DEFAULT_SETTING)),
            sectors=self.sectors(data),
            sandbox=sandbox,
            home=self.home(data),
            digest=hashlib.sha256(canonical).hexdigest(),
            canonical=canonical,
            ignored=tuple(self.ignored),
        )

    def credit(self, data: dict[str, Any], clock: DetectorSetting) -> Settings:
        members = self.typed(data, "credit", self.root, dict) or {}
        self.known_only(members, f"{self.root}.credit", frozenset(Settings.__struct_fields__) - {"decisions"})
        try:
            return settings_of(_without_nulls(members), _decision(clock.parameters))
        except ValueError as error:
            self.problem(f"{self.root}.credit", str(error))
            return Settings()

    def detectors(
        self, data: dict[str, Any], known: Mapping[str, Collection[str]] | None
    ) -> dict[str, DetectorSetting]:
        settings = self.typed(data, "detectors", self.root, dict) or {}
        detectors: dict[str, DetectorSetting] = {}
        for name, item in settings.items():
            path = f"{self.root}.detectors.{name_in_path(name)}"
            if known is not None and name not in known:
                self.problem(path, f"there is no such detector{hint(name, known)}", "unknown")
            elif type(item) is not dict:
                self.problem(path, f"Expected `object`, got `{type_name(item)}`")
            else:
                detectors[name] = self.setting(item, path, None if known is None else known[name])
        return detectors

    def setting(self, item: dict[str, Any], path: str, known: Collection[str] | None) -> DetectorSetting:
        mode = "enforce" if "mode" not in item else self.choice(item, "mode", path, MODES) or ""
        parameters = {name: value for name, value in item.items() if name not in ("mode", "parameters")}
        nested = self.typed(item, "parameters", path, dict) or {}
        for name in nested.keys() & parameters.keys():
            self.problem(f"{path}.parameters.{name_in_path(name)}", "is given twice")
        parameters |= nested
        if known is not None:
            self.known_only(parameters, path, {*known, "mode", "parameters"}, item)
            parameters = {name: value for name, value in parameters.items() if name in known}
        if isinstance(known, Mapping):
            for name, value in parameters.items():
                self.alike(value, known[name], f"{path}.{name}")
        return DetectorSetting(mode=mode, parameters=_copied(parameters))

    def alike(self, value: object, default: object, path: str) -> None:
        """A parameter must be of the type of its default; a number may have a fraction or not."""
        numbers = (int, float)
        if type(default) in numbers:
            if type(value) not in numbers:
                self.problem(path, f"Expected a number, got `{type_name(value)}`")
        elif isinstance(default, list | tuple | frozenset | set):
            if type(value) is not list:
                self.problem(path, f"Expected `array`, got `{type_name(value)}`")
        elif isinstance(default, Mapping):
            if type(value) is not dict:
                self.problem(path, f"Expected `object`, got `{type_name(value)}`")
        elif isinstance(default, bool | str) and type(value) is not type(default):
            self.problem(path, f"Expected `{type_name(default)}`, got `{type_name(value)}`")

    def sandbox(
        self, data: dict[str, Any], detectors: dict[str, DetectorSetting], known: Collection[str] | None
    ) -> tuple[str, ...]:
        """Ids of the detectors that a sandbox downgrades: a member of the pack, or a parameter of `sandbox-cap`."""
        at_top = self.texts(data, "sandbox", self.root, one_of=known) or []
        parameters = detectors.get("sandbox-cap", DEFAULT_SETTING).parameters
        path = f"{self.root}.detectors.sandbox-cap"
        return tuple(sorted({*at_top, *(self.texts(parameters, "sandbox", path, one_of=known) or ())}))

    def home(self, data: dict[str, Any]) -> str:
        country = self.typed(data, "home", self.root, str) or HOME
        if (wrong := check_country(country)) is not None:
            self.problem(f"{self.root}.home", wrong)
        return country

    def sectors(self, data: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        listed = self.typed(data, "sectors", self.root, dict) or {}
        path = f"{self.root}.sectors"
        for name in listed:
            if not INDUSTRY_PREFIX.fullmatch(name):
                self.problem(
                    f"{path}.{name_in_path(name)}", "must be a letter A to T and up to four digits (GB/T 4754)"
                )
        return {
            name: tuple(self.texts(listed, name, path, chars_max=TEXT_CHARS_MAX, single=True) or ()) for name in listed
        }

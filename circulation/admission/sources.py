"""The authorisation of sources: the file that `CIRCULATION_SOURCES` names."""

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from circulation import plain_yaml
from circulation.calendar import shown
from circulation.events.names import OPENLINEAGE_RUN, REPORTERS
from circulation.events.types import TYPES
from circulation.identifiers import check_party, check_source
from circulation.voices import Voices

SOURCES_BYTES_MAX: Final = 16 * 1_048_576
SOURCES_NODES_MAX: Final = 2_000_000
PROBLEMS_MAX: Final = 1_000
_ANY_RANK: Final = frozenset(range(len(REPORTERS)))
# As whom a source may report, one or a list of them.
_AS_WHOM: Final = ("reporter", "reporters")
# How a source owns OpenLineage events: by its programs (globs of their `producer`), by the namespaces of its jobs.
OWNED: Final = ("producers", "namespaces")
# Within how many seconds the next event of a source is due.
HEARTBEAT: Final = "heartbeat_seconds"
# A year: beyond it, silence is told of nobody who watches still.
HEARTBEAT_SECONDS_MAX: Final = 366 * 86_400
_MEMBERS: Final = frozenset({"types", "party", HEARTBEAT, *_AS_WHOM, *OWNED})


class SourcesInvalid(ValueError):
    """Every thing that is wrong with a file of sources, with its path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Sources:
    """The authorisation of sources: types that each may report, as which reporter, and the party of an exchange.

    `reporters` are the ranks that a source may report as, of those that may not report as any. `owned` has by source
    which producers and namespaces of jobs (see `OWNED`) are its own; `owed` the sources that owe an event within so
    many seconds of the one before.
    """

    def __init__(
        self,
        types: Mapping[str, frozenset[str]],
        parties: Mapping[str, str],
        reporters: Mapping[str, frozenset[int]] | None = None,
        owned: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        owed: Mapping[str, int] | None = None,
    ) -> None:
        self._types = dict(types)
        self._reporters = dict(reporters or {})
        self._owned = dict(owned or {})
        self.parties: Mapping[str, str] = dict(parties)
        self.owed: Mapping[str, int] = dict(owed or {})

    @property
    def named(self) -> frozenset[str]:
        """All sources that may say anything."""
        return frozenset(self._types)

    def voices(self, officials: Collection[str] | None, late_seconds: int) -> Voices:
        """Return whose word counts: these sources, those of officials (None: all), and from when on events are late."""
        return Voices(officials, self.parties, self.owed, self.named, late_seconds)

    @classmethod
    def parse(cls, text: bytes) -> "Sources":
        """Read YAML `source: {types: [globs], party?, reporter?, producers?: [globs], namespaces?: [names],
        heartbeat_seconds?}`.

        `SourcesInvalid` (a `ValueError`) lists all that is wrong.
        """
        problems: list[str] = []
        types: dict[str, frozenset[str]] = {}
        parties: dict[str, str] = {}
        reporters: dict[str, frozenset[int]] = {}
        owned: dict[str, dict[str, Sequence[str]]] = {}
        owed: dict[str, int] = {}
        for source, entry in _load_sources(text).items():
            where = f"sources[{shown(str(source))}]"
            if not isinstance(source, str) or check_source(source) is not None:
                problems.append(f"{where}: a source is a text of 1 to 1024 printable characters")
                continue
            if not isinstance(entry, dict):
                problems.append(f"{where}: expected `types` and, for an exchange, `party`")
                continue
            for name in entry.keys() - _MEMBERS:
                problems.append(f"{where}: unknown member {shown(str(name))}")
            globs = entry.get("types")
            if not isinstance(globs, list) or not globs or not all(isinstance(glob, str) for glob in globs):
                problems.append(f"{where}.types: expected a list of globs of event types")
            else:
                types[source] = frozenset().union(*(_matching(glob) for glob in globs))
                problems += [
                    f"{where}.types: {shown(glob)} fits no event type" for glob in globs if not _matching(glob)
                ]
            as_whom = [reporter for name in _AS_WHOM for reporter in _listed(entry.get(name))]
            unknown = [reporter for reporter in as_whom if reporter not in REPORTERS]
            problems += [
                f"{where}.reporter: expected {', '.join(REPORTERS)}, got {shown(str(reporter))}" for reporter in unknown
            ]
            if as_whom and not unknown:
                reporters[source] = frozenset(REPORTERS.index(reporter) for reporter in as_whom)
            for name in OWNED:
                listed = entry.get(name)
                if listed is not None and not (
                    isinstance(listed, list) and all(isinstance(item, str) for item in listed)
                ):
                    problems.append(f"{where}.{name}: expected a list of texts")
                elif listed:
                    owned.setdefault(source, {})[name] = listed
            seconds = entry.get(HEARTBEAT)
            if seconds is not None:
                if type(seconds) is int and 1 <= seconds <= HEARTBEAT_SECONDS_MAX:
                    owed[source] = seconds
                else:
                    problems.append(
                        f"{where}.{HEARTBEAT}: expected a whole number from 1 to {HEARTBEAT_SECONDS_MAX},"
                        f" got {shown(str(seconds))}"
                    )
            party = entry.get("party")
            if party is None:
                continue
            broken = check_party(party) if isinstance(party, str) else "a party is a text"
            if broken is None:
                parties[source] = party
            else:
                problems.append(f"{where}.party: {broken}, got {shown(str(party))}")
        if problems:
            raise SourcesInvalid(problems)
        return cls(types, parties, reporters, owned, owed)

    def allows(self, source: str, type_name: str) -> bool:
        """Whether the source may report events of this type."""
        return type_name in self._types.get(source, ())

    def of_producer(self, producer: str) -> str:
        """The source whose program wrote an OpenLineage event that says no source: the first of those that own it."""
        for source, owned in sorted(self._owned.items()):
            if any(fnmatch.fnmatchcase(producer, glob) for glob in owned.get("producers", ())):
                return source
        return producer

    def not_its_own(self, source: str, producer: str, namespace: str | None) -> str | None:
        """Say which part of an OpenLineage event belongs to other sources only; None where none does."""
        for name, fits in (
            ("producers", lambda glob: fnmatch.fnmatchcase(producer, glob)),
            ("namespaces", lambda owned: owned == namespace),
        ):
            owners = {owner for owner, owned in self._owned.items() if any(map(fits, owned.get(name, ())))}
            if owners and source not in owners:
                where, value = ("$.producer", producer) if name == "producers" else ("$.job.namespace", namespace)
                return f"{where}: {shown(str(value))} is another source's own, not one of {shown(source)}"
        return None

    def allows_as(self, source: str, reporter: int) -> bool:
        """Whether the source may report as a reporter of this rank."""
        return reporter in self._reporters.get(source, _ANY_RANK)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _matching(glob: str) -> frozenset[str]:
    return frozenset(name for name in (*TYPES, OPENLINEAGE_RUN) if fnmatch.fnmatchcase(name, glob))


def _load_sources(text: bytes) -> dict[Any, Any]:
    if len(text) > SOURCES_BYTES_MAX:
        raise SourcesInvalid([f"sources: at most {SOURCES_BYTES_MAX} bytes, got {len(text)}"])
    problems: list[str] = []
    try:
        document = plain_yaml.compose(text, problems, nodes_max=SOURCES_NODES_MAX, aliases=True, plain_keys=True)
    except plain_yaml.NoYaml as error:
        problems.append(str(error))
    if problems:
        raise SourcesInvalid([f"sources: not YAML: {problem}" for problem in problems[:PROBLEMS_MAX]])
    if not isinstance(document, dict):
        raise SourcesInvalid(["sources: expected a mapping of source to `types` and `party`"])
    return document

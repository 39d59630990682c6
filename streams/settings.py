"""What can be set, and how: environment variables under one prefix, all checked before anything starts.

The table `SETTINGS` is the only place that knows a setting: reading, the defaults and the help text follow it.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from circulation.identifiers import check_source
from circulation.near import did_you_mean, near
from circulation.voices import LATE_SECONDS, OFFICIALS, Voices
from streams.address import KAFKA_HERE, address
from streams.topics import RETENTION_DAYS_DEFAULT

PREFIX = "CIRCULATION_"
# Read by the tests alone, which run in the same environment.
ELSEWHERE = frozenset({"CIRCULATION_TEST_DATA"})
CLOCKS = ("wall", "events")
# Names of people, of packs and of commands, as the store keeps them.
NAME_CHARACTERS_MAX = 128
LOG_LEVELS = ("debug", "info", "warning", "error")
HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})\Z")


class SettingsInvalid(ValueError):
    """Everything that is wrong with the environment, at once, in `problems`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def hide_password(url: str) -> str:
    """A store's address as it may be logged, whatever it looks like: `postgresql://circulation:***@host/name`."""
    url = re.sub(r"//([^:/?#@]*):.*@", r"//\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", url, flags=re.IGNORECASE)


def _servers(text: str) -> str:
    for server in text.split(","):
        _host_port(server.strip())
    return ",".join(server.strip() for server in text.split(","))


def _host_port(text: str) -> str:
    match = HOST_PORT.match(text)
    if not match or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError(f"must be host:port with a port of 1 to 65535, got {text!r}")
    return text


def _store(text: str) -> str:
    try:
        url = address(text)
    except ValueError:
        # The library's own words would repeat the password.
        raise ValueError(f"is no address of a store, got {hide_password(text)!r}") from None
    if url.drivername not in ("sqlite", "postgresql"):
        raise ValueError(f"must begin with sqlite:/// or postgresql://, got {hide_password(text)!r}")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("must name a file, as in sqlite:///circulation.db: what is only in memory does not survive")
    if url.drivername == "postgresql" and not url.database:
        raise ValueError(f"must name a database, as in postgresql://host/circulation, got {hide_password(text)!r}")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}, got {text!r}")
        return text

    return check


def _between(low: int, high: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return check


# From when on an event is late: from a second to 366 days.
late_seconds = _between(1, 366 * 86_400)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"names no file that is there, got {text!r}")
    return path


def official_sources(text: str) -> str:
    """Sources of officials, separated by commas, as they are kept in `Settings`. ValueError names what is none."""
    sources = list(dict.fromkeys(source.strip() for source in text.split(",")))
    for source in sources:
        if (broken := check_source(source)) is not None:
            raise ValueError(f"must be sources, separated by commas: {broken}, got {source!r}")
    return ",".join(sources)


def _name(text: str) -> str:
    if len(text) > NAME_CHARACTERS_MAX or not text.isprintable():
        raise ValueError(f"must be of 1 to {NAME_CHARACTERS_MAX} printable characters, got {text!r}")
    return text


@dataclasses.dataclass(frozen=True)
class Setting:
    """One line of the table: the variable is `CIRCULATION_` and `name` in capitals.

    `default` is written as it would be in the environment; None leaves the setting out. `check` gives the value, or
    raises ValueError with the rule that is broken.
    """

    name: str
    default: str | None
    meaning: str
    check: Callable[[str], Any]

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


SETTINGS = (
    Setting("kafka", KAFKA_HERE, "bootstrap servers of Kafka, host:port, separated by commas", _servers),
    Setting(
        "store",
        "sqlite:///circulation.db",
        "the store: sqlite:///FILE (in a folder that is there) serves one worker, postgresql://… any number",
        _store,
    ),
    Setting(
        "clock",
        "wall",
        "what deadlines go by: wall, or events (the highest time admitted, for tests and demonstrations)",
        _one_of(*CLOCKS),
    ),
    Setting(
        "clock_skew_seconds",
        "60",
        "by how much this machine's clock may differ from the broker's and the database's; beyond it, what only the"
        " clock decides waits",
        _between(1, 86_400),
    ),
    Setting("sources", None, "YAML file: which source may send which types of event; without it, any", _file),
    Setting(
        "official_sources",
        OFFICIALS,
        "from which sources alone packs, orders, credit decisions, merits, gradings with approved_by, objections and"
        " repairs decided are taken, separated by commas; offline all, unless it is set",
        official_sources,
    ),
    Setting(
        "late_seconds",
        str(LATE_SECONDS),
        "an event that reaches Kafka more than so many seconds after it happened is not on time",
        late_seconds,
    ),
    Setting("pack", "beijing", "name of the rule packs that this store runs", _name),
    Setting("rules", None, "YAML file with the pack to start from, in place of the shipped one", _file),
    Setting("web", "127.0.0.1:6066", "where a worker answers /metrics, /health and /ready, host:port", _host_port),
    Setting(
        "fetch_records_max",
        "40000",
        "records of one fetch at most: more is faster under load and takes more memory",
        _between(1, 1_000_000),
    ),
    Setting(
        "stall_seconds",
        "120",
        "a worker that reads nothing for so long, as its reader or its store hangs, gives its partitions to others",
        _between(2, 3_600),
    ),
    Setting(
        "cache_contracts_max",
        "200000",
        "contracts whose facts a worker keeps at hand: about 2 KB each",
        _between(100, 100_000_000),
    ),
    Setting(
        "seen_days",
        "7",
        "days for which the ids of events without a sequence are remembered, to tell duplicates",
        _between(1, 3_650),
    ),
    Setting("usage_days", "31", "days for which single uses can still be cancelled", _between(1, 3_650)),
    Setting(
        "tally_days",
        "40",
        "days for which it is kept what was used on a day; it lasts where contracts share a limit or ask for reports",
        _between(2, 3_650),
    ),
    Setting(
        "topic_retention_days",
        str(RETENTION_DAYS_DEFAULT),
        "days for which Kafka is to keep what came in, at least: how topics are made, and what a worker warns of",
        _between(1, 36_500),
    ),
    Setting(
        "judge_batch",
        "500",
        "items of the judge queue that are taken at once: fewer is fairer among workers",
        _between(1, 100_000),
    ),
    Setting(
        "breaker_percent",
        "50",
        "a rule that newly fires on more than this share of what it looks at is held: its alerts are inhibited",
        _between(1, 100),
    ),
    Setting(
        "breaker_looks_min",
        "200",
        "a rule is held only where it looked at so many acts, scopes or uses within the time",
        _between(1, 1_000_000_000),
    ),
    Setting("breaker_seconds", "900", "the time over which that is counted", _between(10, 86_400)),
    Setting(
        "official",
        None,
        "who looks: the name that the journal bears beside the operating system's user, for findings, trace, credit, …",
        _name,
    ),
    Setting("log_level", "info", f"what is logged: {', '.join(LOG_LEVELS)}", _one_of(*LOG_LEVELS)),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one process. Made by `read`; in tests also by `dataclasses.replace`.

    The store's address may hold a password and is therefore not in the repr; `store_shown` is for people.
    """

    kafka: str
    store: str = dataclasses.field(repr=False)
    clock: str
    clock_skew_seconds: int
    sources: Path | None
    official_sources: str
    late_seconds: int
    pack: str
    rules: Path | None
    web: str
    fetch_records_max: int
    stall_seconds: int
    cache_contracts_max: int
    seen_days: int
    usage_days: int
    tally_days: int
    topic_retention_days: int
    judge_batch: int
    breaker_percent: int
    breaker_looks_min: int
    breaker_seconds: int
    official: str | None
    log_level: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings that an environment asks for. An empty variable is the same as none.

        Raises:
            SettingsInvalid: with every problem, a line each: `CIRCULATION_CLOCK must be one of wall, events, got 'x'`.
        """
        problems: list[str] = []
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            text = environ.get(setting.variable) or setting.default
            try:
                values[setting.name] = None if text is None else setting.check(text)
            except ValueError as error:
                problems.append(f"{setting.variable} {error}")
        known = {setting.variable for setting in SETTINGS} | ELSEWHERE
        for name in sorted(set(environ) - known):
            if name.startswith(PREFIX):
                names = sorted(known - ELSEWHERE)
                # Without the prefix, which is alike in all of them.
                meant = [
                    PREFIX + setting_name
                    for setting_name in near(name.removeprefix(PREFIX), (s.name.upper() for s in SETTINGS))
                ]
                problems.append(f"{name} is no setting{did_you_mean(meant) or ';'} there are {', '.join(names)}")
        if problems:
            raise SettingsInvalid(problems)
        return cls(**values)

    def environ(self) -> dict[str, str]:
        """The variables that ask for these settings, all of them: those that are not set are empty."""
        values = ((setting.variable, getattr(self, setting.name)) for setting in SETTINGS)
        return {variable: "" if value is None else str(value) for variable, value in values}

    @property
    def officials(self) -> frozenset[str]:
        """The sources of officials."""
        return frozenset(self.official_sources.split(","))

    def voices(self) -> Voices:
        """Whose word counts. `SourcesInvalid` (a `ValueError`) says what is wrong with the file of sources."""
        from circulation.admission.sources import Sources

        if self.sources is None:
            return Voices(self.officials, late_seconds=self.late_seconds)
        return Sources.parse(self.sources.read_bytes()).voices(self.officials, self.late_seconds)

    @property
    def store_shown(self) -> str:
        """The store's address without its password."""
        return hide_password(self.store)

    @property
    def web_host(self) -> str:
        """The host part of `web`, without the brackets of an IPv6 address."""
        return self.web.rpartition(":")[0].strip("[]")

    @property
    def web_port(self) -> int:
        """The port part of `web`."""
        return int(self.web.rpartition(":")[2])


def explain() -> str:
    """The table as text, for `--help`: each variable, what it means, and its default."""
    lines = []
    for setting in SETTINGS:
        default = "none" if setting.default is None else setting.default
        lines.append(f"{setting.variable}\n    {setting.meaning} (default: {default})")
    return "\n".join(lines)

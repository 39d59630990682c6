"""The packs that are in force: the default, and what was published to `circulation.rules`, as the store has it."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import packs as shipped_packs
from circulation.rulepack import Pack, Packs, Published, load_yaml, parse_pack
from circulation.rules import Rule
from streams.loading import COLUMNS, event_of, standing
from streams.settings import Settings
from streams.store import Db

RULES, PACK = "circulation.rules", "circulation.rulepack.published"


def parameters(rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """Each detector's parameters with their defaults: what `lint` checks a pack against."""
    return {rule.id: {name: one.default for name, one in rule.parameters.items()} for rule in rules.values()}


def read_pack(raw: bytes, rules: Mapping[str, Rule]) -> Pack:
    """A pack from YAML; raises `PackInvalid` with everything that is wrong."""
    return parse_pack(load_yaml(raw), published=False, known=parameters(rules))


def shipped(rules: Mapping[str, Rule]) -> Pack:
    """The pack that travels with the distribution."""
    return read_pack(shipped_packs.shipped(), rules)


def start(settings: Settings, rules: Mapping[str, Rule]) -> tuple[Pack, str]:
    """The pack to start from, and the name of those that replace it: what the settings ask for."""
    if settings.rules is None:
        return shipped(rules), settings.pack
    pack = read_pack(Path(settings.rules).read_bytes(), rules)
    return pack, pack.pack


class Rulebook:
    """The packs of one name. Called, it answers with them; `refresh` looks whether the store has others by now."""

    def __init__(self, default: Pack, name: str | None = None) -> None:
        self._default = default
        self._name = name or default.pack
        self._packs = Packs(default)
        self._seen: tuple[Any, ...] | None = None
        # By the number of its event, which is kept for good: a pack is large, and one comes at a time.
        self._read: dict[int, Published] = {}
        self._lock = threading.Lock()

    def __call__(self) -> Packs:
        return self._packs

    def known(self, db: Db, known_at: int | None) -> Packs:
        """The packs as the store has them, or had them at an instant (µs of the clocks that took events in)."""
        if known_at is None:
            self.refresh(db)
            return self._packs
        stood, values = standing(known_at)
        query = f"select {COLUMNS} from events where topic = ? and subject = ? and type = ? and {stood}"  # noqa: S608
        events = map(event_of, db.rows(query, RULES, self._name, PACK, *values))
        published = [Published(parse_pack(one.data, published=True), one.time, one.source, one.id) for one in events]
        return Packs(self._default, published)

    def refresh(self, db: Db) -> bool:
        """Reads the packs anew where any was published or taken back; answers whether that was so."""
        query = "select count(*), max(id) from events where topic = ? and subject = ?"
        state = db.one(query, RULES, self._name)
        if state == self._seen:
            return False
        with self._lock:
            query = "select id from events where topic = ? and subject = ? and type = ? and retracted is null"
            numbers = [row[0] for row in db.rows(query, RULES, self._name, PACK)]
            new = [number for number in numbers if number not in self._read]
            for row in db.rows(f"select {COLUMNS} from events where id = any(?)", new):  # noqa: S608
                event = event_of(row)
                pack = parse_pack(event.data, published=True)
                self._read[row[0]] = Published(pack=pack, time=event.time, source=event.source, id=event.id)
            self._packs = Packs(self._default, [self._read[number] for number in numbers])
            self._seen = state
        return True

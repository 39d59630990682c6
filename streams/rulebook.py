"""The packs that are in force: the default, and what was published to `circulation.rules`, as the store has it."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

import packs
from circulation.rulepack import Pack, Packs, Published, load_yaml, parse_pack
from circulation.rules import Rule
from streams.loading import COLUMNS, event_of, standing
from streams.settings import Settings
from streams.store import Db, Store

# The shipped pack by the ids of the rules that it was checked against.
_shipped: dict[tuple[str, ...], Pack] = {}

RULES, PACK = "circulation.rules", "circulation.rulepack.published"


def parameters(rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """Each detector's parameters with their defaults: what `lint` checks a pack against."""
    return {rule.id: {name: one.default for name, one in rule.parameters.items()} for rule in rules.values()}


def types_of(rule: Rule) -> frozenset[str]:
    """The types of acts and events that a rule looks at."""
    found: frozenset[str] = frozenset()
    for shape in (rule.check, rule.sum):
        found |= frozenset() if shape is None else shape.acts
    return found if rule.tally is None else found | rule.tally.events


def read_pack(raw: bytes, rules: Mapping[str, Rule]) -> Pack:
    """A pack from YAML; raises `PackInvalid` with everything that is wrong."""
    return parse_pack(load_yaml(raw), published=False, known=parameters(rules))


def shipped(rules: Mapping[str, Rule]) -> Pack:
    """The pack that travels with the distribution; it is read once a process, for reading YAML is slow."""
    key = tuple(rules)
    if key not in _shipped:
        _shipped[key] = read_pack(packs.shipped(), rules)
    return _shipped[key]


def shipped_packs(rules: Mapping[str, Rule]) -> list[Pack]:
    """All packs that travel with the distribution, the default first."""
    return [read_pack(packs.shipped(name), rules) for name in packs.NAMES]


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
        self._packs = self._made(())
        self._seen: tuple[Any, ...] | None = None
        # By the number of its event, which is kept for good: a pack is large, and one comes at a time.
        self._read: dict[int, Published] = {}
        self._lock = threading.Lock()

    def __call__(self) -> Packs:
        return self._packs

    def _made(self, published: Iterable[Published]) -> Packs:
        return Packs(self._default, published)

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

    def asks(self) -> tuple[str, tuple[str, ...]]:
        """Columns of a query, and their values, by which `refresh` knows whether any pack came or went."""
        published = "from events where topic = ? and subject = ?"
        return f"(select count(*) {published}), (select max(id) {published})", (RULES, self._name) * 2

    def refresh(self, db: Db, state: tuple[Any, ...] | None = None) -> bool:
        """Reads the packs anew where any was published or taken back; answers whether that was so.

        `state` is what `asks` was answered with, in the same transaction.
        """
        if state is None:
            columns, values = self.asks()
            state = db.one(f"select {columns}", *values)
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
            self._packs = self._made(self._read[number] for number in numbers)
            self._seen = state
        return True


def in_store(settings: Settings) -> Packs | None:
    """The packs that workers with these settings go by, as far as their store can be read; None where it cannot."""
    import detectors

    url = make_url(settings.store)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return None
    default, name = start(settings, detectors.RULES)
    book = Rulebook(default, name)
    store = Store(settings.store, read_only=True)
    try:
        with store.reading() as db:
            book.refresh(db)
    except Exception:  # there may be anything behind a URL, and who asks can go on without
        return None
    finally:
        store.close()
    return book()

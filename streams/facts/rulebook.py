"""The packs that are in force: the default, and what was published to `circulation.rules`, as the store has it."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

import packs
from circulation.events.event import Event
from circulation.events.names import RULEPACK_PUBLISHED, RULES
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import load_yaml
from circulation.rules import Rule, parameters
from streams.address import address
from streams.facts.known import Known
from streams.settings import Settings
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of, standing
from streams.store.schema_version import StoreNewer
from streams.store.store import Store

# The shipped pack by the ids of the rules that it was checked against.
_shipped: dict[tuple[str, ...], Pack] = {}

# Packs that were read and not yet asked for: each may have 64 MiB.
AHEAD_MAX: Final = 2


def types_of(rule: Rule) -> frozenset[str]:
    """The types of acts and events that a rule looks at."""
    types: frozenset[str] = frozenset()
    for shape in (rule.check, rule.sum):
        types |= frozenset() if shape is None else shape.acts
    return types if rule.tally is None else types | rule.tally.events


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
    """The packs of one `name`. Called, it answers with them; `refresh` looks whether the store has others by now."""

    def __init__(self, default: Pack, name: str | None = None) -> None:
        self.name = name or default.pack
        self._default = default
        self._packs = self._made(())
        self._seen: tuple[Any, ...] | None = None
        # By the number of its event, which is kept for good: a pack is large, and one comes at a time.
        self._read: dict[int, Published] = {}
        # Packs that `read` has read and `refresh` has not asked for yet, by the bytes that the store keeps of them.
        self._ahead: dict[bytes, Pack] = {}
        self._lock = threading.Lock()

    def __call__(self) -> Packs:
        return self._packs

    @property
    def newest(self) -> int:
        """The highest number in `events` of what `refresh` found, 0 without any: what was published by then is in."""
        return int((self._seen or (0, 0))[1] or 0)

    def read(self, event: Event, known: Mapping[str, Any]) -> Pack:
        """The pack of an event that publishes one, checked against the parameters `known`. Raises `PackInvalid`.

        Of a long pack that takes a second, so it is read once: before the transaction that takes it in, which finds it
        here, as `refresh` does after it.
        """
        pack = self._ahead.get(event.raw_data)
        if pack is None:
            pack = parse_pack(event.data, published=True, known=known)
            if pack.pack != event.subject:
                raise PackInvalid([f"$.data.pack: {pack.pack!r} is not the subject"])
            if len(self._ahead) >= AHEAD_MAX:
                self._ahead.clear()
            self._ahead[event.raw_data] = pack
        return pack

    def _made(self, published: Iterable[Published]) -> Packs:
        return Packs(self._default, published)

    def known(self, db: Db, known_at: int | None) -> Packs:
        """The packs as the store has them, or had them at an instant (µs of the clocks that took events in)."""
        if known_at is None:
            self.refresh(db)
            return self._packs
        stood, values = standing(known_at)
        query = f"select {COLUMNS} from events where topic = ? and subject = ? and type = ? and {stood}"  # noqa: S608
        events = map(event_of, db.rows(query, RULES, self.name, RULEPACK_PUBLISHED, *values))
        published = [
            Published(parse_pack(event.data, published=True), event.time, event.source, event.id) for event in events
        ]
        return Packs(self._default, published)

    def asks(self) -> tuple[str, tuple[str, ...]]:
        """Columns of a query, and their values, by which `refresh` knows whether any pack came or went."""
        published = "from events where topic = ? and subject = ?"
        # Of `max(id)` PostgreSQL would go back through all events to the last pack, or to their begin.
        return f"(select count(*) {published}), (select max(id + 0) {published})", (RULES, self.name) * 2

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
            numbers = [row[0] for row in db.rows(query, RULES, self.name, RULEPACK_PUBLISHED)]
            new = [number for number in numbers if number not in self._read]
            for row in db.rows("select id, time, source, event, data from events where id = any(?)", new):
                number, time, source, id_, data = row
                pack = self._ahead.pop(bytes(data), None) or parse_pack(orjson.loads(data), published=True)
                self._read[number] = Published(pack, time, source, id_)
            self._packs = self._made(self._read[number] for number in numbers)
            self._seen = state
        return True

    def refresh_where_changed(self, db: Db, known: Known, state: tuple[Any, ...] | None = None) -> None:
        """Refresh in a transaction that writes, where any pack may have come or gone; sums kept of the old ones go."""
        if known.packs_changed or not known.alone:
            known.packs_changed = False
            if self.refresh(db, state):
                known.sums.clear()


def in_store(settings: Settings) -> Packs | None:
    """The packs that workers with these settings go by, as far as their store can be read; None where it cannot.

    Raises `StoreNewer` where a newer version of this program made it.
    """
    import detectors

    file = address(settings.store).file
    if file is not None and not file.is_file():
        return None
    default, name = start(settings, detectors.RULES)
    book = Rulebook(default, name)
    store = Store(settings.store, read_only=True)
    try:
        with store.reading() as db:
            book.refresh(db)
    except StoreNewer:
        raise
    except Exception:  # there may be anything behind a URL, and who asks can go on without
        return None
    finally:
        store.close()
    return book()

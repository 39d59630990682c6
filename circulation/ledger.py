"""The memory of a sum from act to act, which can be put back to how it was before any of them.

A sum over the acts of a scope goes on where it stood when an act comes behind all others, and goes back no further than
the act that came late, or was taken back (`streams.facts.running_sums`). A step is undone entry by entry, so
that an act costs what its step does, and not a copy of all that is remembered.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Any, Final

from circulation.findings import Said

_ABSENT: Final = object()
_KEPT: Final = object()


class Ledger:
    """A mapping with a journal. Values are never changed in place, but for lists, which `add` and `discard` keep in
    order; names of lists are apart from keys of values.
    """

    __slots__ = ("_journal", "_lists", "_moved", "_values")

    def __init__(self) -> None:
        # Instants at which something that is kept occurred, or no longer does, since they were last asked for.
        self._moved: set[int] = set()
        self._values: dict[Any, Any] = {}
        self._lists: dict[Any, list[Any]] = {}
        # (key, value before) of values; (name, item, whether it was added, a mark of lists)
        self._journal: list[tuple[Any, ...]] = []

    def get(self, key: Any, default: Any = None) -> Any:
        """The value, or what stands for none."""
        return self._values.get(key, default)

    def __contains__(self, key: Any) -> bool:
        """Whether there is a value."""
        return key in self._values

    def __setitem__(self, key: Any, value: Any) -> None:
        """Sets a value."""
        self._journal.append((key, self._values.get(key, _ABSENT)))
        self._values[key] = value

    def pop(self, key: Any, default: Any = None) -> Any:
        """Takes a value out; answers with it, or with what stands for none."""
        value = self._values.pop(key, _ABSENT)
        if value is _ABSENT:
            return default
        self._journal.append((key, value))
        return value

    def list(self, name: Any) -> Sequence[Any]:
        """A sorted list; empty where nothing was added. Not to be kept."""
        return self._lists.get(name, ())

    def add(self, name: Any, item: Any) -> None:
        """Adds an item to a sorted list."""
        self._put_in(name, item)
        self._journal.append((name, item, True))

    def discard(self, name: Any, item: Any) -> None:
        """Takes an item out of a sorted list that has it."""
        self._take_out(name, item)
        self._journal.append((name, item, False))

    def keep(self, name: str, finding: Said) -> None:
        """Keeps what a later act may take back, or time brings about: it is said for as long as it is kept so."""
        self.drop(name)
        self[_KEPT, name] = finding
        self.add(_KEPT, (finding.occurred, name))

    def drop(self, name: str) -> None:
        """Takes back what is kept under a name, if anything is."""
        finding: Said | None = self.pop((_KEPT, name))
        if finding is not None:
            self.discard(_KEPT, (finding.occurred, name))

    def kept(self, since: int, until: int) -> Iterator[Said]:
        """The kept findings that occurred from an instant on, without those whose `due` is not before `until`."""
        items = self.list(_KEPT)
        for at in range(bisect_left(items, (since,)), len(items)):
            occurred, name = items[at]
            finding: Said = self._values[_KEPT, name]
            if finding.due is None or finding.due < until:
                yield finding
            elif occurred > until:
                return

    def due(self, instant: int) -> bool:
        """Whether anything is kept that is due, and occurred, at an instant."""
        items = self.list(_KEPT)
        for at in range(bisect_left(items, (instant,)), len(items)):
            occurred, name = items[at]
            if occurred > instant:
                return False
            if self._values[_KEPT, name].due is not None:
                return True
        return False

    def moved(self) -> set[int]:
        """The instants at which something occurred that is kept now, or was, and was not when this was last asked."""
        moved, self._moved = self._moved, set()
        return moved

    def _put_in(self, name: Any, item: Any) -> None:
        if name is _KEPT:
            self._moved.add(item[0])
        insort(self._lists.setdefault(name, []), item)

    def _take_out(self, name: Any, item: Any) -> None:
        if name is _KEPT:
            self._moved.add(item[0])
        items = self._lists[name]
        at = bisect_left(items, item)
        if at == len(items) or items[at] != item:
            raise KeyError(item)
        del items[at]
        if not items:
            del self._lists[name]

    @property
    def mark(self) -> int:
        """Where the journal stands now."""
        return len(self._journal)

    def back(self, mark: int) -> None:
        """Puts everything back to how it was at a mark."""
        journal = self._journal
        while len(journal) > mark:
            entry = journal.pop()
            if len(entry) == 2:
                key, before = entry
                if before is _ABSENT:
                    del self._values[key]
                else:
                    self._values[key] = before
                continue
            name, item, added = entry
            if added:
                self._take_out(name, item)
            else:
                self._put_in(name, item)

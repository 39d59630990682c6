"""Keeps what statements of credit are made of: a line of each record, finding and merit, and how each claim stands.

A transaction that changes anything that bears on one notes that in `credit_touched`, and asks for the statement of the
party. Then that one is folded again out of all that is known of it, and what it bears on: an objection on a record, a
record on the finding that it names. All others are as they were, as far as time has not changed them.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import orjson
import xxhash

from circulation.credit.sending import STATED_MAX, Listed, listed
from circulation.credit.settings import Settings
from circulation.credit.statement import (
    CORRECTIONS,
    FINDING,
    KINDS,
    LISTS,
    MERIT,
    NEVER,
    OBJECTION,
    OPEN,
    RECORD,
    REPAIR,
    SUSPENDING,
    TYPES,
    UPHELD,
    Line,
    Standing,
    Sum,
    around,
    claim,
    finding_line,
    merit_line,
    record_line,
)
from circulation.events.event import Event
from circulation.events.names import PARTIES
from circulation.heaviest import Heaviest, Move
from circulation.keys import join_key, split_key
from streams.facts.stated import Lists, Stated
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.kept_events import COLUMNS
from streams.store.outbox import canonical

# Before a round begins with a party there is nothing of it.
_NO_SUMS: Final[Mapping[str, Sum]] = {kind: Sum() for kind in LISTS}


class State(NamedTuple):
    """The credit of a party: the sums of its lists, by kind; and the instant at which time alone changes it next.

    Each change of a list makes the `version` one higher; `moves` are what it changed of each, None where all was
    folded. Of the findings of which that may have changed, those to which an objection was upheld before, and those to
    which one is.
    """

    sums: Mapping[str, Sum]
    until: int
    version: int
    moves: Mapping[str, Sequence[Move[Listed]]] | None
    was_upheld: set[str]
    upheld: set[str]

    @property
    def changed(self) -> bool:
        """Whether any list may have changed."""
        return self.moves is None or bool(self.moves)


def refresh(
    db: Db, parties: Sequence[str], as_of: int, settings: Settings, read: Callable[[tuple[Any, ...]], Event]
) -> dict[str, State]:
    """Bring what is kept of parties, whose things are locked, to an instant (µs) and to the parameters in force then.

    1. Take what was touched. Of a party of which nothing is kept, or by other parameters, that is all there is.
    2. Add what time changed. Where the clock went back, or is another worker's, that is what began to hold later.
    3. Fold claims, then records, then merits and findings: each may have those after it folded again.
    4. Write the sums.
    """
    fold = _Fold(db, as_of, settings, read)
    in_force = xxhash.xxh3_128_digest(msgspec.json.encode(settings))
    query = "select party, as_of, settings, sums, version from credit_sums where party = any(?)"
    rows = db.rows(query, list(parties))
    versions = {row[0]: row[4] for row in rows}
    kept = {row[0]: (row[1], row[3]) for row in rows if bytes(row[2]) == in_force}
    whole = [party for party in parties if party not in kept]
    rows = db.rows("select id, party, kind, name from credit_touched where party = any(?)", list(parties))
    if rows:
        db.run("delete from credit_touched where id = any(?)", [row[0] for row in rows])
        fold.touch(join_key(*row[1:]) for row in rows)
    if whole:
        fold.begin(whole)
    fold.touch_due(list(kept), [party for party, (until, _) in kept.items() if as_of < until])
    fold.run()
    sums = {party: _decoded(kept[party][1]) if party in kept else _NO_SUMS for party in parties}
    for party, lists_ in fold.moves.items():
        sums[party] = {kind: _moved(sum_, lists_.get(kind, ())) for kind, sum_ in sums[party].items()}
    changed = sorted({*fold.parties, *whole})
    versions |= {party: versions.get(party, 0) + 1 for party in {*fold.moves, *whole}}
    rows = [(party, as_of, in_force, _encoded(sums[party]), versions[party]) for party in changed]
    db.many(schema.credit_sums, rows, "upsert")
    query = (
        "select s.party, (select min(until) from credit_lines l where l.party = s.party),"
        " (select min(until) from credit_claims c where c.party = s.party)"
        " from credit_sums s where s.party = any(?)"
    )
    until = {
        party: min(NEVER if instant is None else instant for instant in instants)
        for party, *instants in db.rows(query, list(parties))
    }
    before, after = fold.upheld(whole)
    return {
        party: State(
            sums[party],
            until[party],
            versions[party],
            fold.moves.get(party, {}) if party in kept else None,
            before.get(party, set()),
            after.get(party, set()),
        )
        for party in parties
    }


def _moved(before: Sum, moves: Sequence[Move[Listed]]) -> Sum:
    count, points = before
    for gone, came in moves:
        if gone is not None:
            count, points = count - 1, points - gone[0]
        if came is not None:
            count, points = count + 1, points + came[1].points
    return Sum(count, points)


def _decoded(sums: bytes) -> dict[str, Sum]:
    return {kind: Sum(*values) for kind, values in json.loads(sums).items()}


def _encoded(sums: Mapping[str, Sum]) -> bytes:
    """Sums as they are kept: points may be beyond 64 bits, which only the standard library writes and reads."""
    return json.dumps(sums).encode()


def lists(db: Db, states: Mapping[str, State], cache: Stated) -> dict[str, dict[str, list[Listed]]]:
    """The lines of each list of parties that are sent, by kind and in their order."""
    by_party: dict[str, Lists] = {}
    for party, state in states.items():
        known = cache.take(party, state.version - 1) if state.moves is not None else None
        if known is None:
            continue
        for kind, moves in (state.moves or {}).items():
            for move in moves:
                known[kind].move(move)
        if not any(heaviest.is_short() for heaviest in known.values()):
            by_party[party] = known
    by_party |= _read_lists(db, {party: state for party, state in states.items() if party not in by_party})
    for party, party_lists in by_party.items():
        cache.keep(party, states[party].version, party_lists)
    return {party: {kind: heaviest.lines() for kind, heaviest in by_party[party].items()} for party in states}


def _read_lists(db: Db, states: Mapping[str, State]) -> dict[str, Lists]:
    lines: dict[tuple[str, str], list[tuple[str, Listed]]] = {}
    columns = "party, kind, rank, points, bytes, data"
    small = [party for party, state in states.items() if sum(sum_.lines for sum_ in state.sums.values()) <= STATED_MAX]
    rows = db.rows(f"select {columns} from credit_lines where party = any(?) and listed", small) if small else []  # noqa: S608
    query = (
        f"select {columns} from credit_lines where party = ? and kind = ? and listed"  # noqa: S608
        " order by points desc, key(rank) desc limit ?"
    )
    for party in states.keys() - {*small}:
        for kind in LISTS:
            rows += db.rows(query, party, kind, STATED_MAX)
    for party, kind, rank, points, size, data in rows:
        lines.setdefault((party, kind), []).append((rank, Listed(points, size, orjson.Fragment(bytes(data)))))
    return {
        party: {kind: Heaviest(state.sums[kind].lines, lines.get((party, kind), ()), STATED_MAX) for kind in LISTS}
        for party, state in states.items()
    }


class _Fold:
    """One round of folding: what is touched, by kind, as keys (party, kind, id), and what comes of it."""

    def __init__(self, db: Db, as_of: int, settings: Settings, read: Callable[[tuple[Any, ...]], Event]) -> None:
        self._db = db
        self._as_of = as_of
        self._settings = settings
        self._read = read
        self._touched: dict[str, set[str]] = {kind: set() for kind in (RECORD, FINDING, MERIT, OBJECTION, REPAIR)}
        # The findings of which it may have changed whether an objection to them is upheld.
        self._upheld: set[str] = set()
        # The parties of which anything was folded, and by party and kind what that changed of the lists.
        self.parties: set[str] = set()
        self.moves: dict[str, dict[str, list[Move[Listed]]]] = {}

    def touch(self, keys: Iterable[str]) -> None:
        """Have these folded again."""
        for key in keys:
            self._touched[split_key(key, 2)[1]].add(key)

    def begin(self, parties: list[str]) -> None:
        """Have all folded that there is of parties."""
        db = self._db
        db.run("delete from credit_lines where party = any(?)", parties)
        db.run("delete from credit_claims where party = any(?)", parties)
        query = (
            "select distinct thing from events where topic = ? and subject = any(?) and type = any(?)"
            " and retracted is null"
        )
        things = [queue.act_of(row[0]) for row in db.rows(query, PARTIES, parties, list(TYPES))]
        self.touch(join_key(party, KINDS[type_], name) for type_, party, name in things)
        query = "select party, finding from findings where party = any(?) and standing and mode = ?"
        self.touch(join_key(party, FINDING, finding) for party, finding in db.rows(query, parties, "enforce"))

    def touch_due(self, parties: list[str], gone_back: list[str]) -> None:
        """Have folded what no longer holds, and of parties that were folded by a later clock what does not hold yet."""
        for table, key in (("credit_lines", "line"), ("credit_claims", "claim")):
            query = f"select {key} from {table} where party = any(?) and"  # noqa: S608 names are ours
            for over, party_ids in ((f"{query} until <= ?", parties), (f"{query} since > ?", gone_back)):
                if party_ids:
                    self.touch(row[0] for row in self._db.rows(over, party_ids, self._as_of))

    def run(self) -> None:
        """Fold what is touched, in the order in which it bears on each other."""
        self._fold_claims({*self._touched[OBJECTION], *self._touched[REPAIR]})
        self._fold_records(self._touched[RECORD])
        self._fold_merits(self._touched[MERIT])
        self._fold_findings(self._touched[FINDING])

    def _events(self, keys: Collection[str]) -> dict[str, list[Event]]:
        """All that was said of each of these and not taken back."""
        things = {
            queue.act(type_, party, name): key
            for key in keys
            for party, kind, name in (split_key(key, 2),)
            for type_ in TYPES
            if KINDS[type_] == kind
        }
        by_key: dict[str, list[Event]] = {}
        query = f"select {COLUMNS} from events where thing = any(?) and retracted is null"  # noqa: S608
        for row in self._db.rows(query, list(things)) if things else ():
            by_key.setdefault(things[row[4]], []).append(self._read(row))
        return by_key

    def _fold_claims(self, keys: set[str]) -> None:
        if not keys:
            return
        rows, gone = [], []
        query = "select claim, about, upholds from credit_claims where claim = any(?)"
        old = {row[0]: row[1:] for row in self._db.rows(query, list(keys))}
        by_key = self._events(keys)
        for key in sorted(keys):
            party, kind, _ = split_key(key, 2)
            about, upholds = old.get(key, (None, None))
            self._bears(about, upholds)
            if (events := by_key.get(key)) is None:
                gone.append(key)
                continue
            now, ever = claim(kind, events, self._as_of), claim(kind, events)
            about, state, rank, filed = (None,) * 4 if now is None else (join_key(party, *now.about), *now[1:])
            upholds = None
            if ever is not None and ever.about[0] == FINDING and ever.state == UPHELD:
                upholds = join_key(party, *ever.about)
            self._bears(about, upholds)
            holds = around((event.time for event in events), self._as_of)
            rows.append((key, party, about, state, rank, filed, upholds, *holds))
        self.parties.update(split_key(key, 1)[0] for key in keys)
        self._db.many(schema.credit_claims, rows, "upsert")
        if gone:
            self._db.run("delete from credit_claims where claim = any(?)", gone)

    def _bears(self, about: str | None, upholds: str | None) -> None:
        if about is not None:
            self.touch([about])
        if upholds is not None:
            self._upheld.add(upholds)

    def _states(self, keys: Collection[str]) -> dict[str, dict[str, str]]:
        """By what claims are about the states that any is in, each with the latest place, and what suspends."""
        by_about: dict[str, dict[str, str]] = {}
        query = "select about, state, max(rank) from credit_claims where about = any(?) group by about, state"
        for about, state, rank in self._db.rows(query, list(keys)):
            by_about.setdefault(about, {})[state] = rank
        for about, states in by_about.items():
            if OPEN in states and (suspending := self._suspending(about)) is not None:
                states[SUSPENDING] = suspending
        return by_about

    def _suspending(self, about: str) -> str | None:
        """Of the first objection, and the first that is filed after each correction, the latest that is open."""
        query = "select rank from credit_claims where about = ? and state = any(?) order by rank desc"
        corrected = self._db.rows(query, about, list(CORRECTIONS))
        query = "select filed, state from credit_claims where about = ? and filed > ? order by filed limit 1"
        for since in (*(row[0] for row in corrected), ""):
            first = self._db.one(query, about, since)
            if first is not None and first[1] == OPEN:
                return str(first[0])
        return None

    def _fold_records(self, keys: set[str]) -> None:
        if not keys:
            return
        by_key, states = self._events(keys), self._states(keys)
        self._keep(
            {
                key: record_line(by_key[key], states.get(key, {}), self._as_of, self._settings)
                if key in by_key
                else None
                for key in keys
            }
        )

    def _fold_merits(self, keys: set[str]) -> None:
        if keys:
            by_key = self._events(keys)
            self._keep({key: merit_line(by_key[key], self._as_of) if key in by_key else None for key in keys})

    def _fold_findings(self, keys: set[str]) -> None:
        if not keys:
            return
        db = self._db
        # Were it asked what stands, PostgreSQL might go through the index of all that does.
        query = "select party, finding, severity, occurred, standing, mode from findings where finding = any(?)"
        rows = db.rows(query, sorted({split_key(key, 2)[2] for key in keys}))
        standing = {
            join_key(party, FINDING, columns[0]): Standing(*columns)
            for party, *columns, stands, mode in rows
            if party is not None and stands and mode == "enforce"
        }
        standing_keys = list(standing.keys() & keys)
        states = self._states(standing_keys)
        named = {row[0] for row in db.rows("select named from credit_lines where named = any(?)", standing_keys)}
        lines: dict[str, Line | None] = dict.fromkeys(keys)
        for key in standing_keys:
            lines[key] = finding_line(
                standing[key], states.get(key, {}), self._as_of, self._settings, named=key in named
            )
        self._keep(lines)

    def _keep(self, lines: Mapping[str, Line | None]) -> None:
        """Keep lines in the place of those that were there; of what there is nothing any longer, none."""
        rows, gone = [], []
        query = "select line, listed, points, rank, named from credit_lines where line = any(?)"
        old = {row[0]: row[1:] for row in self._db.rows(query, list(lines))}
        for key, line in sorted(lines.items()):
            party, kind, _ = split_key(key, 2)
            self.parties.add(party)
            was_listed, points, rank, named = old.get(key, (False, 0, "", None))
            names = None if line is None or line.named is None else join_key(party, FINDING, line.named)
            self.touch(finding for finding in (named, names) if finding is not None)
            listed_row = None if line is None or line.row is None else listed(line.row)
            data, came = None, None
            if line is not None and listed_row is not None:
                data = canonical(listed_row.value)
                came = line.place, listed_row._replace(value=orjson.Fragment(data))
            if was_listed or came is not None:
                move = Move((points, rank) if was_listed else None, came)
                self.moves.setdefault(party, {}).setdefault(kind, []).append(move)
            if line is None:
                gone.append(key)
                continue
            holds = around(line.instants, self._as_of)
            points, size = (0, 0) if listed_row is None else (listed_row.points, listed_row.bytes)
            rows.append((key, party, kind, listed_row is not None, points, line.place, names, *holds, size, data))
        self._db.many(schema.credit_lines, rows, "upsert")
        if gone:
            self._db.run("delete from credit_lines where line = any(?)", gone)

    def upheld(self, whole: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """By party, of the findings of which it may have changed: those held to be upheld, and those that are now."""
        db = self._db
        before: dict[str, set[str]] = {}
        after: dict[str, set[str]] = {}
        if whole:
            for party, finding in db.rows("select party, finding from upheld where party = any(?)", list(whole)):
                before.setdefault(party, set()).add(finding)
        if self._upheld:
            pairs = [(key, *split_key(key, 2)) for key in sorted(self._upheld)]
            query = "select party, finding from upheld where finding = any(?)"
            held = set(db.rows(query, [pair[3] for pair in pairs]))
            query = "select upholds from credit_claims where upholds = any(?)"
            upholding = {row[0] for row in db.rows(query, [pair[0] for pair in pairs])}
            for key, party, _, finding in pairs:
                if (party, finding) in held:
                    before.setdefault(party, set()).add(finding)
                if key in upholding:
                    after.setdefault(party, set()).add(finding)
        return before, after

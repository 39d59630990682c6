"""The book of findings: raises, revises and clears them, and posts what goes out, in the caller's transaction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from circulation.bounds import LEFT_OUT, bounded
from circulation.calendar import format_instant
from circulation.credit.statement import FINDING
from circulation.docket import Cleared, Raised, Step, docket_id, step_of
from circulation.events.names import DELIVERY_COMPLETED, FINDING_CLEARED, FINDING_RAISED, FINDINGS, JOURNAL
from circulation.exports import UNDECLARED
from circulation.facts.facts import Loaded
from streams.findings.entry import Change, Entry, data_of, raised_by
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.outbox import Message, canonical, cloudevent, post

# Members that a finding bears besides the statement.
NOT_SAID: Final = frozenset({"revision", "sectors", "sectors" + LEFT_OUT})
RECEIVERS_BYTES_MAX: Final = 128 * 1024
# Members that a cleared finding bears as it was raised, so that its receiver knows what is over.
OF_CLEARED: Final = ("detector", "severity", "mode", "about", "party", "sectors", "sectors" + LEFT_OUT)
# Two sources: a finding's `raised` and `cleared` share the id `finding.revision`, and identity is (source, id).
REFUTED, UPHELD, RETRACTED = "refuted", "objection-upheld", "retracted"
# A lock that all who raise share, and one who upholds an objection has alone: a finding that is upheld does not stand.
UPHOLDING = "upholding"
RAISED_BY, CLEARED_BY = "/circulation/findings/raised", "/circulation/findings/cleared"


def whose_credit(data: Mapping[str, Any]) -> str | None:
    """The party whose statement of credit a finding bears on."""
    return data.get("party") if data["mode"] == "enforce" else None


def note(db: Db, steps: Sequence[tuple[str, Step]]) -> None:
    """Writes down steps of dockets, in their order; the items that have them entered are queued by the caller."""
    encode = msgspec.msgpack.encode
    db.many(schema.docket, [(docket, encode(step), None) for docket, step in steps])


class _Page:
    """The page that one transaction writes: messages, changes for the metrics, and what follows from them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.changes: list[Change] = []
        self.follow: set[str] = set()
        self.of_credit: set[tuple[str, str, str]] = set()
        self.steps: list[tuple[str, Step]] = []

    def changed(
        self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, at: int, *, stood: bool = True
    ) -> None:
        """Note what follows from a finding that was raised, revised or cleared; `stood` tells whether it did before."""
        for data in (before, after):
            if data is not None and (party := whose_credit(data)) is not None:
                self.follow.add(queue.credit(party))
                self.of_credit.add((party, FINDING, data["finding"]))
            if data is not None and data["detector"] == UNDECLARED:
                # Sums of exports count the delivery while that stands, and the list asks whether it may be exported.
                evidence = data["evidence"]
                self.follow.add(queue.act(DELIVERY_COMPLETED, evidence["contract"], evidence["delivery"]))
        step: Raised | Cleared | None = step_of(before if stood else None, after, at)
        data = after or before
        if step is not None and data is not None:
            docket = docket_id(data["detector"], data["about"]["kind"], data["about"]["id"])
            self.steps.append((docket, step))
            self.follow.add(queue.case(docket))

    def write(self, db: Db, priority: int = queue.LIVE) -> list[Change]:
        """Writes it to the open transaction; cases wait at this priority."""
        post(db, self.messages)
        note(db, self.steps)
        db.many(schema.credit_touched, sorted(self.of_credit))
        now = db.clock()
        of_credit = queue.Kind.CREDIT
        queue.put_each(
            db,
            {thing: queue.STATING if queue.kind_of(thing) == of_credit else priority for thing in sorted(self.follow)},
            now,
        )
        return self.changes


_COLUMNS = "finding, thing, standing, revision, data, detector, severity, mode, occurred, key"
_OF_SAID: Final = f"select {_COLUMNS} from findings where finding = any(?)"  # noqa: S608
_OF_THINGS: Final = f"select {_COLUMNS} from findings where thing = any(?) and standing"  # noqa: S608
# The columns of a finding.
Row = tuple[Any, ...]

Receivers = Callable[[Db, Sequence[Entry], Loaded | None], Sequence[tuple[str, ...]]]


class Book:
    """Enters findings. `receivers` looks up the sectors of what is raised."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers

    def enter(
        self,
        db: Db,
        entries: Sequence[Entry],
        *,
        things: Sequence[str] = (),
        now: int = 0,
        reason: Callable[[str, Mapping[str, Any]], str] | None = None,
        priority: int = queue.LIVE,
        facts: Loaded | None = None,
        since: Mapping[str, int] | None = None,
        standing: Sequence[Row] | None = None,
    ) -> list[Change]:
        """Raises what is said; of the things named, clears at `now` what stands and is no longer said.

        Of a thing in `since` only what occurred at that instant or later is looked at: it was not judged before that.

        Follow-ups in cases do not come before the item that caused them, which was of this `priority`. Of the `facts`
        that it was said by none is loaded again to look up who receives it. What stands of all the things is not asked
        where it is given.
        """
        if not entries and not things:
            return []
        if standing is None:
            db.share(UPHOLDING)
        by_finding = {entry.finding: entry for entry in entries}
        begun = {thing: since[thing] for thing in things if thing in since} if since else {}
        whole = [thing for thing in things if thing not in begun] if begun else things
        queries: list[tuple[str, list[Any]]] = [
            (query, [list(of)])
            for query, of in ((_OF_SAID, by_finding), (_OF_THINGS, whole if standing is None else ()))
            if of
        ]
        if begun:
            queries.append((f"{_OF_THINGS} and occurred >= ?", [list(begun), min(begun.values())]))
        rows = [*(standing or ())]
        if queries:
            rows += db.rows(
                " union all ".join(query for query, _ in queries), *(values for _, of in queries for values in of)
            )
        known = {row[0]: row for row in rows if row[0] in by_finding}
        if moved := sorted(finding for finding, row in known.items() if row[2] and row[1] != by_finding[finding].thing):
            known |= self._taken_over(db, by_finding, moved)
        gone = sorted(row for row in rows if row[0] not in by_finding and row[8] >= begun.get(row[1], row[8]))
        if gone and db.postgres:
            gone = self._left(db, gone)
        new: list[tuple[str, Entry, int, dict[str, Any]]] = []
        for finding, entry in by_finding.items():
            data = data_of(finding, entry)
            old = known.get(finding)
            if old is not None and old[2] and _same(orjson.loads(old[4]), data):
                continue
            new.append((finding, entry, 1 if old is None else old[3] + 1, data))
        if new:
            new = self._not_upheld(db, new)
        if not new and not gone:
            return []
        page = _Page()
        for row in gone:
            self._clear(db, row, now, reason, page)
        if new:
            sectors = self._receivers(db, [entry for _, entry, _, _ in new], facts)
            raised = []
            for (finding, entry, revision, data), receivers in zip(new, sectors, strict=True):
                old = known.get(finding)
                # The key stays: what is said of one finding leaves in order, also when another party answers for it.
                key = objector(data) if old is None else old[9]
                raised.append(self._raise(finding, entry, revision, data, receivers, key, page.messages))
                page.changes.append(raised_by(entry, first=revision == 1))
                before = None if old is None else orjson.loads(old[4])
                page.changed(before, data, entry.now, stood=old is not None and bool(old[2]))
            db.many(schema.findings, raised, "upsert")
        return page.write(db, priority)

    @staticmethod
    def standing(db: Db, things: Sequence[str]) -> list[Row]:
        """What stands of these things, for `enter`: whoever enters of several kinds of things asks once."""
        db.share(UPHOLDING)
        return db.rows(_OF_THINGS, list(things))

    @staticmethod
    def _taken_over(db: Db, by_finding: Mapping[str, Entry], findings: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        """Gives findings of others to the things that say them now; answers with them as they were.

        The thing that said one before is asked later, or by another judge, and clears only what is still its own.
        """
        query = f"select {_COLUMNS} from findings where finding = any(?) order by finding for update"  # noqa: S608
        rows = db.rows(query, findings)
        for row in rows:
            if row[2]:
                db.run("update findings set thing = ? where finding = ?", by_finding[row[0]].thing, row[0])
        return {row[0]: row for row in rows}

    @staticmethod
    def _left(db: Db, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Of rows of things that say them no longer those that no other judge has given to another thing meanwhile."""
        query = (
            f"select {_COLUMNS} from findings where finding = any(?) and thing = any(?) and standing"  # noqa: S608
            " order by finding for update"
        )
        return db.rows(query, [row[0] for row in rows], sorted({row[1] for row in rows}))

    @staticmethod
    def _not_upheld(
        db: Db, new: list[tuple[str, Entry, int, dict[str, Any]]]
    ) -> list[tuple[str, Entry, int, dict[str, Any]]]:
        """Leave out findings that an upheld objection of the responsible party cleared: they are not raised again
        (contract §4)."""
        rows = db.rows("select finding, party from upheld where finding = any(?)", [draft[0] for draft in new])
        gone = set(rows)
        return [draft for draft in new if (draft[0], objector(draft[3])) not in gone] if gone else new

    def uphold(self, db: Db, party: str, before: set[str], findings: set[str], now: int) -> list[Change]:
        """Clears what an objection of this party was upheld to, and raises anew what it no longer is upheld to."""
        if findings == before:
            return []
        # A raiser has read by now what is upheld, or reads it when this is there.
        db.lock([UPHOLDING])
        page = _Page()
        query = f"select {_COLUMNS} from findings where finding = any(?) order by finding"  # noqa: S608
        db.many(schema.upheld, [(party, finding) for finding in sorted(findings - before)])
        for row in db.rows(query, sorted(findings - before)):
            if row[2] and objector(orjson.loads(row[4])) == party:
                self._clear(db, row, now, lambda *_: UPHELD, page)
        for finding in sorted(before - findings):
            db.run("delete from upheld where party = ? and finding = ?", party, finding)
        for row in db.rows(f"{query}", sorted(before - findings)):
            self._restore(db, row, now, page)
        return page.write(db)

    @staticmethod
    def _restore(db: Db, row: tuple[Any, ...], now: int, page: _Page) -> None:
        """Raises a finding as it was, since the objection to it was taken back; what is judged is judged anew."""
        finding, thing, standing, revision, raw, detector, severity, mode, occurred, key = row
        reason = db.one("select reason from findings where finding = ?", finding)
        if standing or reason is None or reason[0] != UPHELD:
            return
        data = {**orjson.loads(raw), "revision": revision + 1}
        db.run(
            "update findings set standing = true, revision = ?, raised = ?, cleared = null, reason = null, data = ?"
            " where finding = ?",
            revision + 1,
            now,
            canonical(data),
            finding,
        )
        page.messages += _raised(finding, revision + 1, data, key, now)
        page.changes.append(Change(detector, severity, mode, raised=True, first=False, occurred=occurred))
        page.changed(None, data, now)
        page.follow.add(thing)

    def clear(self, db: Db, finding: str, now: int, reason: str = REFUTED) -> list[Change]:
        """Clears one finding, where it stands: what it said has been refuted, or its cause was taken back."""
        page = _Page()
        # A judge may be at it: then what it makes of it is cleared.
        query = f"select {_COLUMNS} from findings where finding = ? and standing for update"  # noqa: S608
        for row in db.rows(query, finding):
            self._clear(db, row, now, lambda *_: reason, page)
        return page.write(db)

    @staticmethod
    def _raise(
        finding: str,
        entry: Entry,
        revision: int,
        data: dict[str, Any],
        receivers: Sequence[str],
        key: str,
        messages: list[Message],
    ) -> tuple[Any, ...]:
        statement, now = entry.statement, entry.now
        data = {**data, "revision": revision, **bounded({"sectors": list(receivers)}, RECEIVERS_BYTES_MAX)}
        messages += _raised(finding, revision, data, key, now)
        return (
            finding,
            key,
            entry.thing,
            entry.rule.id,
            data["mode"],
            statement.severity,
            statement.about.kind,
            statement.about.id,
            statement.party,
            statement.occurred,
            revision,
            True,
            now,
            None,
            None,
            canonical(data),
        )

    @staticmethod
    def _clear(
        db: Db,
        row: tuple[Any, ...],
        now: int,
        reason: Callable[[str, Mapping[str, Any]], str] | None,
        page: _Page,
    ) -> None:
        finding, thing, _, revision, raw, detector, severity, mode, occurred, key = row
        data = orjson.loads(raw)
        why = reason(thing, data) if reason is not None else REFUTED
        db.run("update findings set standing = false, cleared = ?, reason = ? where finding = ?", now, why, finding)
        cleared = {
            **{name: data[name] for name in OF_CLEARED if name in data},
            "finding": finding,
            "revision": revision,
            "reason": why,
            "cleared": format_instant(now),
        }
        for topic in (FINDINGS, JOURNAL):
            page.messages.append(
                cloudevent(
                    topic,
                    key,
                    type_=FINDING_CLEARED,
                    source=CLEARED_BY,
                    id_=f"{finding}.{revision}",
                    time=now,
                    data=cleared,
                )
            )
        page.changes.append(Change(detector, severity, mode, raised=False, first=False, occurred=occurred))
        page.changed(data, None, now)


def objector(data: Mapping[str, Any]) -> str:
    """The party whose objection counts: the responsible one, else the one that the finding is about."""
    party: str = data.get("party") or data["about"]["id"]
    return party


def _raised(finding: str, revision: int, data: Mapping[str, Any], key: str, now: int) -> list[Message]:
    event = {"type_": FINDING_RAISED, "source": RAISED_BY, "id_": f"{finding}.{revision}", "time": now}
    return [cloudevent(topic, key, **event, data=data) for topic in (FINDINGS, JOURNAL)]  # type: ignore[arg-type]


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    # through JSON, so that tuples and lists, and keys of other types, compare as what is sent
    fresh = orjson.loads(canonical(new))
    return bool({name: value for name, value in old.items() if name not in NOT_SAID} == fresh)

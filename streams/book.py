"""The book of findings: raises, revises and clears them, and posts what goes out, in the caller's transaction."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from circulation.calendar import format_instant
from circulation.docket import Cleared, Raised, Step, docket_id, step_of
from circulation.facts import Facts
from circulation.findings import Said, finding_id
from circulation.rulepack import Pack
from circulation.rules import Rule
from streams import schema
from streams.store import Db

FINDINGS, REJECTED, JOURNAL = "circulation.findings", "circulation.rejected", "circulation.journal"
CREDIT, CASES = "circulation.credit", "circulation.cases"
# Two sources: a finding's `raised` and `cleared` share the id `finding.revision`, and identity is (source, id).
UPHELD = "objection-upheld"
RAISED_BY, CLEARED_BY = "/circulation/findings/raised", "/circulation/findings/cleared"


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: the same value is the same bytes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # sums may grow beyond 64 bits, which only the standard library writes
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Message(NamedTuple):
    """What is to be sent: a Kafka record without its partition."""

    topic: str
    key: bytes | None
    headers: tuple[tuple[str, str], ...]
    value: bytes


def _wall() -> int:
    """The wall clock, µs: since when something waits is of this machine, and part of nothing that is sent."""
    return time.time_ns() // 1000


def post(db: Db, messages: Iterable[Message]) -> None:
    """Puts messages into the outbox, in their order."""
    since = _wall()
    rows = [(since, one.topic, one.key, orjson.dumps(one.headers), one.value) for one in messages]
    db.many(schema.outbox, rows)


CLOUDEVENT = (("content-type", "application/cloudevents+json"),)


def cloudevent(
    topic: str, key: str, *, type_: str, source: str, id_: str, time: int, data: Mapping[str, Any]
) -> Message:
    """One CloudEvent in structured mode."""
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": type_,
        "subject": key,
        "time": format_instant(time),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Message(topic, key.encode(), CLOUDEVENT, canonical(event))


class Entry(NamedTuple):
    """What a rule said, the pack that was in force, the thing that was judged, and the clock when it was said.

    `within` tells that it was said of what is tried in a sandbox, where the rule only watches.
    """

    thing: str
    rule: Rule
    pack: Pack
    said: Said
    now: int
    within: bool = False

    @property
    def finding(self) -> str:
        """The finding's id."""
        return finding_id(self.rule.id, self.said.about, self.said.cause, self.said.apart)

    @property
    def mode(self) -> str:
        """The mode of the finding."""
        return "shadow" if self.within else self.pack.setting(self.rule.id).mode


# What follows from a finding is judged like all else, by items of the queue: `credit␟party`, `case␟docket`.
SEPARATOR = "\x1f"
# A statement of credit goes over all findings of a party, so it comes after many of them.
LIVE, STATING = 0, 2


def followers(data: Mapping[str, Any]) -> set[str]:
    """The things to judge where this finding was raised, revised or cleared."""
    party = data.get("party")
    return {f"credit{SEPARATOR}{party}"} if party is not None and data["mode"] == "enforce" else set()


class Change(NamedTuple):
    """What happened to a finding: for the metrics."""

    detector: str
    severity: str
    mode: str
    raised: bool
    first: bool
    occurred: int


def note(db: Db, steps: Sequence[tuple[str, Step]]) -> None:
    """Writes down steps of dockets, in their order; the items that have them entered are queued by the caller."""
    encode = msgspec.msgpack.encode
    db.many(schema.docket, [(docket, encode(step)) for docket, step in steps])


class _Page:
    """What one transaction writes down: messages, changes for the metrics, and what follows from them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.changes: list[Change] = []
        self.follow: set[str] = set()
        self.steps: list[tuple[str, Step]] = []

    def changed(
        self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, at: int, *, stood: bool = True
    ) -> None:
        """What follows from a finding that was raised, revised or cleared; `stood` tells whether it did before."""
        for data in (before, after):
            if data is not None:
                self.follow |= followers(data)
        step: Raised | Cleared | None = step_of(before if stood else None, after, at)
        data = after or before
        if step is not None and data is not None:
            docket = docket_id(data["detector"], data["about"]["kind"], data["about"]["id"])
            self.steps.append((docket, step))
            self.follow.add(f"case{SEPARATOR}{docket}")

    def write(self, db: Db, priority: int = LIVE) -> list[Change]:
        """Writes it to the open transaction; cases wait at this priority."""
        post(db, self.messages)
        note(db, self.steps)
        now = _wall()
        credit = f"credit{SEPARATOR}"
        follow = ((STATING if thing.startswith(credit) else priority, thing) for thing in sorted(self.follow))
        db.many(schema.queue, [(*one, now) for one in follow])
        return self.changes


_COLUMNS = "finding, thing, standing, revision, data, detector, severity, mode, occurred, key"

Receivers = Callable[[Db, Sequence[Entry], Facts | None], Sequence[tuple[str, ...]]]


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
        priority: int = LIVE,
        facts: Facts | None = None,
    ) -> list[Change]:
        """Raises what is said; of the things named, clears at `now` what stands and is no longer said.

        What follows in cases does not come before what it was said with, which was of this `priority`. Of the `facts`
        that it was said by none is loaded again to look up who receives it.
        """
        if not entries and not things:
            return []
        said = {entry.finding: entry for entry in entries}
        of_said = f"select {_COLUMNS} from findings where finding = any(?)"  # noqa: S608
        of_things = f"select {_COLUMNS} from findings where thing = any(?) and standing"  # noqa: S608
        asked = [(query, list(of)) for query, of in ((of_said, said), (of_things, things)) if of]
        rows = db.rows(" union all ".join(query for query, _ in asked), *(of for _, of in asked))
        known = {row[0]: row for row in rows if row[0] in said}
        gone = sorted(row for row in rows if row[0] not in said)
        new: list[tuple[str, Entry, int, dict[str, Any]]] = []
        for finding, entry in said.items():
            data = _data(finding, entry)
            old = known.get(finding)
            if old is not None and old[2] and _same(orjson.loads(old[4]), data):
                continue
            new.append((finding, entry, 1 if old is None else old[3] + 1, data))
        if new:
            new = self._not_upheld(db, new)
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
                page.changes.append(_change(entry, first=revision == 1))
                before = None if old is None else orjson.loads(old[4])
                page.changed(before, data, entry.now, stood=old is not None and bool(old[2]))
            db.many(schema.findings, raised, "upsert")
        return page.write(db, priority)

    @staticmethod
    def _not_upheld(
        db: Db, new: list[tuple[str, Entry, int, dict[str, Any]]]
    ) -> list[tuple[str, Entry, int, dict[str, Any]]]:
        """What an upheld objection of the party that is responsible cleared is not raised again (contract §4)."""
        rows = db.rows("select finding, party from upheld where finding = any(?)", [one[0] for one in new])
        gone = set(rows)
        return [one for one in new if (one[0], objector(one[3])) not in gone] if gone else new

    def uphold(self, db: Db, party: str, before: set[str], findings: set[str], now: int) -> list[Change]:
        """Clears what an objection of this party was upheld to, and raises anew what it no longer is upheld to."""
        if findings == before:
            return []
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

    def clear(self, db: Db, finding: str, now: int) -> list[Change]:
        """Clears one finding, where it stands: what it said has been refuted."""
        page = _Page()
        query = f"select {_COLUMNS} from findings where finding = ? and standing"  # noqa: S608
        for row in db.rows(query, finding):
            self._clear(db, row, now, None, page)
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
        said, now = entry.said, entry.now
        data = {**data, "revision": revision, "sectors": list(receivers)}
        messages += _raised(finding, revision, data, key, now)
        return (
            finding,
            key,
            entry.thing,
            entry.rule.id,
            data["mode"],
            said.severity,
            said.about.kind,
            said.about.id,
            said.party,
            said.occurred,
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
        why = reason(thing, data) if reason is not None else "refuted"
        db.run("update findings set standing = false, cleared = ?, reason = ? where finding = ?", now, why, finding)
        cleared = {"finding": finding, "revision": revision, "reason": why, "cleared": format_instant(now)}
        for topic in (FINDINGS, JOURNAL):
            page.messages.append(
                cloudevent(
                    topic,
                    key,
                    type_="circulation.finding.cleared",
                    source=CLEARED_BY,
                    id_=f"{finding}.{revision}",
                    time=now,
                    data=cleared,
                )
            )
        page.changes.append(Change(detector, severity, mode, raised=False, first=False, occurred=occurred))
        page.changed(data, None, now)


def objector(data: Mapping[str, Any]) -> str:
    """Whose objection counts: that of the responsible party, else of what the finding is about."""
    party: str = data.get("party") or data["about"]["id"]
    return party


def _raised(finding: str, revision: int, data: Mapping[str, Any], key: str, now: int) -> list[Message]:
    event = {"type_": "circulation.finding.raised", "source": RAISED_BY, "id_": f"{finding}.{revision}", "time": now}
    return [cloudevent(topic, key, **event, data=data) for topic in (FINDINGS, JOURNAL)]  # type: ignore[arg-type]


def _change(entry: Entry, *, first: bool) -> Change:
    return Change(
        entry.rule.id, entry.said.severity, entry.mode, raised=True, first=first, occurred=entry.said.occurred
    )


def _data(finding: str, entry: Entry) -> dict[str, Any]:
    said, rule, pack = entry.said, entry.rule, entry.pack
    data: dict[str, Any] = {
        "finding": finding,
        "detector": rule.id,
        "detector_version": rule.version,
        "rulepack": {"pack": pack.pack, "version": pack.version, "digest": pack.digest},
        "mode": entry.mode,
        "severity": said.severity,
        "about": {"kind": said.about.kind, "id": said.about.id},
        "occurred": format_instant(said.occurred),
        "summary": said.summary,
        "evidence": said.evidence,
        "legal_basis": list(rule.articles),
    }
    if said.party is not None:
        data["party"] = said.party
    if said.cause is not None:
        data["cause"] = {"source": said.cause.source, "id": said.cause.id}
    return data


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    # through JSON, so that tuples and lists, and keys of other types, compare as what is sent
    fresh = orjson.loads(canonical(new))
    return bool({name: value for name, value in old.items() if name not in ("revision", "sectors")} == fresh)

"""The book of findings: raises, revises and clears them, and posts what goes out, in the caller's transaction."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from circulation.calendar import format_instant
from circulation.findings import Said, finding_id
from circulation.rulepack import Pack
from circulation.rules import Rule
from streams import schema
from streams.store import Db

FINDINGS, REJECTED, JOURNAL = "circulation.findings", "circulation.rejected", "circulation.journal"
# Two sources: a finding's `raised` and `cleared` share the id `finding.revision`, and identity is (source, id).
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


def post(db: Db, messages: Iterable[Message]) -> None:
    """Puts messages into the outbox, in their order."""
    rows = [(one.topic, one.key, orjson.dumps(one.headers), one.value) for one in messages]
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
    """What a rule said, the pack that was in force, the thing that was judged, and the clock when it was said."""

    thing: str
    rule: Rule
    pack: Pack
    said: Said
    now: int

    @property
    def finding(self) -> str:
        """The finding's id."""
        return finding_id(self.rule.id, self.said.about, self.said.cause, self.said.apart)


_COLUMNS = "finding, thing, standing, revision, data, detector, severity, mode, occurred, raised"

Receivers = Callable[[Db, Sequence[Entry]], Sequence[tuple[str, ...]]]


class Change(NamedTuple):
    """What happened to a finding: for the metrics."""

    detector: str
    severity: str
    mode: str
    raised: bool
    first: bool
    occurred: int


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
    ) -> list[Change]:
        """Raises what is said; of the things named, clears at `now` what stands and is no longer said."""
        if not entries and not things:
            return []
        said = {entry.finding: entry for entry in entries}
        known: dict[str, tuple[Any, ...]] = {}
        if said:
            for row in db.rows(f"select {_COLUMNS} from findings where finding = any(?)", list(said)):  # noqa: S608
                known[row[0]] = row
        gone: list[tuple[Any, ...]] = []
        if things:
            query = f"select {_COLUMNS} from findings where thing = any(?) and standing"  # noqa: S608
            gone = sorted(row for row in db.rows(query, list(things)) if row[0] not in said)
        new: list[tuple[str, Entry, int, dict[str, Any]]] = []
        for finding, entry in said.items():
            data = _data(finding, entry)
            old = known.get(finding)
            if old is not None and old[2] and _same(orjson.loads(old[4]), data):
                continue
            new.append((finding, entry, 1 if old is None else old[3] + 1, data))
        messages: list[Message] = []
        changes: list[Change] = []
        for row in gone:
            self._clear(db, row, now, reason, messages, changes)
        if new:
            sectors = self._receivers(db, [entry for _, entry, _, _ in new])
            rows = []
            for (finding, entry, revision, data), receivers in zip(new, sectors, strict=True):
                rows.append(self._raise(finding, entry, revision, data, receivers, messages))
                changes.append(_change(entry, first=revision == 1))
            db.many(schema.findings, rows, "upsert")
        post(db, messages)
        return changes

    def clear(self, db: Db, finding: str, now: int) -> list[Change]:
        """Clears one finding, where it stands: what it said has been refuted."""
        messages: list[Message] = []
        changes: list[Change] = []
        query = f"select {_COLUMNS} from findings where finding = ? and standing"  # noqa: S608
        for row in db.rows(query, finding):
            self._clear(db, row, now, None, messages, changes)
        post(db, messages)
        return changes

    @staticmethod
    def _raise(
        finding: str,
        entry: Entry,
        revision: int,
        data: dict[str, Any],
        receivers: Sequence[str],
        messages: list[Message],
    ) -> tuple[Any, ...]:
        said, now = entry.said, entry.now
        data = {**data, "revision": revision, "sectors": list(receivers)}
        key = said.party or said.about.id
        for topic in (FINDINGS, JOURNAL):
            messages.append(
                cloudevent(
                    topic,
                    key,
                    type_="circulation.finding.raised",
                    source=RAISED_BY,
                    id_=f"{finding}.{revision}",
                    time=now,
                    data=data,
                )
            )
        return (
            finding,
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
        messages: list[Message],
        changes: list[Change],
    ) -> None:
        finding, thing, _, revision, raw, detector, severity, mode, occurred, _ = row
        data = orjson.loads(raw)
        why = reason(thing, data) if reason is not None else "refuted"
        db.run("update findings set standing = false, cleared = ?, reason = ? where finding = ?", now, why, finding)
        key = data.get("party") or data["about"]["id"]
        cleared = {"finding": finding, "revision": revision, "reason": why, "cleared": format_instant(now)}
        for topic in (FINDINGS, JOURNAL):
            messages.append(
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
        changes.append(Change(detector, severity, mode, raised=False, first=False, occurred=occurred))


def _change(entry: Entry, *, first: bool) -> Change:
    mode = entry.pack.setting(entry.rule.id).mode
    return Change(entry.rule.id, entry.said.severity, mode, raised=True, first=first, occurred=entry.said.occurred)


def _data(finding: str, entry: Entry) -> dict[str, Any]:
    said, rule, pack = entry.said, entry.rule, entry.pack
    data: dict[str, Any] = {
        "finding": finding,
        "detector": rule.id,
        "detector_version": rule.version,
        "rulepack": {"pack": pack.pack, "version": pack.version, "digest": pack.digest},
        "mode": pack.setting(rule.id).mode,
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

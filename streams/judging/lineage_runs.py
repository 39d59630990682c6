"""Derives lineage from OpenLineage events."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from circulation.events.names import ASSETS, EVENT_RETRACTED, OPENLINEAGE_RUN
from circulation.openlineage.adding import plain_of
from circulation.openlineage.folding import (
    SAID_MAX,
    Folded,
    heard_of,
    heard_until,
    is_settled,
    latest,
    saying_of,
    telling,
)
from circulation.openlineage.runs import NEVER, Given, Run, Unfinished, by_key, key_of, runs_of
from streams.facts import derivations
from streams.facts.running_sums import EARLIEST
from streams.judging.round import Round
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of
from streams.store.queue import LIVE

_OF_SUBJECT: Final = f"select {COLUMNS} from events where topic = ? and subject = ? and type = any(?)"  # noqa: S608


def derive(round_: Round, things: Sequence[str]) -> None:
    """Derive what the events of a subject say together.

    0. Where they add names to a plain run at most, add to it what is derived by these. Where each says what one before
       it said, of a run that derives, nothing is derived otherwise.
    1. Add up the events of each of its runs, with what runs below it read.
    2. Replace what was derived by them, and what they left unfinished.
    3. Replace what they give to the runs above them, which are derived again where that changed.
    4. Have all outputs judged again of which any of that is other than it was, each as an item of its own: of which
       only what is unfinished is, from then on.
    """
    for thing in things:
        subject = queue.rest_of(thing)
        begins_at = round_.begins[thing]
        before = _folded(round_.db, subject)
        if before is not None and before.last <= begins_at:
            new = sorted(_new(round_.db, subject, begins_at), key=lambda row: row[5:8])
            if (added := _add(round_, subject, before, new)) is not None:
                round_.queue([queue.fact("asset", output) for output in added], LIVE)
                continue
        runs = _runs(round_, subject, _earlier(round_.db, subject, before, begins_at), begins_at)
        _give(round_, subject, runs)
        changed = _derive(round_, subject, runs)
        begins = _leave_unfinished(round_, subject, runs)
        round_.queue([queue.fact("asset", output) for output in changed], LIVE)
        since = {queue.fact("derived", output): begins[output] for output in sorted(begins.keys() - set(changed))}
        round_.queue(since, LIVE, since)


def _folded(db: Db, subject: str) -> Folded | None:
    kept = db.one("select state from folded_runs where run = ?", subject)
    return None if kept is None else msgspec.msgpack.decode(kept[0], type=Folded)


def _keep(db: Db, subject: str, folded: Folded) -> None:
    db.many(schema.folded_runs, [(subject, msgspec.msgpack.encode(folded))], "upsert")


def _new(db: Db, subject: str, begins: int) -> list[tuple[Any, ...]]:
    """The events of a subject from an instant on (µs)."""
    return db.rows(f"{_OF_SUBJECT} and time >= ? and retracted is null", ASSETS, subject, [OPENLINEAGE_RUN], begins)


def _earlier(db: Db, subject: str, before: Folded | None, begins: int) -> Folded | None:
    """What was folded of a subject as it was before an instant (µs); None where that is not known, or nothing was."""
    if before is None or begins == EARLIEST or before.last <= begins:
        return None if begins == EARLIEST else before
    query = (
        f"select {COLUMNS} from events where topic = ? and subject = ? and type = ? and time < ?"  # noqa: S608
        " and retracted is null order by time desc limit 1"
    )
    row = db.one(query, ASSETS, subject, OPENLINEAGE_RUN, begins)
    # Of several runs, or jobs, each would have a last event of its own.
    if row is None or [*before.heard] != [key_of(event := event_of(row))]:
        return None
    heard = {key: heard_until(hearing, event.time) for key, hearing in before.heard.items()}
    return msgspec.structs.replace(before, heard=heard)


def _add(round_: Round, subject: str, before: Folded, rows: Sequence[tuple[Any, ...]]) -> list[str] | None:
    """Add what new events name to a plain run, or say once more; answer with the outputs derived otherwise then.

    None where there is more to it: events that say more, what runs below it read.
    """
    db, plain = round_.db, before.plain
    if not rows or not before.settled or db.one("select 1 from given where parent = ? limit 1", subject) is not None:
        return None
    events = [round_.known.event(row) for row in rows]
    if plain is None:
        if not {*map(saying_of, events)} <= {*before.said}:
            return None
        heard = heard_of(by_key(events), before.heard)
        _keep(db, subject, msgspec.structs.replace(before, last=events[-1].time, heard=heard))
        return []
    if not all(map(plain.takes, events)):
        return None
    origin = derivations.BY_RUN + subject
    steps: dict[tuple[str, str], int] = {}
    numbers = []
    for row, event in zip(rows, events, strict=True):
        named = plain.steps(plain.reads(event), plain.writes(event))
        if named is None:
            return None
        new = named - steps.keys() - _derived(db, origin, named)
        steps |= dict.fromkeys(new, event.time)
        numbers += [row[0]] * bool(new)
    heard = heard_of({plain.key: events}, before.heard)
    _keep(db, subject, Folded(events[-1].time, tuple(sorted({*before.numbers, *numbers})), heard, plain, settled=True))
    if not steps:
        return []
    db.many(schema.derivations, sorted((*step, origin, time, False, None, False) for step, time in steps.items()))
    round_.known.forget_edges(output for output, _ in steps)
    changed = {output for output, _ in steps}
    if plain.node in changed:
        query = "select output from derivations where input = ? and origin = ?"
        changed.update(row[0] for row in db.rows(query, plain.node, origin))
    return sorted(changed - {plain.node})


def _derived(db: Db, origin: str, steps: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the steps that are there; all have an output or an input in common."""
    query = "select output, input from derivations where output = any(?) and input = any(?) and origin = ?"
    return set(db.rows(query, *(sorted({step[at] for step in steps}) for at in (0, 1)), origin)) if steps else set()


def _runs(round_: Round, subject: str, before: Folded | None, begins: int) -> list[Run]:
    """The runs of a subject of which events from an instant on (µs) are new, or, without what was folded before, all.

    Of what was folded only those events are read that say all that it says.
    """
    db = round_.db
    if before is not None:
        rows = _new(db, subject, begins)
        new = by_key(map(round_.known.event, rows))
        # Those of the instant at which it begins may be among both.
        other_numbers = sorted({*before.numbers}.difference(row[0] for row in rows))
        rows += db.rows(f"select {COLUMNS} from events where id = any(?)", other_numbers)  # noqa: S608
        heard = heard_of(new, before.heard)
    else:
        rows = db.rows(_OF_SUBJECT, ASSETS, subject, [OPENLINEAGE_RUN, EVENT_RETRACTED])
        new = by_key(map(round_.known.event, rows))
        heard = heard_of(new)
    telling_events = [
        event for run_events in by_key(map(round_.known.event, rows)).values() for event in telling(run_events)
    ]
    names = {(event.time, event.source, event.id) for event in telling_events}
    run_rows = [row for row in rows if row[3] == OPENLINEAGE_RUN]
    runs = runs_of(telling_events, derivations.given_to(db, [subject]), heard)
    plain = plain_of(runs)
    said_before = () if before is None else before.said
    # Of a plain run it is never asked.
    sayings = [] if plain else [saying_of(event) for run_events in new.values() for event in run_events[-SAID_MAX:]]
    folded = Folded(
        last=max((-NEVER if before is None else before.last, *(row[5] for row in run_rows))),
        numbers=tuple(sorted(row[0] for row in run_rows if row[5:8] in names)),
        heard=heard,
        plain=plain,
        settled=is_settled(runs),
        said=latest([*said_before, *(saying for saying in sayings if saying is not None)]) if sayings else said_before,
    )
    if folded != before:
        _keep(db, subject, folded)
    return runs


def _derive(round_: Round, subject: str, runs: Iterable[Run]) -> list[str]:
    db = round_.db
    origins = derivations.origins(subject)
    query = "select output, input, origin, time, stops, share, same from derivations where origin = any(?)"
    old = {(*row[:4], bool(row[4]), row[5], bool(row[6])) for row in db.rows(query, origins)}
    new = derivations.of_runs(runs)
    if new == old:
        return []
    db.run("delete from derivations where origin = any(?)", origins)
    db.many(schema.derivations, sorted(new), "upsert")
    round_.known.forget_edges(row[0] for row in new ^ old)
    return derivations.changed(old, new)


def _leave_unfinished(round_: Round, subject: str, runs: Iterable[Run]) -> dict[str, int]:
    """Replace what runs left unfinished; answer with the outputs of which that changed, and from when on (µs)."""
    db = round_.db
    query = "select output, begin, until, since, state, job from unfinished where run = ?"
    old = {Unfinished(*row) for row in db.rows(query, subject)}
    # Of jobs that share a run's id one is named.
    attempts = sorted((attempt for run in runs for attempt in run.unfinished()), reverse=True)
    new = set({(attempt.output, attempt.begin, attempt.state): attempt for attempt in attempts}.values())
    if new != old:
        db.run("delete from unfinished where run = ?", subject)
        db.many(schema.unfinished, [(output, subject, *rest) for output, *rest in sorted(new)], "upsert")
        round_.known.left_unfinished()
    begins: dict[str, int] = {}
    for attempt in new ^ old:
        begins[attempt.output] = min(attempt.begin, begins.get(attempt.output, attempt.begin))
    return begins


def _give(round_: Round, subject: str, runs: Sequence[Run]) -> None:
    """Replace what runs without outputs give to those above them, and queue these where it changed."""
    db = round_.db
    old = {Given(*row) for row in db.rows("select parent, child, input, time from given where run = ?", subject)}
    new = {reading for run in runs for reading in run.gives()}
    if new == old:
        return
    db.run("delete from given where run = ?", subject)
    db.many(schema.given, [(*reading[:3], subject, reading.time) for reading in sorted(new)], "upsert")
    # Of the events of these none is new.
    parents = {queue.run(parent): NEVER for parent in sorted({reading.parent for reading in new ^ old})}
    round_.queue(parents, LIVE, parents)

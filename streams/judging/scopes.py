"""The scopes that acts belong to: which sums are judged again when acts enter, leave or change them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.facts.acts import NEVER
from streams.facts import members
from streams.judging.round import Round
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.queue import AGAIN, LIVE

# Where acts touch no more sums than this, these are judged in the same transaction: two would take twice as long.
AT_ONCE_MAX: Final = 200
ROWS: Final = "select thing, rule, scope, time, since from scopes"

Scope = members.Scope


class Named(NamedTuple):
    """The scopes of acts, as the acts name them.

    `scopes` are those that they belong to now, by thing, each from when on; `reached` is from when on acts change the
    sums that they belong to. `firsts` and `lasts` are the times of the earliest report of each thing, void or not, and
    of the latest that counts. Of things that are `begun` only acts from an instant on were looked at: what belongs to a
    scope by an earlier one stays, and may be too much.
    """

    scopes: dict[str, dict[Scope, int]]
    reached: dict[Scope, int]
    firsts: Mapping[str, int]
    lasts: Mapping[str, int]
    begun: Mapping[str, int]


def rows_since(db: Db, begun: Mapping[str, int], scopes: Mapping[str, Mapping[Scope, int]]) -> list[tuple[Any, ...]]:
    """The scopes that acts of these things belong to from an instant on, and those that they are named now.

    As `ROWS`: (thing, rule, scope, time, since).
    """
    rows = db.rows(f"{ROWS} where thing = any(?) and time >= ?", list(begun), min(begun.values()))
    existing = {row[:3]: row for row in rows if row[3] >= begun[row[0]]}
    missing = {(thing, *scope) for thing in begun for scope in scopes[thing]} - existing.keys()
    return [*existing.values(), *(members.belonging(db, missing) if missing else ())]


def enter(round_: Round, named: Named, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write which scopes the acts belong to, and have judged those left, entered, or touched again.

    `rows` are those that there are: see `ROWS`. Few sums are judged in this round, after its acts.
    """
    db, shapes = round_.db, round_.shapes
    before: dict[str, dict[Scope, tuple[int | None, int | None]]] = {thing: {} for thing in named.scopes}
    for thing, rule, scope, *times in rows:
        before[thing][rule, scope] = (times[0], times[1])
    new = _write(round_, named, before)
    since: dict[Scope, int] = {}
    for thing, scopes in named.scopes.items():
        for key in {**before[thing], **scopes}:
            since[key] = min(since.get(key, NEVER), named.firsts[thing], named.reached.get(key, NEVER))
    if round_.known.sums:
        for (rule, scope), instant in since.items():
            touched(round_, rule, scope, instant)
    in_order = sorted(since)
    # A period looks at many acts, so it waits until all that came have been judged.
    of_periods = [key for key in in_order if key[0] in shapes.of_periods]
    begins: dict[str, int] = {}
    if ended := judged_with(round_, of_periods):
        for rule, scope in of_periods:
            for touched_scope in shapes.touches(rule, scope):
                sum_thing = queue.sum_(rule, touched_scope)
                begins[sum_thing] = min(since[rule, scope], begins.get(sum_thing, since[rule, scope]))
        changed = [thing for thing in ended if not _is_over(round_, thing, begins[thing])]
        if changed:
            round_.queue(changed, AGAIN, begins)
    # Uses of a day find sums through these rows, which others see only after this transaction.
    entered = set() if round_.known.alone else {row[:2] for row in new if row[0] in shapes.daily}
    if entered:
        round_.queue(judged_with(round_, sorted(entered)), LIVE)
    rest = [key for key in in_order if key[0] not in shapes.of_periods and key not in entered]
    remaining = judged_with(round_, rest)
    begins |= {queue.sum_(*key): since[key] for key in rest}
    if len(remaining) <= round_.at_once_max:
        # Their acts are in sight of this transaction. A sum in another judge's hands waits, as nobody may wait for a
        # lock twice: two of them might wait for each other.
        at_once = {thing: begins[thing] for thing in db.try_lock(remaining)}
        round_.judge_at_once(at_once)
        remaining = sorted({*remaining}.difference(at_once))
        if at_once:
            # Another judge may have had the lock, and have seen more than this one before it.
            round_.known.doubt()
    if remaining:
        round_.queue(remaining, LIVE, begins)


def _is_over(round_: Round, thing: str, instant: int) -> bool:
    """Whether a sum is one of a period that nothing changes which was done at an instant or later."""
    rule, scope = queue.sum_of(thing)
    period = round_.shapes.period_of(rule)
    return period is not None and period.before_end and round_.shapes.ends(rule, scope) <= instant


def _write(
    round_: Round, named: Named, before: Mapping[str, Mapping[Scope, tuple[int | None, int | None]]]
) -> list[tuple[str, str, str, int, int | None]]:
    """Write the rows that are other than before; answer with those that are new: (rule, scope, thing, time, since)."""
    for thing, old_scopes in before.items():
        for rule, scope in sorted(old_scopes.keys() - named.scopes[thing].keys()) if thing not in named.begun else ():
            round_.db.run("delete from scopes where rule = ? and scope = ? and thing = ?", rule, scope, thing)
            round_.known.members.left(rule, scope)
    new = []
    for thing, scopes in named.scopes.items():
        for key in sorted(scopes):
            first: int | None = scopes[key]
            old = before[thing].get(key)
            # Of what was before nothing else is known now.
            if old is not None and thing in named.begun and (old[1] is None or old[1] < named.begun[thing]):
                first = old[1]
            if old != (named.lasts[thing], first):
                new.append((*key, thing, named.lasts[thing], first))
    round_.db.many(schema.scopes, new, "upsert")
    for row in new:
        round_.known.members.entered(*row[:3], row[4])
    return new


def touched(round_: Round, rule: str, scope: str, instant: int) -> None:
    """Have the sums that look at this scope go back to before an instant when they are judged next."""
    for touched_scope in round_.shapes.touches(rule, scope):
        round_.known.sums.touched(rule, touched_scope, instant)


def judged_with(round_: Round, touched: Sequence[Scope]) -> list[str]:
    """The things that are judged where acts of these scopes changed."""
    if not touched:
        return []
    db, shapes = round_.db, round_.shapes
    # Nobody else writes here, so that deadlines that were written are there until they are over.
    periods = round_.known.periods if round_.known.alone else None
    judged: dict[Scope, None] = {}
    candidates: dict[Scope, None] = {}
    ahead: dict[Scope, int] = {}
    for rule, scope in touched:
        period = shapes.period_of(rule)
        if period is None:
            judged[rule, scope] = None
            continue
        if periods is not None and periods.are_ahead(rule, scope, round_.horizon):
            continue
        touches = shapes.touches(rule, scope)
        for touched_scope in touches:
            # A scope that lost its last act is judged once more, so that its findings clear.
            is_sure = touched_scope == scope or not period.own_acts_only
            (judged if is_sure else candidates)[rule, touched_scope] = None
        ahead[rule, scope] = min((shapes.ends(rule, touched_scope) for touched_scope in touches), default=NEVER)
    if candidates:
        entered = members.entered(db, candidates)
        judged.update(dict.fromkeys(key for key in candidates if key in entered))
    # Of a period that has not ended nothing is judged, and only its deadline is written.
    coming: list[tuple[str, int]] = []
    ended: list[str] = []
    for rule, scope in judged:
        thing, ends = queue.sum_(rule, scope), shapes.ends(rule, scope)
        if ends >= round_.horizon:
            coming.append((thing, ends))
        else:
            ended.append(thing)
    db.many(schema.deadlines, coming, "ignore")
    if periods is not None:
        periods.note(ahead, round_.horizon)
    return ended

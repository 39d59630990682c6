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
    """What acts said of their scopes.

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
    found = {row[:3]: row for row in rows if row[3] >= begun[row[0]]}
    missing = {(thing, *one) for thing in begun for one in scopes[thing]} - found.keys()
    return [*found.values(), *(members.belonging(db, missing) if missing else ())]


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
        for one in {**before[thing], **scopes}:
            since[one] = min(since.get(one, NEVER), named.firsts[thing], named.reached.get(one, NEVER))
    if round_.known.sums:
        for (rule, scope), instant in since.items():
            touched(round_, rule, scope, instant)
    in_order = sorted(since)
    # A period looks at many acts, so it waits until all that came have been judged.
    of_periods = [one for one in in_order if one[0] in shapes.of_periods]
    begins: dict[str, int] = {}
    if ended := judged_with(round_, of_periods):
        for rule, scope in of_periods:
            for each in shapes.touches(rule, scope):
                asked = queue.sum_(rule, each)
                begins[asked] = min(since[rule, scope], begins.get(asked, since[rule, scope]))
        changed = [one for one in ended if not _is_over(round_, one, begins[one])]
        if changed:
            round_.queue(changed, AGAIN, begins)
    # What is used on a day finds sums through these rows, which others see only after this transaction.
    entered = set() if round_.known.alone else {one[:2] for one in new if one[0] in shapes.daily}
    if entered:
        round_.queue(judged_with(round_, sorted(entered)), LIVE)
    rest = [one for one in in_order if one[0] not in shapes.of_periods and one not in entered]
    others = judged_with(round_, rest)
    begins |= {queue.sum_(*one): since[one] for one in rest}
    if len(others) <= round_.at_once_max:
        # Their acts are in sight of this transaction. What another judge has waits, as nobody may wait for a lock
        # twice: two of them might wait for each other.
        at_once = {one: begins[one] for one in db.try_lock(others)}
        round_.judge_at_once(at_once)
        others = sorted({*others}.difference(at_once))
        if at_once:
            # Another judge may have had the lock, and have seen more than this one before it.
            round_.known.doubt()
    if others:
        round_.queue(others, LIVE, begins)


def _is_over(round_: Round, thing: str, instant: int) -> bool:
    """Whether a sum is one of a period that nothing changes which was done at an instant or later."""
    rule, scope = queue.sum_of(thing)
    period = round_.shapes.period_of(rule)
    return period is not None and period.before_end and round_.shapes.ends(rule, scope) <= instant


def _write(
    round_: Round, named: Named, before: Mapping[str, Mapping[Scope, tuple[int | None, int | None]]]
) -> list[tuple[str, str, str, int, int | None]]:
    """Write the rows that are other than before; answer with those that are new: (rule, scope, thing, time, since)."""
    for thing, some in before.items():
        for rule, scope in sorted(some.keys() - named.scopes[thing].keys()) if thing not in named.begun else ():
            round_.db.run("delete from scopes where rule = ? and scope = ? and thing = ?", rule, scope, thing)
            round_.known.left(rule, scope)
    new = []
    for thing, scopes in named.scopes.items():
        for one in sorted(scopes):
            first: int | None = scopes[one]
            old = before[thing].get(one)
            # Of what was before nothing else is known now.
            if old is not None and thing in named.begun and (old[1] is None or old[1] < named.begun[thing]):
                first = old[1]
            if old != (named.lasts[thing], first):
                new.append((*one, thing, named.lasts[thing], first))
    round_.db.many(schema.scopes, new, "upsert")
    for row in new:
        round_.known.entered(*row[:3], row[4])
    return new


def touched(round_: Round, rule: str, scope: str, instant: int) -> None:
    """Have the sums that look at this scope go back to before an instant when they are judged next."""
    for one in round_.shapes.touches(rule, scope):
        round_.known.sums.touched(rule, one, instant)


def judged_with(round_: Round, touched: Sequence[Scope]) -> list[str]:
    """The things that are judged where acts of these scopes changed."""
    if not touched:
        return []
    db, shapes = round_.db, round_.shapes
    # Nobody else writes here, so that deadlines that were written are there until they are over.
    periods = round_.known.periods if round_.known.alone else None
    found: dict[Scope, None] = {}
    asked: dict[Scope, None] = {}
    ahead: dict[Scope, int] = {}
    for rule, scope in touched:
        period = shapes.period_of(rule)
        if period is None:
            found[rule, scope] = None
            continue
        if periods is not None and periods.are_ahead(rule, scope, round_.horizon):
            continue
        touches = shapes.touches(rule, scope)
        for one in touches:
            # A scope that lost its last act is judged once more, so that its findings clear.
            own = one == scope or not period.own_acts_only
            (found if own else asked)[rule, one] = None
        ahead[rule, scope] = min((shapes.ends(rule, one) for one in touches), default=NEVER)
    if asked:
        there = members.entered(db, asked)
        found.update(dict.fromkeys(one for one in asked if one in there))
    # Of a period that has not ended nothing is judged, and only its deadline is written.
    coming: list[tuple[str, int]] = []
    ended: list[str] = []
    for rule, scope in found:
        thing, ends = queue.sum_(rule, scope), shapes.ends(rule, scope)
        if ends >= round_.horizon:
            coming.append((thing, ends))
        else:
            ended.append(thing)
    db.many(schema.deadlines, coming, "ignore")
    if periods is not None:
        periods.note(ahead, round_.horizon)
    return ended

"""Items of the judge queue that are set aside: what they are, why, and how they come back.

An item that costs more than its budget, on which the engine failed, or during which the process died twice is taken out
of the queue, so that the others go on; a finding (`detector-error`) says so, and stands until the item is judged. After
a death all things of that round are tried by themselves, and marked before (`mark`): what is at fault is found, and
what only stood beside it is judged.

An item set aside for its cost or for an error is tried again by the next start; one that the process died of only when
a person says so (`circulation queue retry`), or each start would be one more death.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from circulation.events.event import Event
from circulation.events.names import ASSETS, CONTRACTS, PARTIES
from circulation.findings import About, Cause, Said, digest
from streams.budget import DEATHS, ERROR
from streams.findings.engine_findings import KINDS
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.kept_events import COLUMNS, event_of
from streams.store.queue import AGAIN, ASIDE

# A thing that was in hand at so many deaths is set aside.
DEATHS_MAX: Final = 2
# A death in a round of more things says nothing of any one of them: it makes them suspect, and is not counted.
SUSPECTS_MAX: Final = 20
ERROR_CHARACTERS_MAX: Final = 500
# The subject of findings on items that no entity stands behind.
JUDGE_SOURCE: Final = About("source", "/circulation/judge")

# On which topic the subject of a changed fact has its events.
_FACTS: Final = {"asset": ASSETS, "party": PARTIES, "group": PARTIES, "contract": CONTRACTS}


class Item(NamedTuple):
    """The row of one thing. It is aside, or (`aside` false) it is tried by itself.

    `budget` is the name of the budget that it went over, `error`, or `deaths`; absent where it is only suspect.
    """

    digest: str
    thing: str
    aside: bool
    deaths: int
    budget: str | None
    error: str
    since: int
    finding: str | None

    @property
    def barred(self) -> bool:
        """Whether it is not judged though it is asked for again. An item that the engine failed on is judged."""
        return self.aside and self.budget != ERROR


_ITEMS: Final = "select digest, thing, aside, deaths, budget, error, since, finding from set_aside"


def key(thing: str) -> str:
    """The digest that a thing has here: its text may be too long for an index."""
    return digest(thing)


def of(db: Db, things: Iterable[str]) -> dict[str, Item]:
    """Those of the things that are aside or suspect, in the order in which they are tried."""
    query = f"{_ITEMS} where digest = any(?) order by deaths, since, digest"
    return {item.thing: item for item in map(_item, db.rows(query, [key(thing) for thing in things]))}


def all_of(db: Db) -> list[Item]:
    """Everything that is aside, what was first there first."""
    query = f"{_ITEMS} where aside = true order by since, digest"
    return [_item(row) for row in db.rows(query)]


def _item(row: tuple[Any, ...]) -> Item:
    return Item(row[0], row[1], bool(row[2]), *row[3:])


def keep(db: Db, items: Collection[Item]) -> None:
    """Writes them as they are now."""
    db.many(schema.set_aside, sorted(items), "upsert")


def forget(db: Db, thing: str) -> None:
    """It was judged."""
    db.run("delete from set_aside where digest = ?", key(thing))


def suspect(db: Db, things: Sequence[str], now: int) -> None:
    """Has each of these tried by itself."""
    new = [Item(key(thing), thing, False, 0, None, "", now, None) for thing in things]
    db.many(schema.set_aside, sorted(new), "ignore")


def died(db: Db, things: Sequence[str], now: int) -> list[Item]:
    """Counts a death for what was in hand; answers with what that sets aside."""
    before = of(db, things)
    counts = len(things) <= SUSPECTS_MAX
    items = []
    for thing in things:
        old = before.get(thing) or Item(key(thing), thing, False, 0, None, "", now, None)
        # In company one death makes a suspect, however often it comes back: only what is alone in hand is counted on.
        deaths = old.deaths + 1 if len(things) == 1 else max(old.deaths, 1 if counts else 0)
        error = f"the process died {deaths} times while it was judged" if deaths >= DEATHS_MAX else old.error
        aside = old.aside or deaths >= DEATHS_MAX
        budget = DEATHS if deaths >= DEATHS_MAX else old.budget
        items.append(old._replace(deaths=deaths, aside=aside, budget=budget, error=error))
    keep(db, items)
    return [item for item in items if item.deaths >= DEATHS_MAX]


def take_up(db: Db, now: int) -> None:
    """Queues what is aside for another reason than deaths, to be tried by itself; at a start. `now` is a wall clock."""
    # A suspect may have been judged by another worker meanwhile.
    db.run("delete from set_aside where aside = false and thing not in (select thing from queue)")
    _again(db, [item for item in all_of(db) if item.deaths < DEATHS_MAX], now)
    # Items set aside by older versions.
    db.run("update queue set priority = ? where priority = ?", AGAIN, ASIDE)


def retry(db: Db, digests: Sequence[str], now: int) -> int:
    """Queues these, whatever set them aside, since a person says so; one more death sets them aside again."""
    wanted = {*digests}
    items = [item for item in all_of(db) if item.digest in wanted]
    _again(db, [item._replace(deaths=min(item.deaths, DEATHS_MAX - 1)) for item in items], now)
    return len(items)


def _again(db: Db, items: Sequence[Item], now: int) -> None:
    keep(db, [item._replace(aside=False) for item in items])
    queue.put(db, [item.thing for item in items], AGAIN, now)


def said(thing: str, event: Event | None, budget: str, error: str, party: str | None, now: int) -> Said:
    """The finding on an item that is set aside; `event` is the newest of what it is about."""
    kind = queue.kind_of(thing)
    rule = queue.sum_of(thing)[0] if kind == queue.Kind.SUM else None
    about = JUDGE_SOURCE if event is None else About(KINDS[event.topic], event.subject)
    evidence: dict[str, Any] = {"item": kind, "error": error[:ERROR_CHARACTERS_MAX], "budget": budget}
    if rule is not None:
        evidence["rule"] = rule
    failure = f"An item of judging ({kind}) failed" if rule is None else f"The rule {rule} could not look at this"
    failure_zh = f"一项判定（{kind}）出错" if rule is None else f"规则 {rule} 无法完成判定"
    return Said(
        severity="yellow",
        about=about,
        party=party,
        occurred=now if event is None else event.time,
        cause=None if event is None else Cause(event.source, event.id),
        apart=("item", thing),
        summary=f"{failure}, and was set aside: {error[:ERROR_CHARACTERS_MAX]}.",
        summary_zh=f"{failure_zh}，已搁置：{error[:ERROR_CHARACTERS_MAX]}。",
        evidence=evidence,
    )


def newest(db: Db, thing: str) -> Event | None:
    """The newest event of what an item is about: of the act, of the acts of a sum, of the entity. One row is read."""
    kind = queue.kind_of(thing)
    last = " order by e.time desc, e.source desc, e.event desc limit 1"
    columns = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
    where: tuple[str, tuple[str, ...]] | None = None
    if kind == queue.Kind.SUM:
        of_scope = "join scopes s on s.thing = e.thing where s.rule = ? and s.scope = ? and e.retracted is null"
        where = of_scope, queue.sum_of(thing)
    elif kind == queue.Kind.FACT:
        fact, subject = queue.fact_of(thing)
        if fact == "payment":
            where = "where e.thing = ?", (subject,)
        elif fact in ("uses", "reports"):
            where = "where e.topic = ? and e.subject = ?", (CONTRACTS, queue.contract_day_of(subject)[0])
        elif fact in _FACTS:
            where = "where e.topic = ? and e.subject = ?", (_FACTS[fact], subject)
    elif kind in (queue.Kind.RUN, queue.Kind.SCREEN):
        where = "where e.topic = ? and e.subject = ?", (ASSETS, queue.rest_of(thing))
    elif kind == queue.Kind.CREDIT:
        where = "where e.topic = ? and e.subject = ?", (PARTIES, queue.rest_of(thing))
    elif kind == queue.Kind.ACT:
        where = "where e.thing = ?", (thing,)
    if where is None:
        return None
    row = db.one(f"select {columns} from events e {where[0]}{last}", *where[1])  # noqa: S608
    return None if row is None or row[1] not in KINDS else event_of(row)

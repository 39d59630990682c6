"""Enters the steps of dockets that wait in the store: opens and escalates cases, and carries out what was ordered.

The caller holds the locks of the dockets, so the steps of one are entered in one order, whoever judges. Steps and what
came of them are one transaction.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from circulation.docket import Case, Docket, Member, Order, Raised, Step, Told
from circulation.events.names import CASE_PREFIX, CASES, JOURNAL
from streams.judging.round import Round
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.outbox import canonical, cloudevent, post

SOURCE: Final = "/circulation/cases"
_CASES: Final = (
    "case_id, n, detector, about_kind, about, party, severity, state, opened, changed, closed, due, overdue, findings,"
    " standing, events"
)
_decode: Final = msgspec.msgpack.Decoder(Step).decode
_decode_order: Final = msgspec.msgpack.Decoder(Order).decode


def enter(round_: Round, things: Sequence[str]) -> None:
    """Enter the steps that wait on these dockets, and let time pass to the horizon.

    Events of cases leave in the order of the steps, whatever the number of dockets.
    """
    db = round_.db
    ids = [queue.rest_of(thing) for thing in things]
    query = "select id, docket, step from docket where docket = any(?) and waits is null"
    rows = sorted(db.rows(query, ids))
    steps: list[tuple[int, str, Step]] = [(number, id_, _decode(raw)) for number, id_, raw in rows]
    dockets = _load(db, ids, sorted({step.finding for _, _, step in steps if not isinstance(step, Order)}))
    waited = _waited(db, dockets, steps)
    case_events: list[Told] = []
    for _, id_, step in steps:
        case_events += dockets[id_].enter(step)
    for docket in dockets.values():
        case_events += docket.pass_(round_.horizon)
    # An order for a case that is not there waits: its row keeps its place.
    entered, waits = list[int](), dict[str, list[int]]()
    for number, id_, step in steps:
        if isinstance(step, Order) and step.case not in dockets[id_].cases:
            waits.setdefault(step.case, []).append(number)
        else:
            entered.append(number)
    entered += [number for number, id_, order in waited if order.case in dockets[id_].cases]
    db.run("delete from docket where id = any(?)", entered)
    for case, numbers in waits.items():
        db.run("update docket set waits = ? where id = any(?)", case, numbers)
    db.run("delete from deadlines where thing = any(?)", list(things))
    _keep(db, dockets, case_events)
    round_.case_events += len(case_events)


def _waited(db: Db, dockets: dict[str, Docket], steps: Sequence[tuple[int, str, Step]]) -> list[tuple[int, str, Order]]:
    """Gives dockets the orders that wait for cases which may be opened now: by each finding that is raised, one."""
    raised = Counter(id_ for _, id_, step in steps if isinstance(step, Raised))
    coming = [case for id_, count in raised.items() for case in dockets[id_].coming(count)]
    if not coming:
        return []
    query = "select id, docket, step from docket where docket = any(?) and waits = any(?)"
    orders = [(number, id_, _decode_order(raw)) for number, id_, raw in sorted(db.rows(query, sorted(raised), coming))]
    for _, id_, order in orders:
        dockets[id_].enter(order)
    return orders


def _load(db: Db, ids: Sequence[str], findings: Sequence[str]) -> dict[str, Docket]:
    members = {
        finding: Member(case, severity, bool(standing))
        for finding, case, severity, standing in db.rows(
            "select finding, case_id, severity, standing from case_findings where finding = any(?)", list(findings)
        )
    }
    cases: dict[str, list[Case]] = {id_: [] for id_ in ids}
    names = ("id", *_CASES.split(", ")[1:])
    query = f"select docket, {_CASES} from cases where docket = any(?) order by docket, n"  # noqa: S608
    for id_, *row in db.rows(query, list(ids)):
        values: dict[str, Any] = dict(zip(names, row, strict=True))
        cases[id_].append(Case(**values | {"overdue": bool(values["overdue"])}))
    by_docket: dict[str, dict[str, Member]] = {id_: {} for id_ in ids}
    for finding, member in members.items():
        by_docket[member.case.rpartition("-")[0]][finding] = member
    return {id_: Docket(id_, cases[id_], by_docket[id_]) for id_ in ids}


def _keep(db: Db, dockets: dict[str, Docket], case_events: Sequence[Told]) -> None:
    cases, members, deadlines = [], [], []
    for id_, docket in dockets.items():
        cases += [_row(id_, docket.cases[case]) for case in sorted(docket.changed_cases)]
        members += [(finding, *docket.members[finding]) for finding in sorted(docket.changed_members)]
        if (due := docket.due()) is not None:
            deadlines.append((queue.case(id_), due))
    db.many(schema.cases, cases, "upsert")
    db.many(schema.case_findings, members, "upsert")
    db.many(schema.deadlines, deadlines)
    db.many(schema.case_events, [(*case_event[:4], canonical(case_event.data).decode()) for case_event in case_events])
    post(
        db,
        [
            cloudevent(
                topic,
                case_event.case,
                type_=CASE_PREFIX + case_event.what,
                source=SOURCE,
                id_=f"{case_event.case}.{case_event.number}",
                time=case_event.time,
                data=case_event.data,
            )
            for case_event in case_events
            for topic in (CASES, JOURNAL)
        ],
    )


def _row(docket: str, case: Case) -> tuple[Any, ...]:
    id_, *rest = msgspec.structs.astuple(case)
    return (id_, docket, *rest, canonical(case.data).decode())

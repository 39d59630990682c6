"""Enters the steps of dockets that wait in the store: opens and escalates cases, and carries out what was ordered.

The caller holds the locks of the dockets, so the steps of one are entered in one order, whoever judges. Steps and what
came of them are one transaction.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from circulation.docket import Case, Docket, Member, Order, Step, Told
from streams import schema
from streams.book import CASES, JOURNAL, SEPARATOR, canonical, cloudevent, post
from streams.store import Db

SOURCE: Final = "/circulation/cases"
_CASES: Final = (
    "case_id, n, detector, about_kind, about, party, severity, state, opened, changed, closed, due, overdue, findings,"
    " standing, events"
)
_decode: Final = msgspec.msgpack.Decoder(Step).decode


def enter(db: Db, things: Sequence[str], horizon: int) -> int:
    """Enters what waits on these dockets (`case␟docket`), then lets time pass; answers with how much was told.

    What is told leaves in the order of the steps, whatever the number of dockets.
    """
    ids = [thing.split(SEPARATOR, 1)[1] for thing in things]
    steps: list[tuple[int, str, Step]] = [
        (number, id_, _decode(raw))
        for number, id_, raw in sorted(db.rows("select id, docket, step from docket where docket = any(?)", ids))
    ]
    dockets = _load(db, ids, sorted({step.finding for _, _, step in steps if not isinstance(step, Order)}))
    told: list[Told] = []
    for _, id_, step in steps:
        told += dockets[id_].enter(step)
    for docket in dockets.values():
        told += docket.pass_(horizon)
    # An order for a case that is not there waits: its row keeps its place.
    done = [n for n, id_, step in steps if not isinstance(step, Order) or step.case in dockets[id_].cases]
    db.run("delete from docket where id = any(?)", done)
    db.run("delete from deadlines where thing = any(?)", list(things))
    _keep(db, dockets, told)
    return len(told)


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
    mine: dict[str, dict[str, Member]] = {id_: {} for id_ in ids}
    for finding, member in members.items():
        mine[member.case.rpartition("-")[0]][finding] = member
    return {id_: Docket(id_, cases[id_], mine[id_]) for id_ in ids}


def _keep(db: Db, dockets: dict[str, Docket], told: Sequence[Told]) -> None:
    cases, members, deadlines = [], [], []
    for id_, docket in dockets.items():
        cases += [_row(id_, docket.cases[case]) for case in sorted(docket.changed_cases)]
        members += [(finding, *docket.members[finding]) for finding in sorted(docket.changed_members)]
        if (due := docket.due()) is not None:
            deadlines.append((f"case{SEPARATOR}{id_}", due))
    db.many(schema.cases, cases, "upsert")
    db.many(schema.case_findings, members, "upsert")
    db.many(schema.deadlines, deadlines)
    db.many(schema.case_events, [(*one[:4], canonical(one.data).decode()) for one in told])
    post(
        db,
        [
            cloudevent(
                topic,
                one.case,
                type_=f"circulation.case.{one.what}",
                source=SOURCE,
                id_=f"{one.case}.{one.number}",
                time=one.time,
                data=one.data,
            )
            for one in told
            for topic in (CASES, JOURNAL)
        ],
    )


def _row(docket: str, case: Case) -> tuple[Any, ...]:
    id_, *rest = msgspec.structs.astuple(case)
    return (id_, docket, *rest, canonical(case.data).decode())

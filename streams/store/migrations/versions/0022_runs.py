"""OpenLineage events are kept in the form of today, and derived again: by job and run id, with all that they say."""

import time
from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

from circulation.events.names import ASSETS, OPENLINEAGE_RUN
from circulation.openlineage import facets
from circulation.openlineage.names import canonical

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ROWS = 1000
_EVENTS = sa.table(
    "events",
    sa.column("id"),
    sa.column("topic"),
    sa.column("type"),
    sa.column("subject"),
    sa.column("data", sa.LargeBinary),
)
_REFS = sa.table("refs", sa.column("kind"), sa.column("ref"), sa.column("event"))
_DERIVATIONS = sa.table("derivations", *map(sa.column, ("output", "input", "origin", "time", "stops", "share", "same")))
_QUEUE = sa.table("queue", sa.column("priority"), sa.column("thing"), sa.column("since"))


def upgrade() -> None:
    op.create_table(
        "given",
        sa.Column("parent", sa.Text, primary_key=True),
        sa.Column("child", sa.Text, primary_key=True),
        sa.Column("input", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False, index=True),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("given_by_input", "given", ["input"])
    op.create_table(
        "unfinished",
        sa.Column("output", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, primary_key=True, index=True),
        sa.Column("begin", sa.BigInteger, primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
    )
    op.create_table(
        "folded_runs",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    _keep_as_today()
    _link_forms()


def _keep_as_today() -> None:
    """Write what is kept of each run's events in the form of today, and queue the runs."""
    connection = op.get_bind()
    last = -1
    runs: dict[str, None] = {}
    while True:
        query = sa.select(_EVENTS.c.id, _EVENTS.c.subject, _EVENTS.c.data)
        query = query.where(_EVENTS.c.type == OPENLINEAGE_RUN, _EVENTS.c.id > last).order_by(_EVENTS.c.id)
        rows = connection.execute(query.limit(_ROWS)).all()
        for number, subject, data in rows:
            new = orjson.dumps(_today(orjson.loads(data)), option=orjson.OPT_SORT_KEYS)
            connection.execute(_EVENTS.update().where(_EVENTS.c.id == number).values(data=new))
            _name_as_today(number)
            runs[subject] = None
        if len(rows) < _ROWS:
            break
        last = rows[-1][0]
    _queue(f"run\x1f{run}" for run in runs)


def _queue(things: Iterable[str]) -> None:
    rows = [{"priority": 1, "thing": thing, "since": time.time_ns() // 1000} for thing in things]
    if rows:
        op.get_bind().execute(_QUEUE.insert(), rows)


def _name_as_today(number: int) -> None:
    """Note what an event reads and writes by the names of today."""
    connection = op.get_bind()
    of_event = sa.and_(_REFS.c.event == number, _REFS.c.kind.in_(["input", "output"]))
    rows = connection.execute(sa.select(_REFS.c.kind, _REFS.c.ref).where(of_event)).all()
    new = {(kind, canonical(ref)) for kind, ref in rows}
    if new != {tuple(row) for row in rows}:
        connection.execute(_REFS.delete().where(of_event))
        connection.execute(_REFS.insert(), [{"kind": kind, "ref": ref, "event": number} for kind, ref in sorted(new)])


def _link_forms() -> None:
    """Derive ids that are no canonical ones from these, and these from them; have what looks at them judged again."""
    connection = op.get_bind()
    subjects = sa.select(_EVENTS.c.subject).where(_EVENTS.c.type.like("circulation.%"), _EVENTS.c.topic == ASSETS)
    named = sa.select(_REFS.c.ref).where(_REFS.c.kind.in_(["asset", "input"]))
    assets = sorted({row[0] for row in connection.execute(subjects.union(named))})
    forms = {asset: canonical(asset) for asset in assets if canonical(asset) != asset}
    rows = [
        {"output": output, "input": input_, "origin": "form", "time": 0, "stops": False, "share": None, "same": True}
        for pair in forms.items()
        for output, input_ in (pair, pair[::-1])
    ]
    if rows:
        connection.execute(_DERIVATIONS.insert(), rows)
    _queue(f"fact\x1fasset\x1f{asset}" for asset in sorted({*forms, *forms.values()}))


def _today(data: dict[str, Any]) -> dict[str, Any]:
    """What was kept of an event before, in the form of today."""
    namespace, _, name = data.pop("job", "").rpartition("/")
    converted = {"kind": "run", "job_namespace": namespace, "job_name": name}
    for member, value in data.items():
        if member in ("inputs", "outputs"):
            converted[member] = list(dict.fromkeys(map(canonical, value)))
        elif member == "aliases":
            converted[member] = {canonical(dataset): list(map(canonical, names)) for dataset, names in value.items()}
        elif member == "renamed":
            converted[member] = {canonical(dataset): [canonical(before)] for dataset, before in value.items()}
        elif member in ("owners", "fields"):
            converted[member] = {canonical(dataset): members for dataset, members in value.items()}
        elif member == "columns":
            converted |= _columns(value)
        else:
            converted[member] = value
    return converted


def _columns(by_dataset: dict[str, Any]) -> dict[str, Any]:
    """Column lineage as today: facets were kept as they came."""
    stated: facets.Said = {name: {} for name in facets.SAID}
    for dataset, facet in by_dataset.items():
        facets.of_dataset(canonical(dataset), {"columnLineage": facet}, stated, written=True)
    return {name: stated[name] for name in ("columns", "whole") if stated[name]}


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

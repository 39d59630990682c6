"""Days of contracts are settled one after the other: what is near midnight is told apart, and months are compared.

What was used before is one amount a day, and nobody knows how much of it was near midnight: of these rows, and of what
desks remember, nothing is told apart, and all of it counts on its own day. Days from the first of the month on that is
not compared yet are judged anew, so that they are settled and their month is added up of all of them. Months before
that one are not compared.
"""

import datetime as dt
import time
from collections.abc import Iterator

import msgspec
import sqlalchemy as sa
from alembic import op

from circulation.events.names import CONTRACTS

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

CHINA = dt.timezone(dt.timedelta(hours=8))
# A month is compared a day after its end.
AFTER = dt.timedelta(days=1)
# As keys were then, and where in a desk's state a bit each tells the reporters.
MARK = "\x1f"
REPORTERS_AT = 6
SLICE = 1_000
# Behind what just came, as all that is judged again.
AGAIN = 1


def upgrade() -> None:
    op.add_column("used_days", sa.Column("edges", sa.LargeBinary()))
    op.create_table(
        "settled_days",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("forgotten", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "day"),
    )
    postgres = op.get_context().dialect.name == "postgresql"
    mark = "chr(31)" if postgres else "char(31)"
    date = "to_char(date '1970-01-01' + day, 'YYYY-MM-DD')" if postgres else "date(day * 86400, 'unixepoch')"
    bind = op.get_bind()
    horizon = bind.execute(sa.text("select max(instant) from horizon")).scalar()
    # Before the first deadline it is earlier than any instant.
    first = _first(max(horizon or 0, 0))
    # Until now no day was looked at on which one reporter alone had something used.
    missing = (
        f"select distinct 'reconciliation', {date} || '/' || contract, 'uses' || {mark} || contract from used_days u"  # noqa: S608 of the dialect alone
        f" where {date} >= :first and exists"
        " (select 1 from used_days o where o.contract = u.contract and o.reporter <> u.reporter)"
    )
    ignored = "on conflict do nothing"
    bind.execute(sa.text(f"insert into scopes (rule, scope, thing) {missing} {ignored}"), {"first": first})
    insert = "insert into scopes (rule, scope, thing) values ('reconciliation', :scope, :thing)"
    for contract, day in _remembered():
        if day >= first:
            bind.execute(
                sa.text(f"{insert} {ignored}"), {"scope": f"{day}/{contract}", "thing": f"uses{MARK}{contract}"}
            )
    query = (
        f"insert into queue (priority, thing, since) select distinct {AGAIN}, 'sum' || {mark} || 'reconciliation'"  # noqa: S608
        f" || {mark} || scope, {time.time_ns() // 1000} from scopes where rule = 'reconciliation' and scope >= :first"
    )
    bind.execute(sa.text(query), {"first": first})


def _remembered() -> Iterator[tuple[str, str]]:
    """The days, as dates, that desks of several reporters remember: they are no rows yet."""
    after = ""
    query = sa.text(
        "select subject, state from desks where topic = :topic and subject > :after order by subject limit :most"
    )
    while rows := op.get_bind().execute(query, {"topic": CONTRACTS, "after": after, "most": SLICE}).all():
        for contract, raw in rows:
            state = msgspec.msgpack.decode(bytes(raw))
            reporters = state[REPORTERS_AT] if len(state) > REPORTERS_AT else 0
            if reporters & (reporters - 1):
                for key in state[0]:
                    yield contract, (dt.date(1970, 1, 1) + dt.timedelta(days=key >> 2)).isoformat()
        after = rows[-1][0]


def _first(instant: int) -> str:
    """The first day of the month, as a date, that is not compared yet at an instant (µs)."""
    at = dt.datetime.fromtimestamp(instant // 1_000_000, CHINA) - AFTER
    return at.date().replace(day=1).isoformat()


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

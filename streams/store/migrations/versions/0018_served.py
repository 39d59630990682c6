"""What was served on days that were forgotten is kept, and uses abroad by the day.

Of the days that were forgotten before nobody knows whether their uses were cancelled: they count as they did.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from circulation.events.names import CONTRACTS

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

DAY = 86_400_000_000
CHINA_OFFSET = 8 * 3_600_000_000
ROWS = 1_000


def upgrade() -> None:
    served = op.create_table(
        "served",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract"),
        sqlite_with_rowid=False,
    )
    for rows in _forgotten():
        op.bulk_insert(served, rows)
    op.create_table(
        "used_abroad",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("reporter", sa.Integer(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "country", "day", "reporter"),
        sqlite_with_rowid=False,
    )


def _forgotten() -> Iterator[list[dict[str, Any]]]:
    """The contracts of which the day of the first use is no row, and not remembered by the desk."""
    query = sa.text(
        "select u.contract, u.time, d.state from first_uses u left join desks d on d.topic = :topic"
        " and d.subject = u.contract where u.contract > :after and not exists (select 1 from used_days y"
        " where y.contract = u.contract and y.day = (u.time + :offset) / :day) order by u.contract limit :most"
    )
    values = {"topic": CONTRACTS, "offset": CHINA_OFFSET, "day": DAY, "most": ROWS}
    after = ""
    while rows := op.get_bind().execute(query, values | {"after": after}).fetchall():
        after = rows[-1][0]
        yield [
            {"contract": contract, "time": first}
            for contract, first, state in rows
            if (first + CHINA_OFFSET) // DAY not in _remembered(state)
        ]


def _remembered(state: Any) -> set[int]:
    if state is None:
        return set()
    days: dict[int, Any] = msgspec.msgpack.decode(bytes(state), strict=False)[0]
    return {int(key) >> 2 for key in days}


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

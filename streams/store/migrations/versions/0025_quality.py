"""How good what sources say is, counted by source and month from now on; and of each source when it was heard last.

Of what came before nothing is counted, for uses and what was rejected were not kept. When a source was heard is taken
from the events that were, so that one that owes events and is silent since before is told of.
"""

import sqlalchemy as sa
from alembic import op

from circulation.quality import month_of

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# As many sources as get a row in a month, the newest: anybody may have sent in any name.
SOURCES_MAX = 1_000
COUNTED = (
    "admitted",
    "rejected",
    "timed",
    "on_time",
    "linkable",
    "linked",
    "numbered",
    "missing",
    "compared",
    "agreed",
)


def upgrade() -> None:
    quality = op.create_table(
        "quality",
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTED),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reported_by", "month"),
        sqlite_with_rowid=False,
    )
    op.create_index("quality_by_month", "quality", ["month"])
    op.create_table(
        "reported_days",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "day", "reported_by"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "compared",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("noted", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "day"),
        sqlite_with_rowid=False,
    )
    query = "select source, max(time) as newest from events group by source order by newest desc limit :most"
    rows = op.get_bind().execute(sa.text(query), {"most": SOURCES_MAX}).fetchall()
    if rows:
        zeros = dict.fromkeys(COUNTED, 0)
        op.bulk_insert(
            quality, [{"reported_by": source, "month": month_of(last), "last": last} | zeros for source, last in rows]
        )


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

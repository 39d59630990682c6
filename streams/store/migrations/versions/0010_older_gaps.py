"""Older gaps of feeds, which desks do not remember; and on PostgreSQL views that find a run's node by its key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Its index holds keys on PostgreSQL, and follows the schema: `streams.store.keys.index`. Views are made again.
    op.create_table(
        "older_gaps",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("gap", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

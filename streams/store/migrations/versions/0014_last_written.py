"""Beside where reading goes on: the last record that was read, and when it was written."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("progress", sa.Column("last", sa.BigInteger(), nullable=True))
    op.add_column("progress", sa.Column("written", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

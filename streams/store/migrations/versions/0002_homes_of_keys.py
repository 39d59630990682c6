"""Numbers of partitions that topics had, and what was sent on to the home of its key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placements",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("begin", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "topic_id", "partitions", "partition"),
    )
    # Not known for what is there: the first worker that is assigned its topic notes it.
    op.add_column("progress", sa.Column("partitions", sa.Integer(), nullable=True))
    op.add_column("progress", sa.Column("sent_on", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

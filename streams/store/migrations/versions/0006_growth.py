"""What it takes to look at acts, and at what they say, from an instant on, however many there were before it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sums",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("judged", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "rule"),
        sqlite_with_rowid=False,
    )
    op.add_column("queue", sa.Column("begins", sa.BigInteger()))
    op.add_column("scopes", sa.Column("time", sa.BigInteger()))
    op.drop_index("ix_events_thing", table_name="events")
    op.create_index("events_by_thing", "events", ["thing", "time"])
    op.drop_index("events_by_subject", table_name="events")
    op.create_index("events_by_subject", "events", ["subject", "topic", "type", "time"])
    op.drop_index("findings_by_thing", table_name="findings")
    op.create_index("findings_by_thing", "findings", ["thing", "occurred"])
    # of uses, which are no events, nothing tells, and nothing asks
    op.execute("update scopes set time = (select max(e.time) from events e where e.thing = scopes.thing)")
    op.create_index("scopes_by_time", "scopes", ["scope", "rule", "time"])


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

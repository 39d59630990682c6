"""An event is found by its id: what takes it back need not go through all events of its subject."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("events_by_event", "events", ["event", "subject"])


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

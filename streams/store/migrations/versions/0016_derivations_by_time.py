"""Of many derivations of one output those from an instant on are found by it."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("derivations_by_time", "derivations", ["output", "time"])


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

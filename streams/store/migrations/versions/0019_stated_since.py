"""On PostgreSQL what is new of an entity is found by the numbers of its statements, and who has records by an index."""

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave the indexes to `streams.store.keys.index`, which follows the schema; SQLite is without them."""


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

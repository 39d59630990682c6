"""Of many derivations of one output the few that lead through a run's node are found by an index of these alone."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# As `streams.store.schema` has it: the node of a run begins with this character.
THROUGH_RUN = "substr(input, 1, 1) = '\x1d'"


def upgrade() -> None:
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("derivations_through_runs", "derivations", ["output"], sqlite_where=sa.text(THROUGH_RUN))


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

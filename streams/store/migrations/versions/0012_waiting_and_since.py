"""An order for a case that is not there says which one it waits for; what belongs to a sum says from when on."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("docket", sa.Column("waits", sa.Text()))
    op.drop_index("docket_by_docket", table_name="docket")
    op.create_index("docket_by_docket", "docket", ["docket", "waits", "id"])
    op.add_column("scopes", sa.Column("since", sa.BigInteger()))
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    op.drop_index("scopes_by_thing", table_name="scopes")
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("scopes_by_thing", "scopes", ["thing", "time"])


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

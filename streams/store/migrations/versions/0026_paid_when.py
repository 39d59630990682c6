"""The payments of a party within a span of time are found by an index, however many it made before and after."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refs", sa.Column("time", sa.BigInteger()))
    op.execute(
        "update refs set time = (select time from events where events.id = refs.event) where kind in ('payer', 'payee')"
    )
    # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
    if op.get_bind().dialect.name != "postgresql":
        where = sa.text("time is not null")
        op.create_index("refs_by_time", "refs", ["ref", "kind", "time"], sqlite_where=where)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

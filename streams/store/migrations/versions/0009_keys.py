"""Keys of long ids, indexes of what is listed newest first, and how PostgreSQL cleans tables whose rows die fast."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Rows of these live for seconds, or for days of which one goes every day: cleaned at a share of 20 % they would be
# mostly dead, and the first entries of their indexes dead rows that every look at the queue goes through.
DYING = {
    "queue": "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000",
    "outbox": "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000",
    "deadlines": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000",
    "seen": "autovacuum_vacuum_scale_factor = 0.02",
    "used_days": "autovacuum_vacuum_scale_factor = 0.02",
    "scopes": "autovacuum_vacuum_scale_factor = 0.05",
}


# What was in the table is its default partition from now on, as it lies; days get partitions of their own as they come
# (`streams.store.partitions`).
PARTITIONED = (
    "alter table remembered rename to remembered_rest",
    "alter table remembered_rest drop constraint remembered_pkey",
    "alter index remembered_by_partition rename to remembered_rest_by_partition",
    "alter index remembered_by_taken rename to remembered_rest_by_taken",
    "create table remembered (like remembered_rest including defaults) partition by range (taken)",
    "alter sequence remembered_id_seq owned by remembered.id",
    "alter table remembered add primary key (id, taken)",
    "create index remembered_by_partition on remembered (topic, partition, id)",
    "create index remembered_by_taken on remembered (taken)",
    "alter table remembered attach partition remembered_rest default",
    "alter table remembered_rest set (autovacuum_vacuum_scale_factor = 0.02)",
)


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.drop_index("findings_by_about", "findings")
    op.drop_index("cases_by_about", "cases")
    # Indexes of long ids hold their keys on PostgreSQL. They follow the schema: `streams.store.keys.index`.
    if not postgres:
        op.create_index("findings_by_about", "findings", ["about", "about_kind"])
        op.create_index("cases_by_about", "cases", ["about", "about_kind"])
    op.drop_index("findings_standing", "findings")
    for name, columns, condition in (
        ("findings_standing", ["detector", "severity", "mode"], "standing"),
        ("findings_by_time", ["occurred", "finding"], "standing"),
        ("findings_cleared", ["occurred", "finding"], "not standing"),
    ):
        op.create_index(name, "findings", columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
    op.create_index("cases_by_time", "cases", ["opened", "case_id"])
    if postgres:
        for table, options in DYING.items():
            op.execute(f"alter table {table} set ({options})")
        for statement in PARTITIONED:
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

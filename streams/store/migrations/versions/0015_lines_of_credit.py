"""What statements of credit are made of is kept: lines, claims and their sums; records and merits are acts each.

Nothing of it is made here. Of a party of which nothing is kept all is folded when its statement is asked for next.
"""

import json

import sqlalchemy as sa
from alembic import op

from circulation.events.names import CREDIT_DETERMINED, MERIT_RECORDED
from circulation.keys import join_key

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Records and merits had no business id: their acts ended where it begins.
BUSINESS = {CREDIT_DETERMINED: "record", MERIT_RECORDED: "merit"}
SLICE = 10_000


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    rank = sa.Text(collation="C") if postgres else sa.Text()
    op.create_table(
        "credit_lines",
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("rank", rank, nullable=False),
        sa.Column("named", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("credit_lines_until", "credit_lines", ["party", "until"])
    op.create_index("credit_lines_since", "credit_lines", ["party", "since"])
    _partial("credit_lines_named", "credit_lines", ["named"], "named is not null")
    op.create_table(
        "credit_claims",
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("rank", rank, nullable=True),
        sa.Column("upholds", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("claim"),
    )
    op.create_index("credit_claims_until", "credit_claims", ["party", "until"])
    op.create_index("credit_claims_since", "credit_claims", ["party", "since"])
    _partial("credit_claims_upholds", "credit_claims", ["upholds"], "upholds is not null")
    if not postgres:
        # On PostgreSQL they hold keys, and follow the schema: `streams.store.keys.index`.
        _partial("credit_lines_heaviest", "credit_lines", ["party", "kind", "points", "rank"], "listed")
        op.create_index("credit_claims_about", "credit_claims", ["about", "state"])
    op.create_table(
        "credit_sums",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("party"),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "credit_touched",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("credit_touched_by_party", "credit_touched", ["party"])
    for type_, member in BUSINESS.items():
        _name_acts(type_, member)


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _name_acts(type_: str, member: str) -> None:
    """Give acts of a type their business ids."""
    connection = op.get_bind()
    after = -1
    query = sa.text("select id, subject, data from events where type = :type and id > :after order by id limit :most")
    change = sa.text("update events set thing = :thing where id = :id")
    while rows := connection.execute(query, {"type": type_, "after": after, "most": SLICE}).all():
        things = [
            {"id": id_, "thing": join_key("act", type_, subject, json.loads(bytes(data))[member])}
            for id_, subject, data in rows
        ]
        connection.execute(change, things)
        after = rows[-1][0]


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

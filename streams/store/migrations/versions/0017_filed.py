"""When an objection was filed is kept: the first one suspends, and later ones do not.

What is kept of credit is folded anew, since the rule is another; so is what stands of offices that decide late.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.add_column("credit_claims", sa.Column("filed", sa.Text(collation="C") if postgres else sa.Text(), nullable=True))
    if not postgres:
        # On PostgreSQL it holds keys, and follows the schema: `streams.store.keys.index`.
        op.create_index("credit_claims_filed", "credit_claims", ["about", "filed"])
    # Of a party of which nothing is kept all is folded when its statement is asked for next.
    op.execute("delete from credit_sums")


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

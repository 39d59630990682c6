"""An amendment may sell: those of before are judged once by the rules on sales, which were not asked of them."""

import time

import sqlalchemy as sa
from alembic import op

from circulation.events.names import CONTRACT_AMENDED

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# Behind what just came, as all that is judged again.
AGAIN = 1


def upgrade() -> None:
    query = (
        "insert into queue (priority, thing, since)"
        " select distinct :priority, thing, :since from events where type = :type and retracted is null"
    )
    values = {"priority": AGAIN, "since": time.time_ns() // 1000, "type": CONTRACT_AMENDED}
    op.get_bind().execute(sa.text(query), values)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

"""What the rules say is another thing now: what stands is judged anew, once.

What is kept stays as it is. Levels go up by anyone's word and down by an approved one; contracts, and the owners and
rights of assets, have a home; texts match in other forms, controllers of listed parties count, what is paid is net, and
markets have other ids. So all that was judged before is asked for as after a pack that is not there any more.
"""

import time

import sqlalchemy as sa
from alembic import op

from circulation.keys import join_key

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Earlier than any instant.
EARLIEST = -(2**62)
# Behind what just came, as all that is judged again.
AGAIN = 1


def upgrade() -> None:
    query = (
        "insert into queue (priority, thing, since) select :priority, :thing, :since"
        " where exists (select 1 from events limit 1)"
    )
    values = {"priority": AGAIN, "thing": join_key("pack", str(EARLIEST)), "since": time.time_ns() // 1000}
    op.get_bind().execute(sa.text(query), values)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

"""What finds the days of contracts that several reporters report is there again, where pruning took it away too soon.

It went by when a day was, and not by when its uses came (`summaries.forget`). A day whose row was missing was not
judged again when its contract was stated anew, or when a pack came late: such days are judged once more.
"""

import time

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    postgres = op.get_context().dialect.name == "postgresql"
    mark = "chr(31)" if postgres else "char(31)"
    date = "to_char(date '1970-01-01' + day, 'YYYY-MM-DD')" if postgres else "date(day * 86400, 'unixepoch')"
    sums = f"'sum' || {mark} || 'reconciliation' || {mark}"
    # Rows of days; and of the newest days, which desks remember, those of which something stands.
    op.execute(
        "create temporary table missing as select scope, thing from ("  # noqa: S608 of the dialect alone
        f"select distinct {date} || '/' || contract as scope, 'uses' || {mark} || contract as thing from used_days u"
        " where exists (select 1 from used_days o where o.contract = u.contract and o.reporter <> u.reporter)"
        f" union select substr(thing, length({sums}) + 1), 'uses' || {mark} || about from findings"
        " where detector = 'reconciliation' and standing) days where not exists (select 1 from scopes s"
        " where s.rule = 'reconciliation' and s.scope = days.scope and s.thing = days.thing)"
    )
    op.execute("insert into scopes (rule, scope, thing) select 'reconciliation', scope, thing from missing")
    op.execute(
        f"insert into queue (priority, thing, since) select 1, {sums} || scope, {time.time_ns() // 1000} from missing"  # noqa: S608
    )
    op.execute("drop table missing")

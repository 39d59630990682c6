"""Gaps are found by a number in them, numbers of rejected events are kept, and sequences know the latest `time`.

Of a sequence that was counted before it is the latest time that its desk knows: of the events that are kept, and of the
newest uses. It is no earlier than the true one, so that nothing is rejected as `sequence-reused` that came before.
"""

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1_000
NEVER = -(2**62)
_SEPARATOR = "\x1f"


def upgrade() -> None:
    # On PostgreSQL indexes of what may be long hold keys, and follow the schema: `streams.store.keys.index`.
    postgres = op.get_bind().dialect.name == "postgresql"
    op.add_column("gaps", sa.Column("feed", sa.Text, nullable=False, server_default=""))
    op.add_column("gaps", sa.Column("begin", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("gaps", sa.Column("last", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "refused_numbers",
        sa.Column("refused", sa.Text, primary_key=True),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False, index=True),
    )
    _fill_gaps(op.get_bind())
    _fill_sequences(op.get_bind())
    if not postgres:
        op.create_index("gaps_by_feed", "gaps", ["feed", "begin"])
        op.create_index("refused_numbers_by_feed", "refused_numbers", ["feed", "number"])


def _fill_gaps(db: sa.Connection) -> None:
    for thing, raw in db.execute(sa.text("select thing, gap from gaps")).fetchall():
        topic, subject, source, gap = msgspec.msgpack.decode(raw)
        values = {
            "thing": thing,
            "feed": _SEPARATOR.join((topic, subject, source)),
            "begin": gap[2][0][0],
            "last": gap[2][-1][1],
        }
        db.execute(sa.text('update gaps set feed = :feed, "begin" = :begin, last = :last where thing = :thing'), values)


def _fill_sequences(db: sa.Connection) -> None:
    after = ("", "")
    query = sa.text(
        "select subject, topic, state from desks where (subject, topic) > (:subject, :topic)"
        " order by subject, topic limit :most"
    )
    while rows := db.execute(query, {"subject": after[0], "topic": after[1], "most": ROWS_AT_ONCE}).fetchall():
        after = (rows[-1][0], rows[-1][1])
        for subject, topic, state in rows:
            days, sequences, *rest = msgspec.msgpack.decode(bytes(state), type=list[msgspec.Raw])
            known = msgspec.msgpack.decode(sequences)
            if not known:
                continue
            newest = sa.text("select max(time) from events where topic = :topic and subject = :subject")
            kept = db.execute(newest, {"topic": topic, "subject": subject}).scalar()
            used = [day[4] for day in msgspec.msgpack.decode(days, strict=False).values() if len(day) > 4]
            latest = max([NEVER if kept is None else kept, *used])
            dated = {
                source: [*sequence, *[[], False][len(sequence) - 1 :], latest] for source, sequence in known.items()
            }
            packed = msgspec.msgpack.encode([days, dated, *rest])
            values = {"state": packed, "topic": topic, "subject": subject}
            db.execute(sa.text("update desks set state = :state where topic = :topic and subject = :subject"), values)


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

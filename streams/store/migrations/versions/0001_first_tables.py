"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("counted", sa.Column("party", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("party"))
    op.execute("insert into counted (party) values ('')")
    op.create_table(
        "deadlines",
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("thing", "due"),
        sqlite_with_rowid=False,
    )
    op.create_index("deadlines_by_due", "deadlines", ["due"], unique=False)
    op.create_table(
        "derivations",
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("stops", sa.Boolean(), nullable=False),
        sa.Column("share", sa.Double(), nullable=True),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("output", "input", "origin"),
        sqlite_with_rowid=False,
    )
    op.create_index("derivations_by_input", "derivations", ["input", "output"], unique=False)
    op.create_index("derivations_by_origin", "derivations", ["origin"], unique=False)
    op.create_table(
        "desks",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "topic"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reporter", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("retracted", sa.BigInteger(), nullable=True),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("events_by_subject", "events", ["subject", "topic", "type"], unique=False)
    op.create_index("events_by_type", "events", ["type", "time"], unique=False)
    op.create_index(op.f("ix_events_thing"), "events", ["thing"], unique=False)
    op.create_table(
        "findings",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("about_kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=True),
        sa.Column("occurred", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("raised", sa.BigInteger(), nullable=False),
        sa.Column("cleared", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("finding"),
    )
    op.create_index("findings_by_about", "findings", ["about_kind", "about"], unique=False)
    op.create_index("findings_by_party", "findings", ["party"], unique=False)
    op.create_index("findings_by_thing", "findings", ["thing"], unique=False)
    op.create_index("findings_standing", "findings", ["standing", "detector", "severity", "mode"], unique=False)
    op.create_table(
        "first_uses",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gaps",
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("gap", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("thing"),
    )
    op.create_index(op.f("ix_gaps_time"), "gaps", ["time"], unique=False)
    op.create_table(
        "horizon",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instant", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "statements",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("party"),
    )
    op.create_index(op.f("ix_statements_grade"), "statements", ["grade"], unique=False)
    op.create_table(
        "tried",
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("thing", "scope"),
    )
    op.create_index("tried_by_scope", "tried", ["scope"], unique=False)
    op.create_table(
        "upheld",
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("party", "finding"),
        sqlite_with_rowid=False,
    )
    op.create_index("upheld_by_finding", "upheld", ["finding"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "parts",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "progress",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.Text(), nullable=False),
        sa.Column("time_max", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("topic", "partition"),
    )
    op.create_table(
        "queue",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("queue_by_priority", "queue", ["priority", "id"], unique=False)
    op.create_table(
        "refs",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "ref", "event"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "remembered",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("remembered_by_partition", "remembered", ["topic", "partition", "id"], unique=False)
    op.create_index("remembered_by_taken", "remembered", ["taken"], unique=False)
    op.create_table(
        "scopes",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "rule", "thing"),
        sqlite_with_rowid=False,
    )
    op.create_index("scopes_by_thing", "scopes", ["thing"], unique=False)
    op.create_table(
        "seen",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_seen_taken"), "seen", ["taken"], unique=False)
    op.create_table(
        "used_days",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("reporter", sa.Integer(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("contract", "day", "reporter"),
    )
    op.create_index(op.f("ix_used_days_taken"), "used_days", ["taken"], unique=False)
    op.create_table(
        "waiting",
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "position"),
    )
    op.create_table(
        "docket",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("docket", sa.Text(), nullable=False),
        sa.Column("step", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("docket_by_docket", "docket", ["docket", "id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("docket", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("about_kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("standing", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index(op.f("ix_cases_docket"), "cases", ["docket"], unique=False)
    op.create_index(op.f("ix_cases_party"), "cases", ["party"], unique=False)
    op.create_index("cases_by_state", "cases", ["state", "severity", "detector"], unique=False)
    op.create_index("cases_by_about", "cases", ["about_kind", "about"], unique=False)
    op.create_table(
        "case_findings",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("finding"),
    )
    op.create_index(op.f("ix_case_findings_case_id"), "case_findings", ["case_id"], unique=False)
    op.create_table(
        "case_events",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "number"),
    )
    op.create_table(
        "looks",
        sa.Column("look", sa.Text(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.CheckConstraint("length(look) between 1 and 128", name="looks_look"),
        sa.CheckConstraint("length(who) between 1 and 128", name="looks_who"),
        sa.CheckConstraint("length(login) between 1 and 128", name="looks_login"),
        sa.CheckConstraint("length(command) between 1 and 128", name="looks_command"),
        sa.CheckConstraint("length(arguments) between 1 and 32768", name="looks_arguments"),
        sa.PrimaryKeyConstraint("look"),
    )
    # before any instant that an event may bear
    op.execute("insert into horizon (id, instant) values (1, -4611686018427387904)")
    if op.get_bind().dialect.name == "postgresql":
        # what is gone in a moment is not worth compressing
        op.execute("alter table outbox alter column value set storage external")
        op.execute("create sequence event_numbers")


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

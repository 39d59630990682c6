"""The tables of the store, one schema for SQLite and PostgreSQL. Instants are µs since 1970 UTC, ids are texts."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# SQLite numbers rows by itself only where the column is called INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


def _numbered() -> Column[int]:
    return Column("id", Number, primary_key=True, autoincrement=True)


# Where reading goes on. `time_max` is the highest admitted time of the partition, kept while the clock is `events`.
progress = Table(
    "progress",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("topic_id", Text, nullable=False),
    Column("time_max", BigInteger),
)

# One row: the instant up to which deadlines may fire, since everything that was written by then has been read.
horizon = Table(
    "horizon", metadata, Column("id", Integer, primary_key=True), Column("instant", BigInteger, nullable=False)
)

# What a desk remembers of its key: sequences, memories of tallies, what was retracted.
desks = Table(
    "desks",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

# The windows of a contract, each a part of a tally's memory.
parts = Table(
    "parts",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

# Events without `sequence` that were taken in, by digest.
seen = Table(
    "seen", metadata, Column("digest", Text, primary_key=True), Column("taken", BigInteger, nullable=False, index=True)
)

# All admitted events but uses: acts, and the statements that facts are folded from.
events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("topic", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("thing", Text, nullable=False, index=True),
    Column("time", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("reporter", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("retracted", BigInteger),
    Index("events_by_subject", "topic", "subject", "type"),
    Index("events_by_type", "type", "time"),
)

# What an event names besides its subject: (`asset` | `party` | `contract`, its id).
refs = Table(
    "refs",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("event", BigInteger, primary_key=True),
)

# Edges of lineage, from `circulation.asset.derived` and from OpenLineage runs. `origin` is what stated them, `share`
# the part of the output that came from the input, where it was stated.
derivations = Table(
    "derivations",
    metadata,
    Column("output", Text, primary_key=True),
    Column("input", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("share", Double),
    Index("derivations_by_input", "input", "output"),
    Index("derivations_by_origin", "origin"),
)

# The earliest time of a use of each contract: what rules can still ask of uses that are not kept.
first_uses = Table(
    "first_uses", metadata, Column("contract", Text, primary_key=True), Column("time", BigInteger, nullable=False)
)

# Uses that came before the first terms of their contract.
waiting = Table(
    "waiting",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("event", LargeBinary, nullable=False),
)

# Uses that may still be cancelled: one packed row a fetch and partition.
remembered = Table(
    "remembered",
    metadata,
    _numbered(),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("digests", LargeBinary, nullable=False),
    Column("details", LargeBinary, nullable=False),
    Index("remembered_by_partition", "topic", "partition", "id"),
    Index("remembered_by_taken", "taken"),
)

# What is to be judged, for the first time or again. Each request is a row of its own; it waits `since` (wall clock).
queue = Table(
    "queue",
    metadata,
    _numbered(),
    Column("priority", Integer, nullable=False),
    Column("thing", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Index("queue_by_priority", "priority", "id"),
)

# Which acts belong to a scope of a sum.
scopes = Table(
    "scopes",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("thing", Text, primary_key=True),
    Index("scopes_by_thing", "thing"),
)

# When to look at a thing again though nothing has come.
deadlines = Table(
    "deadlines",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("due", BigInteger, primary_key=True),
    Index("deadlines_by_due", "due"),
)

findings = Table(
    "findings",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("thing", Text, nullable=False),
    Column("detector", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("about_kind", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("party", Text),
    Column("occurred", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("cleared", BigInteger),
    Column("reason", Text),
    Column("data", LargeBinary, nullable=False),
    Index("findings_by_thing", "thing"),
    Index("findings_standing", "standing", "detector", "severity"),
    Index("findings_by_about", "about_kind", "about"),
    Index("findings_by_party", "party"),
)

# The newest statement of credit of each party (JSON), as it was sent.
statements = Table(
    "statements",
    metadata,
    Column("party", Text, primary_key=True),
    Column("as_of", BigInteger, nullable=False),
    Column("score", Integer, nullable=False),
    Column("grade", Text, nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
)

# Findings to which an objection of the party that is responsible was upheld: they do not stand.
upheld = Table(
    "upheld",
    metadata,
    Column("party", Text, primary_key=True),
    Column("finding", Text, primary_key=True),
    Index("upheld_by_finding", "finding"),
)

# Numbers of a feed that are missing, by the event that revealed them.
gaps = Table(
    "gaps",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("time", BigInteger, nullable=False, index=True),
    Column("gap", LargeBinary, nullable=False),
)

# What is still to be sent.
outbox = Table(
    "outbox",
    metadata,
    _numbered(),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)

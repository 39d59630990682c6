"""The tables of the store, one schema for SQLite and PostgreSQL. Instants are µs since 1970 UTC, ids are texts."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

# Names of people and of commands, and all that one look asked for, as it is kept.
NAME_CHARACTERS_MAX = 128
LOOK_CHARACTERS_MAX = 32_768
# Who is a member of this role of PostgreSQL may write down what it looked at.
ONLOOKER = "circulation_onlooker"

# SQLite numbers rows by itself only where the column is called INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


# On SQLite such a table is its primary key, with no number of its own for each row: half the work for what has little
# beside its key.
KEY_ONLY: dict[str, Any] = {"sqlite_with_rowid": False}


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
    Column("topic", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    # what tells most comes first: a planner without statistics would go through all of a topic
    PrimaryKeyConstraint("subject", "topic"),
    **KEY_ONLY,
)

# The windows of a contract, each a part of a tally's memory.
parts = Table(
    "parts",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    **KEY_ONLY,
)

# Events without `sequence` that were taken in, by digest.
seen = Table(
    "seen",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("taken", BigInteger, nullable=False, index=True),
    **KEY_ONLY,
)

# All admitted events but uses: acts, and the statements that facts are folded from. `taken` is the wall clock when it
# was taken in, `retracted` the number of the event that took it back (0 where that came first).
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
    Column("taken", BigInteger, nullable=False),
    Index("events_by_subject", "subject", "topic", "type"),
    Index("events_by_type", "type", "time"),
)

# What an event names besides its subject: (`asset` | `party` | `contract` | `controller` |
# `product` | `payer` | `payee`, its id); of a derivation or a run also the assets that it reads (`input`), and that a
# run writes (`output`).
refs = Table(
    "refs",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("event", BigInteger, primary_key=True),
    **KEY_ONLY,
)

# Edges of lineage, from `circulation.asset.derived` and from OpenLineage runs. `origin` is what stated them, `share`
# the part of the output that came from the input, where it was stated; `same`, that they are two names of one thing.
derivations = Table(
    "derivations",
    metadata,
    Column("output", Text, primary_key=True),
    Column("input", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("share", Double),
    Column("same", Boolean, nullable=False),
    Index("derivations_by_input", "input", "output"),
    Index("derivations_by_origin", "origin"),
    **KEY_ONLY,
)

# The earliest time of a use of each contract: what rules can still ask of uses that are not kept.
first_uses = Table(
    "first_uses",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    **KEY_ONLY,
)

# What each reporter says of the uses of each day of a contract, but for the newest days, which its desk remembers.
# `taken` is when a row was written (wall clock), and absent where it is kept as long as the contract.
used_days = Table(
    "used_days",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("reporter", Integer, primary_key=True),
    Column("uses", BigInteger, nullable=False),
    Column("bytes", BigInteger),
    Column("rows", BigInteger),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("taken", BigInteger, index=True),
)

# The sellers whose contracts' uses count towards a sandbox. The row without a name is a gate: who takes in events holds
# it open, and who adds a seller waits until nobody does, so that each use is seen by one of the two.
counted = Table("counted", metadata, Column("party", Text, primary_key=True))

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
    Column("rule", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("thing", Text, nullable=False),
    # what tells most comes first: a planner without statistics would go through all of a rule
    PrimaryKeyConstraint("scope", "rule", "thing"),
    Index("scopes_by_thing", "thing"),
    **KEY_ONLY,
)

# When to look at a thing again though nothing has come.
deadlines = Table(
    "deadlines",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("due", BigInteger, primary_key=True),
    Index("deadlines_by_due", "due"),
    **KEY_ONLY,
)

findings = Table(
    "findings",
    metadata,
    Column("finding", Text, primary_key=True),
    # under which it is sent, from its first revision on
    Column("key", Text, nullable=False),
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
    Index("findings_standing", "standing", "detector", "severity", "mode"),
    Index("findings_by_about", "about_kind", "about"),
    Index("findings_by_party", "party"),
)

# What was judged of acts that sandboxes cover: the thing, the sandbox, and where its caps were passed by then.
tried = Table(
    "tried",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("place", Text, nullable=False),
    Index("tried_by_scope", "scope"),
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
    **KEY_ONLY,
)

# Numbers of a feed that are missing, by the event that revealed them.
gaps = Table(
    "gaps",
    metadata,
    Column("thing", Text, primary_key=True),
    Column("time", BigInteger, nullable=False, index=True),
    Column("gap", LargeBinary, nullable=False),
)

# Steps of cases that were not entered yet, in their order: findings that were raised and cleared, and orders. An order
# for a case that is not there stays until it is.
docket = Table(
    "docket",
    metadata,
    _numbered(),
    Column("docket", Text, nullable=False),
    Column("step", LargeBinary, nullable=False),
    Index("docket_by_docket", "docket", "id"),
)

# Cases as they are; `data` is what the newest event of the case said (JSON).
cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("docket", Text, nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("detector", Text, nullable=False),
    Column("about_kind", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("party", Text, index=True),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("due", BigInteger),
    Column("overdue", Boolean, nullable=False),
    Column("findings", Integer, nullable=False),
    Column("standing", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Index("cases_by_state", "state", "severity", "detector"),
    Index("cases_by_about", "about_kind", "about"),
)

# Of which case a finding is: the newest that it was added to.
case_findings = Table(
    "case_findings",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("case_id", Text, nullable=False, index=True),
    Column("severity", Text, nullable=False),
    Column("standing", Boolean, nullable=False),
)

# The life of each case, as it was sent (JSON).
case_events = Table(
    "case_events",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("what", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
)

# What is still to be sent, and since when (wall clock).
outbox = Table(
    "outbox",
    metadata,
    _numbered(),
    Column("since", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)


# What people looked at and no worker has sent to the journal yet. A row is written by the command that looked, maybe
# under a role that may do nothing else: what it holds is bounded here, so that it can always be sent.
looks = Table(
    "looks",
    metadata,
    Column("look", Text, primary_key=True),
    Column("made", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    *(
        CheckConstraint(f"length({name}) between 1 and {most}", name=f"looks_{name}")
        for name, most in (
            ("look", NAME_CHARACTERS_MAX),
            ("who", NAME_CHARACTERS_MAX),
            ("login", NAME_CHARACTERS_MAX),
            ("command", NAME_CHARACTERS_MAX),
            ("arguments", LOOK_CHARACTERS_MAX),
        )
    ),
)


def allow_looks() -> str:
    """The statement that lets the members of `ONLOOKER` write down what they looked at, on PostgreSQL.

    Whoever runs the database makes that role, or does not; a worker that does not own the tables leaves it to them.
    """
    return (
        f"do $$ begin if exists (select from pg_roles where rolname = '{ONLOOKER}') then"
        f" if not has_table_privilege('{ONLOOKER}', 'looks', 'insert') then"
        f" grant insert on looks to {ONLOOKER}; end if; end if; exception when insufficient_privilege then null; end $$"
    )


# In the order in which they can be dropped.
VIEWS = ("open_findings", "standing_findings", "lineage_nodes", "lineage_edges", "lineage_paths")


def views(*, postgres: bool) -> list[str]:
    """The statements that make the views, for dashboards and for people; they are made anew with every migration.

    `standing_findings` are the findings that stand; `open_findings` those of them whose case is not closed, and those
    of which there is no case (blue ones, and those in shadow). Columns of both, which stay as they are:

    - `finding`, `revision`, `detector`, `severity`, `mode`, `about_kind`, `about`, `party` (may be null);
    - `occurred`, `raised`: `timestamptz` on PostgreSQL, RFC 3339 at UTC as text on SQLite;
    - `summary`; `data`: what was sent, JSON as text;
    - `case_id`, `case_state`: null where there is no case.

    Lineage as the node-graph panel of Grafana reads it; the dashboard *Look through* draws it around an asset. Ask for
    the ids that a dashboard is about: the whole of it is more than a panel draws. All columns but `place` are text.

    - `lineage_nodes`: an asset that was registered, or of which a derivation was stated: `id`, `title`, `subtitle` (its
      owner), `mainstat` (its level as it was registered last, or `not registered`), `secondarystat` (its class of
      personal data), `color` (red with a standing red finding, orange where it is not registered, else blue), and
      `detail__category`, `detail__certificate`;
    - `lineage_edges`: a derivation: `id`, `source` (the input), `target` (the output), `mainstat` (the share that was
      stated last, in %, or `not stated`), `secondarystat` (`irreversible`, `another name`, or empty),
      `detail__since` (the earliest statement of it; instants as above, as text);
    - `lineage_paths`: the way from what an entry of the negative list matches to what was listed, traded, delivered or
      exported, of each such finding that stands, a row for each asset on it: `id` (finding and place), `finding`,
      `place` (a number from 0, which is the origin), `asset`.
    """
    if postgres:
        # A NUL is good JSON, and no text of PostgreSQL: one finding that holds it must not break every query.
        text = "replace(convert_from(f.data, 'UTF8'), '\\u0000', '\\ufffd')"
        summary = f"{text}::json ->> 'summary'"
        instant = "to_timestamp(f.{0} / 1000000.0)"
    else:
        text = "cast(f.data as text)"
        summary = f"json_extract({text}, '$.summary')"
        instant = "strftime('%Y-%m-%dT%H:%M:%fZ', f.{0} / 1000000.0, 'unixepoch')"
    standing = (
        "create view standing_findings as select f.finding, f.revision, f.detector, f.severity, f.mode,"  # noqa: S608
        f" f.about_kind, f.about, f.party, {instant.format('occurred')} as occurred,"
        f" {instant.format('raised')} as raised, {summary} as summary, {text} as data,"
        " c.case_id, c.state as case_state from findings f"
        " left join case_findings m on m.finding = f.finding left join cases c on c.case_id = m.case_id"
        " where f.standing"
    )
    return [
        standing,
        "create view open_findings as select * from standing_findings"
        " where case_state is null or case_state <> 'closed'",
        *_lineage_views(postgres=postgres),
    ]


def _lineage_views(*, postgres: bool) -> list[str]:
    """What the node-graph panel reads. The events are kept as JSON in bytes."""
    registered = "circulation.asset.registered"
    if postgres:
        text = "replace(convert_from({0}, 'UTF8'), '\\u0000', '\\ufffd')"
        member = "({0})::json ->> '{1}'"
        instant = "to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        percent = "trim(trailing '.' from trim(trailing '0' from to_char({0} * 100, 'FM990.0000'))) || ' ' || chr(37)"
        steps = "json_array_elements_text(({0})::json #> '{{evidence,path}}') with ordinality as step(asset, place)"
        asset, place = "step.asset", "(step.place - 1)"
    else:
        text = "cast({0} as text)"
        member = "json_extract({0}, '$.{1}')"
        instant = "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')"
        percent = "rtrim(rtrim(printf('%.4f', {0} * 100), '0'), '.') || ' %'"
        steps = "json_each({0}, '$.evidence.path') step"
        asset, place = "step.value", "step.key"
    data, share = text.format("r.data"), percent.format("s.share")

    def of(name: str) -> str:
        return member.format(data, name)

    nodes = (
        "create view lineage_nodes as select n.id as id,"  # noqa: S608
        f" coalesce({of('title')}, n.id) as title, {of('owner')} as subtitle,"
        f" coalesce({of('level')}, 'not registered') as mainstat, {of('personal')} as secondarystat,"
        " case when exists (select 1 from findings f where f.about_kind = 'asset' and f.about = n.id and f.standing"
        " and f.severity = 'red') then 'red' when r.id is null then 'orange' else 'blue' end as color,"
        f" {of('category')} as detail__category, {of('certificate')} as detail__certificate"
        f" from (select subject as id from events where type = '{registered}' and retracted is null"
        " union select output from derivations union select input from derivations) n"
        " left join events r on r.id = (select e.id from events e where e.topic = 'circulation.assets'"
        f" and e.subject = n.id and e.type = '{registered}' and e.retracted is null"
        " order by e.time desc, e.source desc, e.event desc limit 1)"
    )
    edges = (
        "create view lineage_edges as select d.output || ' < ' || d.input as id, d.input as source,"  # noqa: S608
        f" d.output as target, coalesce((select {share} from derivations s where s.output = d.output"
        " and s.input = d.input and s.share is not null order by s.time desc, s.share desc limit 1), 'not stated')"
        " as mainstat, case when max(case when d.same then 1 else 0 end) = 1 then 'another name'"
        " when min(case when d.stops then 1 else 0 end) = 1 then 'irreversible' else '' end as secondarystat,"
        f" {instant.format('min(d.time)')} as detail__since from derivations d group by d.output, d.input"
    )
    paths = (
        f"create view lineage_paths as select f.finding || '/' || {place} as id, f.finding as finding,"  # noqa: S608
        f" {place} as place, {asset} as asset from findings f"
        f" {'cross join lateral' if postgres else 'join'} {steps.format(text.format('f.data'))}"
        " where f.standing and f.detector = 'negative-list'"
    )
    return [nodes, edges, paths]

"""The tables of the store, one schema for SQLite and PostgreSQL. Instants are µs since 1970 UTC, ids are texts."""

from typing import Any, Final

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
    text,
)

from circulation.events.names import ASSET_REGISTERED, ASSETS, CREDIT_DETERMINED, EVENT_RETRACTED
from circulation.facts.statements import STATEMENTS
from circulation.lineage import RUN_MARK
from circulation.quality import Part
from streams.settings import NAME_CHARACTERS_MAX
from streams.store.keys import FUNCTION, keyed

metadata = MetaData()

# All that one look asked for, as it is kept.
LOOK_CHARACTERS_MAX = 32_768
# A member of this role of PostgreSQL may write down what it looked at.
ONLOOKER = "circulation_onlooker"


class LongText(Text):
    """A text that may be too long for an index of PostgreSQL: there it is indexed by its key (`streams.store.keys`)."""


# A long text by which rows are put in order, that of its bytes in either store.
Rank = LongText().with_variant(LongText(collation="C"), "postgresql")

# SQLite numbers rows by itself only where the column is called INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


# On SQLite such a table is its primary key, with no number of its own for each row: half the work for what has little
# beside its key.
KEY_ONLY: dict[str, Any] = {"sqlite_with_rowid": False}


def _where(condition: str) -> dict[str, Any]:
    """An index of some rows only. SQLite takes it where a query has the same condition, word by word."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# A column that rows are written without.
LEFT_OUT: dict[str, Any] = {"left_out": True}


# How a column is merged where rows are added to those that are there (`Db.many`): the sum of both, or the higher one.
ADDED: Final[dict[str, Any]] = {"add": "sum"}
HIGHEST: Final[dict[str, Any]] = {"add": "highest"}


def _numbered() -> Column[int]:
    return Column("id", Number, primary_key=True, autoincrement=True)


# Where reading goes on. `time_max` is the highest admitted time of the partition, kept while the clock is `events`;
# `partitions` how many its topic has, which is where keys are at home; `sent_on` how many records went there from here;
# `last` the offset of the last record that was read, and `written` when it was written, ms: a Kafka that has another
# one there was put back to an earlier state and written anew.
progress = Table(
    "progress",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("topic_id", Text, nullable=False),
    Column("time_max", BigInteger),
    Column("partitions", Integer),
    Column("sent_on", BigInteger, nullable=False, server_default="0"),
    Column("last", BigInteger),
    Column("written", BigInteger),
)

# How many partitions a topic had, of each from which offset on, and when that was noted: a row each.
placements = Table(
    "placements",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("partitions", Integer, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("begin", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# One row: the id of this store, by which its workers form a group of Kafka of their own. `wanted` is a newer schema
# that a worker is about to bring: those that do not know it end first.
store_identity = Table(
    "store_identity",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("store", Text, nullable=False),
    Column("wanted", Text),
)

# The workers of this store, from the start of each to its end (`streams.health.workers`). `beat` is the database's
# clock when it last said that it lives; `pack` the name of the packs that it runs, `shipped` the digest of the one that
# it starts from, `admitted` the highest number in `events` of the packs in its rulebook (0 without any), `said` how it
# was at its last beat: a JSON object with `reasons` and `warnings`, as `/ready` has them.
workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("started", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("pack", Text, nullable=False),
    Column("shipped", Text, nullable=False),
    Column("admitted", BigInteger, nullable=False),
    Column("said", Text, nullable=False, server_default="{}"),
)

# One row: the clock that this store runs on, `wall` or `events`; `instant` is how far that of the events came in a
# replay that filled it (live it is the highest `time_max` in `progress`).
store_clock = Table(
    "store_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("clock", Text, nullable=False),
    Column("instant", BigInteger),
)

# One row: the instant up to which deadlines may fire, since everything that was written by then has been read.
horizon = Table(
    "horizon", metadata, Column("id", Integer, primary_key=True), Column("instant", BigInteger, nullable=False)
)

# The memory of a desk: sequences, memories of tallies, events that were retracted.
desks = Table(
    "desks",
    metadata,
    Column("topic", Text, nullable=False),
    Column("subject", LongText, nullable=False),
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

# The events of an entity that its facts hang on; on PostgreSQL a query with these words finds those that are new.
_FOLDED: Final = (EVENT_RETRACTED, *(type_ for types in STATEMENTS.values() for type_ in types))
OF_FACTS: Final = f"type in ({', '.join(map(repr, _FOLDED))})"
# Types of events that make a party one of those of which there are records.
OF_RECORDS: Final = f"type = '{CREDIT_DETERMINED}'"
# An index that SQLite is without: there one process writes, and need not ask what is new.
POSTGRESQL_ONLY: Final[dict[str, Any]] = {"info": {"only": "postgresql"}}

# All admitted events but uses: acts, and the statements that facts are folded from. `taken` is the wall clock when it
# was taken in, `retracted` the number of the event that took it back (0 where that came first).
events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("topic", Text, nullable=False),
    Column("subject", LongText, nullable=False),
    Column("type", Text, nullable=False),
    Column("thing", LongText, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("reporter", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("retracted", BigInteger),
    Column("taken", BigInteger, nullable=False),
    Index("events_by_thing", "thing", "time"),
    Index("events_by_subject", "subject", "topic", "type", "time"),
    Index("events_by_type", "type", "time"),
    # what is taken back names an event of a subject that may have any number of them
    Index("events_by_event", "event", "subject"),
    Index("events_of_records", "subject", **_where(OF_RECORDS), **POSTGRESQL_ONLY),
    Index("events_of_facts", "subject", "topic", "id", **_where(OF_FACTS), **POSTGRESQL_ONLY),
)

# Names of an event besides its subject: (`asset` | `party` | `contract` | `controller` | `product` | `payer` | `payee`,
# its id); of a derivation or a run also the assets that it reads (`input`), and that a run writes (`output`); of a
# retraction what it takes back (`retracted`; topic, subject, type, source, id). `time` is that of a settlement, of
# which those of one party within a span are asked for; of all else it is absent.
refs = Table(
    "refs",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("ref", LongText, primary_key=True),
    Column("event", BigInteger, primary_key=True),
    Column("time", BigInteger),
    Index("refs_by_time", "ref", "kind", "time", **_where("time is not null")),
    **KEY_ONLY,
)

# The inputs of OpenLineage runs without outputs, for the runs above them: `run` is the id of such a run, `child` its
# node.
given = Table(
    "given",
    metadata,
    Column("parent", Text, primary_key=True),
    Column("child", Text, primary_key=True),
    Column("input", LongText, primary_key=True),
    Column("run", Text, nullable=False, index=True),
    Column("time", BigInteger, nullable=False),
    Index("given_by_input", "input"),
)

# When outputs were unfinished that a run named: see `circulation.openlineage.runs.Unfinished`. `run` is its id.
unfinished = Table(
    "unfinished",
    metadata,
    Column("output", LongText, primary_key=True),
    Column("run", Text, primary_key=True, index=True),
    Column("begin", BigInteger, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("state", Text, primary_key=True),
    Column("job", Text, nullable=False),
)

# The fold of the events of an OpenLineage run, job or dataset up to an instant, so that one more adds to it: `state` is
# a `circulation.openlineage.folding.Folded`.
folded_runs = Table(
    "folded_runs",
    metadata,
    Column("run", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)


def is_run(column: str) -> str:
    """The condition that a column names the node of a run."""
    return f"substr({column}, 1, 1) = '{RUN_MARK}'"


# Edges of lineage, from `circulation.asset.derived` and from OpenLineage. `origin` is what stated them, `share`
# the part of the output that came from the input, where it was stated; `same`, that they are two names of one thing.
# A run of many inputs and outputs is a node between them (`circulation.lineage.run_node`): `STEPS` shows none.
derivations = Table(
    "derivations",
    metadata,
    Column("output", LongText, primary_key=True),
    Column("input", LongText, primary_key=True),
    Column("origin", LongText, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("share", Double),
    Column("same", Boolean, nullable=False),
    Index("derivations_by_input", "input", "output"),
    # of many derivations of one output those from an instant on
    Index("derivations_by_time", "output", "time"),
    # of many derivations of one output the few that lead through a run
    Index("derivations_through_runs", "output", **_where(is_run("input"))),
    Index("derivations_by_origin", "origin"),
    **KEY_ONLY,
)


# All derivations from asset to asset, for the `from` of a query: those through a run's node as the steps that they are.
STEPS = (
    "(select output, input, origin, time, stops, share, same from derivations"  # noqa: S608
    f" where not {is_run('output')} and not {is_run('input')}"
    " union all select o.output, i.input, o.origin, case when o.time < i.time then i.time else o.time end as time,"
    " o.stops, o.share, o.same"
    " from derivations o join derivations i on i.output = o.input"
    f" where {is_run('o.input')} and not {is_run('o.output')} and i.input <> o.output)"
)

# The earliest time of a use of each contract: what rules can still ask of uses that are not kept.
first_uses = Table(
    "first_uses",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    **KEY_ONLY,
)

# When each contract was served first by uses of days that were forgotten.
served = Table(
    "served",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    **KEY_ONLY,
)

# The uses of each day of a contract by reporter, but for the newest days, which its desk remembers. `taken` is when a
# row was written (wall clock), and absent where it is kept as long as the contract. `edges` is what of it was said near
# the midnights of the day, where anything was, and when more than 0 was used, where that is not from the `first` report
# to the `last`.
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
    Column("edges", LargeBinary),
)

# The settled state of each day of a contract of which several reporters may say something: the next one goes on from
# it, and months are added up of them. `forgotten` tells that what was used on the day is there no longer: it stays as
# it is.
settled_days = Table(
    "settled_days",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("forgotten", Boolean, nullable=False),
)

# The uses of each day of a contract by reporter, in each country that a pack calls abroad.
used_abroad = Table(
    "used_abroad",
    metadata,
    Column("contract", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("reporter", Integer, primary_key=True),
    Column("uses", BigInteger, nullable=False),
    **KEY_ONLY,
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
    Column("volumes", LargeBinary),
    Index("remembered_by_partition", "topic", "partition", "id"),
    Index("remembered_by_taken", "taken"),
)

# The things that are to be judged, for the first time or again. Each request is a row of its own; it waits `since`
# (wall clock).
queue = Table(
    "queue",
    metadata,
    _numbered(),
    Column("priority", Integer, nullable=False),
    Column("thing", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    # From which instant of events on it is to be judged again; absent: from the first one on.
    Column("begins", BigInteger, info=LEFT_OUT),
    Index("queue_by_priority", "priority", "id"),
)
# The same for requests that say where they begin.
queue_begun = Table(
    "queue",
    MetaData(),
    _numbered(),
    Column("priority", Integer, nullable=False),
    Column("thing", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("begins", BigInteger),
)

# Things that are set aside, or that are tried by themselves since a process died over them (`streams.judging.aside`).
# They are called by a digest, as their text may be too long for an index. `since` is a wall clock.
set_aside = Table(
    "set_aside",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("thing", Text, nullable=False),
    Column("aside", Boolean, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("budget", Text),
    Column("error", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("finding", Text),
)

# The acts that belong to a scope of a sum. `time` is that of the latest report of them, absent where no act tells of
# it; no report before `since` belongs to the scope, as far as that is known.
scopes = Table(
    "scopes",
    metadata,
    Column("rule", Text, nullable=False),
    Column("scope", LongText, nullable=False),
    Column("thing", LongText, nullable=False),
    Column("time", BigInteger),
    Column("since", BigInteger),
    # what tells most comes first: a planner without statistics would go through all of a rule
    PrimaryKeyConstraint("scope", "rule", "thing"),
    # of what belongs to many the scopes of acts from an instant on
    Index("scopes_by_thing", "thing", "time"),
    # of many acts those from an instant on
    Index("scopes_by_time", "scope", "rule", "time"),
    **KEY_ONLY,
)

# How often a sum over many acts was judged, and from which instants on the last times (JSON): for judges in several
# processes, each of which keeps what it goes on from.
sums = Table(
    "sums",
    metadata,
    Column("rule", Text, nullable=False),
    Column("scope", LongText, nullable=False),
    Column("judged", BigInteger, nullable=False),
    Column("since", LargeBinary, nullable=False),
    PrimaryKeyConstraint("scope", "rule"),
    **KEY_ONLY,
)

# When to look at a thing again though nothing has come.
deadlines = Table(
    "deadlines",
    metadata,
    Column("thing", LongText, primary_key=True),
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
    Column("thing", LongText, nullable=False),
    Column("detector", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("about_kind", Text, nullable=False),
    Column("about", LongText, nullable=False),
    Column("party", Text),
    Column("occurred", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("cleared", BigInteger),
    Column("reason", Text),
    Column("data", LargeBinary, nullable=False),
    Index("findings_by_thing", "thing", "occurred"),
    # Of what stands alone, as of all findings it may be the least: a query says `standing`, as the index does.
    Index("findings_standing", "detector", "severity", "mode", **_where("standing")),
    # what tells most comes first
    Index("findings_by_about", "about", "about_kind"),
    Index("findings_by_party", "party"),
    Index("findings_by_time", "occurred", "finding", **_where("standing")),
    Index("findings_cleared", "occurred", "finding", **_where("not standing")),
)

# Judgements of acts that sandboxes cover: the thing, the sandbox, and where its caps were passed by then.
tried = Table(
    "tried",
    metadata,
    Column("thing", LongText, primary_key=True),
    Column("scope", LongText, primary_key=True),
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

# The parts of statements, so that one more of many thousands is one step (`streams.judging.credit_lines`). A line is a
# record, a finding or a merit as a statement lists it (`data`, JSON, and its `bytes` with blanks) or does not; `rank`
# is its place in the list, `named` the finding that a record takes the place of. A claim is an objection or a repair:
# what it is `about`, how it stands, and the finding that does not stand since it is upheld (`upholds`). Both hold from
# `since` to before `until`.
credit_lines = Table(
    "credit_lines",
    metadata,
    Column("line", Text, primary_key=True),
    Column("party", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("rank", Rank, nullable=False),
    Column("named", Text),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("data", LargeBinary),
    Index("credit_lines_heaviest", "party", "kind", "points", "rank", **_where("listed")),
    Index("credit_lines_until", "party", "until"),
    Index("credit_lines_since", "party", "since"),
    Index("credit_lines_named", "named", **_where("named is not null")),
)
credit_claims = Table(
    "credit_claims",
    metadata,
    Column("claim", Text, primary_key=True),
    Column("party", Text, nullable=False),
    Column("about", LongText),
    Column("state", Text),
    Column("rank", Rank),
    Column("filed", Rank),
    Column("upholds", Text),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("credit_claims_about", "about", "state"),
    Index("credit_claims_filed", "about", "filed"),
    Index("credit_claims_until", "party", "until"),
    Index("credit_claims_since", "party", "since"),
    Index("credit_claims_upholds", "upholds", **_where("upholds is not null")),
)

# Of each party whose lines are kept: the latest instant by which any was folded, a digest of the parameters of the pack
# by which all were, and how many lines each list has with the points of all of them (JSON). Each change of a list makes
# another `version`.
credit_sums = Table(
    "credit_sums",
    metadata,
    Column("party", Text, primary_key=True),
    Column("as_of", BigInteger, nullable=False),
    Column("settings", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Column("version", BigInteger, nullable=False),
)

# The parts of a party's credit that are to be folded again: kind and id. Each note is a row of its own, so that who
# takes some away takes none that came meanwhile.
credit_touched = Table(
    "credit_touched",
    metadata,
    _numbered(),
    Column("party", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Index("credit_touched_by_party", "party"),
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

# Numbers of a feed that are missing, from `begin` to `last`, by the event that revealed them; 0 of the end of an epoch.
gaps = Table(
    "gaps",
    metadata,
    Column("thing", LongText, primary_key=True),
    Column("time", BigInteger, nullable=False, index=True),
    Column("gap", LargeBinary, nullable=False),
    Column("feed", LongText, nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Index("gaps_by_feed", "feed", "begin"),
)

# Numbers of events that came and were rejected: their gap tells of them. `refused` is all of a row.
refused_numbers = Table(
    "refused_numbers",
    metadata,
    Column("refused", LongText, primary_key=True),
    Column("feed", LongText, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("taken", BigInteger, nullable=False, index=True),
    Index("refused_numbers_by_feed", "feed", "number"),
)

# Of feeds that lack much the older gaps, which their desks do not remember: `begin` is the first number that the gap
# had. The numbers of it that are still missing are in `gap`; its statement when it was revealed, in `gaps`.
older_gaps = Table(
    "older_gaps",
    metadata,
    Column("feed", LongText, nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("gap", LargeBinary, nullable=False),
    PrimaryKeyConstraint("feed", "begin"),
    **KEY_ONLY,
)

# How good what each source says of a month is (+08:00, as 202610), counted as it comes: `circulation.quality`. Without
# a name are those for which there was no row any more (`streams.intake.quality`). `last` is the latest `time` of all
# that was taken in. New counts are added to the row that is there.
quality = Table(
    "quality",
    metadata,
    Column("reported_by", LongText, nullable=False),
    Column("month", Integer, nullable=False),
    *(
        Column(name, BigInteger, nullable=False, info=ADDED)
        for name in (
            "admitted",
            "rejected",
            "timed",
            "on_time",
            "linkable",
            "linked",
            "numbered",
            "missing",
            "compared",
            "agreed",
        )
    ),
    Column("last", BigInteger, nullable=False, info=HIGHEST),
    PrimaryKeyConstraint("reported_by", "month"),
    Index("quality_by_month", "month"),
    **KEY_ONLY,
)

# The sources that reported uses of a day of a contract as its provider or consumer; an exchange's are its home.
reported_days = Table(
    "reported_days",
    metadata,
    Column("contract", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("reported_by", LongText, nullable=False),
    PrimaryKeyConstraint("contract", "day", "reported_by"),
    **KEY_ONLY,
)

# Days of contracts that were compared: in which rows of `quality` each counts, and whether the reporters differ
# (`streams.judging.agreements.Noted`).
compared = Table(
    "compared",
    metadata,
    Column("contract", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("noted", LargeBinary, nullable=False),
    PrimaryKeyConstraint("contract", "day"),
    **KEY_ONLY,
)

# Steps of cases that were not entered yet, in their order: findings that were raised and cleared, and orders. An order
# for a case that is not there `waits` for it, and stays until it is.
docket = Table(
    "docket",
    metadata,
    _numbered(),
    Column("docket", Text, nullable=False),
    Column("step", LargeBinary, nullable=False),
    Column("waits", Text),
    Index("docket_by_docket", "docket", "waits", "id"),
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
    Column("about", LongText, nullable=False),
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
    Index("cases_by_about", "about", "about_kind"),
    Index("cases_by_time", "opened", "case_id"),
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

# Messages that are still to be sent, and since when (wall clock).
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


# Messages that Kafka refused for good, as they lay in the outbox: `aside` is when it was set aside (wall clock),
# `reason` what Kafka said. Its numbers are never given twice, for people name them.
unsent = Table(
    "unsent",
    metadata,
    _numbered(),
    Column("since", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("aside", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)


# Lookups of people that no worker has sent to the journal yet. A row is written by the command that looked, maybe under
# a role that may do nothing else: what it holds is bounded here, so that it can always be sent.
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

    The owner of the database makes that role, or does not; a worker that does not own the tables leaves it to them.
    """
    return (
        f"do $$ begin if exists (select from pg_roles where rolname = '{ONLOOKER}') then"
        f" if not has_table_privilege('{ONLOOKER}', 'looks', 'insert') then"
        f" grant insert on looks to {ONLOOKER}; end if; end if; exception when insufficient_privilege then null; end $$"
    )


# In the order in which they can be dropped.
VIEWS = ("open_findings", "standing_findings", "lineage_nodes", "lineage_edges", "lineage_paths", "source_quality")


def views(*, postgres: bool) -> list[str]:
    """The statements that make the views, for dashboards and for people; they are made anew with every migration.

    `standing_findings` are the findings that stand; `open_findings` those of them whose case is not closed, and those
    of which there is no case (blue ones, and those in shadow). Columns of both, which stay as they are:

    - `finding`, `revision`, `detector`, `severity`, `mode`, `about_kind`, `about`, `party` (may be null);
    - `occurred`, `raised`: `timestamptz` on PostgreSQL, RFC 3339 at UTC as text on SQLite;
    - `summary` and `summary_zh`, in English and Chinese; `data`: what was sent, JSON as text;
    - `case_id`, `case_state`: null where there is no case.

    Lineage as the node-graph panel of Grafana reads it; the dashboard *Look through* draws it around an asset. Ask for
    the ids that a dashboard is about: the whole of it is more than a panel draws. All columns but `place` are text. On
    PostgreSQL ids are found by their keys: `where circulation_key(id) = circulation_key('…')`, so too with `about`.

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

    `source_quality`: how good what a source says of a month is, a row for each; what the parts count is in
    [quality.md](quality.md). Columns:

    - `source` (null for all those together that have no row of their own), `month` (of UTC+08:00, as `2026-10`);
    - `on_time`, `admitted`, `linked`, `complete`, `agreeing`: how many are good in this part; of how many is in
      `on_time_of`, `admitted_of`, `linked_of`, `complete_of`, `agreeing_of`;
    - `score`: the mean of the parts of which there is any, in percent; null where there is none.
    """
    if postgres:
        # A NUL is good JSON, and no text of PostgreSQL: one finding that holds it must not break every query.
        text = "replace(convert_from(f.data, 'UTF8'), '\\u0000', '\\ufffd')"
        member = f"{text}::json ->> '{{0}}'"
        instant = "to_timestamp(f.{0} / 1000000.0)"
    else:
        text = "cast(f.data as text)"
        member = f"json_extract({text}, '$.{{0}}')"
        instant = "strftime('%Y-%m-%dT%H:%M:%fZ', f.{0} / 1000000.0, 'unixepoch')"
    standing = (
        "create view standing_findings as select f.finding, f.revision, f.detector, f.severity, f.mode,"  # noqa: S608
        f" f.about_kind, f.about, f.party, {instant.format('occurred')} as occurred,"
        f" {instant.format('raised')} as raised, {member.format('summary')} as summary,"
        f" {member.format('summary_zh')} as summary_zh, {text} as data,"
        " c.case_id, c.state as case_state from findings f"
        " left join case_findings m on m.finding = f.finding left join cases c on c.case_id = m.case_id"
        " where f.standing"
    )
    return [
        standing,
        "create view open_findings as select * from standing_findings"
        " where case_state is null or case_state <> 'closed'",
        *_lineage_views(postgres=postgres),
        _quality_view(),
    ]


# Of each part of the quality of a source what is good, and of how many, as the table has it.
QUALITY_PARTS: Final[dict[Part, tuple[str, str]]] = {
    "on_time": ("on_time", "timed"),
    "admitted": ("admitted", "admitted + rejected"),
    "linked": ("linked", "linkable"),
    # A number that was missing before counting began, and has come, takes `missing` below 0.
    "complete": ("numbered", "numbered + case when missing > 0 then missing else 0 end"),
    "agreeing": ("agreed", "compared"),
}


def _quality_view() -> str:
    parts = [f"{good} as {part}, {total} as {part}_of" for part, (good, total) in QUALITY_PARTS.items()]
    shares = [f"coalesce({part} * 100.0 / nullif({part}_of, 0), 0)" for part in QUALITY_PARTS]
    known = [f"case when {part}_of > 0 then 1 else 0 end" for part in QUALITY_PARTS]
    columns = [f"{part}, {part}_of" for part in QUALITY_PARTS]
    return (
        "create view source_quality as select nullif(q.reported_by, '') as source,"  # noqa: S608
        f" cast(q.month / 100 as text) || '-' || substr(cast(q.month as text), 5) as month, {', '.join(columns)},"
        f" round(cast(({' + '.join(shares)}) as numeric) / nullif({' + '.join(known)}, 0), 1) as score"
        f" from (select reported_by, month, {', '.join(parts)} from quality) q"
        # Of others it is known when they were heard, and nothing else.
        " where admitted_of > 0 or agreeing_of > 0"
    )


def _lineage_views(*, postgres: bool) -> list[str]:
    """The views that the node-graph panel reads. The events are kept as JSON in bytes."""
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
    # An index of PostgreSQL finds a run's node by its key alone.
    derived = keyed(STEPS)[0] if postgres else STEPS

    def of(name: str) -> str:
        return member.format(data, name)

    def same(left: str, right: str) -> str:
        return f"{FUNCTION}({left}) = {FUNCTION}({right})" if postgres else f"{left} = {right}"

    nodes = (
        "create view lineage_nodes as select n.id as id,"  # noqa: S608
        f" coalesce({of('title')}, n.id) as title, {of('owner')} as subtitle,"
        f" coalesce({of('level')}, 'not registered') as mainstat, {of('personal')} as secondarystat,"
        f" case when exists (select 1 from findings f where f.about_kind = 'asset' and {same('f.about', 'n.id')}"
        " and f.standing and f.severity = 'red') then 'red' when r.id is null then 'orange' else 'blue' end"
        " as color,"
        f" {of('category')} as detail__category, {of('certificate')} as detail__certificate"
        f" from (select subject as id from events where type = '{ASSET_REGISTERED}' and retracted is null"
        f" union select output from derivations where not {is_run('output')}"
        f" union select input from derivations where not {is_run('input')}) n"
        f" left join events r on r.id = (select e.id from events e where e.topic = '{ASSETS}'"
        f" and {same('e.subject', 'n.id')} and e.type = '{ASSET_REGISTERED}' and e.retracted is null"
        " order by e.time desc, e.source desc, e.event desc limit 1)"
    )
    edges = (
        "create view lineage_edges as select d.output || ' < ' || d.input as id, d.input as source,"  # noqa: S608
        f" d.output as target, coalesce((select {share} from derivations s"
        f" where {same('s.output', 'd.output')} and {same('s.input', 'd.input')} and s.share is not null"
        " order by s.time desc, s.share desc limit 1), 'not stated')"
        " as mainstat, case when max(case when d.same then 1 else 0 end) = 1 then 'another name'"
        " when min(case when d.stops then 1 else 0 end) = 1 then 'irreversible' else '' end as secondarystat,"
        f" {instant.format('min(d.time)')} as detail__since from {derived} d group by d.output, d.input"
    )
    paths = (
        f"create view lineage_paths as select f.finding || '/' || {place} as id, f.finding as finding,"  # noqa: S608
        f" {place} as place, {asset} as asset from findings f"
        f" {'cross join lateral' if postgres else 'join'} {steps.format(text.format('f.data'))}"
        " where f.standing and f.detector = 'negative-list'"
    )
    return [nodes, edges, paths]

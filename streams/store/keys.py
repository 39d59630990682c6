"""The keys of ids that are too long for an index of PostgreSQL.

An entry of its B-trees holds 2,704 bytes at most, after compression; the contract allows datasets and sources of 1,024
characters, 4 bytes each, and things and scopes are composed of several. Indexes there are of `circulation_key(text)`:
the text itself while it is short, else its first characters and a digest. The rows hold every text in full, so that no
answer knows of keys; two texts are equal where their keys are, so that `Db` may compare keys in place of texts wherever
a query compares texts. SQLite has no such limit, and no such keys.
"""

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection, Index, Table

# Three such keys fit an entry, as a derivation needs; every id of 128 characters is its own key.
KEY_BYTES_MAX: Final = 800
CHARACTERS_KEPT: Final = 100
# No id holds it, nor what is composed of ids: no short text is the key of a long one.
DIGESTED: Final = "\x1e"
FUNCTION: Final = "circulation_key"

# Names of functions are looked up when they are made, and not by the path of whoever uses an index.
FUNCTIONS: Final = (
    "create or replace function circulation_long_key(text) returns text language sql immutable parallel safe"
    f" return left($1, {CHARACTERS_KEPT}) || chr(30) || encode(sha256(convert_to($1, 'UTF8')), 'hex')",
    f"create or replace function {FUNCTION}(text) returns text language sql immutable parallel safe"
    f" return case when octet_length($1) <= {KEY_BYTES_MAX} then $1 else circulation_long_key($1) end",
)


def key(text: str) -> str:
    """The key that PostgreSQL indexes of a text: as `circulation_key` makes it."""
    if len(text) <= KEY_BYTES_MAX // 4 or len(raw := text.encode()) <= KEY_BYTES_MAX:
        return text
    return f"{text[:CHARACTERS_KEPT]}{DIGESTED}{hashlib.sha256(raw).hexdigest()}"


def keys(texts: Sequence[str]) -> Sequence[str]:
    """The key of each; as they are where all are short, which they mostly are."""
    if not texts or max(map(len, texts)) <= KEY_BYTES_MAX // 4:
        return texts
    return [key(text) for text in texts]


@functools.cache
def _names() -> str:
    from streams.store.schema import LongText, metadata

    names = {c.name for table in metadata.tables.values() for c in table.columns if isinstance(c.type, LongText)}
    return "|".join(sorted(names))


@functools.cache
def _compared() -> re.Pattern[str]:
    right = r"any\(\?\)|\?|'[^']*'|(?:\w+\.)?\w+(?![\w(])"
    return re.compile(
        rf"(?<![\w.\"])(?<!\bset )(?P<left>(?:\w+\.)?(?:{_names()})) = (?P<right>{right})(?! \|\|)|(?P<place>\?)"
    )


def keyed(sql: str) -> tuple[str, frozenset[int]]:
    """A query of PostgreSQL that compares keys where it compared long texts, and which of its parameters are to be
    keys. An expression `key(…)` is the key, as where rows are wanted in the order of an index.
    """
    places: set[int] = set()
    count = 0

    def instead(comparison: re.Match[str]) -> str:
        nonlocal count
        left, right = comparison["left"], comparison["right"]
        if left is None:
            count += 1
            return "?"
        if "?" in right:
            places.add(count)
            count += 1
            return f"{FUNCTION}({left}) = {right}"
        return f"{FUNCTION}({left}) = {FUNCTION}({right})"

    text = _compared().sub(instead, sql)
    return re.sub(r"\bkey\(", f"{FUNCTION}(", text), frozenset(places)


def unkeyed(sql: str) -> str:
    """The same query for SQLite, where every text is its own key.

    It takes an index of some rows only where a query has the index's very words: `standing`, not `standing = true`.
    """
    return re.sub(r"(?<!\bset )(\b(?:\w+\.)?standing) = true\b", r"\1", re.sub(r"\bkey\(([^()]*)\)", r"\1", sql))


def indexes(table: "Table") -> list[tuple[str, list[str], set[str], bool]]:
    """The indexes of a table, its primary key among them: name, columns, those that are long, whether it is unique."""
    from streams.store.schema import LongText

    long = {c.name for c in table.columns if isinstance(c.type, LongText)}
    entries = [(f"{table.name}_pkey", [c.name for c in table.primary_key], True)]
    entries += [
        (str(table_index.name), [c.name for c in table_index.columns], bool(table_index.unique))
        for table_index in table.indexes
    ]
    return [(name, columns, long & {*columns}, unique) for name, columns, unique in entries]


def index(connection: "Connection") -> None:
    """Makes the indexes of a PostgreSQL store hold keys of what may be long, those of new tables too.

    A primary key cannot be of an expression; a unique index under its name serves as well.
    """
    from streams.store.schema import metadata

    for statement in FUNCTIONS:
        connection.exec_driver_sql(statement)
    for table in metadata.sorted_tables:
        conditions = {str(table_index.name): _where(table_index) for table_index in table.indexes}
        for name, columns, long, unique in indexes(table):
            if not long or _is_keyed(connection, name):
                continue
            if name == f"{table.name}_pkey":
                connection.exec_driver_sql(f'alter table "{table.name}" drop constraint if exists "{name}"')
            connection.exec_driver_sql(f'drop index if exists "{name}"')
            of = ", ".join(f'{FUNCTION}("{column}")' if column in long else f'"{column}"' for column in columns)
            connection.exec_driver_sql(
                f'create {"unique " if unique else ""}index "{name}" on "{table.name}" ({of}){conditions.get(name, "")}'
            )


def _where(index_: "Index") -> str:
    condition = index_.dialect_options["postgresql"]["where"]
    return "" if condition is None else f" where {condition}"


def _is_keyed(connection: "Connection", name: str) -> bool:
    query = "select 1 from pg_index where indexrelid = to_regclass(%s) and indexprs is not null"
    return connection.exec_driver_sql(query, (f'"{name}"',)).first() is not None

"""One form for the names of datasets, whoever writes them (contract §2a, docs/lineage.md has the table).

OpenLineage's naming rules make a URI of `namespace` and `name`. Producers disagree about what means the same: schemes,
ports, slashes, quotes, case, and whether a partition is a dataset. Names of one dataset have one canonical form here.
"""

import functools
import hashlib
import re
import urllib.parse
from typing import Final

from circulation.identifiers import DATASET_LENGTH_MAX, ID_LENGTH_MAX, KEPT_MAX

# The version of OpenLineage whose naming rules these are.
NAMING_VERSION: Final = "1.54"
# Schemes that are other names of one.
SCHEMES: Final = {"s3a": "s3", "s3n": "s3", "wasb": "abfss", "wasbs": "abfss", "abfs": "abfss"}
# The port that a scheme means where none is written.
PORTS: Final = {
    "cassandra": 9042,
    "cratedb": 5432,
    "db2": 50000,
    "hdfs": 8020,
    "hive": 10000,
    "http": 80,
    "https": 443,
    "kafka": 9092,
    "mongodb": 27017,
    "mssql": 1433,
    "mysql": 3306,
    "oceanbase": 2881,
    "oracle": 1521,
    "postgres": 5432,
    "postgresql": 5432,
    "redshift": 5439,
    "spark": 7077,
    "sqlserver": 1433,
    "teradata": 1025,
    "trino": 8080,
}
# How a database folds a part of a name that is not quoted.
UPPER: Final = frozenset({"snowflake", "oracle", "db2"})
LOWER: Final = frozenset({"postgres", "postgresql", "redshift", "trino", "hive", "spark"})
# Databases that keep the case, and whose quotes change nothing either.
AS_WRITTEN: Final = frozenset(
    {"awsathena", "bigquery", "cratedb", "databricks", "duckdb", "mssql", "mysql", "oceanbase", "sqlserver", "teradata"}
)

_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_PARTITION: Final = re.compile(r"[^=]+=.*", re.DOTALL)
# A part of a table's name: quoted in one of three ways, or everything up to the next dot.
_PART: Final = re.compile(r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^."`\[]+|.', re.DOTALL)
_QUOTES: Final = {'"': '"', "`": "`", "[": "]"}
_PLAIN: Final = re.compile(r"[^\W\d][\w$#]*")
_AZURE_BLOB: Final = ".blob.core."
_DIGEST_BYTES: Final = 16


@functools.lru_cache(KEPT_MAX)
def dataset_id(namespace: str, name: str) -> str:
    """The id of a dataset: `namespace/name` in canonical form, 1 to 1,024 printable characters.

    An empty name is the namespace.
    """
    scheme = _URI.fullmatch(namespace)
    joined = _printable(f"{namespace if scheme else namespace.rstrip('/')}/{name}")
    uri = _URI.fullmatch(joined)
    text = _uri(*uri.groups()) if uri else _plain_name(*joined.split("/"))
    return _bounded(text)


@functools.lru_cache(KEPT_MAX)
def canonical(asset: str) -> str:
    """The canonical form of an asset's id: itself, unless it is a URI in another form or ends in `key=value` parts."""
    if "/" not in asset or len(asset) == DATASET_LENGTH_MAX:  # one that long ends in a digest
        return asset
    if (uri := _URI.fullmatch(asset)) is not None:
        return _bounded(_uri(*uri.groups()))
    return asset if "=" not in asset else "/".join(_without_partitions(asset.split("/"), 2))


def _uri(scheme: str, authority: str, path: str) -> str:
    scheme = scheme.lower()
    scheme = SCHEMES.get(scheme, scheme)
    parts = _without_partitions([part for part in path.split("/") if part], 1)
    name = "/".join(parts)
    if scheme in UPPER or scheme in LOWER or scheme in AS_WRITTEN:
        name = _table(scheme, name)
    base = f"{scheme}://{_authority(scheme, authority)}"
    return f"{base}/{name}" if name else base


def _plain_name(first: str, *rest: str) -> str:
    """A name whose namespace is no URI: the namespace may hold slashes of its own, at its start too."""
    return "/".join(_without_partitions([first, *(part for part in rest if part)], 2))


def _without_partitions(parts: list[str], kept: int) -> list[str]:
    """The parts without trailing `key=value` ones; the first `kept` stay, whatever they are."""
    end = len(parts)
    while end > kept and _PARTITION.fullmatch(parts[end - 1]):
        end -= 1
    return parts[:end]


def _authority(scheme: str, authority: str) -> str:
    """Host and port of each server in small letters, without the port that the scheme means anyway.

    The part before an `@` is a container or a user, and stays as it is.
    """
    servers = []
    for server in authority.split(","):
        user, at, host = server.rpartition("@")
        host = host.lower().removesuffix(f":{PORTS[scheme]}" if scheme in PORTS else "")
        if scheme == "abfss":
            host = host.replace(_AZURE_BLOB, ".dfs.core.")
        servers.append(f"{user}{at}{host}")
    return ",".join(servers)


def _table(scheme: str, name: str) -> str:
    parts = []
    for part in _PART.findall(name):
        if part[0] not in _QUOTES or len(part) < 2:
            parts.append(_folded(scheme, part))
            continue
        inner = part[1:-1]
        changes = not _PLAIN.fullmatch(inner) or _folded(scheme, inner) != inner
        parts.append(part if changes else inner)
    return "".join(parts)


def _folded(scheme: str, part: str) -> str:
    return part.upper() if scheme in UPPER else part.lower() if scheme in LOWER else part


def _printable(text: str) -> str:
    """The text with what is not printable percent-encoded."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else urllib.parse.quote(character, errors="surrogatepass")
        for character in text
    )


def _bounded(text: str) -> str:
    """The text; where it is too long, the rest is its digest."""
    length_max = DATASET_LENGTH_MAX if "/" in text else ID_LENGTH_MAX
    if len(text) <= length_max:
        return text
    kept = length_max - 2 * _DIGEST_BYTES
    return text[:kept] + hashlib.blake2b(text[kept:].encode(), digest_size=_DIGEST_BYTES).hexdigest()

"""Checks of an archive: files that do not fit together, and records that are not those that were written."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from circulation.words import many
from streams.offline.archive_files import Span, add_to_digest, folders, paths_in, rows, span_of


class Verified(NamedTuple):
    """The content of an archive, and all its problems."""

    files: int
    records: int
    problems: list[str]


def breaks(spans: Sequence[Span]) -> list[str]:
    """The breaks between files, by their metadata: offsets that are missing or there twice, and
    files of two topics of one name."""
    problems = []
    firsts: dict[str, dict[str, Path]] = {}
    for span in spans:
        if span.topic_id:
            firsts.setdefault(span.topic, {}).setdefault(span.topic_id, span.path)
    for topic, paths in firsts.items():
        if len(paths) > 1:
            listed = ", ".join(f"{id_} ({path})" for id_, path in paths.items())
            problems.append(f"{topic}: files of {len(paths)} topics of this name, by their ids: {listed}")
    for before, span in itertools.pairwise(spans):
        if (before.topic, before.partition) != (span.topic, span.partition):
            continue
        where = f"{span.topic}[{span.partition}]"
        if before.end < span.begin:
            problems.append(f"{where}: the offsets {before.end} to {span.begin - 1} are missing")
        elif before.end > span.begin:
            problems.append(f"{where}: the offsets {span.begin} to {before.end - 1} are there twice")
    return problems


def verify(out: Path) -> Verified:
    """Reads a whole archive and says all that is wrong: offsets, numbers of records, digests, names.

    Raises OSError where there is no archive.
    """
    problems: list[str] = []
    spans: list[Span] = []
    files = counted = 0
    for folder in folders(out):
        chain: list[Span] = []
        for path in paths_in(folder):
            files += 1
            try:
                span = span_of(path)
                chain.append(span)
                counted += span.records
                problems += _damage(span)
            except OSError as error:
                problems.append(str(error))
        if chain and chain[0].previous:
            problems.append(f"{chain[0].path}: the file before it is missing")
        for before, span in itertools.pairwise(chain):
            if span.previous != before.digest:
                problems.append(f"{span.path}: it was written after another file than {before.path.name}")
        spans += chain
    if not files:
        raise OSError(f"{out}: no file of an archive is in it")
    return Verified(files, counted, problems + breaks(spans))


def _damage(span: Span) -> Iterator[str]:
    """The problems within one file."""
    place = Path(f"topic={span.topic}", f"partition={span.partition}", f"{span.begin:020}-{span.end:020}.parquet")
    if Path(*span.path.parts[-3:]) != place:
        yield f"{span.path}: it says of itself that it is {place}"
    digest = hashlib.sha256()
    count, next_ = 0, span.begin
    for row in rows(span.path):
        if not next_ <= row[0] < span.end:
            yield f"{span.path}: the offset {row[0]} is out of its order"
            return
        next_ = row[0] + 1
        count += 1
        add_to_digest(digest, row)
    if count != span.records:
        written = many(span.records, "record was", "records were")
        yield f"{span.path}: {written} written, and {many(count, 'is', 'are')} there"
    elif digest.hexdigest() != span.digest:
        yield f"{span.path}: the records are not those that were written"

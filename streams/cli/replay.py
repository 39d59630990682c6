"""`circulation replay`: judges a file or an archive without Kafka."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

import click

from circulation.words import many
from streams.cli.groups import Refused
from streams.cli.inputs import admission_of_settings, events_of, read_rules
from streams.cli.store import opened

FINDINGS_SHOWN_MAX: Final = 40
REJECTED_SHOWN_MAX: Final = 5
WRITE_BUFFER_BYTES: Final = 1 << 20
# Of a file that may be written over; a record that was rejected may have 16 MiB.
FIRST_LINE_BYTES_MAX: Final = 64 << 20


@click.command()
@click.argument("events", metavar="EVENTS", type=click.Path(path_type=Path))
@click.option(
    "--rules", metavar="PACK.yaml", type=click.Path(path_type=Path), help="The pack in force from the beginning."
)
@click.option(
    "--findings", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="Every finding raised and cleared."
)
@click.option("--credit", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="The statement of each party.")
@click.option("--rejected", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="Every line rejected, and why.")
@click.option("--store", metavar="URL", help="Keep facts and findings there; without it, nothing is kept.")
@click.option("--force", is_flag=True, help="Write over files that hold something else.")
@click.option("--until", metavar="INSTANT", help="Move the clock on to this instant at the end.")
def replay(
    events: Path,
    rules: Path | None,
    findings: Path | None,
    credit: Path | None,
    rejected: Path | None,
    store: str | None,
    force: bool,
    until: str | None,
) -> None:
    """Judge a file of events, or an archive, without Kafka, as the workers would.

    A file has one event a line (.jsonl, also .gz or .zst); an archive is a folder or a .parquet file that `circulation
    archive` wrote. The clock is the highest time among the events so far; --until moves it on at the end, so that
    deadlines pass. The same file under the same pack writes the same bytes, always. Without --findings the standing
    findings are shown, without --rejected the first lines that were rejected, with why. Files of before are written
    over; one that holds something else is refused, unless --force.

    \b
    circulation replay events.jsonl
    circulation replay events.jsonl.zst --rules pack.yaml --findings found.jsonl --until 2026-12-31
    circulation replay archive/
    """
    from circulation.calendar import parse_instant

    until_instant: int | None = None
    if until is not None:
        try:
            until_instant = parse_instant(until)
        except ValueError as error:
            raise Refused(f"--until: {error}") from error
    _all_others(
        [("EVENTS", events), ("--rules", rules)],
        [("--findings", findings), ("--credit", credit), ("--rejected", rejected)],
    )
    if not force:
        _of_before("--findings", findings, lambda line: str(line.get("type")).startswith("circulation.finding."))
        _of_before("--credit", credit, lambda line: {"party", "score", "as_of"} <= line.keys())
        _of_before("--rejected", rejected, lambda line: {"reason", "detail"} <= line.keys())
    lines, total, unit = events_of(events)
    pack = None if rules is None else read_rules(rules)
    admission = admission_of_settings(offline=True)
    import time

    from streams import console
    from streams.answers import findings as queries
    from streams.offline.replay import Replay, offline

    began = time.monotonic()
    with opened(store) as kept, contextlib.ExitStack() as stack:
        out = _writer(stack, findings)
        bad = _writer(stack, rejected)
        scores = _writer(stack, credit)
        first: list[bytes] = []
        replaying = Replay(
            offline(kept, pack, name=os.environ.get("CIRCULATION_PACK") or None),
            admission,
            findings=_line_sink(out),
            rejected=_first_sink(first) if bad is None else _line_sink(bad),
            until=until_instant,
        )
        advance = stack.enter_context(console.progress("replay", total, unit=unit))
        try:
            tally = replaying.run(console.watched(lines, advance, by_bytes=unit == "bytes"))
        except OSError as error:
            raise Refused(f"{events}: {error}") from error
        if scores is not None:
            for statement in replaying.statements():
                scores.write(statement + b"\n")
        with kept.reading() as db:
            standing = queries.count(db, queries.Wanted())
            rows = queries.select(db, queries.Wanted(), FINDINGS_SHOWN_MAX)
    if findings is None and rows:
        console.findings_table(rows)
        if standing > FINDINGS_SHOWN_MAX:
            click.echo(f"and {standing - FINDINGS_SHOWN_MAX:,} before them; --findings writes all of them")
    for line in first:
        click.echo(console.shown(_rejection(events, line)), err=True)
    if bad is None and tally.rejected > len(first):
        click.echo(f"and {tally.rejected - len(first):,} more; --rejected OUT.jsonl writes all of them", err=True)
    seconds = time.monotonic() - began
    click.echo(
        f"{many(tally.lines, 'record' if unit == 'records' else 'line')}: {tally.admitted:,} admitted, "
        f"{tally.duplicates:,} of them duplicates; {tally.rejected:,} rejected; "
        f"{many(standing, 'finding stands', 'findings stand')}; {seconds:.1f} s",
        err=True,
    )


def _all_others(read: Sequence[tuple[str, Path | None]], written: Sequence[tuple[str, Path | None]]) -> None:
    """Raises `Refused` where a file that is to be written is another one of them, by whatever name."""
    before = [(option, path) for option, path in read if path is not None]
    for option, path in written:
        # A device may take them all.
        if path is None or (path.exists() and not path.is_file()):
            continue
        for other_option, other_path in before:
            if path.resolve() == other_path.resolve() or (
                path.exists() and other_path.exists() and path.samefile(other_path)
            ):
                raise Refused(f"{option} {path} is the file of {other_option}: name another one; nothing was written")
        before.append((option, path))


def _of_before(option: str, path: Path | None, known: Callable[[dict[str, Any]], bool]) -> None:
    """Raises `Refused` where a file holds anything, and its first line is not one that a replay writes there."""
    if path is None or not path.is_file():
        return
    import orjson

    try:
        with path.open("rb") as file:
            line = file.readline(FIRST_LINE_BYTES_MAX)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error
    try:
        before = orjson.loads(line)
    except orjson.JSONDecodeError:
        before = None
    if line and not (isinstance(before, dict) and known(before)):
        raise Refused(
            f"{option} {path} holds something else than a replay writes there: name another one, or write over it with"
            " --force; nothing was written"
        )


def _writer(stack: contextlib.ExitStack, path: Path | None) -> IO[bytes] | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("wb", buffering=WRITE_BUFFER_BYTES))
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error


def _first_sink(first: list[bytes]) -> Callable[[bytes], object]:
    return lambda line: first.append(line) if len(first) < REJECTED_SHOWN_MAX else None


def _rejection(events: Path, line: bytes) -> str:
    """Where a record was rejected and why, in one line, as `circulation emit` says it."""
    import orjson

    rejection = orjson.loads(line)
    where = (
        f"{events}:{rejection['line']}"
        if "line" in rejection
        else f"{rejection['topic']}[{rejection['partition']}]@{rejection['offset']}"
    )
    if "index" in rejection:
        where += f"#{rejection['index']}"
    detail = rejection["detail"].replace("\n", "; ")
    return f"{where}: {rejection['reason']}: {detail}"


def _line_sink(out: IO[bytes] | None) -> Callable[[bytes], object]:
    return (lambda line: None) if out is None else (lambda line: out.write(line + b"\n"))

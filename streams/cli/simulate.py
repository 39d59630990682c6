"""`circulation simulate`: a seeded market of any size, and the list of what must be found in it."""

import contextlib
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from circulation.words import many
from streams.cli.groups import Refused

BUFFER_BYTES: Final = 1 << 20
ZSTANDARD_LEVEL: Final = 3


@click.command()
@click.argument("out", metavar="[OUT]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes another market.")
@click.option(
    "--events", type=click.IntRange(min=1), default=100_000, show_default=True, help="Lines to make, exactly so many."
)
@click.option(
    "--violations",
    metavar="RATE",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Findings to plant for each event, about; 0 for none. There is at least one of each kind.",
)
@click.option(
    "--expected",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to list what must be found; without it, beside OUT as OUT.expected.jsonl.",
)
@click.option("--force", is_flag=True, help="Write over files that are there already.")
def simulate(out: Path | None, seed: int, events: int, violations: float, expected: Path | None, force: bool) -> None:
    """Make a market with violations planted in it, and list what must be found.

    Parties, assets with their lineages, contracts, uses by the million, deliveries, payments, exports; some of it comes
    late, some twice, and some is lost. Among them something goes wrong of every kind that the rules look for, and
    beside each stands a near miss: the last thing that is still allowed. The list has a line for every finding that
    must stand when the file has been judged by the shipped pack: detector, severity, what it is about, and why.

    Without OUT the events go to stdout; .gz and .zst are packed. The same seed, events and RATE make the same bytes. A
    file that is there already is left alone, unless --force is given.

    \b
    circulation simulate market.jsonl                    and market.expected.jsonl
    circulation simulate --events 1000000 --seed 7 market.jsonl.zst
    circulation simulate --violations 0 --events 5000    ordinary trade, to stdout
    circulation replay market.jsonl
    """
    from streams import console
    from streams.simulate.market import Market, TooSmall

    try:
        market = Market(events=events, violations=violations, seed=seed)
    except TooSmall as error:
        raise Refused(f"--events: {error}") from error
    if expected is None and out is not None:
        expected = listed_beside(out)
    for path in (out, expected):
        # A device, such as /dev/null, holds nothing that could be lost.
        if path is not None and path.is_file() and not force:
            raise Refused(f"{path} is there already: name another one, or write over it with --force")
    listed = 0
    with contextlib.ExitStack() as stack:
        if expected is not None:
            with _written(expected) as file:
                for planted in market.expected():
                    file.write(orjson.dumps(planted.members()) + b"\n")
                    listed += 1
        file = stack.enter_context(_written(out))
        advance = stack.enter_context(console.progress("simulate", events, unit="events"))
        for line in console.watched(market.lines(), advance, by_bytes=False):
            file.write(line)
            file.write(b"\n")
    if out is not None:
        click.echo(
            f"{many(events, 'event')} in {out}; {many(listed, 'finding')} that must be found in {expected}", err=True
        )


def listed_beside(out: Path) -> Path:
    """Where the list goes that belongs to a file: `market.expected.jsonl` beside `market.jsonl.zst`."""
    name = out.name
    for suffix in (".gz", ".zst", ".jsonl"):
        name = name.removesuffix(suffix)
    return out.with_name(f"{name}.expected.jsonl")


@contextlib.contextmanager
def _written(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write, packed as its name says; stdout where there is none. The same bytes at any time of the day."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb", buffering=BUFFER_BYTES) as raw:
            packed: Any
            if path.suffix == ".gz":
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
            elif path.suffix == ".zst":
                import zstandard

                packed = zstandard.ZstdCompressor(level=ZSTANDARD_LEVEL).stream_writer(raw, closefd=False)
            else:
                yield raw
                return
            with packed:
                yield packed
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error

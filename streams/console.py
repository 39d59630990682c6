"""What people see: tables and progress, with colours on a terminal and plain text everywhere else.

On a terminal rich draws (and respects NO_COLOR); into a pipe or a file go columns with blanks between them, uncut and
without colours, so that `grep` and `awk` work. Progress is shown on a terminal only, on stderr.
"""

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

import click
import orjson

COLOURS: Final = {"blue": "blue", "yellow": "yellow", "orange": "dark_orange", "red": "bold red"}
# Events between two looks at the progress bar: it costs nothing, and still moves.
PROGRESS_STEP: Final = 2_000
EVIDENCE_ITEMS_MAX: Final = 8
# Control characters of ids and titles that came from outside must not reach a terminal.
UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def is_terminal(stream: IO[Any]) -> bool:
    """Whether a person looks at this stream."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def shown(value: object) -> str:
    """A value as one line without control characters."""
    return UNPRINTABLE.sub(" ", str(value))


def document(value: Any) -> None:
    """One JSON document on stdout: indented for a person, one line for a program."""
    option = orjson.OPT_INDENT_2 if is_terminal(sys.stdout) else 0
    click.echo(orjson.dumps(value, option=option | orjson.OPT_SORT_KEYS))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", colour: str = "severity"
) -> None:
    """A table on stdout; the values of the column `colour` give it its colours. The last column may be long."""
    texts = [[shown(cell) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=title or None, title_justify="left", header_style="bold", expand=False)
        for column in columns:
            drawn.add_column(column, overflow="fold", no_wrap=column == colour)
        for row in texts:
            cells = [
                Text(cell, style=COLOURS.get(cell, "") if column == colour else "")
                for column, cell in zip(columns, row, strict=True)
            ]
            drawn.add_row(*cells)
        Console().print(drawn)
        return
    from rich.cells import cell_len

    if title:
        click.echo(title)
    lines = [list(columns), *texts]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def in_words(evidence: Mapping[str, Any]) -> str:
    """Evidence as a person reads it: `limit uses, maximum 1000, used 1210`; a path as its steps."""
    words = []
    for name, value in list(evidence.items())[:EVIDENCE_ITEMS_MAX]:
        if value is None:
            text = "not given"
        elif isinstance(value, list):
            items = ("–".join(map(str, item)) if isinstance(item, list) else str(item) for item in value)
            text = (" → " if name == "path" else ", ").join(items) or "none"
        elif isinstance(value, dict):
            text = f"({in_words(value)})"
        else:
            text = str(value)
        words.append(f"{name.replace('_', ' ')} {text}")
    if len(evidence) > EVIDENCE_ITEMS_MAX:
        words.append(f"and {len(evidence) - EVIDENCE_ITEMS_MAX} more")
    return ", ".join(words)


def findings_table(findings: Sequence[Mapping[str, Any]], *, title: str = "", with_state: bool = False) -> None:
    """Findings, one a row: when, how grave, which detector, about what, who, and why.

    `findings` are their `data` (contract §4); with `with_state` each also has `standing`.
    """
    if is_terminal(sys.stdout):
        _findings_drawn(findings, title, with_state)
        return
    columns = ["occurred", "severity", "detector", "about", "party", "why"]
    rows: list[list[object]] = []
    for one in findings:
        why = one["summary"]
        if evidence := one.get("evidence"):
            why = f"{why} [{in_words(evidence)}]"
        row = [one["occurred"], one["severity"], one["detector"], one["about"]["id"], one.get("party") or "–", why]
        if with_state:
            row.insert(0, "stands" if one["standing"] else "cleared")
        rows.append(row)
    table(["state", *columns] if with_state else columns, rows, title=title)


def _findings_drawn(findings: Sequence[Mapping[str, Any]], title: str, with_state: bool) -> None:
    """The same on a terminal: three columns of several lines each, so that it fits 80 characters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", header_style="bold", show_lines=True)
    drawn.add_column("when", no_wrap=True)
    drawn.add_column("what, and who", overflow="fold", max_width=34)
    drawn.add_column("why", overflow="fold")
    for one in findings:
        when = Text(shown(one["occurred"])[:16].replace("T", " ") + "\n")
        when.append(one["severity"], style=COLOURS.get(one["severity"], ""))
        if with_state and not one["standing"]:
            when.append("\ncleared", style="dim")
        what = Text(one["detector"], style="bold")
        for more in dict.fromkeys((one["about"]["id"], one.get("party"))):
            if more:
                what.append(f"\n{shown(more)}", style="not bold")
        why = Text(shown(one["summary"]))
        if evidence := one.get("evidence"):
            why.append(f"\n{shown(in_words(evidence))}", style="dim")
        drawn.add_row(when, what, why)
    Console().print(drawn)


@contextlib.contextmanager
def progress(label: str, total: int | None, *, unit: str = "bytes") -> Iterator[Callable[[int], None] | None]:
    """A progress bar on stderr where that is a terminal: gives what advances it, or None where nobody looks.

    `total` is None where it is not known beforehand.
    """
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    count = TextColumn("{task.percentage:>3.0f} %") if unit == "bytes" and total else MofNCompleteColumn()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(shown(label), total=total)
        yield lambda more: bar.update(task, advance=more)


def watched(lines: Iterable[bytes], advance: Callable[[int], None] | None, *, by_bytes: bool = True) -> Iterable[bytes]:
    """The same lines, with the bar moved on as they are taken; untouched where there is no bar."""
    return lines if advance is None else _watched(lines, advance, by_bytes)


def _watched(lines: Iterable[bytes], advance: Callable[[int], None], by_bytes: bool) -> Iterator[bytes]:
    done = 0
    for number, line in enumerate(lines, start=1):
        yield line
        done += len(line) if by_bytes else 1
        if number % PROGRESS_STEP == 0:
            advance(done)
            done = 0
    advance(done)

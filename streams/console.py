"""What people see: tables and progress, with colours on a terminal and plain text everywhere else.

On a terminal rich draws (and respects NO_COLOR); into a pipe or a file go columns with blanks between them, uncut and
without colours, so that `grep` and `awk` work. Progress is shown on a terminal only, on stderr.
"""

import contextlib
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import IO, Any, Final, TypeVar

import click
import orjson

# Lines of a file, or records of an archive.
Line = TypeVar("Line", bound=Sized)

COLOURS: Final = {"blue": "blue", "yellow": "yellow", "orange": "dark_orange", "red": "bold red"}
# Events between two looks at the progress bar: it costs nothing, and still moves.
PROGRESS_STEP: Final = 2_000
EVIDENCE_ITEMS_MAX: Final = 8
# Of a finding's id; `circulation findings` takes them for the whole.
ID_CHARACTERS_SHOWN: Final = 8
# Lines of a tree that a person still reads.
TREE_LINES_MAX: Final = 200
# Where text is wrapped that no terminal wraps.
PARAGRAPH_WIDTH: Final = 110
# Control characters of ids and titles that came from outside must not reach a terminal.
UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


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
            items = map(_item, value)
            text = (" → " if name == "path" else ", ").join(items) or "none"
        elif isinstance(value, dict):
            text = f"({in_words(value)})"
        else:
            text = str(value)
        words.append(f"{name.replace('_', ' ')} {text}")
    if len(evidence) > EVIDENCE_ITEMS_MAX:
        words.append(f"and {len(evidence) - EVIDENCE_ITEMS_MAX} more")
    return ", ".join(words)


def _item(item: object) -> str:
    if isinstance(item, list):
        return "–".join(map(str, item))
    return f"({in_words(item)})" if isinstance(item, dict) else str(item)


def findings_table(findings: Sequence[Mapping[str, Any]], *, title: str = "", with_state: bool = False) -> None:
    """Findings, one a row: its id, when, how grave, which detector, about what, who, and why.

    `findings` are their `data` (contract §4); with `with_state` each also has `standing`.
    """
    if is_terminal(sys.stdout):
        _findings_drawn(findings, title, with_state)
        return
    columns = ["finding", "occurred", "severity", "detector", "about", "party", "why"]
    rows: list[list[object]] = []
    for finding in findings:
        why = finding["summary"]
        if evidence := finding.get("evidence"):
            why = f"{why} [{in_words(evidence)}]"
        row = [finding[name] for name in ("finding", "occurred", "severity", "detector")]
        row[0] = row[0][:ID_CHARACTERS_SHOWN]
        row += [finding["about"]["id"], finding.get("party") or "–", why]
        if with_state:
            row.insert(0, "stands" if finding["standing"] else "cleared")
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
    for finding in findings:
        when = Text(shown(finding["occurred"])[:16].replace("T", " ") + "\n")
        when.append(finding["severity"], style=COLOURS.get(finding["severity"], ""))
        when.append(f"\n{finding['finding'][:ID_CHARACTERS_SHOWN]}", style="dim")
        if with_state and not finding["standing"]:
            when.append("\ncleared", style="dim")
        subject = Text(finding["detector"], style="bold")
        for more in dict.fromkeys((finding["about"]["id"], finding.get("party"))):
            if more:
                subject.append(f"\n{shown(more)}", style="not bold")
        why = Text(shown(finding["summary"]))
        if evidence := finding.get("evidence"):
            why.append(f"\n{shown(in_words(evidence))}", style="dim")
        drawn.add_row(when, subject, why)
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


def watched(lines: Iterable[Line], advance: Callable[[int], None] | None, *, by_bytes: bool = True) -> Iterable[Line]:
    """The same lines, with the bar moved on as they are taken; untouched where there is no bar."""
    return lines if advance is None else _watched(lines, advance, by_bytes)


def _watched(lines: Iterable[Line], advance: Callable[[int], None], by_bytes: bool) -> Iterator[Line]:
    amount = 0
    for number, line in enumerate(lines, start=1):
        yield line
        amount += len(line) if by_bytes else 1
        if number % PROGRESS_STEP == 0:
            advance(amount)
            amount = 0
    advance(amount)


def tree(
    root: str, children: Mapping[str, Sequence[tuple[str, str]]], *, lines_max: int = TREE_LINES_MAX
) -> Iterator[tuple[str, str, str]]:
    """The lines below `root`: the branch that is drawn, the name, and the note on the way to it.

    `children` maps a name to (name, note) of each below it. What is reached in several ways has what lies below it
    drawn once, so that cycles end.
    """
    drawn = {root}
    roots = children.get(root, ())
    todo = [("", *child, at == len(roots) - 1) for at, child in enumerate(roots)][::-1]
    lines = 0
    while todo:
        before, name, note, last = todo.pop()
        lines += 1
        if lines > lines_max:
            yield before + "└─ ", "...", f"the tree has more lines than {lines_max}"
            return
        below = children.get(name, ())
        again = name in drawn and bool(below)
        yield before + ("└─ " if last else "├─ "), name, note + (", see above" if again else "")
        if not again:
            drawn.add(name)
            further = before + ("   " if last else "│  ")
            todo += [(further, *child, at == len(below) - 1) for at, child in enumerate(below)][::-1]


def draw(lines: Iterable[tuple[str, str, str]]) -> None:
    """Lines of a tree on stdout: cut to the width of a terminal there, whole elsewhere."""
    if not is_terminal(sys.stdout):
        for branch, name, note in lines:
            click.echo(f"{branch}{shown(name)}  {shown(note)}".rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for branch, name, note in lines:
        line = Text(branch, style="dim")
        line.append(shown(name), style="not dim")
        line.append(f"  {shown(note)}")
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def paragraphs(parts: Sequence[tuple[str, str | Sequence[str]]], *, severity: str = "") -> None:
    """Headed paragraphs, wrapped to the width of a terminal; a list is a line each. Empty ones are left out."""
    terminal = is_terminal(sys.stdout)
    for heading, content in parts:
        lines = [content] if isinstance(content, str) else content
        if not any(lines):
            continue
        if not terminal:
            click.echo("\n".join([heading, *(f"  {shown(line)}" for line in lines), ""]))
            continue
        from rich.console import Console
        from rich.padding import Padding
        from rich.text import Text

        console = Console()
        console.print(Text(heading, style="bold"))
        for line in lines:
            console.print(
                Padding(Text(shown(line), style=COLOURS.get(severity, "") if heading == "What" else ""), (0, 2))
            )
        console.print()


def paragraph(text: str, *, indent: int = 3) -> None:
    """A paragraph on stdout, indented and wrapped to the width of a terminal, or to 110 characters elsewhere."""
    width = PARAGRAPH_WIDTH
    if is_terminal(sys.stdout):
        width = min(width, shutil.get_terminal_size().columns)
    blank = " " * indent
    click.echo(textwrap.fill(shown(text), width, initial_indent=blank, subsequent_indent=blank))


def marked(severity: str, heading: str, why: str) -> None:
    """A finding as one paragraph that begins with its severity, in its colour on a terminal."""
    text = f"{severity:<8} {shown(heading)}: {shown(why)}"
    if not is_terminal(sys.stdout):
        click.echo(f"   {text}")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    drawn = Text(text)
    drawn.stylize(COLOURS.get(severity, ""), 0, len(severity))
    Console().print(Padding(drawn, (0, 0, 0, 3)))


def note(text: str) -> None:
    """A line that belongs to what stands above it; dimmed on a terminal."""
    if not is_terminal(sys.stdout):
        click.echo(f"{'':12}{shown(text)}")
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    Console().print(Padding(Text(shown(text), style="dim"), (0, 0, 0, 12)))


def status(text: str) -> None:
    """The last line of a terminal, drawn anew each time; an empty one takes it away. Nothing elsewhere."""
    if not is_terminal(sys.stdout):
        return
    width = shutil.get_terminal_size().columns - 1
    sys.stdout.write(f"\r\x1b[2K{text[:width]}")
    sys.stdout.flush()

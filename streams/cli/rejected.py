"""`circulation rejected`: what was not admitted, why, and sending it again once the cause is mended."""

import base64
import contextlib
import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import click
import msgspec

from circulation.admission.reasons import Reason, Rejection
from circulation.calendar import format_instant
from circulation.events.names import REJECTED
from streams import console
from streams.address import address
from streams.cli.findings import Instant
from streams.cli.groups import Helpful, Refused
from streams.cli.inputs import admission_of_settings, configured
from streams.cli.store import looking
from streams.settings import Settings
from streams.wire.rejected import Look, Original, Rejected, RejectedError

SHOWN_MAX: Final = 100
DETAIL_CHARACTERS_SHOWN: Final = 160
# The default limit of one run of `send-again`: a filter may fit more than was meant.
SENT_MAX: Final = 1_000


class Name(click.ParamType):
    """`PARTITION@OFFSET`, as `list` shows it."""

    name = "rejected"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Partition and offset in `circulation.rejected`."""
        partition, at, offset = str(value).partition("@")
        if not (at and all(part.isascii() and part.isdigit() and len(part) < 19 for part in (partition, offset))):
            self.fail(f"{value!r} is not PARTITION@OFFSET, as in 3@1842", param, ctx)
        return int(partition), int(offset)


class _Said(msgspec.Struct):
    source: Any = None
    producer: Any = None


_decode_said: Final = msgspec.json.Decoder(_Said).decode


def source_of(row: Rejected) -> str | None:
    """The source that a rejected record names, as far as that can be read."""
    if (header := row.headers.get("source")) is not None:
        return header
    try:
        claims = _decode_said(row.record)
    except (ValueError, RecursionError):
        return None
    source = claims.producer if claims.source is None else claims.source
    return source if isinstance(source, str) else None


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="The latest ones, so many at most."),
        click.option("--until", metavar="INSTANT", type=Instant(), help="Only those rejected before this instant."),
        click.option(
            "--since", metavar="INSTANT", type=Instant(), help="Only those rejected at this instant or later."
        ),
        click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="Only with this code."),
        click.option("--source", metavar="TEXT", help="Only of this source."),
    ):
        command = option(command)
    return command


def _those(
    look: Look, source: str | None, reason: str | None, since: int | None, until: int | None, limit: int | None
) -> list[Rejected]:
    """Those that fit, in the order of time; of more than `limit` the latest."""
    if not look.ends():
        raise RejectedError(f"there is no topic {REJECTED}: circulation topics create makes it")
    begins = None if since is None else look.begins(since)

    def fits(row: Rejected) -> bool:
        return (
            (reason is None or row.reason == reason)
            and (since is None or row.written >= since)
            and (until is None or row.written < until)
            and (source is None or source_of(row) == source)
        )

    matching = filter(fits, look.rejected(begins))
    rows = list(matching) if limit is None else heapq.nlargest(limit, matching, key=_when)
    return sorted(rows, key=_when)


def _when(row: Rejected) -> tuple[int, int, int]:
    return row.written, row.partition, row.offset


@contextlib.contextmanager
def _kafka(settings: Settings) -> Iterator[Look]:
    with Look(settings.kafka) as look:
        try:
            yield look
        except RejectedError as error:
            raise click.ClickException(str(error)) from error


def _noted(settings: Settings, subjects: Sequence[str] = ()) -> None:
    """Writes down for the journal who did this, where there is a store."""
    file = address(settings.store).file
    if file is not None and not file.is_file():
        return
    with looking(settings) as look:
        look(subjects)


@click.group(cls=Helpful)
def rejected() -> None:
    """Show what was rejected and why, and send it again once the cause is mended.

    What cannot be admitted is kept in circulation.rejected, byte for byte, with the reason and its place.

    \b
    circulation rejected list --reason not-authorised --since 2026-11-01
    circulation rejected show 3@1842
    circulation rejected send-again 3@1842
    """


@rejected.command("list")
@_filters
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
def list_(
    source: str | None, reason: str | None, since: int | None, until: int | None, limit: int | None, as_json: bool
) -> None:
    """Show what was rejected, the latest last.

    \b
    circulation rejected list
    circulation rejected list --source //exchange.example --reason invalid-data --limit 20
    circulation rejected list --since 2026-11-01 --json
    """
    settings = configured()
    if limit is None and not as_json and console.is_terminal(sys.stdout):
        limit = SHOWN_MAX
    with _kafka(settings) as look:
        rows = _those(look, source, reason, since, until, limit)
    _noted(settings)
    if as_json:
        console.document([_row(row) for row in rows])
        return
    if not rows:
        click.echo("nothing was rejected" + (" that fits" if source or reason or since or until else ""), err=True)
        return
    columns = ("rejected", "when", "reason", "source", "subject", "where", "detail")
    console.table(columns, [_cells(row) for row in rows])


def _row(row: Rejected) -> dict[str, Any]:
    topic, partition, offset = row.where or (None, None, None)
    return {
        "rejected": row.name,
        "written": format_instant(row.written),
        "reason": row.reason,
        "detail": row.detail,
        "source": source_of(row),
        "type": row.headers.get("type"),
        "subject": row.headers.get("subject"),
        "id": row.headers.get("id"),
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "index": row.element,
        "bytes": len(row.record),
    }


def _cells(row: Rejected) -> Sequence[str]:
    detail = row.detail.replace("\n", "; ")
    detail = detail if len(detail) <= DETAIL_CHARACTERS_SHOWN else detail[:DETAIL_CHARACTERS_SHOWN] + "…"
    about = row.headers.get("subject", "–")
    return row.name, format_instant(row.written)[:19], row.reason, source_of(row) or "–", about, _place(row), detail


def _place(row: Rejected) -> str:
    if row.where is None:
        return "–"
    topic, partition, offset = row.where
    return f"{topic}[{partition}]@{offset}" + ("" if row.element is None else f", element {row.element}")


@rejected.command()
@click.argument("name", metavar="PARTITION@OFFSET", type=Name())
@click.option("--raw", is_flag=True, help="Only the bytes that were rejected, as they are.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def show(name: tuple[int, int], raw: bool, as_json: bool) -> None:
    """Show one rejected record: why, where it was, and its bytes.

    \b
    circulation rejected show 3@1842
    circulation rejected show 3@1842 --raw > event.json
    """
    settings = configured()
    with _kafka(settings) as look:
        row = look.one(*name)
    _noted(settings)
    if raw:
        click.echo(row.record, nl=False)
        return
    try:
        text = row.record.decode()
    except UnicodeDecodeError:
        text = ""
    if as_json:
        bytes_ = (
            {"record": text} if text or not row.record else {"record_base64": base64.b64encode(row.record).decode()}
        )
        console.document({**_row(row), **bytes_})
        return
    console.paragraphs(
        [
            ("Rejected", f"{row.name}, at {format_instant(row.written)}"),
            ("Reason", row.reason),
            ("Detail", row.detail.split("\n")),
            ("Source", source_of(row) or ""),
            ("Event", " ".join(row.headers[name] for name in ("type", "subject", "id") if name in row.headers)),
            ("Where", _place(row)),
        ]
    )
    click.echo(console.shown(text) if text else f"{len(row.record):,} bytes that are no text: --raw gives them")


@rejected.command("send-again")
@click.argument("names", metavar="[PARTITION@OFFSET]...", nargs=-1, type=Name())
@_filters
def send_again(
    names: tuple[tuple[int, int], ...],
    source: str | None,
    reason: str | None,
    since: int | None,
    until: int | None,
    limit: int | None,
) -> None:
    """Send rejected records again, as they were, once the cause is mended.

    Name them, or choose them by what they have in common. Each goes to its own topic again with its key, headers and
    bytes; an element of a batch goes as an event by itself. Each is admitted first, as a worker with these settings
    would admit it: what would be rejected again is said and not sent, and the exit code is 1. What was taken in
    meanwhile is a duplicate, and is ignored. Who did it is noted for the journal before anything is sent.

    \b
    circulation rejected send-again 3@1842 3@1843
    circulation rejected send-again --source //exchange.example --reason not-authorised --since 2026-11-01
    """
    if not names and source is None and reason is None and since is None and until is None:
        raise click.UsageError("name what is to be sent again, or choose it by --source, --reason, --since, --until")
    settings = configured()
    from streams.wire import emit as emitting
    from streams.wire.checking import Check

    check = Check(admission_of_settings())
    good: list[tuple[Rejected, str, Original]] = []
    failed = 0
    with _kafka(settings) as look:
        if names:
            rows = [look.one(*name) for name in names]
        else:
            rows = _those(look, source, reason, since, until, SENT_MAX + 1 if limit is None else limit)
            if limit is None and len(rows) > SENT_MAX:
                raise Refused(f"more than {SENT_MAX:,} fit: narrow it down, or give --limit")
        seen = set()
        for row in rows:
            # The same element may have been rejected twice; it is sent once.
            identity = (row.where, row.element, row.record)
            if identity in seen:
                continue
            seen.add(identity)
            topic, original = _original(look, row)
            rejection = check(original.value, topic, original.key, original.headers)
            if rejection is None:
                good.append((row, topic, original))
            else:
                failed += 1
                _say(row, rejection)
    if good:
        # Before it is sent: whoever ends this in between leaves no record that nobody is noted for.
        _noted(settings, [row.name for row, _, _ in good])
    try:
        emitting.send_records(
            settings.kafka, ((topic, original.key, original.headers, original.value) for _, topic, original in good)
        )
    except emitting.EmitError as error:
        raise click.ClickException(str(error)) from error
    for row, topic, _ in good:
        click.echo(f"sent again to {topic}: {row.name} ({_place(row)})")
    click.echo(
        f"{len(good):,} sent again" + (f", {failed:,} would be rejected again and were not sent" if failed else "")
    )
    sys.exit(1 if failed else 0)


def _original(look: Look, row: Rejected) -> tuple[str, Original]:
    """The record to send: as its sender made it where Kafka still has it, else as its bytes alone say."""
    from streams.wire.emit import place

    if row.element is None and row.where is not None:
        with contextlib.suppress(RejectedError):
            return row.where[0], look.original(row.where)
    placed = place(row.record)
    topic = placed.topic if row.where is None else row.where[0]
    return topic, Original(placed.key, list(placed.headers), row.record)


def _say(row: Rejected, rejection: Rejection) -> None:
    click.echo(console.shown(f"not sent: {row.name}: {rejection.reason}: {rejection.in_one_line}"), err=True)

"""`circulation rules history`, and what `rules show --in-force` shows: the packs as the store has them."""

from typing import Any, Final

import click
from sqlalchemy import bindparam

import detectors
from circulation.calendar import format_instant
from circulation.events.names import RULEPACK_PUBLISHED, RULES
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from streams import console
from streams.answers.kept import EVENTS, kept
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.facts.rulebook import Rulebook, start
from streams.health.store_clock import of_store
from streams.settings import Settings
from streams.store.ask import Question
from streams.store.kept_events import event_of

DIGEST_CHARACTERS_SHOWN: Final = 12


def in_force() -> tuple[Pack, str]:
    """The pack that is in force now by the clock of the store, and a sentence that says since when."""
    settings = configured()
    with looked_at(settings) as store, store.reading() as db:
        now = of_store(db, settings)
        book = Rulebook(*start(settings, detectors.RULES))
        book.refresh(db)
    packs = book()
    pack = packs.in_force(now)
    since = next((span.start for span in reversed(packs.spans()) if span.start is None or span.start <= now), None)
    if pack is packs.default:
        return pack, "in force now, from the beginning: nothing that is published is" if since is None else (
            f"in force now, since {format_instant(since)}: nothing that is published is"
        )
    return pack, f"in force now, since {format_instant(since or pack.valid_from)}"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON array.")
def history(as_json: bool) -> None:
    """Show every published version of the store's pack: who approved it, and when it was in force.

    Also those that were taken back, and those that never came into force since another kept them from it. What is in
    force is by the clock of the store.

    \b
    circulation rules history
    circulation rules history --json
    """
    settings = configured()
    rows = _history(settings)
    if as_json:
        console.document(rows)
        return
    if not rows:
        click.echo("nothing was published: the shipped pack, or that of CIRCULATION_RULES, is in force", err=True)
        return
    columns = ("version", "valid from", "valid to", "published", "source", "approved by", "in force", "digest")
    console.table(columns, [_cells(row) for row in rows])


_PUBLISHED: Final = Question(
    kept(EVENTS.taken)
    .where(EVENTS.topic == RULES, EVENTS.subject == bindparam("name"), EVENTS.type == RULEPACK_PUBLISHED)
    .order_by(EVENTS.id)
)


def _history(settings: Settings) -> list[dict[str, Any]]:
    with looked_at(settings) as store, store.reading() as db:
        now = of_store(db, settings)
        default, name = start(settings, detectors.RULES)
        rows = _PUBLISHED.rows(db, name=name)
    publications = []
    for *columns, taken_at in rows:
        event = event_of(tuple(columns))
        published = Published(parse_pack(event.data, published=True), event.time, event.source, event.id)
        publications.append((published, columns[-1] is not None, int(taken_at)))
    spans = Packs(default, [publication for publication, retracted, _ in publications if not retracted]).spans()
    return [_row(publication, retracted, taken_at, spans, now) for publication, retracted, taken_at in publications]


def _row(publication: Published, retracted: bool, taken_at: int, spans: Any, now: int) -> dict[str, Any]:
    pack = publication.pack
    own_spans = [span for span in spans if span.pack is pack]
    return {
        "pack": pack.pack,
        "version": pack.version,
        "digest": pack.digest,
        "valid_from": format_instant(pack.valid_from),
        "valid_to": None if pack.valid_to is None else format_instant(pack.valid_to),
        "published": format_instant(publication.time),
        "taken": format_instant(taken_at),
        "source": publication.source,
        "approved_by": list(pack.approved_by),
        "entries": len(pack.negative_list),
        "retracted": retracted,
        "in_force": [
            {"since": _instant(span.start), "until": None if span.end is None else format_instant(span.end)}
            for span in own_spans
        ],
        "in_force_now": any(
            (span.start is None or span.start <= now) and (span.end is None or now < span.end) for span in own_spans
        ),
    }


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    spans = ((span["since"][:10], span["until"]) for span in row["in_force"])
    state = ", ".join(f"from {since}" + (f" to {until[:10]}" if until else "") for since, until in spans)
    state = state or ("taken back" if row["retracted"] else "never")
    return (
        row["version"],
        row["valid_from"][:10],
        (row["valid_to"] or "–")[:10],
        row["published"][:19],
        row["source"],
        ", ".join(row["approved_by"]) or "nobody",
        f"{state} (now)" if row["in_force_now"] else state,
        row["digest"][:DIGEST_CHARACTERS_SHOWN],
    )

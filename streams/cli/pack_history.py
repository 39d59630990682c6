"""`circulation rules history`, and what `rules show --in-force` shows: the packs as the store has them."""

from typing import Any, Final

import click

import detectors
from circulation.calendar import format_instant
from circulation.events.names import RULEPACK_PUBLISHED, RULES
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from streams import console
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.facts.rulebook import Rulebook, start
from streams.health.store_clock import of_store
from streams.settings import Settings
from streams.store.kept_events import COLUMNS, event_of

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
    since = next((one.start for one in reversed(packs.spans()) if one.start is None or one.start <= now), None)
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
    console.table(columns, [_cells(one) for one in rows])


def _history(settings: Settings) -> list[dict[str, Any]]:
    with looked_at(settings) as store, store.reading() as db:
        now = of_store(db, settings)
        default, name = start(settings, detectors.RULES)
        query = f"select {COLUMNS}, taken from events where topic = ? and subject = ? and type = ? order by id"  # noqa: S608 ours
        rows = db.rows(query, RULES, name, RULEPACK_PUBLISHED)
    found = []
    for *columns, taken in rows:
        event = event_of(tuple(columns))
        published = Published(parse_pack(event.data, published=True), event.time, event.source, event.id)
        found.append((published, columns[-1] is not None, int(taken)))
    spans = Packs(default, [one for one, retracted, _ in found if not retracted]).spans()
    return [_row(one, retracted, taken, spans, now) for one, retracted, taken in found]


def _row(one: Published, retracted: bool, taken: int, spans: Any, now: int) -> dict[str, Any]:
    pack = one.pack
    mine = [span for span in spans if span.pack is pack]
    return {
        "pack": pack.pack,
        "version": pack.version,
        "digest": pack.digest,
        "valid_from": format_instant(pack.valid_from),
        "valid_to": None if pack.valid_to is None else format_instant(pack.valid_to),
        "published": format_instant(one.time),
        "taken": format_instant(taken),
        "source": one.source,
        "approved_by": list(pack.approved_by),
        "entries": len(pack.negative_list),
        "retracted": retracted,
        "in_force": [
            {"since": _instant(span.start), "until": None if span.end is None else format_instant(span.end)}
            for span in mine
        ],
        "in_force_now": any(
            (span.start is None or span.start <= now) and (span.end is None or now < span.end) for span in mine
        ),
    }


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _cells(one: dict[str, Any]) -> tuple[object, ...]:
    spans = ((span["since"][:10], span["until"]) for span in one["in_force"])
    state = ", ".join(f"from {since}" + (f" to {until[:10]}" if until else "") for since, until in spans)
    state = state or ("taken back" if one["retracted"] else "never")
    return (
        one["version"],
        one["valid_from"][:10],
        (one["valid_to"] or "–")[:10],
        one["published"][:19],
        one["source"],
        ", ".join(one["approved_by"]) or "nobody",
        f"{state} (now)" if one["in_force_now"] else state,
        one["digest"][:DIGEST_CHARACTERS_SHOWN],
    )

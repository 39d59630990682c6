"""`circulation queue`: what is set aside, and trying it again."""

import click

from circulation.words import many
from streams.cli.groups import Helpful
from streams.cli.inputs import configured
from streams.cli.store import looked_at


@click.group(cls=Helpful)
def queue() -> None:
    """What the judge set aside: list it, and have it tried again.

    An item that costs more than its budget, on which the monitor itself failed, or over which its process died twice
    is set aside, so that all others are judged; a finding `detector-error` says so. What it costs or an error it failed
    with is tried again by the next start, what the process died of only by `retry`.

    \b
    circulation queue list
    circulation queue retry --all
    """


@queue.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_(as_json: bool) -> None:
    """Show what is set aside, what was first there first.

    \b
    circulation queue list
    circulation queue list --json
    """
    from circulation.calendar import format_instant
    from streams import console
    from streams.judging import aside
    from streams.store import queue as queue_keys

    with looked_at(configured()) as store, store.reading() as db:
        items = aside.all_of(db)
    if as_json:
        console.document(
            [
                {
                    "item": item.digest,
                    "thing": queue_keys.parts_of(item.thing),
                    "budget": item.budget,
                    "error": item.error,
                    "deaths": item.deaths,
                    "since": format_instant(item.since),
                    "finding": item.finding,
                }
                for item in items
            ]
        )
        return
    if not items:
        click.echo("nothing is set aside")
        return
    rows = [
        [
            item.digest,
            " ".join(queue_keys.parts_of(item.thing)),
            item.budget or "",
            item.error,
            format_instant(item.since),
        ]
        for item in items
    ]
    console.table(["item", "thing", "budget", "error", "since"], rows)


@queue.command("retry")
@click.argument("items", metavar="[ITEM]...", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All that is set aside.")
def retry(items: tuple[str, ...], all_: bool) -> None:
    """Have ITEMs tried again, each by itself: by the beginning of what `list` calls them.

    A worker that runs takes them up within a second; one over which the process dies once more is set aside again.

    \b
    circulation queue retry 3f9a2c41
    circulation queue retry --all
    """
    from streams.health.workers import now
    from streams.judging import aside
    from streams.store.store import PATIENCE_SECONDS, Store

    settings = configured()
    if bool(items) == all_:
        raise click.UsageError("name the items, or say --all")
    with looked_at(settings) as store:
        with store.reading() as db:
            known = [item.digest for item in aside.all_of(db)]
        wanted = [digest for digest in known if all_ or digest.startswith(items)]
        if unknown := [prefix for prefix in items if not any(digest.startswith(prefix) for digest in known)]:
            raise click.ClickException(f"nothing that is set aside is called {', '.join(unknown)}")
        # A worker that writes a SQLite file all the time lets nobody in who asks less often.
        patient_store = Store(settings.store, hurried_seconds=PATIENCE_SECONDS)
        with patient_store.writing() as db:
            count = aside.retry(db, wanted, now(db))
        patient_store.close()
    click.echo(f"{many(count, 'item is', 'items are')} tried again")

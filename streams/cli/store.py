"""The store that a command opens or looks at; that a person looked is written down."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from streams.cli.groups import TYPED, Refused
from streams.cli.inputs import voices_of_settings

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.store.store import Store

# A reader waits no longer for a locked table, seconds.
LOOK_LOCK_SECONDS: Final = 10


@contextlib.contextmanager
def opened(url: str | None, *, writable: bool = True, read_only: bool = False) -> Iterator["Store"]:
    """The store behind a URL, or one in memory. `own`: claimed and brought up to date, for writing."""
    from streams.settings import SETTINGS
    from streams.store.errors import StoreAway, StoreTaken
    from streams.store.store import Store

    if url is not None:
        check = next(setting.check for setting in SETTINGS if setting.name == "store")
        try:
            check(url)
        except ValueError as error:
            raise Refused(f"the store {error}") from error
    lock_seconds = None if writable else LOOK_LOCK_SECONDS
    store = Store("sqlite://" if url is None else url, read_only=read_only, lock_seconds=lock_seconds)
    try:
        if writable:
            store.claim()
            store.migrate()
        yield store
    except StoreTaken as error:
        raise Refused(str(error)) from error
    except StoreAway as error:
        raise click.ClickException(f"the store does not answer: {error}") from error
    finally:
        store.close()


@contextlib.contextmanager
def looked_at(settings: "Settings", *, read_only: bool = False, noted: bool = True) -> Iterator["Store"]:
    """The store that the settings name, to be looked at and not written; with `read_only` it could not be.

    That it was looked at is written down when the answer is there, which is when this is left: it must not be shown
    before. That there is no such thing is an answer, too. Without `noted` that is the caller's business.
    """
    from streams.address import address
    from streams.store import schema_version
    from streams.store.errors import StoreAway
    from streams.store.schema_version import Holds, StoreForeign, StoreNewer

    file = address(settings.store).file
    no_store = Refused(f"there is no store at {settings.store_shown}: CIRCULATION_STORE names it, a worker makes it")
    # Opening an empty file would make it a database.
    if file is not None and not _filled(file):
        raise no_store
    with opened(settings.store, writable=False, read_only=read_only) as store:
        store.voices = voices_of_settings()
        try:
            with store.reading() as db:
                if schema_version.holds(schema_version.names(db)) is Holds.EMPTY:
                    raise no_store
                if older := schema_version.behind(db, store.place):
                    raise click.ClickException(older)
            yield store
            if noted:
                _look(settings)
        except click.ClickException as error:
            if noted and error is not no_store:
                _look(settings)
            raise
        except (StoreAway, StoreForeign, StoreNewer):
            raise
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise click.ClickException(f"the store {settings.store_shown} cannot be read: {reason}") from error


def _filled(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # whoever opens it says what is wrong
        return True


def _look(settings: "Settings") -> None:
    with looking(settings) as look:
        look(())


@contextlib.contextmanager
def looking(settings: "Settings") -> Iterator[Callable[[Sequence[str]], None]]:
    """A function that journals this command's lookup, and the subjects beside its arguments.

    Where it cannot be written, one line says so, once, and the command goes on.
    """
    import time

    from streams.wire import lookups as looks

    command, arguments = _typed()
    warned = False

    def look(subjects: Sequence[str]) -> None:
        nonlocal warned
        at = time.time_ns() // 1000
        why = notebook.write(looks.looks(command, arguments, subjects, official=settings.official, at=at))
        if why is not None and not warned:
            click.echo(f"note: that this was looked at could not be written down for the journal: {why}", err=True)
            warned = True

    with looks.Notebook(settings.store) as notebook:
        yield look


def _typed() -> tuple[str, tuple[str, ...]]:
    """The command of this moment, and what was typed behind it."""
    context = click.get_current_context()
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names), tuple(context.meta.get(TYPED, ()))[len(names) :]

"""`circulation rules publish`: sends a pack to every worker, and waits until they have it."""

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

import detectors
from circulation.calendar import format_instant, parse_instant
from circulation.lint.lint import lint
from circulation.packs.in_force import Packs, Published
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.voices import OFFICIALS
from streams import console
from streams.address import address
from streams.cli.backtest import limits_of, over_store
from streams.cli.groups import UNDECIDED, Refused
from streams.cli.inputs import admission_of_settings, configured, named, read_rules, voices_of_settings
from streams.facts.rulebook import in_store, start
from streams.health.store_clock import now_of
from streams.process import collect_rarely
from streams.settings import Settings
from streams.store.store import Store

if TYPE_CHECKING:
    from streams.wire.publishing import Sent

NOW: Final = "now"


class InstantOrNow(click.ParamType):
    """An instant, a date, or `now`, as text."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text that was given."""
        try:
            if value != NOW:
                parse_instant(value)
        except ValueError as error:
            self.fail(f"{error}; or `{NOW}`", param, ctx)
        return str(value)


@click.command()
@click.argument("path", metavar="PACK.yaml", type=click.Path(path_type=Path))
@click.option("--version", metavar="TEXT", help="Publish the content as this version: so an older one comes back.")
@click.option("--valid-from", metavar="INSTANT", type=InstantOrNow(), help="In force from then on, or from `now` on.")
@click.option("--approved-by", metavar="NAME", multiple=True, help="Who approved it, in place of what the file says.")
@click.option("--backtest", "checked", is_flag=True, help="Backtest it first; not published if a rule would be held.")
@click.option("--no-wait", is_flag=True, help="Send it, and do not wait until the workers have admitted it.")
def publish(
    path: Path, version: str | None, valid_from: str | None, approved_by: tuple[str, ...], checked: bool, no_wait: bool
) -> None:
    """Publish a pack to circulation.rules: every worker goes by it, as a whole, without a restart.

    It is admitted first as a worker would admit it, with the same limits (16 MiB as an event, beyond which it is sent
    packed, and 64 MiB unpacked) and CIRCULATION_SOURCES; what they would reject is not sent. Then it waits until every
    worker of CIRCULATION_STORE has admitted it: from its valid_from on it is in force. Exit 1: they rejected it. Exit
    3: it is sent, and no worker lives, or one has been silent for 30 s. --no-wait only sends it.

    What enforces needs two approvers. Of all versions that are valid the one with the latest valid_from is in force,
    of equal ones the one that was published last. So to roll back, publish the older content as a new version, valid
    from now on; workers say by its digest (/ready, circulation_pack_info) that they run it. Where the store can be
    read, it is said if another version keeps this one from being in force.

    With --backtest the pack is first tried over the store as if it had been in force for ever. Where a detector would
    newly fire on more of what it looks at than the breaker allows (CIRCULATION_BREAKER_PERCENT), nothing is published,
    and the exit code is 1.

    \b
    circulation rules publish pack.yaml
    circulation rules publish pack.yaml --backtest
    circulation rules publish pack-1.yaml --version 3 --valid-from now
    """
    settings = configured()
    collect_rarely()
    now = time.time_ns() // 1000
    store_now = now_of(settings, now)
    valid_from = format_instant(store_now) if valid_from == NOW else valid_from
    overrides = {"version": version, "valid_from": valid_from, "approved_by": list(approved_by) or None}
    pack = _published(path, {name: value for name, value in overrides.items() if value is not None})
    if checked:
        _check(pack, settings)
    from streams.wire import emit as emitting
    from streams.wire import publishing

    record = publishing.event_of(pack, now)
    admission = admission_of_settings()
    try:
        publishing.admit(record, pack.pack.encode(), admission, now)
    except publishing.Unfit as error:
        raise Refused("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    try:
        sent = publishing.send(settings.kafka, record, pack, publishing.id_of(pack, now))
    except emitting.EmitError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"published {named(pack)}")
    for remark in lint(orjson.loads(pack.canonical), detectors.RULES).errors:
        click.echo(f"warning: `circulation rules lint` calls it an error: {remark}", err=True)
    for warning in _doubts(settings, pack, now, store_now):
        click.echo(f"warning: {warning}", err=True)
    if no_wait:
        return
    _await(settings, pack, sent)


def _await(settings: Settings, pack: Pack, sent: "Sent") -> None:
    """Waits for the workers, and ends with exit 1 or 3 where not all of them have the pack."""
    from streams.wire import publishing

    counted = 0
    file = address(settings.store).file
    if file is not None and not file.is_file():
        answer = publishing.Answer("undecided", "there is no store yet: it is admitted when a worker is started")
    else:
        with console.progress("wait for workers", None, unit="workers") as advance:

            def progressed(have: int, _: int) -> None:
                nonlocal counted
                if advance is not None and have > counted:
                    advance(have - counted)
                    counted = have

            with contextlib.closing(Store(settings.store, read_only=True)) as store:
                store.voices = voices_of_settings()
                answer = publishing.wait(store, settings.kafka, sent, progressed)
    if answer.state == "admitted":
        click.echo(f"{answer.text}; in force from {format_instant(pack.valid_from)}")
        return
    if answer.state == "rejected":
        raise click.ClickException(f"rejected by the workers: {answer.text}")
    click.echo(f"not known to be in force: {answer.text}", err=True)
    sys.exit(UNDECIDED)


def _check(pack: Pack, settings: Settings) -> None:
    """Tries a pack over the store; it is not to be published where the breaker would hold a rule of it."""
    from streams.offline import backtest as trying

    tries = trying.Tries(pack, *start(settings, detectors.RULES))
    comparison = over_store(tries, settings, 0).compared
    held = comparison.held(pack, limits_of(settings))
    if held:
        shares = "; ".join(f"{id_} on {comparison.share(id_):.0%} of {comparison.looked_at[id_]:,}" for id_ in held)
        raise click.ClickException(
            f"not published: it would newly fire on too much of what is looked at: {shares}."
            " `circulation rules backtest` says more; without --backtest it is published all the same"
        )


def _published(path: Path, overrides: dict[str, Any]) -> Pack:
    """The pack of a file with some members given anew; refused with all that is wrong with it as a published one."""
    pack = read_rules(path)
    try:
        return parse_pack(orjson.loads(pack.canonical) | overrides, published=True)
    except PackInvalid as error:
        raise Refused("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def _doubts(settings: Settings, pack: Pack, published: int, now: int) -> Iterable[str]:
    """Yield the reasons why a pack just published (wall clock) is not in force by the clock of the store."""
    if pack.pack != settings.pack:
        yield f"CIRCULATION_PACK is {settings.pack}: workers with that setting do not run it"
        return
    known = in_store(settings)
    if known is None:
        return

    packs = Packs(known.default, [*known.published, Published(pack, published, OFFICIALS, pack.digest)])
    begins = max(now, pack.valid_from)
    first = packs.in_force(begins)
    if first.digest != pack.digest:
        yield (
            f"version {first.version}, valid from {format_instant(first.valid_from)}, is in force then: to replace it,"
            f" publish with --valid-from {NOW}, or with a later instant than that"
        )
    elif pack.valid_from > now:
        yield f"until {format_instant(pack.valid_from)} version {packs.in_force(now).version} stays in force"

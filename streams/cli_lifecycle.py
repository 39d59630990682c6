"""The life of a rule pack: `circulation rules diff`, `publish`."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click
import orjson

import detectors
from circulation.calendar import format_instant, parse_instant
from circulation.packdiff import diff as difference
from circulation.packdiff import in_words
from circulation.rulepack import Pack, PackInvalid, Packs, Published, parse_pack
from streams import console
from streams.cli import Refused, configured, named, read_rules
from streams.rulebook import PACK, in_store, parameters
from streams.settings import Settings

NOW: Final = "now"
SOURCE: Final = "circulation"


def _file() -> click.Path:
    return click.Path(path_type=Path)


@click.command()
@click.argument("old", metavar="OLD.yaml", type=_file())
@click.argument("new", metavar="NEW.yaml", type=_file())
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say in words what changes from one version of a pack to the next.

    What is compared is what a pack does: a parameter that is written out and is the default, or a list in another
    order, is no change. At the end it says what will be judged and screened again.

    \b
    circulation rules diff pack-1.yaml pack-2.yaml
    circulation rules diff pack-1.yaml pack-2.yaml --json
    """
    found = difference(read_rules(old), read_rules(new), parameters(detectors.RULES))
    if as_json:
        console.document(found.document())
        return
    click.echo(f"from {named(found.old)}")
    click.echo(f"to   {named(found.new)}")
    click.echo()
    if found.same:
        click.echo("Nothing changes.")
    console.paragraphs(in_words(found, _effect))


def _effect(detector: str, parameter: str) -> str:
    rule = detectors.RULES.get(detector)
    return rule.parameters[parameter].effect if rule is not None and parameter in rule.parameters else "no effect"


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
@click.argument("path", metavar="PACK.yaml", type=_file())
@click.option("--version", metavar="TEXT", help="Publish the content as this version: so an older one comes back.")
@click.option("--valid-from", metavar="INSTANT", type=InstantOrNow(), help="In force from then on, or from `now` on.")
@click.option("--approved-by", metavar="NAME", multiple=True, help="Who approved it, in place of what the file says.")
def publish(path: Path, version: str | None, valid_from: str | None, approved_by: tuple[str, ...]) -> None:
    """Publish a pack to circulation.rules: every worker goes by it, as a whole, without a restart.

    What enforces needs two approvers. Of all versions that are valid the one with the latest valid_from is in force,
    of equal ones the one that was published last. So to roll back, publish the older content as a new version, valid
    from now on; workers say by its digest (/ready, circulation_pack_info) that they run it. Where the store can be
    read, it is said if another version keeps this one from being in force.

    \b
    circulation rules publish pack.yaml
    circulation rules publish pack-1.yaml --version 3 --valid-from now
    """
    settings = configured()
    now = time.time_ns() // 1000
    valid_from = format_instant(now) if valid_from == NOW else valid_from
    given = {"version": version, "valid_from": valid_from, "approved_by": list(approved_by) or None}
    pack = _published(path, {name: value for name, value in given.items() if value is not None})
    from streams import emit as emitting

    event = {
        "specversion": "1.0",
        "id": pack.digest,
        "source": SOURCE,
        "type": PACK,
        "subject": pack.pack,
        "time": format_instant(now),
        "datacontenttype": "application/json",
        "data": orjson.loads(pack.canonical),
    }
    try:
        emitting.emit([orjson.dumps(event)], settings.kafka)
    except emitting.EmitError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"published {named(pack)}")
    for warning in _doubts(settings, pack, now):
        click.echo(f"warning: {warning}", err=True)


def _published(path: Path, given: dict[str, Any]) -> Pack:
    """The pack of a file with some members given anew; refused with all that is wrong with it as a published one."""
    pack = read_rules(path)
    try:
        return parse_pack(orjson.loads(pack.canonical) | given, published=True)
    except PackInvalid as error:
        raise Refused("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def _doubts(settings: Settings, pack: Pack, now: int) -> Iterable[str]:
    """What keeps a pack that was just published from being in force, as far as that can be told."""
    if pack.pack != settings.pack:
        yield f"CIRCULATION_PACK is {settings.pack}: workers with that setting do not run it"
        return
    known = in_store(settings)
    if known is None:
        return
    packs = Packs(known.default, [*known.published, Published(pack, now, SOURCE, pack.digest)])
    begins = max(now, pack.valid_from)
    first = packs.in_force(begins)
    if first.digest != pack.digest:
        yield (
            f"version {first.version}, valid from {format_instant(first.valid_from)}, is in force then: to replace it,"
            f" publish with --valid-from {NOW}, or with a later instant than that"
        )
    elif pack.valid_from > now:
        yield f"until {format_instant(pack.valid_from)} version {packs.in_force(now).version} stays in force"

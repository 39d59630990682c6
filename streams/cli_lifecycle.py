"""The life of a rule pack: `circulation rules diff`, `backtest`, `compare`, `publish`."""

import contextlib
import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

import detectors
from circulation.calendar import format_instant, parse_instant
from circulation.findings import SEVERITIES
from circulation.lint import lint
from circulation.packdiff import diff as difference
from circulation.packdiff import in_words
from circulation.rulepack import Pack, PackInvalid, Packs, Published, parse_pack
from streams import console
from streams.breaker import Limits
from streams.cli import Refused, admission_of_settings, configured, events_of, looked_at, named, read_rules
from streams.cli_look import Detector, Instant
from streams.rulebook import PACK, RULES, Rulebook, in_store, parameters, start
from streams.settings import SETTINGS, Settings
from streams.store import Store

if TYPE_CHECKING:
    from streams.backtest import Ran, Tries
    from streams.replay import Record

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


@click.command()
@click.argument("path", metavar="PACK.yaml", type=_file())
@click.option("--events", metavar="FILE|ARCHIVE", type=_file(), help="Over these events, in place of the store's.")
@click.option("--store", metavar="URL", help="Over what this store keeps.", show_default="CIRCULATION_STORE")
@click.option(
    "--against", metavar="PACK.yaml", type=_file(), help="With --events: the pack in force, where they hold none."
)
@click.option("--since", metavar="INSTANT", type=Instant(), help="The pack is in force from then on, not for ever.")
@click.option("--until", metavar="INSTANT", type=Instant(), help="Only what occurred before this instant counts.")
@click.option("--as-published", is_flag=True, help="The pack is in force as its own valid_from and valid_to say.")
@click.option("--examples", type=click.IntRange(0, 1_000), default=3, show_default=True, help="Of each difference.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def backtest(
    path: Path,
    events: Path | None,
    store: str | None,
    against: Path | None,
    since: int | None,
    until: int | None,
    as_published: bool,
    examples: int,
    as_json: bool,
) -> None:
    """Say what a pack would find that the one in force does not, and what it would not find; touch nothing live.

    Over the store it is judged what the store keeps: a copy is made, and nothing is written to the store. Uses are
    counted there and not kept, so what their tallies found stays as it is; --events answers for them, from a file or
    from what `circulation archive` kept.

    Without --since the pack is taken to have been in force for ever; with --as-published when it says itself.

    
    circulation rules backtest pack.yaml
    circulation rules backtest pack.yaml --events archive/ --since 2026-01-01
    circulation rules backtest pack.yaml --as-published --json
    """
    if since is not None and as_published:
        raise click.UsageError("--since and --as-published say two things of when the pack is in force")
    if events is not None and store is not None:
        raise click.UsageError("--events and --store are two things to go over")
    if events is None and against is not None:
        raise click.UsageError("--against goes with --events: a store has its own packs")
    settings = configured()
    pack = read_rules(path)
    default, name = start(settings, detectors.RULES)
    if against is not None:
        default = read_rules(against)
        name = default.pack
    from streams import backtest as trying

    tries = trying.Tries(pack, default, name, trying.Span(since, until), as_published)
    if events is not None:
        ran = _over_events(tries, events, examples)
    else:
        ran = _over_store(tries, settings if store is None else _with_store(settings, store), examples)
    found = trying.document(ran, tries, _limits(settings), kept=events is None)
    if as_json:
        console.document(found)
    else:
        _tell(found, settings)


def _with_store(settings: Settings, url: str) -> Settings:
    given = next(one for one in SETTINGS if one.name == "store")
    try:
        return dataclasses.replace(settings, store=given.check(url))
    except ValueError as error:
        raise Refused(f"--store {error}") from error


def _over_events(tries: "Tries", path: Path, examples: int) -> "Ran":
    from streams import backtest as trying

    events_of(path)
    if not path.is_dir() and not path.is_file():
        raise Refused(f"{path} must be a file or a folder: it is read twice")
    admission = admission_of_settings()
    with contextlib.ExitStack() as stack:

        def lines(label: str) -> "Iterable[bytes | Record]":
            stack.pop_all().close()
            found, total, unit = events_of(path, warn=False)
            advance = stack.enter_context(console.progress(label, total, unit=unit))
            return console.watched(found, advance, by_bytes=unit == "bytes")

        try:
            return trying.over_events(tries, lines, admission, examples_max=examples)
        except OSError as error:
            raise Refused(f"{path}: {error}") from error


def _over_store(tries: "Tries", settings: Settings, examples: int) -> "Ran":
    from streams import backtest as trying

    # It touches nothing live (contract §6), and so does not write down that it looked.
    with looked_at(settings, read_only=True, noted=False) as live, contextlib.ExitStack() as stack:
        copying = stack.enter_context(console.progress("copy", trying.rows_of(live), unit="rows"))
        judging = stack.enter_context(console.progress("judge", None, unit="items"))
        clock = clock_of(live, settings)
        return trying.over_store(tries, live, clock, examples_max=examples, copying=copying, judging=judging)


def clock_of(live: Store, settings: Settings) -> int:
    """The instant up to which workers with these settings let deadlines pass."""
    if settings.clock == "wall":
        return time.time_ns() // 1000
    with live.reading() as db:
        row = db.one("select max(time_max) from progress where topic <> ?", RULES)
    return int(row[0]) if row and row[0] is not None else 0


def _tell(found: dict[str, Any], settings: Settings) -> None:
    pack, by_detector = found["pack"], found["detectors"]
    differ = {id_: one for id_, one in by_detector.items() if one["raised"] or one["cleared"] or one["changed"]}
    span = f", as if it were in force from {found['since']} on" if found["since"] else ", as if it were always in force"
    span = ", in force as its own valid_from and valid_to say" if found["as_published"] else span
    span += f"; what occurred before {found['until']}" if found["until"] else ""
    click.echo(f"pack {pack['pack']}, version {pack['version']}, digest {pack['digest']}")
    click.echo(f"over {found['events']:,} events{span}")
    if differ:
        columns = ("detector", "mode", "looked at", "before", "after", "raised", "cleared", "changed", "share")
        console.table(columns, [_row(id_, one) for id_, one in differ.items()], colour="mode")
    alike = len(by_detector) - len(differ)
    click.echo(f"{alike or 'no'} {'other ' if differ else ''}detectors find something, and the same as before")
    for one in found["examples"]:
        _example(one)
    cases, credit = found["cases"], found["credit"]
    click.echo(f"cases in which something stands: {cases['before']:,} before, {cases['after']:,} after")
    click.echo(f"credit: the score of {credit['fell']:,} parties would fall, that of {credit['rose']:,} rise")
    if found["not_judged"]:
        standing = sum(by_detector[one]["before"] for one in found["not_judged"] if one in by_detector)
        click.echo(
            f"note: uses are counted and not kept, so what {', '.join(found['not_judged'])} found in them stays as it"
            f" is ({standing:,} findings stand); --events with a file or an archive judges uses too",
            err=True,
        )
    if found["rejected"]:
        click.echo(f"note: {found['rejected']:,} events were rejected", err=True)
    for id_, one in differ.items():
        if one["held"]:
            click.echo(
                f"warning: {id_} would newly fire on {one['share']:.0%} of {one['looked_at']:,} that it looks at: more"
                f" than {settings.breaker_percent} %, and the breaker would hold its alerts",
                err=True,
            )


def _row(id_: str, one: dict[str, Any]) -> tuple[object, ...]:
    def graded(numbers: dict[str, int]) -> str:
        return ", ".join(
            f"{numbers[severity]:,} {severity}" for severity in reversed(SEVERITIES) if severity in numbers
        )

    changed = ", ".join(f"{n:,} {member}" for member, n in one["changed_members"].items())
    share = "–" if one["share"] is None else f"{one['share']:.1%}"
    numbers = [f"{one[name]:,}" for name in ("looked_at", "before", "after")]
    return (
        id_,
        one["mode"],
        *numbers,
        graded(one["raised"]) or "–",
        graded(one["cleared"]) or "–",
        changed or "–",
        share,
    )


def _example(one: dict[str, Any]) -> None:
    what = f"{one['what']} {one['severity']} {one['detector']} about {one['about']['id']}"
    before = ""
    if "before" in one:
        was = {
            name: value for name, value in one["before"].items() if name not in ("summary", "evidence", "legal_basis")
        }
        before = f" (was {console.in_words(was)})" if was else ""
    click.echo(console.shown(f"  {what}, {one['occurred'][:10]}: {one['summary']}{before}"))


@click.command()
@click.option("--detector", metavar="ID", type=Detector(), help="Only this one; else all that are, or were, in shadow.")
@click.option("--since", metavar="INSTANT", type=Instant(), help="Only what occurred at this instant or later.")
@click.option("--until", metavar="INSTANT", type=Instant(), help="Only what occurred before this instant.")
@click.option("--examples", type=click.IntRange(0, 1_000), default=3, show_default=True, help="Of each detector.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def compare(detector: str | None, since: int | None, until: int | None, examples: int, as_json: bool) -> None:
    """Compare what detectors in shadow found with what is acted upon, before they are enforced.

    To try a detector, or other parameters of it, on the living market: publish a version of the pack in which its mode
    is shadow. It judges and finds as always, and nothing follows: no cases, no alerts, no points. After a while this
    says what it found, beside what the same detector found while it was acted upon, what would follow from it, and
    whether other detectors found something about the same things. Then publish a version in which it is enforced, or
    let it be.

    \b
    circulation rules compare
    circulation rules compare --detector paper-trade --since 2026-01-01
    """
    settings = configured()
    from streams import shadow

    window = shadow.Window(since, until)
    with looked_at(settings, read_only=True) as store:
        default, name = start(settings, detectors.RULES)
        book = Rulebook(default, name)
        now = clock_of(store, settings)
        with store.reading() as db:
            book.refresh(db)
            wanted = [detector] if detector is not None else shadow.tried(db, book(), now)
            found = [shadow.compare(db, book(), one, window, now, examples_max=examples) for one in wanted]
    if as_json:
        console.document(found)
        return
    if not found:
        click.echo("no detector is in shadow, and none found anything there", err=True)
    for one in found:
        _tell_shadow(one)


def _tell_shadow(one: dict[str, Any]) -> None:
    click.echo(f"{one['detector']}  {one['title']}; now in mode {one['mode']}")
    follows = one["if_enforced"]
    follow = (
        f"{follows['cases']:,} cases; about {follows['known']:,} of these things other detectors found something;"
        f" {follows['parties']:,} parties responsible, {follows['points']:,} points in all, before any limit"
    )
    examples = []
    for each in one["examples"]:
        others = f"; also {', '.join(each['others'])}" if each["others"] else ""
        about = f"{each['severity']} about {each['about']['id']}, {each['occurred'][:10]}"
        examples.append(f"{about}: {each['summary']}{others}")
    console.paragraphs(
        [
            ("In shadow", _side(one["shadow"])),
            ("Acted upon", _side(one["live"])),
            ("If it were enforced", follow if one["shadow"]["found"] else ""),
            ("The latest", examples),
        ]
    )


def _side(one: dict[str, Any]) -> str:
    when = ", ".join(
        " ".join(f"{word} {at[:10]}" for word, at in (("from", span["since"]), ("until", span["until"])) if at)
        or "always"
        for span in one["spans"]
    )
    if not when and not one["found"]:
        return "never"
    numbers = ", ".join(f"{one['found'][s]:,} {s}" for s in reversed(SEVERITIES) if s in one["found"]) or "nothing"
    acts = ""
    if one["looked_at"] is None:
        acts = "; how many uses it looked at is not kept"
    elif one["share"] is not None:
        acts = f" in {one['looked_at']:,} acts that it looked at ({one['share']:.1%})"
    return f"{when or 'in sandboxes'}: found {numbers}{acts}"


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
@click.option("--backtest", "checked", is_flag=True, help="Backtest it first; not published if a rule would be held.")
def publish(
    path: Path, version: str | None, valid_from: str | None, approved_by: tuple[str, ...], checked: bool
) -> None:
    """Publish a pack to circulation.rules: every worker goes by it, as a whole, without a restart.

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
    now = time.time_ns() // 1000
    valid_from = format_instant(now) if valid_from == NOW else valid_from
    given = {"version": version, "valid_from": valid_from, "approved_by": list(approved_by) or None}
    pack = _published(path, {name: value for name, value in given.items() if value is not None})
    if checked:
        _check(pack, settings)
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
    for remark in lint(orjson.loads(pack.canonical), parameters(detectors.RULES)).errors:
        click.echo(f"warning: `circulation rules lint` calls it an error: {remark}", err=True)
    for warning in _doubts(settings, pack, now):
        click.echo(f"warning: {warning}", err=True)


def _check(pack: Pack, settings: Settings) -> None:
    """Tries a pack over the store; it is not to be published where the breaker would hold a rule of it."""
    from streams import backtest as trying

    tries = trying.Tries(pack, *start(settings, detectors.RULES))
    found = _over_store(tries, settings, 0).compared
    held = found.held(pack, _limits(settings))
    if held:
        many = "; ".join(f"{one} on {found.share(one):.0%} of {found.looked_at[one]:,}" for one in held)
        raise click.ClickException(
            f"not published: it would newly fire on too much of what is looked at: {many}."
            " `circulation rules backtest` says more; without --backtest it is published all the same"
        )


def _limits(settings: Settings) -> Limits:
    return Limits(settings.breaker_percent, settings.breaker_looks_min, settings.breaker_seconds)


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

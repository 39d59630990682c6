"""`circulation rules backtest`: what a pack would find that the one in force does not."""

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import detectors
from circulation.findings import SEVERITIES
from circulation.words import many
from streams import console
from streams.breaker import Limits
from streams.cli.findings import Instant
from streams.cli.groups import Refused
from streams.cli.inputs import admission_of_settings, configured, events_of, read_rules
from streams.cli.store import looked_at
from streams.facts.rulebook import start
from streams.health.store_clock import of_store
from streams.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from streams.offline.backtest import Ran, Tries
    from streams.wire.files import Record


@click.command()
@click.argument("path", metavar="PACK.yaml", type=click.Path(path_type=Path))
@click.option(
    "--events",
    metavar="FILE|ARCHIVE",
    type=click.Path(path_type=Path),
    help="Over these events, in place of the store's.",
)
@click.option("--store", metavar="URL", help="Over what this store keeps.", show_default="CIRCULATION_STORE")
@click.option(
    "--against",
    metavar="PACK.yaml",
    type=click.Path(path_type=Path),
    help="With --events: the pack in force, where they hold none.",
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
    from streams.offline import backtest as trying
    from streams.offline import comparison

    tries = trying.Tries(pack, default, name, comparison.Span(since, until), as_published)
    if events is not None:
        ran = _over_events(tries, events, examples)
    else:
        ran = over_store(tries, settings if store is None else _with_store(settings, store), examples)
    report = trying.document(ran, tries, limits_of(settings), kept=events is None)
    if as_json:
        console.document(report)
    else:
        _tell(report, settings)


def _with_store(settings: Settings, url: str) -> Settings:
    setting = next(setting for setting in SETTINGS if setting.name == "store")
    try:
        return dataclasses.replace(settings, store=setting.check(url))
    except ValueError as error:
        raise Refused(f"--store {error}") from error


def _over_events(tries: "Tries", path: Path, examples: int) -> "Ran":
    from streams.offline import backtest as trying

    events_of(path)
    if not path.is_dir() and not path.is_file():
        raise Refused(f"{path} must be a file or a folder: it is read twice")
    admission = admission_of_settings(offline=True)
    with contextlib.ExitStack() as stack:

        def lines(label: str) -> "Iterable[bytes | Record]":
            stack.pop_all().close()
            records, total, unit = events_of(path, warn=False)
            advance = stack.enter_context(console.progress(label, total, unit=unit))
            return console.watched(records, advance, by_bytes=unit == "bytes")

        try:
            return trying.over_events(tries, lines, admission, examples_max=examples)
        except OSError as error:
            raise Refused(f"{path}: {error}") from error


def over_store(tries: "Tries", settings: Settings, examples: int) -> "Ran":
    from streams.offline import backtest as trying

    # It touches nothing live (contract §6), and so does not write down that it looked.
    with looked_at(settings, read_only=True, noted=False) as live, contextlib.ExitStack() as stack:
        copying = stack.enter_context(console.progress("copy", trying.rows_of(live), unit="rows"))
        judging = stack.enter_context(console.progress("judge", None, unit="items"))
        with live.reading() as db:
            clock = of_store(db, settings)
        return trying.over_store(tries, live, clock, examples_max=examples, copying=copying, judging=judging)


def _tell(report: dict[str, Any], settings: Settings) -> None:
    pack, by_detector = report["pack"], report["detectors"]
    differ = {
        id_: change for id_, change in by_detector.items() if change["raised"] or change["cleared"] or change["changed"]
    }
    span = (
        f", as if it were in force from {report['since']} on" if report["since"] else ", as if it were always in force"
    )
    span = ", in force as its own valid_from and valid_to say" if report["as_published"] else span
    span += f"; what occurred before {report['until']}" if report["until"] else ""
    click.echo(f"pack {pack['pack']}, version {pack['version']}, digest {pack['digest']}")
    click.echo(f"over {many(report['events'], 'event')}{span}")
    if differ:
        columns = ("detector", "mode", "looked at", "before", "after", "raised", "cleared", "changed", "share")
        console.table(columns, [_row(id_, change) for id_, change in differ.items()], colour="mode")
    alike = len(by_detector) - len(differ)
    other = "other " if differ else ""
    same = many(alike, f"{other}detector finds", f"{other}detectors find") if alike else f"no {other}detectors find"
    click.echo(f"{same} something, and the same as before")
    for example in report["examples"]:
        _example(example)
    cases, credit = report["cases"], report["credit"]
    click.echo(f"cases in which something stands: {cases['before']:,} before, {cases['after']:,} after")
    fell = many(credit["fell"], "party", "parties")
    click.echo(f"credit: the score of {fell} would fall, that of {credit['rose']:,} rise")
    if report["not_judged"]:
        standing = sum(by_detector[id_]["before"] for id_ in report["not_judged"] if id_ in by_detector)
        click.echo(
            f"note: uses are counted and not kept, so what {', '.join(report['not_judged'])} found in them stays as it"
            f" is ({many(standing, 'finding stands', 'findings stand')}); --events with a file or an archive judges"
            " uses too",
            err=True,
        )
    if report["rejected"]:
        click.echo(f"note: {many(report['rejected'], 'event was', 'events were')} rejected", err=True)
    for id_, change in differ.items():
        if change["held"]:
            click.echo(
                f"warning: {id_} would newly fire on {change['share']:.0%} of {change['looked_at']:,} that it looks at:"
                f" more than {settings.breaker_percent} %, and the breaker would hold its alerts",
                err=True,
            )


def _row(id_: str, change: dict[str, Any]) -> tuple[object, ...]:
    def graded(numbers: dict[str, int]) -> str:
        return ", ".join(
            f"{numbers[severity]:,} {severity}" for severity in reversed(SEVERITIES) if severity in numbers
        )

    changed = ", ".join(f"{n:,} {member}" for member, n in change["changed_members"].items())
    share = "–" if change["share"] is None else f"{change['share']:.1%}"
    numbers = [f"{change[name]:,}" for name in ("looked_at", "before", "after")]
    return (
        id_,
        change["mode"],
        *numbers,
        graded(change["raised"]) or "–",
        graded(change["cleared"]) or "–",
        changed or "–",
        share,
    )


def _example(example: dict[str, Any]) -> None:
    heading = f"{example['what']} {example['severity']} {example['detector']} about {example['about']['id']}"
    before = ""
    if "before" in example:
        was = {
            name: value
            for name, value in example["before"].items()
            if name not in ("summary", "evidence", "legal_basis")
        }
        before = f" (was {console.in_words(was)})" if was else ""
    click.echo(console.shown(f"  {heading}, {example['occurred'][:10]}: {example['summary']}{before}"))


def limits_of(settings: Settings) -> Limits:
    return Limits(settings.breaker_percent, settings.breaker_looks_min, settings.breaker_seconds)

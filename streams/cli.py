"""The command line: `circulation COMMAND`.

What is heavy is imported inside the commands, so that help is there at once.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from circulation.admission import Admission
    from circulation.rulepack import Pack
    from streams.replay import Record
    from streams.settings import Settings
    from streams.store import Store

# Commands that live in another module: where, and the line that the list shows without importing it.
ELSEWHERE: Final = {
    "dashboards": (
        "dashboards.command:dashboards",
        "Write Grafana dashboards, their provisioning, and Prometheus rules.",
    ),
    "archive": (
        "streams.cli_archive:archive",
        "Keep the input topics as Parquet, and verify what was kept.",
    ),
    "kafka": ("streams.cli_deploy:kafka", "A Kafka of your own on this machine: start, stop, status."),
    "simulate": (
        "streams.cli_simulate:simulate",
        "Make a market with violations planted in it, and list what must be found.",
    ),
    "trace": ("streams.cli_trace:trace", "Look through an ASSET: what it came from, what came of it, who holds it."),
    "impact": (
        "streams.cli_impact:impact_",
        "Say what a step would reach: an ASSET regraded, an ENTRY, a GRANT revoked.",
    ),
    "party": ("streams.cli_impact:party_", "Show a PARTY with its group: who controls whom, what they hold."),
    "findings": ("streams.cli_look:findings", "Show the findings that stand, from the store, or explain one."),
    "credit": ("streams.cli_credit:credit", "The statement of credit of a PARTY: its score, and what made it."),
    "cases": ("streams.cli_cases:cases", "Show the cases, newest first; with a CASE its life and its findings."),
    "case": (
        "streams.cli_cases:case",
        "Send what an official does to a case: acknowledge, order, rectify, close, reopen.",
    ),
    "topics": ("streams.cli_deploy:topics", "The topics of CIRCULATION_KAFKA: make them."),
}
# The same for commands of `circulation rules`.
RULES_ELSEWHERE: Final = {
    "lint": "streams.cli_rules:lint",
    "show": "streams.cli_rules:show",
    "coverage": "streams.cli_rules:coverage",
    "diff": "streams.cli_lifecycle:diff",
    "backtest": "streams.cli_lifecycle:backtest",
    "compare": "streams.cli_lifecycle:compare",
    "publish": "streams.cli_lifecycle:publish",
}
SECTIONS: Final = {
    "To begin": ("demo", "kafka", "topics"),
    "Events": ("worker", "emit", "replay", "simulate", "archive"),
    "What was found": ("findings", "trace", "impact", "party", "cases", "case", "credit"),
    "Rules": ("rules",),
    "This program": ("dashboards", "settings", "completion"),
}
# What was typed after `circulation`, in the context of the command that runs.
TYPED: Final = "streams.cli.typed"
FINDINGS_SHOWN_MAX: Final = 40
WRITE_BUFFER_BYTES: Final = 1 << 20
SHELLS: Final = ("bash", "zsh", "fish")


class Refused(click.ClickException):
    """A file, a pack or a setting is wrong: one line each, exit 2."""

    exit_code = 2


class Helpful(click.Group):
    """A group whose error about a command that is not there names those that are near."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but for the error; what was typed is kept for whoever asks what was looked at."""
        # The group that stands above all comes first, and what is behind it comes here again.
        ctx.meta.setdefault(TYPED, tuple(args))
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            from circulation.near import hint

            ctx.fail(f"there is no command {args[0]!r}{hint(args[0], known)}")
        return super().resolve_command(ctx, args)


def _imported(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


class Rules(Helpful):
    """The group of rule packs; some of its commands live in other modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, those that live here first."""
        return [*self.commands, *RULES_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, from where it lives."""
        if cmd_name in RULES_ELSEWHERE:
            return _imported(RULES_ELSEWHERE[cmd_name])
        return super().get_command(ctx, cmd_name)


class Commands(Helpful):
    """A group that shows its commands by section, and imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order in which a new user meets them."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, from where it lives."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        return _imported(ELSEWHERE[cmd_name][0])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections, with a line for each command."""
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, self._about(ctx, name)) for name in names])

    def _about(self, ctx: click.Context, name: str) -> str:
        if name in ELSEWHERE:
            return ELSEWHERE[name][1]
        command = super().get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command else ""


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib import metadata

        try:
            found = metadata.version("circulation")
        except metadata.PackageNotFoundError:
            found = "(not installed: runs from a checkout)"
        click.echo(f"circulation {found}")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Examples:
  circulation demo                                   the whole thing, with a story
  circulation replay events.jsonl                    judge a file, without Kafka
  circulation kafka start && circulation topics create
  circulation worker                                 in one terminal, and in another
  circulation emit events.jsonl && circulation findings
  circulation trace ASSET                            where it came from, and where it went

Settings are environment variables, CIRCULATION_...; `circulation settings` lists them.

Exit codes: 0 done (whatever was found), 1 it failed or what was asked for is not there, 2 a file, an argument or a
setting is wrong.""",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def cli() -> None:
    """Watches the circulation of data: who traded, used, exported and derived what, and which rules it broke.

    Events come in on Kafka, CloudEvents of exchanges and OpenLineage runs; workers judge them by a rule pack, exactly
    once; findings go out on Kafka and stay in the store. COMMAND --help explains each command.
    """


def main() -> None:
    """The entry point of the distribution."""
    cli(prog_name="circulation")


def configured() -> "Settings":
    from streams.settings import Settings, SettingsInvalid

    try:
        return Settings.read(os.environ)
    except SettingsInvalid as error:
        raise Refused(str(error)) from error


def _readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def events_of(path: Path, *, warn: bool = True) -> "tuple[Iterable[bytes | Record], int | None, str]":
    """What a path holds: lines, or the records of an archive; and how much of which unit, as far as that is known.

    `warn` says what an archive lacks.
    """
    from streams.replay import lines_of

    if path.is_dir() or path.suffix == ".parquet":
        from streams import archive

        try:
            found = archive.spans(path)
        except OSError as error:
            raise Refused(f"cannot read {error}") from error
        for problem in archive.breaks(found) if warn else ():
            click.echo(f"warning: {problem}", err=True)
        return archive.records(found), sum(span.records for span in found), "records"
    _readable(path)
    known = path.suffix not in (".gz", ".zst") and path.is_file()
    return lines_of(path), path.stat().st_size if known else None, "bytes" if known else "lines"


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def read_rules(path: Path) -> "Pack":
    import detectors
    from circulation.rulepack import PackInvalid
    from streams.rulebook import read_pack

    try:
        return read_pack(_raw(path), detectors.RULES)
    except PackInvalid as error:
        raise Refused("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def admission_of_settings() -> "Admission":
    from circulation.admission import Admission, Sources, SourcesInvalid

    path = os.environ.get("CIRCULATION_SOURCES")
    if not path:
        return Admission()
    try:
        return Admission(Sources.parse(_raw(Path(path))))
    except SourcesInvalid as error:
        raise Refused("\n".join(f"CIRCULATION_SOURCES {path}: {line}" for line in error.problems)) from error


@cli.command()
@click.option("--keep", is_flag=True, help="Leave everything running at the end, to look around.")
@click.option("--stop", is_flag=True, help="Only stop what --keep left running.")
@click.option(
    "--events",
    type=click.IntRange(3_000, 1_000_000),
    default=100_000,
    show_default=True,
    help="Events of the market beside the story.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    show_default="$XDG_STATE_HOME/circulation/demo",
    help="Where the broker, the store and the logs live.",
)
def demo(keep: bool, stop: bool, events: int, folder: Path | None) -> None:
    """Run the whole thing on this machine, with a story.

    Starts a Kafka on loopback, PostgreSQL where this machine has it (else SQLite), and workers; tells, act by act, a
    story of licences overrun, prohibited sources, exports without assessment, and of an objection that is upheld; sends
    a market of 100,000 events beside it, and kills a worker on the way. At the end it shows what was found, holds it
    against what had to be found (exit 1 where anything was missed), and says how to go on. It takes about a minute and
    needs Java and Maven; the broker's jars are fetched once.

    \b
    circulation demo
    circulation demo --keep        leave it running, and look around
    circulation demo --events 5000
    circulation demo --stop
    """
    from streams import demo as demonstration

    sys.exit(demonstration.stop(folder) if stop else demonstration.run(folder, keep=keep, events=events))


@cli.command()
def worker() -> None:
    """Take in events from Kafka and judge them, until stopped.

    On PostgreSQL any number of workers share the load; SQLite serves one. Stop it with Ctrl-C or SIGTERM; even a
    SIGKILL loses nothing. It answers on CIRCULATION_WEB: /metrics, /health, /ready.

    \b
    circulation worker
    CIRCULATION_STORE=postgresql://host/circulation circulation worker
    """
    settings = configured()
    from streams import worker as workers

    sys.exit(workers.main(settings))


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=None, help="Events a second at most.")
def emit(files: tuple[Path, ...], rate: float | None) -> None:
    """Send files of events to Kafka, each event to its topic.

    A file has one event a line (.jsonl, also .gz or .zst), or is a .json with an array of them. OpenLineage events may
    be among them. What has no type or topic is sent as well, so that it is rejected in public, and counted here.

    \b
    circulation emit events.jsonl
    circulation emit monday.jsonl.zst tuesday.jsonl.zst --rate 1000
    """
    settings = configured()
    for path in files:
        _readable(path)
    from streams import console
    from streams import emit as emitting

    known = all(path.suffix not in (".gz", ".zst") for path in files)
    total = sum(path.stat().st_size for path in files) if known else None
    try:
        with console.progress("emit", total, unit="bytes" if known else "events") as advance:
            lines = console.watched(emitting.lines_of_files(files), advance, by_bytes=known)
            sent = emitting.emit(lines, settings.kafka, rate=rate)
    except emitting.EmitError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise Refused(f"cannot read: {error}") from error
    click.echo(sent.in_words())


@cli.command()
@click.argument("events", metavar="EVENTS", type=click.Path(path_type=Path))
@click.option(
    "--rules", metavar="PACK.yaml", type=click.Path(path_type=Path), help="The pack in force from the beginning."
)
@click.option(
    "--findings", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="Every finding raised and cleared."
)
@click.option("--credit", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="The statement of each party.")
@click.option("--rejected", metavar="OUT.jsonl", type=click.Path(path_type=Path), help="Every line rejected, and why.")
@click.option("--store", metavar="URL", help="Keep facts and findings there; without it, nothing is kept.")
@click.option("--until", metavar="INSTANT", help="Move the clock on to this instant at the end.")
def replay(
    events: Path,
    rules: Path | None,
    findings: Path | None,
    credit: Path | None,
    rejected: Path | None,
    store: str | None,
    until: str | None,
) -> None:
    """Judge a file of events, or an archive, without Kafka, as the workers would.

    A file has one event a line (.jsonl, also .gz or .zst); an archive is a folder or a .parquet file that `circulation
    archive` wrote. The clock is the highest time among the events so far; --until moves it on at the end, so that
    deadlines pass. The same file under the same pack writes the same bytes, always. Without --findings the standing
    findings are shown.

    \b
    circulation replay events.jsonl
    circulation replay events.jsonl.zst --rules pack.yaml --findings found.jsonl --until 2026-12-31
    circulation replay archive/
    """
    from circulation.calendar import parse_instant

    until_instant: int | None = None
    if until is not None:
        try:
            until_instant = parse_instant(until)
        except ValueError as error:
            raise Refused(f"--until: {error}") from error
    lines, total, unit = events_of(events)
    pack = None if rules is None else read_rules(rules)
    admission = admission_of_settings()
    import time

    from streams import console, found
    from streams.replay import Replay, offline

    began = time.monotonic()
    with _store(store) as kept, contextlib.ExitStack() as stack:
        out = _writer(stack, findings)
        bad = _writer(stack, rejected)
        scores = _writer(stack, credit)
        replaying = Replay(
            offline(kept, pack, name=os.environ.get("CIRCULATION_PACK") or None),
            admission,
            findings=_line_sink(out),
            rejected=_line_sink(bad),
            until=until_instant,
        )
        advance = stack.enter_context(console.progress("replay", total, unit=unit))
        try:
            tally = replaying.run(console.watched(lines, advance, by_bytes=unit == "bytes"))
        except OSError as error:
            raise Refused(f"{events}: {error}") from error
        if scores is not None:
            for statement in replaying.statements():
                scores.write(statement + b"\n")
        with kept.reading() as db:
            standing = found.count(db, found.Wanted())
            rows = found.those(db, found.Wanted(), FINDINGS_SHOWN_MAX)
    if findings is None and rows:
        console.findings_table(rows)
        if standing > FINDINGS_SHOWN_MAX:
            click.echo(f"and {standing - FINDINGS_SHOWN_MAX:,} before them; --findings writes all of them")
    seconds = time.monotonic() - began
    click.echo(
        f"{tally.lines:,} {'records' if unit == 'records' else 'lines'}: {tally.admitted:,} admitted, "
        f"{tally.duplicates:,} of them duplicates; "
        f"{tally.rejected:,} rejected; {standing:,} findings stand; {seconds:.1f} s",
        err=True,
    )


def _writer(stack: contextlib.ExitStack, path: Path | None) -> IO[bytes] | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("wb", buffering=WRITE_BUFFER_BYTES))
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error


def _line_sink(out: IO[bytes] | None) -> Callable[[bytes], object]:
    return (lambda line: None) if out is None else (lambda line: out.write(line + b"\n"))


@contextlib.contextmanager
def _store(url: str | None, *, own: bool = True, read_only: bool = False) -> Iterator["Store"]:
    """The store behind a URL, or one in memory. `own`: claimed and brought up to date, for writing."""
    from streams.settings import SETTINGS
    from streams.store import Store, StoreAway, StoreTaken

    if url is not None:
        check = next(setting.check for setting in SETTINGS if setting.name == "store")
        try:
            check(url)
        except ValueError as error:
            raise Refused(f"the store {error}") from error
    store = Store("sqlite://" if url is None else url, read_only=read_only)
    try:
        if own:
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
    from sqlalchemy import make_url

    from streams.store import StoreAway

    url = make_url(settings.store)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise Refused(f"there is no store at {settings.store_shown}: CIRCULATION_STORE names it, a worker makes it")
    with _store(settings.store, own=False, read_only=read_only) as store:
        try:
            yield store
            if noted:
                _look(settings)
        except click.ClickException:
            if noted:
                _look(settings)
            raise
        except StoreAway:
            raise
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise click.ClickException(f"the store {settings.store_shown} cannot be read: {said}") from error


def _look(settings: "Settings") -> None:
    with looking(settings) as look:
        look(())


@contextlib.contextmanager
def looking(settings: "Settings") -> Iterator[Callable[[Sequence[str]], None]]:
    """What writes down that the command of this moment looks, and at which things beside its arguments.

    Where it cannot be written, one line says so, once, and the command goes on.
    """
    import time

    from streams import looks

    command, arguments = _typed()
    said = False

    def look(things: Sequence[str]) -> None:
        nonlocal said
        at = time.time_ns() // 1000
        why = notebook.write(looks.looks(command, arguments, things, official=settings.official, at=at))
        if why is not None and not said:
            click.echo(f"note: that this was looked at could not be written down for the journal: {why}", err=True)
            said = True

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


@cli.group(cls=Rules)
def rules() -> None:
    """Rule packs: lint one, show what it holds, compare it, try it, publish it.

    A pack is a YAML file with the negative list, the detectors' modes and parameters, and who is told of what.

    \b
    circulation rules lint pack.yaml              everything that is wrong with it, line by line
    circulation rules coverage                    which law is watched by what, how that is tested, and what is not
    circulation rules diff old.yaml pack.yaml     what it changes, in words
    circulation rules backtest pack.yaml          what it would find that the one in force does not
    circulation rules publish pack.yaml           every worker goes by it, without a restart
    """


def named(pack: "Pack") -> str:
    return (
        f"pack {pack.pack}, version {pack.version}, {len(pack.negative_list)} entries, "
        f"{len(pack.detectors)} detectors set, digest {pack.digest}"
    )


@cli.command()
def settings() -> None:
    """List the settings: environment variables, what they mean, and their defaults.

    \b
    circulation settings
    """
    from streams.settings import explain

    click.echo(explain())


@cli.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options.

    \b
    bash: eval "$(circulation completion bash)"      in ~/.bashrc
    zsh:  eval "$(circulation completion zsh)"       in ~/.zshrc
    fish: circulation completion fish > ~/.config/fish/completions/circulation.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(found(cli, {}, "circulation", "_CIRCULATION_COMPLETE").source())


if __name__ == "__main__":
    main()

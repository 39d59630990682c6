"""The command line: `circulation COMMAND`.

Heavy modules are imported inside the commands, so that help is there at once.
"""

import importlib
from typing import Final

import click

from streams.cli.groups import Helpful, Refused

# Commands that live in another module: where, and the line that the list shows without importing it.
ELSEWHERE: Final = {
    "demo": ("streams.cli.demo:demo", "Run the whole thing on this machine, with a story."),
    "worker": ("streams.cli.worker:worker", "Take in events from Kafka and judge them, until stopped."),
    "emit": ("streams.cli.emit:emit", "Send files of events to Kafka, each event to its topic."),
    "replay": (
        "streams.cli.replay:replay",
        "Judge a file of events, or an archive, without Kafka, as the workers would.",
    ),
    "settings": (
        "streams.cli.program:settings",
        "List the settings: environment variables, what they mean, and their defaults.",
    ),
    "completion": ("streams.cli.program:completion", "Print what makes a shell complete commands and options."),
    "dashboards": (
        "dashboards.command:dashboards",
        "Write Grafana dashboards, their provisioning, and Prometheus rules.",
    ),
    "archive": (
        "streams.cli.archive:archive",
        "Keep the topics as Parquet, in and out, and verify what was kept.",
    ),
    "kafka": ("streams.cli.deploy:kafka", "A Kafka of your own on this machine: start, stop, status."),
    "simulate": (
        "streams.cli.simulate:simulate",
        "Make a market with violations planted in it, and list what must be found.",
    ),
    "trace": ("streams.cli.trace:trace", "Look through an ASSET: what it came from, what came of it, who holds it."),
    "impact": (
        "streams.cli.impact:impact_",
        "Say what a step would reach: an ASSET regraded, an ENTRY, a GRANT revoked.",
    ),
    "party": ("streams.cli.impact:party_", "Show a PARTY with its group: who controls whom, what they hold."),
    "findings": ("streams.cli.findings:findings", "Show the findings that stand, from the store, or explain one."),
    "sources": (
        "streams.cli.sources:sources",
        "Show how good what each SOURCE says is: on time, admitted, linked, complete, agreeing.",
    ),
    "credit": ("streams.cli.credit:credit", "The statement of credit of a PARTY: its score, and what made it."),
    "cases": ("streams.cli.cases:cases", "Show the cases, newest first; with a CASE its life and its findings."),
    "case": (
        "streams.cli.cases:case",
        "Send what an official does to a case: acknowledge, order, rectify, close, reopen.",
    ),
    "topics": ("streams.cli.deploy:topics", "The topics of CIRCULATION_KAFKA: make them, and check how they are set."),
    "backup": ("streams.cli.backup:backup", "Copy the store to a new folder, as it is at one instant."),
    "restore": ("streams.cli.backup:restore", "Put a backup into the store that CIRCULATION_STORE names."),
    "feed": (
        "streams.cli.feed:feed",
        "The partitions that are read: where each is, and how one that is read no more goes on.",
    ),
    "outbox": (
        "streams.cli.outbox:outbox",
        "What Kafka refused to take, and was set aside: list it, send it again, discard it.",
    ),
    "queue": ("streams.cli.queue:queue", "What the judge set aside: list it, and have it tried again."),
    "status": ("streams.cli.status:status_", "Say whether everything is watched that should be, and what mends it."),
    "rejected": (
        "streams.cli.rejected:rejected",
        "Show what was rejected and why, and send it again once the cause is mended.",
    ),
}
# The same for commands of `circulation rules`.
RULES_ELSEWHERE: Final = {
    "lint": "streams.cli.rules:lint",
    "show": "streams.cli.rules:show",
    "coverage": "streams.cli.rules:coverage",
    "history": "streams.cli.pack_history:history",
    "diff": "streams.cli.pack_diff:diff",
    "backtest": "streams.cli.backtest:backtest",
    "compare": "streams.cli.compare:compare",
    "publish": "streams.cli.publish:publish",
}
SECTIONS: Final = {
    "To begin": ("demo", "kafka", "topics"),
    "Events": ("worker", "emit", "replay", "simulate", "archive", "feed"),
    "What was found": ("findings", "trace", "impact", "party", "cases", "case", "credit", "sources"),
    "Rules": ("rules",),
    "What an operator mends": ("status", "rejected", "outbox", "queue"),
    "This program": ("backup", "restore", "dashboards", "settings", "completion"),
}


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

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; a store of a newer schema or of another program is one sentence, whoever comes upon it."""
        from streams.store.schema_version import StoreForeign, StoreNewer

        try:
            return super().invoke(ctx)
        except (StoreForeign, StoreNewer) as error:
            raise Refused(str(error)) from error

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
            version = metadata.version("circulation")
        except metadata.PackageNotFoundError:
            version = "(not installed: runs from a checkout)"
        click.echo(f"circulation {version}")
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
setting is wrong, 3 nobody can tell yet.""",
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


if __name__ == "__main__":
    main()

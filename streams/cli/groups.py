"""Shared by commands: groups that keep the typed arguments, and the error for a refused request."""

from typing import Final

import click

# The arguments typed after `circulation`, in the context of the running command.
TYPED: Final = "streams.cli.groups.typed"
# Exit code: what was asked for is under way, and nobody can say yet how it ends.
UNDECIDED: Final = 3


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

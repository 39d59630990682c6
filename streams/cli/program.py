"""Commands about this program: its settings, and completion in a shell."""

from typing import Final

import click

SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
def settings() -> None:
    """List the settings: environment variables, what they mean, and their defaults.

    \b
    circulation settings
    """
    from streams.settings import explain

    click.echo(explain())


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options.

    \b
    bash: eval "$(circulation completion bash)"      in ~/.bashrc
    zsh:  eval "$(circulation completion zsh)"       in ~/.zshrc
    fish: circulation completion fish > ~/.config/fish/completions/circulation.fish
    """
    from click.shell_completion import get_completion_class

    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.ClickException(f"no completion for {shell}")
    program = click.get_current_context().find_root().command
    click.echo(completion_class(program, {}, "circulation", "_CIRCULATION_COMPLETE").source())

"""`circulation rules diff`: what changes from one version of a pack to the next."""

from pathlib import Path

import click

import detectors
from circulation.packs.diff import diff as difference
from circulation.packs.diff import in_words
from circulation.rules import parameters
from streams import console
from streams.cli.inputs import named, read_rules


@click.command()
@click.argument("old", metavar="OLD.yaml", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW.yaml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say in words what changes from one version of a pack to the next.

    What is compared is what a pack does: a parameter that is written out and is the default, or a list in another
    order, is no change. At the end it says what will be judged and screened again.

    \b
    circulation rules diff pack-1.yaml pack-2.yaml
    circulation rules diff pack-1.yaml pack-2.yaml --json
    """
    comparison = difference(read_rules(old), read_rules(new), parameters(detectors.RULES))
    if as_json:
        console.document(comparison.document())
        return
    click.echo(f"from {named(comparison.old)}")
    click.echo(f"to   {named(comparison.new)}")
    click.echo()
    if comparison.same:
        click.echo("Nothing changes.")
    console.paragraphs(in_words(comparison, _effect))


def _effect(detector: str, parameter: str) -> str:
    rule = detectors.RULES.get(detector)
    return rule.parameters[parameter].effect if rule is not None and parameter in rule.parameters else "no effect"

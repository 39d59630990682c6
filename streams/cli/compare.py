"""`circulation rules compare`: what detectors in shadow found, beside what is acted upon."""

from typing import Any

import click

import detectors
from circulation.findings import SEVERITIES
from circulation.words import many
from streams import console
from streams.cli.findings import Detector, Instant
from streams.cli.inputs import configured
from streams.cli.store import looked_at
from streams.facts.rulebook import Rulebook, start
from streams.health.store_clock import of_store


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
    from streams.offline import shadow

    window = shadow.Window(since, until)
    with looked_at(settings, read_only=True) as store:
        default, name = start(settings, detectors.RULES)
        book = Rulebook(default, name)
        with store.reading() as db:
            now = of_store(db, settings)
            book.refresh(db)
            wanted = [detector] if detector is not None else shadow.tried(db, book(), now)
            comparisons = [shadow.compare(db, book(), id_, window, now, examples_max=examples) for id_ in wanted]
    if as_json:
        console.document(comparisons)
        return
    if not comparisons:
        click.echo("no detector is in shadow, and none found anything there", err=True)
    for comparison in comparisons:
        _tell(comparison)


def _tell(comparison: dict[str, Any]) -> None:
    click.echo(f"{comparison['detector']}  {comparison['title']}; now in mode {comparison['mode']}")
    follows = comparison["if_enforced"]
    follow = (
        f"{many(follows['cases'], 'case')}; about {follows['known']:,} of these things other detectors found something;"
        f" {many(follows['parties'], 'party', 'parties')} responsible, {many(follows['points'], 'point')} in all,"
        " before any limit"
    )
    examples = []
    for example in comparison["examples"]:
        also = f"; also {', '.join(example['others'])}" if example["others"] else ""
        about = f"{example['severity']} about {example['about']['id']}, {example['occurred'][:10]}"
        examples.append(f"{about}: {example['summary']}{also}")
    console.paragraphs(
        [
            ("In shadow", _side(comparison["shadow"])),
            ("Acted upon", _side(comparison["live"])),
            ("If it were enforced", follow if comparison["shadow"]["found"] else ""),
            ("The latest", examples),
        ]
    )


def _side(side: dict[str, Any]) -> str:
    when = ", ".join(
        " ".join(f"{word} {at[:10]}" for word, at in (("from", span["since"]), ("until", span["until"])) if at)
        or "always"
        for span in side["spans"]
    )
    if not when and not side["found"]:
        return "never"
    numbers = ", ".join(f"{side['found'][s]:,} {s}" for s in reversed(SEVERITIES) if s in side["found"]) or "nothing"
    acts = ""
    if side["looked_at"] is None:
        acts = "; how many uses it looked at is not kept"
    elif side["share"] is not None:
        acts = f" in {many(side['looked_at'], 'act')} that it looked at ({side['share']:.1%})"
    return f"{when or 'in sandboxes'}: found {numbers}{acts}"

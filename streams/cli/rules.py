"""What a rule pack holds and what is wrong with it: `circulation rules lint`, `show`, `coverage`."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

import detectors
import packs
from circulation.calendar import format_instant
from circulation.lint.lint import Linted
from circulation.lint.lint import lint as linted
from circulation.lint.remarks import Remark
from circulation.packs.entry import PROVENANCE, Entry
from circulation.packs.pack import Pack
from circulation.packs.problems import PackInvalid
from circulation.packs.yaml import lines_of, read_yaml
from circulation.words import many
from streams import console
from streams.cli.groups import Refused
from streams.cli.inputs import named
from streams.facts.rulebook import read_pack
from streams.process import collect_rarely

WRONG: Final = 2


class Source(NamedTuple):
    """A pack as it was written: what to call it, and its YAML."""

    name: str
    raw: bytes


def _source(given: str | None) -> Source:
    """The file of this path, or the pack of this name that is shipped; without either the default."""
    if given is None:
        given = packs.DEFAULT
    if given in packs.NAMES and not Path(given).exists():
        return Source(f"{given}.yaml", packs.shipped(given))
    try:
        return Source(given, Path(given).read_bytes())
    except OSError as error:
        shipped = f"; shipped are {', '.join(packs.NAMES)}" if "." not in given else ""
        raise Refused(f"cannot read {given}: {error.strerror}{shipped}") from error


def _pack(source: Source) -> Pack:
    try:
        return read_pack(source.raw, detectors.RULES)
    except PackInvalid as error:
        raise Refused("\n".join(f"{source.name}: {problem}" for problem in error.problems)) from error


def _argument() -> Any:
    return click.argument("pack", metavar="[PACK.yaml]", required=False)


@click.command()
@_argument()
@click.option("--strict", is_flag=True, help="Warnings count: exit 2 for them, too.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
def lint(pack: str | None, strict: bool, as_json: bool) -> None:
    """Say everything that is wrong with a pack, with its line; exit 2 if anything is.

    Errors are what nobody can want: members that do not exist (with those that may have been meant), entries that can
    never match, two entries of one id at one time, thresholds in the wrong order. Warnings do not count without
    --strict: what has no effect, what lacks a second approver and so could not be published, law that was cited from
    memory and is to be verified. Without a file it is about the shipped pack.

    \b
    circulation rules lint pack.yaml
    circulation rules lint pack.yaml --strict --json
    """
    source = _source(pack)
    collect_rarely()
    found, lines = _read(source)
    failed = bool(found.errors or (strict and found.remarks))
    if as_json:
        console.document(_linted(source, found, lines))
    else:
        for one in found.remarks:
            place = f"{source.name}:{lines[one.path]}" if one.path in lines else source.name
            click.echo(console.shown(f"{place}: {one.level}: {one} [{one.kind}]"), err=True)
        _summary(source, found)
    sys.exit(WRONG if failed else 0)


def _read(source: Source) -> tuple[Linted, Mapping[str, int]]:
    """What is to be said, and the line of each place."""
    try:
        written = read_yaml(source.raw, lined=True)
    except PackInvalid as error:
        # The line is in the words: where the file cannot be read, there are no places in it.
        texts = [one.removeprefix("$: ") for one in error.problems]
        return Linted(None, tuple(Remark("error", "invalid", "$", text) for text in texts)), {}
    found = linted(written.document, detectors.RULES)
    return found, lines_of(written, {one.path for one in found.remarks})


def _summary(source: Source, found: Linted) -> None:
    counts = {level: sum(one.level == level for one in found.remarks) for level in ("error", "warning")}
    said = ", ".join(many(count, level) for level, count in counts.items() if count)
    said = said if counts["error"] else ", ".join(filter(None, ("nothing wrong", said)))
    what = f"; {named(found.pack)}" if found.pack is not None else ""
    click.echo(f"{source.name}: {said}{what}")
    if not os.environ.get("CIRCULATION_SOURCES"):
        click.echo("warning: CIRCULATION_SOURCES is not set: any source may send any type of event", err=True)


def _linted(source: Source, found: Linted, lines: Mapping[str, int]) -> dict[str, Any]:
    pack = found.pack
    return {
        "file": source.name,
        "pack": pack and pack.pack,
        "version": pack and pack.version,
        "digest": pack and pack.digest,
        "remarks": [
            {"level": one.level, "kind": one.kind, "line": lines.get(one.path, 1), "path": one.path, "text": one.text}
            for one in found.remarks
        ],
    }


@click.command()
@_argument()
@click.option("--yaml", "as_yaml", is_flag=True, help="As it was written: to begin a pack of one's own from.")
@click.option("--in-force", "now", is_flag=True, help="The pack that is in force now in CIRCULATION_STORE.")
def show(pack: str | None, as_yaml: bool, now: bool) -> None:
    """Show what a pack holds; without a file the shipped one.

    Of each entry it says on what law it rests and where that was seen: in the statute, in an excerpt, in the policy's
    own text, or nowhere yet.

    \b
    circulation rules show
    circulation rules show pack.yaml
    circulation rules show shenzhen --yaml > pack.yaml
    circulation rules show --in-force
    """
    since = ""
    if now:
        if pack is not None:
            raise click.UsageError("--in-force shows what the store has, and no file")
        from streams.cli.pack_history import in_force

        found, since = in_force()
        raw = found.canonical + b"\n"  # which is YAML
    else:
        source = _source(pack)
        found, raw = _pack(source), source.raw
    if as_yaml:
        click.echo(raw, nl=False)
        return
    click.echo(named(found))
    if since:
        click.echo(since)
    until = "" if found.valid_to is None else f" until {format_instant(found.valid_to)}"
    click.echo(f"in force from {format_instant(found.valid_from)}{until}")
    click.echo(f"approved by {', '.join(found.approved_by) or 'nobody'}")
    click.echo()
    rows = []
    for rule in detectors.RULES.values():
        setting = found.setting(rule.id)
        given = rule.settings(setting.parameters)
        rows.append((rule.id, setting.mode, ", ".join(f"{name} {value}" for name, value in given.items()), rule.title))
    console.table(("detector", "mode", "parameters", "title"), rows, colour="mode")
    if found.negative_list:
        click.echo()
        columns = ("entry", "disposition", "actions", "from", "title", "law", "seen")
        console.table(columns, [_row(entry) for entry in found.negative_list], colour="disposition")


@click.command()
@_argument()
@click.option("--open", "only_open", is_flag=True, help="Only the articles that no detector and no entry names.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document, with detectors, entries and numbers.")
def coverage(pack: str | None, only_open: bool, as_json: bool) -> None:
    """Show which article of law is watched by which detectors and entries, how they are tested, and what is not.

    The law is in packs/law.yaml; what covers it is read from what detectors and entries cite. A detector that a pack
    turns off covers nothing. Without a pack it is about all that are shipped.

    \b
    circulation rules coverage
    circulation rules coverage shenzhen --open
    circulation rules coverage pack.yaml --json
    """
    from streams.answers import coverage as matrix

    names = packs.NAMES if pack is None else (pack,)
    found = matrix.coverage([_pack(_source(name)) for name in names])
    if as_json:
        console.document(matrix.document(found))
        return
    rows = [
        (one.instrument, one.article, one.about, " ".join(one.detectors), " ".join(one.entries), matrix.answered(one))
        for one in found.articles
        if not (only_open and one.covered)
    ]
    console.table(("instrument", "article", "about", "detectors", "entries", "tests"), rows)
    for line in matrix.summary(found):
        click.echo(line)


def _row(entry: Entry) -> Sequence[str]:
    since = format_instant(entry.valid_from)[:10]
    return (
        entry.id,
        entry.disposition,
        " ".join(sorted(entry.actions)),
        since if entry.valid_to is None else f"{since} to {format_instant(entry.valid_to)[:10]}",
        entry.title,
        "; ".join(entry.legal_basis),
        "; ".join(PROVENANCE[mark] for mark in entry.provenance) or "not said",
    )

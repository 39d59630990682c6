"""The content of a rule pack and its problems: `circulation rules lint`, `show`, `coverage`."""

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


def _source(name: str | None) -> Source:
    """The file of this path, or the pack of this name that is shipped; without either the default."""
    if name is None:
        name = packs.DEFAULT
    if name in packs.NAMES and not Path(name).exists():
        return Source(f"{name}.yaml", packs.shipped(name))
    try:
        return Source(name, Path(name).read_bytes())
    except OSError as error:
        shipped = f"; shipped are {', '.join(packs.NAMES)}" if "." not in name else ""
        raise Refused(f"cannot read {name}: {error.strerror}{shipped}") from error


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
    report, lines = _read(source)
    failed = bool(report.errors or (strict and report.remarks))
    if as_json:
        console.document(_linted(source, report, lines))
    else:
        for remark in report.remarks:
            place = f"{source.name}:{lines[remark.path]}" if remark.path in lines else source.name
            click.echo(console.shown(f"{place}: {remark.level}: {remark} [{remark.kind}]"), err=True)
        _summary(source, report)
    sys.exit(WRONG if failed else 0)


def _read(source: Source) -> tuple[Linted, Mapping[str, int]]:
    """The remarks of lint, and the line of each path."""
    try:
        written = read_yaml(source.raw, lined=True)
    except PackInvalid as error:
        # The line is in the words: where the file cannot be read, there are no places in it.
        texts = [problem.removeprefix("$: ") for problem in error.problems]
        return Linted(None, tuple(Remark("error", "invalid", "$", text) for text in texts)), {}
    report = linted(written.document, detectors.RULES)
    return report, lines_of(written, {remark.path for remark in report.remarks})


def _summary(source: Source, report: Linted) -> None:
    counts = {level: sum(remark.level == level for remark in report.remarks) for level in ("error", "warning")}
    verdict = ", ".join(many(count, level) for level, count in counts.items() if count)
    verdict = verdict if counts["error"] else ", ".join(filter(None, ("nothing wrong", verdict)))
    suffix = f"; {named(report.pack)}" if report.pack is not None else ""
    click.echo(f"{source.name}: {verdict}{suffix}")
    if not os.environ.get("CIRCULATION_SOURCES"):
        click.echo("warning: CIRCULATION_SOURCES is not set: any source may send any type of event", err=True)


def _linted(source: Source, report: Linted, lines: Mapping[str, int]) -> dict[str, Any]:
    pack = report.pack
    return {
        "file": source.name,
        "pack": pack and pack.pack,
        "version": pack and pack.version,
        "digest": pack and pack.digest,
        "remarks": [
            {
                "level": remark.level,
                "kind": remark.kind,
                "line": lines.get(remark.path, 1),
                "path": remark.path,
                "text": remark.text,
            }
            for remark in report.remarks
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

        rules_pack, since = in_force()
        raw = rules_pack.canonical + b"\n"  # which is YAML
    else:
        source = _source(pack)
        rules_pack, raw = _pack(source), source.raw
    if as_yaml:
        click.echo(raw, nl=False)
        return
    click.echo(named(rules_pack))
    if since:
        click.echo(since)
    until = "" if rules_pack.valid_to is None else f" until {format_instant(rules_pack.valid_to)}"
    click.echo(f"in force from {format_instant(rules_pack.valid_from)}{until}")
    click.echo(f"approved by {', '.join(rules_pack.approved_by) or 'nobody'}")
    click.echo()
    rows = []
    for rule in detectors.RULES.values():
        setting = rules_pack.setting(rule.id)
        values = rule.settings(setting.parameters)
        rows.append((rule.id, setting.mode, ", ".join(f"{name} {value}" for name, value in values.items()), rule.title))
    console.table(("detector", "mode", "parameters", "title"), rows, colour="mode")
    if rules_pack.negative_list:
        click.echo()
        columns = ("entry", "disposition", "actions", "from", "title", "law", "seen")
        console.table(columns, [_row(entry) for entry in rules_pack.negative_list], colour="disposition")


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
    report = matrix.coverage([_pack(_source(name)) for name in names])
    if as_json:
        console.document(matrix.document(report))
        return
    rows = [
        (
            article.instrument,
            article.article,
            article.about,
            " ".join(article.detectors),
            " ".join(article.entries),
            matrix.answered(article),
        )
        for article in report.articles
        if not (only_open and article.covered)
    ]
    console.table(("instrument", "article", "about", "detectors", "entries", "tests"), rows)
    for line in matrix.summary(report):
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

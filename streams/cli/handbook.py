"""The pages of `docs/` that are written from the code: `python -m streams.cli.handbook docs/` (`make docs`).

A test holds that what lies there is what the code says, so that nothing is documented that does not exist, and nothing
exists that is not documented.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import click
import orjson

import detectors
from circulation.identifiers import Problems
from circulation.odrl import policy, vocabulary
from circulation.rules import Rule
from streams.answers import impact_document, parties, trace
from streams.answers.coverage import coverage, page
from streams.cli import event_page, module_page
from streams.cli.main import SECTIONS, cli
from streams.facts.rulebook import shipped_packs
from streams.settings import SETTINGS
from streams.store import schema

# An agreement as a contract's `policy` states it.
AGREEMENT: Final = {
    "@context": "http://www.w3.org/ns/odrl.jsonld",
    "@type": "Agreement",
    "uid": "urn:policy:1",
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"leftOperand": "count", "operator": "lteq", "rightOperand": 1000},
                {"leftOperand": "purpose", "operator": "eq", "rightOperand": "navigation"},
            ],
        }
    ],
}
PLACES = get_args(vocabulary.Place)
GENERATED = "Written by `make docs` from the code; change it there."


def pages() -> dict[str, str]:
    """Each page by its name."""
    schemas = {"trace": trace.schema(), "impact": impact_document.schema(), "party": parties.schema()}
    option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    return {
        "commands.md": "\n".join(_commands()),
        "coverage.md": "\n".join(page(coverage(shipped_packs(detectors.RULES)))),
        "detectors.md": "\n".join(_detectors()),
        "events.md": "\n".join(event_page.page(GENERATED)),
        "modules.md": "\n".join(module_page.page(GENERATED)),
        "odrl.md": "\n".join(_odrl()),
        "views.md": "\n".join(_views()),
        **{
            f"{name}.schema.json": orjson.dumps(schema, option=option).decode() + "\n"
            for name, schema in schemas.items()
        },
    }


def _odrl() -> Iterator[str]:
    """The page of ODRL: how each term is read in the policy of a contract."""
    yield from ("# Policies in ODRL", "", GENERATED, "")
    yield "The data of [a contract](events.md#circulationcontractsigned) has `terms`, or an Agreement as `policy`:"
    terms = policy.terms_of({"signed": "2025-01-01", "policy": AGREEMENT}, Problems())
    text = orjson.dumps(AGREEMENT, option=orjson.OPT_INDENT_2).decode()
    yield from ("", "```json", text, "```", "", "Signed on 2025-01-01, these are the terms:", "")
    yield from ("```json", orjson.dumps(terms).decode(), "```", "")
    yield from inspect.cleandoc(policy.__doc__ or "").partition("\n\n")[2].splitlines()
    yield from ("", "## Each term of ODRL 2.2", "", "| term | of | becomes | |", "| --- | --- | --- | --- |")
    fates = {"mapped": "mapped to", "nothing": "says nothing", "refused": "refused, because"}
    ordered = sorted(vocabulary.TERMS.items(), key=lambda entry: (PLACES.index(entry[1].place), entry[0].casefold()))
    yield from (f"| `{name}` | {term.place} | {fates[term.fate]} | {term.why} |" for name, term in ordered)
    yield ""


def _views() -> Iterator[str]:
    """The page of the SQL views, whose columns stay as they are."""
    yield from (
        "# Views",
        "",
        GENERATED,
        "",
        "For Grafana and whoever speaks SQL: views of the store, on SQLite and PostgreSQL.",
        "",
    )
    # The first paragraph is for those who make them.
    yield from inspect.cleandoc(schema.views.__doc__ or "").partition("\n\n")[2].splitlines()
    yield ""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, groups before what is in them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))


def parts(command: click.Command) -> tuple[str, list[str]]:
    """The help of a command without its examples, and the examples, a line each."""
    text, _, block = inspect.cleandoc(command.help or "").partition("\b\n")
    return text.strip(), [line.strip() for line in block.splitlines() if line.strip()]


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", GENERATED, "")
    yield "`circulation --help` lists the commands, `circulation COMMAND --help` explains one. Tables and colours are"
    yield "for terminals (`NO_COLOR` is honoured); into a pipe go plain columns, and `--json` is for programs."
    yield from ("", "| exit code | means |", "| --- | --- |", "| 0 | done, whatever was found |")
    yield "| 1 | it failed (a broker or a store is away), or what was asked for is not there |"
    yield "| 2 | a file, an argument or a setting is wrong; nothing was done |"
    yield from ("| 3 | whether all is well is not known yet: the last line says what to look at |", "")
    by_path = dict(commands(cli))
    for section, names in SECTIONS.items():
        yield from (f"## {section}", "")
        for path, command in by_path.items():
            if path[0] in names:
                yield from _command(path, command)
    yield from (
        "## Settings",
        "",
        "Environment variables; an empty one is the same as none, a wrong one stops the start.",
    )
    yield from ("", "| variable | default | meaning |", "| --- | --- | --- |")
    for setting in SETTINGS:
        default = "none" if setting.default is None else f"`{setting.default}`"
        yield f"| `{setting.variable}` | {default} | {_cell(setting.meaning)} |"
    yield ""


def _command(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(("circulation", *path)))
    usage = command.get_usage(context).removeprefix("Usage: ")
    text, examples = parts(command)
    yield from (f"### circulation {' '.join(path)}", "", f"`{' '.join(usage.split())}`", "", text, "")
    if examples:
        yield from ("```", *examples, "```", "")
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if options:
        yield from ("| option | means |", "| --- | --- |")
        for option in options:
            yield f"| `{_option(option, context)}` | {_cell(option.help or '')}{_default(option)} |"
        yield ""


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag or option.count else f"{names} {option.make_metavar(context)}"


def _default(option: click.Option) -> str:
    if isinstance(option.show_default, str):
        return f" Default: {_cell(option.show_default)}."
    return f" Default: {option.default}." if option.show_default else ""


def _detectors() -> Iterator[str]:
    yield from ("# Detectors", "", GENERATED, "")
    yield "Each is one file in `detectors/`, with examples that are tests. A rule pack may turn one off, into shadow or"
    yield "to warnings, and change its parameters; `circulation rules show` tells what a pack does. The severity is the"
    yield "plain one: a single finding may be lighter or graver, as its text says."
    yield ""
    yield "A contract sells by its signing, and by an amendment after which its asset, its seller or its buyer is"
    yield "another one, or before which it said nothing. Rules that look at prices, channels or modes of delivery also"
    yield "judge an amendment that changes these, and rules that look for a right given for some purposes or countries"
    yield "one that allows more of them. `negative-list` judges signings, as its contract names them; what is delivered"
    yield "or exported under an amended contract it holds against the list all the same."
    yield from ("", "| detector | severity | about | finds |", "| --- | --- | --- | --- |")
    for rule in detectors.RULES.values():
        yield f"| [`{rule.id}`](#{rule.id}) | {rule.severity} | {rule.about} | {_cell(rule.title)} |"
    yield ""
    for rule in detectors.RULES.values():
        yield from _detector(rule)


def _detector(rule: Rule) -> Iterator[str]:
    advice = detectors.ADVICE[rule.id]
    yield from (f"## {rule.id}", "", advice.summary, "")
    yield from (f"Severity {rule.severity}; about: {rule.about}; version {rule.version}.", "")
    for heading, text in (
        ("Why it matters", advice.why),
        ("How it may be false", advice.false_positives),
        ("What to do", advice.what_to_do),
    ):
        yield from (f"*{heading}.* {text}", "")
    if advice.more:
        yield from (advice.more, "")
    if rule.articles:
        yield from (f"Law: {'; '.join(rule.articles)}.", "")
    if rule.parameters:
        yield from ("| parameter | default | effect |", "| --- | --- | --- |")
        for name, parameter in rule.parameters.items():
            yield f"| `{name}` | {_value(parameter.default)} | {_cell(parameter.effect)} |"
        yield ""


def _value(value: Any) -> str:
    return _cell(orjson.dumps(value, default=str).decode())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(folder: Path) -> None:
    """Writes the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

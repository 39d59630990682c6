"""README, help and docs name only what exists, and all that exists is named."""

import re
import shlex
from pathlib import Path

import click
import pytest

import detectors
from circulation.lint import KINDS
from circulation.rulepack import Entry, Match, Pack
from streams import handbook
from streams.cli import cli
from streams.settings import ELSEWHERE, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERYTHING = dict(handbook.commands(cli))
CALLABLE = {path: command for path, command in EVERYTHING.items() if not isinstance(command, click.Group)}


def calls(text: str) -> list[list[str]]:
    """The words after `circulation` of each call in lines of a shell; what follows two blanks tells what it does."""
    found = []
    for line in text.splitlines():
        code = re.split(r"\s{2,}", re.sub(r"^(bash|zsh|fish): +", "", line.strip()))[0]
        for part in re.split(r"&&|\|", re.sub(r'.*\$\((.*)\)"', r"\1", code)):
            words = shlex.split(part.split(" > ")[0])
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words[:1] == ["circulation"] and len(words) > 1:
                found.append(words[1:])
    return found


def blocks(text: str) -> str:
    return "\n".join(re.findall(r"^```(?:\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def parsed(words: list[str]) -> tuple[str, ...]:
    """The path of the command that is called; click refuses options, values and arguments that do not exist."""
    path: tuple[str, ...] = ()
    while (*path, words[0]) in EVERYTHING:
        path = (*path, words[0])
        words = words[1:]
        if not words or path in CALLABLE:
            break
    assert path in CALLABLE, (path, words)
    CALLABLE[path].make_context(" ".join(path), words)
    return path


def test_the_pages_are_what_the_code_says() -> None:
    for name, text in handbook.pages().items():
        assert text == (ROOT / "docs" / name).read_text(encoding="utf-8"), f"docs/{name}: run `make docs`"


@pytest.mark.parametrize("path", CALLABLE, ids=" ".join)
def test_the_help_of_each_command_has_examples_that_parse(path: tuple[str, ...]) -> None:
    _, examples = handbook.parts(CALLABLE[path])
    assert path in [parsed(one) for one in calls("\n".join(examples))]


def test_the_examples_of_groups_and_of_the_whole_parse() -> None:
    groups = [command for path, command in EVERYTHING.items() if path not in CALLABLE]
    for group in groups:
        assert [parsed(one) for one in calls("\n".join(handbook.parts(group)[1]))]
    assert [parsed(one) for one in calls(cli.epilog or "")]


def test_the_commands_of_the_readme_exist_and_none_is_missing() -> None:
    named = [parsed(one) for one in calls(blocks(README))]
    assert {path[0] for path in EVERYTHING} == {path[0] for path in named}


def test_options_and_settings_of_the_readme_exist() -> None:
    options = {"--help", "--version"}
    for command in EVERYTHING.values():
        options |= {name for one in command.params for name in one.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README)) <= options
    settings = {one.variable for one in SETTINGS} | ELSEWHERE
    assert set(re.findall(r"\bCIRCULATION_[A-Z_]+", README)) <= settings


def test_links_of_the_readme_lead_somewhere_and_no_page_is_forgotten() -> None:
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert {link for link in links if not (ROOT / link).exists()} == set()
    assert {f"docs/{page.name}" for page in (ROOT / "docs").iterdir()} <= links


def test_every_option_and_every_parameter_says_what_it_does() -> None:
    silent = [
        (" ".join(path), option.name)
        for path, command in EVERYTHING.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert [] == silent
    assert [] == [rule.id for rule in detectors.RULES.values() for one in rule.parameters.values() if not one.effect]


@pytest.mark.parametrize("id_", detectors.RULES)
def test_the_docstring_of_each_detector_falls_into_its_parts(id_: str) -> None:
    advice = detectors.ADVICE[id_]
    assert all((advice.summary, advice.why, advice.false_positives, advice.what_to_do))
    text = " ".join((detectors.MODULES[id_].__doc__ or "").split()).casefold()
    for part in (advice.why, advice.false_positives, advice.what_to_do):
        assert part.casefold() in text


def test_the_page_on_packs_names_the_members_and_kinds_that_there_are() -> None:
    text = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
    section, named = "", dict[str, set[str]]()
    for heading, first in re.findall(r"^(## .*)$|^\| (`.*?) \|", text, re.MULTILINE):
        section = heading or section
        named.setdefault(section, set()).update(re.findall(r"`([^`]*)`", first))
    assert set(Pack.__struct_fields__) - {"digest", "canonical", "ignored"} == named["## What is in one"]
    assert set(Entry.__struct_fields__) | set(Match.__struct_fields__) == named["## An entry"]
    assert set(KINDS) == named["## What lint says"]
    assert [parsed(one) for one in calls(blocks(text))]

"""README, help and docs name only what exists, and all that exists is named."""

import re
import shlex
from pathlib import Path

import click
import pytest

import detectors
from circulation.admission.reasons import Reason
from circulation.lint.remarks import KINDS
from circulation.packs.entry import Entry, Match
from circulation.packs.pack import Pack
from streams.cli import handbook, module_page
from streams.cli.main import cli
from streams.settings import ELSEWHERE, SETTINGS
from streams.store import schema

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERYTHING = dict(handbook.commands(cli))
CODE = ("circulation", "streams", "dashboards", "detectors", "tests/model", "tests/unit")
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
    forgotten = {f"docs/{page.name}" for page in (ROOT / "docs").iterdir()} - links
    assert set() == forgotten, "README.md: link every page of docs/"


PAGES = ("README.md", "docs/*.md", "findings/*.md")


@pytest.mark.parametrize("page", [page.relative_to(ROOT) for one in PAGES for page in ROOT.glob(one)], ids=str)
def test_links_of_a_page_lead_to_files_and_headings_that_there_are(page: Path) -> None:
    astray = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        there = (ROOT / page).parent / name if name else ROOT / page
        if not there.exists() or (heading and heading not in headings(there)):
            astray.append(link)
    assert [] == astray, f"{page}: links that lead nowhere"


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def test_every_reason_of_a_rejection_is_explained_in_their_order() -> None:
    table = (ROOT / "docs" / "envelope.md").read_text(encoding="utf-8").partition("| code |")[2]
    assert list(Reason) == _first_cells(table)


def test_every_option_says_what_it_does() -> None:
    silent = [
        (" ".join(path), option.name)
        for path, command in EVERYTHING.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert [] == silent


@pytest.mark.parametrize("id_", detectors.RULES)
def test_the_docstring_of_each_detector_falls_into_its_parts(id_: str) -> None:
    advice = detectors.ADVICE[id_]
    assert all((advice.summary, advice.why, advice.false_positives, advice.what_to_do))
    text = " ".join((detectors.MODULES[id_].__doc__ or "").split()).casefold()
    for part in (advice.why, advice.false_positives, advice.what_to_do):
        assert part.casefold() in text


DEVELOPING = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")


def test_the_page_for_developers_names_every_folder_and_module_of_the_words_and_of_the_route() -> None:
    tables = DEVELOPING.partition("\n## Add a detector")[0].split("\n| in `")
    project, *inside = (_first_cells(table) for table in tables)
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and list(path.glob("[!.]*.*"))}
    folders -= {one for one in folders if one.startswith((".", "circulation.egg"))}
    message = "docs/developing.md: say in the tables of *Where what lives* what these are"
    assert sorted(folders) == sorted(project), message
    for package, named in zip(("circulation", "streams"), inside, strict=True):
        modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
        stations = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}
        assert sorted(modules | stations) == sorted(named), message


@pytest.mark.parametrize("package", module_page.PACKAGES)
def test_every_module_says_in_its_first_words_what_it_is(package: str) -> None:
    told = module_page.modules(package)
    mute = [
        f"{package}/{folder}/{name or '__init__'}.py"
        for folder, names in told.items()
        for name, text in names.items()
        if not re.fullmatch(r"\S.*[.:]", text)
    ]
    assert [] == mute, "the docstring begins with a sentence: it is what docs/modules.md says"
    there = {path for path in (ROOT / package).rglob("*.py") if path.parent.name != "versions"}
    assert {
        ROOT / package / folder / f"{name or '__init__'}.py" for folder, names in told.items() for name in names
    } == there


def test_the_page_for_developers_names_modules_in_the_row_of_their_folder() -> None:
    inside = DEVELOPING.partition("\n## Add a detector")[0].split("\n| in `")[1:]
    astray = []
    for package, table in zip(("circulation", "streams"), inside, strict=True):
        for folder, text in re.findall(r"^\| `(\w+)/` \| (.*) \|$", table, re.MULTILINE):
            names = re.findall(r"`([a-z_]+)/?`", text)
            place = ROOT / package / folder
            astray += [f"{package}/{folder}: {name}" for name in names if not _is_module(place, name)]
    assert [] == astray, "docs/developing.md"


def _is_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


def test_the_readme_names_every_folder() -> None:
    (told,) = re.findall(r"^\*\*Where things are\.\*\*(.*?)\n\n", README, re.MULTILINE | re.DOTALL)
    folders = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and list(path.glob("[!.]*.*"))}
    folders -= {name for name in folders if name.startswith((".", "circulation.egg"))}
    assert sorted(folders) == sorted(re.findall(r"`(\w+/)`", told))


def _first_cells(table: str) -> list[str]:
    """The names in the first column of a table."""
    firsts = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return [name for first in firsts for name in re.findall(r"`([^`]+)`", first)]


def test_the_page_for_developers_names_only_files_commands_and_names_that_there_are() -> None:
    paths = set(re.findall(r"`([a-z_]+/[\w/.-]*|[a-z_]+\.(?:py|yaml))`", DEVELOPING)) - {"detectors/nil_price.py"}
    inside = ("simulate", "store", "wire")
    folders = ("", "circulation", "streams", *(f"streams/{one}" for one in inside), "tests/model", "dashboards")
    lost = [one for one in paths if not any((ROOT / folder / one).exists() for folder in folders)]
    assert [] == lost, "docs/developing.md"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set() == set(re.findall(r"`make ([a-z-]+)", DEVELOPING)) - set(targets), "docs/developing.md"
    code = "\n".join(path.read_text(encoding="utf-8") for name in CODE for path in (ROOT / name).rglob("*.py"))
    names = set(re.findall(r"`(\w*[A-Z_]\w*)`", DEVELOPING)) - {"TODO"}
    assert [] == [one for one in names if not re.search(rf"\b{one}\b", code)], "docs/developing.md"


def test_the_page_on_retention_has_every_table_once_and_every_span_that_can_be_set() -> None:
    text = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")
    named = [one for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for one in re.findall(r"`([^`]*)`", row)]
    assert sorted(schema.metadata.tables) == sorted(named)
    spans = {one.variable for one in SETTINGS if one.name.endswith("_days")}
    assert spans == set(re.findall(r"\bCIRCULATION_[A-Z_]+", text))


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

"""The page of modules: where what lives, a line for each module of the words and of the route (`docs/modules.md`)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("circulation", "streams")
# A migration is known by its number and its name.
LEFT_OUT: Final = "store/migrations/versions"


def modules(package: str) -> dict[str, dict[str, str]]:
    """The modules of a package by folder (`""` is the package's own), each with the first paragraph of its docstring;
    the name of a folder itself is `""`."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        folder = path.parent.relative_to(ROOT / package).as_posix().removeprefix(".")
        if folder != LEFT_OUT:
            name = path.stem if path.stem != "__init__" else ""
            found.setdefault(folder, {})[name] = summary(path)
    return found


def summary(path: Path) -> str:
    """The first paragraph of a module's docstring, in one line; empty where there is none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def page(generated: str) -> Iterator[str]:
    """The lines of the page."""
    yield from ("# Modules", "", generated, "")
    yield "Where what lives, by the first words of each module. How an event goes through them is on"
    yield from ("[the page for developers](developing.md).", "")
    for package in PACKAGES:
        for folder, names in modules(package).items():
            place = f"{package}/{folder}/" if folder else f"{package}/"
            yield from (f"## {place}", "", names.get("", ""), "")
            if lines := [(name, text) for name, text in names.items() if name]:
                yield from ("| module | what |", "| --- | --- |")
                # A bar would end the cell.
                yield from (f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in lines)
                yield ""

"""What is pinned: all that is needed to work on it, and of that what it takes to run, which the image holds."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(name: str) -> dict[str, str]:
    """By package what a lock says of it: version and hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    return {canonicalize_name(block.partition("==")[0]): block for block in blocks}


def needed(requirements: list[str]) -> set[str]:
    """What these need, and what that needs, as it is installed here."""
    found: set[tuple[str, str]] = set()
    todo = [(one, extra) for one in map(Requirement, requirements) for extra in ("", *one.extras)]
    while todo:
        one, extra = todo.pop()
        name = canonicalize_name(one.name)
        if (name, extra) in found:
            continue
        found.add((name, extra))
        try:
            asked = map(Requirement, distribution(name).requires or ())
        except PackageNotFoundError:
            continue
        for more in asked:
            if more.marker is None or more.marker.evaluate({"extra": extra}):
                todo += [(more, each) for each in ("", *more.extras)]
    return {name for name, _ in found}


def test_the_image_holds_what_it_needs_to_run_and_nothing_else() -> None:
    run, held = needed(PROJECT["dependencies"]), pinned("requirements-run.lock").keys()
    assert set() == run - held
    assert set() == held & (needed(PROJECT["optional-dependencies"]["dev"]) - run)


def test_what_it_takes_to_run_is_pinned_as_it_is_tested() -> None:
    run, tested = pinned("requirements-run.lock"), pinned("requirements.lock")
    assert run == {name: tested.get(name) for name in run}
    tools = {canonicalize_name(Requirement(one).name) for one in PROJECT["optional-dependencies"]["dev"]}
    assert set() == tools & run.keys()
    assert tools <= tested.keys()


def test_the_image_is_made_of_what_is_pinned_to_run() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert ["COPY requirements-run.lock ."] == [line for line in lines if line.startswith("COPY requirements")]
    assert 1 == sum("--require-hashes -r requirements-run.lock" in line for line in lines)

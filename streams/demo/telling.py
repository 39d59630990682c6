"""The words of the demo: what was found, and how to go on."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from circulation.events.names import FINDINGS
from streams import console
from streams.demo import chapters
from streams.demo.folder import default_folder
from streams.demo.workers import MODULE, Worker


def say(text: str) -> None:
    """Print a line of what the demo says."""
    click.echo(text)


def name_of(party: str) -> str:
    """Return what a party of the story is called."""
    return chapters.NAMES.get(party, party)


def finding(finding: Mapping[str, Any]) -> None:
    """One finding, as it came out of Kafka: what, why, by which law, and who is told."""
    evidence = console.in_words(finding["evidence"])
    law = ", ".join(finding["legal_basis"])
    receivers = ", ".join(finding["sectors"])
    console.marked(finding["severity"], f"{finding['detector']} about {finding['about']['id']}", finding["summary"])
    for heading, text in (("evidence", evidence), ("by", law), ("told", receivers)):
        if text:
            console.note(f"{heading}: {text}")


def _listed(lines: Sequence[tuple[str, str]]) -> None:
    """Commands, each with what it is for below it, so that they can be taken with the mouse."""
    for command, text in lines:
        say(f"  {command}\n      {text}")


def _program() -> str:
    """The command line of the program: by its name, in a checkout beside its Python, else as a module."""
    if shutil.which("circulation"):
        return "circulation"
    beside = Path(sys.executable).with_name("circulation")
    if not beside.is_file():
        return f"{shlex.quote(sys.executable)} -m {MODULE}"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))


def how_to_go_on(folder: Path, bootstrap: str, url: str, kept: Sequence[Worker] | None) -> None:
    """Commands for what one may look at now; more where the workers were kept running."""
    program = _program()
    lines = [
        (f"{program} replay {_quoted(folder, 'story.jsonl')}", "the story again, without Kafka, in a second"),
        (f"{program} replay {_quoted(folder, 'market.jsonl')} --until {chapters.END}", "the market, in some seconds"),
        (f"less {_quoted(folder, 'market-found.jsonl')}", "what had to be found in it"),
        (f"less {_quoted(folder, 'findings.jsonl')}", f"what came out of {FINDINGS}"),
        (f"{program} rules show", "the rules that were in force"),
    ]
    say("\nTo go on:")
    if kept is None:
        lines.append((f"{program} demo --keep", "the same, and everything stays up (make demo KEEP=1)"))
        _listed(lines)
        return
    env = folder / "env"
    env.touch(mode=0o600)  # it holds the store's password
    settings = {"CIRCULATION_KAFKA": bootstrap, "CIRCULATION_STORE": url, "CIRCULATION_CLOCK": "events"}
    env.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))
    _listed(lines)
    say("Everything stays up:")
    _listed(
        [
            (f"http://{worker.web}/metrics", f"and /ready, of process {worker.process.pid}; its log: {worker.log}")
            for worker in kept
        ]
    )
    where = "" if folder == default_folder().resolve() else f" --folder {shlex.quote(str(folder))}"
    _listed(
        [
            (f". {_quoted(folder, 'env')}", "first: broker and store of this demo, for what follows"),
            (f"{program} findings --severity red", "what stands; with the beginning of an id: why, by which law"),
            (f"{program} trace insurance-risk-scores", "the way from the scores to the genome archive"),
            (f"{program} credit {chapters.NAVIGATION} --as-of {chapters.END}", "the score, and all that made it"),
            (f"{program} cases --state open", "what officials have to look at"),
            (f"{program} worker", "one more worker; set CIRCULATION_WEB to a free port"),
            (f"{program} demo --stop{where}", "ends it"),
        ]
    )


def _quoted(folder: Path, name: str) -> str:
    return shlex.quote(str(folder / name))

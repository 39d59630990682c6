"""The skeleton of a new detector: `python -m streams.cli.skeleton nil-price` (`make detector NAME=nil-price`).

It runs and keeps the promises of all rules; each place that is still to be filled in is marked with `TODO`, and a test
fails while one is left.
"""

import keyword
import re
import sys
from pathlib import Path
from typing import Final

from circulation.identifiers import ID_LENGTH_MAX

MARK: Final = "TODO"
FOLDER: Final = Path("detectors")

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_FILE: Final = '''"""TODO: one sentence that says what is found.

Why it matters: TODO who is harmed where nobody sees it, and which law forbids it.

False positives: TODO what looks the same and is allowed, and how that is put right.

What to do: TODO what an official does first, and what settles it.
"""

from circulation.examples import SELLER, Case, Json, asset, pack, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells


def check(act: Act, facts: Facts) -> list[Said]:
    """TODO: what of the act is held against what."""
    # TODO: the condition. `act.data` is the struct of the act's type in circulation/events/; a kind of fact that is
    # asked for must be named in `needs`.
    registered = facts.asset(act.data.asset).registration(act.time)
    if registered is None or not registered.public:
        return []
    # An amendment that changes what is sold, by or to whom, is a sale; `sells` takes further members to look at.
    if not sells(act, facts):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"TODO: one sentence with the values, about {act.data.asset}.",
            summary_zh=f"TODO：同一句的中文，关于 {act.data.asset}。",
            evidence={"asset": act.data.asset},
            asset=act.data.asset,
        )
    ]


RULE = Rule(
    id="nil-price",
    title="TODO: what it is called in a list",
    title_zh="TODO：它在列表中的名称",
    about="contract",
    severity="yellow",  # TODO: blue, yellow, orange or red
    articles=("contract only",),  # TODO: the articles, written as in packs/law.yaml; so where no law asks for it
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract"})),
)

_FOUND: Json = {
    "severity": "yellow",
    "about": {"kind": "contract", "id": "c"},
    "party": SELLER,
    "evidence": {"asset": "a"},
}
_RULES, _DAY = pack(), "2025-02-01"
_SOLD = signed("c", _DAY, asset="a")

# TODO: each side of each limit, what is not known, what comes late, what is taken back.
CASES = (
    Case(name="public data", rules=_RULES, events=[asset("a", public=True), _SOLD], fires=[_FOUND]),
    Case(name="data that is not public", rules=_RULES, events=[asset("a"), _SOLD]),
    Case(
        name="an amendment to public data",
        rules=_RULES,
        events=[
            asset("a", public=True),
            asset("b"),
            signed("c", "2025-01-20", asset="b"),
            signed("c", _DAY, asset="a", amended=True),
        ],
        fires=[_FOUND],
    ),
)
'''

_NEXT: Final = """{path} is there and runs. What is left, and the test that says when it is done:

  1. every TODO in {path}
       .venv/bin/python -m pytest -q -n 0 tests/unit/test_rules.py -k {id}
  2. the pack: `{id}: {{mode: enforce}}` and its parameters, in packs/beijing.yaml
       .venv/bin/python -m pytest -q -n 0 tests/unit/test_shipped_packs.py
  3. the law: articles that it cites and packs/law.yaml does not have
       .venv/bin/python -m pytest -q -n 0 tests/unit/test_coverage.py
  4. the market: a plant in streams/simulate/, so that `make accuracy` sees whether it is found
       .venv/bin/python -m pytest -q -n 0 tests/unit/test_simulate.py
  5. the slow model in tests/model/, written from the law and not from {path}
       .venv/bin/python -m pytest -q -n 0 tests/property/test_model.py
  6. make docs, make check, make quick; make test before it is handed over

docs/developing.md has an example of each.
"""


class Refused(ValueError):
    """A name that cannot be a new detector's. The text is for a person."""


def make(id_: str, folder: Path = FOLDER) -> Path:
    """Writes the skeleton of a detector into a folder and answers with its path.

    Raises `Refused` where the name is no id of a detector, or where its file is there already.
    """
    if not _ID.fullmatch(id_) or len(id_) > ID_LENGTH_MAX or keyword.iskeyword(id_):
        raise Refused(
            f"{id_!r} is no id of a detector: it must be words of a to z and 0 to 9, a letter first, joined by single"
            " hyphens, as nil-price is"
        )
    path = folder / f"{id_.replace('-', '_')}.py"
    for there in (path, path.with_suffix("") / "__init__.py"):
        if there.exists():
            raise Refused(f"there is a detector {id_} already: {there}")
    if not (folder / "__init__.py").is_file():
        raise Refused(f"{folder}/ is not the folder of the detectors: run it where the Makefile is")
    path.write_text(_FILE.replace("nil-price", id_), encoding="utf-8")
    return path


def main(arguments: list[str]) -> int:
    """Makes the skeleton and says what is to be done next; 2 where the name is wrong."""
    if len(arguments) != 1 or not arguments[0]:
        sys.stderr.write("name the new detector: make detector NAME=nil-price\n")
        return 2
    try:
        path = make(arguments[0])
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(_NEXT.format(path=path, id=arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

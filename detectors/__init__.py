"""The rules, one in each file: the file of `ring-trade` is `ring_trade.py`.

Each module of this package is a detector, and no list names it: a new rule is a new file (`make detector`). One that is
several rules under one id is a folder with a room for each: `usage_limit/`. A file holds a docstring (why it matters,
what is falsely found, what to do), pure functions, `RULE` and `CASES`. What a rule is proven by beside its examples has
its places, which the tests name where something is missing (docs/developing.md).
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Final, NamedTuple

from circulation.examples import Case
from circulation.rules import Rule

HEADINGS: Final = ("Why it matters", "False positives", "What to do")


class Advice(NamedTuple):
    """The advice in the docstring of a rule, each part as one paragraph or several."""

    summary: str
    why: str
    false_positives: str
    what_to_do: str
    more: str


def advice(docstring: str) -> Advice:
    """The parts of a rule's docstring. Paragraphs that follow one with a heading and have none are `more`."""
    parts: dict[str, str] = {}
    more = []
    summary, *paragraphs = (" ".join(text.split()) for text in docstring.strip().split("\n\n"))
    for paragraph in paragraphs:
        heading, colon, rest = paragraph.partition(": ")
        if colon and heading in HEADINGS:
            parts[heading] = rest[:1].upper() + rest[1:]
        else:
            more.append(paragraph)
    why, false_positives, what_to_do = (parts.get(heading, "") for heading in HEADINGS)
    return Advice(summary, why, false_positives, what_to_do, "\n\n".join(more))


def file_of(id_: str) -> str:
    """Where a detector is mended, from the top of the checkout: `detectors/ring_trade.py`, `detectors/usage_limit/`."""
    name = id_.replace("-", "_")
    return f"{__name__}/{name}/" if hasattr(MODULES.get(id_), "__path__") else f"{__name__}/{name}.py"


def _modules() -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    modules = {}
    for name in names:
        module = importlib.import_module(f"{__name__}.{name}")
        expected = name.replace("_", "-")
        rule = getattr(module, "RULE", None)
        if not isinstance(rule, Rule):
            raise ImportError(f"detectors/{name}.py: a detector has a RULE; `make detector NAME=...` makes a skeleton")
        if rule.id != expected:
            raise ImportError(f"detectors/{name}.py: the rule's id must be `{expected}`, got `{rule.id}`")
        modules[expected] = module
    return dict(sorted(modules.items()))


MODULES: Mapping[str, ModuleType] = MappingProxyType(_modules())
RULES: Mapping[str, Rule] = MappingProxyType({id_: module.RULE for id_, module in MODULES.items()})
CASES: Mapping[str, Sequence[Case]] = MappingProxyType(
    {id_: getattr(module, "CASES", ()) for id_, module in MODULES.items()}
)
ADVICE: Mapping[str, Advice] = MappingProxyType({id_: advice(module.__doc__ or "") for id_, module in MODULES.items()})

"""A trace as a graph: for Graphviz, for Mermaid, as PROV-JSON, and as a page to click through.

Ids and titles came from outside, so each form escapes what it would otherwise read as its own: a title can neither add
an edge, nor run a script in the page, nor move a terminal's cursor.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson

from circulation.words import many
from streams.answers.trace_document import Asset, Trace
from streams.console import shown

# A browser still lays out so many assets: the nearest are drawn, and the rest is counted.
DRAWN_MAX: Final = 1_000
# Ways from what an entry matches that are drawn in any case.
WAYS_DRAWN_MAX: Final = 3
LABEL_CHARACTERS_MAX: Final = 60
PERCENT_DIGITS: Final = 4
PAGE: Final = Path(__file__).with_name("trace.html")
# Characters that end a script element or begin a comment in it, and line ends of JavaScript but not of JSON.
IN_SCRIPT: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
MERMAID: Final = {ord(character): f"#{ord(character)};" for character in "#\"'<>&`[](){}|\\;:*_~"}
PREFIXES: Final = {
    "asset": "urn:circulation:asset:",
    "party": "urn:circulation:party:",
    "run": "urn:circulation:run:",
    "circulation": "urn:circulation:",
}


def assets_of(seen: Trace) -> list[Asset]:
    """The asset and all that are listed, each once: first what lies on a way from a match, then the nearest."""
    ways = {asset for match in seen.matches for path in match.paths[:WAYS_DRAWN_MAX] for asset in path}
    near = sorted(
        (*(seen.ancestors or ()), *(seen.descendants or ())),
        key=lambda asset: (asset.asset not in ways, asset.distance, asset.asset),
    )
    return list({asset.asset: asset for asset in (seen.asset, *near)}.values())


def _label(asset: Asset) -> str:
    words = [asset.asset]
    if asset.title:
        words.append(asset.title)
    if asset.share is not None:
        least = "at least " if asset.at_least else ""
        words.append(f"{least}{asset.share * 100:.{PERCENT_DIGITS}g} %" + (" assumed" if asset.assumed else ""))
    if not asset.registered:
        words.append("not registered")
    if asset.end in ("unknown", "unregistered", "run-not-completed"):
        words.append("source unknown")
    if asset.end == "cut-off":
        words.append("cut off here")
    return "\n".join(_short(shown(word)) for word in words)


def _short(text: str) -> str:
    return text if len(text) <= LABEL_CHARACTERS_MAX else text[: LABEL_CHARACTERS_MAX - 1] + "…"


def _rest(seen: Trace, drawn: int) -> list[str]:
    """The assets not drawn and the limits reached, in words."""
    count = len(assets_of(seen)) - drawn
    lines = [f"{many(count, 'more asset is', 'more assets are')} not drawn"] if count else []
    return lines + [f"cut off: {cut.of}, beyond {cut.name} = {cut.maximum:,}" for cut in seen.cut_off]


def dot(seen: Trace) -> str:
    """The graph in the language of Graphviz: what was derived stands to the right of what it came from."""
    assets = assets_of(seen)[:DRAWN_MAX]
    drawn = {asset.asset for asset in assets}
    matched = {match.asset for match in seen.matches}
    lines = ["digraph circulation {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for asset in assets:
        style = "filled" if asset.registered else "filled,dashed"
        colour = "#f4b6b6" if asset.asset in matched else "#cfe3f7" if asset is assets[0] else "#f6f6f6"
        lines.append(
            f'  {_dot(asset.asset)} [label={_dot(_label(asset))}, style="{",".join(style)}", fillcolor="{colour}"];'
        )
    for step in seen.derivations:
        if step.output in drawn and step.input in drawn:
            style = "dotted" if step.same else "dashed" if step.stops else "solid"
            words = "another name" if step.same else f"{step.share * 100:.{PERCENT_DIGITS}g} %"
            words += " assumed" if step.assumed else ""
            words += ", irreversible" if step.stops else ""
            lines.append(f'  {_dot(step.input)} -> {_dot(step.output)} [label={_dot(words)}, style="{style}"];')
    lines += [f"  {_dot(f'note {number}')} [shape=note, label={_dot(words)}];" for number, words in _notes(seen, drawn)]
    return "\n".join([*lines, "}", ""])


def _notes(seen: Trace, drawn: set[str]) -> Iterator[tuple[int, str]]:
    return enumerate(_rest(seen, len(drawn)), start=1)


def _dot(text: str) -> str:
    """A quoted id: in it only the quote, the backslash and the line end mean anything."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mermaid(seen: Trace) -> str:
    """The graph in the language of Mermaid; every character that could mean something is an entity."""
    assets = assets_of(seen)[:DRAWN_MAX]
    numbers = {asset.asset: f"n{number}" for number, asset in enumerate(assets)}
    matched = {match.asset for match in seen.matches}
    lines = ["flowchart LR"]
    for asset in assets:
        text = "<br/>".join(line.translate(MERMAID) for line in _label(asset).split("\n"))
        kind = ":::matched" if asset.asset in matched else ":::asked" if asset is assets[0] else ""
        lines.append(f'  {numbers[asset.asset]}["{text}"]{kind}')
    for step in seen.derivations:
        if step.output in numbers and step.input in numbers:
            arrow = "-.->" if step.stops or step.same else "-->"
            words = "another name" if step.same else f"{step.share * 100:.{PERCENT_DIGITS}g} %"
            words += " assumed" if step.assumed else ""
            lines.append(f'  {numbers[step.input]} {arrow}|"{words}"| {numbers[step.output]}')
    for number, words in _notes(seen, set(numbers)):
        lines.append(f'  note{number}["{words.translate(MERMAID)}"]')
    lines.append("  classDef matched fill:#f4b6b6,stroke:#a11")
    lines.append("  classDef asked fill:#cfe3f7,stroke:#158")
    return "\n".join([*lines, ""])


def prov(seen: Trace) -> str:
    """The trace as PROV-JSON (a W3C member submission): entities, agents, activities, and what joins them."""
    entity: dict[str, Any] = {}
    agent: dict[str, Any] = {}
    activity: dict[str, Any] = {}
    derived: dict[str, Any] = {}
    alternate: dict[str, Any] = {}
    attributed: dict[str, Any] = {}
    generated: dict[str, Any] = {}
    behalf: dict[str, Any] = {}
    for asset in assets_of(seen):
        optional = {"prov:label": asset.title, "circulation:level": asset.level, "circulation:personal": asset.personal}
        optional |= {"circulation:end": asset.end, "circulation:withdrawn": asset.withdrawn}
        entity[_name("asset", asset.asset)] = {
            "circulation:registered": asset.registered,
            **{name: value for name, value in optional.items() if value is not None},
        }
        if asset.owner is not None:
            agent.setdefault(_name("party", asset.owner), {})
            attributed[f"_:attributed{len(attributed)}"] = {
                "prov:entity": _name("asset", asset.asset),
                "prov:agent": _name("party", asset.owner),
            }
    for step in seen.derivations:
        if step.same:
            alternate[f"_:alternate{len(alternate)}"] = {
                "prov:alternate1": _name("asset", step.output),
                "prov:alternate2": _name("asset", step.input),
            }
            continue
        derived[f"_:derived{len(derived)}"] = {
            "prov:generatedEntity": _name("asset", step.output),
            "prov:usedEntity": _name("asset", step.input),
            "circulation:since": {"$": step.since, "type": "xsd:dateTime"},
            "circulation:share": {"$": str(step.share), "type": "xsd:double"},
            "circulation:assumed": step.assumed,
            "circulation:irreversible": step.stops,
        }
    for holder in seen.holders:
        agent[_name("party", holder.party)] = {"prov:label": holder.name} if holder.name else {}
        for below, above in zip([holder.party, *holder.controllers], holder.controllers, strict=False):
            agent.setdefault(_name("party", above), {})
            pair = {"prov:delegate": _name("party", below), "prov:responsible": _name("party", above)}
            if pair not in behalf.values():
                behalf[f"_:behalf{len(behalf)}"] = pair
    for run in seen.runs:
        label = {} if run.job is None else {"prov:label": run.job}
        activity[_name("run", run.run)] = {**label, "circulation:state": run.state}
        for output in run.outputs if run.derives is not None else ():
            generated[f"_:generated{len(generated)}"] = {
                "prov:entity": _name("asset", output),
                "prov:activity": _name("run", run.run),
            }
    document = {
        "prefix": {**PREFIXES, "xsd": "http://www.w3.org/2001/XMLSchema#"},
        "entity": entity,
        "agent": agent,
        "activity": activity,
        "wasDerivedFrom": derived,
        "alternateOf": alternate,
        "wasAttributedTo": attributed,
        "wasGeneratedBy": generated,
        "actedOnBehalfOf": behalf,
    }
    written = orjson.dumps({name: section for name, section in document.items() if section}, option=orjson.OPT_INDENT_2)
    return written.decode() + "\n"


def _name(prefix: str, id_: str) -> str:
    """A qualified name; what such a name may not hold is percent-encoded."""
    return f"{prefix}:{quote(id_, safe='-._')}"


def html(seen: Trace) -> str:
    """One page with the whole trace in it: a graph to move, to zoom and to click through. It loads nothing else."""
    document = msgspec.to_builtins(seen)
    data = (
        orjson.dumps({"trace": document, "drawn_max": DRAWN_MAX, "ways_max": WAYS_DRAWN_MAX})
        .decode()
        .translate(IN_SCRIPT)
    )
    return PAGE.read_text(encoding="utf-8").replace("{{DATA}}", data)

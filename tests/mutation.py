"""Which changes of a rule nobody would notice: every comparison of it turned, every number that it has moved.

    python -m tests.mutation [DETECTOR ...]

Each change is held against the rule's own CASES, run through the real engine, and what survives them against small
random markets and the slow model. What survives both is printed, and is an error unless `EQUAL` says why no test can
tell it from the rule as it is; so is a reason that nothing needs. The rule as it is must pass what tells its changes.
"""

import ast
import datetime as dt
import importlib
import inspect
import pkgutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import orjson
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Case, Json
from circulation.packs.reading import parse_pack
from circulation.packs.yaml import load_yaml
from circulation.rules import Parameter, Rule, parameters
from circulation.voices import EVERYBODY, Voices
from packs import shipped
from streams.engine import Engine
from streams.facts import running_sums
from streams.offline.replay import Replay
from streams.store.store import Store
from tests.model import markets, slow
from tests.unit.test_rules import kept, numbered, unmatched

TURNED = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
SIGNS = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}
# What stands above one of these in a module is the rule; below are its examples.
SHAPES = frozenset({"RULE", "TALLY", "SUM"})
# Examples that are drawn of each theme, and those of them that are kept for one detector.
DRAWN, MARKETS_MAX = 40, 40

# Whatever other rules are in force, the engine tells what is missing in a feed.
GAPS = "feed-gap"

FAST = "the fast path gives up, or takes longer, and the same is said"
# Changes that change nothing: by detector, what is changed, and why. A reason that nothing needs is an error.
EQUAL: dict[str, dict[str, str]] = {
    "abnormal-price": {
        'side = "more than" if amount > value else "less than" | > turned >=': "equal amounts are never said",
        'share = f"{stated_factor} times" if amount > value else f"one part in {stated_factor} of"'
        " | > turned >=": "nor these",
        'side_zh, share_zh = ("高于", f"{stated_factor} 倍") if amount > value else ("低于", f"{stated_factor} 分之一")'
        " | > turned >=": "nor these",
    },
    "bulk-extraction": {
        "if hour > hours.hour: | > turned >=": "the newest hour itself is answered before",
        "return number if number <= TOTAL_MAX else str(number) | <= turned <": "a number as text is the same number",
        "if over <= 0 or not earlier.hours: | <= turned <": "what is not over the mean is over no deviation from it",
        "if len(uses.totals) > 1 or hour != uses.last // HOUR: | > turned >=": FAST,
        "hours_min: 1 made 0": "against no hours nothing is held",
    },
    "certificate-invalid": {
        "if bearer != act.subject and since is not None and ledger.get((_BORE, bearer)) < since: | < turned <=": "no"
        " two registrations have one place in the order",
    },
    "derivation-forbidden": {
        "if derivation.time < act.time: | < turned <=": "the contracts of an instant stand before its registrations",
    },
    "duplicate-registration": {
        "lacking = int(len(stated.fields) * (1 - least)) if least > 0 else len(stated.fields) - 1 | > turned >=": (
            "who is counted has one of them"
        ),
    },
    "export-splitting": {"if band > before: | > turned >=": "the band that it has"},
    "grade-laundering": {
        "if inputs.untold > act.time: | > turned >=": "nothing is ahead then",
        "until = old_bar.approved if rank > old_bar.rank else NEVER | > turned >=": "what lowers an asset is approved,"
        " and clears it of all inputs by then",
        "if not edge.stops and (known is None or known.then < then): | < turned <=": "it stays as it was",
        "if now.ranks[at] > 0: | > turned >=": "what ranks lowest is above nothing",
        "rank == reference_rank if reference_rank == UNSTATED else UNSTATED < rank <= reference_rank | <= turned <": (
            "it is looked at from further back"
        ),
    },
    "feed-lost": {
        "return self.lost_to is None or self.lost_from <= self.lost_to | <= turned <": (
            "no example has partitions: tests/unit/test_feeds.py tells it"
        ),
    },
    "negative-list": {
        "and len(chain := self.chain(subject.owner)) > 1 | > turned >=": "nobody controls the owner then",
        'if RANKS[claimed] <= RANKS.get(subject.level or "", RANKS["important"]): | <= turned <': "equal levels",
    },
    "paper-trade": {"if paid <= 0 < before: | < turned <=": "nothing was left of what is said"},
    "payment-irregular": {
        "is_later = 0 < at < len(statements) and order(statements[at]) == order(act) | < turned <= (2)": "terms that"
        " stand are among the statements",
    },
    "payment-overdue": {
        "if following is not None and following <= instant: | <= turned <": "it is gone over again, and says the same",
    },
    "relabelled": {"if first or order(by) >= order(act): | >= turned >": "no retraction is an act"},
    "report-overdue": {"if begun >= following: | >= turned >": "no deadline is before its statement"},
    "unknown-contract": {
        "if act.type not in DONE or signed is None or act.time < signed.time: | < turned <=": "nothing is said of what"
        " was done at the signing",
    },
    "usage-limit": {
        "if max(new) > TOTAL_MAX: | > turned >=": "the largest total is cut to itself",
        "if band > bands.get(key, 0): | > turned >=": "the band that it has",
        "highest = [max(amounts) for amounts in zip(*totals.values(), strict=True)] if len(totals) > 1 else"
        " totals[reporter] | > turned >=": FAST,
        "if band > memory.bands.get(_key(limit, licence, maximum), 0): | > turned >=": FAST,
        'if band_of(max(counts.values()), int(name.split(":")[2]), parameters) > part.band: | > turned >=': FAST,
    },
}


class Mutant(NamedTuple):
    """One change: what it is called, the rule with it, and what of the pack it gives."""

    name: str
    rule: Rule
    given: Json


class Market(NamedTuple):
    """A small market, and what the slow model finds in it."""

    lines: list[Json]
    default: Json
    until: str
    found: set[slow.Found]


def mutants(id_: str) -> Iterator[Mutant]:
    """All changes of one detector, each of another name."""
    names: dict[str, int] = {}
    for one in _changes(id_):
        names[one.name] = count = names.get(one.name, 0) + 1
        yield one if count == 1 else one._replace(name=f"{one.name} ({count})")


def _changes(id_: str) -> Iterator[Mutant]:
    module = detectors.MODULES[id_].__name__
    for comparison in comparisons(id_):
        yield Mutant(comparison.name, _loaded(module, comparison.room, _turned(comparison)), {})
    rule = detectors.RULES[id_]
    given: Json = load_yaml(shipped()).get("detectors", {}).get(id_, {})
    for name, parameter in rule.parameters.items():
        for moved in _moved(given.get(name, parameter.default)):
            changed_parameters = {**rule.parameters, name: Parameter(moved, parameter.effect)}
            yield Mutant(
                f"{name}: {_differs(moved, given.get(name))}",
                replace(rule, parameters=changed_parameters),
                {name: moved},
            )


class Comparison(NamedTuple):
    """A comparison that is turned: the module that it stands in, what its change is called, and where it stands.

    `at` is which of the signs of `a < b < c`.
    """

    room: str
    name: str
    line: int
    column: int
    at: int


def comparisons(id_: str) -> Iterator[Comparison]:
    """All comparisons of a detector that are turned, above the shape or the rule in which each of its modules ends."""
    for room in _rooms(detectors.MODULES[id_]):
        source = inspect.getsource(sys.modules[room])
        tree = ast.parse(source)
        shapes = (one.lineno for one in tree.body if isinstance(one, ast.Assign) and _named(one) in SHAPES)
        ends_at = next(shapes, len(source))
        lines = source.splitlines()
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Compare) and node.lineno < ends_at]
        for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
            for at, op in enumerate(node.ops):
                if type(op) in TURNED:
                    signs = f"{SIGNS[type(op)]} turned {SIGNS[TURNED[type(op)]]}"
                    name = f"{lines[node.lineno - 1].strip()} | {signs}"
                    yield Comparison(room, name, node.lineno, node.col_offset, at)


def _turned(comparison: Comparison) -> ast.Module:
    tree = ast.parse(inspect.getsource(sys.modules[comparison.room]))
    place = (comparison.line, comparison.column)
    (node,) = (
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.Compare) and (one.lineno, one.col_offset) == place and len(one.ops) > comparison.at
    )
    node.ops[comparison.at] = TURNED[type(node.ops[comparison.at])]()
    return tree


def _rooms(module: ModuleType) -> list[str]:
    """The names of the modules that a detector consists of: one, or those of its folder but `examples`."""
    names = [f"{module.__name__}.{one.name}" for one in pkgutil.iter_modules(getattr(module, "__path__", ()))]
    return [module.__name__, *(name for name in names if not name.endswith(".examples"))]


def _loaded(name: str, room: str, changed: ast.Module) -> Rule:
    """The rule of a detector that is loaded once more, with one of its modules changed."""
    get_code = SourceFileLoader.get_code

    def changing(loader: SourceFileLoader, fullname: str) -> Any:
        return compile(changed, f"<{fullname}>", "exec") if fullname == room else get_code(loader, fullname)

    known = {one: sys.modules.pop(one) for one in [*sys.modules] if one == name or one.startswith(f"{name}.")}
    try:
        with patch.object(SourceFileLoader, "get_code", changing):
            rule: Rule = importlib.import_module(name).RULE
    finally:
        sys.modules.update(known)
        # As an import does it: whoever asks the package for it has the one that was there.
        setattr(detectors, name.partition(".")[2], known[name])
    return rule


def _named(assign: ast.Assign) -> str:
    target = assign.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _moved(value: Any) -> Iterator[Any]:
    """The value one unit of its last place up and down; of a list each member by itself."""
    if isinstance(value, list):
        for at, one in enumerate(value):
            for moved in _moved(one):
                yield [*value[:at], moved, *value[at + 1 :]]
    elif isinstance(value, dt.date) or (isinstance(value, str) and len(value) == 10 and value[4] == "-"):
        for days in (1, -1):
            yield str(dt.date.fromisoformat(str(value)) + dt.timedelta(days))
    elif isinstance(value, str) and "/" in value:
        above, below = (int(one) for one in value.split("/"))
        for unit in (1, -1):
            yield f"{above * 1000 + unit}/{below * 1000}"
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        unit = Decimal(1).scaleb(int(Decimal(str(value)).as_tuple().exponent))
        for sign in (1, -1):
            yield float(Decimal(str(value)) + sign * unit)


def _differs(moved: Any, given: Any) -> str:
    if isinstance(moved, list) and isinstance(given, list):
        return ", ".join(f"{was} made {one}" for was, one in zip(given, moved, strict=True) if was != one)
    return f"{given} made {moved}"


def judged(
    rule: Rule, events: Sequence[Json], pack: Json | None, until: str | None, voices: Voices = EVERYBODY
) -> list[Json]:
    """What stands when one rule alone judges these events, beside the one for what is missing in a feed.

    Its sums go on where they stood, however few their acts: what an act changes before it is told of only there.
    """
    store = Store("sqlite://")
    members = load_yaml(shipped()) if pack is None else pack
    default = parse_pack(members, published=False, known=parameters(detectors.RULES))
    run = Replay(
        Engine(store, default, rules={GAPS: detectors.RULES[GAPS], rule.id: rule}, remember_chunk=100_000),
        Admission(voices=voices),
        until=None if until is None else parse_instant(until),
    )
    with patch.object(running_sums, "ACTS_MIN", 1):
        run.run(orjson.dumps(event) for event in events)
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]


def fails(rule: Rule, case: Case, given: Json) -> bool:
    """Whether a case tells the rule from what it should be. `given` are numbers of the pack that the case leaves."""
    pack = case.rules
    if given:
        # Of the shipped pack the number itself is moved; other packs of cases name what is not the shipped one.
        pack = load_yaml(shipped()) if pack is None else pack
        of = pack.get("detectors", {})
        mine = of.get(rule.id, {})
        pack = pack | {"detectors": of | {rule.id: mine | given if case.rules is None else given | mine}}
    ways = [case.events]
    if rule.tally is not None and (again := numbered(case.events)) is not None:
        ways.append(again)
    found = [kept(rule.id, judged(rule, events, pack, case.until, case.voices)) for events in ways]
    return any(unmatched(case.fires, one) != ([], []) for one in found)


def differs(rule: Rule, market: Market) -> bool:
    """Whether the model tells it in a market."""
    found = judged(rule, market.lines, market.default, market.until)
    expected = {one for one in market.found if one.detector == rule.id}
    return expected != {slow.seen(one) for one in found if one["detector"] == rule.id}


@cache
def drawn() -> list[Market]:
    """Markets of all themes, the same ones on each run; only drawn where something survives the cases."""
    found: list[Market] = []
    for at, theme in enumerate(dict.fromkeys(markets.THEMES)):

        @seed(at)
        @settings(
            max_examples=DRAWN,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(lines=markets.markets(themes=[theme]), default=markets.packs, until=st.sampled_from(markets.UNTIL))
        def draw(lines: list[Json], default: Json, until: str) -> None:
            found.append(Market(lines, default, until, slow.findings(lines, default, until)))

        draw()
    return found


def markets_of(id_: str) -> list[Market]:
    """Some of the markets in which a detector has something to say, the smallest ones."""
    saying = (one for one in drawn() if any(found.detector == id_ for found in one.found))
    return sorted(saying, key=lambda one: len(one.lines))[:MARKETS_MAX]


def survivors(id_: str) -> tuple[int, list[str]]:
    """How many changes there are of a detector, and those that neither its cases nor any market tell."""
    cases, rule = detectors.CASES[id_], detectors.RULES[id_]
    if any(fails(rule, case, {}) for case in cases):
        raise SystemExit(f"{id_}: its cases fail as it is")
    checked = False
    count, left = 0, []
    for mutant in mutants(id_):
        count += 1
        if any(_told(fails, mutant.rule, case, mutant.given) for case in cases):
            continue
        if not checked and any(differs(rule, market) for market in markets_of(id_)):
            raise SystemExit(f"{id_}: the model finds something else as it is")
        checked = True
        if not any(_told(differs, mutant.rule, market) for market in markets_of(id_)):
            left.append(mutant.name)
    return count, left


def _told(judge: Any, *given: Any) -> bool:
    """What makes the engine or the pack fail is told, too."""
    try:
        return bool(judge(*given))
    except Exception:
        return True


def main(names: Sequence[str]) -> int:
    """Prints what survived; 1 where something did without a reason, or a reason is given for what did not."""
    begun = time.monotonic()
    total = unexplained = equal = idle = 0
    for id_ in names or [id_ for id_, cases in detectors.CASES.items() if cases]:
        began = time.monotonic()
        count, left = survivors(id_)
        given = EQUAL.get(id_, {})
        reasons: Mapping[str, str | None] = {one: given.get(one) for one in left}
        needless = [one for one in given if one not in reasons]
        total += count
        equal += sum(reason is not None for reason in reasons.values())
        unexplained += sum(reason is None for reason in reasons.values())
        print(f"{id_}: {count} changes, {len(left)} survive, {time.monotonic() - began:.0f} s", flush=True)
        for name, reason in reasons.items():
            print(f"  {name}: {reason or 'SURVIVES'}", flush=True)
        for name in needless:
            print(f"  {name}: HAS A REASON, AND DOES NOT SURVIVE", flush=True)
        idle += len(needless)
    print(
        f"{total:,} changes: {unexplained} survive, {equal} more change nothing, {idle} reasons are needless;"
        f" {time.monotonic() - begun:.0f} s"
    )
    return int(unexplained + idle > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

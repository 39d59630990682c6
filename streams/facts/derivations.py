"""What OpenLineage derives as rows of the store: steps, what runs give to those above them, what is unfinished.

A run of n inputs and m outputs has n · m steps, and 64 KB of JSON name enough of both for millions. So they meet in the
run's node: n + m rows, of which each reader makes steps again (`circulation.lineage`).
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from circulation.lineage import CHANGE_MARK, is_run
from circulation.openlineage.runs import Given, Run, Unfinished
from streams.store.db import Db

# (output, input, origin, time, stops, share, same), as in the table.
Row = tuple[str, str, str, int, bool, None, bool]
# What a derivation by an OpenLineage event has for its origin, before the subject of the event: by a run's, by others.
BY_RUN: Final = "run:"
BY_STATEMENT: Final = "static:"
# The origin of derivations between an id and its canonical form, which hold at all times.
BY_FORM: Final = "form"


def origins(subject: str) -> list[str]:
    """The origins of what the events of one subject derive."""
    return [BY_RUN + subject, BY_STATEMENT + subject]


def of_runs(runs: Iterable[Run]) -> set[Row]:
    """The rows of what runs derive. Of one pair the earliest counts, and another name says more than a derivation."""
    found: dict[tuple[str, str, str], tuple[int, bool]] = {}
    for run in runs:
        origin = (BY_RUN if run.kind == "run" else BY_STATEMENT) + run.subject
        for output, input_, time, same in run.steps():
            known_time, known = found.get((output, input_, origin), (time, same))
            found[output, input_, origin] = (min(time, known_time), known or same)
    return {(*key, time, False, None, same) for key, (time, same) in found.items()}


def given_to(db: Db, subjects: Iterable[str]) -> dict[str, list[Given]]:
    """What runs without outputs read whose parents these are, by parent."""
    found: dict[str, list[Given]] = {}
    query = "select parent, child, input, time from given where parent = any(?)"
    for row in db.rows(query, sorted(subjects)):
        found.setdefault(row[0], []).append(Given(*row))
    return found


def unfinished(db: Db, assets: Collection[str]) -> dict[str, list[Unfinished]]:
    """When runs left each asset unfinished, as far as no run derived it then or later."""
    found: dict[str, list[Unfinished]] = {}
    query = "select output, begin, until, since, state, job from unfinished where output = any(?)"
    for row in sorted(db.rows(query, sorted(assets))) if assets else ():
        one = Unfinished(*row)
        found.setdefault(one.output, []).append(one)
    return found


def derived_by_runs(db: Db, assets: Collection[str]) -> dict[str, list[int]]:
    """When runs began to derive each asset, in order."""
    found: dict[str, list[int]] = {}
    query = (
        "select output, origin, min(time) from derivations where output = any(?) and not same"
        " and substr(input, 1, 2) <> ? group by output, origin"
    )
    for output, origin, time in db.rows(query, sorted(assets), CHANGE_MARK) if assets else ():
        if origin.startswith(BY_RUN):
            found.setdefault(output, []).append(time)
    return {output: sorted(times) for output, times in found.items()}


def changed(old: Iterable[tuple[Any, ...]], new: Iterable[tuple[Any, ...]]) -> list[str]:
    """The assets of which the derivations of one subject are others than they were."""
    before, after = set(old), set(new)
    nodes = {row[0] for row in before ^ after if is_run(row[0])}
    found = {row[0] for row in before ^ after if not is_run(row[0])}
    found |= {row[0] for row in before | after if row[1] in nodes}
    return sorted(found)

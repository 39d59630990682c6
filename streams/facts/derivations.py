"""Derivations by OpenLineage as rows of the store: steps, inputs given to parent runs, unfinished outputs.

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
# The origin of a derivation by an OpenLineage event begins with one of these, before the event's subject: by a run, or
# by another statement.
BY_RUN: Final = "run:"
BY_STATEMENT: Final = "static:"
# The origin of derivations between an id and its canonical form, which hold at all times.
BY_FORM: Final = "form"


def origins(subject: str) -> list[str]:
    """The origins of what the events of one subject derive."""
    return [BY_RUN + subject, BY_STATEMENT + subject]


def of_runs(runs: Iterable[Run]) -> set[Row]:
    """The rows of what runs derive. Of one pair the earliest counts, and another name says more than a derivation."""
    earliest: dict[tuple[str, str, str], tuple[int, bool]] = {}
    for run in runs:
        origin = (BY_RUN if run.kind == "run" else BY_STATEMENT) + run.subject
        for output, input_, time, is_alias in run.steps():
            known_time, known = earliest.get((output, input_, origin), (time, is_alias))
            earliest[output, input_, origin] = (min(time, known_time), known or is_alias)
    return {(*key, time, False, None, is_alias) for key, (time, is_alias) in earliest.items()}


def given_to(db: Db, subjects: Iterable[str]) -> dict[str, list[Given]]:
    """The inputs of runs without outputs whose parents these are, by parent."""
    by_parent: dict[str, list[Given]] = {}
    query = "select parent, child, input, time from given where parent = any(?)"
    for row in db.rows(query, sorted(subjects)):
        by_parent.setdefault(row[0], []).append(Given(*row))
    return by_parent


def unfinished(db: Db, assets: Collection[str]) -> dict[str, list[Unfinished]]:
    """When runs left each asset unfinished, as far as no run derived it then or later."""
    by_output: dict[str, list[Unfinished]] = {}
    query = "select output, begin, until, since, state, job from unfinished where output = any(?)"
    for row in sorted(db.rows(query, sorted(assets))) if assets else ():
        attempt = Unfinished(*row)
        by_output.setdefault(attempt.output, []).append(attempt)
    return by_output


def derived_by_runs(db: Db, assets: Collection[str]) -> dict[str, list[int]]:
    """When runs began to derive each asset, in order."""
    by_output: dict[str, list[int]] = {}
    query = (
        "select output, origin, min(time) from derivations where output = any(?) and not same"
        " and substr(input, 1, 2) <> ? group by output, origin"
    )
    for output, origin, time in db.rows(query, sorted(assets), CHANGE_MARK) if assets else ():
        if origin.startswith(BY_RUN):
            by_output.setdefault(output, []).append(time)
    return {output: sorted(times) for output, times in by_output.items()}


def changed(old: Iterable[tuple[Any, ...]], new: Iterable[tuple[Any, ...]]) -> list[str]:
    """The assets of which the derivations of one subject are others than they were."""
    before, after = set(old), set(new)
    nodes = {row[0] for row in before ^ after if is_run(row[0])}
    assets = {row[0] for row in before ^ after if not is_run(row[0])}
    assets |= {row[0] for row in before | after if row[1] in nodes}
    return sorted(assets)

"""What OpenLineage events derive: by plain loops over their JSON, from contract §2a and nothing else.

Names are taken as they are: worlds name each dataset in its canonical form.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from tests.model.events import Json, Moment, moment

DAY = dt.timedelta(hours=24)
Edge = tuple[Moment, str, str]


def at(event: Json) -> Moment:
    return moment(event["eventTime"])


def name(dataset: Json) -> str:
    return f"{dataset['namespace']}/{dataset['name']}"


def facet(thing: Json, facet_: str) -> Any:
    return thing.get("facets", {}).get(facet_)


def job_of(event: Json) -> tuple[str, str]:
    return event["job"]["namespace"], event["job"]["name"]


def listings(event: Json) -> Iterable[tuple[str, set[str]]]:
    """(output, what it was made of) of each `lineage` facet."""
    entries = (facet(event.get("job", {}), "lineage") or {}).get("lineage", [])
    written = [*event.get("outputs", []), *([event["dataset"]] if "dataset" in event else [])]
    own = [{**dataset, **facet(dataset, "lineage")} for dataset in written if facet(dataset, "lineage")]
    for entry in [*entries, *own]:
        inputs = [*entry.get("inputs", [])]
        for field in entry.get("fields", {}).values():
            inputs += field["inputs"]
        yield name(entry), {name(one) for one in inputs if one.get("type") != "JOB"}


def columns(event: Json) -> Iterable[tuple[str, set[str], set[str]]]:
    """(output, the fields that are accounted for, what is named) of each `columnLineage` facet."""
    for dataset in event.get("outputs", []):
        said = facet(dataset, "columnLineage")
        if said:
            named = {name(one) for field in said.get("fields", {}).values() for one in field["inputFields"]}
            named |= {name(one) for one in said.get("dataset", [])}
            yield name(dataset), set(said.get("fields", {})), named


class Told:
    """What some events say together: those of one run, or one event of a job or a dataset."""

    def __init__(self, events: list[Json]) -> None:
        self.events = events
        self.is_run = "run" in events[0]
        self.inputs: set[tuple[str, Moment]] = set()
        self.outputs: set[tuple[str, Moment]] = set()
        self.named: set[tuple[str, Moment]] = set()
        for event in events:
            self.inputs |= {(name(one), at(event)) for one in event.get("inputs", [])}
            self.outputs |= {(name(one), at(event)) for one in event.get("outputs", [])}
            for output, sources in listings(event):
                self.outputs.add((output, at(event)))
                self.named |= {(one, at(event)) for one in sources}
            for _, _, sources in columns(event):
                self.named |= {(one, at(event)) for one in sources}

    def begin(self, *known: set[tuple[str, Moment]]) -> Moment | None:
        """The earliest event that tells by which something of each of these is known."""
        streaming = any(
            (facet(one["job"], "jobType") or {}).get("processingType") == "STREAMING"
            for one in self.events
            if "job" in one
        )
        for event in sorted(self.events, key=at):
            tells = streaming or not self.is_run or event.get("eventType") in ("COMPLETE", "RUNNING")
            if tells and all(any(time <= at(event) for _, time in some) for some in known):
                return at(event)
        return None


def told(lines: Iterable[Json]) -> list[Told]:
    runs: dict[tuple[str, ...], list[Json]] = {}
    found = []
    for one in lines:
        if "run" in one:
            runs.setdefault((*job_of(one), one["run"]["runId"]), []).append(one)
        elif "eventTime" in one:
            found.append(Told([one]))
    return [*found, *map(Told, runs.values())]


def parents(run: Told) -> set[str]:
    return {
        parent["run"]["runId"]
        for one in run.events
        if run.is_run and (parent := one["run"].get("facets", {}).get("parent"))
    }


def read_below(run: Told, all_: list[Told]) -> set[tuple[str, Moment]]:
    """What runs without outputs read that this run started, or that these did."""
    above = [run]
    found: set[tuple[str, Moment]] = set()
    for one in above:
        if one.is_run:
            id_ = one.events[0]["run"]["runId"]
            below = [each for each in all_ if each not in above and not each.outputs and id_ in parents(each)]
            above += below
            found |= {each for child in below for each in child.inputs | child.named}
    return found


def first(some: set[tuple[str, Moment]], of: str) -> Moment:
    return min(time for one, time in some if one == of)


def derives(run: Told, all_: list[Told]) -> tuple[Moment | None, list[Edge]]:
    """From when on a run derives, and (when, output, input) of all that it does."""
    own = run.begin(run.outputs, run.inputs | run.named)
    telling = run.begin(run.outputs)
    below = read_below(run, all_) if run.outputs else set()
    sources: dict[str, Moment] = {}
    if own is not None:
        sources = {one: max(own, first(run.inputs, one)) for one, _ in run.inputs}
    if telling is not None:
        for one, time in below:
            sources[one] = min(max(telling, time), sources.get(one, max(telling, time)))
    begins = [time for time in (own, *(max(telling, time) for _, time in below if telling)) if time is not None]
    if not begins:
        return None, []
    begin = min(begins)
    every = {one for one, _ in run.named}
    found: list[Edge] = []
    for output in {one for one, _ in run.outputs}:
        since = max(begin, first(run.outputs, output))
        listed = [some for event in run.events for one, some in listings(event) if one == output]
        accounted = [(fields, some) for event in run.events for one, fields, some in columns(event) if one == output]
        schema = {
            field["name"]
            for event in run.events
            for dataset in event.get("outputs", [])
            if name(dataset) == output
            for field in (facet(dataset, "schema") or {}).get("fields", [])
        }
        if listed:
            found += [(since, output, one) for one in set[str]().union(*listed)]
        elif accounted and schema <= set[str]().union(*(fields for fields, _ in accounted)):
            found += [(since, output, one) for one in set[str]().union(*(some for _, some in accounted))]
            found += [(max(since, time), output, one) for one, time in sources.items() if one not in every]
        else:
            found += [(since, output, one) for one in every]
            found += [(max(since, time), output, one) for one, time in sources.items()]
    return begin, found


def derivations(lines: Iterable[Json]) -> dict[tuple[str, str], Moment]:
    """(output, input) of all that is derived, with the earliest time of each."""
    all_ = told(lines)
    found: dict[tuple[str, str], Moment] = {}
    for run in all_:
        for time, output, input_ in derives(run, all_)[1]:
            if output != input_:
                found[output, input_] = min(time, found.get((output, input_), time))
    return found


def unfinished(lines: Iterable[Json], asset: str, instant: Moment) -> bool:
    """Whether a run named the asset by then that ended otherwise than by deriving it, or was not heard of for 24 h, and
    no run derived it since.
    """
    all_ = told(lines)
    begun = []
    for run in all_:
        begin, edges = derives(run, all_)
        times = [time for time, output, input_ in edges if output == asset and input_ != asset]
        begun += [min(times)] if run.is_run and times else []
    for run in all_:
        begin, _ = derives(run, all_)
        if not run.is_run or not any(one == asset and time <= instant for one, time in run.outputs):
            continue
        if begin is not None and max(begin, first(run.outputs, asset)) <= instant:
            continue
        events = [one for one in run.events if at(one) <= instant]
        if any(one.get("eventType") == "COMPLETE" for one in events):
            continue
        ends = [at(one) for one in events if one.get("eventType") in ("FAIL", "ABORT")]
        heard = max(map(at, events))
        if not ends and instant - heard < DAY:
            continue
        since = min(ends) if ends else heard
        if not any(since <= time <= instant for time in begun):
            return True
    return False

"""Judges sums: all acts of a scope together, or, of sums that go on where they stood, those from an instant on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from circulation.sandbox import DETECTOR as SANDBOX
from streams.judging import sandboxes
from streams.judging.asking import Answers, ask
from streams.judging.gathering import Asked, gather, go_on, has_acts
from streams.judging.round import Round
from streams.store import schema
from streams.store.queue import sum_, sum_of


def judge(round_: Round, things: Sequence[str]) -> None:
    """Judge sums in bulk.

    1. Leave out periods that have not ended: only their deadlines are written.
    2. Take up what goes on where it stood.
    3. Gather the acts, and what the rules need to know of them; leave out what nothing can be said of.
    4. Ask the rules.
    5. Mark what was said within sandboxes; judge again what other sums of sandboxes bear upon.
    6. Write how often sums were judged, their deadlines, and what days came to.
    7. Enter what was said.
    """
    requests, coming, without_rule = _asked(round_, things)
    going_on = go_on(round_, requests)
    gathered = gather(round_, requests, going_on)
    answers = ask(round_, going_on, gathered)
    judged = [*without_rule, *(request.thing for request in requests)]
    entries = sandboxes.mark(round_, answers.entries, judged, answers.causes)
    sandboxes.judge_marked(round_, [request.scope for request in requests if request.rule == SANDBOX])
    going_on.versions.write()
    have_deadlines = round_.shapes.having_deadlines
    anew = [
        request.thing for request in requests if request.rule in have_deadlines and request.thing not in answers.since
    ]
    _write_deadlines(round_, [*without_rule, *anew], answers, coming, gathered.reported)
    if gathered.settling is not None:
        contracts = gathered.facts.contracts
        gathered.settling.note(gathered.members, gathered.reports, gathered.days, contracts, answers.differing)
        gathered.settling.write()
    void = {cause for reports in gathered.reports.values() for cause in reports.void}
    cleared: list[tuple[str, str, str]] = []

    def reason(thing: str, data: Mapping[str, Any]) -> str:
        cause = data.get("cause")
        if cause is None:
            silent = gathered.silent.get(thing)
            if silent is not None:
                return "refuted" if gathered.counted.is_left(silent) or has_acts(round_, silent) else "retracted"
            return "retracted" if thing in answers.empty or thing in without_rule else "refuted"
        cleared.append((thing, cause["id"], cause["source"]))
        # An event that was taken back may belong to no scope any more, so that it was not gathered.
        query = "select 1 from events where event = ? and source = ? and retracted is not null limit 1"
        taken_back = (cause["source"], cause["id"]) in void or round_.db.one(query, cause["id"], cause["source"])
        return "retracted" if taken_back else "refuted"

    round_.enter(entries, judged, reason=reason, facts=gathered.facts, since=answers.since)
    if cleared:
        _queue_others(round_, cleared)


def _queue_others(round_: Round, cleared: Sequence[tuple[str, str, str]]) -> None:
    """Have the other sums of an act judged when one clears what it said of it: of those of a rule only one says it, and
    which of them that is may have changed."""
    query = (
        "select distinct s.scope from events e join scopes s on s.thing = e.thing"
        " where e.event = ? and e.source = ? and e.retracted is null and s.rule = ?"
    )
    siblings = set()
    for thing, event, source in cleared:
        rule, scope = sum_of(thing)
        siblings |= {sum_(rule, row[0]) for row in round_.db.rows(query, event, source, rule) if row[0] != scope}
    if siblings:
        round_.queue(sorted(siblings), round_.priority)


def _asked(round_: Round, things: Iterable[str]) -> tuple[list[Asked], list[tuple[str, int]], list[str]]:
    """The sums that are judged; of the periods that have not ended (thing, end); and the things whose rule is gone."""
    requests: list[Asked] = []
    coming: list[tuple[str, int]] = []
    without_rule: list[str] = []
    for thing in things:
        rule, scope = sum_of(thing)
        shape = round_.shapes.sum_of(rule)
        if shape is None:
            without_rule.append(thing)
        elif shape.waits is not None and shape.waits(scope) == scope:
            continue  # a scope that others wait for is never judged
        elif shape.period is None:
            requests.append(Asked(thing, rule, scope, shape, (scope,)))
        elif (ends := round_.shapes.ends(rule, scope)) >= round_.horizon:
            coming.append((thing, ends))
        else:
            requests.append(Asked(thing, rule, scope, shape, shape.period.members(scope)))
    return requests, coming, without_rule


def _write_deadlines(
    round_: Round,
    anew: Sequence[str],
    answers: Answers,
    coming: Sequence[tuple[str, int]],
    reported: Mapping[str, int],
) -> None:
    """Write when sums are to be judged again, those `anew` that were judged as a whole; of one that went on the
    deadlines stay that it did not touch."""
    db = round_.db
    if anew or coming:
        db.run("delete from deadlines where thing = any(?)", [*anew, *(thing for thing, _ in coming)])
    for thing, since in reported.items():
        db.run("delete from deadlines where thing = ? and due >= ?", thing, since)
    for thing, due in answers.over:
        db.run("delete from deadlines where thing = ? and due = ?", thing, due)
    db.many(schema.deadlines, sorted({*answers.deadlines, *coming}), "ignore")

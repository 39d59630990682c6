"""The part of a trace that says which entries of the negative list match the asset, and by which ways from above."""

from collections.abc import Callable, Mapping, Sequence

from circulation.lineage import Ancestry, Edge, holds, shortest_paths
from circulation.packs.entry import Entry, Verdict
from circulation.packs.matching import judge_entry
from circulation.packs.pack import Pack
from streams.answers.seen import Seen
from streams.answers.trace_document import Match

ACTIONS = ("list", "trade", "deliver", "export")


def matches(
    seen: Seen,
    pack: Pack,
    above: Ancestry,
    inherited: Ancestry,
    edges: Mapping[str, Sequence[Edge]],
    outputs: Callable[[bool], Mapping[str, list[str]]],
) -> list[Match]:
    """The entries in force that match the asset or one of its ancestors, nearest first, with the ways from there.

    `above` has all ancestors, `inherited` those that entries are inherited from which are not sticky; `edges` lead to
    them, and `outputs` says what was derived from each, over all steps or only over those that do not stop. What had
    another name is what it was then.
    """
    if not pack.negative_list:
        return []
    at = seen.at
    reached = [id_ for layer in above.layers() for id_ in layer if id_ in seen.assets]
    subjects = {id_: seen.subject(id_, above.then.get(id_, at)) for id_ in reached}
    owners = {holder for subject in subjects.values() for holder in subject.holders()}
    entries: dict[str, Entry] = {}
    for action in ACTIONS:
        candidates = pack.compiled.candidates(action, at, reached, owners, owner_unknown=False)
        entries.update((entry.id, entry) for entry in candidates)
    matched: list[Match] = []
    for asset in reached:
        for entry in sorted(entries.values(), key=lambda entry: entry.id):
            if judge_entry(entry, subjects[asset], ())[0] is not Verdict.MATCH:
                continue
            if len(matched) == seen.limits.matches_max:
                seen.over("matches_max", "matches")
                return matched
            stops = not entry.sticky and asset in inherited.distances
            within = inherited if stops else above
            paths, whole = shortest_paths(
                within, outputs(stops), asset, seen.limits.paths_max, holds=lambda path: holds(edges, path, at)
            )
            matched.append(
                Match(
                    asset=asset,
                    entry=entry.id,
                    title=entry.title,
                    disposition=entry.disposition,
                    actions=sorted(entry.actions),
                    distance=above.distances[asset],
                    inherited=entry.sticky or asset in inherited.distances,
                    sticky=entry.sticky,
                    paths=paths,
                    more=not whole,
                )
            )
    return matched

"""Finds what a pack touches that came late, or went; and what entries touch when they take effect.

It may be most of a store, so it is found in slices: see `streams.judging.late_pack_search` and
`streams.facts.circulations`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from circulation.packs.in_force import Packs
from streams.facts import circulations as screening
from streams.judging import late_pack_search as anew
from streams.judging import scopes
from streams.judging.round import Round
from streams.judging.shapes import Shapes
from streams.store import queue, schema
from streams.store.db import Db
from streams.store.queue import AGAIN, STATING

# So many slices of a search follow each other in one transaction: each alone mostly waits for the store. By number, and
# not by time: a replay writes the same bytes however busy the machine is.
SLICES: Final = 4


def begin(round_: Round, things: Sequence[str]) -> None:
    """Have judged again what packs touch that came late, or went."""
    for thing in things:
        since, digest = queue.pack_of(thing)
        first = round_.shapes.touched_by_pack.first(since, _set_otherwise(round_, since, digest))
        round_.queue([queue.anew(first)], AGAIN)
        published = min(
            (publication.time for publication in round_.packs.published if publication.pack.digest == digest),
            default=since,
        )
        if published < since and (coming := round_.shapes.touched_by_pack.coming(published)) is not None:
            round_.queue([queue.anew(coming)], AGAIN)
        if round_.shapes.screens:
            plan(round_.db, round_.shapes, round_.packs, round_.horizon)
            if round_.packs.screens.between(since, round_.horizon):
                round_.queue([queue.search(since, round_.horizon)], AGAIN)


def plan(db: Db, shapes: Shapes, packs: Packs, since: int) -> None:
    """Have what circulates screened once the clock is past the instants, from `since` on, at which entries take effect.

    At an instant that it is past already (at the horizon), what became known since has been screened as it came.
    """
    coming = packs.screens.between(since, 2**62) if shapes.screens else ()
    rows = [(queue.search(instant, instant + 1), instant) for instant in coming]
    db.many(schema.deadlines, rows, "ignore")


def _set_otherwise(round_: Round, since: int, digest: str) -> list[str]:
    """The rules whose mode or parameters differ between any two packs that are valid from `since` on.

    The pack of this digest is one of them. Only these rules need judging again, whatever else came meanwhile: where all
    packs agree on a rule, nothing changes. Of a pack that is not there (any more) nothing is known, so it is all rules.
    """
    packs, rules = round_.packs, round_.shapes.rules
    if all(publication.pack.digest != digest for publication in packs.published):
        return list(rules)
    differing = []
    lasting = packs.lasting(since)
    for rule in rules.values():
        first, *rest = (pack.setting(rule.id) for pack in lasting)
        first_values = (first.mode, rule.settings(first.parameters))
        if any((setting.mode, rule.settings(setting.parameters)) != first_values for setting in rest):
            differing.append(rule.id)
    if len({pack.home for pack in lasting}) > 1:
        differing += [id_ for id_ in round_.shapes.of_abroad if id_ not in differing]
    return differing


def go_on(round_: Round, things: Sequence[str]) -> None:
    """Look through some slices of what a pack touches; the next one waits its turn behind it."""

    def step(place: str) -> str | None:
        slice_ = round_.shapes.touched_by_pack.find(round_.db, place)
        round_.queue(slice_.things, STATING if slice_.kind == anew.CREDIT else AGAIN)
        round_.queue(scopes.judged_with(round_, slice_.scopes), AGAIN)
        return slice_.then

    for thing in things:
        if (then := _slices(queue.rest_of(thing), step)) is not None:
            round_.queue([queue.anew(then)], AGAIN)


def search(round_: Round, things: Sequence[str]) -> None:
    """Look through some slices of what entries may concern that take effect in a span of time; the next one waits."""
    for thing in things:
        since, until, place = queue.search_of(thing)

        def step(after: str, since: int = since, until: int = until) -> str | None:
            slice_ = screening.search(round_.db, round_.packs.screens, since, until, after)
            round_.queue([queue.screen(asset) for asset in slice_.assets], AGAIN)
            return slice_.after

        if (after := _slices(place, step)) is not None:
            round_.queue([queue.search(since, until, after)], AGAIN)


def _slices(begin: str, step: Callable[[str], str | None]) -> str | None:
    """Go from one slice to the next for a few, one at least; answer with where it goes on, if it does."""
    place: str | None = begin
    for _ in range(SLICES):
        if place is None:
            break
        place = step(place)
    return place

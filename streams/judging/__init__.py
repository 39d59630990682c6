"""Judges what waits on the judge queue: acts, scopes of sums, changed facts, runs, packs.

A second transaction, after intake's: it takes items, locks the things concerned, *then* reads what they need, and
raises, revises and clears. Findings and the removal of the items are one transaction, so a crash judges again and a
second judgement of the same facts changes nothing. Nothing is locked between desks: whatever was committed before a
judge reads is seen by it, and what is committed later brings an item of its own. Why none is missed, for each kind of
thing: docs/proof-of-judging.md.

`judge` claims items and settles them in a round; `round` is what the steps of one round share; each kind of item has a
module.
"""

from streams.judging.judge import Judge
from streams.judging.round import Judged

__all__ = ["Judge", "Judged"]

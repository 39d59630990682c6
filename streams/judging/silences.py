"""Has sources judged again that owe events, or owed some, when a judge begins: their settings may be others now."""

from streams.facts import feeds
from streams.judging.shapes import Shapes
from streams.store import queue
from streams.store.db import Db


def ask_again(db: Db, shapes: Shapes) -> None:
    """Queue each source that owes events and was heard, and each that is said to be silent.

    Of one that came to owe events there may be no deadline, and of one that owes none any more something may stand.
    """
    if not shapes.of_heard:
        return
    heard = feeds.heard(db, db.voices().owed.keys())
    query = "select distinct thing from findings where standing and detector = any(?)"
    things = {queue.sum_(rule, source) for rule in shapes.of_heard for source in heard}
    things.update(row[0] for row in db.rows(query, shapes.of_heard))
    if things:
        queue.put(db, sorted(things), queue.LIVE, db.clock())

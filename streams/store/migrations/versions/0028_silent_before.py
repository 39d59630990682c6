"""Who kept up with whom before days were settled: a side that went silent on the first of them has reported 0.

Days are settled from the first of a month on (0024), and nothing was known of those before it. What is kept of uses
before the first day of each contract is folded into what the last day before it hands on. Of deliveries nothing is.
"""

import datetime as dt
import time
from collections.abc import Iterable, Iterator

import msgspec
import sqlalchemy as sa
from alembic import op

from circulation.events.names import CONTRACTS
from circulation.keys import join_key

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

CHINA = dt.timezone(dt.timedelta(hours=8))
EPOCH = dt.date(1970, 1, 1)
# A month is compared a day after its end.
AFTER = dt.timedelta(days=1)
NEVER = 2**62
REPORTERS, MEASURES, STREAK_MAX = 3, 4, 31
SLICE = 1_000
# Behind what just came, as all that is judged again.
AGAIN = 1

# (day, reporter): which measures were stated: uses, bytes, rows.
Stated = dict[tuple[int, int], list[bool]]


def upgrade() -> None:
    bind = op.get_bind()
    horizon = bind.execute(sa.text("select max(instant) from horizon")).scalar()
    begin = _first(max(horizon or 0, 0))
    earliest = bind.execute(sa.text("select contract, min(day) from settled_days group by contract"))
    settled = {row[0]: row[1] for row in earliest}
    insert = sa.text(
        "insert into settled_days (contract, day, state, forgotten) values (:contract, :day, :state, true)"
        " on conflict do nothing"
    )
    again = sa.text("insert into queue (priority, thing, since) values (:priority, :thing, :since)")
    for contract, stated in _of_contracts():
        first = settled.get(contract, begin)
        before = {key: measures for key, measures in stated.items() if key[0] < first}
        if len({reporter for _, reporter in stated}) < 2 or not before:
            continue
        # Not on the day just before: what is near the midnight between them counts as where nothing is settled.
        state = msgspec.msgpack.encode(_handed_on(before))
        bind.execute(insert, {"contract": contract, "day": first - 2, "state": state})
        if contract in settled:
            date = (EPOCH + dt.timedelta(days=first)).isoformat()
            thing = join_key("sum", "reconciliation", f"{date}/{contract}")
            bind.execute(again, {"priority": AGAIN, "thing": thing, "since": time.time_ns() // 1000})


def _of_contracts() -> Iterator[tuple[str, Stated]]:
    """What was stated of each day of the contracts of which any day has become a row; desks remember the newest two."""
    after = ""
    next_ones = sa.text("select distinct contract from used_days where contract > :after order by contract limit :most")
    rows = sa.text('select day, reporter, bytes, "rows", "first" from used_days where contract = :contract')
    desk = sa.text("select state from desks where topic = :topic and subject = :contract")
    bind = op.get_bind()
    while contracts := bind.execute(next_ones, {"after": after, "most": SLICE}).scalars().all():
        for contract in contracts:
            stated: Stated = {}
            for day, reporter, bytes_, lines, first in bind.execute(rows, {"contract": contract}):
                _note(stated, (day, reporter), bytes_, lines, first)
            for raw in bind.execute(desk, {"topic": CONTRACTS, "contract": contract}).scalars():
                for key, (_, bytes_, lines, first, *_more) in msgspec.msgpack.decode(bytes(raw), strict=False)[
                    0
                ].items():
                    _note(stated, (key >> 2, key & 3), bytes_, lines, first)
            yield contract, stated
        after = contracts[-1]


def _note(stated: Stated, key: tuple[int, int], bytes_: int | None, rows: int | None, first: int) -> None:
    if first < NEVER:
        measures = stated.setdefault(key, [True, False, False])
        measures[1] |= bytes_ is not None
        measures[2] |= rows is not None


def _handed_on(stated: Stated) -> list[object]:
    """What the last of these days hands on: nothing near its midnight, who kept up with whom, and who stated what."""
    streaks: dict[int, int] = {}
    for day in sorted({day for day, _ in stated}):
        for reporter, counterpart, measure in _pairs():
            if not stated.get((day, counterpart), [False] * 3)[measure]:
                continue
            key = (reporter * REPORTERS + counterpart) * MEASURES + measure
            kept_up = stated.get((day, reporter), [False] * 3)[measure]
            streaks[key] = min(streaks.get(key, 0) + 1, STREAK_MAX) if kept_up else 0
    ever: dict[int, int] = {}
    for (_, reporter), measures in sorted(stated.items()):
        ever[reporter] = ever.get(reporter, 0) | sum(1 << at for at, has in enumerate(measures) if has)
    return [{}, {}, {key: count for key, count in sorted(streaks.items()) if count}, dict(sorted(ever.items()))]


def _pairs() -> Iterable[tuple[int, int, int]]:
    reporters = range(REPORTERS)
    return [(first, second, at) for first in reporters for second in reporters if first != second for at in range(3)]


def _first(instant: int) -> int:
    """The first day of the month that is not compared yet at an instant (µs), as a number."""
    at = dt.datetime.fromtimestamp(instant // 1_000_000, CHINA) - AFTER
    return (at.date().replace(day=1) - EPOCH).days


def downgrade() -> None:
    raise NotImplementedError("a store is not downgraded: restore a backup")

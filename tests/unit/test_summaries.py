"""Days of uses in either store: rows and what desks remember add up, and what is old is forgotten."""

import orjson

from circulation.admission import ANY, Admission
from circulation.calendar import DAY, parse_instant
from circulation.cases import SINCE, Json, only, signed, terms, used
from circulation.events import Event
from circulation.rulepack import parse_pack
from streams import summaries
from streams.desks import Arrival
from streams.engine import Engine
from streams.store import Store

NOW = parse_instant("2025-03-01")
PACK = only("report-overdue", "reconciliation", "usage-limit")
LASTING = terms(report_within_days=30)


def taken(store: Store, events: list[Json], now: int = NOW) -> Engine:
    engine = Engine(store, parse_pack(PACK, published=False))
    arrivals = []
    for order, one in enumerate(events):
        admitted = Admission().admit(orjson.dumps(one), topic=None, key=ANY, headers=(), now=NOW)
        assert isinstance(admitted, Event)
        arrivals.append(Arrival(order, now, admitted, b"", ("circulation.contracts", 0, order)))
    engine.take(arrivals, [], now)
    while engine.judge_round(now, 100).items or engine.release(now, now):
        pass
    return engine


def uses_of(store: Store, contract: str) -> list[int]:
    with store.reading() as db:
        return [one.used.uses for one in summaries.used_days(db, [contract])[contract]]


def days(contract: str, reporter: str | None = None, count: int = 1) -> list[Json]:
    return [used(contract, f"2025-02-0{day}", day * count, reporter=reporter) for day in range(1, 6)]


def test_rows_and_what_the_desk_remembers_add_up(store: Store) -> None:
    taken(store, [signed("c", SINCE), *days("c")])
    taken(store, [used("c", "2025-02-01T12:00", 10)])
    assert [11, 2, 3, 4, 5] == uses_of(store, "c")


def test_old_days_are_forgotten_but_where_they_last_or_a_finding_stands_on_them(store: Store) -> None:
    events = [signed("plain", SINCE), signed("lasting", SINCE, terms=LASTING), signed("apart", SINCE)]
    events += [*days("plain"), *days("lasting"), *days("apart", "provider"), *days("apart", "consumer", 2)]
    taken(store, events)
    for before in (NOW, NOW + DAY):
        with store.writing() as db:
            summaries.forget(db, before, ["reconciliation"])
        kept = {one: len(uses_of(store, one)) for one in ("plain", "lasting", "apart")}
        assert {"plain": 2 if before > NOW else 5, "lasting": 5, "apart": 10} == kept

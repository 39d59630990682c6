"""Days of uses in either store: rows and what desks remember add up."""

import orjson
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import DAY, parse_instant
from circulation.daily import date_of, day_number
from circulation.events.event import Event
from circulation.examples import SELLER, SINCE, Json, signed, terms, used
from circulation.packs.reading import parse_pack
from streams.engine import Engine
from streams.facts import used_days as summaries
from streams.facts.known import Known
from streams.intake import Arrival
from streams.store.migrations import config
from streams.store.store import Store
from streams.worker.pruning import SETTLED_DAYS, Days, Size
from tests.modes import only

NOW = parse_instant("2025-03-01")
MONTH_OVER = parse_instant("2025-03-03")
LATER = parse_instant("2025-04-20")
PACK = only("report-overdue", "reconciliation", "usage-limit")
SIDES = ("provider", "consumer")
LASTING = terms(report_within_days=30)


def taken(store: Store, events: list[Json], now: int = NOW, *, settled: bool = True) -> Engine:
    engine = Engine(store, parse_pack(PACK, published=False))
    arrivals = []
    for order, one in enumerate(events):
        admitted = Admission().admit(orjson.dumps(one), topic=None, key=ANY, headers=(), now=now)
        assert isinstance(admitted, Event)
        arrivals.append(Arrival(order, now, admitted, b"", ("circulation.contracts", 0, order)))
    engine.take(arrivals, [], now)
    while settled and (engine.judge_round(now, 100).items or engine.release(now, now)):
        pass
    return engine


def standing(store: Store) -> list[Json]:
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]


def scopes_of(store: Store) -> list[str]:
    with store.reading() as db:
        found = [row[0] for row in db.rows("select scope from scopes where rule = 'reconciliation' order by scope")]
    return [one for one in found if one.count("-") > 1]


def uses_of(store: Store, contract: str) -> list[int]:
    with store.reading() as db:
        return [one.used.uses for one in summaries.used_days(db, [contract])[contract]]


def days(contract: str, reporter: str | None = None, count: int = 1) -> list[Json]:
    return [used(contract, f"2025-02-0{day}T06:00", day * count, reporter=reporter) for day in range(1, 6)]


def test_rows_and_what_the_desk_remembers_add_up(store: Store) -> None:
    taken(store, [signed("c", SINCE), *days("c")])
    taken(store, [used("c", "2025-02-01T12:00", 10)])
    assert [11, 2, 3, 4, 5] == uses_of(store, "c")


def forget(store: Store, before: int, count: int = 1_000) -> int:
    """Takes one slice of the days that were written before an instant; answers with how many days it looked at."""
    task = Days(before, ["reconciliation"], Known(alone=not store.postgres), lambda *_: (), Size(1, 1.0))
    with store.reading() as db:
        rows = task.find(db, count)
    with store.writing() as db:
        task.drop(db, rows)
    return len({(contract, day) for contract, day, _ in rows})


def test_old_days_are_forgotten_but_where_they_last_or_a_finding_stands_on_them(store: Store) -> None:
    events = [signed("plain", SINCE), signed("lasting", SINCE, terms=LASTING), signed("apart", SINCE)]
    events += [*days("plain"), *days("lasting"), *days("apart", "provider"), *days("apart", "consumer", 2)]
    taken(store, events)
    for before in (NOW, NOW + DAY):
        forget(store, before)
        kept = {one: len(uses_of(store, one)) for one in ("plain", "lasting", "apart")}
        assert {"plain": 2 if before > NOW else 5, "lasting": 5, "apart": 10} == kept


def test_a_day_of_long_ago_whose_uses_came_today_is_judged_again_when_its_contract_is_signed(store: Store) -> None:
    # Pruning runs at every start of a worker, also between the moment at which a day is looked for and that at which
    # it is judged. What it takes for old is old by the wall clock; events may be of any time.
    unsigned = [*days("c", "provider"), *days("c", "consumer", 2)]
    engine = taken(store, unsigned[:-1])
    taken(store, unsigned[-1:], settled=False)
    assert 1 == engine.judge_round(NOW, 1).items
    forget(store, NOW)
    taken(store, [])
    assert [None] * 5 == [one.get("party") for one in standing(store)]
    taken(store, [signed("c", SINCE)])
    assert [SELLER] * 5 == [one.get("party") for one in standing(store)]


def test_what_says_that_a_day_is_looked_at_goes_with_the_last_of_the_day(store: Store) -> None:
    events = [signed("c", SINCE), *days("c", "provider"), *days("c", "consumer")]
    taken(store, events)
    whole = [f"2025-02-0{day}/c" for day in range(1, 6)]
    assert whole == scopes_of(store)
    # One reporter's day is of yesterday, the other's came again today.
    taken(store, [used("c", "2025-02-02T13:00", 0, reporter="provider")], NOW + DAY)
    assert 3 == forget(store, NOW + 1)
    assert whole[1:2] + whole[3:] == scopes_of(store)
    assert 0 == forget(store, NOW + 1)
    assert 1 == forget(store, NOW + 2 * DAY)
    # What the desk remembers is forgotten when it has become rows.
    assert whole[3:] == scopes_of(store)


def test_more_days_than_one_slice_takes_are_forgotten_by_several(store: Store) -> None:
    taken(store, [signed("c", SINCE), *days("c")])
    assert [2, 1, 0] == [forget(store, NOW + 1, 2) for _ in range(3)]
    assert [4, 5] == uses_of(store, "c")


def migrated(store: Store, name: str) -> None:
    """Has the one migration of this name run on what is there."""
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        (one,) = (
            one for one in ScriptDirectory.from_config(config()).walk_revisions() if one.path.endswith(f"{name}.py")
        )
        one.module.upgrade()


def test_days_whose_row_pruning_took_away_are_found_again_by_a_migration(store: Store) -> None:
    taken(store, [*days("c", "provider"), *days("c", "consumer", 2), *days("plain")])
    whole = scopes_of(store)
    with store.writing() as db:
        # As it was left: judged without its contract, and not again when that was signed.
        db.run("delete from scopes where rule = 'reconciliation'")
    taken(store, [signed("c", SINCE)])
    assert [None] * 5 == [one.get("party") for one in standing(store)]
    migrated(store, "days_that_are_looked_for")
    assert whole == scopes_of(store)
    engine = taken(store, [])
    assert [SELLER] * 5 == [one.get("party") for one in standing(store)]
    migrated(store, "days_that_are_looked_for")
    assert not engine.waiting()


def test_what_days_that_were_forgotten_before_had_served_is_told_by_a_migration(store: Store) -> None:
    """`forgotten` has lost its rows, and so nobody knows; `rows` and `desk` have theirs still."""
    taken(store, [signed(one, SINCE) for one in ("forgotten", "rows", "desk")])
    taken(store, [*days("forgotten"), *days("rows"), used("desk", "2025-02-01")])
    with store.writing() as db:
        db.run("delete from used_days where contract = ?", "forgotten")
        for table in ("served", "used_abroad"):
            db.run(f"drop table {table}")
    migrated(store, "served")
    with store.reading() as db:
        assert [("forgotten", parse_instant("2025-02-01T06:00:00+08:00"))] == db.rows(
            "select contract, time from served"
        )


def months(store: Store) -> list[Json]:
    return [one["evidence"] for one in standing(store) if "month" in one["evidence"]]


def test_what_comes_of_a_day_that_was_forgotten_changes_nothing_that_is_settled_of_it(store: Store) -> None:
    taken(store, [signed("c", SINCE), *days("c", "provider"), *days("c", "consumer")])
    assert 3 == forget(store, NOW + 1)
    taken(store, [used("c", "2025-02-01T12:00", 1_000, reporter="provider")])
    taken(store, [], MONTH_OVER)
    assert [] == standing(store)
    taken(store, [used("c", "2025-02-05T12:00", 1_000, reporter="provider")], MONTH_OVER)
    assert [{"provider": 1_015, "consumer": 15}] == [one["tallies"]["uses"] for one in months(store)]


def test_what_is_settled_is_kept_until_its_month_is_long_over(store: Store) -> None:
    def settled() -> list[int]:
        with store.reading() as db:
            return [row[0] for row in db.rows("select day from settled_days order by day")]

    begin = day_number(parse_instant("2025-01-01"))
    times = [begin + count for count in (0, 1, SETTLED_DAYS + 1, SETTLED_DAYS + 2, SETTLED_DAYS + 3)]
    taken(
        store,
        [
            used("c", f"{date_of(day)}T12:00", reporter=reporter)
            for day in times
            for reporter in ("provider", "consumer")
        ],
        LATER,
    )
    assert times == settled()
    # The desk remembers the newest two.
    assert 3 == forget(store, LATER + 1)
    assert times[1:] == settled()


def test_a_migration_has_days_settled_from_the_first_of_the_month_on_that_is_not_compared_yet(store: Store) -> None:
    """Of uses of before nobody knows which were near midnight: they count on their own day."""
    near = [
        used("c", "2025-02-02T00:00:10", 5, reporter="consumer"),
        used("c", "2025-02-01T12:00", 5, reporter="provider"),
    ]
    alone = used("c", "2025-02-10", 7, reporter="provider")
    before = used("c", "2025-01-10", 100, reporter="provider")
    taken(store, [signed("c", SINCE), before, *days("c", "provider"), *days("c", "consumer"), *near, alone])
    with store.writing() as db:
        # As it was left: a day of one reporter was not looked at.
        db.run("delete from findings")
        db.run("delete from scopes where rule = 'reconciliation' and scope not like '2025-02-0%'")
        db.run("drop table settled_days")
        db.run("alter table used_days drop column edges")
    migrated(store, "settled_days")
    taken(store, [], MONTH_OVER)
    said = [{"uses": {"provider": 6, "consumer": 1}}, {"uses": {"provider": 2, "consumer": 7}}]
    assert said == [
        one["evidence"]["tallies"] for one in sorted(standing(store), key=occurred) if "day" in one["evidence"]
    ]
    assert [{"provider": 27, "consumer": 20}] == [one["tallies"]["uses"] for one in months(store)]


def before_settling(store: Store, first: str) -> None:
    """Leave a store as it was before days were settled: days from this one on were looked at where both reported."""
    with store.writing() as db:
        db.run("delete from findings")
        db.run("delete from deadlines")
        db.run("delete from scopes where rule = 'reconciliation'")
        db.run("drop table settled_days")
        db.run("alter table used_days drop column edges")
    migrated(store, "settled_days")
    migrated(store, "silent_before")


@pytest.mark.parametrize("consumed", [7, 6])
def test_a_side_that_went_silent_before_a_migration_has_reported_0_since(store: Store, consumed: int) -> None:
    """It reported on each of the last seven days on which the other did, in the month before the first that is not
    compared yet; on the days after them only the other one did, and of these it is held to the first."""
    january = [used("c", f"2025-01-{31 - day}T06:00", 5, reporter="provider") for day in range(7)]
    january += [used("c", f"2025-01-{31 - day}T06:00", 5, reporter="consumer") for day in range(consumed)]
    alone = [used("c", f"2025-02-0{day}T06:00", 5, reporter="provider") for day in (1, 2)]
    later = [used("c", "2025-02-20T06:00", 5, reporter="provider")]
    taken(store, [signed("c", SINCE), *january, *alone], parse_instant("2025-02-10"))
    before_settling(store, "2025-02-01")
    taken(store, later, parse_instant("2025-02-25"))
    found = sorted(one["evidence"]["day"] for one in standing(store) if "day" in one["evidence"])
    assert (["2025-02-01"] if consumed == 7 else []) == found


def test_a_side_that_went_silent_is_told_of_where_days_were_settled_already(store: Store) -> None:
    """As by a migration of days alone: the first day that was settled is settled again, and those after it."""
    both = [used("c", f"2025-01-{25 + day}T06:00", 5, reporter=who) for day in range(7) for who in SIDES]
    alone = [used("c", f"2025-02-0{day}T06:00", 5, reporter="provider") for day in (1, 2)]
    taken(store, [signed("c", SINCE), *both, *alone], parse_instant("2025-02-10"))
    whole = sorted(one["evidence"]["day"] for one in standing(store))
    with store.writing() as db:
        db.run("delete from settled_days where day < ?", day_number(parse_instant("2025-02-01")))
        db.run("delete from findings")
    migrated(store, "silent_before")
    taken(store, [], parse_instant("2025-02-10"))
    assert ["2025-02-01"] == whole
    assert whole == sorted(one["evidence"]["day"] for one in standing(store))


def occurred(finding: Json) -> str:
    return str(finding["occurred"])

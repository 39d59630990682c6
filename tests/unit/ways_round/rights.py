"""Ways round limits and rights that are closed, each with its right value; and variants that a first fix would miss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    delivered,
    derived,
    event,
    granted,
    listed,
    party,
    retracted,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, findings_of, offline
from streams.store import migrations, queue, schema
from streams.store.store import Store
from tests.modes import only

LIMITS = only("usage-limit")
RIGHTS = only("right-missing", "resale-forbidden", "derivation-forbidden", "withdrawn-trade", "guided-price")


def cancelled(usage: str, time: str, uses: int) -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses, id=f"cancels-{usage}-{uses}")


def bands(events: Sequence[Json]) -> list[tuple[int, int, str]]:
    """(band, used, cause) of what stands of limits."""
    found = findings_of(list(events), pack=LIMITS)
    return sorted((one["evidence"]["band"], one["evidence"]["used"], one["cause"]["id"]) for one in found)


def detected(events: Sequence[Json], until: str | None = None) -> list[tuple[str, str]]:
    """(detector, what it is about) of what stands of rights."""
    found = findings_of(list(events), pack=RIGHTS, until=until)
    return sorted((one["detector"], one["about"]["id"]) for one in found)


# Limits.


def test_a_typo_that_is_cancelled_hides_no_true_excess() -> None:
    uses = [used("c", f"2025-02-{day:02}T10:00", 50, id=f"u{day}") for day in range(2, 8)]
    typo = used("c", "2025-02-01T10:00", 1000, id="typo")
    licence = signed("c", "2025-01-20", terms=terms(uses_max=100))
    expected = [(95, 100, "u3"), (120, 150, "u4")]
    assert expected == bands([licence, typo, cancelled("typo", "2025-02-01T10:05", 1000), *uses])


def test_a_delivery_that_is_retracted_and_resent_leaves_no_red() -> None:
    licence = signed("c", "2025-01-20", terms=terms(rows_max=100))
    typo, resent, other = (
        delivered("c", time, delivery=delivery, bytes=10, rows=rows, id=id_)
        for time, delivery, rows, id_ in (
            ("2025-02-01T10:00", "d1", 1000, "dd1"),
            ("2025-02-01T10:00", "d1", 10, "dd2"),
            ("2025-02-03T10:00", "d2", 85, "dd3"),
        )
    )
    assert [(95, 95, "dd3")] == bands([licence, typo, retracted(typo, "2025-02-02"), resent, other])


def test_a_typo_that_is_cancelled_use_by_use_is_cleared_with_the_last() -> None:
    licence = signed("c", "2025-01-20", terms=terms(uses_max=100))
    typo = used("c", "2025-02-01", 130, id="typo")
    parts = [cancelled("typo", f"2025-02-0{day}", uses) for day, uses in ((2, 100), (3, 29), (4, 1))]
    assert [(120, 130, "typo")] == bands([licence, typo, *parts[:2]])
    assert [] == bands([licence, typo, *parts])


def test_a_limit_that_is_amended_meanwhile_comes_back_with_the_total() -> None:
    """The cancellation counts under the licence of its use, and the limit of now has its total, too."""
    events = [
        signed("c", "2025-01-20", terms=terms(uses_max=100)),
        used("c", "2025-02-01", 70, id="typo"),
        signed("c", "2025-02-02", amended=True, terms=terms(uses_max=80)),
        cancelled("typo", "2025-02-03", 70),
        used("c", "2025-02-04", 70, id="u"),
    ]
    assert sorted([(80, 70, "u"), (80, 70, events[2]["id"])]) == bands(events)


def test_an_amendment_below_the_total_is_told_at_once() -> None:
    licence = signed("c", "2025-01-20", terms=terms(uses_max=1000))
    lower = signed("c", "2025-02-02", amended=True, terms=terms(uses_max=100))
    assert [(100, 110, lower["id"])] == bands([licence, used("c", "2025-02-01", 110), lower])


HOUR, DAY = {"uses_max": 10, "seconds": 3600}, {"uses_max": 100, "seconds": 86400}


@pytest.mark.parametrize(
    ("before", "after"), [([HOUR], [HOUR, DAY]), ([HOUR, DAY], [HOUR]), ([HOUR, DAY], [DAY, HOUR]), ([HOUR], [HOUR])]
)
def test_an_amendment_of_another_window_does_not_empty_the_window_that_stays(
    before: list[Json], after: list[Json]
) -> None:
    amended = signed("c", "2025-02-01T10:20", amended=True, terms=terms(windows=after))
    events = [
        signed("c", "2025-01-20", terms=terms(windows=before)),
        used("c", "2025-02-01T10:10", 7, id="u1"),
        amended,
    ]
    assert [(100, 12, "u2")] == bands([*events, used("c", "2025-02-01T10:30", 5, id="u2")])


def test_a_window_that_is_amended_itself_is_counted_from_its_next_use() -> None:
    amended = signed("c", "2025-02-01T10:20", amended=True, terms=terms(windows=[{"uses_max": 5, "seconds": 3600}]))
    events = [
        signed("c", "2025-01-20", terms=terms(windows=[HOUR])),
        used("c", "2025-02-01T10:10", 7, id="u1"),
        amended,
    ]
    assert [(80, 4, "u2")] == bands([*events, used("c", "2025-02-01T10:30", 4, id="u2")])


def test_a_contract_that_leaves_its_quota_group_is_held_against_its_own_limit_at_once() -> None:
    grouped = signed("c", "2025-01-20", terms=terms(uses_max=10, quota_group="g"))
    left = signed("c", "2025-02-01T10:20", amended=True, terms=terms(uses_max=10))
    assert [(120, 13, left["id"])] == bands([grouped, used("c", "2025-02-01T10:10", 13, id="u"), left])


def test_bytes_of_a_cancelled_use_are_given_back() -> None:
    licence = signed("c", "2025-01-20", terms=terms(bytes_max=100))
    events = [licence, used("c", "2025-02-01", 1, bytes=90, id="typo"), cancelled("typo", "2025-02-02", 1)]
    assert [] == bands(events)
    assert [(80, 80, "u")] == bands([*events, used("c", "2025-02-03", 1, bytes=80, id="u")])


# Rights.


def test_a_buyer_without_resale_does_not_sell() -> None:
    events = [asset("a"), signed("c", "2025-02-01", asset="a", seller=OWNER)]
    sold = signed("d", "2025-03-01", asset="a", seller=BUYER, buyer=THIRD)
    assert [("resale-forbidden", "c"), ("right-missing", "a")] == detected([*events, sold])


def test_a_sister_of_the_buyer_does_not_sell_either() -> None:
    """The controller of both is told of last, and the sale of all comes first."""
    sold = signed("d", "2025-03-01", asset="a", seller=THIRD, buyer="scheme:x")
    bought = signed("c", "2025-02-01", asset="a", seller=OWNER)
    sisters = [
        party(THIRD, controller=SELLER),
        party(BUYER, controller="scheme:y"),
        party("scheme:y", controller=SELLER),
    ]
    events = [sold, asset("a"), bought, *sisters]
    assert [("resale-forbidden", "c"), ("right-missing", "a")] == detected(events)


def test_what_is_sold_without_a_listing_takes_a_right_too() -> None:
    assert [("right-missing", "a")] == detected([asset("a"), signed("c", "2025-02-01", asset="a")])


@pytest.mark.parametrize("assets", [None, ["a"]])
def test_a_listing_does_not_outlive_the_right_to_it(assets: list[str] | None) -> None:
    """The revocation comes long after, and names what it revokes by its id alone."""
    right = granted(SELLER, "2025-01-02", "operating-right", grant="g", assets=assets)
    revoked = event("grant.revoked", SELLER, "2025-03-01", grant="g", reason="misuse")
    events = [asset("a"), right, listed("a", "2025-02-01"), asset("b", "2025-04-01", owner=SELLER)]
    assert [] == detected(events)
    assert [("right-missing", "a")] == detected([*events, revoked])


def test_nobody_derives_from_what_he_may_only_use() -> None:
    events = [
        asset("a", owner=BUYER),
        asset("b", owner=OWNER),
        signed("c", "2025-02-01", asset="b", seller=OWNER),
        derived("a", "2025-03-01", "b"),
    ]
    assert [("derivation-forbidden", "a")] == detected(events)
    allowed = signed("c", "2025-02-10", asset="b", seller=OWNER, amended=True, terms=terms(derivation=True))
    assert [] == detected([*events, allowed])


def test_nobody_derives_by_a_run_from_what_he_may_only_use() -> None:
    def run(kind: str, time: str, inputs: list[str], outputs: list[str]) -> Json:
        return {
            "eventType": kind,
            "eventTime": f"{time}T00:00:00Z",
            "run": {"runId": "r"},
            "job": {"namespace": "jobs", "name": "job"},
            "inputs": [{"namespace": "wh", "name": one} for one in inputs],
            "outputs": [{"namespace": "wh", "name": one} for one in outputs],
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }

    ran = [run("START", "2025-02-01", ["bought"], []), run("COMPLETE", "2025-02-02", [], ["made"])]
    bought = signed("c", "2025-01-10", asset="wh/bought", seller=OWNER)
    mine, theirs = asset("wh/made", owner=BUYER), asset("wh/bought")
    found = ("derivation-forbidden", "wh/made")
    for events in ([mine, theirs, bought, *ran], [*ran, bought, theirs, mine], [bought, *ran, mine, theirs]):
        assert [found] == detected(events)
        sold = {"asset": "wh/bought", "seller": OWNER, "terms": terms(derivation=True)}
        allowed = signed("c", "2025-02-01", amended=True, **sold)
        assert [] == detected([*events, allowed])
        assert [] == detected([allowed, *events])
        assert [] == detected([*events, granted(BUYER, "2025-01-20", "processing-right")])
    # Nor does the data of another become one's own by another name, or under another owner since.
    assert [found] == detected([mine, theirs, bought, *ran, asset("wh/made", "2025-03-01", owner=OWNER)])


def test_what_was_withdrawn_is_not_sold() -> None:
    events = [asset("a", owner=SELLER), event("asset.withdrawn", "a", "2025-02-01", reason="replaced")]
    assert [("withdrawn-trade", "a")] == detected([*events, signed("c", "2025-03-01", asset="a")])


def test_a_guided_price_holds_for_contracts_too() -> None:
    price = {"mode": "guided", "amount": "90", "ceiling": "100"}
    events = [asset("a", owner=SELLER), listed("a", "2025-02-01", price=price)]
    dear = signed("c", "2025-03-01", asset="a", amount="101")
    assert [("guided-price", "a")] == detected([*events, dear])


# Amendments.

_HARMLESS = asset("b", owner=SELLER)


def _under(asset_: str, time: str, *, amended: bool = False, **data: Any) -> Json:
    return signed("c", time, amended=amended, asset=asset_, **data)


def test_what_nobody_may_sell_is_sold_by_an_amendment_too() -> None:
    before = [_HARMLESS, asset("a", owner=OWNER), _under("b", "2025-02-01")]
    assert [] == detected(before)
    assert [("right-missing", "a")] == detected([*before, _under("a", "2025-02-02", amended=True)])


def test_an_amendment_there_and_back_has_sold_it_all_the_same() -> None:
    gone = event("asset.withdrawn", "a", "2025-01-20", reason="replaced")
    events = [asset("a", owner=SELLER), gone, _HARMLESS, _under("b", "2025-02-01")]
    moves = [_under(to, f"2025-02-0{day}", amended=True) for day, to in ((2, "a"), (3, "b"), (4, "a"))]
    assert [("withdrawn-trade", "a")] * 2 == detected([*events, *moves])


def test_an_amendment_whose_signing_is_taken_back_has_sold_what_it_names() -> None:
    gone = event("asset.withdrawn", "a", "2025-01-20", reason="replaced")
    signing = _under("a", "2025-01-10")
    events = [asset("a", owner=SELLER), signing, gone, _under("a", "2025-02-01", amended=True)]
    assert [] == detected(events)
    assert [("withdrawn-trade", "a")] == detected([*events, retracted(signing, "2025-02-02")])


def test_a_price_is_not_raised_above_its_ceiling_by_an_amendment() -> None:
    price = {"mode": "guided", "amount": "90", "ceiling": "100"}
    events = [asset("a", owner=SELLER), listed("a", "2025-02-01", price=price), _under("a", "2025-02-02", amount="99")]
    assert [] == detected(events)
    assert [("guided-price", "a")] == detected([*events, _under("a", "2025-02-03", amended=True, amount="101")])


def test_amendments_of_a_store_of_before_are_judged_once(store: Store) -> None:
    """The rules on sales were not asked of them."""
    events = [_HARMLESS, asset("a", owner=OWNER), _under("b", "2025-02-01"), _under("a", "2025-02-02", amended=True)]
    kept(store, events, pack=RIGHTS)
    whole = found(store)
    with store.writing() as db:
        db.run("delete from findings")
        db.run("delete from scopes where rule = 'right-missing'")
    migrated(store, "sold_by_amendment")
    kept(store, [party(THIRD, "2025-02-03")], pack=RIGHTS)
    assert whole == found(store)
    assert ["right-missing"] == whole


# A store of before.


def found(store: Store) -> list[str]:
    with store.reading() as db:
        return [row[0] for row in db.rows("select detector from findings where standing order by finding")]


def migrated(store: Store, name: str) -> None:
    """Have the one migration of this name run on what is there."""
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    revisions = ScriptDirectory.from_config(migrations.config()).walk_revisions()
    (revision,) = (each for each in revisions if each.path.endswith(f"{name}.py"))
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        revision.module.upgrade()


def kept(store: Store, events: Sequence[Json], until: str | None = None, *, pack: Json = LIMITS) -> None:
    engine = offline(store, parse_pack(pack, published=False))
    Replay(engine, Admission(), until=until and parse_instant(until)).run(orjson.dumps(one) for one in events)


def standing(store: Store) -> list[tuple[int, int, str]]:
    with store.reading() as db:
        found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    return sorted((one["evidence"]["band"], one["evidence"]["used"], one["cause"]["id"]) for one in found)


def test_what_a_store_of_before_remembers_of_limits_goes_on(tmp_path: Path) -> None:
    """Its bands were the highest that were ever passed, and it did not know what stood of them."""
    windows = [{"uses_max": 10, "seconds": 86_400}]
    before = [
        signed("c", "2025-01-20", terms=terms(uses_max=100, windows=windows)),
        used("c", "2025-02-01", 110, id="typo"),
        cancelled("typo", "2025-02-02", 109),
    ]
    after = [
        cancelled("typo", "2025-02-03", 1),
        used("c", "2025-02-04", 9, id="u"),
        used("c", "2025-02-05", 71, id="v"),
    ]
    fresh, old = Store("sqlite://"), Store(f"sqlite:///{tmp_path}/old.db")
    kept(fresh, before)
    made = migrations.config()
    with create_engine(old._url).begin() as connection:
        made.attributes["connection"] = connection
        command.upgrade(made, "0016")
        for table, rows in copied(fresh).items():
            connection.execute(schema.metadata.tables[table].insert(), rows)
    old.migrate()
    with old.reading() as db:
        assert [(1,)] == db.rows("select count(*) from queue where thing = ?", queue.pack(-(2**62)))
    kept(old, after)
    kept(fresh, after)
    assert standing(fresh) == standing(old)
    assert [(80, 9, "u"), (80, 80, "v"), (120, 71, "v")] == standing(old)


def copied(store: Store) -> dict[str, list[Json]]:
    """What a store has, with what tallies remembered as it was kept before."""

    def as_before(table: str, row: Json) -> Json:
        if table == "remembered":
            row.pop("volumes")
        if table == "refs":
            row.pop("time")
        if table == "desks" and row["topic"] == "circulation.contracts":
            state: list[Any] = msgspec.msgpack.decode(row["state"])
            totals, bands = state[11][:2]
            state[11] = [totals, {key.rsplit(":", 1)[0]: 3 for key in bands}]
            row["state"] = msgspec.msgpack.encode(state)
        if table == "parts":
            row["state"] = msgspec.msgpack.encode([*msgspec.msgpack.decode(row["state"])[:1], 4])
        return row

    found: dict[str, list[Json]] = {}
    with store.reading() as db:
        for table in ("desks", "parts", "remembered", "events", "refs", "findings"):
            names = [column.name for column in schema.metadata.tables[table].columns]
            rows = db.rows(f"select {', '.join(names)} from {table}")
            found[table] = [as_before(table, dict(zip(names, row, strict=True))) for row in rows]
    return {table: rows for table, rows in found.items() if rows}


_OTHER = [granted(SELLER, "2025-02-02", "operating-right", grant="other", assets=["b"])]


def _for_a(**data: Any) -> Json:
    one = granted(SELLER, "2025-02-10", "operating-right", grant="g", assets=["a"], **data)
    return one | {"reporter": "provider"}


@pytest.mark.parametrize(
    ("grants", "ended"),
    [
        ([_for_a(valid_to="2025-03-01")], ["2025-03-01T00:00:00+08:00"]),
        ([*_OTHER, _for_a(valid_to="2025-03-01")], ["2025-03-01T00:00:00+08:00"]),
        ([_for_a(valid_to="2025-03-01"), *_OTHER], ["2025-03-01T00:00:00+08:00"]),
        (
            [
                *_OTHER,
                _for_a(),
                event("grant.revoked", SELLER, "2025-02-15", grant="other", reason="misuse"),
                event("grant.revoked", SELLER, "2025-02-20", grant="g", reason="misuse") | {"reporter": "provider"},
            ],
            ["2025-02-20T00:00:00+08:00"],
        ),
        (
            # Of two reports of one grant the exchange's counts, which is for another asset.
            [_for_a(valid_to="2025-03-01"), granted(SELLER, "2025-02-12", "operating-right", grant="g", assets=["b"])],
            [],
        ),
    ],
    ids=["alone", "after another grant", "before another grant", "revoked, as another one", "the exchange says other"],
)
def test_a_right_that_a_provider_reports_ends_also_where_the_exchange_reports_another(
    grants: Sequence[Json], ended: Sequence[str]
) -> None:
    events = [asset("a", owner=OWNER), listed("a", "2025-02-01", seller=SELLER), *grants]
    found = findings_of(events, pack=RIGHTS, until="2025-06-01")
    ends = [one["evidence"]["ended"] for one in found if "ended" in one["evidence"]]
    assert (ended, 1 + len(ended)) == (ends, len(found))

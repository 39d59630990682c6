"""Screening again: what circulates when an entry takes effect, to the microsecond, whatever was known when."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import orjson
import pytest

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import (
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Json,
    asset,
    derived,
    entry,
    event,
    granted,
    instant,
    listed,
    pack,
    party,
    retracted,
    signed,
    terminated,
    terms,
)
from circulation.packs.reading import parse_pack
from streams.engine import Engine
from streams.facts import circulations as screening
from streams.intake import Arrival
from streams.judging import judge
from streams.offline.replay import Replay, findings_of, offline
from streams.store.queue import AGAIN, LIVE, STATING
from streams.store.store import Store

WHEN = "2025-03-01"
JUST_BEFORE, JUST_AFTER = "2025-02-28T23:59:59.999999", "2025-03-01T00:00:00.000001"
UNTIL = "2025-06-01"
KNOWN = [party(OWNER), asset("asset", tags=["secret"])]
NOTHING = pack(version="0")


def version(number: int, since: str, *entries: Json, **members: Any) -> Json:
    """A published version of the pack, the later the number the later published."""
    said = pack(*entries, version=str(number), **members) | {"valid_from": instant(since)}
    return event("rulepack.published", "beijing", f"2025-01-01T00:00:{number:02}", **said)


def secret(**members: Any) -> Json:
    return entry("secret", **members)


def screened(stated: Sequence[Json], default: Json = NOTHING, until: str = UNTIL) -> list[tuple[str, ...]]:
    """(entry, action, instant, party) of what stands without a cause; of needs-info the entry is empty."""
    return of(findings_of(stated, pack=default, until=until))


def of(found: Sequence[Json]) -> list[tuple[str, ...]]:
    return sorted(
        (one["evidence"].get("entry", ""), one["evidence"]["action"], one["occurred"], one["party"])
        for one in found
        if one["detector"] == "negative-list" and "cause" not in one
    )


def hit(action: str = "list", since: str = WHEN, by: str = SELLER, entry_: str = "secret") -> tuple[str, ...]:
    return (entry_, action, instant(since), by)


DELISTED = {"product": "product-asset", "reason": "sold out"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stated", "found"),
    [
        ("listed just before", [listed("asset", JUST_BEFORE)], ["list"]),
        ("listed at the instant", [listed("asset", WHEN)], ["list"]),
        ("listed just after", [listed("asset", JUST_AFTER)], []),
        (
            "delisted just before",
            [listed("asset", "2025-02-01"), event("product.delisted", "asset", JUST_BEFORE, **DELISTED)],
            [],
        ),
        (
            "delisted at the instant",
            [listed("asset", "2025-02-01"), event("product.delisted", "asset", WHEN, **DELISTED)],
            [],
        ),
        (
            "delisted just after",
            [listed("asset", "2025-02-01"), event("product.delisted", "asset", JUST_AFTER, **DELISTED)],
            ["list"],
        ),
        (
            "another product delisted",
            [listed("asset", "2025-02-01", product="p"), event("product.delisted", "asset", WHEN, **DELISTED)],
            ["list"],
        ),
        (
            "listed again after it was delisted",
            [
                listed("asset", "2025-02-01"),
                event("product.delisted", "asset", "2025-02-02", **DELISTED),
                listed("asset", "2025-02-03"),
            ],
            ["list"],
        ),
        (
            "delisted twice",
            [
                listed("asset", "2025-02-01"),
                event("product.delisted", "asset", "2025-02-02", **DELISTED),
                listed("asset", "2025-02-03"),
                event("product.delisted", "asset", "2025-02-04", **DELISTED),
            ],
            [],
        ),
        (
            "withdrawn just before",
            [listed("asset", "2025-02-01"), event("asset.withdrawn", "asset", JUST_BEFORE, reason="error")],
            [],
        ),
        (
            "withdrawn just after",
            [listed("asset", "2025-02-01"), event("asset.withdrawn", "asset", JUST_AFTER, reason="error")],
            ["list"],
        ),
        ("signed just before", [signed("c", JUST_BEFORE)], ["trade"]),
        ("signed at the instant", [signed("c", WHEN)], ["trade"]),
        ("signed just after", [signed("c", JUST_AFTER)], []),
        ("never signed", [signed("c", "2025-02-01", amended=True)], []),
        ("ended at the instant", [signed("c", "2025-02-01", terms=terms(valid_to=WHEN))], []),
        ("ended just after", [signed("c", "2025-02-01", terms=terms(valid_to=instant(JUST_AFTER)))], ["trade"]),
        ("terminated just before", [signed("c", "2025-02-01"), terminated("c", JUST_BEFORE)], []),
        ("terminated at the instant", [signed("c", "2025-02-01"), terminated("c", WHEN)], []),
        ("terminated just after", [signed("c", "2025-02-01"), terminated("c", JUST_AFTER)], ["trade"]),
        (
            "an asset that the contract is over no longer",
            [asset("another"), signed("c", "2025-02-01"), signed("c", "2025-02-02", asset="another", amended=True)],
            [],
        ),
        (
            "an asset that the contract is over since",
            [asset("another"), signed("c", "2025-02-01", asset="another"), signed("c", JUST_BEFORE, amended=True)],
            ["trade"],
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_circulates_when_an_entry_takes_effect_is_screened(
    name: str, stated: list[Json], found: list[str]
) -> None:
    events = [*KNOWN, *stated, version(1, WHEN, secret())]
    assert [hit(action) for action in found] == screened(events)
    # whatever came first
    assert [hit(action) for action in found] == screened([events[-1], *stated, *KNOWN])
    assert [hit(action) for action in found] == screened(
        [*KNOWN, *stated], pack(secret(valid_from=instant(WHEN)), version="0")
    )


@pytest.mark.parametrize(
    ("until", "found"), [(JUST_BEFORE, []), (WHEN, []), (JUST_AFTER, [hit()])], ids=["before", "at", "after"]
)
def test_an_entry_of_the_future_waits_for_the_clock(until: str, found: list[tuple[str, ...]]) -> None:
    stated = [*KNOWN, listed("asset", "2025-02-01")]
    assert found == screened([*stated, version(1, WHEN, secret())], until=instant(until))
    assert found == screened([version(1, WHEN, secret()), *stated], until=instant(until))
    assert found == screened(stated, pack(secret(valid_from=WHEN)), until=instant(until))


def test_what_is_listed_when_the_entry_of_the_future_comes_counts() -> None:
    gone = event("product.delisted", "asset", "2025-02-10", **DELISTED)
    stated = [*KNOWN, listed("asset", "2025-02-01"), version(1, WHEN, secret()), gone]
    assert [] == screened(stated)
    assert [hit()] == screened([*stated, listed("asset", "2025-02-20")])


@pytest.mark.parametrize(
    ("own", "of_the_pack", "instants"),
    [
        ("2025-02-01", WHEN, [WHEN]),
        (WHEN, "2025-02-15", [WHEN]),
        (WHEN, WHEN, [WHEN]),
    ],
)
def test_an_entry_takes_effect_at_the_later_of_its_own_start_and_its_packs(
    own: str, of_the_pack: str, instants: list[str]
) -> None:
    stated = [*KNOWN, listed("asset", "2025-02-01"), version(1, of_the_pack, secret(valid_from=own))]
    assert [hit(since=one) for one in instants] == screened(stated)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, False),
        ({"title": "In other words"}, False),
        ({"legal_basis": "Another Act"}, False),
        ({"match": {"tags": ["secret", "more"]}}, True),
        ({"disposition": "restrict"}, True),
        ({"actions": ["list"]}, True),
        ({"disposition": "restrict", "unless": ["consent"]}, True),
        ({"sticky": True}, True),
        ({"valid_to": "2026-01-01"}, False),
    ],
    ids=str,
)
def test_an_entry_is_screened_again_where_the_version_before_said_something_else(changes: Json, again: bool) -> None:
    stated = [*KNOWN, listed("asset", "2025-01-15")]
    versions = [version(1, "2025-02-01", secret()), version(2, WHEN, secret(**changes))]
    assert [hit(since="2025-02-01"), *([hit()] if again else [])] == screened([*stated, *versions])


def test_what_is_rolled_back_is_screened_as_it_comes_back_and_stands_after_it_ended() -> None:
    versions = [version(1, "2025-02-01", secret()), version(2, WHEN), version(3, "2025-04-01", secret())]
    stated = [*KNOWN, listed("asset", "2025-01-15")]
    assert [hit(since="2025-02-01")] == screened([*stated, *versions[:2]])
    assert [hit(since="2025-02-01"), hit(since="2025-04-01")] == screened([*stated, *versions])


def test_two_entries_of_one_instant_are_two_findings_and_what_is_in_doubt_is_one_for_each_action() -> None:
    entries = [secret(), entry("core", match={"level": ["core"]}), entry("crowd", match={"persons_min": 10})]
    stated = [
        party(OWNER),
        asset("asset", tags=["secret"], level="ungraded", persons=None),
        listed("asset", "2025-02-01"),
        signed("c", "2025-02-01", seller=THIRD),
    ]
    found = findings_of([*stated, version(1, WHEN, *entries)], pack=NOTHING, until=UNTIL)
    doubts = [hit(entry_=""), hit("trade", by=THIRD, entry_="")]
    assert sorted([hit(), hit("trade", by=THIRD), *doubts]) == of(found)
    assert [["core", "crowd"]] * 2 == [
        one["evidence"]["entries"]
        for one in found
        if one["detector"] == "negative-list" and one["severity"] == "yellow"
    ]


@pytest.mark.parametrize(
    ("satisfied", "found"),
    [((), [hit(by=SELLER)]), ((SELLER,), [hit(by=THIRD)]), ((THIRD,), [hit(by=SELLER)]), ((SELLER, THIRD), [])],
    ids=["none", "the first", "the second", "both"],
)
def test_the_seller_of_the_earliest_that_is_not_satisfied_answers(
    satisfied: tuple[str, ...], found: list[tuple[str, ...]]
) -> None:
    stated = [
        *KNOWN,
        listed("asset", "2025-02-02", seller=THIRD, product="other"),
        listed("asset", "2025-02-01"),
        *(granted(one, "2025-02-15", "consent") for one in satisfied),
    ]
    restricted = secret(disposition="restrict", unless=["consent"])
    assert found == screened([*stated, version(1, WHEN, restricted)])


def test_the_grant_must_cover_the_instant() -> None:
    restricted = secret(disposition="restrict", unless=["consent"])
    stated = [*KNOWN, listed("asset", "2025-02-01"), version(1, WHEN, restricted)]
    assert [] == screened([*stated, granted(SELLER, WHEN, "consent")])
    assert [hit()] == screened([*stated, granted(SELLER, JUST_AFTER, "consent")])
    assert [hit()] == screened([*stated, granted(SELLER, "2025-02-01", "consent", valid_to=WHEN)])


def test_what_derives_from_what_an_entry_names_is_screened_and_what_derives_later_is_not() -> None:
    named = entry("secret", match={"assets": ["raw"]})
    stated = [party(OWNER), asset("asset"), listed("asset", "2025-02-01")]
    assert [hit()] == screened([*stated, version(1, WHEN, named), derived("asset", WHEN, "raw")])
    assert [] == screened([*stated, version(1, WHEN, named), derived("asset", JUST_AFTER, "raw")])


@pytest.mark.parametrize(
    "member", [{"assets": ["asset"]}, {"parties": [BUYER]}, {"parties": [OWNER]}, {"industry": "I"}]
)
def test_what_an_entry_names_is_found_by_a_pack_that_comes_when_all_is_over(member: Json) -> None:
    stated = [party(OWNER, industry="I65"), asset("asset", industry=None), signed("c", "2025-02-01")]
    later = listed("another", "2025-05-01")
    assert [hit("trade")] == screened([*stated, later, version(1, WHEN, secret(match=member))])


def test_a_grading_of_after_the_instant_changes_nothing() -> None:
    grading = event("asset.graded", "asset", JUST_AFTER, level="core", personal="none", reason="review")
    core = entry("secret", match={"level": ["core"]})
    assert [] == screened([*KNOWN, listed("asset", "2025-02-01"), grading, version(1, WHEN, core)])
    at_once = event("asset.graded", "asset", WHEN, level="core", personal="none", reason="review")
    assert [hit()] == screened([*KNOWN, listed("asset", "2025-02-01"), at_once, version(1, WHEN, core)])


def test_what_is_taken_back_takes_its_screening_back() -> None:
    published, offer = version(1, WHEN, secret()), listed("asset", "2025-02-01")
    bought, ended = signed("c", "2025-02-01"), terminated("c", "2025-02-02")
    stated = [*KNOWN, offer, bought, published]
    assert [hit(), hit("trade")] == screened(stated)
    assert [] == screened([*stated, retracted(published, "2025-04-01")])
    assert [hit("trade")] == screened([*stated, retracted(offer, "2025-04-01")])
    assert [hit()] == screened([*stated, retracted(bought, "2025-04-01")])
    assert [hit()] == screened([*stated, ended])
    assert [hit(), hit("trade")] == screened([*stated, ended, retracted(ended, "2025-04-01")])


def test_a_better_report_of_another_time_takes_the_place_of_what_was_screened() -> None:
    stated = [*KNOWN, signed("c", "2025-02-01", reporter="consumer"), version(1, WHEN, secret())]
    assert [hit("trade")] == screened(stated)
    assert [] == screened([*stated, signed("c", "2025-04-01", reporter="exchange")])


@pytest.mark.parametrize(("mode", "found"), [("enforce", [hit()]), ("shadow", [hit()]), ("off", [])])
def test_the_mode_is_that_of_the_pack_at_the_instant(mode: str, found: list[tuple[str, ...]]) -> None:
    published = version(1, WHEN, secret(), detectors={"negative-list": {"mode": mode}})
    assert found == screened([*KNOWN, listed("asset", "2025-02-01"), published])


def test_a_default_that_comes_back_was_in_force_from_the_beginning() -> None:
    default = pack(secret(), version="0", valid_from="2025-04-01")
    between = version(1, "2025-02-01", valid_to=instant(WHEN))
    # The entry of the default began in 2020, and does not begin again.
    assert [] == screened([*KNOWN, listed("asset", "2025-01-15"), between], default)


MARKET = [
    *KNOWN,
    *(asset(f"a{one}", tags=["secret"] if one % 5 == 0 else []) for one in range(30)),
    *(derived(f"a{one}", "2025-01-15", f"a{one - 3}") for one in range(28, 30)),
    asset("ungraded", level="ungraded"),
    *(listed(f"a{one}", "2025-02-01", product=f"p{one}") for one in range(0, 30, 2)),
    *(signed(f"c{one}", "2025-02-01", asset=f"a{one}") for one in range(1, 30, 2)),
    listed("ungraded", "2025-02-01"),
    listed("unheard-of", "2025-02-01"),
    version(1, WHEN, secret(), entry("core", match={"level": ["core"]}), entry("of", match={"parties": [THIRD]})),
]


def take(engine: Engine, stated: Sequence[Json]) -> None:
    admission, now = Admission(), parse_instant("2030-01-01")
    for number, one in enumerate(stated):
        raw = orjson.dumps(one)
        admitted = admission.admit(raw, topic=None, key=ANY, headers=(), now=now)
        assert isinstance(admitted, Event)
        engine.take([Arrival(number, now, admitted, raw, ("file", 0, number))], [], now)


def standing(engine: Engine) -> list[Json]:
    with engine.store.reading() as db:
        rows = db.rows("select data from findings where standing order by finding")
    members = [orjson.loads(row[0]) for row in rows]
    return [{name: value for name, value in one.items() if name not in ("revision", "sectors")} for one in members]


@pytest.mark.slow
@pytest.mark.parametrize("slice_max", [1, 2, 7, 2_000])
def test_the_search_finds_the_same_in_slices_of_any_size(slice_max: int) -> None:
    expected = screened(MARKET)
    assert 9 == len(expected)
    with mock.patch.object(screening, "SLICE_MAX", slice_max):
        assert expected == screened(MARKET)


@pytest.mark.parametrize("write", [orjson.dumps, lambda one: json.dumps(one).encode()], ids=["plain", "escaped"])
@pytest.mark.parametrize(
    ("matching", "found"),
    [
        ({"tags": ["涉密", "other"]}, True),
        ({"tags": ["a/b"]}, True),
        ({"tags": ["涉"]}, False),
        ({"tags": []}, False),
        ({"category": ["地图"]}, True),
        ({"category": ["地图"], "tags": ["other"]}, False),
        ({"level": ["general"]}, True),
        ({"public": False}, True),
    ],
    ids=str,
)
def test_what_an_entry_asks_of_texts_is_found_however_json_writes_them(
    write: Callable[[Json], bytes], matching: Json, found: bool
) -> None:
    known = asset("asset", tags=["涉密", "a/b"], category="地图", level="general", public=False)
    store = Store("sqlite://")
    replay = Replay(offline(store, parse_pack(NOTHING, published=False)), Admission(), until=parse_instant(UNTIL))
    replay.run(
        map(write, [party(OWNER), known, listed("asset", "2025-02-01"), version(1, WHEN, secret(match=matching))])
    )
    with store.reading() as db:
        assert ([("asset",)] if found else []) == db.rows("select about from findings where detector = 'negative-list'")


def test_an_asset_that_is_not_registered_may_have_any_tag() -> None:
    offered, published = listed("unheard-of", "2025-02-01"), version(1, WHEN, secret())
    graded = event("asset.graded", "unheard-of", "2025-01-01", level="core", personal="none", reason="review")
    assert [hit(entry_="")] == screened([offered, published])
    assert [hit(entry_="")] == screened([graded, offered, published])


@pytest.mark.parametrize("seed", range(3))
def test_two_workers_of_one_store_screen_the_same(postgres_url: str, seed: int) -> None:
    alone = offline(Store("sqlite://"), parse_pack(NOTHING, published=False))
    take(alone, MARKET)
    clock = parse_instant(UNTIL)
    alone.settle_apart(clock)
    while alone.release(clock, clock):
        alone.settle_apart(clock)

    pair = []
    for _ in range(2):
        store = Store(postgres_url)
        store.migrate()
        pair.append(offline(store, parse_pack(NOTHING, published=False)))
    chosen = random.Random(seed)
    lines = list(MARKET)
    chosen.shuffle(lines)
    try:
        for engine in pair:
            engine.take_up()
        for one in lines:
            take(chosen.choice(pair), [one])
            if chosen.random() < 0.3:
                pair[0].release(parse_instant(chosen.choice(["2025-02-01", WHEN, UNTIL])), clock)
            for _ in range(chosen.randrange(4)):
                first = chosen.choice([LIVE, AGAIN, STATING])
                chosen.choice(pair).judge_round(clock, chosen.choice([1, 3, 50]), first=first)
        while pair[0].release(clock, clock) or pair[0].waiting():
            chosen.choice(pair).judge_round(clock, 50)
        assert standing(alone) == standing(pair[1])
    finally:
        for engine in pair:
            engine.store.close()


@pytest.mark.parametrize("before", [True, False])
def test_a_pack_that_comes_as_a_round_of_judging_begins_is_screened(postgres_url: str, before: bool) -> None:
    pair = []
    for _ in range(2):
        store = Store(postgres_url)
        store.migrate()
        pair.append(offline(store, parse_pack(NOTHING, published=False)))
    mine, other = pair
    clock = parse_instant(UNTIL)
    claim, coming = judge.claim, [version(1, WHEN, secret())]

    def meanwhile(*given: Any) -> Any:
        items = None if before else claim(*given)
        take(other, coming)
        coming.clear()
        return claim(*given) if before else items

    try:
        take(mine, [*KNOWN, listed("asset", "2025-02-01")])
        mine.settle_apart(clock)
        with mock.patch.object(judge, "claim", meanwhile):
            mine.judge_round(clock, 50)
            while mine.judge_round(clock, 50).items:
                pass
        assert coming == []
        assert [hit()] == of(standing(mine))
    finally:
        for engine in pair:
            engine.store.close()

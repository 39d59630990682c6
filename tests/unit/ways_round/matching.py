"""Ways round the negative list, policies and markets that are closed, each named after it."""

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
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
    derived,
    entry,
    event,
    instant,
    listed,
    pack,
    party,
    signed,
    terms,
    used,
)
from circulation.packs.reading import parse_pack
from circulation.texts import fold, fold_id, is_mixed, skeletons
from streams.offline.replay import Replay, findings_of, offline
from streams.store.migrations import config
from streams.store.store import Store

WHEN, ACT, UNTIL = "2025-03-01", "2025-04-01", "2025-06-01"


def negative(stated: Sequence[Json], default: Json) -> list[Json]:
    return [one for one in findings_of(list(stated), pack=default, until=UNTIL) if one["detector"] == "negative-list"]


def acted_and_screened(stated: Sequence[Json], match: Json) -> tuple[list[Any], list[Any]]:
    """What an entry says of acts of later, and of what circulates when a version that has it comes, late."""

    def told(found: Sequence[Json]) -> list[Any]:
        members = ("verdict", "action", "listed", "through")
        return sorted((one["about"]["id"], *(str(one["evidence"].get(name)) for name in members)) for one in found)

    one = entry("entry", match=match)
    version = pack(one, version="2") | {"valid_from": instant("2025-05-01")}
    published = event("rulepack.published", "beijing", "2025-05-02", **version)
    return told(negative(stated, pack(one))), told(negative([*stated, published], pack(version="0")))


# The negative list


def test_a_subsidiary_sells_for_whom_the_list_names() -> None:
    stated = [party(OWNER), asset("asset"), listed("asset", ACT), party(SELLER, controller=THIRD)]
    (found,) = negative(stated, pack(entry("named", match={"parties": [THIRD]})))
    assert (THIRD, SELLER) == (found["evidence"]["listed"], found["evidence"]["through"])


@pytest.mark.parametrize("where", [SELLER, OWNER, BUYER, "p:owner-of-source"])
def test_whoever_controls_is_found_in_any_order_by_acts_and_by_the_list(where: str) -> None:
    registered = [party(where, controller="p:middle"), party("p:middle", controller=THIRD)]
    stated = [
        asset("raw", owner="p:owner-of-source"),
        asset("asset"),
        derived("asset", "2025-02-01", "raw"),
        listed("asset", ACT),
        signed("c", ACT, asset="asset"),
    ]
    expected = acted_and_screened([*registered, *stated], {"parties": [THIRD]})
    assert expected[0] == expected[1]
    assert all(line[3:] == (THIRD, where) for line in expected[0]) and expected[0]
    for order in itertools.permutations([stated, registered[:1], registered[1:]]):
        assert expected == acted_and_screened([one for some in order for one in some], {"parties": [THIRD]})


def test_who_is_no_longer_controlled_by_whom_the_list_names_is_free() -> None:
    freed = [party(SELLER, controller=THIRD), party(SELLER, "2025-03-31")]
    stated = [party(OWNER), asset("asset"), listed("asset", ACT)]
    assert [] == negative([*stated, *freed], pack(entry("named", match={"parties": [THIRD]})))


@pytest.mark.parametrize(
    ("member", "stated", "asked", "verdict"),
    [
        ("fields", ["\uff26\uff21\uff23\uff25_image"], "face*", "match"),
        ("fields", ["fa\u00adce\u2060_image"], "face*", "match"),
        ("fields", ["\u3164face"], "face", "match"),
        ("fields", ["fac\u0435_image"], "face*", "needs-info"),
        ("fields", ["\u03bfrder"], "order", "needs-info"),
        ("fields", ["pay_nurnb\u0435r"], "pay_number", "needs-info"),
        ("fields", ["ID_NUM\u0412ER"], "id_number", "needs-info"),
        ("fields", ["\u8def\u7ebf_name"], "\u8def\u7ebf_nane", None),
        ("fields", ["\u0440\u0430\u0440\u0430"], "papa", None),
        ("tags", ["\uff33ECRET"], "secret", "match"),
        ("tags", ["\u217becret"], "viiiecret", None),
        ("category", "Tra\u200bffic ", "traffic", "match"),
        ("category", "\ufb01nance", "FINANCE", "match"),
    ],
)
def test_a_word_in_other_letters_is_the_word_by_acts_and_by_the_list(
    member: str, stated: Any, asked: str, verdict: str | None
) -> None:
    events = [party(OWNER), asset("asset", **{member: stated}), listed("asset", ACT)]
    acted, screened = acted_and_screened(events, {member: [asked]})
    assert acted == screened
    assert ([] if verdict is None else [verdict]) == [one[1] for one in acted]


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({"assets": ["nft/0xABCD"]}, True),
        ({"assets": ["nft/0xabcE"]}, False),
        ({"assets": ["NFT/0xabcd"]}, False),
        ({"parties": ["eth:0xBEEF"]}, True),
        ({"parties": ["eth:0xBEE"]}, False),
        ({"parties": ["ETH:0xBEEF"]}, False),
        ({"parties": ["dao:0xF00D"]}, True),
    ],
)
def test_a_hexadecimal_id_in_another_case_is_the_id_by_acts_and_by_the_list(match: Json, found: bool) -> None:
    events = [
        party(OWNER),
        party("eth:0xbeef", controller="dao:0xf00d"),
        asset("nft/0xAbCd"),
        listed("nft/0xAbCd", ACT, seller="eth:0xbeef"),
    ]
    acted, screened = acted_and_screened(events, match)
    assert (acted == screened, bool(acted)) == (True, found)


@given(st.text(max_size=12))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(text) == fold(fold(text))
    assert fold(text) == fold(f" {text.upper() if text.upper().lower() == text else text}\u00ad ")


@given(st.text("0xXabfAFgG-", max_size=12))
def test_an_id_is_folded_in_its_hexadecimal_numbers_alone(id_: str) -> None:
    folded = fold_id(id_)
    assert folded == fold_id(folded)
    assert folded.lower() == id_.lower()
    assert "0x" in id_.lower() or folded == id_


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("face", False),
        ("f\u00e4ce_1", False),
        ("fac\u0435", True),
        ("\u043b\u0438\u0446\u043e_1", False),
        ("\u7530\u4e2d\u3055\u3093\u30b9", False),
        ("\ud55c\u6f22", False),
        ("\u59d3\u540d_name", True),
        ("\u3042\ud55c", True),
    ],
)
def test_scripts_that_are_not_written_together_are_mixed(text: str, mixed: bool) -> None:
    assert mixed == is_mixed(text) == bool(skeletons(text))


@pytest.mark.parametrize("match", [{"parties": ["dao:0xF00D"]}, {"assets": ["nft/0xABCD"]}, {"tags": ["S\u00c9CRET"]}])
def test_either_store_finds_what_a_list_of_later_names_in_another_spelling(store: Store, match: Json) -> None:
    version = pack(entry("entry", match=match), version="2") | {"valid_from": instant("2025-05-01")}
    stated = [
        party(OWNER),
        party("eth:0xbeef", controller="dao:0xf00d"),
        asset("nft/0xAbCd", tags=["\uff33e\u0301cret "]),
        listed("nft/0xAbCd", ACT, seller="eth:0xbeef"),
        event("rulepack.published", "beijing", "2025-05-02", **version),
    ]
    engine = offline(store, parse_pack(pack(version="0"), published=False))
    Replay(engine, Admission(), until=parse_instant(UNTIL)).run(map(orjson.dumps, stated))
    with store.reading() as db:
        rows = db.rows("select about, occurred from findings where detector = 'negative-list' and standing")
    assert [("nft/0xAbCd", parse_instant("2025-05-01"))] == [tuple(row) for row in rows]


# Policies


def said_under(policy: Json) -> tuple[list[str], list[str]]:
    """The severities that a use under a policy raises, and the reasons for which the contract is rejected."""
    contract = signed("c", "2025-02-01")
    del contract["data"]["terms"]
    contract["data"]["policy"] = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement"} | policy
    rejected: list[str] = []
    store = Store("sqlite://")
    engine = offline(store, parse_pack(pack(), published=False))
    replay = Replay(engine, Admission(), rejected=lambda line: rejected.append(orjson.loads(line)["reason"]))
    replay.run(map(orjson.dumps, [party(SELLER), contract, used("c", "2025-02-02", 1)]))
    with store.reading() as db:
        rows = db.rows("select severity from findings where standing and detector = 'usage-limit'")
    return [row[0] for row in rows], rejected


@pytest.mark.parametrize("action", ["delete", ["print"], [{"@id": "odrl:delete"}, "print"]])
def test_an_agreement_that_only_deletes_or_prints_is_no_licence_to_use(action: Any) -> None:
    assert (["red"], []) == said_under({"permission": {"action": action}})


@pytest.mark.parametrize(
    "policy",
    [
        {"permission": {"action": "sell"}},
        {"permission": {"action": ["use", "distribute"]}},
        {"permission": {"target": "a"}},
        {"permission": {"action": "use", "constraint": {"or": [{"leftOperand": "count"}]}}},
        {"permission": {"action": "use"}, "prohibitions": [{"action": "use"}]},
        {
            "@context": {"not": "o:prohibition", "o": "http://www.w3.org/ns/odrl/2/"},
            "not": {},
            "permission": {"action": "use"},
        },
    ],
)
def test_what_a_policy_says_beyond_terms_is_never_skipped(policy: Json) -> None:
    assert ([], ["invalid-data"]) == said_under(policy)


def test_a_limit_that_terms_cannot_say_alone_is_kept_within_all_of_several() -> None:
    limits = [
        {"leftOperand": "count", "operator": "lt", "rightOperand": 1},
        {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2026-01-01"},
    ]
    assert (["red"], []) == said_under({"permission": {"action": "use", "constraint": {"and": limits}}})


# The store


def test_what_a_store_of_before_never_said_is_said_after_its_migration(store: Store) -> None:
    engine = offline(store, parse_pack(pack(entry("named", match={"parties": [THIRD]})), published=False))
    stated = [party(OWNER), asset("asset"), listed("asset", ACT), party(SELLER, controller=THIRD)]
    Replay(engine, Admission(), until=parse_instant(UNTIL)).run(map(orjson.dumps, stated))
    with store.writing() as db:
        db.run("delete from findings where detector = 'negative-list'")
    (migration,) = (
        one for one in ScriptDirectory.from_config(config()).walk_revisions() if one.path.endswith("_judged_anew.py")
    )
    url = store._url.set(drivername="postgresql+psycopg") if store.postgres else store._url
    migrated = create_engine(url, poolclass=NullPool)
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.module.upgrade()
    Replay(engine, Admission(), until=parse_instant(UNTIL)).run([])
    with store.reading() as db:
        assert 1 == len(db.rows("select finding from findings where detector = 'negative-list' and standing"))


# Markets


SOLD_FOR_ONE = signed("c", "2025-02-01", channel="off-exchange", amount="1")


def crimes(stated: Sequence[Json]) -> list[str]:
    found = findings_of(list(stated), pack=pack(), until=UNTIL)
    return [one["evidence"]["proceeds_sum"] for one in found if one["detector"] == "black-market"]


@pytest.mark.parametrize(
    ("sales", "tags", "found"),
    [
        ([("5000", {})], [], ["1/1"]),
        ([("2500", {}), ("2499.999999", {})], [], []),
        ([("2500", {}), ("2500", {"buyer": THIRD})], [], ["1/1"]),
        ([("5000", {"channel": "filed"})], [], []),
        ([("2500", {"currency": "EUR"}), ("2500", {"currency": "CNY"})], [], []),
        ([("2500", {})], ["\uff2fbtained-in-service"], ["1/1"]),
        ([("2499.999999", {})], ["obtained-in-duty"], []),
    ],
)
def test_a_few_records_at_a_high_price_are_a_crime_too(
    sales: list[tuple[str, Json]], tags: list[str], found: list[str]
) -> None:
    sold = [
        signed(f"c{at}", f"2025-02-0{at + 1}", **({"channel": "off-exchange", "amount": amount} | more))
        for at, (amount, more) in enumerate(sales)
    ]
    assert found == crimes([asset("asset", personal="personal", persons=1, tags=tags), *sold])


@pytest.mark.parametrize(("category", "found"), [("TRACKS", 1), ("tracks\u200b", 1), (" tracks", 1), ("track", 0)])
def test_tracks_that_are_spelled_otherwise_are_no_data_of_another_class(category: str, found: int) -> None:
    assert found == len(crimes([asset("asset", personal="personal", persons=50, category=category), SOLD_FOR_ONE]))


def test_paying_late_moves_no_sale_out_of_its_months() -> None:
    paid = event("settlement.paid", "c", "2026-02-10", settlement="s", payer=BUYER, payee=SELLER, amount="1000")
    default = pack(detectors={"dominance": {"contracts": 1}})

    def months(signed_at: str, paid_at: str) -> list[str]:
        stated = [asset("asset"), signed("c", signed_at), paid | {"time": instant(paid_at)}]
        found = findings_of(stated, pack=default, until="2026-06-01")
        return sorted(one["evidence"]["month"] for one in found if one["detector"] == "dominance")

    year = [f"2025-{month:02}" for month in range(1, 13)]
    assert year == months("2025-01-10", "2025-01-20")
    assert year[6:] == months("2025-01-10", "2025-07-01")
    assert [] == months("2025-01-10", "2026-01-01")


def test_who_has_half_of_a_market_has_it_by_who_controlled_whom_at_the_months_end() -> None:
    stated = [
        asset("asset"),
        signed("p", "2025-01-10", seller=OWNER),
        event("settlement.paid", "p", "2025-01-11", settlement="s", payer=BUYER, payee=OWNER, amount="1000"),
        party(SELLER, controller=OWNER),
        signed("c", "2025-02-10", terms=terms(exclusive=True)),
    ]

    def bound(*more: Json) -> int:
        found = findings_of([*stated, *more], pack=pack(), until=UNTIL)
        return sum(one["detector"] == "exclusive-dealing" for one in found)

    assert 1 == bound()
    # To leave the group for a day does not help, nor does it to enter it on the day count.
    assert 1 == bound(party(SELLER, "2025-02-10"), party(SELLER, "2025-02-11", controller=OWNER))
    assert 0 == bound(party(SELLER, "2025-01-31"), party(SELLER, "2025-02-10", controller=OWNER))

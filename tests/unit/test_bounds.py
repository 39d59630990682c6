"""Whatever is sent is bounded: below the limits it is as it was said, beyond them its beginning and a number."""

import datetime as dt
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation import bounds, docket
from circulation.admission.records import EVENT_BYTES_MAX
from circulation.bounds import ITEMS_MAX, TEXT_CHARACTERS_MAX, bounded, shortened
from circulation.credit.sending import STATED_MAX, STATEMENT_BYTES_MAX, sent
from circulation.credit.settings import Settings
from circulation.credit.statement import Standing, statement
from circulation.events.names import FINDINGS, JOURNAL
from circulation.findings import About, Cause, Said, finding_id
from circulation.identifiers import DATASET_LENGTH_MAX
from circulation.packs.members import TEXT_CHARS_MAX
from detectors import RULES
from streams import limits
from streams.facts.rulebook import shipped
from streams.findings.book import Book
from streams.findings.entry import Entry
from streams.store.outbox import Message, canonical, post
from streams.store.store import Store

PACK = shipped(RULES)
# A character of four bytes, one that is escaped, and one of each length between.
WIDE = st.sampled_from(["\U0001f600", '"', "\\", "数", "é", "a", "\x01"])
# Texts and lists that are long at a small cost: a short one, again and again.
TEXTS = st.builds(lambda text, times: text * times, st.text(WIDE, max_size=4), st.sampled_from([1, 3, 1_500, 9_000]))
LEAVES = TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()


def _repeated(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.builds(lambda one, times: one * times, st.lists(items, max_size=3), st.sampled_from([1, 2, 40, 1_100]))
    names = st.builds(lambda name, times: [f"{name}{at}" for at in range(times)], TEXTS, st.sampled_from([1, 5, 1_200]))
    return lists | st.builds(lambda each, value: dict.fromkeys((n[:200] for n in each), value), names, items)


EVIDENCE = st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=20), st.recursive(LEAVES, _repeated, max_leaves=6), max_size=12
)


def _said(**changed: Any) -> Said:
    long = "\U0001f600" * DATASET_LENGTH_MAX
    members: dict[str, Any] = {
        "severity": "red",
        "about": About("asset", long),
        "party": "x:" + "数" * 126,
        "occurred": 0,
        "summary": "said",
        "summary_zh": "说",
        "evidence": {},
        "cause": Cause(long, "数" * 128),
    }
    return Said(**members | changed)


def _sent(said: Said, sectors: tuple[str, ...] = ()) -> list[bytes]:
    """What leaves of a finding that says this."""
    store = Store("sqlite://")
    book = Book(lambda _db, entries, _facts: [sectors for _ in entries])
    with store.writing() as db:
        book.enter(db, [Entry("thing", RULES["negative-list"], PACK, said, 0)])
    with store.reading() as db:
        rows = db.rows("select topic, value from outbox order by id")
    assert [FINDINGS, JOURNAL] == [topic for topic, _ in rows]
    return [bytes(value) for _, value in rows]


@pytest.mark.parametrize("count", [0, ITEMS_MAX - 1, ITEMS_MAX])
def test_what_is_below_the_limits_is_as_it_was_said(count: int) -> None:
    said = {"path": [f"a{at}" for at in range(count)], "text": "x" * TEXT_CHARACTERS_MAX, "deep": {"one": [[1, 2]]}}
    assert said == bounded(said)


def test_a_list_keeps_its_first_items_and_says_how_many_it_lost() -> None:
    path = [f"a{at}" for at in range(ITEMS_MAX + 1)]
    assert {"path": path[:-1], "path_left_out": 1, "n": 3} == bounded({"path": path, "n": 3})


def test_items_left_out_further_down_are_counted_beside_the_member() -> None:
    days = {str(day): [1] for day in range(ITEMS_MAX + 3)} | {"0": [1] * (ITEMS_MAX + 2), "1": [[1] * (ITEMS_MAX + 4)]}
    found = bounded({"uses": days})
    assert 3 + 2 + 4 == found["uses_left_out"]
    assert [ITEMS_MAX] * 3 == [len(one) for one in (found["uses"], found["uses"]["0"], found["uses"]["1"][0])]


def test_a_path_of_many_assets_with_long_names_fits() -> None:
    """5,700 assets with names as long as they may be made 17 MB."""
    path = [f"{at:04}" + "数" * (DATASET_LENGTH_MAX - 4) for at in range(5_700)]
    found = bounded({"path": path})
    assert path[: len(found["path"])] == found["path"]
    assert 5_700 == len(found["path"]) + found["path_left_out"]
    assert bounds.BYTES_MAX >= len(canonical(found)) > bounds.BYTES_MAX // 4


@pytest.mark.parametrize(("length", "kept"), [(9, "x" * 9), (10, "x" * 10), (11, "x" * 9 + "…")])
def test_a_text_that_is_too_long_ends_where_it_was_cut(length: int, kept: str) -> None:
    assert kept == shortened("x" * length, 10)


def test_the_id_of_a_finding_does_not_hang_on_what_was_left_out() -> None:
    said = _said(evidence={"path": ["a"] * 5_000}, apart=("entry",))
    data = orjson.loads(_sent(said)[0])["data"]
    assert finding_id("negative-list", said.about, said.cause, said.apart) == data["finding"]
    assert 4_000 == data["evidence"]["path_left_out"]


def test_the_same_finding_said_again_is_no_revision() -> None:
    store = Store("sqlite://")
    sectors = tuple(f"receiver {at}" for at in range(2 * ITEMS_MAX))
    book = Book(lambda _db, entries, _facts: [sectors for _ in entries])
    said = _said(evidence={"path": ["a"] * 5_000}, summary="s" * 10_000)
    for _ in range(2):
        with store.writing() as db:
            book.enter(db, [Entry("thing", RULES["negative-list"], PACK, said, 0)])
    with store.reading() as db:
        assert [(1,)] == db.rows("select revision from findings")


@settings(max_examples=60)
@given(EVIDENCE, TEXTS)
def test_any_finding_that_can_be_said_is_smaller_than_an_event_may_be(evidence: dict[str, Any], summary: str) -> None:
    for value in _sent(_said(evidence=evidence, summary=summary), tuple([summary[:TEXT_CHARS_MAX]] * 2_000)):
        assert len(value) <= EVENT_BYTES_MAX


def _row(at: int, text: str, points: int) -> dict[str, Any]:
    return {"record": f"r{at}", "act": text, "tier": "minor", "status": "published", "points": points}


@settings(max_examples=40)
@given(st.integers(0, 3_000), st.integers(0, 3_000), TEXTS, st.sampled_from([1, 7]))
def test_any_statement_that_is_sent_is_bounded(records: int, findings: int, text: str, every: int) -> None:
    data = {
        "party": "x:1",
        "score": 3,
        "records": [_row(at, text, 5 if at % every == 0 else 0) for at in range(records)],
        "findings": [{"finding": f"{at:032}", "points": 10} for at in range(findings)],
        "merits": [],
    }
    found = sent(data)
    assert len(canonical(found)) <= STATEMENT_BYTES_MAX
    for name, count in (("records", records), ("findings", findings)):
        assert count == len(found[name]) + found.get(f"{name}_left_out", 0)
        assert len(found[name]) <= STATED_MAX


def test_a_statement_lists_what_weighs_most_and_then_what_is_newest_in_its_order() -> None:
    rows = [_row(at, "act", 40 if at == 0 else 5 if at % 2 else 0) for at in range(3 * STATED_MAX)]
    found = sent({"records": rows, "findings": [], "merits": []})
    newest = [row for row in rows if row["points"] == 5][-(STATED_MAX - 1) :]
    assert {"records": [rows[0], *newest], "records_left_out": 2 * STATED_MAX, "findings": [], "merits": []} == found


@pytest.mark.parametrize("count", [0, 1, STATED_MAX - 1, STATED_MAX])
def test_a_statement_of_ordinary_size_is_sent_as_it_is(count: int) -> None:
    data = {"party": "x:1", "records": [_row(at, "act", 5) for at in range(count)], "findings": [], "merits": []}
    assert data == sent(data)


def test_the_score_is_made_of_all_that_a_statement_leaves_out() -> None:
    as_of = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp() * 1e6)
    findings = [Standing(f"{at:032}", "yellow", as_of - 1) for at in range(STATED_MAX + 5)]
    whole = statement("x:1", [], findings, as_of, Settings(findings_max=1_000_000, base=2_000, finding_days=1))
    found = sent(whole.data)
    assert (whole.data["score"], 5) == (found["score"], found["findings_left_out"])


@given(TEXTS, st.lists(TEXTS, max_size=4))
def test_an_event_of_a_case_is_not_much_larger_than_the_order_it_echoes(note: str, evidence: list[str]) -> None:
    """Notes and evidence of orders are as long as an event has room for: what echoes them fits in any topic."""
    id_ = docket.docket_id("usage-limit", "contract", "c")
    of = docket.Docket(id_)
    of.enter(docket.Raised("f" * 32, "usage-limit", "contract", "\U0001f600" * 128, "x:1", "red", 0))
    order = docket.Order(f"{id_}-1", "acknowledged", "/s", "1", 1, "by", note, None, tuple(evidence))
    said = len(canonical({"note": note, "evidence": evidence}))
    (told,) = of.enter(order)
    assert len(canonical(told.data)) <= said + 4_096 < limits.RECORD_BYTES_MAX


@given(TEXTS, st.integers(0, 40))
def test_headers_and_keys_fit_beside_the_largest_value(text: str, count: int) -> None:
    store = Store("sqlite://")
    headers = tuple((f"h{at}", text) for at in range(count))
    with store.writing() as db:
        post(db, [Message("circulation.rejected", text.encode(), headers, b"")])
    with store.reading() as db:
        ((key, kept),) = db.rows("select key, headers from outbox")
    assert len(key) + len(kept) <= limits.AROUND_BYTES
    if sum(len(f"h{at}") + len(text) for at in range(count)) <= limits.HEADER_CHARACTERS_MAX:
        assert [list(pair) for pair in headers] == orjson.loads(kept)


def test_a_statement_of_many_records_fits() -> None:
    """105,000 records made 17 MB."""
    rows = [_row(at, "数" * 60, 40) for at in range(105_000)]
    assert len(canonical(sent({"records": rows, "findings": [], "merits": []}))) <= STATEMENT_BYTES_MAX

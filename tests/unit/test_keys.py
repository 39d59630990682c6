"""Queries of PostgreSQL compare the keys of long texts, and nothing else of them changes."""

import pytest

from streams.store.keys import keyed, unkeyed


@pytest.mark.parametrize(
    ("sql", "text", "places"),
    [
        ("thing = ? and time > ?", "circulation_key(thing) = ? and time > ?", {0}),
        ("topic = ? and e.subject = any(?)", "topic = ? and circulation_key(e.subject) = any(?)", {1}),
        ("(s.thing = e.thing)", "(circulation_key(s.thing) = circulation_key(e.thing))", set()),
        ("about = 'x'", "circulation_key(about) = circulation_key('x')", set()),
        ("key(scope) > key(?) and rule = ?", "circulation_key(scope) > circulation_key(?) and rule = ?", set()),
        # what is put together is not a text that stands somewhere: it says itself where it wants the key
        ("f.thing = ? || s.scope and ref = ?", "f.thing = ? || s.scope and circulation_key(ref) = ?", {1}),
        ("set thing = ? where thing = ?", "set thing = ? where circulation_key(thing) = ?", {1}),
        ("nothing = ? and subject like ? and output in (?)", "nothing = ? and subject like ? and output in (?)", set()),
    ],
)
def test_a_comparison_of_long_texts_is_one_of_their_keys(sql: str, text: str, places: set[int]) -> None:
    assert (text, places) == keyed(sql)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("key(thing) > key(?)", "thing > ?"),
        ("monkey(thing) = ?", "monkey(thing) = ?"),
        ("where standing = true and f.standing = true", "where standing and f.standing"),
        ("set standing = true where standing = false", "set standing = true where standing = false"),
    ],
)
def test_sqlite_is_asked_without_keys_and_in_the_words_of_its_indexes(sql: str, text: str) -> None:
    assert text == unkeyed(sql)

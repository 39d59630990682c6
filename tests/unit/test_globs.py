"""Many globs find what each of them finds, and are not tried with what they cannot fit."""

import fnmatch
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from circulation.examples import entry, pack
from circulation.lint.entries import GLOBS_TOGETHER_MAX
from circulation.lint.lint import lint
from circulation.packs import globs
from circulation.packs.globs import Globs
from circulation.texts import fold

LETTERS = "aAbBiIksS1_.\u0130\u0131\u017f\u212a\u00df\u00c9\u00e9\u8def"
texts = st.text(LETTERS, max_size=8)
patterns = st.lists(st.sampled_from(["*", "?", "[ab]", "[!a]", "[", "]", "[]", *LETTERS]), max_size=8).map("".join)


def one_by_one(some: Sequence[str], fields: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(fold(field), one) for one in some for field in fields)


@given(some=st.lists(patterns, min_size=1, max_size=12), fields=st.lists(texts, max_size=12), small=st.booleans())
@example(some=["[]", "*\u0131"], fields=["I"], small=False)
def test_globs_together_find_what_each_finds(some: list[str], fields: list[str], small: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(globs, "SMALL_MAX", 10_000 if small else 0)
        folded = [fold(one) for one in some]
        assert Globs(folded).fits_any(fields) == one_by_one(folded, fields)


def test_fields_that_only_look_alike_are_not_tried_with_each_glob() -> None:
    tried = []

    class Counting(Globs):
        def _fits(self, gram: str, text: str) -> bool:
            tried.append(text)
            return super()._fits(gram, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(globs, "Globs", Counting)
        many = Counting(f"*_secret_{at}" for at in range(1_000))
        # The last letter of each name is Cyrillic.
        assert not many.resemble_any([f"field_{at}_\u0430" for at in range(5_000)])
        assert many.resemble_any(["my_s\u0435cret_7"])
    assert len(tried) < 50_000


def test_only_the_globs_that_may_fit_a_field_are_tried() -> None:
    tried = []

    class Counting(Globs):
        def _fits(self, gram: str, text: str) -> bool:
            tried.append(text)
            return super()._fits(gram, text)

    many = Counting([*(f"*_secret_{at}" for at in range(1_000)), "\u8def\u7ebf*"])
    fields = [f"field_{at}" for at in range(5_000)]
    assert not many.fits_any(fields)
    assert many.fits_any(["\u8def\u7ebf\u540d", *fields])
    assert len(tried) < 50_000


@pytest.mark.parametrize(("more", "said"), [(0, False), (1, True)])
def test_lint_bounds_the_globs_of_all_entries_together(more: int, said: bool) -> None:
    left = GLOBS_TOGETHER_MAX + more
    entries = []
    while left:
        count = min(left, 1_000)
        some = [f"e{len(entries)}_{at}_*" for at in range(count)]
        entries.append(entry(f"e{len(entries)}", match={"fields": some}))
        left -= count
    remarks = lint(pack(*entries), {}).errors
    assert any(one.path == "$.negative_list" and f"{GLOBS_TOGETHER_MAX:,}" in one.text for one in remarks) == said

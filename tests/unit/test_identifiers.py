from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.identifiers import (
    check_asset,
    check_country,
    check_currency,
    check_document,
    check_id,
    check_industry,
    check_money,
    check_party,
    check_region,
    check_source,
    check_text,
    uscc_check_character,
)

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize(
    "code", ["91110108MA01ABC25F", "121100004006860134", "N2110111MF12345676", "91110000600037341L"]
)
def test_credit_codes_of_every_authority_are_parties(code: str) -> None:
    assert check_party(code) is None


def test_real_credit_codes_are_parties_and_any_other_check_character_is_not(test_data: Path) -> None:
    codes = (test_data / "identifiers" / "uscc.txt").read_text().split()
    assert len(codes) >= 100
    for code in codes:
        assert check_party(code) is None, code
        for character in ALPHABET:
            assert (check_party(code[:17] + character) is None) == (character == code[17])


@given(st.text(ALPHABET, min_size=17, max_size=17))
def test_any_code_with_its_check_character_is_a_party_and_no_other(first17: str) -> None:
    last = uscc_check_character(first17)
    assert [last] == [one for one in ALPHABET if check_party(first17 + one) is None]


@pytest.mark.parametrize("party", ["did:web:x", "a:b", "lei:5493001KJTIIGC8Y1R12", "x+y.z-1:值", "s:" + "v" * 126])
def test_a_scheme_and_a_value_are_a_party(party: str) -> None:
    assert check_party(party) is None


@pytest.mark.parametrize(
    "party",
    [
        "",
        "acme",
        ":v",
        "s:",
        "1s:v",
        "s_t:v",
        "值:v",
        "s:" + "v" * 127,
        "s:\n",
        "91110000600037341l",
        "91110000600037341M",
        "9111000060003734IL",
        "91110000600037341",
        "９1110000600037341L",
    ],
)
def test_anything_else_is_no_party(party: str) -> None:
    assert check_party(party) is not None


@given(st.text())
def test_checks_answer_for_any_text(text: str) -> None:
    for check in (check_party, check_id, check_source, check_asset, check_country, check_industry, check_money):
        assert check(text) is None or check(text)


def test_ids_have_1_to_128_printable_characters() -> None:
    assert [False, True, True, False] == [check_id("i" * length) is None for length in (0, 1, 128, 129)]
    assert [check_id(text) is None for text in ("标识 1", "a\tb", "a\x7f", "a\u200b")] == [True, False, False, False]


def test_an_openlineage_dataset_may_have_1024_characters() -> None:
    assert [True, False] == [check_asset("i" * length) is None for length in (128, 129)]
    assert [True, False] == [check_asset("n/" + "i" * (length - 2)) is None for length in (1024, 1025)]
    assert [True, False] == [check_source("i" * length) is None for length in (1024, 1025)]


def test_an_empty_document_is_none_and_not_malformed() -> None:
    assert check_document("") is None
    assert check_document("\n") is not None


def test_codes_are_those_of_their_standards() -> None:
    assert [True, True, False, False, False] == [check_country(c) is None for c in ("CN", "HK", "cn", "XX", "CHN")]
    assert [True, True, False, False] == [check_currency(c) is None for c in ("CNY", "HKD", "RMB", "cny")]
    regions = ("110000", "110108", "11", "1101080", "01010a", "１10108")
    assert [True, True, False, False, False, False] == [check_region(region) is None for region in regions]
    industries = ("I", "I65", "I651", "I6510", "I6", "I65100", "U65", "i65", "65", "")
    assert [True] * 4 + [False] * 6 == [check_industry(industry) is None for industry in industries]


def test_money_is_a_bounded_decimal_string_of_at_least_0() -> None:
    good = ("0", "0.50", "1", "999999999999999999.999999")
    bad = ("", "-1", "+1", "1e3", "1.", ".5", "01", "1,000", "1.1234567", "1" * 19, "NaN", "１", "1\n", " 1")
    assert [True] * len(good) == [check_money(text) is None for text in good]
    assert [False] * len(bad) == [check_money(text) is None for text in bad]


def test_text_is_anything_but_what_a_table_cannot_keep() -> None:
    assert check_text("任何\n文字") is None
    assert check_text("a\0b") is not None

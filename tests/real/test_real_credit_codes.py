"""Real unified social credit codes, old registers among them: each is a party."""

from pathlib import Path

from real_input import ALPHABET, credit_code, played, wire

from circulation.examples import party

CODES = 100


def test_each_real_code_is_registered_and_kept(test_data: Path) -> None:
    codes = (test_data / "identifiers" / "uscc.txt").read_text().split()
    found = played(wire(party(one) for one in codes))

    assert CODES == len(set(codes))
    assert [] == found.rejected
    assert set(codes) == {subject for (subject,) in found.rows("select subject from events")}
    assert codes == [credit_code(one[:17]) for one in codes]


def test_no_other_check_character_makes_a_party_of_a_real_code(test_data: Path) -> None:
    codes = (test_data / "identifiers" / "uscc.txt").read_text().split()
    wrong = [code[:17] + last for code in codes for last in ALPHABET if last != code[17]]
    found = played(wire(party(one) for one in wrong))

    assert len(wrong) == found.tally.rejected
    assert {"bad-identifier"} == {one["reason"] for one in found.rejected}

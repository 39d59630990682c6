"""Which terms a use is held against: those that came before it on the key, the latest that is not after it."""

from typing import Any

from world import admitted

from circulation.calendar import parse_instant
from circulation.events.event import Event
from circulation.examples import signed, terms
from circulation.licences import Licences, ranked


def stated(time: str, *, amended: bool = False, reporter: str | None = None, **changes: Any) -> Event:
    return admitted(signed("c", time, amended=amended, reporter=reporter, terms=terms(**changes)))


def licences(*statements: Event) -> Licences:
    found = Licences()
    for one in statements:
        found.add(one)
    return found


def at(found: Licences, time: str) -> int | None:
    licence = found.at(parse_instant(time))
    return None if licence is None else licence.index


FIRST, SECOND = stated("2025-01-01", uses_max=1), stated("2025-03-01", amended=True, uses_max=2)


def test_before_the_first_terms_there_is_no_licence() -> None:
    assert not Licences()
    assert at(Licences(), "2025-01-01") is None


def test_the_latest_that_is_not_after_the_use_counts_whatever_came_first() -> None:
    for found, first, second in ((licences(FIRST, SECOND), 0, 1), (licences(SECOND, FIRST), 1, 0)):
        assert first == at(found, "2025-02-28T23:59:59.999999+08:00")
        assert second == at(found, "2025-03-01")
        assert second == at(found, "2025-03-01T00:00:00.000001+08:00")


def test_where_all_are_later_the_earliest_counts() -> None:
    assert 1 == at(licences(SECOND, FIRST), "2024-12-31")


def test_of_one_instant_the_greatest_source_and_id_counts() -> None:
    one, other = (stated("2025-01-01", uses_max=count) for count in (1, 2))
    greater = max((one, other), key=lambda event: event.id)
    for statements in ((one, other), (other, one)):
        assert greater.id == licences(*statements).past(at(licences(*statements), "2025-01-01") or 0).id


def test_a_better_report_takes_the_place_of_a_worse_one() -> None:
    worse, better = stated("2025-02-01", reporter="consumer"), stated("2025-01-01", reporter="provider")
    assert [better] == ranked([worse, better])
    found = licences(worse)
    assert 0 == at(found, "2025-03-01")
    found.add(better)
    assert 1 == at(found, "2025-03-01")


def test_a_better_signing_does_not_take_the_place_of_an_amendment() -> None:
    amendment = stated("2025-02-01", amended=True, reporter="consumer")
    assert [amendment, FIRST] == ranked([amendment, FIRST])


def test_terms_that_were_taken_back_end_and_their_index_stays() -> None:
    found = licences(FIRST, SECOND)
    found.end(SECOND.type, SECOND.source, SECOND.id)
    assert 0 == at(found, "2025-04-01")
    assert 2 == found.past(1).terms.uses_max
    found.end(FIRST.type, FIRST.source, FIRST.id)
    assert not found
    assert 2 == found.add(SECOND).index


def test_a_limit_that_stays_keeps_its_origin_and_another_gets_a_new_one() -> None:
    found = licences(stated("2025-01-01", uses_max=1, rows_max=5))
    origins = found.add(stated("2025-02-01", amended=True, uses_max=2, rows_max=5)).origins
    assert ("1", "0") == (origins["uses"], origins["rows"])


def test_a_limit_that_comes_back_is_a_new_one() -> None:
    found = licences(*(stated(f"2025-0{month}-01", amended=month > 1, uses_max=month % 2) for month in (1, 2, 3)))
    assert "2" == found.past(2).origins["uses"]


def test_windows_that_are_aligned_to_another_start_are_new_ones() -> None:
    windows = [{"uses_max": 1, "seconds": 60}]
    found = licences(stated("2025-01-01", windows=windows), stated("2025-02-01", amended=True, windows=windows))
    moved = found.add(stated("2025-03-01", amended=True, windows=windows, valid_from="2025-01-02"))
    assert ("0", "2") == (found.past(1).origins["60:1"], moved.origins["60:1"])

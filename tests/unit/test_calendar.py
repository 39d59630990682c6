import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from circulation.calendar import (
    DAY,
    DAYS_MAX,
    EARLIEST,
    LATEST,
    add_months,
    day_of,
    days,
    format_instant,
    instant_of,
    parse_instant,
    start_of_day,
    year_of,
)

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=OFFSETS)


@given(MOMENTS)
def test_every_moment_is_read_as_python_reads_it(moment: dt.datetime) -> None:
    assert instant_of(moment) == parse_instant(moment.isoformat())


@given(st.integers(EARLIEST, LATEST))
@example(EARLIEST)
@example(LATEST)
def test_what_is_written_is_read_back(instant: int) -> None:
    assert instant == parse_instant(format_instant(instant))


@given(st.text() | st.text("0123456789-:.TtZz+ ", max_size=32))
def test_any_other_text_is_a_value_error(text: str) -> None:
    try:
        assert EARLIEST <= parse_instant(text) <= LATEST
    except ValueError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-02-29",
        "2026-01-01T00:00:60Z",
        "2026-01-01T12:59:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.+08:00",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+0800",
        "2026-01-01T00:00:00+08",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+08:60",
        "2026-01-01T00:00:00Zjunk",
        "2026-01-01T00:00:00.5Zjunk",
        " 2026-01-01T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260101T000000Z",
        "２０２６-01-01T00:00:00Z",
        "2026-01-01T00:00:00.５Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "20260101",
    ],
)
def test_what_is_no_rfc_3339_with_an_offset_is_refused(text: str) -> None:
    parse_instant("2026-01-01T00:00:00Z")  # its hour is remembered, which must not make the rest acceptable
    with pytest.raises(ValueError):
        parse_instant(text)


@pytest.mark.parametrize(
    ("same", "text"),
    [
        ("2026-01-01T00:00:00+08:00", "2026-01-01"),
        ("2026-01-01T00:00:00+08:00", "2025-12-31T16:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01t00:00:00z"),
        ("2026-01-01T00:00:00Z", "2026-01-01 00:00:00-00:00"),
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.1234569Z"),
        ("2026-01-01T00:00:00.100000Z", "2026-01-01T00:00:00.1Z"),
        ("2017-01-01T00:00:00Z", "2016-12-31T23:59:60Z"),
        ("2017-01-01T00:00:00Z", "2017-01-01T07:59:60+08:00"),
        ("2017-01-01T00:00:00.5Z", "2016-12-31T23:59:60.5Z"),
    ],
)
def test_two_spellings_are_one_instant(same: str, text: str) -> None:
    assert parse_instant(same) == parse_instant(text)


def test_an_instant_is_written_at_china_standard_time_with_microseconds_only_where_there_are_some() -> None:
    assert "2027-01-01T00:00:00+08:00" == format_instant(parse_instant("2026-12-31T16:00:00Z"))
    assert "2027-01-01T00:00:00.000001+08:00" == format_instant(parse_instant("2026-12-31T16:00:00.000001Z"))


def test_the_year_begins_at_midnight_in_china() -> None:
    start = parse_instant("2026-12-31T16:00:00Z")
    assert [2026, 2027, 2027] == [year_of(start + step) for step in (-1, 0, 1)]
    assert dt.date(2027, 1, 1) == day_of(start)
    assert start == start_of_day(day_of(start))


@pytest.mark.parametrize(
    ("expected", "start", "months"),
    [
        ("2026-02-28", "2025-11-30", 3),
        ("2028-02-28", "2027-02-28", 12),
        ("2029-02-28", "2028-02-29", 12),
        ("2026-01-31", "2025-12-31", 1),
        ("2025-12-31", "2026-01-31", -1),
        ("9999-12-31", "2026-01-31", 10**6),
    ],
)
def test_months_are_calendar_months_clamped_to_their_end(expected: str, start: str, months: int) -> None:
    assert dt.date.fromisoformat(expected) == add_months(dt.date.fromisoformat(start), months)


def test_days_saturate_so_that_no_deadline_overflows() -> None:
    assert 15 * DAY == days(15)
    assert days(DAYS_MAX) == days(2**53 - 1)
    assert LATEST + days(2**53 - 1) < 2**63
    assert "9999-12-31T23:59:59.999999+08:00" == format_instant(LATEST + days(2**53 - 1))


def test_a_datetime_without_an_offset_is_no_instant() -> None:
    with pytest.raises(ValueError):
        instant_of(dt.datetime(2026, 1, 1))


@pytest.mark.parametrize(
    "rest", ["Z", "+08:00", ".1Z", ".12+08:00", ".123-09:30", ".1239+08:00", ".123456+08:00", ".1234567Z"]
)
def test_an_ending_that_was_met_before_is_read_the_same(rest: str) -> None:
    text = f"2026-12-01T11:43:57{rest}"
    fraction = dt.datetime.fromisoformat(text).timestamp()
    assert [parse_instant(text)] * 2 == [parse_instant(text), round(fraction * 1_000_000)]


@pytest.mark.parametrize("rest", ["", ".", ".Z", ".12", ".1a+08:00", "12+08:00", ".12+0800", ".12 +08:00"])
def test_an_ending_that_is_none_is_refused_again_and_again(rest: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="RFC 3339"):
            parse_instant(f"2026-12-01T11:43:57{rest}")

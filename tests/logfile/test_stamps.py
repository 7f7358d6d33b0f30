"""Years, zones and leap days that stamps leave out are decided in one way."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.logfile.stamps import Stamps


def when(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc]


def shown(moment: datetime) -> str:
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"


@pytest.mark.parametrize(
    ("latest", "stamp", "year"),
    [
        (datetime(2026, 1, 3, tzinfo=UTC), "Dec 28 00:00:00", 2025),
        (datetime(2026, 1, 3, tzinfo=UTC), "Jan  2 00:00:00", 2026),
        # A zone ahead of the file system's, or a clock that is fast.
        (datetime(2025, 12, 31, 23, tzinfo=UTC), "Jan  1 08:00:00", 2026),
        (datetime(2026, 3, 1, tzinfo=UTC), "Feb 29 00:00:00", 2024),
        (datetime(2024, 3, 1, tzinfo=UTC), "Feb 29 00:00:00", 2024),
        (datetime(2103, 3, 1, tzinfo=UTC), "Feb 29 00:00:00", 2096),
    ],
)
def test_the_first_stamp_is_of_the_latest_year_the_file_allows(
    latest: datetime, stamp: str, year: int
) -> None:
    stamps = Stamps()
    stamps.new_file(latest)
    found = stamps.syslog(stamp)
    assert found is not None
    assert datetime.fromtimestamp(found / 1e6, UTC).year == year


def test_a_year_that_was_given_is_the_first_stamps() -> None:
    stamps = Stamps(year=2019)
    stamps.new_file(datetime(2026, 1, 3, tzinfo=UTC))
    assert stamps.syslog("Nov 28 12:00:00") == when(2019, 11, 28, 12)
    stamps.new_file(datetime(2026, 1, 4, tzinfo=UTC))
    assert stamps.syslog("Jan  1 00:00:01") == when(2020, 1, 1, 0, 0, 1)


def test_a_late_line_of_december_is_still_of_the_old_year() -> None:
    stamps = Stamps(year=2025)
    lines = "Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:58", "Jan  1 00:00:01"
    assert [stamps.syslog(line) for line in lines] == [
        when(2025, 12, 31, 23, 59, 59),
        when(2026, 1, 1),
        when(2025, 12, 31, 23, 59, 58),
        when(2026, 1, 1, 0, 0, 1),
    ]


def test_a_day_that_the_year_does_not_have_is_no_time() -> None:
    stamps = Stamps(year=2025)
    assert stamps.syslog("Feb 29 00:00:00") is None
    assert stamps.syslog("Feb 28 00:00:00") == when(2025, 2, 28)
    assert stamps.syslog("Feb 29 00:00:00") is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)), st.integers(0, 180))
def test_a_log_without_a_gap_of_half_a_year_keeps_its_years(
    begin: datetime, days: int
) -> None:
    stamps = Stamps(year=begin.year)
    first = begin.replace(microsecond=0, tzinfo=UTC)
    then = datetime.fromtimestamp(first.timestamp() + days * 86400, UTC)
    for moment in (first, then):
        expected = int(moment.timestamp()) * 1_000_000
        assert stamps.syslog(shown(moment)) == expected


def test_a_stamp_without_a_zone_is_in_the_one_given() -> None:
    stamps = Stamps(year=2026, time_zone=ZoneInfo("Europe/Berlin"))
    assert stamps.syslog("Jul  1 12:00:00") == when(2026, 7, 1, 10)
    assert stamps.iso("2026-12-01 12:00:00") == when(2026, 12, 1, 11)
    assert stamps.iso("2026-12-01T12:00:00Z") == when(2026, 12, 1, 12)
    # The hour that the clock passes twice: its first pass.
    assert stamps.syslog("Oct 25 02:30:00") == when(2026, 10, 25, 0, 30)


def test_a_leap_second_is_the_first_of_the_next_minute() -> None:
    assert Stamps(year=2016).syslog("Dec 31 23:59:60") == when(2017, 1, 1)


@pytest.mark.parametrize(
    "stamp",
    ["", "Nov 28", "Nov 31 12:00:00", "Nov 28 24:00:00", "Nov 28 12:60:00",
     "nov 28 12:00:00", "Nov 28 12:00:61", "Nov 28 12:00:0x", "Nov 28 12:00:00.5",
     "Nov \u0662\u0668 12:00:00", "Nov 28 12:00:\u0660\u0660", "N\0v 28 12:00:00"],
)  # fmt: skip
def test_what_is_no_stamp_is_no_time(stamp: str) -> None:
    assert Stamps(year=2026).syslog(stamp) is None


@given(st.text(max_size=100))
def test_no_text_makes_a_stamp_raise(text: str) -> None:
    stamps = Stamps(year=2026)
    stamps.syslog(text)
    stamps.iso(text)
    stamps.iso(f"0001-01-01T00:00:00+{text}")

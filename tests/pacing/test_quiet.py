"""Quiet hours: the clock of a zone, midnight, and the two odd days of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.pace import Pace
from smtpbook.pacing.quiet import QuietHours


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("quiet", "moment", "end"),
    [
        ("22:00-07:00 UTC", utc(2026, 5, 1, 21, 59), None),
        ("22:00-07:00 UTC", utc(2026, 5, 1, 22), utc(2026, 5, 2, 7)),
        ("22:00-07:00 UTC", utc(2026, 5, 2, 6, 59), utc(2026, 5, 2, 7)),
        ("22:00-07:00 UTC", utc(2026, 5, 2, 7), None),
        ("12:00-14:00 UTC", utc(2026, 5, 2, 13), utc(2026, 5, 2, 14)),
        ("12:00 to 14:00 UTC", utc(2026, 5, 2, 11), None),
        ("22:00-07:00 Europe/Paris", utc(2026, 7, 1, 20, 30), utc(2026, 7, 2, 5)),
        ("22:00-07:00 Europe/Paris", utc(2026, 1, 1, 20, 30), None),
        # The clock is set forward: the night is an hour shorter.
        ("22:00-07:00 Europe/Paris", utc(2026, 3, 28, 22), utc(2026, 3, 29, 5)),
        # And back: 02:30 comes twice, at 00:30 and at 01:30 UTC.
        ("02:00-02:30 Europe/Paris", utc(2026, 10, 25, 0, 10), utc(2026, 10, 25, 0, 30)),
        ("02:00-02:30 Europe/Paris", utc(2026, 10, 25, 1, 10), utc(2026, 10, 25, 1, 30)),
    ],
)
def test_a_quiet_moment_has_an_end(
    quiet: str, moment: datetime, end: datetime | None
) -> None:
    assert QuietHours.parse(quiet).end_of(moment) == (end or moment)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["22:00-07:00", "01:30-02:30", "00:00-23:59", "02:10-01:50"]),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe"]),
)
def test_quiet_hours_end_within_a_day_and_never_in_the_past(
    moment: datetime, hours: str, zone: str
) -> None:
    end = QuietHours.parse(f"{hours} {zone}").end_of(moment)
    assert moment <= end <= moment + timedelta(hours=25)


def test_this_machines_clock_counts_where_no_zone_is_named() -> None:
    moment = datetime(2026, 5, 1, 23, 0).astimezone()
    end = QuietHours.parse("22:00-07:00").end_of(moment)
    assert end == datetime(2026, 5, 2, 7, 0).astimezone()


@pytest.mark.parametrize(
    ("quiet", "said"),
    [
        ("night", "write"),
        ("25:00-07:00", "write"),
        ("07:00-07:00", "no time or all"),
        ("22:00-07:00 Europe/Pariss", r"no time zone.*did you mean 'Europe/Paris'"),
        ("22:00-07:00 ../etc/passwd", "no time zone"),
    ],
)
def test_what_is_no_part_of_the_day_is_refused(quiet: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        QuietHours.parse(quiet)


def test_the_first_moment_is_neither_too_early_nor_quiet() -> None:
    pace = Pace(quiet="22:00-07:00 UTC", not_before=utc(2026, 5, 1, 23))
    assert pace.open_at(utc(2026, 5, 1, 12)) == utc(2026, 5, 2, 7)
    assert pace.open_at(utc(2026, 5, 3, 12)) == utc(2026, 5, 3, 12)

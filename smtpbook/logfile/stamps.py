"""Stamps: the times in logs as microseconds since 1970 UTC, decided once for all formats.

What stamps leave out is decided like this:

- **The zone.**  A stamp with an offset is that time.  One without is in `time_zone`, UTC
  unless the caller says otherwise, so that a log reads the same on every machine.  Of an
  hour that a clock passes twice in autumn, the first pass is meant.
- **The year** (syslog's ``Nov 28 12:21:29`` has none, RFC 3164 section 4.1.2).  The first
  stamp is of the year given; else of the latest year in which it is not later than a
  day after the file was last written to (after now, where there is no file).  Each stamp
  after that is of the year that brings it nearest to the one before: January after
  December is the next year, and a line of December that comes late is still of the old.
- **29 February** as the first stamp is of the latest leap year.  In a year found in another
  way that has no such day, the line has no time, and is skipped.
"""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_MONTHS: Final = {
    **{"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6},
    **{"Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12},
}
# A leap second is the first of the next minute.
_SECONDS: Final = {f"{second:02}": second * _SECOND for second in range(61)}
_SLACK: Final = timedelta(days=1)  # zones differ by up to a day, and clocks are wrong
_HALF_A_YEAR: Final = timedelta(days=183)
MAX_CHARS: Final = 64  # no stamp is longer


class Stamps:
    """Reads stamps in the order in which they stand in the log.

    Parameters
    ----------
    year : int, optional
        Of the first stamp that names none.
    time_zone : tzinfo
        Of stamps that name none.

    Attributes
    ----------
    latest : datetime or None
        When the file being read was last written to; null = now.

    Examples
    --------
    >>> stamps = Stamps(year=2025)
    >>> stamps.syslog("Dec 31 23:59:59"), stamps.syslog("Jan  1 00:00:00")
    (1767225599000000, 1767225600000000)
    >>> stamps.iso("2026-01-01T01:00:00.5+01:00")
    1767225600500000
    >>> stamps.iso("yesterday") is None
    True
    """

    __slots__ = ("_base", "_minute", "_previous", "latest", "time_zone", "year")

    def __init__(self, *, year: int | None = None, time_zone: tzinfo = UTC) -> None:
        self.year, self.time_zone = year, time_zone
        self.latest: datetime | None = None
        self._previous: datetime | None = None
        self._minute, self._base = "", 0

    def syslog(self, stamp: str) -> int | None:
        """Read ``Nov 28 12:21:29``, the day padded with a space or a zero; null = none."""
        seconds = _SECONDS.get(stamp[13:])
        if seconds is None:
            return None
        if stamp[:13] != self._minute:
            base = self._minute_of(stamp)
            if base is None:
                return None
            self._minute, self._base = stamp[:13], base
        return self._base + seconds

    def _minute_of(self, stamp: str) -> int | None:
        month = _MONTHS.get(stamp[:3])
        day, hour, minute = stamp[4:6].strip(), stamp[7:9], stamp[10:12]
        shape = stamp[3:4] + stamp[6:7] + stamp[9:10] + stamp[12:13]
        numbers = day + hour + minute
        if (
            month is None
            or shape != "  ::"
            or not (numbers.isdecimal() and numbers.isascii())
        ):
            return None
        try:
            return self.of_year(month, int(day), int(hour), int(minute))
        except ValueError:
            return None

    def of_year(
        self, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
    ) -> int:
        """Read a time whose year is missing.

        Raises
        ------
        ValueError
            There is no such time.
        """
        at = time(hour, minute, second)
        if self._previous is None:
            found = self._first(month, day, at)
        else:
            found = self._nearest(self._previous, month, day, at)
        self._previous = found
        return self.local(found)

    def _first(self, month: int, day: int, at: time) -> datetime:
        if self.year is not None:
            return datetime.combine(date(self.year, month, day), at)
        latest = self.latest or datetime.now(UTC)
        latest = (latest + _SLACK).astimezone(self.time_zone).replace(tzinfo=None)
        for year in range(latest.year, latest.year - 9, -1):  # 1900 was none, nor is 2100
            if (month, day) == (2, 29) and not isleap(year):
                continue
            found = datetime.combine(date(year, month, day), at)
            if found <= latest:
                return found
        raise ValueError("no such day")

    @staticmethod
    def _nearest(previous: datetime, month: int, day: int, at: time) -> datetime:
        # In a leap year every day can be compared.
        leap = date(2000, month, day) - date(2000, previous.month, previous.day)
        year = previous.year - (leap > _HALF_A_YEAR) + (-leap > _HALF_A_YEAR)
        return datetime.combine(date(year, month, day), at)

    def new_file(self, latest: datetime | None) -> None:
        """Begin a file: its first stamp may be of another year than the last one's.

        Parameters
        ----------
        latest : datetime or None
            When it was last written to, with a zone.
        """
        self.latest = latest
        if self.year is None:
            self._previous, self._minute = None, ""

    def iso(self, stamp: str) -> int | None:
        """Read RFC 3339 and other forms of ISO 8601; null = it is none."""
        try:
            return self.local(datetime.fromisoformat(stamp[:MAX_CHARS]))
        except (ValueError, OverflowError):
            return None

    def local(self, when: datetime) -> int:
        """Give a time in microseconds; without a zone, it is in `time_zone`."""
        if when.tzinfo is None:
            when = when.replace(tzinfo=self.time_zone)
        return (when - _EPOCH) // _MICROSECOND

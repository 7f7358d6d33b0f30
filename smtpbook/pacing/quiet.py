"""Quiet hours: the part of each day in which no message begins.

Clock times of one zone; what pace there is outside them is `limits`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from smtpbook.errors import near_miss

_QUIET: Final = re.compile(
    r"([01]?\d|2[0-3]):([0-5]\d)\s*(?:-|\u2013|to)\s*([01]?\d|2[0-3]):([0-5]\d)(?:\s+(\S+))?"
)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A stretch of every day, possibly over midnight.

    Attributes
    ----------
    start, end : time
        The first quiet minute, and the first that no longer is.
    zone : ZoneInfo or None
        Whose clock; None = this machine's.
    """

    start: time
    end: time
    zone: ZoneInfo | None

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read ``"22:00-07:00 Europe/Paris"``; without a zone this machine's clock counts.

        Raises
        ------
        ValueError
            It is not written so, the hours are none, or there is no such zone.
        """
        match = _QUIET.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f'quiet={text!r} is not a part of the day; write "22:00-07:00" or '
                f'"22:00-07:00 Europe/Paris"'
            )
        start = time(int(match[1]), int(match[2]))
        end = time(int(match[3]), int(match[4]))
        if start == end:
            raise ValueError(f"quiet={text!r} would be either no time or all of it")
        return cls(start, end, None if match[5] is None else _zone(match[5]))

    def end_of(self, moment: datetime) -> datetime:
        """Give the end of the quiet hours that hold a moment, or the moment itself.

        Both are aware; the result is UTC.
        """
        local = moment.astimezone(self.zone)
        clock = local.time()
        is_over_midnight = self.start > self.end
        if is_over_midnight:
            is_quiet = clock >= self.start or clock < self.end
        else:
            is_quiet = self.start <= clock < self.end
        if not is_quiet:
            return moment.astimezone(UTC)
        is_tomorrow = is_over_midnight and clock >= self.start
        day = local.date() + timedelta(days=is_tomorrow)
        # Where the clock is set back an hour comes twice; the end is that of the hour we
        # are in, never one that has passed.
        fold = 0 if is_tomorrow else local.fold
        end = datetime.combine(day, self.end).replace(tzinfo=self.zone, fold=fold)
        return end.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"quiet: there is no time zone {name!a}{near_miss(name, available_timezones())}"
        ) from None

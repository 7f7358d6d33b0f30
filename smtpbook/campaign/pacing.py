"""Pacing: our own speed limit, shared by all connections of a campaign."""

from __future__ import annotations

import math
import re
from typing import Final

import trio

_PACE: Final = re.compile(r"\s*(\d[\d_,]*(?:\.\d+)?)\s*(?:/|per )\s*([a-z]+)\s*", re.I)
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86400.0),
}


def interval_s(pace: str | float | None) -> float | None:
    """Read a pace; give the seconds between two messages, None = as fast as it goes.

    Parameters
    ----------
    pace : str, float or None
        ``"100/min"``, ``"5 per second"``, or a number of messages a second.

    Raises
    ------
    ValueError
        It is not a pace.

    >>> interval_s("100/min")
    0.6
    """
    if pace is None:
        return None
    if isinstance(pace, str):
        match = _PACE.fullmatch(pace)
        unit = _UNITS.get(match[2].lower().rstrip("s") or "s") if match else None
        if match is None or unit is None:
            raise ValueError(
                f'pace={pace!r} is not a pace; write "100/min", "5/second", "2000/day"'
            )
        rate = float(match[1].replace(",", "").replace("_", "")) / unit
    else:
        rate = float(pace)
    if not rate > 0:
        raise ValueError(f"pace={pace!r} would never send anything; None is no limit")
    return 1 / rate


class Pacer:
    """Hands out the instants at which a message may begin.

    Parameters
    ----------
    interval : float or None
        Seconds between two; None = no limit.
    """

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._next = -math.inf  # the first may begin at once

    @property
    def interval_s(self) -> float:
        """Seconds between two messages; 0 where there is no limit."""
        return self._interval or 0.0

    async def wait(self, stopped: trio.Event) -> bool:
        """Wait for the next instant; False when `stopped` came first.

        Time that was not used is not made up for: a pause is no licence for a burst.
        """
        if self._interval is None:
            return not stopped.is_set()
        self._next = max(self._next + self._interval, trio.current_time())
        with trio.move_on_at(self._next):
            await stopped.wait()
        return not stopped.is_set()

"""Retry hints: what a reply says about when to try again.

Only what is said in figures; which replies are worth another try is in `explain`.
"""

from __future__ import annotations

import re
from typing import Final

# How greylisting and rate limits are worded: "try again in 300 seconds", "please retry
# after 5 minutes", "greylisted for 00:04:32".  The gap is bounded, so that the search takes
# linear time, and holds neither figures nor the end of a clause: in "try again later; 100
# messages per 60 minutes" the minutes are a limit.
_HINT: Final = re.compile(
    r"""\b(?P<word>again|retry(?:-after)?|retries|wait|back
            |delayed|deferred|gr[ea]ylist(?:ed|ing)?)\b
        [^0-9.;,\n]{0,40}?
        (?:(?P<h>\d{1,2}):(?P<m>[0-5]\d):(?P<s>[0-5]\d)(?![\d:])
          |(?P<number>\d{1,7})\s{0,2}-?(?P<unit>[a-z]{0,8})(?![\w.:/-]))""",
    re.I | re.X,
)
# What every hint holds, a figure before its unit or a word that needs none: quick searches
# that save most replies from the long one.
_MAY_HINT: Final = re.compile(
    r"[0-9](?:\s{0,2}-?(?:[smhd]\b|sec|min|h(?:r|our)|day)|:[0-5])"
)
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}
# HTTP's Retry-After (RFC 9110 section 10.2.3) counts in seconds, and so do the servers that
# borrow its words without a unit.
_WITHOUT_UNIT: Final = frozenset({"retry", "retry-after"})


def retry_hint_s(text: str) -> float | None:
    """Read after how many seconds a reply asks to be tried again.

    Parameters
    ----------
    text : str
        The lines after the code, joined by newlines.

    Returns
    -------
    float or None
        Seconds; None where nothing is said in figures.

    Examples
    --------
    >>> retry_hint_s("4.7.1 Greylisted, please try again in 5 minutes")
    300.0
    >>> retry_hint_s("4.7.0 limit is 100 messages in 60 minutes, try again later")
    """
    low = text.lower()
    if "retr" not in low and _MAY_HINT.search(low) is None:
        return None
    for match in _HINT.finditer(text):
        if match["h"] is not None:
            hours, minutes, seconds = (int(match[name]) for name in "hms")
            return float(hours * 3600 + minutes * 60 + seconds)
        unit = match["unit"].lower()
        size = _UNITS.get(unit)
        if size is None and not unit and match["word"].lower() in _WITHOUT_UNIT:
            size = 1
        if size is not None:
            return float(int(match["number"]) * size)
    return None

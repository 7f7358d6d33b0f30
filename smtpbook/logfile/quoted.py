"""Quoted: a reply as a log quotes it, in the cells the event log has for it.

A log has one line for a reply of many; programs put them together with a space or with the
two characters backslash and n.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from smtpbook.escape import visible

MAX_REPLY: Final = 4096
"""Characters of a reply that are kept; RFC 5321 section 4.5.3.1.5 allows 512 a line."""

_CODES: Final = {str(code): code for code in range(200, 600)}
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)")
_OPENING_CHARS: Final = 16  # of "550 5.123.123", and enough behind it to see where it ends


class QuotedReply(NamedTuple):
    """The cells of one reply; all null = it is none.

    Attributes
    ----------
    reply_code : int or None
    enhanced_status : str or None
        The one that opens the text, if its class is the code's (RFC 2034 section 4).
    reply_text : str or None
        Without the code, its lines joined by newlines, escaped.
    """

    reply_code: int | None
    enhanced_status: str | None
    reply_text: str | None


NOTHING: Final = QuotedReply(None, None, None)


def reply_in(text: str) -> QuotedReply:
    r"""Read a reply that a text begins with.

    >>> tuple(reply_in("550-5.1.1 no ann here 550 5.1.1 sorry"))
    (550, '5.1.1', '5.1.1 no ann here\n5.1.1 sorry')
    >>> reply_in("connection refused") == NOTHING
    True
    """
    code, status, has_more = _opening(text[:_OPENING_CHARS])
    if code is None:
        return NOTHING
    rest = text[4:MAX_REPLY]
    if has_more:
        lines = re.split(rf"(?:\\n|\s){code}(?:[- ]|$)", rest)
        rest = "\n".join(map(str.strip, lines))
        status = enhanced_in(rest, text[0])
    if not (rest.isascii() and rest.isprintable()):
        rest = shown(rest)
    # What QuotedReply(…) does, in a third of the time.
    return tuple.__new__(QuotedReply, (code, status, rest))


# Servers open their replies in a few ways, so that nearly all are found here.
@lru_cache(maxsize=1 << 12)
def _opening(text: str) -> tuple[int | None, str | None, bool]:
    """Give the code and the enhanced status of a reply, and whether it has more lines."""
    code = _CODES.get(text[:3])
    if code is None or text[3:4] not in ("", " ", "-"):
        return None, None, False
    return code, enhanced_in(text[4:], text[0]), text[3:4] == "-"


def enhanced_in(text: str, severity: str) -> str | None:
    """Give the enhanced status that opens a text, if it is of that severity.

    >>> enhanced_in("4.2.2 mailbox full", "4"), enhanced_in("4.2.2 mailbox full", "5")
    ('4.2.2', None)
    """
    if text[1:2] != "." or text[0] != severity:
        return None
    found = _ENHANCED.match(text)
    return found[0] if found else None


def shown(text: str) -> str:
    """Give a text as `reply_text` holds it: bounded, without what could act."""
    return visible(text, newlines=True, max_chars=MAX_REPLY)

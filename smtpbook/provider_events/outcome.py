"""Outcome: one row of the event log from what a provider tells of one recipient."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.log.foreign import foreign_row, reason_of_words
from smtpbook.logfile.address import bare_address
from smtpbook.logfile.reading import Reading
from smtpbook.protocol.diagnostic import MAX_CHARS, Diagnostic

# Between 1973 and 5138 seconds and milliseconds cannot be mistaken for each other.
_FIRST_IN_MS: Final = 1e11
_MAX_CHARS: Final = 1000
# "X.4.7 Delivery time expired" -- RFC 3463 section 3.5; also behind a code of another
# class, as in Exchange's "550 4.4.7 QUEUE.Expired".
_EXPIRED: Final = re.compile(r"\s*[45]\.4\.7(?!\d)")

# Servers say the same few things again and again.
_parsed: Final = lru_cache(maxsize=1024)(Diagnostic.parse)


def outcome_row(
    source: str,
    outcome: str,
    recipient: str | None,
    *,
    time: int | None,
    said: str | None = None,
    code: float | None = None,
    status: str | None = None,
    reason: str | None = None,
    message_id: str | None = None,
    attempt: float | None = None,
    in_session: bool = False,
    **cells: Any,
) -> Row:
    """Put a row together.

    Parameters
    ----------
    source, outcome : str
    recipient : str or None
        With or without angle brackets and a type such as ``rfc822;``.
    time : int or None
        Microseconds since 1970 UTC.
    said : str, optional
        A diagnostic; the reply is looked for in it.
    code : float, optional
        The reply code where it is told beside the text.
    status : str, optional
        The enhanced status where it is told beside the text.
    reason : str, optional
        What the provider's own class comes to; used where no refusal is quoted.
    message_id : str, optional
        With or without its angle brackets.
    attempt : float, optional
    in_session : bool
        What is quoted was said to a mail server that handed the message on: what it gave
        up for a 5yz was ``rejected``, not ``bounced``.
    **cells
        Other columns.
    """
    said, asked = (said or "")[:MAX_CHARS], (recipient or "")[:_MAX_CHARS].strip()
    found = _parsed(said, status)
    if found.code is None and code is not None and 200 <= code < 600:
        whole = f"{code:.0f} {found.text}"
        found = _parsed(whole, found.enhanced_status or status)
    if in_session and outcome == "bounced" and _is_refusal(found):
        outcome = "rejected"
    return foreign_row(
        **{
            "time": time,
            "kind": "outcome",
            "verb": found.verb,
            "reply_code": found.code,
            "enhanced_status": found.enhanced_status,
            "reply_text": found.text or None,
            "recipient": bare_address(asked) or asked or None,
            "outcome": outcome,
            "reason": reason_of_words(outcome, found, reason),
            "message_id": bracketed(message_id),
            "attempt": int(attempt) if attempt and 0 < attempt < 30_000 else None,
            "source": source,
        }
        | {name: cell for name, cell in cells.items() if cell is not None}
    )


def _is_refusal(said: Diagnostic) -> bool:
    """Tell whether it was refused for good, and not only given up for the time it took."""
    told = f"{said.enhanced_status or ''} {said.text}"
    return said.code is not None and said.code >= 500 and not _EXPIRED.match(told)


def bracketed(message_id: str | None) -> str | None:
    """Give a Message-ID as the log has it, in its angle brackets.

    >>> bracketed("1@x.example"), bracketed(" <1@x.example> "), bracketed("")
    ('<1@x.example>', '<1@x.example>', None)
    """
    text = (message_id or "")[:_MAX_CHARS].strip().strip("<>").strip()
    return f"<{text}>" if text else None


def stamp(reading: Reading, *given: float | str | None) -> int | None:
    """Give the first of these that is a time, in microseconds since 1970 UTC.

    A number is seconds or milliseconds since then; text may also be ISO 8601.
    """
    for value in given:
        if value is None:
            continue
        if isinstance(value, str):
            micros = reading.stamps.iso(value.strip())
            if micros is not None:
                return micros
        try:
            number = float(value)
        except (ValueError, OverflowError):
            continue
        if 0 < number < 1e14:
            seconds = number / 1000 if number >= _FIRST_IN_MS else number
            return round(seconds * 1_000_000)
    return None

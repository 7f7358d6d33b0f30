"""What a reply tells beside its reason: tokens, pages, lists, figures and results.

Each is only copied out of the text, as it stands there; what it means is for others.  All
patterns take time in proportion to the text, which is cut off first.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from smtpbook.codes.providers import url

_MAX_CHARS: Final = 3000
_UNIT: Final = (
    r"messages?|mails?|e-?mails?|recipients?|rcpts?|connections?|sessions?|errors?"
    r"|octets|bytes|[kmg]i?b"
)
# A figure opens with its first digit, so that the search can jump from digit to digit; the
# three numbers of an enhanced status are none.
_LIMIT: Final = re.compile(
    r"[0-9](?<![\w.,].)(?:[0-9]{0,2}(?:[.,][0-9]{3}){1,3}|[0-9]{0,11}(?:\.[0-9]{1,3})?)"
    rf" ?(?:{_UNIT})\b"
    r"(?: ?(?:per|an?|each|every|in|/) ?(?:[0-9]{1,5} ?)?"
    r"(?:seconds?|minutes?|hours?|days?|connection|session|message|transaction)\b)?"
)
# Words for the results of RFC 8601 section 2.7; what none of them says is a fail.
_RESULT: Final = (
    r"did not pass|not pass|softfail|fail|temperror|permerror|neutral|pass|none|missing"
    r"|not aligned|no alignment|violat|reject|invalid|not valid|polic"
)
_RESULT_AFTER: Final = re.compile(rf"\b(spf|dkim|dmarc|arc)\b[^;\n]{{0,48}}?\b({_RESULT})")
_RESULT_BEFORE: Final = re.compile(
    r"\b(not pass(?:ing)?|fail(?:ed|s)?|no passing|no valid|violates|no)"
    r" (?:the )?(spf|dkim|dmarc|arc)\b"
)
_RESULTS: Final = {
    **{name: name for name in ("softfail", "temperror", "permerror", "neutral", "pass")},
    **dict.fromkeys(("none", "missing", "no"), "none"),
}
_QUEUE_ID: Final = re.compile(
    r"\b(?:queue|message)?-?id[=:] ?<?([a-z0-9._/-]{5,64})", re.IGNORECASE
)
# Google's replies end in "x1-2si3 - gsmtp", and the first of both is the id.
_GOOGLE: Final = " - gsmtp"
_GOOGLE_ID: Final = re.compile(r"[a-z0-9-]{10,64}\.[0-9]{1,9}\Z", re.IGNORECASE)


class Details(NamedTuple):
    """What was copied out of a reply; see `Explanation` for each."""

    url: str | None
    limits: tuple[str, ...]
    authentication: tuple[str, ...]
    queue_id: str | None


def details_of(text: str) -> Details:
    """Copy out what a reply tells beside its reason.

    Parameters
    ----------
    text : str
        The lines after the code, joined by newlines.

    Examples
    --------
    >>> details_of("4.7.1 limit is 20 messages per hour, see https://example.org ").limits
    ('20 messages per hour',)
    >>> details_of("5.7.26 SPF did not pass, no DKIM").authentication
    ('dkim=none', 'spf=fail')
    """
    text = text[:_MAX_CHARS]
    low = text.lower()
    # A letter or two of Unicode are longer in lower case, and then places differ.
    shown = text if len(text) == len(low) else low
    return Details(
        url=url(text) if "://" in text else None,
        limits=tuple([shown[slice(*match.span())] for match in _LIMIT.finditer(low)]),
        authentication=_authentication(low),
        queue_id=_queue_id(text, low),
    )


def _queue_id(text: str, low: str) -> str | None:
    if "id=" in low or "id:" in low:
        match = _QUEUE_ID.search(text)
        if match is not None:
            return match[1]
    at = text.find(_GOOGLE)
    if at < 0:
        return None
    last = text[:at].rpartition(" ")[2]
    return last if _GOOGLE_ID.match(last) else None


def _authentication(low: str) -> tuple[str, ...]:
    """Give results in the words of RFC 8601, such as ``"spf=fail"``."""
    if not ("spf" in low or "dkim" in low or "dmarc" in low or "arc" in low):
        return ()
    found = [(match[2], match[1]) for match in _RESULT_BEFORE.finditer(low)]
    found += [(match[1], match[2]) for match in _RESULT_AFTER.finditer(low)]
    told = (f"{what}={_RESULTS.get(result, 'fail')}" for what, result in found)
    return tuple(dict.fromkeys(told))

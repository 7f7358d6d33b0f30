"""What a reply tells beside its reason: tokens, pages, lists, figures and results.

Each is only copied out of the text, as it stands there; what it means is for others.  All
patterns take time in proportion to the text, which is cut off first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpbook.codes.hints import retry_hint_s
from smtpbook.codes.providers import url

_MAX_CHARS: Final = 3000
_UNIT: Final = (
    r"messages?|mails?|e-?mails?|recipients?|rcpts?|connections?|sessions?|errors?"
    r"|octets|bytes|[kmg]i?b"
)
_LIMIT: Final = re.compile(
    rf"\b[0-9][0-9.,]{{0,11}} ?(?:{_UNIT})\b"
    r"(?: ?(?:per|an?|each|every|in|/) ?(?:[0-9]{1,5} ?)?"
    r"(?:seconds?|minutes?|hours?|days?|connection|session|message|transaction)\b)?",
    re.I,
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
# What every hint holds: one search that saves most replies from a longer one.
_RETRY: Final = re.compile(r"[0-9]\s?[smhd:]|retr")
_QUEUE_ID: Final = re.compile(
    r"\b(?:queue|message)?-?id[=:] ?<?([A-Za-z0-9._/-]{5,64})"
    r"|([a-z0-9-]{10,}\.[0-9]+) - gsmtp",
    re.I,
)
_MAY_HOLD_ID: Final = re.compile("id[=:]|gsmtp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What was copied out of a reply; see `Explanation` for each."""

    url: str | None = None
    retry_s: float | None = None
    limits: tuple[str, ...] = ()
    authentication: tuple[str, ...] = ()
    queue_id: str | None = None


def details_of(text: str) -> Details:
    """Copy out what a reply tells beside its reason.

    Parameters
    ----------
    text : str
        The lines after the code, joined by newlines.

    Examples
    --------
    >>> found = details_of("4.7.1 limit is 20 messages per hour, retry in 5 minutes ")
    >>> found.limits, found.retry_s
    (('20 messages per hour',), 300.0)
    >>> details_of("5.7.26 SPF did not pass, no DKIM").authentication
    ('dkim=none', 'spf=fail')
    """
    text = text[:_MAX_CHARS]
    low = text.lower()
    queue_id = _QUEUE_ID.search(text) if _MAY_HOLD_ID.search(low) else None
    return Details(
        url=url(text) if "://" in text else None,
        retry_s=retry_hint_s(text) if _RETRY.search(low) else None,
        limits=tuple(match[0] for match in _LIMIT.finditer(text)),
        authentication=tuple(dict.fromkeys(_authentication(low))),
        queue_id=next(filter(None, queue_id.groups())) if queue_id else None,
    )


def _authentication(low: str) -> Iterator[str]:
    """Give results in the words of RFC 8601, such as ``"spf=fail"``."""
    if not ("spf" in low or "dkim" in low or "dmarc" in low or "arc" in low):
        return
    for match in _RESULT_BEFORE.finditer(low):
        yield f"{match[2]}={_RESULTS.get(match[1], 'fail')}"
    for match in _RESULT_AFTER.finditer(low):
        yield f"{match[1]}={_RESULTS.get(match[2], 'fail')}"

"""What a reply tells beside its reason: tokens, pages, lists, figures and results.

Each is only copied out of the text, as it stands there; what it means is for others.  All
patterns take time in proportion to the text, which is cut off first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpbook.codes.blocklists import blocklist_of, operator_in
from smtpbook.codes.hints import retry_hint_s

_MAX_CHARS: Final = 3000
_URL: Final = re.compile(r"https?://[^\s<>\"'\[\]]{1,500}", re.I)
_HOST: Final = re.compile(r"(?<![a-z0-9_.-])[a-z][a-z0-9_-]*+(?:\.[a-z0-9_-]++)++")
# How the names of replies are written on providers' pages: "[TSS04]", "(S3150)",
# "OFR004_405", "RP-001", "DT:SPM", "#BL000000", "?p=NoSuchUser".
_TOKEN: Final = re.compile(
    r"[?&]p=([A-Za-z]{3,40})"
    r"|\[((?:[A-Z]{1,4}|IB)[0-9]{2,6})\]"
    r"|\(([A-Z]{1,3}[0-9]{3,5}|[A-Z]{2,4}:[A-Z0-9]{1,4})\)"
    r"|\b(AS\([0-9]{3,12}\)|[A-Z]{2,3}-[0-9]{3}(?![0-9])|[A-Z]{2}:[A-Z]{3}"
    r"|[A-Z]{2,6}[0-9]{3}_[0-9]{3}|[A-Z]{2}[0-9]{6}|ERR?-[A-Z]{2,9})(?![A-Za-z0-9])"
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What was copied out of a reply; see `Explanation` for each."""

    token: str | None = None
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
    >>> found = details_of("4.7.1 limit is 20 messages per hour, retry in 5 minutes (S77)")
    >>> found.limits, found.retry_s
    (('20 messages per hour',), 300.0)
    >>> details_of("5.7.26 SPF did not pass, no DKIM").authentication
    ('dkim=none', 'spf=fail')
    """
    text = text[:_MAX_CHARS]
    low = text.lower()
    url = _URL.search(text) if "://" in text else None
    queue_id = _QUEUE_ID.search(text) if "id" in low or "gsmtp" in low else None
    return Details(
        token=_token(text),
        url=url[0].rstrip(".,;:!?)") if url else None,
        retry_s=retry_hint_s(text) if _RETRY.search(low) else None,
        limits=tuple(match[0] for match in _LIMIT.finditer(text)),
        authentication=tuple(dict.fromkeys(_authentication(low))),
        queue_id=next(filter(None, queue_id.groups())) if queue_id else None,
    )


def _token(text: str) -> str | None:
    match = _TOKEN.search(text)
    return next(filter(None, match.groups())) if match else None


def blocklist_in(text: str) -> str | None:
    """Give the zone that the text names, or else the site of a list, or who runs it.

    >>> blocklist_in("blocked using zen.spamhaus.org, see https://www.spamhaus.org/query")
    'zen.spamhaus.org'
    """
    low = text[:_MAX_CHARS].lower()
    site = None
    for match in _HOST.finditer(low):
        listed = blocklist_of(match[0])
        if listed is None:
            continue
        if listed.is_zone:
            return listed.zone
        site = site or listed.zone
    return site or operator_in(low)


def _authentication(low: str) -> Iterator[str]:
    """Give results in the words of RFC 8601, such as ``"spf=fail"``."""
    if not ("spf" in low or "dkim" in low or "dmarc" in low or "arc" in low):
        return
    for match in _RESULT_BEFORE.finditer(low):
        yield f"{match[2]}={_RESULTS.get(match[1], 'fail')}"
    for match in _RESULT_AFTER.finditer(low):
        yield f"{match[1]}={_RESULTS.get(match[2], 'fail')}"

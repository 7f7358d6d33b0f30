"""Diagnostic: a reply as reports and logs quote it, found again in their words.

A report says ``smtp; 550 5.1.1 <ann@x.example>: no such user``, a log ``said: 550 …``.
What is found is what `Reply` would have held.  What it means is not asked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpbook.escape import visible

# Longer than any reply a report quotes (MAX_REPLY_LINE); looked at before any pattern.
MAX_CHARS: Final = 4096

# "diagnostic-type = atom", then a semicolon -- RFC 3464 section 2.3.6
_TYPE: Final = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9-]{0,30})\s*;\s*")
_HEAD: Final = re.compile(r"[\s#<(\"'=]{0,8}([245][0-9]{2})(?:[ -]|$)")
# Where a reply begins inside a sentence: after a word that announces one, after the arrow
# of a transcript, or by the enhanced status behind its code.
_ANNOUNCED: Final = re.compile(
    r"(?:said|says|reply|replied|responded|response|returned|error|<<<|>:|\bsmtp)"
    r"[\s:;\"'#(]{1,4}(?:is\s)?(?:code\s)?([245][0-9]{2})(?=[ -])",
    re.IGNORECASE,
)
_INSIDE: Final = re.compile(
    r"(?<![0-9.])([245][0-9]{2})[ -]#?(?=([245])\.[0-9]{1,3}\.[0-9])"
)
_AFTER_COLON: Final = re.compile(r":\s{1,4}([45][0-9]{2})(?=[ -])")
# Postfix puts it behind the reply, "(in reply to end of DATA command)"; Exim before it,
# "SMTP error from remote mail server after RCPT TO:<…>".
_VERB: Final = re.compile(
    r"\b(?:in reply to|error from remote mail(?: server|er) after) (?:the )?"
    r"([A-Za-z]{2,8}(?: [A-Za-z]{2,10}){0,3})",
    re.IGNORECASE,
)
_BEHIND: Final = re.compile(r"\s*\(in reply to [A-Za-z ]{1,40}\)\W*$")
_VERBS: Final = {
    "mail from": "MAIL",
    "rcpt to": "RCPT",
    "end of data": "END-OF-DATA",
    "end": "END-OF-DATA",
    "initial connection": "GREETING",
    "data": "DATA",
    "ehlo": "EHLO",
    "helo": "HELO",
    "lhlo": "LHLO",
    "starttls": "STARTTLS",
    "auth": "AUTH",
    "bdat": "BDAT",
}
_STATUS: Final = re.compile(r"#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_STATUS_ALONE: Final = re.compile(r"(?<![0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A reply that somebody quoted.

    Attributes
    ----------
    code : int or None
        Reply code; None = no reply is quoted.
    enhanced_status : str or None
        As the text has it, or as the report gives it beside the text.
    verb : str or None
        The command that drew it, where the text says so.
    text : str
        What follows the code, lines joined by newlines, controls escaped; the whole text
        where no reply is quoted.

    References
    ----------
    RFC 3464 section 2.3.6 (Diagnostic-Code), RFC 3463 section 2.
    """

    code: int | None
    enhanced_status: str | None
    verb: str | None = None
    text: str

    @classmethod
    def parse(cls, text: str, status: str | None = None) -> Diagnostic:
        r"""Find the reply in a diagnostic.

        Parameters
        ----------
        text : str
            Such as ``smtp; 550 5.1.1 no such user``; only its first `MAX_CHARS` count.
        status : str, optional
            The report's own; used where the text has none, unless it contradicts the code.

        Examples
        --------
        >>> Diagnostic.parse("smtp; 550-5.1.1 no such 550 5.1.1 user").text
        '5.1.1 no such\n5.1.1 user'
        >>> said = "mx said: 452 full (in reply to RCPT TO command)"
        >>> found = Diagnostic.parse(said, "4.2.2")
        >>> found.code, found.enhanced_status, found.verb, found.text
        (452, '4.2.2', 'RCPT', 'full')
        """
        given = _status_of(status)
        text = text[:MAX_CHARS].strip()
        if match := _TYPE.match(text):
            text = text[match.end() :]
        verb = verb_in(text)
        text = _BEHIND.sub("", text)
        code, start = _reply_in(text)
        if code is None:
            found = given or _first(_STATUS_ALONE, text)
            return cls(code=None, enhanced_status=found, verb=verb, text=_shown(text))
        # A reply of several lines is folded onto one, with its code before each piece.
        lines = re.split(rf"\s+{code}[ -](?=\S)|\n", text[start:])
        lines = [line.strip() for line in lines if line.strip()] or [""]
        own = _STATUS.match(lines[0])
        found = own[1] if own else given
        if found is not None and found[0] != str(code)[0]:
            found = None
        shown = "\n".join(visible(line.removeprefix("#")) for line in lines)
        return cls(code=code, enhanced_status=found, verb=verb, text=shown)


def _reply_in(text: str) -> tuple[int | None, int]:
    """Give the code of the reply in a text, and where its own text begins."""
    for pattern in (_HEAD, _ANNOUNCED, _INSIDE, _AFTER_COLON):
        match = pattern.match(text) if pattern is _HEAD else pattern.search(text)
        if match is None or (pattern is _INSIDE and match[1][0] != match[2]):
            continue
        return int(match[1]), match.end(1) + 1
    return None, 0


def verb_in(text: str) -> str | None:
    """Give the command that drew a reply, where a program that quotes it says so.

    >>> verb_in("full (in reply to end of DATA command)"), verb_in("full")
    ('END-OF-DATA', None)
    """
    match = _VERB.search(text)
    if match is None:
        return None
    said = match[1].lower()
    for words, verb in _VERBS.items():
        if said.startswith(words):
            return verb
    return None


def _status_of(text: str | None) -> str | None:
    """Give the status in a field such as ``5.1.1 (no such user)``."""
    match = _STATUS.match(text[:80].strip()) if text else None
    return match[1] if match else None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _shown(text: str) -> str:
    return visible("\n".join(line.strip() for line in text.split("\n")), newlines=True)

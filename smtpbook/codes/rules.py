"""What a rule is, and the rules of the registries: statuses, codes, codes after a command.

A rule looks at what was `Said` and returns a `Finding` or None.  No rule may contradict the
code: a reason is for 4yz and 5yz only, and what the first digit says about trying again is
not a rule's to change.  In which order rules are asked is for `precedence`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from smtpbook.codes.tables import Entry, command_replies, enhanced_statuses, reply_codes


class Said(NamedTuple):
    """A reply and what it answers: all that a rule may look at.

    Attributes
    ----------
    verb : str or None
        The command that drew the reply, ``GREETING`` and ``END-OF-DATA`` among them;
        None = not known.
    code : int
        The reply code; 0 = a queue manager's own words, without one.
    enhanced_status : str or None
        Such as ``"4.2.2"``; None = the reply has none that agrees with its code.
    text : str
        The lines after the code, joined by newlines.
    host : str or None
        The server's name; None = not known.
    greeting : str or None
        The text of its first reply; None = not known.
    """

    verb: str | None
    code: int
    enhanced_status: str | None = None
    text: str = ""
    host: str | None = None
    greeting: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The row that explains a reply, and the rule that found it."""

    entry: Entry
    why: str


Rule = Callable[[Said], Finding | None]

# From this confidence on a finding settles the reason; below, it only hints at it.
SURE: Final = 0.6

_STATUS: Final = re.compile(r"([45](?<![0-9.].)\.[0-7]\.[0-9]{1,3})(?![0-9.]*[0-9])")

# Until RCPT has named somebody, no status can speak of a recipient, nor of who may write
# to whom: 5.7.1 as a greeting refuses the client.  There the command says more, and so
# does a code that is for login and TLS alone (RFC 4954 section 6 pairs 530 with 5.7.0).
_BEFORE_RCPT: Final = frozenset(
    {"GREETING", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL"}
)
_LOGIN_CODES: Final = frozenset({432, 454, 523, 524, 525, 530, 534, 535, 538})
_TELLS_ENOUGH: Final = 0.5
_ABOUT_RECIPIENT: Final = frozenset(
    {
        "user_unknown",
        "mailbox_disabled",
        "mailbox_full",
        "bad_domain",
        "bad_address",
        "policy",
    }
)


def status_in(code: int, text: str) -> str | None:
    """Find an enhanced status that does not open the text, as in ``"no user (#5.1.1)"``.

    >>> status_in(550, "no such user (#5.1.1)"), status_in(450, "(#5.1.1)")
    ('5.1.1', None)
    """
    match = _STATUS.search(text)
    return match[1] if match and match[1][0] == str(code)[0] else None


def registered_status(said: Said) -> Finding | None:
    """Look the enhanced status up in the IANA registry.

    A detail that is not registered counts as its subject's undefined one (5.7.650 as
    X.7.0).  A success is not looked up: there the command says more.
    """
    if said.enhanced_status is None or said.code < 400:
        return None
    return _registered(said.enhanced_status, said.code, said.verb)


@lru_cache(maxsize=1024)
def _registered(stated: str, code: int, verb: str | None) -> Finding | None:
    _, _, number = stated.partition(".")
    subject = number.partition(".")[0]
    if subject == "0":  # only the class is known, and the reply code has told that
        return None
    table = enhanced_statuses()
    for status, why in (
        (stated, "enhanced status {}, as it is used with this class"),
        (f"X.{number}", "enhanced status {} of the IANA registry"),
        (f"X.{subject}.0", "enhanced status not registered, taken by its subject as {}"),
    ):
        entry = table.get(status)
        if entry is not None:
            if entry.reason in _ABOUT_RECIPIENT and _names_no_recipient(code, verb):
                return None
            return Finding(entry, why.format(status))
    return None


def _names_no_recipient(code: int, verb: str | None) -> bool:
    return code in _LOGIN_CODES or (
        verb is not None and verb in _BEFORE_RCPT and (verb, code) in command_replies()
    )


def command_and_code(said: Said) -> Finding | None:
    """Look up what the code means as an answer to this very command."""
    entry = command_replies().get((said.verb or "", said.code))
    return Finding(entry, f"reply code {said.code} to {said.verb}") if entry else None


def registered_code(said: Said) -> Finding | None:
    """Look up what the code means, whatever command drew it.

    A code that means many things does not tell what a text meant that nobody knows.
    """
    entry = reply_codes().get(said.code)
    if entry is None:
        return None
    if entry.confidence < _TELLS_ENOUGH and any(map(str.isalpha, said.text)):
        entry = replace(entry, reason="unknown")
    return Finding(entry, f"reply code {said.code}")

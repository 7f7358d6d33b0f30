"""What is wrong with a dialogue at one point, each fault with the RFC section behind it.

Only what can be told from one command and its reply is said here; whether a whole log keeps
the order of commands is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from smtpbook.codes.tables import commands
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import VERBS

_TERMINAL: Final = {
    "SEND": "the recipient's terminal",
    "SOML": "the recipient's terminal, or else the mailbox",
    "SAML": "the recipient's terminal and the mailbox",
}
# Any other word may be an extension's, or a lesson's; ATRN (RFC 2645) is near TURN.
_KNOWN: Final = frozenset(VERBS) | {"ATRN"}
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=\s|$)")
# Replies whose text is no place for an enhanced status (RFC 2034 section 4).
_PLAIN: Final = frozenset({"GREETING", "EHLO", "HELO", "LHLO"})


class Fault(NamedTuple):
    """One thing that is wrong: the rule broken, what happened, and where it is written."""

    rule: str
    message: str
    source: str


@lru_cache(maxsize=256)
def command_faults(verb: str | None) -> tuple[str, ...]:
    """Say what is wrong with sending this command at all, or which one it should be."""
    told = tuple(fault.message for fault in faults_of_command(verb))
    if verb is None or verb in _KNOWN:
        return told
    meant = near_miss(verb, (*commands(), "GREETING"))
    if not meant:
        return told
    return (*told, f"no command {visible(verb, max_chars=40)!r} is known{meant}")


def reply_faults(
    verb: str | None, reply: Reply, accepted_recipients: int | None
) -> tuple[str, ...]:
    """Say what is wrong with this reply to this command, as `faults_of_reply` finds it."""
    found = faults_of_reply(verb, reply, accepted_recipients)
    return tuple([fault.message for fault in found])


def faults_of_command(verb: str | None) -> Iterator[Fault]:
    """Find what is wrong with sending this command at all."""
    if verb in _TERMINAL:
        yield Fault(
            "terminal_delivery",
            f"{verb} FROM delivers to {_TERMINAL[verb]} (RFC 821 section 3.4), and clients "
            f"should not use it (RFC 5321 appendix F.6); mail uses MAIL FROM",
            "RFC 5321 appendix F.6",
        )


def faults_of_reply(
    verb: str | None, reply: Reply, accepted_recipients: int | None
) -> Iterator[Fault]:
    """Find what is wrong with this reply to this command.

    Parameters
    ----------
    verb : str or None
        The command that drew the reply; None = not known.
    reply : Reply
        What the server said.
    accepted_recipients : int or None
        How many RCPT of this transaction were accepted before; None = not known.
    """
    # "If there was no MAIL, or no RCPT, command, or all such commands were rejected, the
    # server MAY return a "command out of sequence" (503) or "no valid recipients" (554)
    # reply in response to the DATA command." -- RFC 5321 section 3.3
    if verb == "DATA" and reply.code == 354 and accepted_recipients == 0:
        yield Fault(
            "data_without_recipient",
            "DATA is answered 354 although no RCPT was accepted; RFC 5321 section 3.3 "
            "expects 503 or 554 there, and RFC 821's own scenario (appendix F, scenario 5) "
            "sends RSET instead of DATA",
            "RFC 5321 section 3.3",
        )
    # A status that does not fit is none of the reply's own (`Reply.enhanced_status`).
    is_plain = verb in _PLAIN or reply.enhanced_status is not None
    stated = None if is_plain else _STATUS.match(reply.lines[0])
    if stated is not None and int(stated[0][0]) != reply.code // 100:
        yield Fault(
            "status_contradicts_code",
            f"enhanced status {stated[0]} does not fit the {reply.severity} reply code "
            f"{reply.code}: their first digits must agree (RFC 2034 section 4); the code "
            f"counts",
            "RFC 2034 section 4",
        )

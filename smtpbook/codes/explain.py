"""Explain a reply, a command or a whole dialogue, from what the RFCs and IANA registered.

The code decides what may be done (its first digit); the enhanced status and the command
that drew the reply decide what it probably means.  Which rule found it, how sure it is
and where it is written stand in the answer.  Nothing here reads a log or asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from smtpbook.codes.dialogue import Exchange, exchanges, is_dialogue, read_lines, verb_of
from smtpbook.codes.explanation import Explanation
from smtpbook.codes.faults import command_faults, reply_faults
from smtpbook.codes.precedence import find
from smtpbook.codes.rules import Said
from smtpbook.codes.tables import commands, reasons
from smtpbook.errors import near_miss
from smtpbook.protocol.replies import Reply

_REPLY_LINE: Final = re.compile(r"([0-9]{3})(?:[ \t-](.*)|$)")
# The class tells success, transient or permanent; the rest what about -- RFC 3463 section 2
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=[ \n]|$)")
_SECRET: Final = re.compile(r"(AUTH\s+\S+\s+)\S.*", re.IGNORECASE | re.DOTALL)
_EXPECTED: Final = (
    "a reply ('550 5.1.1 no such user'), a command ('MAIL FROM:<ann@example.org>') or a "
    "dialogue with C: and S: at the head of its lines"
)
# What people call the two things that are no command.
_ALSO_CALLED: Final = {
    "CONNECT": "GREETING",
    "DOT": "END-OF-DATA",
    "END OF DATA": "END-OF-DATA",
    "END-OF-MESSAGE": "END-OF-DATA",
}


def explain(
    text: str | Reply,
    *,
    verb: str | None = None,
    host: str | None = None,
    accepted_recipients: int | None = None,
) -> Explanation:
    """Say what a reply means, whose turn it is and what to do.

    Parameters
    ----------
    text : str or Reply
        A reply of one line or several, with or without its code (``"5.1.1"`` will do), a
        command line, or a dialogue whose lines begin with ``C:``/``S:``,
        ``Client:``/``Server:`` or ``->``/``<-`` (or stand on one line between slashes).  A
        dialogue is explained by its first refusal, or else by its last reply, and
        ``faults`` names what is wrong in it, line by line.
    verb : str, optional
        The command that drew the reply, such as ``"RCPT"``; ``"GREETING"`` is the
        connection, ``"END-OF-DATA"`` the lone dot.  550 means another thing after each.
    host : str, optional
        The server's name, for rules that know whose it is.
    accepted_recipients : int, optional
        How many RCPT of this transaction were accepted before.

    Returns
    -------
    Explanation
        Prints as plain text and shows itself in a notebook.

    Raises
    ------
    ValueError
        The text is empty, or neither reply, command nor dialogue.
    TypeError
        It is neither text nor a Reply.

    Examples
    --------
    >>> explain("550 5.1.1 no such user", verb="RCPT").reason
    'user_unknown'
    >>> explain("550", verb="GREETING").reason, explain("550", verb="END-OF-DATA").reason
    ('ip_blocked', 'policy')
    >>> explain("5.2.2").reason
    'mailbox_full'
    >>> explain("250 OK", verb="SEND").faults[0][:47]
    "SEND FROM delivers to the recipient's terminal "

    References
    ----------
    RFC 5321 sections 4.2 (reply codes) and 4.3.2 (which command may draw which), RFC 3463
    and its IANA registry (enhanced statuses).
    """
    if isinstance(text, Reply):
        return _explain_reply(text, str(text), _verb(verb), host, accepted_recipients)
    if not isinstance(text, str):
        raise TypeError(f"explain takes text or a Reply, not {type(text).__name__}")
    shown = text.strip()
    if not shown:
        raise ValueError(f"nothing to explain: the text is empty; expected {_EXPECTED}")
    if status := _STATUS.match(shown):
        return _explain_status(status[0], shown, _verb(verb), host)
    if shown[0].isdigit():
        reply = _read_reply(shown)
        return _explain_reply(reply, shown, _verb(verb), host, accepted_recipients)
    if is_dialogue(shown):
        return _explain_dialogue(shown, host)
    return _explain_command(shown)


def reason_of(
    verb: str | None, code: int, enhanced_status: str | None, text: str
) -> str | None:
    """Give the reason alone: the short way for tables, by the same rules as `explain`.

    Parameters
    ----------
    verb : str or None
        The command that drew the reply, in capitals; None = not known.
    code : int
        The reply code.
    enhanced_status : str or None
        As `Reply.enhanced_status` gives it.
    text : str
        The lines after the code, joined by newlines.

    Returns
    -------
    str or None
        A name of the taxonomy for 4yz and 5yz; None for what is no refusal.

    Examples
    --------
    >>> reason_of("RCPT", 452, "4.2.2", "4.2.2 mailbox full")
    'mailbox_full'
    """
    said = Said(verb=verb, code=code, enhanced_status=enhanced_status, text=text)
    return find(said).entry.reason


def _explain_reply(
    reply: Reply,
    text: str,
    verb: str | None,
    host: str | None,
    accepted_recipients: int | None,
) -> Explanation:
    status = reply.enhanced_status
    said = Said(
        verb=verb,
        code=reply.code,
        enhanced_status=status,
        text="\n".join(reply.lines),
        host=host,
    )
    finding = find(said)
    entry, severity = finding.entry, reply.severity
    reason = reasons()[entry.reason] if entry.reason else None
    if reason is None:
        advice, remedy = "continue", entry.remedy
    elif severity == "transient":
        advice, remedy = reason.advice_transient, entry.remedy or reason.remedy_transient
    else:
        advice, remedy = reason.advice_permanent, entry.remedy or reason.remedy_permanent
    return Explanation(
        text=text,
        code=reply.code,
        enhanced_status=status,
        verb=verb,
        reason=reason.name if reason else None,
        group=reason.group if reason else None,
        fault=reason.fault if reason else None,
        permanence=severity,
        advice=advice,
        confidence=entry.confidence,
        meaning=entry.meaning,
        remedy=remedy,
        source=(entry.source,),
        why=finding.why,
        faults=(*command_faults(verb), *reply_faults(verb, reply, accepted_recipients)),
    )


def _explain_status(
    status: str, text: str, verb: str | None, host: str | None
) -> Explanation:
    """Explain an enhanced status that stands without a reply code."""
    # A code of its class that nobody has registered: it adds nothing of its own.
    reply = Reply(code=int(f"{status[0]}99"), lines=tuple(text.splitlines()))
    found = _explain_reply(reply, text, verb, host, None)
    is_known = found.why.startswith("enhanced status")
    why = found.why if is_known else f"enhanced status {status}, by its class alone"
    return replace(found, code=None, why=why, faults=tuple(command_faults(verb)))


def _explain_command(text: str) -> Explanation:
    verb = verb_of(text)
    command = commands().get(verb)
    if command is None or "\n" in text:
        raise ValueError(
            f"cannot explain {_redacted(text)[:60]!a}: expected {_EXPECTED}"
            f"{near_miss(verb, commands()) if command is None else ''}"
        )
    faults = tuple(command_faults(verb))
    return Explanation(
        text=_redacted(text),
        verb=verb,
        advice="fix the command" if faults else "continue",
        confidence=1.0,
        meaning=f"{command.meaning} It is written {command.form}",
        remedy=command.remedy,
        source=(command.source,),
        why=f"command {verb}",
        faults=faults,
    )


def _redacted(command: str) -> str:
    return _SECRET.sub(r"\1[redacted]", command)


def _explain_dialogue(text: str, host: str | None) -> Explanation:
    said = list(exchanges(read_lines(text)))
    faults = tuple(fault for exchange in said for fault in _faults_by_line(exchange))
    answered = [(exchange, exchange.reply) for exchange in said if exchange.reply]
    if not answered:
        return replace(_explain_command(said[0].verb or ""), faults=faults)
    refused = [pair for pair in answered if pair[1].code >= 400]
    exchange, reply = refused[0] if refused else answered[-1]
    found = _explain_reply(reply, str(reply), exchange.verb, host, None)
    place = f"line {exchange.reply_line}"
    which = "first refusal" if refused else "last reply"
    return replace(
        found,
        meaning=f"{place.capitalize()}: {found.meaning}",
        why=f"{which} of the dialogue, {place}: {found.why}",
        faults=faults,
    )


def _faults_by_line(exchange: Exchange) -> Iterator[str]:
    verb, reply = exchange.verb, exchange.reply
    for fault in command_faults(verb):
        yield f"line {exchange.command_line}: {fault}"
    if reply is not None:
        for fault in reply_faults(verb, reply, exchange.accepted_recipients):
            yield f"line {exchange.reply_line}: {fault}"


def _verb(verb: str | None) -> str | None:
    """Bring a verb into the form of the tables: ``"mail from"`` is ``"MAIL"``."""
    if verb is None or not verb.strip():
        return None
    name = verb.strip().upper()
    return _ALSO_CALLED.get(name) or verb_of(name)


def _read_reply(text: str) -> Reply:
    """Read a reply as people paste it: cut short, or wrapped without a code on each line.

    Raises
    ------
    ValueError
        The code is none of SMTP's, or there is more than one reply.
    """
    first, *rest = re.split(r"\r?\n", text)
    match = _REPLY_LINE.match(first)
    if match is None:
        raise ValueError(
            f"not a reply: {first[:60]!a}; a reply code has three digits and a blank "
            f"or nothing after it; expected {_EXPECTED}"
        )
    code = match[1]
    if not "2" <= code[0] <= "5":
        raise ValueError(
            f"{code} is no reply code of SMTP: the first digit is 2, 3, 4 or 5 "
            f"(RFC 5321 section 4.2)"
        )
    lines = [match[2] or ""]
    for line in rest:
        match = _REPLY_LINE.match(line)
        if match is None:
            lines.append(line)
        elif match[1] == code:
            lines.append(match[2] or "")
        else:
            raise ValueError(
                f"more than one reply: {code} and {match[1]}; explain one at a time, or a "
                f"dialogue with C: and S: at the head of its lines"
            )
    return Reply(code=int(code), lines=tuple(lines))

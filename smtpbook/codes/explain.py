"""Explain a reply, a command or a whole dialogue: what it means and what to do.

The code decides what may be done (its first digit).  What is meant, the rules of
`precedence` say: whose server it is, its words, the enhanced status, the command that drew
it.  Which rule found it, how sure it is and where it is written stand in the answer.
Nothing here reads a log or asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from smtpbook.codes.conflicts import conflicts
from smtpbook.codes.dialogue import (
    Exchange,
    exchanges,
    is_dialogue,
    read_lines,
    secrets_in,
    verb_of,
)
from smtpbook.codes.explanation import Explanation
from smtpbook.codes.faults import command_faults, reply_faults
from smtpbook.codes.hints import retry_hint_s
from smtpbook.codes.phrases import text_says
from smtpbook.codes.precedence import UNLISTED, find
from smtpbook.codes.providers import recognise
from smtpbook.codes.rules import SURE, Finding, Said, registered_status, status_in
from smtpbook.codes.tables import Entry, Reason, commands, reasons
from smtpbook.errors import near_miss
from smtpbook.protocol.diagnostic import Diagnostic, verb_in
from smtpbook.protocol.replies import Reply, Severity

_LINE_END: Final = re.compile(r"\r?\n")
_REPLY_LINE: Final = re.compile(r"([0-9]{3})(?:[ \t-](.*)|$)")
# The class tells success, transient or permanent; the rest what about -- RFC 3463 section 2
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=[ \n]|$)")
_SECRET: Final = re.compile(r"(AUTH\s+\S+\s+)\S.*", re.IGNORECASE | re.DOTALL)
_MAX_CHARS: Final = 3000  # of a text that is searched for when to try again
# What is shorter may stand in any reply by chance.
_MIN_SECRET: Final = 4
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
    greeting: str | None = None,
    accepted_recipients: int | None = None,
) -> Explanation:
    """Say what a reply means, whose turn it is and what to do.

    Parameters
    ----------
    text : str or Reply
        A reply of one line or several, with or without its code (``"5.1.1"`` will do), a
        sentence of a queue manager (``"delivery time expired"``, ``"mx said: 550 no"``), a
        command line, or a dialogue whose lines begin with ``C:``/``S:``,
        ``Client:``/``Server:`` or ``->``/``<-`` (or stand on one line between slashes).  A
        dialogue is explained by its first refusal, or else by its last reply, and
        ``faults`` names what is wrong in it, line by line.
    verb : str, optional
        The command that drew the reply, such as ``"RCPT"``; ``"GREETING"`` is the
        connection, ``"END-OF-DATA"`` the lone dot.  550 means another thing after each.  It
        may be any word; ``faults`` says if it looks like a command that is misspelt.
    host : str, optional
        The server's name, for rules that know whose it is.
    greeting : str, optional
        The text of its first reply, for the same rules.
    accepted_recipients : int, optional
        How many RCPT of this transaction were accepted before.

    Returns
    -------
    Explanation
        Prints as plain text and shows itself in a notebook.

    Raises
    ------
    ValueError
        The text is empty, or nothing of what is named above.
    TypeError
        It is neither text nor a Reply; or what else is given is no text.

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
    for name, given in (("verb", verb), ("host", host), ("greeting", greeting)):
        if given is not None and not isinstance(given, str):
            raise TypeError(f"{name}= takes text, not {type(given).__name__}")
    asked = _Asked(_verb(verb), host, greeting)
    if isinstance(text, Reply):
        return _explain_reply(text, str(text), asked, accepted_recipients)
    if not isinstance(text, str):
        raise TypeError(f"explain takes text or a Reply, not {type(text).__name__}")
    shown = text.strip()
    if not shown:
        raise ValueError(f"nothing to explain: the text is empty; expected {_EXPECTED}")
    if status := _STATUS.match(shown):
        return _explain_status(status[0], shown, asked)
    if shown[0].isdigit():
        return _explain_reply(_read_reply(shown), shown, asked, accepted_recipients)
    if is_dialogue(shown):
        return _explain_dialogue(shown, asked)
    quoted = Diagnostic.parse(shown)  # inside a queue manager's sentence
    if quoted.code is not None:
        reply = Reply.of(quoted.code, quoted.text)
        asked = asked._replace(verb=asked.verb or quoted.verb)
        return _explain_reply(reply, shown, asked, accepted_recipients)
    return _explain_command(shown) or _explain_words(shown, asked)


def reason_of(
    verb: str | None,
    code: int,
    enhanced_status: str | None,
    text: str,
    *,
    host: str | None = None,
    greeting: str | None = None,
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
    host, greeting : str, optional
        The server's name and the text of its first reply, for rules that know whose it is.

    Returns
    -------
    str or None
        A name of the taxonomy for 4yz and 5yz; None for what is no refusal.

    Examples
    --------
    >>> reason_of("RCPT", 452, "4.2.2", "4.2.2 mailbox full")
    'mailbox_full'
    """
    return find(
        Said(
            verb=verb,
            code=code,
            enhanced_status=enhanced_status or status_in(code, text),
            text=text,
            host=host,
            greeting=greeting,
        )
    ).entry.reason


class _Asked(NamedTuple):
    """What else is known of a reply: which command drew it, and whose it is."""

    verb: str | None
    host: str | None
    greeting: str | None


def _explain_reply(
    reply: Reply, shown: str, asked: _Asked, accepted_recipients: int | None = None
) -> Explanation:
    text = "\n".join(reply.lines)
    verb = asked.verb or (verb_in(text) if "in reply to" in text else None)
    status = reply.enhanced_status or status_in(reply.code, text)
    said = Said(verb, reply.code, status, text, asked.host, asked.greeting)
    faults = command_faults(verb) + reply_faults(verb, reply, accepted_recipients)
    return _explain_said(said, shown, reply.severity, faults)


def _explain_said(
    said: Said, shown: str, severity: Severity | None, faults: tuple[str, ...]
) -> Explanation:
    finding, status = find(said), registered_status(said)
    entry, reason = finding.entry, reasons().get(finding.entry.reason or "")
    hint_s = retry_hint_s(said.text[:_MAX_CHARS])
    retry_s = entry.retry_s if hint_s is None else hint_s
    advice, remedy = _advice(entry, reason, severity, retry_s)
    confidence, sources, why = _with_the_status(finding, status)
    return Explanation(
        text=shown,
        code=said.code or None,
        enhanced_status=said.enhanced_status,
        verb=said.verb,
        reason=reason.name if reason else None,
        group=reason.group if reason else None,
        fault=reason.fault if reason else None,
        permanence=severity,
        advice=advice,
        confidence=confidence,
        meaning=entry.meaning,
        remedy=remedy,
        provider=recognise(said),
        retry_s=retry_s,
        conflicts=tuple(conflicts(said, finding, status)),
        source=sources,
        why=why,
        faults=faults,
        _said=said.text,
    )


def _advice(
    entry: Entry, reason: Reason | None, severity: Severity | None, retry_s: float | None
) -> tuple[str, str]:
    """Give what to do, in words and in a sentence; what the row says counts first."""
    if reason is None:
        return "continue", entry.remedy
    if severity == "permanent":
        advice, remedy = reason.advice_permanent, reason.remedy_permanent
    else:
        advice, remedy = reason.advice_transient, reason.remedy_transient
    if entry.advice and (severity == "permanent" or entry.advice != "suppress"):
        advice = entry.advice  # a 4yz may be retried: no row takes its address off a list
    if advice == "retry later" and retry_s is not None:
        advice = f"retry after {retry_s:g} s"
    return advice, entry.remedy or remedy


def _with_the_status(
    finding: Finding, status: Finding | None
) -> tuple[float, tuple[str, ...], str]:
    """Give confidence, sources and why, with the registry's word where it is the same."""
    entry = finding.entry
    if (
        status is None
        or status.entry is entry
        or entry.reason in (None, "unknown")
        or status.entry.reason != entry.reason
    ):
        return entry.confidence, (entry.source,), finding.why
    both = 1 - (1 - entry.confidence) * (1 - status.entry.confidence)
    why = f"{finding.why}; so says {status.why}"
    one, other = entry.source, status.entry.source
    return round(both, 3), (one,) if one == other else (one, other), why


def _explain_status(status: str, shown: str, asked: _Asked) -> Explanation:
    """Explain an enhanced status that stands without a reply code."""
    # A code of its class that nobody has registered: it adds nothing of its own.
    reply = Reply(code=int(f"{status[0]}99"), lines=tuple(shown.splitlines()))
    found = _explain_reply(reply, shown, asked)
    by_class = found.why == UNLISTED
    why = f"enhanced status {status}, by its class alone" if by_class else found.why
    faults = command_faults(asked.verb)
    return replace(found, code=None, why=why, faults=faults, conflicts=())


def _explain_words(shown: str, asked: _Asked) -> Explanation:
    """Explain what a queue manager says of itself: words without a code.

    Raises
    ------
    ValueError
        No row of our tables knows the words.
    """
    if stated := status_in(4, shown) or status_in(5, shown):
        return _explain_status(stated, shown, asked)
    said = Said(
        verb=asked.verb, code=0, text=shown, host=asked.host, greeting=asked.greeting
    )
    found = text_says(said)
    if found is None or found.entry.confidence < SURE:
        raise ValueError(
            f"cannot explain {_redacted(shown)[:60]!a}: expected {_EXPECTED}"
            f"{near_miss(verb_of(shown), commands())}"
        )
    return _explain_said(said, shown, None, ())


def _explain_command(text: str) -> Explanation | None:
    verb = verb_of(text)
    command = commands().get(verb)
    if command is None:
        return None
    if "\n" in text:
        raise ValueError(f"cannot explain {_redacted(text)[:60]!a}: expected {_EXPECTED}")
    faults = command_faults(verb)
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


def _explain_dialogue(text: str, asked: _Asked) -> Explanation:
    lines = read_lines(text)
    said = list(exchanges(lines))
    faults = tuple(fault for exchange in said for fault in _faults_by_line(exchange))
    answered = [(exchange, exchange.reply) for exchange in said if exchange.reply]
    if not answered:
        command = _explain_command(said[0].verb or "")
        if command is None:
            raise ValueError(
                f"cannot explain a dialogue without a reply; expected {_EXPECTED}"
            )
        return replace(command, faults=faults)
    refused = [pair for pair in answered if pair[1].code >= 400]
    exchange, reply = refused[0] if refused else answered[-1]
    reply = _without(reply, secrets_in(lines, said))
    found = _explain_reply(reply, str(reply), asked._replace(verb=exchange.verb))
    place = f"line {exchange.reply_line}"
    which = "first refusal" if refused else "last reply"
    return replace(
        found,
        meaning=f"{place.capitalize()}: {found.meaning}",
        why=f"{which} of the dialogue, {place}: {found.why}",
        faults=faults,
    )


def _without(reply: Reply, secrets: Iterable[str]) -> Reply:
    told = list(reply.lines)
    for secret in secrets:
        if len(secret) >= _MIN_SECRET:
            told = [line.replace(secret, "[redacted]") for line in told]
    return Reply(code=reply.code, lines=tuple(told))


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
    first, rest = text, []
    if "\n" in text:
        first, *rest = _LINE_END.split(text)
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

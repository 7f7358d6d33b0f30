"""Words: bounces that say in sentences what became of whom, each server in its own.

Every one of them has a sentence that opens the list of addresses, the addresses each at the
beginning of a line with the reason behind or below, and a line at which the returned
message begins.  So one reader does for all, and a table says what they begin with.

Sources: D. J. Bernstein, "The qmail-send Bounce Message Format" (cr.yp.to/proto/qsbmf.txt);
Sendmail's savemail.c; Haraka's outbound.bounce_message.  The other sentences are assumed to
be those that the programs' bounces have had for years.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final, NamedTuple

from smtpbook.bounces.report import (
    Report,
    addressed_to,
    message_id_of,
    returned,
)
from smtpbook.logfile.address import bare_address
from smtpbook.mailboxes.mime import Fields, Part, walk

_MAX_TEXT: Final = 1 << 16
_MAX_SAID: Final = 2000
_MAX_RECIPIENTS: Final = 1000


class Wording(NamedTuple):
    """How a program words its bounces.

    Attributes
    ----------
    begins : Pattern
        What opens the list of addresses.
    outcome : str
        What became of them.
    """

    begins: re.Pattern[str]
    outcome: str


def _wording(begins: str, outcome: str = "bounced") -> Wording:
    return Wording(re.compile(begins.replace(" ", r"\s{1,8}"), re.IGNORECASE), outcome)


# Delays come first: some open with the sentence of a bounce and go on with "yet".
WORDINGS: Final = (
    # Exim after a day, Sendmail, Gmail, Postfix
    _wording(r"to which the message has not yet been delivered (?:is|are):", "deferred"),
    _wording(r"addresses had transient non-fatal errors", "deferred"),
    _wording(r"Delivery to the following recipients? has been delayed", "deferred"),
    _wording(r"THIS IS A WARNING ONLY", "deferred"),
    # qmail
    _wording(r"This is the qmail-send program at"),
    _wording(r"I wasn't able to deliver your message"),  # Haraka and James, too
    # Exim
    _wording(r"The following address(?:\(es\)|es)? failed:"),
    # Sendmail
    _wording(r"addresses had permanent fatal errors"),
    # Exchange, from 5.5 to 2003, then from 2007 on
    _wording(r"(?:could not be reached|did not reach the following recipient\(s\)):"),
    _wording(r"Diagnostic information for administrators:"),
    _wording(r"Delivery has failed to these recipients or (?:distribution lists|groups):"),
    # Postfix
    _wording(r"This is the (?:mail system at host|Postfix program)"),
    # Gmail
    _wording(r"Delivery to the following recipients? failed permanently:"),
)
_ENDS: Final = re.compile(
    r"^(?:-{2,}[ ]?(?:Below this line is|This is a copy of|Original message|Unsent message"
    r"|Message header follows|The header)|[ ]{0,8}-{3,} Original message|Original message "
    r"headers:|Final-Recipient:|Reporting-MTA:|Received: )",
    re.IGNORECASE | re.MULTILINE,
)
_LOCAL: Final = r"[^\s<>()\[\]:;,@\"']{1,64}"
_DOMAIN: Final = r"[^\s<>()\[\]:;,@\"']{1,255}"
# An address at the beginning of a line: bare, angled or quoted, alone, with a colon and
# the reason behind it, or with "on" and a date (Exchange).
_ADDRESS_LINE: Final = re.compile(
    r"^[ \t>]{0,16}(?:Intended Recipients: )?(?:smtp:|mailto:)?"
    rf"[<'\"]?({_LOCAL}@{_DOMAIN})[>'\"]?"
    rf"(?:\([^)\n]{{0,300}}\))?(?P<rest>:[^\n]*| on [^\n]*|[ \t]*)$",
    re.IGNORECASE | re.MULTILINE,
)
# Sendmail's transcript: which command drew which reply.
_SPOKEN: Final = re.compile(
    r"^>>> (MAIL|RCPT|DATA|\.)[^\n]{0,300}\n<<< ([245]\d\d[^\n]*)", re.M | re.I
)
_REPLY: Final = re.compile(r"\b[245]\d\d[ -]")
_AFTER: Final = re.compile(r"Giving up on ")  # qmail, behind the reply
# Exchange: "<host #5.1.1 smtp;550 5.1.1 …>"
_TOLD: Final = re.compile(r"<\S{1,255} #[245]\.\d{1,3}\.\d{1,3} (smtp;[^<>]{0,1000})>")
_SENDERS: Final = re.compile(
    r"mailer-daemon|postmaster|mail delivery|mailerdaemon|microsoftexchange", re.IGNORECASE
)


def is_from_a_server(header: Fields) -> bool:
    """Tell whether a mail says that a server wrote it, not a person."""
    if header["return-path"].replace(" ", "") == "<>" or "x-failed-recipients" in header:
        return True
    return _SENDERS.search(header["from"][:1000]) is not None


def read_words(mail: Part) -> list[Report]:
    """Read a bounce in words; nothing = the mail is none that is known."""
    text = _text_of(mail)
    found = _begin(text)
    if found is None:
        return _by_header(mail, text)
    wording, start = found
    end = _ENDS.search(text, start)
    told = text[start : end.start() if end else len(text)]
    listed = list(_ADDRESS_LINE.finditer(told))[:_MAX_RECIPIENTS]
    spoken = _SPOKEN.findall(told)
    said: dict[str, str] = {}
    if not listed:
        return _by_header(mail, text)
    for match, following in zip_longest(listed, listed[1:]):
        stop = following.start() if following else len(told)
        reason = f"{match['rest'].lstrip(':')}\n{told[match.end() : stop]}"
        # Exchange names an address twice: first to people, then with the diagnostic.
        said[match[1]] = _best(said.get(match[1], ""), _tidy(reason))
    if len(said) == 1 and spoken:
        verb, reply = spoken[-1]
        word = {"MAIL": "MAIL FROM", "RCPT": "RCPT TO", ".": "end of DATA"}
        named = word.get(verb.upper(), verb.upper())
        said = dict.fromkeys(said, f"{reply} (in reply to {named} command)")
    return [_report(mail, wording.outcome, to, why, text) for to, why in said.items()]


def _text_of(mail: Part) -> str:
    for part in walk(mail):
        if part.kind in ("text/plain", "text/html"):
            text = part.text[:_MAX_TEXT]
            if part.kind == "text/html":
                text = re.sub(r"<(?:br|/?p|/?div|/?tr)\b[^<>]{0,300}>", "\n", text)
                text = re.sub(r"</?[a-z][^<>@]{0,300}>", "", text)
            return text
    return ""


def _begin(text: str) -> tuple[Wording, int] | None:
    for wording in WORDINGS:
        if match := wording.begins.search(text):
            return wording, match.end()
    return None


def _by_header(mail: Part, text: str) -> list[Report]:
    """Read what Exim and others say in a header, whatever the words are."""
    listed = mail.header["x-failed-recipients"].split(",")[:_MAX_RECIPIENTS]
    addresses = [bare_address(one) for one in listed]
    said = _tidy(text) if len(addresses) == 1 else ""
    return [_report(mail, "bounced", to, said, text) for to in addresses if to]


def _best(first: str, second: str) -> str:
    """Give the one of two texts that quotes a reply, or the first that says anything."""
    quoted = [text for text in (first, second) if _REPLY.search(text)]
    return (quoted or [first or second])[-1]


def _tidy(text: str) -> str:
    """Give the paragraph that quotes a reply, on one line; else all of them."""
    paragraphs = re.split(r"\n[ \t]*\n", text[:_MAX_SAID])
    quoting = [one for one in paragraphs if _REPLY.search(one)]
    lines = (line.strip() for line in "\n".join(quoting[:1] or paragraphs).split("\n"))
    kept = (line for line in lines if line.strip("-=_*") and not _AFTER.match(line))
    return _TOLD.sub(r"\1", " ".join(kept))


def _report(mail: Part, outcome: str, to: str, said: str, text: str) -> Report:
    return Report(
        source="bounce",
        outcome=outcome,
        recipients=(to.rstrip("."),),
        time=mail.header.time,
        said=said,
        message_id=message_id_of(returned(mail), text),
        addressed=addressed_to(mail.header),
    )

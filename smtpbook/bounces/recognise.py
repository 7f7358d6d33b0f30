"""Recognise: what a mail in a bounce mailbox is, and what it reports.

Such a mailbox holds bounces and complaints, and what people and their programs answer:
nobody is out of the list because they are out of office.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpbook.bounces.arf import read_arf
from smtpbook.bounces.dsn import read_dsn
from smtpbook.bounces.report import Report
from smtpbook.bounces.words import is_from_a_server, read_words
from smtpbook.escape import visible
from smtpbook.mailboxes.mime import Part, decoded, walk

_DMARC_SUBJECT: Final = re.compile(r"Report[- ]Domain:", re.IGNORECASE)
_ABSENCE: Final = re.compile(
    r"\b(?:out of (?:the )?office|auto(?:matic)?[- ]?(?:reply|response)|autoreply|vacation"
    r"|abwesenheit|absence du bureau|r.ponse automatique)",
    re.IGNORECASE,
)
_AUTOREPLY_FIELDS: Final = ("x-autoreply", "x-autorespond", "x-auto-reply", "x-vacation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a mail is.

    Attributes
    ----------
    what : str
        In a few words, such as ``"dsn"`` or ``"autoresponder"``.
    reports : tuple of Report
        What it reports; none = nothing about delivery.
    is_understood : bool
        False: it seems to be a bounce, and says nothing that is known.
    subject : str
        Of the mail, for an example.
    """

    what: str
    reports: tuple[Report, ...] = ()
    is_understood: bool = True
    subject: str = ""


def recognise(octets: bytes) -> Found:
    """Tell what a mail is; never raises, whatever the octets are."""
    mail = Part(octets)
    subject = visible(decoded(mail.header["subject"]), max_chars=120)
    if not mail.header:
        return Found(what="no mail", is_understood=False, subject=_beginning(octets))
    dsn = read_dsn(mail)
    if dsn:
        return Found(what="dsn", reports=tuple(dsn), subject=subject)
    arf = read_arf(mail)
    if isinstance(arf, str):
        return Found(what=arf, subject=subject)
    if arf:
        return Found(what="arf", reports=tuple(arf), subject=subject)
    if what := _beside(mail):
        return Found(what=what, subject=subject)
    if is_from_a_server(mail.header):
        reports = tuple(read_words(mail))
        if reports:
            return Found(what="bounce", reports=reports, subject=subject)
    if _is_automatic(mail, subject):
        return Found(what="autoresponder", subject=subject)
    is_bounce = dsn is not None or is_from_a_server(mail.header)
    what = "bounce of unknown form" if is_bounce else "other mail"
    return Found(what=what, is_understood=not is_bounce, subject=subject)


def _beside(mail: Part) -> str:
    """Name a report that is about something else; "" = it is none."""
    kind = mail.parameter("report-type").lower()
    if kind == "disposition-notification" or any(
        part.kind == "message/disposition-notification" for part in walk(mail)
    ):
        return "read receipt"  # RFC 8098
    if _DMARC_SUBJECT.search(mail.header["subject"][:1000]):
        return "DMARC report"  # RFC 7489 section 7.2.1.1
    return "TLS report" if kind == "tlsrpt" else ""  # RFC 8460


def _is_automatic(mail: Part, subject: str) -> bool:
    # "auto-replied": in answer to a message, by a program -- RFC 3834 section 5
    if mail.header["auto-submitted"].strip().lower().startswith("auto-replied"):
        return True
    precedence = mail.header["precedence"].strip().lower()
    if precedence in ("auto_reply", "auto-reply"):
        return True
    if any(name in mail.header for name in _AUTOREPLY_FIELDS):
        return True
    return _ABSENCE.search(subject) is not None


def _beginning(octets: bytes) -> str:
    return visible(octets[:80].decode("utf-8", "backslashreplace"), max_chars=80)

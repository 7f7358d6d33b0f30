"""Header: its date, its identity, its subject, and fields that may be there once.

Each function gives what is to be said, nothing if all is well; which check that belongs to
is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from smtpbook.content.mail import Given, Mail
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, warns
from smtpbook.mailboxes.mime import micros
from smtpbook.protocol.addresses import to_a_labels
from smtpbook.wording import lasting

# SpamAssassin's rules about dates begin at three hours (DATE_IN_FUTURE_03_06).
_LATE: Final = timedelta(hours=3)
# RFC 5322 section 3.6.4: "<" id-left "@" id-right ">"; id-right may be a literal.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM: Final = rf"{_ATOM}(?:\.{_ATOM})*"
_MESSAGE_ID: Final = re.compile(rf"<{_DOT_ATOM}@({_DOT_ATOM}|\[[!-Z^-~]*\])>")
# The table in RFC 5322 section 3.6: at most one of each.
_ONCE: Final = (
    *("Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID"),
    *("In-Reply-To", "References", "Subject"),
    # RFC 2045 section 3, RFC 2369 section 3.
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)
# Lists of mails show about so many characters.
_LONG_SUBJECT: Final = 78
_SHORT_SUBJECT: Final = 8  # in capitals, it may be a name
_SHOWN: Final = 100


def date(mail: Mail, given: Given) -> Iterator[Said]:
    """Compare the date with the time at which it is sent."""
    value = mail.header["date"]
    remedy = "leave it to sb.Template, which writes it, or email.utils.format_datetime"
    if not value:
        yield fails("there is no Date", remedy)
        return
    shown = visible(value, max_chars=_SHOWN)
    time_us = micros(value)
    if time_us is None:
        yield fails(f"Date is no date: {shown}", remedy)
        return
    away = datetime.fromtimestamp(time_us / 1e6, UTC) - given.date
    if abs(away) <= _LATE:
        yield passes(f"Date: {shown}")
        return
    where = "ahead" if away > timedelta() else "old"
    told = lasting(abs(away).total_seconds())
    yield warns(f"Date is {told} {where}: {shown}", "render the letter when it is sent")


def message_id(mail: Mail, given: Given) -> Iterator[Said]:
    """Look at the form of the Message-ID, and whose it is."""
    value = mail.header["message-id"]
    remedy = "email.utils.make_msgid(domain=…) with a domain of your own"
    if not value:
        yield warns("there is no Message-ID; servers make one up, or mind", remedy)
        return
    shown = visible(value, max_chars=_SHOWN)
    match = _MESSAGE_ID.fullmatch(value[:1000])
    if match is None:
        yield fails(f"Message-ID is none: {shown}; <left@right> is expected", remedy)
    elif not _is_domain(match[1]):
        yield warns(f"Message-ID names no domain of the Internet: {shown}", remedy)
    else:
        yield passes(f"Message-ID: {shown}")


def _is_domain(name: str) -> bool:
    try:
        labels = to_a_labels(name).split(".")
    except LocalProtocolError:
        return False
    return len(labels) > 1 and labels[-1] not in ("local", "localdomain", "lan", "internal")


def single_fields(mail: Mail, given: Given) -> Iterator[Said]:
    """Count the fields of which there may be one."""
    for name in _ONCE:
        if (number := len(mail.named(name))) > 1:
            yield fails(
                f"{number} fields {name}: servers refuse it, or each believes another",
                f"leave one {name}",
            )
    if not mail.header["from"]:
        yield fails("there is no From", "every message has one")


def subject(mail: Mail, given: Given) -> Iterator[Said]:
    """Say what readers and filters mind in a subject."""
    text = mail.subject
    shown = visible(text, max_chars=_SHOWN)
    if not text:
        yield warns("The subject is empty.", "say what it is about")
    elif text.isupper() and len(text) > _SHORT_SUBJECT:
        yield warns(f"The subject is all in capitals: {shown}", "write it as one speaks")
    if len(text) > _LONG_SUBJECT:
        yield warns(
            f"The subject has {len(text)} characters; lists of mails cut it off.",
            "say first what matters",
        )
    if "!!" in text or "??" in text or text.count("!") > 1:
        yield warns(
            f"The subject has more than one mark of exclamation or question: {shown}",
            "one is enough",
        )
    is_answer = re.match(r"(?:re|aw|fwd?|wg):", text, re.IGNORECASE)
    if is_answer and not mail.header["in-reply-to"]:
        yield warns(
            f"The subject looks like an answer or a forwarded mail, which it is not: "
            f"{shown}",
            "leave the first word out",
        )

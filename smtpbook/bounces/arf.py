"""ARF: complaints of people who pressed "this is spam", as mailbox providers send them.

Many hide who it was; then the Message-ID of the message, if it was left in, is what tells.

References
----------
RFC 5965 (the format), RFC 6590 (what is hidden), RFC 6591 (failures of authentication use
the same format, and are no complaints).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from smtpbook.bounces.report import (
    Report,
    addressed_to,
    message_id_of,
    returned,
)
from smtpbook.logfile.address import bare_address
from smtpbook.mailboxes.mime import Fields, Part, walk

FEEDBACK_KIND: Final = "message/feedback-report"
_NO_COMPLAINTS: Final = {
    "not-spam": "report that it is no spam",
    "auth-failure": "report of a failed authentication",
}
_HIDDEN: Final = re.compile(r"redacted|hidden|undisclosed|^x+@|removed", re.IGNORECASE)
_ANGLED: Final = re.compile(r"<([^<>\s]{1,320})>")
# Outlook.com's complaints are the message alone, with this field in front of it.
_OUTLOOK: Final = "x-hmxmroriginalrecipient"
# Where the returned message may still name who got it.
_RECIPIENT_FIELDS: Final = (_OUTLOOK, "x-original-to", "delivered-to", "to")


def read_arf(mail: Part) -> list[Report] | str | None:
    """Read a complaint.

    Returns
    -------
    list of Report, str or None
        None = the mail is none; text = it is a report of another kind, and which.
    """
    original = returned(mail)
    part = next((part for part in walk(mail) if part.kind == FEEDBACK_KIND), None)
    if part is None and _OUTLOOK not in original:
        return None
    fields = Fields.parse("Feedback-Type: abuse" if part is None else part.text)
    kind = fields["feedback-type"].partition("(")[0].strip().lower()
    if kind in _NO_COMPLAINTS:
        return _NO_COMPLAINTS[kind]
    ids = [fields[f"original-{name}"][:200].strip() for name in ("envelope-id", "envid")]
    report = Report(
        source="arf",
        outcome="complaint",
        time=mail.header.time,
        said=kind,
        server=_reporter(fields),
        message_id=message_id_of(original),
        envelope_id=next((one for one in ids if one), None),
        addressed=_reverse_path(fields, mail),
    )
    people = _recipients(fields, original)
    return [replace(report, recipients=(to,)) for to in people] or [report]


def _recipients(fields: Fields, original: Fields) -> list[str]:
    """Give whoever complained, as far as the report tells."""
    told = [*fields.all("original-rcpt-to"), *fields.all("removal-recipient")]
    known = [address for value in told if (address := _shown(value))]
    if known:
        return list(dict.fromkeys(known))
    for name in _RECIPIENT_FIELDS:
        listed = original.all(name)
        # To several: it cannot be told who it was.
        if len(listed) == 1 and listed[0].count("@") == 1 and (one := _shown(listed[0])):
            return [one]
    return []


def _shown(value: str) -> str:
    """Give the address in a field; "" = none, or it is hidden."""
    match = _ANGLED.search(value[:1000])
    address = bare_address(match[1] if match else value)
    return "" if _HIDDEN.search(address) else address


def _reverse_path(fields: Fields, mail: Part) -> tuple[str, ...]:
    sender = _shown(fields["original-mail-from"])
    return (sender,) if sender else addressed_to(mail.header)


def _reporter(fields: Fields) -> str | None:
    name = fields["reporting-mta"][:300].rpartition(";")[2].strip()
    return name or None

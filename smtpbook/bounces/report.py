"""Report: what one mail says of one recipient, before it is known which message it was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpbook.mailboxes.mime import Fields, Part, text_of, walk

_MAX_CHARS: Final = 1000
_ANGLED: Final = re.compile(r"<([^<>\s]{1,998})>")
_MESSAGE_ID: Final = re.compile(r"^Message-ID:[ \t\n]{0,8}(<[^<>\s]{1,998}>)", re.I | re.M)
_RETURNED: Final = (
    *("message/rfc822", "message/global", "text/rfc822-headers"),
    *("message/global-headers", "text/rfc822", "message/rfc822-headers"),
)
# To whom a report went: the reverse-path of the message it is about.
_ADDRESSED: Final = ("x-original-to", "delivered-to", "envelope-to", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail says of one recipient.

    Attributes
    ----------
    source : {"dsn", "bounce", "arf"}
        A standard report, a bounce in words, a complaint.
    outcome : str
        ``bounced``, ``deferred``, ``accepted``, ``delivered`` or ``complaint``.
    recipients : tuple of str
        Every address it gives for the recipient, the one that was written to first; none =
        it does not say.
    time : int or None
        Microseconds since 1970 UTC.
    said : str
        The diagnostic, with the reply in it if one is quoted.
    status : str
        The enhanced status beside it; "" = none.
    server, server_address : str or None
        Who said so.
    message_id : str or None
        Of the message it is about, in angle brackets.
    envelope_id, queue_id : str or None
        As the reporting server has them.
    addressed : tuple of str
        Where the report was sent to.
    """

    source: str
    outcome: str
    recipients: tuple[str, ...] = ()
    time: int | None = None
    said: str = ""
    status: str = ""
    server: str | None = None
    server_address: str | None = None
    message_id: str | None = None
    envelope_id: str | None = None
    queue_id: str | None = None
    addressed: tuple[str, ...] = ()


def returned(mail: Part) -> Fields:
    """Give the header of the message that a report brings back; empty = it brings none."""
    for part in walk(mail):
        if part is not mail and part.kind in _RETURNED:
            octets = part.octets.lstrip(b"\r\n")
            if part.kind.startswith("message/"):
                found = Part(octets).header
            else:
                found = Fields.parse(text_of(octets[: 1 << 18]))
            if found:
                return found
    return Fields()


def message_id_of(original: Fields, text: str = "") -> str | None:
    """Give the Message-ID of the message a report is about.

    Parameters
    ----------
    original : Fields
        Its header, if the report has it as a part, or the fields about the message.
    text : str
        The report's words, which may quote the header instead.
    """
    for name in ("message-id", "original-message-id", "x-original-message-id"):
        if match := _ANGLED.search(original[name][:_MAX_CHARS]):
            return match[0]
    match = _MESSAGE_ID.search(text)
    return match[1] if match else None


def addressed_to(header: Fields) -> tuple[str, ...]:
    """Give the addresses a mail was sent to, the surest first."""
    found: list[str] = []
    for name in _ADDRESSED:
        for value in header.all(name)[:10]:
            value = value[:_MAX_CHARS].strip()
            angled = _ANGLED.findall(value)
            found += angled or ([value] if "@" in value and " " not in value else [])
    return tuple(dict.fromkeys(found))

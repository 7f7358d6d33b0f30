"""DSN: the standard report of what became of a message, as rows for each recipient.

A block of fields about the message, then one for each recipient.  What a bounce says in
words beside them is asked only for what the fields lack.

References
----------
RFC 3464 (delivery status notifications), RFC 6533 (addresses in UTF-8), RFC 6522
(``multipart/report``), RFC 3461 (envelope ids).
"""

from __future__ import annotations

import re
from typing import Final

from smtpbook.bounces.report import (
    Report,
    addressed_to,
    message_id_of,
    returned,
)
from smtpbook.logfile.address import bare_address
from smtpbook.mailboxes.mime import Fields, Part, micros, walk

STATUS_KINDS: Final = ("message/delivery-status", "message/global-delivery-status")
_MAX_TEXT: Final = 1 << 16
_MAX_STATUS: Final = 1 << 18  # characters; a recipient takes some 300
# "relayed": on to where no report will come from; "expanded": delivered to an address that
# stands for several -- RFC 3464 section 2.3.3
_ACTIONS: Final = {
    "failed": "bounced",
    "delayed": "deferred",
    "delivered": "delivered",
    "relayed": "accepted",
    "expanded": "delivered",
}
_BY_CLASS: Final = {"5": "bounced", "4": "deferred", "2": "delivered"}
_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n")
_IN_REPLY_TO: Final = re.compile(r"\(in reply to [A-Za-z ]{2,40}\)")
_ADDRESS: Final = re.compile(r"[\[(]([0-9A-Fa-f.:]{3,45})(?=[\]),\s])")
_NEAR: Final = 2000  # characters of words about one recipient


def read_dsn(mail: Part) -> list[Report] | None:
    """Read a report; None = the mail is none, an empty list = it says nothing usable."""
    status = next((part for part in walk(mail) if part.kind in STATUS_KINDS), None)
    if status is None:
        return None
    blocks = [
        Fields.parse(block)
        for block in _BLANK_LINES.split(status.text[:_MAX_STATUS].strip("\n"))
    ]
    blocks = [block for block in blocks if block]
    words = _words_of(mail)
    original = returned(mail)
    about = next((block for block in blocks if not _is_recipient(block)), Fields())
    return [
        _report(block, about, mail, original, words)
        for block in blocks
        if _is_recipient(block)
    ]


def _is_recipient(block: Fields) -> bool:
    return "final-recipient" in block or "original-recipient" in block or "action" in block


def _report(
    block: Fields, about: Fields, mail: Part, original: Fields, words: str
) -> Report:
    asked = [bare_address(block[f"{name}-recipient"]) for name in ("original", "final")]
    # Exchange and Postfix have a third one.
    asked.append(bare_address(block["x-actual-recipient"]))
    recipients = tuple(dict.fromkeys(address for address in asked if address))
    status = block["status"][:80].strip()
    action = block["action"].partition("(")[0].strip().lower()
    outcome = _ACTIONS.get(action) or _BY_CLASS.get(status[:1], "bounced")
    mta, ip = _mta(block["remote-mta"])
    if mta is None:
        mta, _ = _mta(about["reporting-mta"])
    return Report(
        source="dsn",
        outcome=outcome,
        recipients=recipients,
        time=micros(block["last-attempt-date"]) or mail.header.time,
        said=_said(block["diagnostic-code"], recipients, words),
        status=status,
        server=mta,
        server_address=ip,
        message_id=message_id_of(original, words) or message_id_of(about),
        envelope_id=about["original-envelope-id"][:200].strip()
        or original["x-envelope-id"][:200].strip()
        or None,
        queue_id=about["x-postfix-queue-id"][:100].strip() or None,
        addressed=addressed_to(mail.header),
    )


def _said(diagnostic: str, recipients: tuple[str, ...], words: str) -> str:
    """Give the diagnostic, with the command that drew it where only the words tell."""
    for address in recipients:
        start = words.find(f"<{address}>:")
        if start < 0:
            continue
        piece = words[start : start + _NEAR].split("\n\n")[0]
        told = " ".join(piece.partition(">:")[2].split())
        if not diagnostic:
            return told
        if match := _IN_REPLY_TO.search(told):
            return f"{diagnostic} {match[0]}"
    return diagnostic


def _words_of(mail: Part) -> str:
    """Give what the report says to people."""
    for part in walk(mail):
        if part.kind == "text/plain":
            return part.text[:_MAX_TEXT]
    return ""


def _mta(value: str) -> tuple[str | None, str | None]:
    """Give name and address of ``dns; mx.x.example (192.0.2.1)``; None = not told."""
    name = value[:500].partition(";")[2].strip()
    match = _ADDRESS.search(name)
    host = re.split(r"[\s\[(]", name, maxsplit=1)[0].rstrip(".")
    return host or None, match[1] if match else None

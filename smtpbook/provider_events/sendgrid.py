"""SendGrid: the events of its Event Webhook, arrays of one object per recipient.

Its ``blocked`` bounces were refused for what the sender or the message is, not the address,
and count as bounced: SendGrid does not try again.  ``smtp-id`` is the Message-ID header.

Source: Twilio SendGrid, "Event Webhook Reference", read 2026-11-28.  Which reasons of a
dropped message are no list of SendGrid's is an assumption.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp

_NAME: Final = "sendgrid"
# What "dropped" says where an address itself was the cause; with all others SendGrid
# looked the address up in a list of its own.
_NOT_ON_A_LIST: Final = ("Invalid", "Spam Content", "Invalid SMTPAPI header")


def _rows(event: JsonObject, reading: Reading, *, outcome: str) -> Iterator[Row]:
    yield outcome_row(
        _NAME,
        outcome,
        event.text("email"),
        time=stamp(reading, event.number("timestamp")),
        said=event.text("reason", "response"),
        status=event.text("status"),
        message_id=event.text("smtp-id"),
        queue_id=event.text("sg_message_id"),
        attempt=event.number("attempt"),
        server_address=event.text("ip") if outcome != "complaint" else None,
    )


def _dropped(event: JsonObject, reading: Reading) -> Iterator[Row]:
    why = event.text("reason") or ""
    was_refused = why.startswith(_NOT_ON_A_LIST)
    yield from _rows(event, reading, outcome="failed" if was_refused else "suppressed")


FORMAT: Final = json_format(
    name=_NAME,
    title="SendGrid Event Webhook (JSON)",
    mark=r'"sg_(?:event|message)_id"\s*:',
    kind=lambda event: event.text("event") if "email" in event else None,
    rows={
        "processed": partial(_rows, outcome="accepted"),
        "deferred": partial(_rows, outcome="deferred"),
        "delivered": partial(_rows, outcome="delivered"),
        "bounce": partial(_rows, outcome="bounced"),
        "blocked": partial(_rows, outcome="bounced"),
        "dropped": _dropped,
        "spamreport": partial(_rows, outcome="complaint"),
    },
    besides=(
        *("open", "click", "unsubscribe", "group_unsubscribe", "group_resubscribe"),
        "account_status_change",
    ),
)

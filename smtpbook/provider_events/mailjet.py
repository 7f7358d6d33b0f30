"""Mailjet: the events of its Event API, one object or an array of them.

Bounces quote no reply: Mailjet names the cause by words of its own, which are translated.
A soft bounce is the end of a message, too, though not of its address.

Source: Mailjet, "Event API: real-time notifications" with its table of errors, read
2026-11-28.
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

_NAME: Final = "mailjet"
_REASONS: Final = {
    "user unknown": "user_unknown",
    "mailbox inactive": "mailbox_disabled",
    "quota exceeded": "mailbox_full",
    "invalid domain": "bad_domain",
    "no mail host": "network",
    "relay/access denied": "relay_denied",
    "greylisted": "greylisted",
    "sender blocked": "sender_blocked",
    "content blocked": "spam",
    "policy issue": "policy",
    "system issue": "server_error",
    "protocol issue": "protocol",
    "connection issue": "network",
}
_ON_A_LIST: Final = ("preblocked", "duplicate in campaign")


def _rows(event: JsonObject, reading: Reading, *, outcome: str) -> Iterator[Row]:
    error = event.text("error") or ""
    reply = event.text("smtp_reply") or ""
    if reply.startswith("sent (") and reply.endswith(")"):
        reply = reply[len("sent (") : -1]
    yield outcome_row(
        _NAME,
        outcome,
        event.text("email"),
        time=stamp(reading, event.number("time")),
        said=reply or event.text("comment") or error,
        reason=_REASONS.get(error),
        queue_id=event.text("MessageID", "mj_message_id"),
        campaign_id=event.text("customcampaign"),
    )


def _bounce(event: JsonObject, reading: Reading) -> Iterator[Row]:
    # Of a greylisted message the table of errors says that it is tried again.
    is_over = event.text("error") != "greylisted"
    yield from _rows(event, reading, outcome="bounced" if is_over else "deferred")


def _blocked(event: JsonObject, reading: Reading) -> Iterator[Row]:
    is_ours = (
        event.text("error") in _ON_A_LIST or event.text("error_related_to") == "mailjet"
    )
    yield from _rows(event, reading, outcome="suppressed" if is_ours else "bounced")


FORMAT: Final = json_format(
    name=_NAME,
    title="Mailjet events (JSON)",
    mark=r'"mj_(?:campaign|contact|message|list)_id"\s*:',
    kind=lambda event: event.text("event") if "email" in event else None,
    rows={
        "sent": partial(_rows, outcome="delivered"),
        "bounce": _bounce,
        "blocked": _blocked,
        "spam": partial(_rows, outcome="complaint"),
    },
    besides=("open", "click", "unsub"),
)

"""Brevo (formerly Sendinblue): the events of its transactional webhooks, one object each.

A soft bounce is the end of a message, too, though not of its address.  ``date`` is in the
time of the account and is not used; ``ts_event`` is UTC.

Sources: Brevo, "Transactional webhooks" and the event names of its API reference, read
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

_NAME: Final = "brevo"


def _rows(
    event: JsonObject, reading: Reading, *, outcome: str, reason: str | None = None
) -> Iterator[Row]:
    yield outcome_row(
        _NAME,
        outcome,
        event.text("email"),
        time=stamp(reading, *(event.number(n) for n in ("ts_event", "ts_epoch", "ts"))),
        said=event.text("reason"),
        reason=reason,
        message_id=event.text("message-id"),
    )


FORMAT: Final = json_format(
    name=_NAME,
    title="Brevo webhooks (JSON)",
    mark=r'"(?:ts_event|ts_epoch|mirror_link)"\s*:',
    kind=lambda event: event.text("event") if "email" in event else None,
    rows={
        "request": partial(_rows, outcome="accepted"),
        "sent": partial(_rows, outcome="accepted"),
        "delivered": partial(_rows, outcome="delivered"),
        "deferred": partial(_rows, outcome="deferred"),
        "soft_bounce": partial(_rows, outcome="bounced"),
        "hard_bounce": partial(_rows, outcome="bounced"),
        "invalid_email": partial(_rows, outcome="failed", reason="bad_address"),
        "blocked": partial(_rows, outcome="suppressed"),
        "error": partial(_rows, outcome="failed"),
        "spam": partial(_rows, outcome="complaint"),
        "complaint": partial(_rows, outcome="complaint"),
    },
    besides=(
        *("opened", "unique_opened", "open", "click", "proxy_open", "unique_proxy_open"),
        *("unsubscribed", "list_addition", "contact_updated", "contact_deleted"),
    ),
)

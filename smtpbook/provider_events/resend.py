"""Resend: the events of its webhooks, an envelope with ``type`` and ``data`` each.

The event does not say which of several recipients it is about, so each has a row.

Source: Resend, "Event types" and "email.bounced", read 2026-11-28.  The subtypes are
assumed to be those of Amazon SES.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from smtpbook.events import Row
from smtpbook.logfile.address import bare_address
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp
from smtpbook.provider_events.ses import REASONS, SUPPRESSED

_NAME: Final = "resend"


def _rows(event: JsonObject, reading: Reading, *, outcome: str) -> Iterator[Row]:
    data = event.at("data")
    about = data.text("bounce.subType") or ""
    if outcome == "bounced" and about in SUPPRESSED:
        outcome = "suppressed"
    said = data.texts("bounce.diagnosticCode") or data.texts("failed.reason")
    for to in data.texts("to"):
        yield outcome_row(
            _NAME,
            outcome,
            to,
            time=stamp(reading, event.text("created_at"), data.text("created_at")),
            said=said[0] if said else data.text("bounce.message", "suppressed.message"),
            reason=REASONS.get(about),
            message_id=data.text("message_id"),
            queue_id=data.text("email_id"),
            reverse_path=bare_address(data.text("from") or "") or None,
        )


def _of(name: str) -> str:
    return f"email.{name}"


FORMAT: Final = json_format(
    name=_NAME,
    title="Resend webhooks (JSON)",
    mark=r'"type"\s*:\s*"email\.[a-z_]{1,30}"',
    kind=lambda event: event.text("type"),
    rows={
        _of(name): partial(_rows, outcome=outcome)
        for name, outcome in (
            ("sent", "accepted"),
            ("delivered", "delivered"),
            ("delivery_delayed", "deferred"),
            ("bounced", "bounced"),
            ("complained", "complaint"),
            ("failed", "failed"),
            ("suppressed", "suppressed"),
        )
    },
    besides=(
        *(_of(name) for name in ("opened", "clicked", "scheduled", "received")),
        *("contact.created", "contact.updated", "contact.deleted"),
        *("domain.created", "domain.updated", "domain.deleted"),
    ),
)

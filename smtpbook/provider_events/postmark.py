"""Postmark: its webhooks for bounces, deliveries and spam complaints, one object each.

What Postmark calls a bounce may be an autoresponder's answer or a challenge: those are not
about delivery.  ``MessageID`` is Postmark's own, as its API gives it; the header's is not
told.

Sources: Postmark, "Bounce webhook" and "Spam complaint webhook", and the bounce types in
its client library for Node.js 4.0, read 2026-11-28.  The fields of a delivery are assumed,
and so is what a type means for the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp

_NAME: Final = "postmark"
# By Type: what became of the message, and what the type itself says of the cause.
_TYPES: Final[dict[str, tuple[str, str | None]]] = {
    "HardBounce": ("bounced", None),
    "SoftBounce": ("bounced", None),
    "Transient": ("deferred", None),
    "DnsError": ("bounced", "network"),
    "SpamNotification": ("bounced", "spam"),
    "VirusNotification": ("bounced", "virus"),
    "BadEmailAddress": ("bounced", "bad_address"),
    "Blocked": ("bounced", None),
    "DMARCPolicy": ("failed", "auth_failed"),
    "SMTPApiError": ("failed", None),
    "TemplateRenderingFailed": ("failed", None),
    "ManuallyDeactivated": ("suppressed", None),
    "Unconfirmed": ("suppressed", None),
    "SpamComplaint": ("complaint", None),
    "Unknown": ("bounced", None),
}
_BESIDES: Final = frozenset(
    {
        *("Unsubscribe", "Subscribe", "AutoResponder", "AddressChange", "OpenRelayTest"),
        *("ChallengeVerification", "InboundError"),
    }
)


def _row(outcome: str, event: JsonObject, reading: Reading, when: str, **cells: Any) -> Row:
    return outcome_row(
        _NAME,
        outcome,
        event.text("Recipient", "Email"),
        time=stamp(reading, event.text(when)),
        said=event.text("Details", "Description"),
        queue_id=event.text("MessageID"),
        reverse_path=event.text("From") if outcome != "delivered" else None,
        **cells,
    )


def _bounce(event: JsonObject, reading: Reading) -> Iterator[Row]:
    kind = event.text("Type") or ""
    if kind in _TYPES:
        outcome, reason = _TYPES[kind]
        yield _row(outcome, event, reading, "BouncedAt", reason=reason)


def _delivery(event: JsonObject, reading: Reading) -> Iterator[Row]:
    yield _row("delivered", event, reading, "DeliveredAt")


def _kind(event: JsonObject) -> str | None:
    record = event.text("RecordType")
    kind = event.text("Type") or ""
    return kind if record == "Bounce" and kind in _BESIDES else record


FORMAT: Final = json_format(
    name=_NAME,
    title="Postmark webhooks (JSON)",
    mark=r'"RecordType"\s*:\s*"',
    kind=_kind,
    rows={"Bounce": _bounce, "SpamComplaint": _bounce, "Delivery": _delivery},
    besides=("Open", "Click", "SubscriptionChange", "Inbound", *_BESIDES),
)

"""Amazon SES: the events it publishes through SNS, Firehose or EventBridge.

One object for each event, alone, as a line, or as text in the ``Message`` of an SNS
notification.  A bounce has the DSN's fields; a complaint names everybody who may have
complained, because mailbox providers hide who it was.  Signatures are not verified.

Sources: AWS, "Contents of event data that Amazon SES publishes to Amazon SNS" and
"Examples of event data that Amazon SES publishes to Amazon SNS", read 2026-11-28.  What the
subtypes of bounces and delays mean is assumed from their names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp

_NAME: Final = "ses"
_KINDS: Final = (
    *("Bounce", "Complaint", "Delivery", "Send", "Reject", "DeliveryDelay"),
    *("Rendering Failure", "Open", "Click", "Subscription"),
)
REASONS: Final = {
    "NoEmail": "user_unknown",
    "MailboxFull": "mailbox_full",
    "MessageTooLarge": "too_large",
    "ContentRejected": "spam",
    "AttachmentRejected": "virus",
    "SpamDetected": "spam",
    "IPFailure": "ip_blocked",
    "RecipientServerError": "server_error",
    "InternalFailure": "server_error",
    "TransientCommunicationFailure": "network",
}
"""What subtypes of bounces and delays stand for; the others say nothing of their own."""

SUPPRESSED: Final = ("Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient")
"""Subtypes of bounces whose address is on a suppression list: SES never tried."""


def _unwrap(given: JsonObject) -> Iterator[JsonObject]:
    if "Message" in given:  # SNS, with the event as text
        yield from _parsed(given.text("Message"))
    elif "Records" in given:  # what a Lambda function is called with
        for record in given.objects("Records"):
            yield from _parsed(record.text("Sns.Message"))
    else:
        yield given.at("detail") if "detail.eventType" in given else given


def _parsed(text: str | None) -> Iterator[JsonObject]:
    try:
        value: Any = json.loads(text or "")
    except (ValueError, RecursionError):
        value = None
    yield JsonObject(value if isinstance(value, Mapping) else {})


def _row(
    event: JsonObject,
    reading: Reading,
    part: str,
    outcome: str,
    to: str | None,
    **cells: Any,
) -> Row:
    mail = event.at("mail")
    return outcome_row(
        _NAME,
        outcome,
        to,
        time=stamp(reading, event.text(f"{part}.timestamp"), mail.text("timestamp")),
        message_id=mail.text("commonHeaders.messageId") or _message_id(mail),
        queue_id=mail.text("messageId"),
        reverse_path=mail.text("source"),
        **cells,
    )


def _message_id(mail: JsonObject) -> str | None:
    for header in mail.objects("headers"):
        if (header.text("name") or "").lower() == "message-id":
            return header.text("value")
    return None


def _bounce(event: JsonObject, reading: Reading) -> Iterator[Row]:
    bounce = event.at("bounce")
    about = bounce.text("bounceSubType") or ""
    outcome = "suppressed" if about in SUPPRESSED else "bounced"
    for one in bounce.objects("bouncedRecipients"):
        yield _row(
            event,
            reading,
            "bounce",
            outcome,
            one.text("emailAddress"),
            said=one.text("diagnosticCode"),
            status=one.text("status"),
            reason=REASONS.get(about),
            server=_server(bounce.text("reportingMTA")),
        )


def _complaint(event: JsonObject, reading: Reading) -> Iterator[Row]:
    for one in event.objects("complaint.complainedRecipients"):
        said = event.text("complaint.complaintFeedbackType", "complaint.complaintSubType")
        to = one.text("emailAddress")
        yield _row(event, reading, "complaint", "complaint", to, said=said)


def _delivery(event: JsonObject, reading: Reading) -> Iterator[Row]:
    delivery = event.at("delivery")
    for to in delivery.texts("recipients"):
        yield _row(
            event,
            reading,
            "delivery",
            "delivered",
            to,
            said=delivery.text("smtpResponse"),
            server_address=delivery.text("remoteMtaIp"),
        )


def _delay(event: JsonObject, reading: Reading) -> Iterator[Row]:
    delay = event.at("deliveryDelay")
    for one in delay.objects("delayedRecipients"):
        yield _row(
            event,
            reading,
            "deliveryDelay",
            "deferred",
            one.text("emailAddress"),
            said=one.text("diagnosticCode"),
            status=one.text("status"),
            reason=REASONS.get(delay.text("delayType") or ""),
        )


def _to_everybody(
    event: JsonObject,
    reading: Reading,
    *,
    outcome: str,
    said: str = "",
    reason: str | None = None,
) -> Iterator[Row]:
    told = event.text(said) if said else None
    for to in event.texts("mail.destination"):
        yield _row(event, reading, "send", outcome, to, said=told, reason=reason)


def _server(mta: str | None) -> str | None:
    """Give the name in ``dsn; mta.example.com`` or ``dns; …``; both are written."""
    return mta.rpartition(";")[2].strip() or None if mta else None


def _kind(event: JsonObject) -> str | None:
    return event.text("eventType", "notificationType")


FORMAT: Final = json_format(
    name=_NAME,
    title="Amazon SES events (JSON)",
    mark=rf'(?:event|notification)Type\\{{0,3}}"\s*:\s*\\{{0,3}}"(?:{"|".join(_KINDS)})\\*"',
    kind=_kind,
    unwrap=_unwrap,
    rows={
        "Bounce": _bounce,
        "Complaint": _complaint,
        "Delivery": _delivery,
        "DeliveryDelay": _delay,
        "Send": partial(_to_everybody, outcome="accepted"),
        # SES rejects what it takes for a virus, and nothing else.
        "Reject": partial(
            _to_everybody, outcome="failed", said="reject.reason", reason="virus"
        ),
        "Rendering Failure": partial(
            _to_everybody,
            outcome="failed",
            said="failure.errorMessage",
            reason="message_format",
        ),
    },
    besides=("Open", "Click", "Subscription"),
)

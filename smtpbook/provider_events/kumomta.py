"""KumoMTA: its JSON log, a record to a line (its files are packed with zstd).

``OOB`` and ``Feedback`` come of mails that KumoMTA received and read: a DSN and an ARF
complaint.  ``Reception`` is what it took from a client and ``Rejection`` what it refused
there, ``Delay`` says why a message waits: none of them is about delivery.  A ``Bounce``
was refused in its session with a peer, or it never found one.  The queue's name begins
with the campaign, where there is one.

Source: KumoMTA, "Log Record" of the reference manual (docs.kumomta.com, of 2025), read
2026-11-28.  That ``num_attempts`` counts the tries before this one is taken from its
example: the first delivery has 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp

_NAME: Final = "kumomta"
_VERBS: Final = {
    ".": "END-OF-DATA",
    "MAIL FROM": "MAIL",
    "RCPT TO": "RCPT",
}


def _row(
    outcome: str, event: JsonObject, reading: Reading, to: str | None, **more: Any
) -> Row:
    response, verb = event.at("response"), (event.text("response.command") or "").upper()
    verb = verb.partition(":")[0].strip()
    attempts, campaign = event.number("num_attempts"), event.text("queue") or ""
    cells: dict[str, Any] = {
        "time": stamp(reading, event.number("timestamp")),
        "said": _said(response),
        "verb": _VERBS.get(verb, verb if verb.isalpha() and len(verb) <= 8 else None),
        "attempt": None if attempts is None else attempts + 1,
        "campaign_id": campaign.partition(":")[0] if ":" in campaign else None,
        "queue_id": event.text("id"),
        "session_id": event.text("session_id"),
        "reverse_path": event.text("sender"),
        "server": (event.text("peer_address.name") or "").rstrip(".") or None,
        "server_address": event.text("peer_address.addr"),
        "tls_version": event.text("tls_protocol_version"),
        "tls_cipher": event.text("tls_cipher"),
        "message_id": event.text("headers.Message-ID", "headers.Message-Id"),
        "bytes_sent": _size(event) if outcome == "accepted" else None,
    }
    return outcome_row(_NAME, outcome, to, **cells | more)


def _rows(
    event: JsonObject, reading: Reading, *, outcome: str, **cells: Any
) -> Iterator[Row]:
    for to in event.texts("recipient"):
        yield _row(outcome, event, reading, to, **cells)


def _bounce(event: JsonObject, reading: Reading) -> Iterator[Row]:
    yield from _rows(event, reading, outcome="bounced", in_session="peer_address" in event)


def _feedback(event: JsonObject, reading: Reading) -> Iterator[Row]:
    report = event.at("feedback_report")
    # Many hide the address; KumoMTA's own trace header may still tell it.
    known = report.text("supplemental_trace.recipient")
    listed = report.texts("original_rcpto_to") or report.texts("original_rcpt_to")
    removed = report.texts("extensions.removal-recipient")
    named = [known] if known else listed or removed or event.texts("recipient")
    for to in named:
        yield _row(
            "complaint",
            event,
            reading,
            to,
            said=report.text("feedback_type"),
            attempt=None,
            reverse_path=report.text("original_mail_from"),
        )


def _said(response: JsonObject) -> str:
    """Put a reply together: code, status and text are told apart."""
    code, words = response.number("code"), response.text("content") or ""
    status = _status(response.at("enhanced_code"))
    if status and not words.startswith(status):
        words = f"{status} {words}"
    return f"{code:.0f} {words}" if code is not None and 200 <= code < 600 else words


def _status(code: JsonObject) -> str | None:
    parts = [code.number(name) for name in ("class", "subject", "detail")]
    if any(part is None or not 0 <= part < 1000 for part in parts):
        return None
    return ".".join(str(int(part or 0)) for part in parts)


def _size(event: JsonObject) -> int | None:
    size = event.number("size")
    return int(size) if size is not None and 0 <= size < 1 << 40 else None


FORMAT: Final = json_format(
    name=_NAME,
    title="KumoMTA log (JSON)",
    mark=r'"(?:egress_pool|egress_source|num_attempts|feedback_report)"\s*:',
    kind=lambda event: event.text("type"),
    rows={
        "Delivery": partial(_rows, outcome="accepted"),
        "TransientFailure": partial(_rows, outcome="deferred"),
        "Bounce": _bounce,
        "AdminBounce": partial(_rows, outcome="bounced"),
        "Expiration": partial(_rows, outcome="bounced", reason="expired"),
        "OOB": partial(_rows, outcome="bounced", attempt=None),
        "Feedback": _feedback,
    },
    besides=("Reception", "Rejection", "Delay"),
)

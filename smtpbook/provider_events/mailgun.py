"""Mailgun: its events as webhooks send them (``event-data``) and its API lists (``items``).

A failure is ``temporary`` while Mailgun tries on, ``permanent`` when it does not, and
``suppress-…`` where an address on one of its own lists was never tried.

Source: Mailgun, "Event Types" of the user manual, read 2026-11-28.  The names of the fields
of an event are assumed from events as they have been for years.
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

_NAME: Final = "mailgun"
_ON_A_LIST: Final = "suppress-"


def _unwrap(given: JsonObject) -> Iterator[JsonObject]:
    if "items" in given:
        yield from given.objects("items")
    elif "event-data" in given:
        yield given.at("event-data")
    else:
        yield given


def _rows(event: JsonObject, reading: Reading, *, outcome: str) -> Iterator[Row]:
    status = event.at("delivery-status")
    told = (
        status.text("message") or status.text("description") or event.text("reject.reason")
    )
    yield outcome_row(
        _NAME,
        outcome,
        event.text("recipient", "envelope.targets"),
        time=stamp(reading, event.number("timestamp")),
        said=told,
        # Where no server said anything, Mailgun uses numbers of its own, such as 605.
        code=status.number("code"),
        status=status.text("enhanced-code"),
        message_id=event.text("message.headers.message-id"),
        queue_id=event.text("id"),
        attempt=status.number("attempt-no"),
        server=status.text("mx-host"),
        reverse_path=event.text("envelope.sender"),
    )


def _failed(event: JsonObject, reading: Reading) -> Iterator[Row]:
    if (event.text("reason") or "").startswith(_ON_A_LIST):
        yield from _rows(event, reading, outcome="suppressed")
    elif event.text("severity") == "temporary":
        yield from _rows(event, reading, outcome="deferred")
    else:
        yield from _rows(event, reading, outcome="bounced")


FORMAT: Final = json_format(
    name=_NAME,
    title="Mailgun events (JSON)",
    mark=r'"(?:event-data|delivery-status|log-level)"\s*:',
    kind=lambda event: event.text("event"),
    unwrap=_unwrap,
    rows={
        "accepted": partial(_rows, outcome="accepted"),
        "delivered": partial(_rows, outcome="delivered"),
        "failed": _failed,
        "rejected": partial(_rows, outcome="failed"),
        "complained": partial(_rows, outcome="complaint"),
    },
    besides=(
        *("opened", "clicked", "unsubscribed", "stored", "list_member_uploaded"),
        *("list_member_upload_error", "list_uploaded"),
    ),
)

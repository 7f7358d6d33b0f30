"""SparkPost: its events as webhooks send them (``msys``) and its API lists (``results``).

``raw_reason`` is the reply as it was, ``reason`` one with its numbers taken out.  A
``bounce`` was refused in the session, an ``out_of_band`` came back later; both are the end.
What SparkPost itself would not send it words as a reply, though no server was asked.

Source: SparkPost, "Message Events" and the webhook event samples of its API reference, read
2026-11-28.  What the bounce classes stand for is assumed, and that a policy rejection says
"suppressed" where the address is on a suppression list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.json_format import json_format
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.outcome import outcome_row, stamp

_NAME: Final = "sparkpost"
_CLASSES: Final = ("message_event", "gen_event", "track_event", "unsubscribe_event")
# Of bounce_class: the classification codes that name one cause.
_REASONS: Final = {
    "10": "user_unknown",
    "21": "network",
    "22": "mailbox_full",
    "23": "too_large",
    "24": "network",
    "51": "ip_blocked",
    "52": "spam",
    "53": "virus",
    "54": "relay_denied",
}
_SUPPRESSED: Final = re.compile(r"suppress", re.IGNORECASE)
# Auto-reply, subscribe, unsubscribe, challenge: mail that came back, but no bounce.
_NO_BOUNCES: Final = ("60", "80", "90", "100")


def _unwrap(given: JsonObject) -> Iterator[JsonObject]:
    if "results" in given:
        yield from given.objects("results")
    elif "msys" in given:
        for name in _CLASSES:
            yield from given.objects(f"msys.{name}")
    else:
        yield given


def _rows(event: JsonObject, reading: Reading, *, outcome: str) -> Iterator[Row]:
    retries = event.number("num_retries")
    refused = outcome in ("bounced", "deferred")
    yield outcome_row(
        _NAME,
        outcome,
        event.text("raw_rcpt_to", "rcpt_to"),
        time=stamp(reading, event.text("timestamp")),
        said=event.text("raw_reason", "reason", "fbtype"),
        code=event.number("error_code") if refused else None,
        reason=_REASONS.get(event.text("bounce_class") or "") if refused else None,
        queue_id=event.text("message_id"),
        attempt=None if retries is None else retries + 1,
        campaign_id=event.text("campaign_id"),
        server_address=event.text("ip_address") if outcome != "complaint" else None,
        reverse_path=event.text("msg_from"),
    )


def _refused(event: JsonObject, reading: Reading) -> Iterator[Row]:
    told = event.text("raw_reason", "reason") or ""
    on_a_list = _SUPPRESSED.search(told) is not None
    yield from _rows(event, reading, outcome="suppressed" if on_a_list else "failed")


def _kind(event: JsonObject) -> str | None:
    is_answer = event.text("bounce_class") in _NO_BOUNCES
    return "auto_reply" if is_answer else event.text("type")


FORMAT: Final = json_format(
    name=_NAME,
    title="SparkPost events (JSON)",
    mark=r'"(?:msys|rcpt_to|raw_rcpt_to|message_event)"\s*:',
    kind=_kind,
    unwrap=_unwrap,
    rows={
        "injection": partial(_rows, outcome="accepted"),
        "delivery": partial(_rows, outcome="delivered"),
        "delay": partial(_rows, outcome="deferred"),
        "bounce": partial(_rows, outcome="bounced"),
        "out_of_band": partial(_rows, outcome="bounced"),
        "policy_rejection": _refused,
        "generation_failure": _refused,
        "generation_rejection": _refused,
        "spam_complaint": partial(_rows, outcome="complaint"),
    },
    besides=(
        *("open", "initial_open", "click", "amp_open", "amp_initial_open", "amp_click"),
        *("list_unsubscribe", "link_unsubscribe", "sms_status", "auto_reply"),
    ),
)

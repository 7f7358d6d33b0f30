"""Figures: what an event log comes to, in numbers."""

from __future__ import annotations

from smtpbook.campaign.figures import figures
from smtpbook.events import Event
from smtpbook.log.frame import to_frame


def told(*events: Event) -> dict[tuple[str, str], str]:
    log = to_frame([event.to_row() for event in events])
    return {(chapter, item): value for chapter, item, value in figures(log)}


def test_an_address_that_was_slower_than_another_is_no_connection_that_failed() -> None:
    place = {"kind": "connect", "server": "mx.test", "port": 25, "session_id": "s1"}
    found = told(
        Event(**place, server_address="2001:db8::1", error="Cancelled"),
        Event(**place, server_address="192.0.2.1", error="TransportError"),
        Event(**place, server_address="192.0.2.2", latency_s=0.1),
    )
    assert found["Connections", "made"] == "1"
    assert found["Connections", "could not be opened"] == "1"
    assert found["Servers", "server"] == "mx.test:25 [192.0.2.2], 1 session"


def test_a_unix_socket_is_a_server_without_address() -> None:
    row = Event(kind="connect", server="/run/lmtp", session_id="s1", latency_s=0.1)
    assert told(row)["Servers", "server"] == "/run/lmtp, 1 session"

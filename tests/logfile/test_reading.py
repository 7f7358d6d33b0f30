"""What was not understood is counted, and an example of it gives no secret away."""

from __future__ import annotations

import pytest

from smtpbook.logfile.reading import Reading


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("C: AUTH PLAIN AGFubgBob3JzZQ==", "C: AUTH PLAIN [redacted]"),
        ("auth login aG9yc2U= x", "auth login [redacted] x"),
        ("C: aG9yc2VzaG9l", "C: [redacted]"),
        ("send: 'AGFubgBob3JzZQ=='", "send: '[redacted]'"),
        ("PASS horse", "PASS [redacted]"),
        ("Jan  6 00:00:01 mx1 dovecot: imap-login: Login: user", None),
        ("message Message MESSAGES 4F1A2B3C4D", None),
    ],
)
def test_an_example_shows_no_login(line: str, shown: str | None) -> None:
    reading = Reading()
    reading.skipped(line)
    assert reading.examples == [shown or line]

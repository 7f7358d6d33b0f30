"""A reply is found again in whatever words a report or a log puts around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.protocol.diagnostic import MAX_CHARS, Diagnostic


@pytest.mark.parametrize(
    ("text", "code", "status", "words"),
    [
        ("smtp; 550 5.1.1 nobody", 550, "5.1.1", "5.1.1 nobody"),
        ("SMTP;550 nobody", 550, None, "nobody"),
        ("550", 550, None, ""),
        ("550-5.1.1 a 550-5.1.1 b 550 5.1.1 c", 550, "5.1.1", "5.1.1 a\n5.1.1 b\n5.1.1 c"),
        ("mx said: 554 5.7.1 blocked", 554, "5.7.1", "5.7.1 blocked"),
        ("Remote host said: 550 sorry", 550, None, "sorry"),
        ("The response was: 452 4.2.2 full", 452, "4.2.2", "4.2.2 full"),
        ("after RCPT TO:<a@x.example>: 550 no", 550, None, "no"),
        ("#550 5.1.1 RESOLVER; none ##", 550, "5.1.1", "5.1.1 RESOLVER; none ##"),
        ("#5.1.1 smtp;550 5.1.1 gone", 550, "5.1.1", "5.1.1 gone"),
        ("x-unix; user unknown", None, None, "user unknown"),
        ("tried 250 times, no answer", None, None, "tried 250 times, no answer"),
        (
            "connect to 192.0.2.1:25: timed out",
            None,
            None,
            "connect to 192.0.2.1:25: timed out",
        ),
        ("version 5.1.1.2 of 550 things", None, None, "version 5.1.1.2 of 550 things"),
        ("", None, None, ""),
    ],
)
def test_code_status_and_text_are_found(
    text: str, code: int | None, status: str | None, words: str
) -> None:
    found = Diagnostic.parse(text)
    assert (found.code, found.enhanced_status, found.text) == (code, status, words)


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("550 nobody", "5.1.1", "5.1.1"),
        ("550 nobody", "5.1.1 (bad mailbox)", "5.1.1"),
        ("550 5.7.1 nobody", "5.1.1", "5.7.1"),
        ("450 later", "5.1.1", None),
        ("no reply", "4.4.7", "4.4.7"),
        ("no reply", "nonsense", None),
    ],
)
def test_a_status_beside_the_text_counts_unless_it_contradicts(
    text: str, status: str, told: str | None
) -> None:
    assert Diagnostic.parse(text, status).enhanced_status == told


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("550 no (in reply to RCPT TO command)", "RCPT"),
        ("550 no (in reply to end of DATA command)", "END-OF-DATA"),
        (
            "SMTP error from remote mail server after MAIL FROM:<a@x.example>: 550 no",
            "MAIL",
        ),
        ("SMTP error from remote mail server after initial connection: 554 no", "GREETING"),
        ("550 no (in reply to nothing)", None),
    ],
)
def test_the_command_is_told_where_the_text_tells_it(text: str, verb: str | None) -> None:
    found = Diagnostic.parse(text)
    assert found.verb == verb
    assert found.text == "no"


@given(st.text(max_size=200), st.text(max_size=8))
def test_any_text_gives_something_that_can_be_shown(text: str, status: str) -> None:
    found = Diagnostic.parse(text, status)
    assert found.code is None or 200 <= found.code < 600
    assert found.text.replace("\n", "").isprintable() or not found.text.isascii()


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    assert len(Diagnostic.parse("550 " + "x" * 10 * MAX_CHARS).text) < MAX_CHARS
    assert Diagnostic.parse("x " * MAX_CHARS + "said: 550 no").code is None

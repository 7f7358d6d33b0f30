"""aiosmtpd's and Mailpit's logs become sessions, with the outcomes their replies decide."""

from __future__ import annotations

import pytest

from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.server_logs import aiosmtpd, mailpit
from tests.server_logs.reading import read, read_sample, told

AIOSMTPD, MAILPIT = aiosmtpd.FORMAT, mailpit.FORMAT


@pytest.mark.parametrize(
    ("format", "greeting_code", "refusal"),
    [(AIOSMTPD, 250, "5.1.1"), (MAILPIT, 250, "5.1.0")],
)
def test_the_sample_reads_as_it_should(
    format: LogFormat, greeting_code: int, refusal: str
) -> None:
    rows, reading = read_sample(format, f"{format.name}.log")
    assert reading.skips == 0
    assert told(rows, "kind", "verb", "recipient", "reply_code", "outcome") == [
        ("greeting", "GREETING", None, 220, None),
        ("command", "EHLO", None, greeting_code, None),
        ("command", "MAIL", None, 250, None),
        ("command", "RCPT", "ann@example.com", 250, None),
        ("command", "RCPT", "bob@example.net", 550, None),
        ("outcome", "RCPT", "bob@example.net", 550, "rejected"),
        ("command", "DATA", None, 354, None),
        ("command", "END-OF-DATA", None, 250, None),
        ("outcome", "END-OF-DATA", "ann@example.com", 250, "accepted"),
        ("command", "QUIT", None, 221, None),
    ]
    assert [row["seq"] for row in rows] == list(range(10))
    assert {row["session_id"] for row in rows} == {f"{format.name}-1"}
    assert rows[5]["enhanced_status"] == refusal
    assert {row.get("reverse_path") for row in rows[2:]} == {"news@example.org"}


def test_a_reply_of_many_lines_is_one() -> None:
    rows, _ = read_sample(AIOSMTPD, "aiosmtpd.log")
    assert rows[1]["reply_text"] == "mx.example.org\nSIZE 33554432\nHELP"


def test_sessions_at_the_same_time_are_told_apart() -> None:
    lines = [
        f"INFO:mail.log:('192.0.2.7', {port}) {said}"
        for said in (">> b'EHLO a'", "<< b'250 a'", ">> b'MAIL FROM:<a@b.example>'")
        for port in (1, 2)
    ]
    rows = read(AIOSMTPD, *lines)
    assert sorted(told(rows, "session_id", "verb", "reply_code")) == [
        ("aiosmtpd-1", "EHLO", 250),
        ("aiosmtpd-1", "MAIL", None),
        ("aiosmtpd-2", "EHLO", 250),
        ("aiosmtpd-2", "MAIL", None),
    ]
    assert "time" not in rows[0]  # the lines have no stamps


def test_a_login_is_not_shown() -> None:
    (row,) = read(
        AIOSMTPD, "INFO:mail.log:('192.0.2.7', 1) >> b'AUTH PLAIN AGFubgBzZWNyZXQ='"
    )
    assert row["command"] == "AUTH PLAIN [redacted]"


def test_without_verbose_mailpits_refusals_are_rows_and_no_greeting() -> None:
    lines = "ERRO[2026/11/28 12:00:01] [smtpd] response (192.0.2.7) 550 5.1.0 no"
    assert told(read(MAILPIT, lines), "kind", "verb", "reply_code") == [
        ("command", None, 550)
    ]


def test_mailpits_colours_are_taken_off() -> None:
    line = "\x1b[36mINFO\x1b[0m[2026/11/28 12:00:00] [smtpd] starting on [::]:1025"
    reading = Reading()
    assert read(MAILPIT, line, reading=reading) == []
    assert reading.skips == 0
    assert MAILPIT.sniff(line)


@pytest.mark.parametrize("octets", ["b'cut", "b'\\xf", "[1]", "b'a' * 9", "(((", ""])
def test_what_python_would_not_write_is_no_command(octets: str) -> None:
    assert read(AIOSMTPD, f"('192.0.2.7', 1) >> {octets}") == []

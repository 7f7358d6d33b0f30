"""aiosmtpd's and Mailpit's logs are dialogues too, seen from the server."""

from __future__ import annotations

import pytest

from smtpbook.dialogues import aiosmtpd, mailpit
from smtpbook.logfile.reading import Reading
from tests.server_logs.reading import read, read_sample, told

AIOSMTPD, MAILPIT = aiosmtpd.FORMAT, mailpit.FORMAT
PEER = "INFO:mail.log:('192.0.2.7', 1) "
DIALOGUE = [
    ("greeting", "GREETING", None, 220, None),
    ("command", "EHLO", None, 250, None),
    ("command", "MAIL", None, 250, None),
    ("command", "RCPT", "ann@example.com", 250, None),
    ("command", "RCPT", "bob@example.net", 550, None),
    ("command", "DATA", None, 354, None),
    ("command", "END-OF-DATA", None, 250, None),
    ("outcome", "END-OF-DATA", "ann@example.com", 250, "accepted"),
    ("outcome", "RCPT", "bob@example.net", 550, "rejected"),
    ("command", "QUIT", None, 221, None),
]


def on_mailpit(*said: str) -> list[str]:
    """Write down what was said, as Mailpit does: replies begin with a digit."""
    return [
        "DEBU[2026/11/28 12:00:01] [smtpd] "
        f"{'response' if line[0].isdecimal() else 'received'} (192.0.2.7) {line}"
        for line in said
    ]


def test_the_sample_of_aiosmtpd_reads_as_it_should() -> None:
    rows, reading = read_sample(AIOSMTPD, "aiosmtpd.log")
    assert reading.skips == 0
    assert told(rows[1:-1], "kind", "verb", "recipient", "reply_code", "outcome") == (
        DIALOGUE
    )
    assert (rows[0]["kind"], rows[-1]["kind"]) == ("connect", "disconnect")
    assert rows[2]["reply_text"] == "mx.example.org\nSIZE 33554432\nHELP"
    assert {row["session_id"] for row in rows} == {"aiosmtpd-1"}


def test_the_sample_of_mailpit_reads_as_it_should() -> None:
    rows, reading = read_sample(MAILPIT, "mailpit.log")
    assert reading.skips == 0
    assert told(rows, "kind", "verb", "recipient", "reply_code", "outcome") == DIALOGUE
    assert rows[7]["queue_id"] == "4kC7"
    assert rows[8]["enhanced_status"] == "5.1.0"
    assert {row["reverse_path"] for row in rows[2:9]} == {"news@example.org"}


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


def test_sessions_of_one_client_after_each_other_have_ids_of_their_own() -> None:
    rows = read(MAILPIT, *2 * on_mailpit("220 mx", "QUIT", "221 bye"))
    assert told(rows, "session_id", "seq", "verb") == [
        (f"mailpit-{n}", seq, verb)
        for n in (1, 2)
        for seq, verb in enumerate(["GREETING", "QUIT"])
    ]


def test_a_greeting_does_not_answer_mail_data_that_a_client_has_left() -> None:
    lines = on_mailpit("220 mx", "MAIL FROM:<a@b.example>", "250 ok")
    lines += on_mailpit("RCPT TO:<c@d.example>", "250 ok", "DATA", "354 go", "220 mx")
    rows = read(MAILPIT, *lines)
    assert [row["outcome"] for row in rows if "outcome" in row] == ["in_doubt"]
    assert (rows[-1]["verb"], rows[-1]["session_id"]) == ("GREETING", "mailpit-2")


def test_starttls_goes_on_in_the_same_session() -> None:
    rows = read(MAILPIT, *on_mailpit("220 mx", "STARTTLS", "220 go", "EHLO a", "250 mx"))
    assert told(rows, "session_id", "kind") == [
        ("mailpit-1", kind) for kind in ("greeting", "command", "tls", "command")
    ]


def test_without_replies_what_became_of_a_recipient_is_in_doubt() -> None:
    said = ["handling connection", ">> b'MAIL FROM:<a@b.example>'", ">> b'WHAT'"]
    said += [">> b'RCPT TO:<c@d.example>'", ">> b'DATA'", "connection lost"]
    rows = read(AIOSMTPD, *(PEER + one for one in said))
    assert told(rows, "verb", "outcome") == [
        *((None, None), ("MAIL", None), ("WHAT", None), ("RCPT", None), ("DATA", None)),
        ("MAIL", "in_doubt"),  # the first reply that nobody wrote down
        (None, None),
    ]


def test_a_login_is_not_shown_nor_what_the_server_repeats_of_it() -> None:
    said = ["220 mx", "AUTH PLAIN AGFubgBzZWNyZXQ=", "535 5.7.8 not: AGFubgBzZWNyZXQ="]
    rows = read(MAILPIT, *on_mailpit(*said))
    assert rows[1]["command"] == "AUTH PLAIN [redacted]"
    assert rows[1]["reply_text"] == "5.7.8 not: [redacted]"


def test_an_answer_to_a_challenge_that_is_not_in_the_log_is_a_row_nevertheless() -> None:
    said = ["220 mx", "AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"]
    rows = read(MAILPIT, *on_mailpit(*said, "RSET", "250 ok"))
    assert told(rows[1:], "verb", "command", "reply_code") == [
        ("AUTH", "AUTH LOGIN", 334),
        ("AUTH", None, 334),
        ("AUTH", None, 235),
        ("RSET", "RSET", 250),
    ]


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

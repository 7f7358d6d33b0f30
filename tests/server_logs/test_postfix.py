"""Postfix's log becomes outcomes, refusals and failed connections, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.postfix import FORMAT, sniff
from tests.benchmarks.read_log import write_log
from tests.server_logs.reading import read, read_sample, told

HEAD = "Nov 28 12:00:00 mx postfix"
TRY = (
    f"{HEAD}/smtp[7]: 4F1: to=<ann@example.org>, relay=mx.example.org[192.0.2.1]:25, "
    "delay=3.5, delays=1/0.5/1.25/0.75, dsn={dsn}, status={status} ({words})"
)


def attempt(
    words: str, *, status: str = "deferred", dsn: str = "4.0.0"
) -> dict[str, object]:
    (row,) = read(FORMAT, TRY.format(words=words, status=status, dsn=dsn))
    return row


def test_the_sample_reads_as_it_should() -> None:
    rows, reading = read_sample(FORMAT, "postfix.log")
    assert reading.skips == 1  # dovecot's
    assert told(rows, "kind", "verb", "recipient", "outcome", "reply_code", "attempt") == [
        ("outcome", "END-OF-DATA", "ann@example.com", "accepted", 250, 1),
        ("outcome", "RCPT", "bob@example.net", "rejected", 550, 1),
        ("connect", None, None, None, None, None),
        ("outcome", None, "cleo@example.edu", "failed", None, 1),
        ("outcome", "END-OF-DATA", "dan@mail.example", "in_doubt", None, 1),
        ("outcome", "RCPT", "x@example.com", "deferred", 454, None),
        ("outcome", "RCPT", "ann@example.org", "rejected", 550, None),
        ("greeting", "GREETING", None, None, 554, None),
        ("command", "AUTH", None, None, None, None),
        ("outcome", "RCPT", "cleo@example.edu", "deferred", 450, 2),
        ("outcome", None, "root@mx1.example.org", "delivered", None, None),
        ("outcome", "END-OF-DATA", "eve@example.org", "accepted", 250, None),
        ("outcome", None, "cleo@example.edu", "bounced", None, 2),
        ("outcome", None, "dan@mail.example", "bounced", None, 1),
    ]
    assert [row.get("reason") for row in rows[-2:]] == ["expired", "expired"]


def test_an_outcome_knows_its_message_its_login_and_its_tls() -> None:
    rows, _ = read_sample(FORMAT, "postfix.log")
    assert rows[0] == {
        "time": 1767225593000000,
        "message_id": "<1.news@app.example.org>",
        "kind": "outcome",
        "verb": "END-OF-DATA",
        "reply_code": 250,
        "enhanced_status": "2.0.0",
        "reply_text": "2.0.0 Ok: queued as 5B7",
        "latency_s": 1.1,
        "bytes_sent": 2113,
        "reverse_path": "news@example.org",
        "recipient": "ann@example.com",
        "recipient_domain": "example.com",
        "server": "mx.example.com",
        "port": 25,
        "server_address": "203.0.113.5",
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "attempt": 1,
        "outcome": "accepted",
        "queue_id": "4F1A2B3C4D",
        "account": "news@example.org",
        "source": "postfix",
    }


def test_a_year_begins_within_the_log() -> None:
    rows, _ = read_sample(FORMAT, "postfix.log")
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


@pytest.mark.parametrize(
    ("words", "verb", "code", "text"),
    [
        ("host h[192.0.2.1] said: 450 4.2.0 wait (in reply to RCPT TO command)",
         "RCPT", 450, "4.2.0 wait"),
        ("host h[192.0.2.1] said: 452 no room (in reply to end of DATA command)",
         "END-OF-DATA", 452, "no room"),
        ("host h[192.0.2.1] said: 451-a b 451 c (in reply to MAIL FROM command)",
         "MAIL", 451, "a b\nc"),
        ("host h[192.0.2.1] refused to talk to me: 421 busy", "GREETING", 421, "busy"),
        ("SASL authentication failed; server h[192.0.2.1] said: 454 4.7.0 later",
         "AUTH", 454, "4.7.0 later"),
        # Cut off where syslog's line ends.
        ("host h[192.0.2.1] said: 450 4.2.0 wait until tomorr", None, 450,
         "4.2.0 wait until tomorr"),
        ("host h[192.0.2.1] said: 450 4.2.0 wait (in reply to RCPT TO comma", "RCPT", 450,
         "4.2.0 wait"),
    ],
)  # fmt: skip
def test_what_a_server_said_is_its_reply_and_the_verb_it_answered(
    words: str, verb: str | None, code: int, text: str
) -> None:
    row = attempt(words)
    assert (row.get("verb"), row["reply_code"], row["reply_text"]) == (verb, code, text)
    assert row["outcome"] == "deferred"


@pytest.mark.parametrize(
    ("words", "verb", "outcome", "error"),
    [
        ("connect to h[192.0.2.1]:25: Connection refused", None, "failed",
         "TransportError"),
        ("connect to h[192.0.2.1]:25: Connection timed out", None, "failed",
         "TransportTimeout"),
        ("delivery temporarily suspended: connect to h[192.0.2.1]:25: No route to host",
         None, "failed", "TransportError"),
        ("lost connection with h[192.0.2.1] while receiving the initial server greeting",
         "GREETING", "failed", "TransportError"),
        ("conversation with h[192.0.2.1] timed out while performing the EHLO handshake",
         "EHLO", "failed", "TransportTimeout"),
        ("lost connection with h[192.0.2.1] while sending RCPT TO", "RCPT", "failed",
         "TransportError"),
        ("conversation with h[192.0.2.1] timed out while sending end of data -- message "
         "may be sent more than once", "END-OF-DATA", "in_doubt", "TransportTimeout"),
        ("Cannot start TLS: handshake failure", None, "failed", "TLSError"),
        ("Host or domain name not found. Name service error for name=h type=MX: Host not "
         "found, try again", None, "failed", "TransportError"),
        ("temporary failure. Command output: no space left", None, "deferred", None),
    ],
)  # fmt: skip
def test_without_a_reply_the_words_tell_how_it_ended(
    words: str, verb: str | None, outcome: str, error: str | None
) -> None:
    row = attempt(words, dsn="4.4.2")
    assert told([row], "verb", "outcome", "error", "reply_code") == [
        (verb, outcome, error, None)
    ]
    assert row["enhanced_status"] == "4.4.2"
    assert row["reply_text"] == words


def test_a_domain_that_does_not_exist_is_the_reason_though_nobody_replied() -> None:
    words = "Host or domain name not found. Name service error for name=h type=A: Host not"
    row = attempt(f"{words} found", status="bounced", dsn="5.4.4")
    assert told([row], "outcome", "reason") == [("bounced", "bad_domain")]
    later = attempt(f"{words} found, try again", dsn="4.4.3")
    assert told([later], "outcome", "reason") == [("failed", None)]


def test_a_relay_that_was_never_reached_is_named_all_the_same() -> None:
    line = TRY.format(
        words="connect to h.example[2001:db8::1]:25: Connection refused",
        status="deferred",
        dsn="4.4.1",
    ).replace("mx.example.org[192.0.2.1]:25", "none")
    assert told(read(FORMAT, line), "server", "server_address", "port") == [
        ("h.example", "2001:db8::1", 25)
    ]


@pytest.mark.parametrize(
    ("service", "status", "words", "outcome"),
    [
        ("local", "sent", "delivered to mailbox", "delivered"),
        ("local", "sent", "forwarded as 4F2", "accepted"),
        ("pipe", "sent", "delivered via dovecot service", "delivered"),
        ("virtual", "bounced", 'unknown user: "x"', "bounced"),
        ("discard", "sent", "example.org", "suppressed"),
        ("lmtp", "sent", "250 2.1.5 Ok", "accepted"),
        ("error", "bounced", "User unknown", "bounced"),
        ("smtp", "undeliverable", "host h said: 550 5.1.1 no", None),
    ],
)
def test_deliveries_on_the_machine_have_outcomes_of_their_own(
    service: str, status: str, words: str, outcome: str | None
) -> None:
    line = TRY.format(words=words, status=status, dsn="2.0.0")
    (row,) = read(FORMAT, line.replace("/smtp[", f"/{service}["))
    assert row.get("outcome") == outcome


@pytest.mark.parametrize("is_iso", [False, True])
def test_every_line_of_the_benchmark_is_understood(tmp_path: Path, is_iso: bool) -> None:
    write_log(tmp_path / "mail.log", 500, is_iso=is_iso)
    lines = (tmp_path / "mail.log").read_text().splitlines()
    reading = Reading(year=2026)
    rows = read(FORMAT, *lines, reading=reading)
    assert reading.skips == 0
    assert len(rows) == sum("status=" in line or "reject:" in line for line in lines)


def test_what_solaris_puts_before_the_words_is_taken_off() -> None:
    solaris = "[ID 197553 mail.info] "
    rows = read(
        FORMAT,
        f"{HEAD}/smtpd[1]: {solaris}4F1: client=a[192.0.2.7], sasl_username=ann",
        f"{HEAD}/smtpd[1]: {solaris}4F1: client=a[192.0.2.7], sasl_username=bob",
        TRY.format(words="250 Ok", status="sent", dsn="2.0.0").replace(
            "4F1: ", f"{solaris}4F1: "
        ),
    )
    assert told(rows, "queue_id", "account") == [("4F1", "bob")]


@pytest.mark.parametrize("stamp", ["Nov 28 12:00:00", "2025-11-28T13:00:00.000000+01:00"])
@pytest.mark.parametrize(
    "program",
    ["postfix/smtp", "postfix-out/smtp", "postfix-1.2.3.4/smtp", "postfix/relay/smtp"],
)
def test_stamps_and_instances_of_any_kind_are_read(stamp: str, program: str) -> None:
    line = TRY.format(words="250 2.0.0 Ok", status="sent", dsn="2.0.0")
    line = line.replace(HEAD[:15], stamp).replace("postfix/smtp", program)
    assert sniff(line)
    assert (
        told(read(FORMAT, line, line), "time", "outcome")
        == [(1764331200000000, "accepted")] * 2
    )


def test_a_queue_id_that_is_used_again_is_another_message() -> None:
    first = [
        f"{HEAD}/smtpd[1]: 4F1: client=a[192.0.2.7], sasl_username=ann",
        f"{HEAD}/cleanup[2]: 4F1: message-id=<1@a>",
        f"{HEAD}/qmgr[3]: 4F1: from=<ann@example.com>, size=1, nrcpt=1 (queue active)",
    ]
    sent = TRY.format(words="250 Ok", status="sent", dsn="2.0.0")
    again = [
        f"{HEAD}/pickup[4]: 4F1: uid=0 from=<root>",
        f"{HEAD}/cleanup[2]: 4F1: message-id=<2@a>",
    ]
    for removed in ([f"{HEAD}/qmgr[3]: 4F1: removed"], []):
        rows = read(FORMAT, *first, sent, *removed, *again, sent)
        assert told(rows, "message_id", "reverse_path", "account", "attempt") == [
            ("<1@a>", "ann@example.com", "ann", 1),
            ("<2@a>", None, None, 1),
        ]


def test_a_bounce_of_its_own_takes_nothing_over() -> None:
    rows = read(
        FORMAT,
        f"{HEAD}/smtpd[1]: 4F1: client=a[192.0.2.7], sasl_username=ann",
        f"{HEAD}/qmgr[3]: 4F1: from=<ann@example.com>, size=1, nrcpt=1 (queue active)",
        f"{HEAD}/cleanup[2]: 4F1: message-id=<bounce@mx>",
        f"{HEAD}/qmgr[3]: 4F1: from=<>, size=3, nrcpt=1 (queue active)",
        TRY.format(words="250 Ok", status="sent", dsn="2.0.0"),
    )
    assert told(rows, "message_id", "reverse_path", "account", "bytes_sent") == [
        ("<bounce@mx>", "", None, 3)
    ]


def test_tries_are_not_counted_of_a_message_that_began_before_the_log() -> None:
    qmgr = f"{HEAD}/qmgr[3]: 4F1: from=<ann@example.com>, size=1, nrcpt=1 (queue active)"
    (row,) = read(FORMAT, qmgr, TRY.format(words="250 Ok", status="sent", dsn="2.0.0"))
    assert "attempt" not in row
    assert row["reverse_path"] == "ann@example.com"


def test_an_address_with_a_bracket_in_quotes_is_read() -> None:
    line = TRY.format(words="250 Ok", status="sent", dsn="2.0.0")
    (row,) = read(FORMAT, line.replace("<ann@", '<"a>b"@'))
    assert row["recipient"] == '"a>b"@example.org'


def test_a_delivery_cut_off_before_its_status_is_skipped_and_shown() -> None:
    reading = Reading(year=2025)
    line = TRY.format(words="250 Ok", status="sent", dsn="2.0.0").partition(" status=")[0]
    assert read(FORMAT, line, line, reading=reading) == []
    assert reading.skips == 2
    assert reading.examples == [line, line]


@pytest.mark.parametrize("cut", [f"{HEAD}/smtp[7]", f"{HEAD}/smtp[7"])
def test_a_line_cut_off_before_its_words_is_skipped_and_shown(cut: str) -> None:
    reading = Reading(year=2025)
    line = TRY.format(words="250 Ok", status="sent", dsn="2.0.0")
    assert len(read(FORMAT, line, cut, line, reading=reading)) == 2
    assert reading.examples == [cut]


def test_what_another_program_says_is_skipped() -> None:
    reading = Reading(year=2025)
    lines = ["Nov 28 12:00:00 mx dovecot: imap-login: bye", "", "nonsense", "\0" * 10]
    assert read(FORMAT, *lines, reading=reading) == []
    assert reading.skips == len(lines)


def test_a_try_that_another_server_follows_is_no_outcome() -> None:
    rows = read(
        FORMAT,
        f"{HEAD}/smtp[7]: 4F1: host h[192.0.2.1] said: 451 4.3.0 busy (in reply to MAIL "
        f"FROM command)",
        f"{HEAD}/smtp[7]: 4F1: lost connection with h[192.0.2.1] while sending MAIL FROM",
        f"{HEAD}/smtp[7]: SSL_connect error to h[192.0.2.1]:25: -1",
    )
    assert told(rows, "kind", "verb", "reply_code", "error", "server") == [
        ("command", "MAIL", 451, None, "h"),
        ("command", "MAIL", None, "TransportError", "h"),
        ("tls", None, None, "TLSError", "h"),
    ]


@pytest.mark.parametrize(
    ("what", "verb", "recipient", "outcome"),
    [
        ("NOQUEUE: reject: RCPT from h[192.0.2.7]: 450 4.7.1 wait; from=<> "
         "to=<a@b.example> proto=ESMTP helo=<h>", "RCPT", "a@b.example", "deferred"),
        ("4F1: milter-reject: END-OF-MESSAGE from h[192.0.2.7]: 5.7.1 Spam; from=<c@d> "
         "to=<a@b.example> proto=ESMTP helo=<h>", "END-OF-DATA", "a@b.example", "rejected"),
        ("NOQUEUE: reject: MAIL from h[192.0.2.7]: 552 5.3.4 too large; from=<c@d> "
         "proto=ESMTP helo=<h>", "MAIL", None, None),
        ("NOQUEUE: reject: RCPT from h[192.0.2.7]: 554 5.7.1 a; from=<x> b; from=<c@d> "
         "to=<a@b.example> proto=ESMTP helo=<h>", "RCPT", "a@b.example", "rejected"),
    ],
)  # fmt: skip
def test_a_refusal_at_the_door_is_the_recipients_outcome_if_it_names_one(
    what: str, verb: str, recipient: str | None, outcome: str | None
) -> None:
    rows = read(FORMAT, f"{HEAD}/smtpd[7]: {what}")
    assert told(rows, "verb", "recipient", "outcome") == [(verb, recipient, outcome)]
    assert rows[0]["server"] == "mx"
    assert "from=<c@d>" not in str(rows[0]["reply_text"])


@pytest.mark.parametrize("host", ["client7.example", "message.example", "removed.example"])
def test_a_login_that_failed_is_read_whatever_its_host_is_called(host: str) -> None:
    words = f"warning: {host}[192.0.2.7]: SASL LOGIN authentication failed: no"
    (row,) = read(FORMAT, f"{HEAD}/smtpd[7]: {words}")
    assert (row["verb"], row["error"]) == ("AUTH", "AuthenticationError")


def test_a_warning_in_place_of_a_refusal_refuses_nothing() -> None:
    line = f"{HEAD}/smtpd[7]: NOQUEUE: reject_warning: RCPT from h[192.0.2.7]: 450 4.7.1 x"
    assert read(FORMAT, line) == []

"""Sendmail's log becomes outcomes and refusals."""

from __future__ import annotations

import pytest

from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.sendmail import FORMAT, sniff
from tests.server_logs.reading import read, read_sample, told

HEAD = "Nov 28 12:00:00 mx sm-mta[7]: 7ASC00AB000901: "


def test_the_sample_reads_as_it_should() -> None:
    rows, reading = read_sample(FORMAT, "sendmail.log")
    assert reading.skips == 0
    assert told(rows, "kind", "verb", "recipient", "outcome", "reply_code") == [
        ("tls", None, None, None, None),
        ("outcome", "END-OF-DATA", "ann@example.com", "accepted", 250),
        ("outcome", "END-OF-DATA", "amy@example.com", "accepted", 250),
        ("outcome", None, "bob@example.net", "rejected", None),
        ("outcome", None, "cleo@example.edu", "failed", None),
        ("outcome", None, "dan@mail.example", "deferred", 450),
        ("outcome", "RCPT", "x@example.com", "rejected", 550),
        ("greeting", "GREETING", None, None, 553),
        ("outcome", "RCPT", "nobody@example.org", "rejected", None),
        ("outcome", None, "root", "delivered", None),
    ]


def test_an_outcome_knows_its_message() -> None:
    rows, _ = read_sample(FORMAT, "sendmail.log")
    assert rows[1] == {
        "time": 1764331202000000,
        "message_id": "<1.news@app.example.org>",
        "kind": "outcome",
        "verb": "END-OF-DATA",
        "reply_code": 250,
        "enhanced_status": "2.0.0",
        "reply_text": "2.0.0 Ok: queued as 5B7",
        "bytes_sent": 2113,
        "reverse_path": "news@example.org",
        "recipient": "ann@example.com",
        "recipient_domain": "example.com",
        "server": "mx.example.com",
        "server_address": "203.0.113.5",
        "attempt": 1,
        "outcome": "accepted",
        "queue_id": "7ASC00AB000901",
        "source": "sendmail",
    }
    assert rows[3]["enhanced_status"] == "5.1.1"
    assert rows[4]["error"] == "TransportTimeout"


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("mailer=local, dsn=2.0.0, stat=Sent", "delivered"),
        ("mailer=esmtp, relay=mx.a. [192.0.2.1], dsn=4.2.0, stat=Deferred", "deferred"),
        ("mailer=esmtp, relay=mx.a., dsn=4.0.0, stat=Deferred: Connection refused by mx.a.",
         "failed"),
        ("mailer=esmtp, relay=a, dsn=5.1.2, stat=Host unknown (Name server: a: host not "
         "found)", "bounced"),
        ("mailer=esmtp, relay=mx.a. [192.0.2.1], dsn=5.0.0, stat=Service unavailable",
         "rejected"),
    ],
)  # fmt: skip
def test_stat_tells_what_became_of_it(words: str, outcome: str) -> None:
    (row,) = read(FORMAT, f"{HEAD}to=<ann@example.org>, delay=00:00:01, {words}")
    assert row["outcome"] == outcome


def test_a_reply_cannot_pose_as_a_field() -> None:
    line = (
        f"{HEAD}to=<ann@example.org>, relay=mx.a. [192.0.2.1], stat=Sent (ok, to=<eve@b>)"
    )
    rows = read(FORMAT, line)
    assert told(rows, "recipient", "reply_text") == [("ann@example.org", "ok, to=<eve@b>")]


def test_what_another_program_says_is_skipped() -> None:
    reading = Reading(year=2026)
    assert (
        read(FORMAT, "Nov 28 12:00:00 mx cron[1]: to=<x>, stat=Sent", reading=reading) == []
    )
    assert reading.skips == 1
    assert sniff(HEAD)
    assert not sniff("Nov 28 12:00:00 mx cron[1]: x")

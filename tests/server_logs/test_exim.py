"""Exim's main log becomes outcomes, refusals and failed connections."""

from __future__ import annotations

import pytest

from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.exim import FORMAT, sniff
from tests.server_logs.reading import read, read_sample, told

OLD, NEW = "1avJcc-0003Py-15", "1vOx00-00000000Bq1-0abc"
AT = "2026-11-28 12:00:00"
HOST = "R=dnslookup T=remote_smtp H=mx.example.com [203.0.113.5]"


def test_the_sample_reads_as_it_should() -> None:
    rows, reading = read_sample(FORMAT, "exim.log")
    assert reading.skips == 0
    assert told(rows, "kind", "verb", "recipient", "outcome", "reply_code", "attempt") == [
        ("outcome", "END-OF-DATA", "ann@example.com", "accepted", 250, 1),
        ("outcome", "END-OF-DATA", "amy@example.com", "accepted", 250, 1),
        ("outcome", "RCPT", "bob@example.net", "rejected", 550, 1),
        ("connect", None, None, None, None, None),
        ("outcome", None, "cleo@example.edu", "failed", None, 1),
        ("outcome", "RCPT", "dan@mail.example", "deferred", 450, 1),
        ("outcome", "END-OF-DATA", "dan@mail.example", "accepted", 250, 2),
        ("outcome", None, "news@example.org", "delivered", None, 1),
        ("outcome", "RCPT", "x@example.com", "rejected", None, None),
        ("outcome", "RCPT", "ann@example.org", "deferred", None, None),
        ("command", "AUTH", None, None, 535, None),
        ("outcome", None, "cleo@example.edu", "bounced", None, 2),
    ]


def test_an_outcome_knows_its_message_its_login_and_its_tls() -> None:
    rows, _ = read_sample(FORMAT, "exim.log")
    assert rows[0] == {
        "time": 1795867203000000,
        "message_id": "<1.news@app.example.org>",
        "kind": "outcome",
        "verb": "END-OF-DATA",
        "reply_code": 250,
        "enhanced_status": "2.0.0",
        "reply_text": "2.0.0 Ok: queued as 5B7",
        "latency_s": 1.5,
        "bytes_sent": 2113,
        "reverse_path": "news@example.org",
        "recipient": "ann@example.com",
        "recipient_domain": "example.com",
        "server": "mx.example.com",
        "server_address": "203.0.113.5",
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "attempt": 1,
        "outcome": "accepted",
        "queue_id": NEW,
        "account": "news@example.org",
        "source": "exim",
    }
    assert rows[2]["reply_text"] == "5.1.1 There is no bob here.\n5.1.1 Ask somebody else."
    assert rows[7]["reverse_path"] == ""
    assert rows[11]["reason"] == "expired"


@pytest.mark.parametrize("queue_id", [OLD, NEW])
@pytest.mark.parametrize(
    "head",
    [
        f"{AT} ",
        f"{AT}.123 ",
        f"{AT} +0000 [4711] ",
        f"Nov 28 12:00:00 mx exim[7]: {AT} ",
        "Nov 28 12:00:00 mx exim[7]: ",
    ],
)
def test_ids_and_stamps_of_any_kind_are_read(head: str, queue_id: str) -> None:
    line = f'{head}{queue_id} => ann@example.com {HOST}:26 C="250 Ok"'
    assert sniff(line)
    (row,) = read(FORMAT, line, reading=Reading(year=2026))
    assert row["time"] // 1_000_000 == 1795867200
    assert told([row], "recipient", "outcome", "port", "queue_id") == [
        ("ann@example.com", "accepted", 26, queue_id)
    ]


@pytest.mark.parametrize(
    ("said", "recipient", "outcome"),
    [
        (f"=> ann@example.com {HOST}", "ann@example.com", "accepted"),
        (f">> ann@example.com {HOST}", "ann@example.com", "accepted"),
        (f"-> a@example.com <b@example.com> {HOST}", "a@example.com", "accepted"),
        ("=> ann <ann@example.com> R=local T=maildir", "ann@example.com", "delivered"),
        ("=> |/bin/x <ann@example.com> R=system T=pipe", "ann@example.com", "delivered"),
        ("=> :blackhole: <ann@example.com> R=drop", "ann@example.com", "suppressed"),
        (f"*> ann@example.com {HOST}", "ann@example.com", "suppressed"),
        ("** ann@example.com: Unrouteable address", "ann@example.com", "bounced"),
        ("== ann@example.com R=x defer (-1): over quota", "ann@example.com", "deferred"),
        ("== ann@example.com R=x T=y defer (-53): retry time not reached for any host",
         "ann@example.com", "failed"),
    ],
)  # fmt: skip
def test_every_flag_has_its_outcome(said: str, recipient: str, outcome: str) -> None:
    (row,) = read(FORMAT, f"{AT} {OLD} {said}")
    assert (row["recipient"], row["outcome"]) == (recipient, outcome)


@pytest.mark.parametrize(
    ("after", "verb"),
    [
        ("initial connection", "GREETING"),
        ("EHLO mx.example.org", "EHLO"),
        ("pipelined MAIL FROM:<x@y> SIZE=3", "MAIL"),
        ("RCPT TO:<ann@example.com>", "RCPT"),
        ("DATA", "DATA"),
        ("end of data", "END-OF-DATA"),
    ],
)
def test_what_a_server_said_is_its_reply_and_the_verb_it_answered(
    after: str, verb: str
) -> None:
    said = f"SMTP error from remote mail server after {after}: 550 5.7.1 no: never"
    (row,) = read(FORMAT, f"{AT} {OLD} ** ann@example.com {HOST}: {said}")
    assert told([row], "verb", "outcome", "reply_code", "reply_text") == [
        (verb, "rejected", 550, "5.7.1 no: never")
    ]


def test_a_subject_cannot_pose_as_a_field() -> None:
    rows = read(
        FORMAT,
        f'{AT} {OLD} <= ann@example.org H=a [192.0.2.7] P=esmtp S=7 id=1@a T="x \\" id=2@b '
        f'A=plain:eve" for bob@example.org',
        f'{AT} {OLD} => bob@example.org {HOST} C="250 ok\\" QT=9h DT=1s" DT=2s',
    )
    assert told(rows, "message_id", "account", "latency_s") == [("<1@a>", None, 2.0)]


def test_a_connection_refused_by_a_list_is_a_greeting() -> None:
    rows = read(
        FORMAT, f'{AT} H=h [192.0.2.7] rejected connection in "connect" ACL: listed'
    )
    assert told(rows, "kind", "verb", "outcome") == [("greeting", "GREETING", None)]


@pytest.mark.parametrize(
    "line", [f"{AT} backup done", "nonsense", "", f"Nov 28 12:00:00 mx cron[1]: {OLD} x"]
)
def test_what_another_program_says_is_skipped(line: str) -> None:
    reading = Reading(year=2026)
    assert read(FORMAT, line, reading=reading) == []
    assert reading.skips == 1
    assert not sniff(line)

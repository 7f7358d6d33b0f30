"""OpenSMTPD's log becomes outcomes and refusals."""

from __future__ import annotations

import pytest

from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.opensmtpd import FORMAT, sniff
from tests.server_logs.reading import read, read_sample, told

HEAD = "Nov 28 12:00:00 mx smtpd[7]: 5df87c9b982c840c"
TRY = (
    f"{HEAD} mta delivery evpid=c405e39ad6bbc64f from=<> to=<ann@example.org> rcpt=<-> "
    'source="192.0.2.1" relay="203.0.113.5 (mx.example.org)" delay=2s '
)


def test_the_sample_reads_as_it_should() -> None:
    rows, reading = read_sample(FORMAT, "opensmtpd.log")
    assert reading.skips == 0
    assert told(rows, "kind", "verb", "recipient", "outcome", "reply_code", "queue_id") == [
        ("tls", None, None, None, None, None),
        ("outcome", "END-OF-DATA", "ann@example.com", "accepted", 250, "c405e39a"),
        ("outcome", None, "bob@example.net", "rejected", 550, "c405e39a"),
        ("outcome", None, "cleo@example.edu", "failed", None, "c405e39a"),
        ("outcome", None, "eve@example.org", "delivered", None, "3d4c4a42"),
        ("outcome", "RCPT", "x@example.com", "rejected", 550, None),
        ("greeting", "GREETING", None, None, 550, None),
    ]


def test_an_outcome_knows_its_session_and_its_message() -> None:
    rows, _ = read_sample(FORMAT, "opensmtpd.log")
    assert rows[1] == {
        "time": 1764331203000000,
        "session_id": "5df87c9b982c840c",
        "kind": "outcome",
        "verb": "END-OF-DATA",
        "reply_code": 250,
        "enhanced_status": "2.0.0",
        "reply_text": "2.0.0: 5B7 Message accepted for delivery",
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
        "queue_id": "c405e39a",
        "source": "opensmtpd",
    }
    assert rows[2]["server"] == "mx.example.net"


@pytest.mark.parametrize(
    ("result", "stat", "outcome"),
    [
        ("Ok", "250 Ok", "accepted"),
        ("TempFail", "421 later", "deferred"),
        ("TempFail", "Connection timeout", "failed"),
        ("PermFail", "No MX found for domain", "bounced"),
        ("Loop", "Loop detected", "bounced"),
    ],
)
def test_the_result_tells_what_became_of_it(result: str, stat: str, outcome: str) -> None:
    (row,) = read(FORMAT, f'{TRY}result="{result}" stat="{stat}"')
    assert row["outcome"] == outcome


def test_what_is_written_in_the_foreground_has_no_time() -> None:
    line = TRY.partition("]: ")[2] + 'result="Ok" stat="250 Ok"'
    assert sniff(line)
    assert told(read(FORMAT, line), "time", "outcome", "reply_code") == [
        (None, "accepted", 250)
    ]


def test_a_reply_with_quotes_is_kept_whole() -> None:
    (row,) = read(FORMAT, f'{TRY}result="PermFail" stat="550 no "ann" to=<eve@b> here"')
    assert (row["recipient"], row["reply_text"]) == (
        "ann@example.org",
        'no "ann" to=<eve@b> here',
    )


def test_what_another_program_says_is_skipped() -> None:
    reading = Reading(year=2026)
    assert read(FORMAT, HEAD.replace("smtpd", "cron"), reading=reading) == []
    assert reading.skips == 1
    assert sniff(f"{HEAD} smtp connected address=local host=mx")
    assert not sniff(HEAD.replace("5df87c9b982c840c", "info:"))

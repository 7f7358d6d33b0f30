"""Each mail of a bounce mailbox is what it is, and says of whom it says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.bounces.recognise import recognise
from smtpbook.bounces.report import Report
from smtpbook.mailboxes.mails import mails_in
from smtpbook.mailboxes.mime import MAX_PARTS, Part, walk
from smtpbook.samples import share_path

MAILS = [mail.octets for mail in mails_in(share_path("data") / "logs" / "bounces.mbox")]
DSN, GMAIL, DELAY, SUCCESS, UTF8, EXCHANGE, QMAIL = range(7)
EXIM, SENDMAIL, NDR, WARNING, OLD_GMAIL, ARF, HIDDEN, NOT_SPAM = range(7, 15)
AWAY, RECEIPT, PERSON, ODD = range(15, 19)


def reports(number: int) -> list[Report]:
    return list(recognise(MAILS[number]).reports)


@pytest.mark.parametrize(
    ("number", "what", "told"),
    [
        (DSN, "dsn", [("cy@gone.example", "bounced"), ("dee@fullbox.example", "bounced")]),
        (GMAIL, "dsn", [("eve@strictgate.example", "bounced")]),
        (DELAY, "dsn", [("bob@patience.example", "deferred")]),
        (
            SUCCESS,
            "dsn",
            [("ann@ordinary.example", "delivered"), ("ada@ordinary.example", "accepted")],
        ),
        (UTF8, "dsn", [("zoë@bücher.example", "bounced")]),
        (EXCHANGE, "dsn", [("fay@ordinary.example", "bounced")]),
        (
            QMAIL,
            "bounce",
            [("gus@gone.example", "bounced"), ("hal@fullbox.example", "bounced")],
        ),
        (EXIM, "bounce", [("ida@gone.example", "bounced")]),
        (SENDMAIL, "bounce", [("jon@gone.example", "bounced")]),
        (NDR, "bounce", [("kim@gone.example", "bounced")]),
        (WARNING, "bounce", [("lou@slowlane.example", "deferred")]),
        (OLD_GMAIL, "bounce", [("max@gone.example", "bounced")]),
        (ARF, "arf", [("ann@ordinary.example", "complaint")]),
        (HIDDEN, "arf", [(None, "complaint")]),
        (NOT_SPAM, "report that it is no spam", []),
        (AWAY, "autoresponder", []),
        (RECEIPT, "read receipt", []),
        (PERSON, "other mail", []),
        (ODD, "bounce of unknown form", []),
    ],
)
def test_what_a_mail_is_and_whom_it_is_about(
    number: int, what: str, told: list[tuple[str | None, str]]
) -> None:
    found = recognise(MAILS[number])
    assert found.what == what
    assert [
        (next(iter(one.recipients), None), one.outcome) for one in found.reports
    ] == told
    assert found.is_understood == (number != ODD)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            DSN,
            "smtp; 550 5.1.1 <cy@gone.example>: user unknown (in reply to RCPT TO command)",
        ),
        (
            QMAIL,
            "192.0.2.12 does not like recipient. Remote host said: 550 5.1.1 user unknown",
        ),
        (
            SENDMAIL,
            "550 5.1.1 <jon@gone.example>... User unknown (in reply to RCPT TO command)",
        ),
        (
            OLD_GMAIL,
            "Technical details of permanent failure: The recipient server did not "
            "accept our requests to connect. The error that the other server returned was: "
            "550 5.1.1 user unknown",
        ),
    ],
)
def test_the_reply_is_found_where_each_program_puts_it(number: int, said: str) -> None:
    assert reports(number)[0].said == said


def test_what_names_the_message_is_found() -> None:
    first = reports(DSN)[0]
    assert first.message_id == "<1@bulletin.example>"
    assert first.queue_id == "4FXk1T0Zr2z1q"
    assert first.addressed == ("bounces@bulletin.example",)
    assert reports(DELAY)[0].envelope_id == "november-3"
    assert reports(QMAIL)[1].message_id == "<7@bulletin.example>"
    assert reports(HIDDEN)[0].message_id == "<14@bulletin.example>"
    assert reports(NDR)[0].message_id is None


def test_the_server_that_refused_is_named_with_its_address() -> None:
    (report,) = reports(GMAIL)
    assert (report.server, report.server_address) == ("mx.strictgate.example", "192.0.2.15")
    assert reports(SUCCESS)[0].server == "mx.bulletin.example"


def test_the_time_is_that_of_the_last_attempt_or_of_the_report() -> None:
    assert reports(GMAIL)[0].time == 1795856521_000000
    assert reports(DSN)[0].time == 1795856460_000000


def test_an_autoresponder_that_quotes_a_code_is_no_bounce() -> None:
    octets = b"From: a@x.example\nSubject: Automatic reply: Hi\n\n550 5.1.1 user unknown\n"
    assert recognise(octets).what == "autoresponder"


def test_a_person_who_forwards_a_bounce_is_no_server() -> None:
    octets = (
        MAILS[QMAIL]
        .replace(b"Return-Path: <>\n", b"")
        .replace(b"From: MAILER-DAEMON@relay.example", b"From: Bob <bob@x.example>")
    )
    assert recognise(octets).what == "other mail"


def test_a_failure_of_authentication_is_no_complaint() -> None:
    octets = MAILS[ARF].replace(b"Feedback-Type: abuse", b"Feedback-Type: auth-failure")
    found = recognise(octets)
    assert (found.what, found.reports) == ("report of a failed authentication", ())


def test_outlooks_complaint_is_the_message_alone() -> None:
    octets = (
        b"From: staff@hotmail.example\nSubject: complaint about message from 192.0.2.50\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n'
        b"Content-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: ann@x.example\n"
        b"To: ann@x.example\nMessage-ID: <1@bulletin.example>\n\nHi\n--b--\n"
    )
    (report,) = recognise(octets).reports
    assert (report.outcome, report.recipients) == ("complaint", ("ann@x.example",))
    assert report.message_id == "<1@bulletin.example>"


def test_a_bounce_that_words_it_otherwise_is_read_too() -> None:
    octets = (
        b"From: mailer-daemon@x.example\nSubject: failure notice\n\n"
        b"Hi. This is the Haraka Mailer program at x.example.\n"
        b"I'm afraid I wasn't able to deliver your message\n    \"Hello\"\n"
        b"to the following addresses.\nThis is a permanent error; I've given up.\n\n"
        b"Intended Recipients: <ann@x.example>\nFailure Reason: 550 5.1.1 unknown\n"
    )
    (report,) = recognise(octets).reports
    assert report.recipients == ("ann@x.example",)
    assert report.said == "Failure Reason: 550 5.1.1 unknown"


def test_a_complaint_about_a_message_to_several_names_nobody() -> None:
    octets = MAILS[HIDDEN].replace(b"To: undisclosed", b"To: a@x.example,b@x.example")
    assert recognise(octets).reports[0].recipients == ()


def test_a_bounce_that_names_nobody_is_of_unknown_form() -> None:
    octets = b"From: mailer-daemon@x.example\n\nThis is the qmail-send program at x.\n"
    assert recognise(octets).what == "bounce of unknown form"


def test_what_failed_by_a_header_alone_is_read() -> None:
    octets = (
        b"From: x@y.example\nX-Failed-Recipients: a@x.example, b@x.example\n\nIt failed.\n"
    )
    found = recognise(octets)
    assert [one.recipients for one in found.reports] == [("a@x.example",), ("b@x.example",)]


def test_a_report_in_base64_and_with_crlf_reads_the_same() -> None:
    import base64

    fields = (
        MAILS[UTF8].split(b"message/global-delivery-status\n\n")[1].split(b"\n\n--=_")[0]
    )
    packed = (
        MAILS[UTF8]
        .replace(fields, base64.encodebytes(fields))
        .replace(
            b"message/global-delivery-status\n",
            b"message/global-delivery-status\nContent-Transfer-Encoding: base64\n",
        )
    )
    assert recognise(packed).reports == recognise(MAILS[UTF8]).reports
    for octets in MAILS:
        with_crlf = octets.replace(b"\n", b"\r\n")
        assert recognise(with_crlf).reports == recognise(octets).reports


def test_parts_in_parts_without_an_end_are_walked_to_a_limit() -> None:
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n)
        for n in range(5000)
    )
    assert recognise(b"From: a@x.example\n" + opening).what == "other mail"
    many = b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 5000
    assert len(list(walk(Part(many)))) == MAX_PARTS


def test_one_boundary_that_begins_like_another_does_not_cut_its_parts() -> None:
    octets = (
        b'Content-Type: multipart/mixed; boundary="a"\n\n--a\n'
        b'Content-Type: multipart/mixed; boundary="ab"\n\n'
        b"--ab\n\none\n--ab\n\ntwo\n--ab--\n--a\n\nthree\n--a--\n"
    )
    assert [part.body for part in walk(Part(octets)) if not part.parts] == [
        b"one",
        b"two",
        b"three",
    ]


@settings(max_examples=60)
@given(st.sampled_from(MAILS), st.data())
def test_a_mail_that_is_spoilt_raises_nothing(octets: bytes, data: Any) -> None:
    at = data.draw(st.integers(0, len(octets)))
    cut = data.draw(st.integers(0, 40))
    odd = data.draw(st.binary(max_size=12))
    recognise(octets[:at] + odd + octets[at + cut :])


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_any_octets_are_something(octets: bytes) -> None:
    assert recognise(octets).what

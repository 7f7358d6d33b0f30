"""One message comes to one verdict, and each recipient to its own, with what decided it."""

from __future__ import annotations

from typing import Any

import pytest

from smtpbook.errors import (
    DeferredError,
    LocalProtocolError,
    RejectedError,
    RemoteProtocolError,
    TransportError,
)
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Result, Transaction, mail_parameters, queue_id

LOST = TransportError("connection lost")


def transaction(
    mail: int | None,
    rcpts: list[int | None],
    data: int | None = None,
    end: int | None = None,
) -> Transaction:
    """A transaction whose commands drew these replies; None = no reply."""
    recipients = [f"{'abc'[i]}@x.example" for i in range(len(rcpts))]
    message = Message.from_bytes("me@x.example", recipients, b"Subject: hi\n\nhello\n")
    found = Transaction(message, "s.1")
    found.issued = 1 + len(rcpts)
    found.is_data_issued = True
    found.is_end_issued = end is not None or (data is not None and data // 100 == 3)
    steps = [("MAIL", -1, mail), *(("RCPT", i, code) for i, code in enumerate(rcpts))]
    steps += [("DATA", -1, data), ("END-OF-DATA", -1, end)]
    for verb, index, code in steps:
        found.outstanding += 1
        if code is not None:
            found.receive(verb, index, Reply(code=code, lines=(f"{verb} text",)))
    return found


def told(result: Result) -> list[tuple[str, str, int | None]]:
    return [
        (one.outcome, one.verb, one.reply.code if one.reply else None)
        for one in result.recipients
    ]


END = "END-OF-DATA"
VERDICTS: dict[str, tuple[Any, ...]] = {
    "all accepted": (
        (250, [250, 250], 354, 250),
        "accepted",
        [("accepted", END, 250), ("accepted", END, 250)],
    ),
    "unlisted codes, by their first digit": (
        (252, [252, 451, 599], 399, 299),
        "accepted",
        [("accepted", END, 299), ("deferred", "RCPT", 451), ("rejected", "RCPT", 599)],
    ),
    "some refused, each keeps its own reply": (
        (250, [550, 250, 450], 354, 250),
        "accepted",
        [("rejected", "RCPT", 550), ("accepted", END, 250), ("deferred", "RCPT", 450)],
    ),
    "message refused after the dot": (
        (250, [250, 450], 354, 550),
        "deferred",
        [("rejected", END, 550), ("deferred", "RCPT", 450)],
    ),
    "message deferred after the dot": (
        (250, [250, 550], 354, 452),
        "deferred",
        [("deferred", END, 452), ("rejected", "RCPT", 550)],
    ),
    "MAIL refused, the rest pipelined behind it": (
        (553, [503, 503], 503, None),
        "rejected",
        [("rejected", "MAIL", 553), ("rejected", "MAIL", 553)],
    ),
    "MAIL deferred, recipients accepted all the same": (
        (450, [250, 250], 503, None),
        "deferred",
        [("deferred", "MAIL", 450), ("deferred", "MAIL", 450)],
    ),
    "MAIL refused, yet 354 and the lone dot accepted": (
        (550, [250], 354, 250),
        "rejected",
        [("rejected", "MAIL", 550)],
    ),
    "all refused": (
        (250, [550, 450], 554, None),
        "deferred",
        [("rejected", "RCPT", 550), ("deferred", "RCPT", 450)],
    ),
    "all refused, yet 354 and the lone dot accepted": (
        (250, [550, 550], 354, 250),
        "rejected",
        [("rejected", "RCPT", 550), ("rejected", "RCPT", 550)],
    ),
    "all refused, yet 354 and the lone dot refused": (
        (250, [450], 354, 554),
        "deferred",
        [("deferred", "RCPT", 450)],
    ),
    "DATA deferred": (
        (250, [250, 550], 451, None),
        "deferred",
        [("deferred", "DATA", 451), ("rejected", "RCPT", 550)],
    ),
    "DATA refused": ((250, [250], 554, None), "rejected", [("rejected", "DATA", 554)]),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(name: str) -> None:
    replies, outcome, recipients = VERDICTS[name]
    result = transaction(*replies).result()
    assert (result.outcome, told(result)) == (outcome, recipients)
    assert result.reply == next(r.reply for r in result.recipients if r.outcome == outcome)
    assert [r.recipient for r in result.recipients] == [
        str(mailbox) for mailbox in result.message.recipients
    ]
    assert result.error is None
    assert result.id == "s.1"


LOSSES: dict[str, tuple[Any, ...]] = {
    "before the reply to MAIL": ((None, [None, None]), "MAIL", [None, None]),
    "before the replies to RCPT": ((250, [None, None]), "RCPT", [None, None]),
    "between the replies to RCPT": ((250, [550, None]), "RCPT", [550, None]),
    "before the reply to DATA": ((250, [550, 250]), "DATA", [550, None]),
    "in the mail data": ((250, [550, 250], 354), END, [550, None]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_before_the_last_octet_is_a_failure(name: str) -> None:
    replies, verb, codes = LOSSES[name]
    result = transaction(*replies).result(LOST)
    assert told(result) == [
        ("failed", verb, None) if code is None else ("rejected", "RCPT", code)
        for code in codes
    ]
    assert result.outcome == "failed"
    assert (result.reply, result.error) == (None, LOST)


def test_loss_after_the_last_octet_is_in_doubt_but_for_the_refused() -> None:
    one = transaction(250, [550, 250, 450], 354)
    one.is_end_written = True
    result = one.result(LOST)
    assert told(result) == [
        ("rejected", "RCPT", 550),
        ("in_doubt", END, None),
        ("deferred", "RCPT", 450),
    ]
    assert (result.outcome, result.reply, result.error) == ("in_doubt", None, LOST)


def test_nobody_is_in_doubt_when_all_were_refused_before_the_lone_dot() -> None:
    one = transaction(250, [550], 354)
    one.is_end_written = True
    assert told(one.result(LOST)) == [("rejected", "RCPT", 550)]


CLOSING = Reply(code=421, lines=("4.3.2 shutting down",))


@pytest.mark.parametrize(
    ("replies", "recipients"),
    [
        ((421, [None, None]), [("deferred", "MAIL", 421), ("deferred", "MAIL", 421)]),
        ((250, [421, None]), [("deferred", "RCPT", 421), ("deferred", "RCPT", 421)]),
        ((250, [550, 421]), [("rejected", "RCPT", 550), ("deferred", "RCPT", 421)]),
        ((250, [550, 250], 421), [("rejected", "RCPT", 550), ("deferred", "DATA", 421)]),
        ((250, [550, 250], 354, 421), [("rejected", "RCPT", 550), ("deferred", END, 421)]),
        # Unasked, between the 354 and the end of the mail data.
        ((250, [550, 250], 354), [("rejected", "RCPT", 550), ("deferred", END, 421)]),
    ],
)
def test_421_defers_whoever_has_no_reply_of_his_own(
    replies: tuple[Any, ...], recipients: list[tuple[str, str, int]]
) -> None:
    result = transaction(*replies).result(TransportError("421"), CLOSING)
    assert told(result) == recipients
    assert result.outcome == "deferred"


def test_421_for_something_else_does_not_settle_what_is_in_doubt() -> None:
    one = transaction(250, [250], 354)
    one.is_end_written = True
    assert told(one.result(LOST, CLOSING)) == [("in_doubt", END, None)]


def test_message_that_cannot_be_sent_here_fails_with_the_reason() -> None:
    one = transaction(None, [None])
    one.error = LocalProtocolError("too large")
    assert one.is_decided
    result = one.result()
    assert (result.outcome, result.error) == ("failed", one.error)


@pytest.mark.parametrize(
    ("replies", "recipients", "outcome"),
    [
        ((250, [550, 250], 354), [], "in_doubt"),
        ((250, [550, 450], 554), [], "deferred"),
        ((250, [550, None]), [], "failed"),
    ],
)
def test_message_as_a_whole_is_as_open_as_its_most_open_recipient(
    replies: tuple[Any, ...], recipients: list[str], outcome: str
) -> None:
    one = transaction(*replies)
    one.is_end_written = outcome == "in_doubt"
    assert one.result(LOST).outcome == outcome


@pytest.mark.parametrize(
    ("replies", "kind", "verb"),
    [
        ((250, [550], 554), RejectedError, "RCPT"),
        ((250, [450], 554), DeferredError, "RCPT"),
        ((250, [250, 550], 354, 250), RejectedError, "RCPT"),
        ((250, [250], 354, 552), RejectedError, END),
        ((421, [None]), DeferredError, "MAIL"),
    ],
)
def test_refusal_is_raised_with_its_reply(
    replies: tuple[Any, ...], kind: type[DeferredError], verb: str
) -> None:
    result = transaction(*replies).result()
    with pytest.raises(kind, match=f"^{verb}: ") as info:
        result.raise_for_outcome()
    assert info.value.verb == verb
    assert info.value.reply.code >= 400


@pytest.mark.parametrize("error", [LOST, RemoteProtocolError("not SMTP")])
@pytest.mark.parametrize("is_end_written", [False, True])
def test_loss_is_raised_as_what_it_was(error: Exception, is_end_written: bool) -> None:
    one = transaction(250, [250], 354)
    one.is_end_written = is_end_written
    with pytest.raises(type(error)) as info:
        one.result(error).raise_for_outcome()
    assert info.value is error


def test_nothing_is_raised_when_all_were_accepted() -> None:
    result = transaction(250, [250, 252], 354, 250).result()
    assert result.raise_for_outcome() is result


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("250 2.0.0 Ok: queued as 4Xb1Yz2Q9czB", "4Xb1Yz2Q9czB"),
        ("250 OK id=1rXyZ0-000abc-1H", "1rXyZ0-000abc-1H"),
        ("250 2.0.0 3BPEmP012345 Message accepted for delivery", "3BPEmP012345"),
        ("250 2.0.0 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),
        (
            "250 2.6.0 <x@y> [InternalId=1234567, Hostname=h.example] Queued mail",
            "1234567",
        ),
        (
            "250 2.0.0 OK  1700000000 a1-20020a170902.12 - gsmtp",
            "a1-20020a170902.12",
        ),
        ("250 Ok 0100018c1234abcd-1a2b-3c4d-000000", "0100018c1234abcd-1a2b-3c4d-000000"),
        ("250 2.0.0 <a@x.example> uPnQMX+g/zDdQ:T4 Saved", "uPnQMX+g/zDdQ:T4"),
        ("250 2.0.0 <a@x.example> uPnQMX+g/zDdQ:T4:R2 Saved", "uPnQMX+g/zDdQ:T4"),
        ("250-first line\n250 2.0.0 Ok: queued as ABC", "ABC"),
        ("250 Ok: queued as <ABC>.", "ABC"),
        ("250 ok", None),
        ("250", None),
        ("250 thanks", None),
        ("250 Saved", None),
        ("250 queued as", None),
    ],
)
def test_queue_id_is_read_where_its_form_is_known(text: str, name: str | None) -> None:
    assert queue_id(Reply.parse(text)) == name


def test_a_recipients_long_reply_is_kept_in_part() -> None:
    """Hundreds of recipients, 64 KB each: the memory would be the server's to spend."""
    one = transaction(250, [None])
    one.receive("RCPT", 0, Reply.of(550, f"no {'x' * 60_000}"))
    (kept,) = one.rcpt_replies
    assert kept is not None
    assert (kept.code, len(kept.text), kept.text[:4]) == (550, 4096, "no x")


def test_queue_id_is_looked_for_in_the_last_line_of_a_long_reply() -> None:
    """Patterns that take the square of the time are not let at 60 KB of it."""
    assert queue_id(Reply.of(250, f"{'x' * 60_000} queued as AB")) == "AB"
    assert queue_id(Reply.of(250, f"queued as AB {'x' * 60_000}")) is None


def test_queue_id_is_given_with_an_accepted_message_only() -> None:
    reply = Reply.parse("250 2.0.0 Ok: queued as ABC")
    one = transaction(250, [250], 354)
    one.receive(END, -1, reply)
    assert one.result().queue_id == "ABC"
    lone_dot = transaction(250, [550], 354)
    lone_dot.receive(END, -1, reply)
    assert lone_dot.result().queue_id is None


def offering(*keywords: str) -> Extensions:
    return Extensions.from_reply(Reply(code=250, lines=("mx", *keywords)))


PLAIN = Message.from_bytes("a@x.example", "b@y.example", b"Subject: hi\n\nhello\n")
EIGHT_BIT = Message.from_bytes("a@x.example", "b@y.example", "S: x\n\nhé\n".encode())
UTF8_HEADER = Message.from_bytes("a@x.example", "b@y.example", "S: é\n\nx\n".encode())
UTF8_LOCAL = Message.from_bytes("é@x.example", "b@y.example", b"S: x\n\nx\n")


@pytest.mark.parametrize(
    ("message", "keywords", "spelled"),
    [
        (PLAIN, (), []),
        (PLAIN, ("SIZE 1000", "8BITMIME", "SMTPUTF8"), ["SIZE=22"]),
        (PLAIN, ("SIZE",), ["SIZE=22"]),
        (PLAIN, ("SIZE 22",), ["SIZE=22"]),
        (EIGHT_BIT, ("8BITMIME",), ["BODY=8BITMIME"]),
        (UTF8_HEADER, ("SMTPUTF8", "8BITMIME"), ["SMTPUTF8", "BODY=8BITMIME"]),
        (UTF8_LOCAL, ("SMTPUTF8", "8BITMIME"), ["SMTPUTF8"]),
    ],
)
def test_mail_has_the_parameters_it_needs_and_no_others(
    message: Message, keywords: tuple[str, ...], spelled: list[str]
) -> None:
    parameters = mail_parameters(message, offering(*keywords))
    assert [k if v is None else f"{k}={v}" for k, v in parameters] == spelled


@pytest.mark.parametrize(
    ("message", "keywords", "why"),
    [
        (PLAIN, ("SIZE 21",), "22 octets, the server takes at most 21"),
        (EIGHT_BIT, ("SMTPUTF8",), "8BITMIME"),
        (UTF8_HEADER, ("8BITMIME",), "SMTPUTF8"),
        (UTF8_LOCAL, ("8BITMIME",), "SMTPUTF8"),
        (UTF8_HEADER, ("SMTPUTF8",), "8BITMIME"),
    ],
)
def test_message_the_server_cannot_take_is_refused_before_mail(
    message: Message, keywords: tuple[str, ...], why: str
) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        mail_parameters(message, offering(*keywords))

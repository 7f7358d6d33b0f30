"""A session of LMTP, and PRDR in one of SMTP: each recipient's reply, its row, its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio

from smtpbook.accounts.account import TlsMode
from smtpbook.errors import LocalProtocolError, RejectedError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.commands import XClient
from smtpbook.protocol.message import Message
from smtpbook.protocol.states import State
from smtpbook.session.session import open_session
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.pipeline import Pipelining
from smtpbook.transfer.transaction import Result
from tests.session.scripted import ACCOUNT, BYE, CLOSE, EHLO, Servers, Unasked, Wait

Make = Callable[..., Message]
LMTP = ACCOUNT.replace(protocol="lmtp")
HELLO = ("220 mx.test LMTP", EHLO)
PRDR_EHLO = EHLO.replace("250 SIZE", "250-PRDR\r\n250 SIZE")
OK = "250 OK"
GO = "354 go ahead"
TO = ("a@y.test", "b@y.test", "c@y.test")
END = "END-OF-DATA"


def told(result: Result) -> list[tuple[str, int | None]]:
    return [
        (one.outcome, one.reply.code if one.reply else None) for one in result.recipients
    ]


async def test_each_recipients_reply_has_a_row_and_a_time_of_its_own(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    slow = (Wait(2), Unasked(b"452 4.2.2 full\r\n"), Wait(3), Unasked(b"250 c\r\n"))
    server = servers(*HELLO, OK, OK, OK, OK, GO, "250 a", *slow, BYE)
    async with servers.open(LMTP) as session:
        result = await session.send(message(*TO))
    assert server.heard[0] == b"LHLO client.test"
    assert told(result) == [("accepted", 250), ("deferred", 452), ("accepted", 250)]
    rows = servers.rows.of("command", END)
    assert [row["recipient"] for row in rows] == list(TO)
    assert [row["reply_code"] for row in rows] == [250, 452, 250]
    assert [row["enhanced_status"] for row in rows] == [None, "4.2.2", None]
    assert [row["latency_s"] for row in rows] == pytest.approx([0, 2, 5])
    assert [row["service_s"] for row in rows] == pytest.approx([0, 2, 3])
    assert [row["bytes_sent"] for row in rows] == [3, 0, 0]
    ends = servers.rows.of("outcome")
    assert [(row["recipient"], row["outcome"], row["reply_code"]) for row in ends] == [
        ("a@y.test", "accepted", 250),
        ("b@y.test", "deferred", 452),
        ("c@y.test", "accepted", 250),
    ]
    servers.rows.check_whole()


async def test_who_has_no_reply_when_the_connection_breaks_is_in_doubt(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, OK, OK, GO, "250 a\r\n550 b", Wait(1), Unasked(b""))
    account = LMTP.replace(timeouts=5)
    async with servers.open(account) as session:
        result = await session.send(message(*TO))
    assert told(result) == [("accepted", 250), ("rejected", 550), ("in_doubt", None)]
    assert [row["error"] for row in servers.rows.of("command", END)] == [
        None,
        None,
        "TransportTimeout",
    ]
    servers.rows.check_whole()


async def test_a_refused_lhlo_is_not_followed_by_helo(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx.test LMTP", "500 no", BYE)
    with pytest.raises(RejectedError, match="LHLO: 500"):
        async with servers.open(LMTP):
            pass
    assert server.heard == [b"LHLO client.test", b"QUIT"]


async def test_a_server_that_wants_mail_data_for_nobody_gets_none(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, "550 no", GO, CLOSE)
    async with servers.open(LMTP) as session:
        result = await session.send(message("a@y.test"))
    assert told(result) == [("failed", None)]
    assert session.is_over
    assert server.heard[-1] == b"DATA"
    servers.rows.check_whole()


@pytest.mark.parametrize("pipelining", ["auto", "off"])
async def test_messages_follow_each_other_as_in_smtp(
    pipelining: Pipelining, servers: Servers, message: Make, autojump_clock: object
) -> None:
    one = (OK, OK, OK, OK, GO, "250 a\r\n250 b\r\n550 c")
    servers(*HELLO, *one, *one, *one, BYE)
    messages = [message(*TO) for _ in range(3)]
    async with servers.open(LMTP) as session:
        results = [
            told(result)
            async for result in session.send_many(messages, pipelining=pipelining)
        ]
    assert results == [[("accepted", 250), ("accepted", 250), ("rejected", 550)]] * 3
    servers.rows.check_whole()


async def test_a_typed_dot_waits_for_all_replies_and_gives_the_last(
    servers: Servers, autojump_clock: object
) -> None:
    said = (OK, OK, OK, GO, "250 a", Wait(5), Unasked(b"452 b\r\n"))
    servers(*HELLO, *said, BYE)
    async with servers.open(LMTP) as session:
        for line in ("MAIL FROM:<a@x.test>", "RCPT TO:<a@y.test>", "RCPT TO:<b@y.test>"):
            await session.command(line)
        await session.command("DATA")
        await session.command("hello")
        reply = await session.command(".")
        assert reply is not None
        assert reply.code == 452
        assert session.state is State.READY
    assert [row["reply_code"] for row in servers.rows.of("command", END)] == [250, 452]


@pytest.mark.parametrize("mail", ["MAIL FROM:<a@x.test> PRDR", "mail from:<a@x.test> prdr"])
async def test_prdr_may_be_asked_for_by_hand(
    mail: str, servers: Servers, autojump_clock: object
) -> None:
    told = "353 go\r\n250 one\r\n550 two\r\n250 all"
    servers(HELLO[0], PRDR_EHLO, OK, OK, OK, GO, told, BYE)
    to = ("RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>")
    async with servers.open() as session:
        for line in (mail, *to, "DATA", "hi", "."):
            reply = await session.command(line)
        assert reply is not None
        assert reply.text == "all"
    codes = [row["reply_code"] for row in servers.rows.of("command", END)]
    assert codes == [353, 250, 550, 250]


async def test_prdr_has_a_row_for_353_for_each_recipient_and_for_the_message(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    end = b"353 wait\r\n250 a\r\n550 b\r\n250 c\r\n250 OK id=q1\r\n"
    server = servers("220 mx.test", PRDR_EHLO, OK, OK, OK, OK, GO, end, BYE)
    asked = replace(message(*TO), options=DeliveryOptions(reply_per_recipient=True))
    async with servers.open() as session:
        result = await session.send(asked)
    assert server.heard[1].endswith(b" PRDR")
    assert told(result) == [("accepted", 250), ("rejected", 550), ("accepted", 250)]
    assert result.queue_id == "q1"
    rows = servers.rows.of("command", END)
    assert [(row["recipient"], row["reply_code"]) for row in rows] == [
        (None, 353),
        ("a@y.test", 250),
        ("b@y.test", 550),
        ("c@y.test", 250),
        (None, 250),
    ]
    servers.rows.check_whole()


async def test_a_message_that_must_not_go_out_here_is_refused_before_an_octet(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, BYE)
    asked = replace(message(), options=DeliveryOptions(hold_for_s=60))
    async with servers.open() as session:
        with pytest.raises(LocalProtocolError, match="does not offer FUTURERELEASE"):
            await session.send(asked)
    assert server.heard == [b"EHLO client.test", b"QUIT"]


async def test_xclient_begins_the_session_anew(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers(*HELLO, "220 mx.test", EHLO, BYE)
    async with servers.open() as session:
        await session.command(XClient((("NAME", "a b.example"),)).line)
        assert session.state is State.GREETED
        assert not session.extensions.has_pipelining
        await session.command("EHLO client.test")
        assert session.extensions.has_pipelining
    assert server.heard[1] == b"XCLIENT NAME=a+20b.example"


async def test_turn_ends_the_session_of_one_that_is_no_server(
    servers: Servers, autojump_clock: object
) -> None:
    servers(*HELLO, OK)
    async with servers.open() as session:
        reply = await session.command("TURN")
        assert reply is not None
        assert reply.code == 250
        assert session.state is State.CLOSED
    servers.rows.check_whole()


def test_lab_and_session_agree_on_who_got_what() -> None:
    """Connect, LHLO, replies by recipient, over TLS as in clear text."""

    async def main(lab: Lab) -> list[Result]:
        message = Message.from_bytes("ann@x.test", TO, b"S: hi\n\nhello\n")
        async with open_session(lab.account) as session:
            return [result async for result in session.send_many([message] * 3)]

    for tls in ("none", "starttls"):
        with Lab(protocol="lmtp", tls=tls) as lab:
            lab.set("b@y.test", end_of_data=Behaviour(reply="452 4.2.2 full", times=1))
            lab.set("c@y.test", rcpt=Behaviour(reply="550 5.1.1 no", times=1))
            results = trio.run(main, lab)
        assert [told(result) for result in results] == [
            [("accepted", 250), ("deferred", 452), ("rejected", 550)],
            [("accepted", 250)] * 3,
            [("accepted", 250)] * 3,
        ]
        assert [one.recipients for one in lab.received] == [TO[:1], TO, TO]
        assert results[1].queue_id == lab.received[1].queue_id
        ends = lab.log[lab.log["verb"] == END]
        assert list(ends["recipient"][:3]) == ["a@y.test", "b@y.test", "a@y.test"]


@pytest.mark.parametrize("pipelining", ["off", "auto", "stream"])
@pytest.mark.parametrize(
    ("tls", "is_sent"), [("starttls", True), ("opportunistic", False), ("none", False)]
)
def test_tls_is_required_of_a_server_that_has_proved_who_it_is(
    tls: TlsMode, is_sent: bool, pipelining: Pipelining
) -> None:
    """RFC 8689 section 4.2.1; opportunistic TLS takes any certificate."""
    asked = replace(
        Message.from_bytes("ann@x.test", TO, b"S: hi\n\nhello\n"),
        options=DeliveryOptions(requires_tls=True),
    )

    async def main(lab: Lab) -> None:
        account = lab.account.replace(tls=tls, port=lab.port)
        async with open_session(account) as session:
            if is_sent:
                result = await session.send(asked, pipelining=pipelining)
                assert result.outcome == "accepted"
                return
            with pytest.raises(LocalProtocolError, match=r"REQUIRETLS|requires TLS"):
                await session.send(asked, pipelining=pipelining)

    with Lab(extensions=["REQUIRETLS"]) as lab:
        trio.run(main, lab)
    commands = set(lab.log["command"].dropna())
    assert ("MAIL FROM:<ann@x.test> SIZE=16 REQUIRETLS" in commands) is is_sent
    assert is_sent or not {one for one in commands if one.startswith("MAIL")}

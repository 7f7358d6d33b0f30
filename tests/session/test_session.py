"""Session: the conversation's course, whatever the server makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import (
    DeferredError,
    LocalProtocolError,
    RejectedError,
    RemoteProtocolError,
    ReplyError,
    TransportError,
    TransportTimeout,
)
from smtpbook.events import Event
from smtpbook.lab.lab import Lab
from smtpbook.protocol.commands import Ehlo
from smtpbook.protocol.message import Message
from smtpbook.protocol.states import State
from smtpbook.samples import sample_path
from smtpbook.session.session import open_session
from smtpbook.transfer.transaction import Result
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    CLOSE,
    EHLO,
    Item,
    Rows,
    Scripted,
    Servers,
    Unasked,
    Wait,
)

Make = Callable[..., Message]
HELLO = ("220 mx.test", EHLO)
OK = "250 OK"
GO = "354 go ahead"


def outcomes(result: Result) -> list[str]:
    return [one.outcome for one in result.recipients]


# --- every wire case: whole, cut at every octet, octet by octet, with octets following ----


@dataclass(frozen=True)
class Case:
    """What a server says to one message for two recipients, and what comes of it."""

    name: str
    replies: tuple[Item, ...]
    outcomes: tuple[str, str]
    is_over: bool = False  # the server ends the session
    in_lockstep: int | None = None  # so many of the replies, where nothing is pipelined


CASES = (
    Case("accepted", (OK, OK, OK, GO, "250 OK"), ("accepted", "accepted")),
    Case("a bare 250", ("250", "250", "250", "354", "250"), ("accepted", "accepted")),
    Case(
        "codes that no list holds",
        ("253 a", "252 b", "299 c", "399 d", "207 e"),
        ("accepted", "accepted"),
    ),
    Case(
        "multi-line replies",
        ("250-a\r\n250 b", "250-2.1.5 a\r\n250-b\r\n250 c", OK, GO, "250-\r\n250 OK"),
        ("accepted", "accepted"),
    ),
    Case(
        "Latin-1 and NUL",
        (b"250 \xe9\r\n", b"250 o\0k\r\n", b"250 \xff\xfe\r\n", GO, b"250 caf\xe9\0\r\n"),
        ("accepted", "accepted"),
    ),
    Case("550 after the dot", (OK, OK, OK, GO, "550 spam"), ("rejected", "rejected")),
    Case("451 4.7.1", (OK, OK, OK, GO, "451 4.7.1 later"), ("deferred", "deferred")),
    Case(
        "599",
        ("599 no", "503 a", "503 b", "503 c"),
        ("rejected", "rejected"),
        in_lockstep=1,
    ),
    Case("one refused", (OK, "550 who", OK, GO, OK), ("rejected", "accepted")),
    Case(
        "each its own",
        (OK, "450 later", "550 who", "554 d"),
        ("deferred", "rejected"),
        in_lockstep=3,
    ),
    Case(
        "all refused yet 354",
        (OK, "450 later", "550 who", GO, OK),
        ("deferred", "rejected"),
        in_lockstep=3,
    ),
    Case(
        "some refused, then the message",
        (OK, "450 later", OK, GO, "554 no"),
        ("deferred", "rejected"),
    ),
    Case("DATA refused", (OK, OK, OK, "451 full"), ("deferred", "deferred")),
    Case("421 to MAIL", ("421 bye",), ("deferred", "deferred"), is_over=True),
    Case("421 to RCPT", (OK, OK, "421 bye"), ("deferred", "deferred"), is_over=True),
    Case("421 to DATA", (OK, OK, OK, "421 bye"), ("deferred", "deferred"), is_over=True),
    Case("421 to the dot", (OK, OK, OK, GO, "421 x"), ("deferred", "deferred"), True),
)


def wire(item: Item) -> bytes:
    if isinstance(item, str):
        return item.encode() + b"\r\n"
    assert isinstance(item, bytes)
    return item


@pytest.mark.parametrize("pipelining", ["auto", "off"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_ends_the_same_wherever_it_is_cut(
    case: Case, pipelining: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    replies = case.replies if pipelining == "auto" else case.replies[: case.in_lockstep]
    script = (*HELLO, *replies, BYE)
    total = sum(len(wire(item)) for item in script)
    every = range(1, total) if pipelining == "auto" else ()
    for cut in (None, *every, -1):
        server = servers(*script, cut=cut)
        async with servers.open() as session:
            result = await session.send(
                message("a@y.test", "b@y.test"),
                pipelining=pipelining,  # type: ignore[arg-type]
            )
            assert tuple(outcomes(result)) == case.outcomes, cut
            assert session.is_over is case.is_over
        if not case.is_over:
            assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_octets_behind_the_last_reply_end_the_session_but_not_the_verdict(
    case: Case, servers: Servers, message: Make, autojump_clock: object
) -> None:
    *replies, last = case.replies
    server = servers(*HELLO, *replies, wire(last) + b"250 nobody asked\r\n")
    async with servers.open() as session:
        result = await session.send(message("a@y.test", "b@y.test"))
        assert tuple(outcomes(result)) == case.outcomes
        assert session.is_over
        if not case.is_over:
            assert isinstance(session.error, RemoteProtocolError)
            assert "nobody asked" in str(session.error)
        with pytest.raises((RemoteProtocolError, TransportError)):
            await session.send(message())
    assert b"QUIT" not in server.heard
    servers.rows.check_whole()


# --- opening ------------------------------------------------------------------------------


async def test_a_greeting_of_554_is_rejected_and_quit_is_said(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers("554 No SMTP here", BYE)
    with pytest.raises(RejectedError, match="GREETING: 554 No SMTP here"):
        async with servers.open():
            pass
    assert server.heard == [b"QUIT"]
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (("421 busy",), DeferredError),
        (("421 busy", CLOSE), DeferredError),
        (("220 hi", "421 shutting down"), DeferredError),
        (("450 later", BYE), DeferredError),
        (("220 hi", "500 what", "550 no", BYE), RejectedError),
        ((b"HTTP/1.1 400 Bad Request\r\n",), RemoteProtocolError),
        (("354 what",), RemoteProtocolError),
        ((b"220 hi\r\n250 more\r\n",), RemoteProtocolError),
        ((b"220 hi\r\n421 and bye\r\n",), TransportError),
        ((CLOSE,), TransportError),
        ((b"220 h",), TransportTimeout),
        (("220 hi", b"250-mx\r\n251 other\r\n"), RemoteProtocolError),
    ],
)
async def test_a_session_that_does_not_open_says_why(
    script: tuple[Item, ...],
    error: type[Exception],
    servers: Servers,
    autojump_clock: object,
) -> None:
    servers(*script)
    with pytest.raises(error):
        async with servers.open():
            raise AssertionError("it was opened")
    servers.rows.check_whole()


async def test_helo_is_said_where_ehlo_is_refused(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", "502 what", "250 mx", OK, OK, GO, OK, BYE)
    async with servers.open() as session:
        assert not session.extensions.has_pipelining
        assert (await session.send(message())).outcome == "accepted"
    assert server.heard[:3] == [
        b"EHLO client.test",
        b"HELO client.test",
        b"MAIL FROM:<ann@x.test>",
    ]


async def test_the_greeting_alone_is_waited_for_on_wish(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", "250 mx", BYE)
    async with servers.open(ehlo=False) as session:
        assert session.state is State.GREETED
        with pytest.raises(LocalProtocolError):
            await session.send(message())
        reply = await session.command("HELO me.test")
        assert reply is not None
        assert reply.text == "mx"
    assert server.heard == [b"HELO me.test", b"QUIT"]
    servers.rows.check_whole()
    assert servers.rows.of("outcome") == []


@pytest.mark.parametrize(
    "name", ["a\r\nQUIT", "a\0b", "a>b", "a\u2028b", "a b", "", "[::1]", "-"]
)
def test_a_name_that_is_none_is_refused_before_anything_is_opened(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        Account(host="mx.test", helo=name)
    with pytest.raises(LocalProtocolError):
        Ehlo(name)


async def test_record_and_sink_are_not_both_given() -> None:
    with pytest.raises(ValueError, match="record= or sink="):
        async with open_session(ACCOUNT, print, sink=print):
            pass


# --- what cannot be sent ------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "a@x.test>\r\nRCPT TO:<b@y.test",
        "a\0@x.test",
        "a>b@x.test",
        "a\u2028@x.test",
        "a@x\u2028.test",
        "a @x.test",
        "a@x.test\r\n",
    ],
)
async def test_nothing_is_written_for_an_address_that_is_none(
    address: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers(*HELLO, BYE)
    email = EmailMessage()
    email["From"] = "ann@x.test"
    email.set_content("hi")
    async with servers.open() as session:
        before = bytes(server.received)
        with pytest.raises(LocalProtocolError):
            await session.send(Message.from_bytes(address, ["b@y.test"], b"x\r\n"))
        with pytest.raises(LocalProtocolError):
            await session.send(Message.from_bytes("b@y.test", [address], b"x\r\n"))
        with pytest.raises(LocalProtocolError):
            await session.send(email)  # nobody to send it to
        assert server.received == before
        assert not session.is_over
    assert server.heard == [b"EHLO client.test", b"QUIT"]


@pytest.mark.parametrize(
    "line",
    ["NOOP\r\nQUIT", "NOOP\n", "NOOP\r", "VRFY a\0b", "VRFY a\u2028b", "VRFY \u202e", "\t"],
)
async def test_nothing_is_written_for_a_line_that_is_none(
    line: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, BYE)
    async with servers.open() as session:
        before = bytes(server.received)
        with pytest.raises(LocalProtocolError):
            await session.command(line)
        assert server.received == before
        reply = await session.command("NOOP")
        assert reply is not None
        assert reply.code == 250
    servers.rows.check_whole()


async def test_a_message_the_server_has_no_room_for_is_not_begun(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", "250-mx\r\n250 SIZE 10", BYE)
    async with servers.open() as session:
        with pytest.raises(LocalProtocolError, match="takes at most 10"):
            await session.send(message())
    assert server.heard == [b"EHLO client.test", b"QUIT"]
    (outcome,) = servers.rows.of("outcome")
    assert (outcome["outcome"], outcome["error"]) == ("failed", "LocalProtocolError")
    servers.rows.check_whole()


# --- endings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((), ("failed", "failed")),
        ((OK, "550 who"), ("rejected", "failed")),
        ((OK, OK, OK), ("failed", "failed")),
        ((OK, "450 later", OK, GO), ("deferred", "in_doubt")),
    ],
)
@pytest.mark.parametrize("ending", [CLOSE, b"what\r\n", b"250-half"], ids=repr)
async def test_a_connection_that_ends_early_fails_or_is_in_doubt(
    replies: tuple[Item, ...],
    expected: tuple[str, str],
    ending: Item,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    servers(*HELLO, *replies, ending)
    if ending == b"what\r\n":  # what it said before proves nothing either
        expected = (expected[1],) * 2
    async with servers.open() as session:
        result = await session.send(message("a@y.test", "b@y.test"))
        assert tuple(outcomes(result)) == expected
        assert session.is_over
        assert result.error is session.error
        with pytest.raises((TransportError, RemoteProtocolError, ReplyError)):
            result.raise_for_outcome()
    servers.rows.check_whole()


async def test_the_reply_in_front_of_a_close_counts(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def reply_and_close(server: Scripted) -> None:
        await server.say(b"250 queued as 17\r\n")
        await server.stream.aclose()

    servers(*HELLO, OK, OK, GO, reply_and_close)
    async with servers.open() as session:
        result = await session.send(message())
        assert result.outcome == "accepted"
        assert result.queue_id == "17"
    servers.rows.check_whole()


async def test_a_server_that_speaks_unasked_is_left(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, OK, GO, OK, Wait(5), Unasked(b"250 by the way\r\n"))
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "accepted"
        await trio.sleep(10)
        assert session.is_over
        with pytest.raises(RemoteProtocolError, match="nobody asked for: 250 by the way"):
            await session.send(message())
        with pytest.raises(RemoteProtocolError):
            await session.command("NOOP")
    assert b"QUIT" not in server.heard
    servers.rows.check_whole()
    assert servers.rows.all[-1]["error"] == "RemoteProtocolError"


async def test_a_421_between_commands_ends_the_session(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, OK, Wait(5), Unasked(b"421 4.4.2 idle too long\r\n"))
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "accepted"
        await trio.sleep(10)
        with pytest.raises(TransportError, match="idle too long"):
            await session.send(message())
    servers.rows.check_whole()
    assert servers.rows.of("command")[-1]["reply_code"] == 421


async def test_an_early_refusal_of_the_mail_data_is_the_verdict(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def refuse(server: Scripted) -> None:
        await server.say(b"354 go\r\n")
        while len(server.received) < 300_000:
            await server.receive()
        await server.say(b"552 5.3.4 too much\r\n")

    account = ACCOUNT.replace(timeouts=30)
    big = message(data=b"x" * 900 + b"\r\n" + (b"y" * 900 + b"\r\n") * 1100)
    servers(*HELLO, OK, OK, refuse, block_takes_s=1)
    async with servers.open(account) as session:
        result = await session.send(big)
        assert result.outcome == "rejected"
        assert result.reply is not None
        assert result.reply.code == 552
        assert session.is_over  # the rest can neither be sent nor left out
    servers.rows.check_whole()
    (row,) = servers.rows.of("command", "END-OF-DATA")
    assert row["reply_code"] == 552


async def test_a_yes_before_the_end_of_the_mail_data_is_no_verdict(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def agree(server: Scripted) -> None:
        await server.say(b"354 go\r\n")
        await server.receive()
        await server.say(b"250 fine already\r\n")

    servers(*HELLO, OK, OK, agree, block_takes_s=1)
    async with servers.open() as session:
        result = await session.send(message(data=(b"y" * 900 + b"\r\n") * 300))
        assert result.outcome != "accepted"
        assert isinstance(session.error, RemoteProtocolError)
    servers.rows.check_whole()
    (row,) = servers.rows.of("command", "END-OF-DATA")
    assert row["reply_text"] == "fine already"


async def test_all_refused_yet_354_gets_the_lone_dot_alone(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, "550 who", GO, "250 taken", BYE)
    async with servers.open() as session:
        result = await session.send(message())
        assert result.outcome == "rejected"
        assert result.recipients[0].verb == "RCPT"
        with pytest.raises(RejectedError, match="RCPT: 550 who"):
            result.raise_for_outcome()
    assert server.received.endswith(b"DATA\r\n.\r\nQUIT\r\n")


@pytest.mark.parametrize(
    ("end", "raised"),
    [
        (OK, None),
        ("450 later", DeferredError),
        ("550 never", RejectedError),
        (CLOSE, TransportError),
        (b"?\r\n", RemoteProtocolError),
    ],
)
async def test_raise_for_outcome_raises_what_happened(
    end: Item,
    raised: type[Exception] | None,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    servers(*HELLO, OK, OK, GO, end, BYE)
    async with servers.open() as session:
        result = await session.send(message())
    if raised is None:
        assert result.raise_for_outcome() is result
    else:
        with pytest.raises(raised):
            result.raise_for_outcome()


async def test_a_partial_refusal_raises_the_refusal(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, "550 5.1.1 who", GO, OK, BYE)
    async with servers.open() as session:
        result = await session.send(message("a@y.test", "b@y.test"))
    assert result.outcome == "accepted"
    with pytest.raises(RejectedError, match=r"550 5\.1\.1 who"):
        result.raise_for_outcome()


async def test_a_refused_transaction_is_reset_before_the_next(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(
        *HELLO, OK, "550 who", "503 no", OK, OK, OK, GO, OK, OK, OK, GO, OK, BYE
    )
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "rejected"
        assert (await session.send(message())).outcome == "accepted"
        assert (await session.send(message())).outcome == "accepted"
    assert [line for line in server.heard if line == b"RSET"] == [b"RSET"]
    servers.rows.check_whole()


async def test_a_refused_rset_ends_the_session_and_has_its_row(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, "550 who", "503 no", "500 what is RSET")
    async with servers.open() as session:
        await session.send(message())
        assert (await session.send(message())).outcome == "failed"
        assert isinstance(session.error, RemoteProtocolError)
    servers.rows.check_whole()
    (row,) = servers.rows.of("command", "RSET")
    assert row["reply_text"] == "what is RSET"


# --- the caller's block -------------------------------------------------------------------


async def test_what_the_block_raises_comes_out_as_it_is(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers(*HELLO, BYE)
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        async with servers.open():
            raise error
    assert caught.value is error
    assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


async def test_a_group_of_the_block_comes_out_as_it_is(
    servers: Servers, autojump_clock: object
) -> None:
    servers(*HELLO, BYE)
    with pytest.raises(ExceptionGroup) as caught:
        async with servers.open():
            raise ExceptionGroup("mine", [ValueError("a"), KeyError("b")])
    assert len(caught.value.exceptions) == 2


@pytest.mark.parametrize("place", ["in the block", "in send", "in a nursery of the block"])
async def test_cancellation_is_prompt_and_says_no_more(
    place: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, Wait(1000), OK)
    started = trio.current_time()
    with trio.move_on_after(7) as scope:
        async with servers.open() as session:
            if place == "in send":
                await session.send(message())
            elif place == "in the block":
                await trio.sleep_forever()
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep_forever)
    assert scope.cancelled_caught
    assert trio.current_time() - started == 7
    assert b"QUIT" not in server.heard
    servers.rows.check_whole()
    assert len(servers.rows.of("outcome")) == (place == "in send")


def test_a_cancelled_session_says_no_quit_to_a_real_server() -> None:
    async def main(lab: Lab) -> None:
        with trio.CancelScope() as scope:
            async with open_session(lab.account, sink=rows):
                scope.cancel()
        assert scope.cancel_called

    rows = Rows()
    with Lab() as lab:
        trio.run(main, lab)
    assert [row["verb"] for row in rows.of("command")] == ["EHLO"]
    rows.check_whole()


async def test_a_session_outlives_a_send_that_was_given_up(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Given up while the envelope was on its way: drained, reset, used again."""
    server = servers(*HELLO, OK, OK, Wait(60), "451 not now", OK, OK, OK, GO, OK, BYE)
    async with servers.open() as session:
        with trio.move_on_after(5):
            await session.send(message("a@y.test"))
        result = await session.send(message("b@y.test"))
        assert result.outcome == "accepted"
        assert [one.recipient for one in result.recipients] == ["b@y.test"]
    assert server.heard.count(b"RSET") == 1
    servers.rows.check_whole()
    assert [row["outcome"] for row in servers.rows.of("outcome")] == [
        "deferred",
        "accepted",
    ]


async def test_leaving_waits_for_the_verdict_on_mail_data(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Longer than for QUIT: giving up after the dot makes duplicates (RFC 1047)."""
    server = servers(*HELLO, OK, OK, GO, Wait(120), "250 taken", BYE)
    async with servers.open() as session:
        with trio.move_on_after(5):
            await session.send(message())
    assert server.heard[-1] == b"QUIT"
    (row,) = servers.rows.of("outcome")
    assert row["outcome"] == "accepted"
    servers.rows.check_whole()


async def test_leaving_waits_ten_seconds_for_anything_else(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, Wait(1000), OK)
    started = trio.current_time()
    async with servers.open() as session:
        with trio.move_on_after(5):
            await session.send(message())
    assert trio.current_time() - started == 15
    servers.rows.check_whole()


async def test_two_tasks_do_not_share_a_session(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, OK, GO, Wait(10), OK, BYE)
    async with servers.open() as session, trio.open_nursery() as nursery:
        nursery.start_soon(session.send, message("a@y.test"))
        await trio.sleep(5)
        before = bytes(server.received)
        with pytest.raises(LocalProtocolError, match="another task"):
            await session.send(message("b@y.test"))
        with pytest.raises(LocalProtocolError, match="another task"):
            await session.command("NOOP")
        assert server.received == before
    assert [row["outcome"] for row in servers.rows.of("outcome")] == ["accepted"]


async def test_record_gets_events(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, OK, BYE)
    events: list[Event] = []
    async with open_session(ACCOUNT, events.append, connector=servers.connect) as session:
        await session.send(message())
    assert all(isinstance(event, Event) for event in events)
    assert [event.verb for event in events if event.kind == "command"] == [
        "EHLO",
        "MAIL",
        "RCPT",
        "DATA",
        "END-OF-DATA",
        "QUIT",
    ]


# --- commands -----------------------------------------------------------------------------


async def test_any_command_can_be_said(servers: Servers, autojump_clock: object) -> None:
    server = servers(*HELLO, "252 try", "500 what", "214-a\r\n214 b", BYE)
    async with servers.open() as session:
        replies = [
            await session.command(line)
            for line in ("VRFY bob", "XYZZY plugh", "HELP", "quit")
        ]
        assert [reply.code for reply in replies if reply is not None] == [
            252,
            500,
            214,
            221,
        ]
        assert session.is_over
        assert session.error is None
        with pytest.raises(TransportError, match="over"):
            await session.command("NOOP")
    assert server.heard == [
        b"EHLO client.test",
        b"VRFY bob",
        b"XYZZY plugh",
        b"HELP",
        b"quit",
    ]
    servers.rows.check_whole()


async def test_a_transaction_can_be_spoken_by_hand(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, OK, GO, OK, OK, OK, GO, OK, BYE)
    async with servers.open() as session:
        for line in ("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA"):
            assert await session.command(line) is not None
        assert await session.command("Subject: by hand") is None
        with pytest.raises(LocalProtocolError, match="mail data"):
            await session.send(message())
        assert await session.command("") is None
        reply = await session.command(".")
        assert reply is not None
        assert reply.code == 250
        assert (await session.send(message())).outcome == "accepted"
    assert server.heard[4] == b"Subject: by hand\r\n"
    servers.rows.check_whole()
    assert [row["bytes_sent"] for row in servers.rows.of("data")] == [18, 2, 22]


async def test_a_session_may_keep_nothing_for_itself(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, OK, BYE)
    async with servers.open(keeps_rows=False) as session:
        assert (await session.send(message())).outcome == "accepted"
    assert not session.rows
    assert "END-OF-DATA" in servers.rows.column("verb")


async def test_a_message_after_a_transaction_by_hand_begins_with_rset(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, OK, OK, OK, GO, OK, BYE)
    async with servers.open() as session:
        await session.command("MAIL FROM:<a@x.test>")
        assert (await session.send(message())).outcome == "accepted"
    assert server.heard[2] == b"RSET"


async def test_auth_by_hand_leaves_no_secret_in_the_record(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers(*HELLO, "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 in", BYE)
    async with servers.open() as session:
        await session.command("AUTH LOGIN")
        await session.command("YW5u")
        await session.command("c2VjcmV0")
        assert "c2VjcmV0" not in session.transcript()
    assert b"c2VjcmV0" in server.heard
    assert servers.rows.column("command") == [
        "EHLO client.test",
        "AUTH LOGIN",
        "[redacted]",
        "[redacted]",
        "QUIT",
    ]


async def test_the_seed_dialogue_is_played_word_for_word() -> None:
    """RFC 821 in the help page's words, both its faults included."""
    lines = sample_path("seed-dialogue").read_text().splitlines()
    rows = Rows()
    with Lab("seed-dialogue") as lab:
        async with open_session(lab.account, sink=rows, ehlo=False) as session:
            for line in lines:
                if line.startswith("C:"):
                    await session.command(line[2:])
        text = session.transcript()
    said = [row for row in rows.all if row["kind"] in ("greeting", "command", "data")]
    dialogue = []
    for row in said:
        if row["command"] is not None:
            dialogue.append(f"C:{row['command']}")
        if row["reply_code"] is not None:
            dialogue.append(f"S:{row['reply_code']} {row['reply_text']}")
    assert dialogue == lines
    rows.check_whole()
    place = 0
    for line in lines:
        if line not in ("C:Blah blah blah...", "C:...etc. etc. etc."):
            place = text.index(f" {line[2:]}\n", place)


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", None, "QUIT"])
async def test_what_record_raises_comes_out_as_it_is(
    verb: str | None, servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Once: what is recorded after it is not handed to it."""
    servers(*HELLO, OK, OK, GO, OK, OK, OK, GO, OK, BYE)
    seen = []

    def record(event: Event) -> None:
        seen.append(event.verb)
        if event.verb == verb:
            raise ZeroDivisionError("mine")

    async def converse() -> None:
        async with open_session(ACCOUNT, record, connector=servers.connect) as session:
            await session.send(message())
            await session.send(message())

    if verb == "QUIT":  # which decides nothing
        await converse()
    else:
        with pytest.raises(ZeroDivisionError, match="mine"):
            await converse()
    assert seen[-1] == verb

"""Send many: results in order, two messages ahead, and what a break leaves behind."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from email.message import EmailMessage
from functools import partial

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import (
    ColumnError,
    LocalProtocolError,
    RemoteProtocolError,
    TransportError,
)
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.message import Message
from smtpbook.session.record import Record
from smtpbook.session.session import Session, open_session
from smtpbook.transport.connect import connect as connect_to
from smtpbook.transport.stream import TcpStream
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    CLOSE,
    EHLO,
    PLAIN_EHLO,
    Item,
    Rows,
    Servers,
    Wait,
)

Make = Callable[..., Message]
HELLO = ("220 mx.test", EHLO)
OK = "250 OK"
GO = "354 go ahead"
TAKEN = (OK, OK, GO, OK)  # MAIL, RCPT, DATA, the dot


def people(count: int) -> list[str]:
    return [f"p{number}@y.test" for number in range(count)]


async def collect(
    session: Session, messages: object, got: list[str] | None = None, **options: object
) -> list[str]:
    """Send, and give who got what, in the order of the results; `got` is added to."""
    got = [] if got is None else got
    async for result in session.send_many(messages, **options):  # type: ignore[arg-type]
        got.append(f"{result.recipients[0].recipient} {result.outcome}")
    return got


async def slowly(messages: list[Message], seconds: float) -> AsyncIterator[Message]:
    for message in messages:
        await trio.sleep(seconds)
        yield message


# --- sources and order --------------------------------------------------------------------


@pytest.mark.parametrize("pipelining", ["auto", "off"])
@pytest.mark.parametrize("source", ["list", "generator", "async", "slow async"])
async def test_results_come_in_the_order_of_the_messages(
    pipelining: str, source: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN * 5, BYE)
    messages = [message(who) for who in people(5)]
    given = {
        "list": messages,
        "generator": iter(messages),
        "async": slowly(messages, 0),
        "slow async": slowly(messages, 60),
    }[source]
    async with servers.open() as session:
        got = await collect(session, given, pipelining=pipelining)
    assert got == [f"{who} accepted" for who in people(5)]
    servers.rows.check_whole()


async def test_a_message_that_must_not_be_written_ends_the_session_at_once(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, OK, OK, OK, GO, Wait(3600))
    seen = []

    def refuse_the_second(one: Message) -> None:
        seen.append(one)
        if len(seen) == 2:
            raise ZeroDivisionError

    got: list[str] = []
    started = trio.current_time()
    messages = [message(who) for who in people(3)]
    async with servers.open() as session:
        with pytest.raises(ZeroDivisionError):
            await collect(session, messages, got, on_mail_data=refuse_the_second)
    assert trio.current_time() - started < 1
    left = [(r.recipients[0].recipient, r.outcome) for r in session.take_results()]
    assert got == ["p0@y.test accepted"]
    assert left[0] == ("p1@y.test", "failed")
    assert all(outcome == "failed" for _, outcome in left)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("empty_first", [False, True])
async def test_no_message_is_no_result(
    is_async: bool,
    empty_first: bool,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    server = servers(*HELLO, *([] if empty_first else TAKEN), BYE)
    async with servers.open() as session:
        if not empty_first:
            await session.send(message())
        before = bytes(server.received)
        assert await collect(session, slowly([], 0) if is_async else []) == []
        assert server.received == before


async def test_emails_are_taken_as_they_are(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    email = EmailMessage()
    email["From"], email["To"], email["Bcc"] = "ann@x.test", "bob@y.test", "eve@z.test"
    email.set_content("hello")
    server = servers(*HELLO, OK, OK, OK, GO, OK, BYE)
    async with servers.open() as session:
        result = await session.send(email)
    assert [one.recipient for one in result.recipients] == ["bob@y.test", "eve@z.test"]
    assert b"eve" not in server.heard[-2]


async def test_a_message_that_cannot_be_sent_here_does_not_stop_the_others(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers("220 mx", "250-mx\r\n250-PIPELINING\r\n250 SIZE 100", *TAKEN * 2, BYE)
    big = message("big@y.test", data=b"x" * 200)
    async with servers.open() as session:
        got = await collect(session, [message("a@y.test"), big, message("b@y.test")])
    assert got == ["a@y.test accepted", "big@y.test failed", "b@y.test accepted"]
    servers.rows.check_whole()


async def test_pipelining_is_auto_or_off(servers: Servers, autojump_clock: object) -> None:
    servers(*HELLO, BYE)
    async with servers.open() as session:
        with pytest.raises(ValueError, match="off, auto"):
            session.send_many([], pipelining="maybe")  # type: ignore[arg-type]


# --- how far ahead ------------------------------------------------------------------------


@pytest.mark.parametrize("pipelining", ["auto", "off"])
async def test_at_most_two_messages_are_taken_ahead(
    pipelining: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN * 6, BYE)
    taken = 0

    def source() -> Iterator[Message]:
        nonlocal taken
        for who in people(6):
            taken += 1
            yield message(who)

    async with servers.open() as session:
        given = 0
        async for _ in session.send_many(source(), pipelining=pipelining):  # type: ignore[arg-type]
            given += 1
            assert taken <= given + 2
            await trio.sleep(100)  # a consumer that is slower than the server
            assert taken <= given + 2


async def test_at_most_three_are_taken_ahead_of_an_async_source(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN * 8, BYE)
    taken = 0

    async def source() -> AsyncIterator[Message]:
        nonlocal taken
        for who in people(8):
            taken += 1
            yield message(who)

    async with servers.open() as session:
        given = 0
        async for _ in session.send_many(source()):
            given += 1
            await trio.sleep(100)
            assert taken <= given + 3


async def test_a_slow_source_does_not_hold_back_what_is_ready(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN * 3, BYE)
    async with servers.open() as session:
        results = session.send_many(slowly([message(who) for who in people(3)], 60))
        arrivals = [trio.current_time() async for _ in results]
    assert arrivals == [60, 120, 180]


async def test_nothing_is_written_while_nobody_asks(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *TAKEN * 3, BYE)
    async with servers.open() as session:
        results = session.send_many([message(who) for who in people(3)])
        assert (await anext(results)).outcome == "accepted"
        await trio.sleep(100)
        before = bytes(server.received)
        await trio.sleep(100)
        assert server.received == before
        assert [r.outcome async for r in results] == ["accepted", "accepted"]


# --- break --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
async def test_after_a_break_the_next_envelope_is_reset(
    is_async: bool, servers: Servers, message: Make, autojump_clock: object
) -> None:
    """The next message was on its way when the loop was left, and DATA was refused."""
    server = servers(*HELLO, *TAKEN, OK, OK, "451 not now", OK, *TAKEN, BYE)
    messages = [message(who) for who in people(4)]
    async with servers.open() as session:
        async for _ in session.send_many(slowly(messages, 0) if is_async else messages):
            break
        await trio.testing.wait_all_tasks_blocked()
        before = bytes(server.received)
        await trio.sleep(100)
        assert server.received == before
        assert (await session.send(message("last@y.test"))).outcome == "accepted"
    assert server.heard.count(b"RSET") == 1
    assert [line for line in server.heard if line.startswith(b"RCPT")] == [
        b"RCPT TO:<p0@y.test>",
        b"RCPT TO:<p1@y.test>",
        b"RCPT TO:<last@y.test>",
    ]
    servers.rows.check_whole()


async def test_after_a_break_at_354_a_new_connection_is_made(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """There is no other way out of DATA: what is left incomplete is not delivered."""
    first = servers(*HELLO, *TAKEN, OK, OK, GO)
    second = servers(*HELLO, *TAKEN, BYE)
    async with servers.open() as session:
        async for _ in session.send_many([message(who) for who in people(4)]):
            break
        name = session.id
        assert (await session.send(message("last@y.test"))).outcome == "accepted"
        assert session.id != name
    assert b"RCPT TO:<p1@y.test>" in first.heard
    assert not first.received.endswith(b".\r\n")
    assert [line for line in second.heard if line.startswith(b"RCPT")] == [
        b"RCPT TO:<last@y.test>"
    ]
    servers.rows.check_whole()
    told = [(row["recipient"], row["outcome"]) for row in servers.rows.of("outcome")]
    assert told == [
        ("p0@y.test", "accepted"),
        ("p1@y.test", "failed"),
        ("last@y.test", "accepted"),
    ]


async def test_a_command_after_a_break_settles_first(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *TAKEN, OK, "550 who", "503 no", "250 noop", BYE)
    async with servers.open() as session:
        results = session.send_many([message(who) for who in people(4)])
        await anext(results)
        reply = await session.command("NOOP")
        assert reply is not None
        assert reply.text == "noop"
        with pytest.raises(TransportError, match="used for something else"):
            await anext(results)
    assert server.heard[-3:] == [b"DATA", b"NOOP", b"QUIT"]
    servers.rows.check_whole()


async def test_a_transaction_that_was_given_up_is_reset_before_a_command(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", PLAIN_EHLO, Wait(60), OK, OK, "250 noop", BYE)
    async with servers.open() as session:
        with trio.move_on_after(5):
            await session.send(message())
        reply = await session.command("NOOP")
        assert reply is not None
        assert reply.text == "noop"
    assert server.heard[2:] == [b"RSET", b"NOOP", b"QUIT"]
    servers.rows.check_whole()


async def test_leaving_the_session_after_a_break_says_quit(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *TAKEN, OK, "550 who", "503 no", BYE)
    async with servers.open() as session:
        async for _ in session.send_many([message(who) for who in people(4)]):
            break
    assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


def test_a_break_against_a_real_server_sends_nobody_more() -> None:
    async def main(lab: Lab, rows: Rows) -> None:
        messages = [Message.from_bytes("ann@x.test", [who], b"hi\r\n") for who in people(9)]
        async with open_session(lab.account, sink=rows) as session:
            async for _ in session.send_many(messages):
                break
            result = await session.send(messages[-1])
            assert result.outcome == "accepted"

    rows = Rows()
    with Lab() as lab:
        trio.run(main, lab, rows)
        assert [one.recipients for one in lab.received] == [("p0@y.test",), ("p8@y.test",)]
    rows.check_whole()


# --- errors of the source, cancellation ---------------------------------------------------


@pytest.mark.parametrize("pipelining", ["auto", "off"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_source_raises_comes_after_the_results_before_it(
    is_async: bool,
    pipelining: str,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    servers(*HELLO, *TAKEN * 3, BYE)
    messages = [message(who) for who in people(2)]

    def source() -> Iterator[Message]:
        yield from messages
        raise KeyError("mine")

    async def async_source() -> AsyncIterator[Message]:
        for one in source():
            yield one

    async with servers.open() as session:
        results = session.send_many(
            async_source() if is_async else source(),
            pipelining=pipelining,  # type: ignore[arg-type]
        )
        assert [(await anext(results)).outcome for _ in range(2)] == ["accepted"] * 2
        with pytest.raises(KeyError, match="mine"):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        assert (await session.send(message())).outcome == "accepted"
    servers.rows.check_whole()


async def test_an_email_that_is_none_comes_after_the_results_before_it(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN, BYE)
    got: list[str] = []
    async with servers.open() as session:
        with pytest.raises(LocalProtocolError, match="no From"):
            await collect(session, [message(), EmailMessage()], got)
    assert got == ["bob@y.test accepted"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("other", [None, b"", "Subject: hi"])
async def test_what_is_no_message_is_an_error_and_not_the_end(
    other: object,
    is_async: bool,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    servers(*HELLO, *TAKEN, BYE)
    items = [message(), other, message("p1@y.test")]
    got: list[str] = []

    async def source() -> AsyncIterator[object]:
        for one in items:
            yield one

    async with servers.open() as session:
        with pytest.raises(TypeError, match=f"not {type(other).__name__}"):
            await collect(session, source() if is_async else items, got)
    assert got == ["bob@y.test accepted"]


async def test_an_async_generator_is_closed_after_a_break(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    closed = []

    async def source() -> AsyncIterator[Message]:
        try:
            for who in people(9):
                yield message(who)
        finally:
            closed.append(True)

    servers(*HELLO, *TAKEN, OK, "550 who", "503 no", OK, *TAKEN, BYE)
    async with servers.open() as session:
        async for _ in session.send_many(source()):
            break
        await session.send(message())
        assert closed == [True]


async def test_a_cancelled_wait_leaves_the_session_usable(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, Wait(60), OK, *TAKEN, BYE)
    async with servers.open() as session:
        with trio.move_on_after(5):
            await collect(session, [message("a@y.test")])
        assert (await session.send(message("b@y.test"))).outcome == "accepted"
    told = [(row["recipient"], row["outcome"]) for row in servers.rows.of("outcome")]
    assert told == [("a@y.test", "accepted"), ("b@y.test", "accepted")]
    servers.rows.check_whole()


async def test_a_cancelled_write_ends_the_session(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Half a message may be on the wire: nobody can go on from there."""
    servers(*HELLO, OK, OK, GO, OK, BYE, block_takes_s=10)
    async with servers.open() as session:
        with trio.move_on_after(15):
            await session.send(message(data=(b"x" * 900 + b"\r\n") * 300))
        assert session.is_over
        (result,) = session.take_results()
        assert result.outcome == "failed"
        with pytest.raises(TransportError, match="interrupted while writing"):
            await session.send(message())
    servers.rows.check_whole()


async def test_nobody_is_refused_by_replies_that_were_for_others(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """After one reply too many, each is taken for that to the command before."""
    servers(*HELLO, OK, OK, GO, "250 taken\r\n250 taken", OK, "550 gone", OK, GO)
    messages = [message("a@y.test"), message("gone@y.test", "fine@y.test")]
    async with servers.open() as session:
        with suppress(RemoteProtocolError):
            await collect(session, messages)
    outcomes = [row["outcome"] for row in servers.rows.of("outcome")]
    assert outcomes == ["accepted", "failed", "failed"]
    rejected = [row for row in servers.rows.of("command") if row["reply_code"] == 550]
    assert [row["recipient"] for row in rejected] == ["fine@y.test"]  # as it was heard


@pytest.mark.parametrize(
    "error",
    [
        KeyError("no such column"),
        OSError(errno.ENOSPC, "No space left on device"),
        UnicodeEncodeError("latin-1", "\u20ac", 0, 1, "no euro there"),
        ColumnError("no such column"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_verdict_is_not_lost_where_recording_it_fails(
    error: Exception, servers: Servers, message: Make, autojump_clock: object
) -> None:
    def fail(event: Event) -> None:
        if event.kind == "outcome":
            raise error

    servers(*HELLO, OK, OK, GO, OK, BYE)
    got: list[str] = []
    async with open_session(ACCOUNT, fail, connector=servers.connect) as session:
        with pytest.raises(type(error)) as raised:
            await collect(session, [message("a@y.test")], got)
    assert raised.value is error
    assert got == ["a@y.test accepted"]


async def test_what_the_loop_raises_comes_out_as_it_is(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN, OK, "550 who", "503 no", BYE)

    async def leave() -> None:
        async with servers.open() as session:
            async for _ in session.send_many([message(who) for who in people(4)]):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave()
    servers.rows.check_whole()


# --- the session ends ---------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("ehlo", [EHLO, PLAIN_EHLO], ids=["pipelined", "in lockstep"])
@pytest.mark.parametrize("ending", [CLOSE, "421 bye", b"what?\r\n"], ids=repr)
async def test_messages_that_were_left_are_told_of(
    ending: Item,
    ehlo: str,
    is_async: bool,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    """Not silently: the second of two had been taken, and nothing of it was written."""
    servers("220 mx", ehlo, OK, OK, ending)
    messages = [message(who) for who in people(2)]
    got: list[str] = []
    async with servers.open() as session:
        with pytest.raises((TransportError, RemoteProtocolError)):
            await collect(session, slowly(messages, 0) if is_async else messages, got)
    assert [line.split()[0] for line in got] == ["p0@y.test"]
    servers.rows.check_whole()


async def test_an_end_with_nothing_left_is_no_error(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, "421 bye")
    async with servers.open() as session:
        assert await collect(session, [message()]) == ["bob@y.test deferred"]
        with pytest.raises(TransportError, match="421 bye"):
            await collect(session, [])


async def test_at_most_one_message_is_in_doubt(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *TAKEN, OK, OK, GO, CLOSE)
    got: list[str] = []
    async with servers.open() as session:
        with pytest.raises(TransportError):
            await collect(session, [message(who) for who in people(5)], got)
    assert got == ["p0@y.test accepted", "p1@y.test in_doubt", "p2@y.test failed"]
    servers.rows.check_whole()


def test_a_reset_in_the_middle_of_mail_data_fails_and_is_not_in_doubt() -> None:
    """Counted by what the kernel took of a real connection."""
    big = Message.from_bytes("ann@x.test", ["bob@y.test"], (b"x" * 900 + b"\r\n") * 20_000)

    async def serve(stream: trio.SocketStream) -> None:
        async with aclosing(stream):
            await stream.send_all(b"220 mx\r\n")
            for reply in (PLAIN_EHLO, OK, OK, GO):
                await stream.receive_some(4096)
                await stream.send_all(reply.encode() + b"\r\n")
            await stream.receive_some(4096)  # what is unread makes the close a reset

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
            port = listener.socket.getsockname()[1]
            account = ACCOUNT.replace(host="127.0.0.1", port=port, timeouts=20)
            async with open_session(account, sink=rows) as session:
                result = await session.send(big)
            assert result.outcome == "failed"
            nursery.cancel_scope.cancel()

    rows = Rows()
    trio.run(main)
    rows.check_whole()


def test_a_drop_at_each_place_of_a_real_server_comes_to_its_outcome() -> None:
    async def main(lab: Lab) -> str:
        async with open_session(lab.account, sink=rows) as session:
            result = await session.send(
                Message.from_bytes("ann@x.test", ["bob@y.test"], b"hi\r\n")
            )
        return result.outcome

    for place, outcome in (
        ("mail", "failed"),
        ("rcpt", "failed"),
        ("data", "failed"),
        ("end_of_data", "in_doubt"),
    ):
        rows = Rows()
        with Lab() as lab:
            lab.set(**{place: Behaviour(drop=True)})
            assert trio.run(main, lab) == outcome
            assert lab.received == []
        rows.check_whole()


def test_a_reset_within_the_last_block_fails_and_is_not_in_doubt() -> None:
    """Part of the block that holds the end was taken; the end was not."""

    async def serve(stream: trio.SocketStream) -> None:
        async with aclosing(stream):
            await stream.send_all(b"220 mx\r\n")
            for reply in (PLAIN_EHLO, OK, OK, GO):
                await stream.receive_some(4096)
                await stream.send_all(reply.encode() + b"\r\n")
            await trio.testing.wait_all_tasks_blocked(0.01)  # both buffers are full

    async def connect(account: Account, record: Record) -> TcpStream:
        stream = await connect_to(account, record)
        stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return stream

    async def main() -> None:
        listener = trio.socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        account = ACCOUNT.replace(
            host="127.0.0.1", port=listener.getsockname()[1], timeouts=20
        )
        message = Message.from_bytes("a@x.test", ["b@y.test"], (b"x" * 900 + b"\r\n") * 70)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(trio.serve_listeners, serve, [trio.SocketListener(listener)])
            )
            async with open_session(account, sink=rows, connector=connect) as session:
                result = await session.send(message)
            assert result.outcome == "failed"
            nursery.cancel_scope.cancel()

    rows = Rows()
    trio.run(main)
    rows.check_whole()

"""Stream: whole messages ahead of their replies, over streams of every kind."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import LocalProtocolError, RemoteProtocolError, TransportError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.message import Message
from smtpbook.session import dialogue
from smtpbook.session.record import Record
from smtpbook.session.session import Session, open_session
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.transaction import Result
from smtpbook.transport.connect import connect
from smtpbook.transport.stream import TcpStream
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    CHUNKING_EHLO,
    CLOSE,
    EHLO,
    PLAIN_EHLO,
    SILENCE,
    Rows,
    Scripted,
    Servers,
    Wait,
)

Make = Callable[..., Message]
HELLO = ("220 mx.test", CHUNKING_EHLO)
OK = "250 OK"
WHOLE = (OK, OK, OK, OK)  # RSET, MAIL, RCPT, BDAT
LARGE = (b"x" * 900 + b"\r\n") * 300


def people(count: int) -> list[str]:
    return [f"p{number}@y.test" for number in range(count)]


async def collect(session: Session, messages: object, **options: Any) -> list[Result]:
    """Send by stream, until the results end or the session does."""
    results = session.send_many(messages, pipelining="stream", **options)  # type: ignore[arg-type]
    got = []
    try:
        async for result in results:
            got += [result]
    except (TransportError, RemoteProtocolError):
        assert session.is_over
    return got


def told(results: list[Result]) -> list[str]:
    return [f"{r.recipients[0].recipient} {r.outcome}" for r in results]


# --- what is written ----------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
async def test_results_come_in_the_order_of_the_messages(
    is_async: bool, servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *WHOLE * 20, BYE)
    messages = [message(who) for who in people(20)]

    async def source() -> Any:
        for one in messages:
            yield one

    async with servers.open() as session:
        got = await collect(session, source() if is_async else messages, window=3)
    assert told(got) == [f"{who} accepted" for who in people(20)]
    verbs = [line.split()[0] for line in server.heard[1:-1]]
    assert verbs == [b"RSET", b"MAIL", b"RCPT", b"BDAT"] * 20
    servers.rows.check_whole()


async def test_the_window_is_written_without_waiting_and_no_more_than_it(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def look_and_reply(server: Scripted) -> None:
        await trio.sleep(10)
        assert [b"p2@" in server.received, b"p3@" in server.received] == [True, False]
        await server.say(b"250 OK\r\n")

    servers(*HELLO, look_and_reply, *(WHOLE * 5)[1:], BYE)
    async with servers.open() as session:
        await collect(session, [message(who) for who in people(5)], window=3)
    rows = servers.rows.of("command", "BDAT")
    assert [row["pipelined"] for row in rows[:4]] == [1, 1, 1, 2]
    assert [row["latency_s"] for row in rows] == [10, 10, 10, 0, 0]
    assert len({row["time"] for row in rows[:3]}) == 1


@pytest.mark.parametrize("ehlo", [EHLO, PLAIN_EHLO], ids=["no CHUNKING", "nothing"])
async def test_where_it_is_not_offered_a_stream_is_auto(
    ehlo: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", ehlo, *(OK, OK, "354 go", OK) * 3, BYE)
    async with servers.open() as session:
        got = await collect(session, [message(who) for who in people(3)])
    assert [result.outcome for result in got] == ["accepted"] * 3
    assert b"BDAT" not in server.received


@pytest.mark.parametrize("pipelining", ["off", "auto", "stream"])
async def test_chunks_that_are_asked_for_and_not_offered_are_an_error_and_nothing_is_said(
    pipelining: Any, servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", EHLO, OK, OK, "354 go", OK, BYE)
    async with servers.open() as session:
        before = bytes(server.received)
        with pytest.raises(LocalProtocolError, match="does not offer CHUNKING"):
            await session.send(message(), pipelining=pipelining, chunking=True)
        assert server.received == before
        assert (await session.send(message())).outcome == "accepted"


@pytest.mark.parametrize("window", [0, -1, 1.5, None])
async def test_a_window_is_a_number_of_messages(
    window: Any, servers: Servers, autojump_clock: object
) -> None:
    servers(*HELLO, BYE)
    async with servers.open() as session:
        with pytest.raises(ValueError, match="1 or more"):
            session.send_many([], pipelining="stream", window=window)


async def test_what_the_server_calls_the_message_is_in_the_log(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, OK, "250 2.0.0 Ok: queued as 4Xb1", BYE)
    async with servers.open() as session:
        (result,) = await collect(session, [message()])
    assert result.queue_id == "4Xb1"
    assert [row["queue_id"] for row in servers.rows.of("command", "BDAT")] == ["4Xb1"]


async def test_each_message_is_announced_before_its_data_is_written(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *WHOLE * 4, BYE)
    announced: list[str] = []

    def announce(one: Message) -> None:
        who = str(one.recipients[0])
        assert who.encode() not in server.received
        announced.append(who)

    async with servers.open() as session:
        await collect(
            session,
            [message(who) for who in people(4)],
            window=2,
            on_mail_data=announce,
        )
    assert announced == people(4)


async def test_what_a_break_has_left_to_itself_can_be_asked_for_after_the_next_use(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    refused = (OK, OK, "550 no", "503 nobody")
    servers(*HELLO, *WHOLE * 2, *refused, *(OK, OK, OK), BYE)
    async with servers.open() as session:
        messages = [message(who) for who in people(3)]
        async for _ in session.send_many(messages, pipelining="stream"):
            break
        assert (
            await session.send(message("z@y.test"), chunking=True)
        ).outcome == "accepted"
        assert told(session.take_results()) == [
            "p1@y.test accepted",
            "p2@y.test rejected",
        ]
        assert session.take_results() == []
    servers.rows.check_whole()


async def test_a_message_that_must_not_be_written_takes_those_along_that_go_with_it(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO)

    def refuse_the_second(one: Message) -> None:
        if one.recipients[0].local_part == "p1":
            raise ZeroDivisionError

    async with servers.open() as session:
        before = bytes(server.received)
        with pytest.raises(ZeroDivisionError):
            await collect(
                session,
                [message(who) for who in people(3)],
                on_mail_data=refuse_the_second,
            )
        assert server.received == before
        assert [r.outcome for r in session.take_results()] == ["failed"] * 3
    servers.rows.check_whole()


async def test_octets_add_up_to_what_went_over_the_wire(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *WHOLE, OK, OK, OK, "550 no", "250 to one", BYE)
    async with servers.open() as session:
        dots = message("a@y.test", data=b".dot\r\n\r\n..\r\n")
        await collect(session, [dots, message("b@y.test", "c@y.test")])
    rows = servers.rows.all
    assert sum(row["bytes_sent"] or 0 for row in rows) == len(server.received)  # type: ignore[misc]
    assert [row["bytes_sent"] for row in servers.rows.of("data")] == [12, 22]
    servers.rows.check_whole()


# --- both sides are busy ------------------------------------------------------------------


@pytest.fixture
def reader_waits_to_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it not come back by itself after a while, which would hide that nobody reads."""
    monkeypatch.setattr(dialogue, "_ASIDE_S", 1e6)


async def test_replies_are_read_and_stamped_while_a_large_message_is_written(
    servers: Servers,
    message: Make,
    autojump_clock: object,
    reader_waits_to_be_called: None,
) -> None:
    """Nothing is buffered between the two: whoever writes waits until the other reads."""
    before_the_data = (Wait(1), OK, Wait(1), OK, Wait(1), OK, Wait(1), OK)
    servers(*HELLO, *before_the_data * 3, BYE, is_full=True)
    async with servers.open() as session:
        messages = [message(who, data=LARGE) for who in people(3)]
        got = await collect(session, messages, window=2)
    assert [result.outcome for result in got] == ["accepted"] * 3
    for verb in ("RSET", "MAIL", "RCPT"):
        assert [row["service_s"] for row in servers.rows.of("command", verb)] == [1] * 3
    servers.rows.check_whole()


def small_buffers(size: int = 8192) -> Any:
    async def connect_small(account: Account, record: Record) -> TcpStream:
        stream = await connect(account, record)
        stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return stream

    return connect_small


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_neither_side_waits_for_ever_when_both_buffers_are_full(
    tls: Any, reader_waits_to_be_called: None
) -> None:
    """Replies longer than what the buffers hold, to messages longer than that."""
    long_reply = "\n".join(["250-" + "x" * 400] * 100)

    async def main(lab: Lab) -> list[str]:
        messages = [Message.from_bytes("a@x.test", [who], LARGE) for who in people(4)]
        account = lab.account.replace(timeouts=10)
        async with open_session(account, sink=rows, connector=small_buffers()) as session:
            return told(await collect(session, messages, window=8))

    rows = Rows()
    with Lab(tls=tls) as lab:
        lab.set(rcpt=Behaviour(reply=long_reply), bdat=Behaviour(reply=long_reply))
        assert trio.run(main, lab) == [f"{who} accepted" for who in people(4)]
        assert [one.data for one in lab.received] == [LARGE] * 4
    rows.check_whole()


# --- refusals -----------------------------------------------------------------------------


def ahead_of_data(replies: bytes) -> Callable[[Scripted], Awaitable[None]]:
    """Answer a RCPT and the BDAT behind it, before that and its data are heard."""

    async def answer(server: Scripted) -> None:
        await server.say(replies)
        await server.hear()

    return answer


async def test_a_refusal_before_the_end_of_the_data_does_not_end_the_session(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """BDAT has said how much the server has to throw away."""

    early = ahead_of_data(b"550 no\r\n503 no recipients\r\n")
    servers(*HELLO, OK, OK, early, *WHOLE, BYE, is_full=True)
    async with servers.open() as session:
        messages = [message("a@y.test", data=LARGE), message("b@y.test")]
        assert told(await collect(session, messages)) == [
            "a@y.test rejected",
            "b@y.test accepted",
        ]
    servers.rows.check_whole()


async def test_lmtp_cannot_go_on_where_one_refusal_may_stand_for_several_recipients(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """The reply to the next command would be the second recipient's."""

    early = ahead_of_data(b"250 OK\r\n552 too big\r\n")
    servers(*HELLO, OK, OK, OK, early, block_takes_s=1)
    async with servers.open(ACCOUNT.replace(protocol="lmtp")) as session:
        (result,) = await collect(session, [message("a@y.test", "b@y.test", data=LARGE)])
        assert "refused before the end of the mail data" in str(session.error)
    assert [one.outcome for one in result.recipients] == ["rejected", "failed"]


async def test_an_acceptance_before_the_end_of_the_data_breaks_the_protocol(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def accept_early(server: Scripted) -> None:
        await server.say(b"250 OK\r\n250 OK\r\n")
        await server.listen()

    servers(*HELLO, OK, OK, accept_early, is_full=True)
    async with servers.open() as session:
        (result,) = await collect(session, [message(data=LARGE * 2)])
        assert "before the end of the mail data" in str(session.error)
    assert result.outcome == "failed"


def test_every_verdict_is_what_the_lab_server_did() -> None:
    async def main(lab: Lab) -> list[Result]:
        messages = [
            Message.from_bytes(
                "ann@x.test", [f"{n}@{n % 5}.test", f"{n}@y.test"], b"hi\r\n"
            )
            for n in range(200)
        ]
        async with open_session(lab.account, sink=rows) as session:
            return await collect(session, messages, window=16)

    rows = Rows()
    with Lab(seed=5) as lab:
        lab.set(
            mail=Behaviour(reply="451 4.3.0 not now", probability=0.1),
            rcpt=Behaviour(reply="550 5.1.1 who?", probability=0.3),
            bdat=Behaviour(reply="452 4.3.1 full", probability=0.2),
        )
        results = trio.run(main, lab)
        received = [(one.data, set(one.recipients)) for one in lab.received]
    accepted = [
        {r.recipient for r in result.recipients if r.outcome == "accepted"}
        for result in results
    ]
    assert [(b"hi\r\n", them) for them in accepted if them] == received
    assert len(results) == 200
    assert len({result.outcome for result in results}) == 3
    rows.check_whole()


# --- the session ends ---------------------------------------------------------------------


@pytest.mark.parametrize("ending", [CLOSE, "421 bye", b"what?\r\n", "550 no RSET"])
async def test_those_that_were_written_whole_are_in_doubt(
    ending: Any, servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *WHOLE, ending)
    async with servers.open() as session:
        got = await collect(session, [message(who) for who in people(6)], window=3)
    # The fourth was lined up when the first was answered.
    assert [result.outcome for result in got][:3] == ["accepted", "in_doubt", "in_doubt"]
    assert all(result.outcome == "in_doubt" for result in got[1:])
    assert len(got) <= 4
    servers.rows.check_whole()


async def test_no_more_than_the_window_is_in_doubt_after_a_silence(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *WHOLE, SILENCE)
    async with servers.open() as session:
        started = trio.current_time()
        got = await collect(session, [message(who) for who in people(20)], window=5)
        assert trio.current_time() - started == 300  # the limit for RSET
    assert [result.outcome for result in got] == ["accepted"] + ["in_doubt"] * 5
    servers.rows.check_whole()


@pytest.mark.parametrize("reads", [1, 70_000])
async def test_a_write_that_breaks_tells_those_that_left_from_those_that_did_not(
    reads: int,
) -> None:
    """Counted to the octet by what the kernel took of a real connection."""
    taken = bytearray()

    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 mx\r\n")
        await stream.receive_some(4096)
        await stream.send_all(CHUNKING_EHLO.encode() + b"\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)  # both buffers are full
        while len(taken) < reads:
            taken.extend(await stream.receive_some(4096))
        await trio.testing.wait_all_tasks_blocked(0.01)
        await trio.aclose_forcefully(stream)

    listener = trio.socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await listener.bind(("127.0.0.1", 0))
    listener.listen()
    rows = Rows()
    account = ACCOUNT.replace(host="127.0.0.1", port=listener.getsockname()[1], timeouts=20)
    data = (b"x" * 900 + b"\r\n") * 20
    messages = [Message.from_bytes("a@x.test", [who], data) for who in people(6)]
    async with trio.open_nursery() as nursery:
        listening = trio.SocketListener(listener)
        nursery.start_soon(partial(trio.serve_listeners, serve, [listening]))
        async with open_session(account, sink=rows, connector=small_buffers()) as session:
            got = await collect(session, messages, window=6)
            stream = session._talk.stream
            assert isinstance(stream, TcpStream)
            left = stream.sent - len(b"EHLO client.test\r\n")
        nursery.cancel_scope.cancel()
    each = len(b"RSET\r\nMAIL FROM:<a@x.test> SIZE=18040\r\nRCPT TO:<p0@y.test>\r\n")
    each += len(b"BDAT 18040 LAST\r\n") + len(data)
    many = left // each
    assert len(taken) > 0
    assert many < 6
    outcomes = [result.outcome for result in got]
    assert outcomes == ["in_doubt"] * many + ["failed"] * (len(outcomes) - many)
    rows.check_whole()


async def test_a_cancelled_write_ends_the_session(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, *WHOLE * 3, BYE, block_takes_s=10)
    async with servers.open() as session:
        with trio.move_on_after(15):
            await collect(session, [message(who, data=LARGE) for who in people(3)])
        assert session.is_over
        assert [result.outcome for result in session.take_results()] == ["failed"]
    servers.rows.check_whole()


async def test_after_a_break_what_was_written_is_drained_and_the_session_goes_on(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, *WHOLE, Wait(60), *WHOLE * 2, *WHOLE, BYE)
    async with servers.open() as session:
        messages = [message(who) for who in people(9)]
        async for result in session.send_many(messages, pipelining="stream", window=3):
            assert result.outcome == "accepted"
            break
        last = await session.send(message("last@y.test"), pipelining="stream")
        assert last.outcome == "accepted"
    lines = [line for line in server.heard if line.startswith(b"RCPT")]
    assert lines == [
        b"RCPT TO:<p0@y.test>",
        b"RCPT TO:<p1@y.test>",
        b"RCPT TO:<p2@y.test>",
        b"RCPT TO:<last@y.test>",
    ]
    outcomes = [row["outcome"] for row in servers.rows.of("outcome")]
    assert outcomes == ["accepted"] * 4
    servers.rows.check_whole()


async def test_leaving_the_session_waits_for_what_was_written_whole(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Giving up on it makes duplicates (RFC 1047)."""
    server = servers(*HELLO, *WHOLE, Wait(250), *WHOLE * 2, BYE)
    async with servers.open() as session:
        messages = [message(who) for who in people(9)]
        async for _ in session.send_many(messages, pipelining="stream", window=3):
            break
    assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


# --- what else travels by BDAT ------------------------------------------------------------


def test_over_lmtp_each_recipient_of_each_message_has_a_verdict_of_its_own() -> None:
    async def main(lab: Lab) -> list[Result]:
        messages = [
            Message.from_bytes("a@x.test", [f"{n}@y.test", f"{n}@full.test"], b"hi\r\n")
            for n in range(20)
        ]
        async with open_session(lab.account, sink=rows) as session:
            return await collect(session, messages)

    rows = Rows()
    with Lab(protocol="lmtp") as lab:
        lab.set("*@full.test", bdat=Behaviour(reply="452 4.2.2 full"))
        results = trio.run(main, lab)
    outcomes = [[one.outcome for one in result.recipients] for result in results]
    assert outcomes == [["accepted", "deferred"]] * 20
    rows.check_whole()


@pytest.mark.parametrize("pipelining", ["off", "auto", "stream"])
def test_binary_mail_data_arrives_octet_by_octet(pipelining: Any) -> None:
    data = b"Content-Transfer-Encoding: binary\r\n\r\n\n.\r\n\0\xff" + b"x" * 2000

    async def main(lab: Lab) -> str:
        options = DeliveryOptions(is_binary=True)
        message = Message.from_bytes("a@x.test", ["b@y.test"], data, options=options)
        async with open_session(lab.account) as session:
            result = await session.send(message, pipelining=pipelining, chunking=True)
        return result.outcome

    with Lab(extensions=("PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME")) as lab:
        assert trio.run(main, lab) == "accepted"
        assert [one.data for one in lab.received] == [data]

"""Misdeeds: what a hostile server does in place of a reply, and what leads there.

A server behaves up to a stage of the session, and then does its worst.
"""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
import trustme

from smtpbook.accounts.timeouts import Timeouts
from tests.session.scripted import ACCOUNT, BYE, READY, Item, Scripted, secured

GO = "354 go ahead"
LIMITS = Timeouts(
    greeting_s=11, command_s=12, mail_s=13, rcpt_s=14, data_s=15, end_of_data_s=16,
    quit_s=17, block_s=18, tls_s=19,
)  # fmt: skip
# A password may be sent to this machine only in clear text.
ACCOUNT_HERE = ACCOUNT.replace(
    host="localhost", username="ann", password="horse", timeouts=LIMITS
)
CHUNK = 64 * 1024

Reply = str | Callable[[Scripted], Awaitable[None]]
# What a server that behaves says at each stage; the misdeed takes its place.  "mail data"
# is the time between the 354 and the end.
CLEAR: dict[str, Reply] = {
    "GREETING": "220 mx.test",
    "EHLO": "250-mx.test\r\n250-PIPELINING\r\n250 AUTH PLAIN",
    "AUTH": "235 in",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": GO,
    "END-OF-DATA": "250 OK",
    "QUIT": BYE,
}
LETTER = (*("MAIL", "RCPT", "DATA", "mail data", "END-OF-DATA"), "QUIT")
STAGES = ("GREETING", "EHLO", "AUTH", *LETTER)
SECURE_STAGES = ("STARTTLS", "handshake", "EHLO again", *LETTER)


@dataclass(frozen=True)
class Misdeed:
    """What a server does in place of a reply.

    Attributes
    ----------
    does : async callable
        Gets the server and the reply that would have been right.
    waits : bool
        Only the clock ends it.
    answers : bool
        It begins with the reply that is due, which counts.
    """

    name: str
    does: Callable[[Scripted, bytes], Awaitable[None]]
    waits: bool = False
    answers: bool = False


def says(*pieces: bytes) -> Callable[[Scripted, bytes], Awaitable[None]]:
    """Say this, where DUE stands for the reply that is due."""

    async def does(server: Scripted, due: bytes) -> None:
        await server.stream.send_all(b"".join(pieces).replace(DUE, due))

    return does


DUE = b"(due)"
UNASKED = b"250 by the way\r\n" * 5000
AHEAD = b"250 OK\r\n250 OK\r\n354 go\r\n250 taken\r\n221 bye\r\n"


async def silence(server: Scripted, due: bytes) -> None:
    pass


async def drip(server: Scripted, due: bytes) -> None:
    """An octet of a reply every half second; what comes meanwhile is read."""
    for octet in itertools.chain(due[:4], itertools.repeat(b"x"[0])):
        with trio.move_on_after(0.5):
            while True:
                await server.receive()
        await server.stream.send_all(bytes([octet]))


def tcp(server: Scripted) -> trio.SocketStream:
    stream = server.stream
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, trio.SocketStream)
    return stream


async def reset(server: Scripted, due: bytes) -> None:
    """RST."""
    tcp(server).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await tcp(server).aclose()


async def answer_and_reset(server: Scripted, due: bytes) -> None:
    await server.stream.send_all(due)
    await reset(server, due)


async def half_a_reply_and_reset(server: Scripted, due: bytes) -> None:
    await server.stream.send_all(due[:-1])
    await reset(server, due)


async def close(server: Scripted, due: bytes) -> None:
    await tcp(server).aclose()


async def half_close(server: Scripted, due: bytes) -> None:
    """Say no more, and go on listening."""
    tcp(server).socket.shutdown(socket.SHUT_WR)


async def deaf(server: Scripted, due: bytes) -> None:
    """Read no more."""
    await trio.sleep_forever()


def flood(begin: bytes, piece: bytes) -> Callable[[Scripted, bytes], Awaitable[None]]:
    """Say a piece again and again, for as long as somebody reads it, up to 1 GiB."""

    async def does(server: Scripted, due: bytes) -> None:
        block = piece * (CHUNK // len(piece))
        await server.stream.send_all(begin.replace(DUE, due) + block)
        for _ in range(2**30 // CHUNK):
            await server.stream.send_all(block)
            server.said += len(block)
        raise AssertionError("the client has read 1 GiB")

    return does


IN_MEMORY = (
    Misdeed("silence", silence, waits=True),
    Misdeed("an octet every half second", drip, waits=True),
    Misdeed("another protocol", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    Misdeed("NULs", says(b"\0" * 100 + b"\r\n")),
    Misdeed("a lone CR", says(b"250 a\rb\r\n")),
    Misdeed("a lone LF", says(b"250 a\nb\r\n")),
    Misdeed("lines that end in LF alone", says(b"250 OK\n250 OK\n\r\n")),
    Misdeed("8-bit octets", says(b"\xff\xfe\xe9\r\n")),
    Misdeed("an empty line", says(b"\r\n")),
    Misdeed("a code below 200", says(b"199 what\r\n")),
    Misdeed("a code above 599", says(b"600 what\r\n")),
    Misdeed("a code that changes", says(b"250-a\r\n550 b\r\n")),
    Misdeed("a 3yz after nothing", says(b"399 what\r\n399 what\r\n399 what\r\n399 x\r\n")),
    Misdeed("thousands of replies nobody asked for", says(DUE, UNASKED), answers=True),
    Misdeed("all replies before they are due", says(DUE, AHEAD), answers=True),
)
DEAF = Misdeed("deaf", deaf, waits=True)
FLOODS = (
    Misdeed("a line without end", flood(b"250 ", b"x")),
    Misdeed("a line without end or code", flood(b"", b"\0")),
    Misdeed("a reply without end", flood(b"", b"250-more\r\n")),
    Misdeed("replies without end", flood(DUE, b"250 more\r\n"), answers=True),
)
ON_LOOPBACK = (
    Misdeed("reset", reset),
    Misdeed("answer and reset", answer_and_reset, answers=True),
    Misdeed("half a reply and reset", half_a_reply_and_reset),
    Misdeed("close", close),
    Misdeed("half close", half_close),
    DEAF,
    *FLOODS,
)


def secure(authority: trustme.CA) -> dict[str, Reply]:
    """Give what a server with STARTTLS says."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mx.test").configure_cert(context)

    offer = "250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS"
    letter = {stage: CLEAR[stage] for stage in LETTER if stage in CLEAR}
    return {
        **{"GREETING": "220 mx.test", "EHLO": offer, "STARTTLS": secured(context)},
        **{"EHLO again": offer, **letter},
    }


def script_of(said: dict[str, Reply], stage: str, misdeed: Misdeed) -> list[Item]:
    """Behave up to a stage, and then do this."""
    stages = list(said)
    place = stages.index({"mail data": "DATA", "handshake": "STARTTLS"}.get(stage, stage))
    due = said[stages[place]]

    async def misbehave(server: Scripted) -> None:
        if stage == "mail data":
            await server.say(GO.encode() + b"\r\n")
            await server.receive()
        elif stage == "handshake":
            await server.say(READY)
        await misdeed.does(
            server, due.encode() + b"\r\n" if isinstance(due, str) else READY
        )

    return [*(said[one] for one in stages[:place]), misbehave]

"""Misdeeds: what a hostile server does in place of a reply, and what leads there.

A server behaves up to a stage of the session, and then does its worst.
"""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trustme

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.transfer.pipeline import Pipelining
from tests.session.scripted import ACCOUNT, BYE, READY, Item, Scripted, Unasked, secured

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

Reply = str | Unasked | Callable[[Scripted], Awaitable[None]]
HELLO: dict[str, Reply] = {
    "GREETING": "220 mx.test",
    "EHLO": "250-mx.test\r\n250-PIPELINING\r\n250 AUTH PLAIN",
    "AUTH": "235 in",
}
OK = "250 OK"
LETTER: dict[str, Reply] = {"MAIL": OK, "RCPT": OK, "DATA": GO, "END-OF-DATA": OK}
CHUNKED: dict[str, Reply] = {"RSET": OK, "MAIL": OK, "RCPT": OK, "BDAT": OK}
# What a server that behaves says at each stage; the misdeed takes its place.
CLEAR: dict[str, Reply] = {**HELLO, **LETTER, "QUIT": BYE}
# "mail data" is the time between the 354 and the end.
STAGES = ("GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "mail data", "END-OF-DATA")
SECURE_STAGES = ("STARTTLS", "handshake", "EHLO again", *STAGES[3:])


def second(letter: dict[str, Reply]) -> dict[str, Reply]:
    """Give what is said to the second message."""
    return {f"{stage} 2": reply for stage, reply in letter.items()}


@dataclass(frozen=True, kw_only=True)
class Way:
    """How messages are sent, and what a server that behaves says to it.

    Attributes
    ----------
    stages : tuple of str
        Where a server may do its worst; those of the second message end in 2.
    """

    name: str
    said: dict[str, Reply] = field(default_factory=CLEAR.copy)
    stages: tuple[str, ...] = (*STAGES, "QUIT")
    account: Account = ACCOUNT_HERE
    mode: Pipelining = "auto"
    messages: int = 1
    recipients: int = 1


_STREAM: dict[str, Reply] = {**CHUNKED, **second(CHUNKED), "QUIT": BYE}
WAYS = (
    Way(name="auto"),
    Way(name="off", mode="off"),
    Way(
        name="two messages",
        said={**HELLO, **LETTER, **second(LETTER), "QUIT": BYE},
        stages=("END-OF-DATA", *second(LETTER)),
        messages=2,
    ),
    Way(
        name="stream",
        said={**HELLO, "EHLO": f"250-mx\r\n250-CHUNKING\r\n{HELLO['EHLO']}", **_STREAM},
        stages=tuple(_STREAM),
        mode="stream",
        messages=2,
    ),
    Way(
        name="LMTP",
        said={
            **HELLO,
            **{"MAIL": OK, "RCPT": OK, "RCPT again": OK, "DATA": GO},
            **{"END-OF-DATA": "250 a\r\n250 b", "QUIT": BYE},
        },
        stages=("EHLO", "RCPT", "RCPT again", "DATA", "mail data", "END-OF-DATA"),
        account=ACCOUNT_HERE.replace(protocol="lmtp"),
        recipients=2,
    ),
)


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


def secured_ways(authority: trustme.CA, ca_file: Path) -> dict[str, Way]:
    """Give the ways under TLS, by the account's name for them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mx.test").configure_cert(context)
    account = ACCOUNT.replace(ca_file=ca_file, timeouts=LIMITS)
    offer = "250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS"
    said: dict[str, dict[str, Reply]] = {
        "starttls": {
            **{"GREETING": "220 mx.test", "EHLO": offer, "STARTTLS": secured(context)},
            "EHLO again": offer,
        },
        "implicit": {
            "handshake": secured(context, b""),
            **{"GREETING": Unasked(b"220 mx.test\r\n"), "EHLO": offer},
        },
    }
    return {
        tls: Way(
            name=tls,
            said={**said[tls], **LETTER, "QUIT": BYE},
            account=account.replace(tls=tls),
        )
        for tls in said
    }


def script_of(said: dict[str, Reply], stage: str, misdeed: Misdeed) -> list[Item]:
    """Behave up to a stage, and then do this."""
    stages = list(said)
    other = {"mail data": "DATA", "handshake": "STARTTLS"}
    place = stages.index(stage if stage in said else other[stage])
    item = said[stages[place]]
    is_unasked = isinstance(item, Unasked)
    due = item.what if isinstance(item, Unasked) else item

    async def misbehave(server: Scripted) -> None:
        if stage == "mail data":
            await server.say(GO.encode() + b"\r\n")
            await server.receive()
        elif stage not in said:
            await server.say(READY)
        if isinstance(due, str):
            await misdeed.does(server, due.encode() + b"\r\n")
        else:
            await misdeed.does(server, due if isinstance(due, bytes) else READY)

    last: Item = Unasked(misbehave) if is_unasked else misbehave
    return [*(said[one] for one in stages[:place]), last]

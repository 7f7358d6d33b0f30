"""Hostile servers: every misdeed at every stage ends in time, with the right verdict."""

from __future__ import annotations

import itertools
import socket
import ssl
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import RemoteProtocolError, SMTPBookError, TransportError
from smtpbook.protocol.message import Message
from smtpbook.session.stream import TcpStream
from tests.session.scripted import ACCOUNT, BYE, Item, Scripted, Servers

LIMITS = Timeouts(
    greeting_s=11, command_s=12, mail_s=13, rcpt_s=14, data_s=15, end_of_data_s=16,
    quit_s=17, block_s=18, tls_s=19,
)  # fmt: skip
LIMIT_S = {"mail data": LIMITS.block_s, "handshake": LIMITS.tls_s}
GO = "354 go ahead"
READY = b"220 go ahead\r\n"
# A password may be sent to this machine only in clear text.
ACCOUNT_HERE = ACCOUNT.replace(
    host="localhost", username="ann", password="horse", timeouts=LIMITS
)
SMALL = b"Subject: hi\r\n\r\nhello\r\n"
MEDIUM = SMALL + (b"x" * 898 + b"\r\n") * 300
# More than the kernel takes for a server that does not read.
LARGE = SMALL + (b"x" * 898 + b"\r\n") * 4_000
CHUNK = 64 * 1024
MAX_GROWTH = 10_000_000  # octets

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
    floods : bool
        It says as much as is read.
    """

    name: str
    does: Callable[[Scripted, bytes], Awaitable[None]]
    waits: bool = False
    answers: bool = False
    floods: bool = False


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
ON_LOOPBACK = (
    Misdeed("reset", reset),
    Misdeed("answer and reset", answer_and_reset, answers=True),
    Misdeed("half a reply and reset", half_a_reply_and_reset),
    Misdeed("close", close),
    Misdeed("half close", half_close),
    DEAF,
    Misdeed("a line without end", flood(b"250 ", b"x"), floods=True),
    Misdeed("a line without end or code", flood(b"", b"\0"), floods=True),
    Misdeed("a reply without end", flood(b"", b"250-more\r\n"), floods=True),
    Misdeed("replies without end", flood(DUE, b"250 more\r\n"), answers=True, floods=True),
)


@dataclass(frozen=True)
class Played:
    """What came of it; `has_left` is whether the last octet of the mail data did."""

    outcome: str | None  # None: the session did not open
    error: Exception | None
    took_s: float
    has_left: bool | None  # None: nobody can say


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


async def play(
    servers: Servers, account: Account, script: list[Item], data: bytes, mode: str, on: str
) -> Played:
    """Send a message to a server with this script."""
    server = servers(*script, is_on_loopback=on == "loopback")
    message = Message.from_bytes("ann@x.test", ["bob@y.test"], data)
    outcome, error, started = None, None, trio.current_time()
    try:
        async with servers.open(account) as session:
            result = await session.send(message, pipelining=mode)  # type: ignore[arg-type]
            outcome, error = result.outcome, session.error
    except SMTPBookError as exc:
        error = exc
    took_s = trio.current_time() - started
    servers.rows.check_whole()
    verdicts = [row["outcome"] for row in servers.rows.of("outcome")]
    assert verdicts == ([outcome] if outcome else [])
    await trio.testing.wait_all_tasks_blocked()  # the server hears what is still on its way
    return Played(outcome, error, took_s, has_left(server, len(data) + len(b".\r\n")))


def has_left(server: Scripted, octets: int) -> bool | None:
    """Whether the last of the octets behind DATA has left."""
    before, found, data = bytes(server.received).partition(b"\r\nDATA\r\n")
    if len(data) >= octets:
        return True
    if isinstance(server.stream, trio.SSLStream):
        return None
    if isinstance(server.client_stream, TcpStream):  # counted by the kernel
        return server.client_stream.sent >= len(before + found) + octets
    return False


def check(played: Played, stage: str, misdeed: Misdeed) -> None:
    """The verdict is right, and came in time."""
    limit_s = LIMIT_S.get(stage) or LIMITS.of(stage.split()[0])
    if stage == "mail data" and misdeed is not DEAF:
        limit_s = LIMITS.end_of_data_s  # it is read all the same
    assert played.took_s <= (limit_s if misdeed.waits else 0) + 1
    if misdeed.waits and stage != "handshake":  # where no octet but TLS's is waited for
        assert played.took_s >= limit_s
    assert played.outcome in verdicts(played, stage, misdeed)
    if played.outcome is None:
        assert isinstance(played.error, SMTPBookError)
    elif played.outcome != "accepted":
        assert isinstance(played.error, TransportError | RemoteProtocolError)


def verdicts(played: Played, stage: str, misdeed: Misdeed) -> set[str | None]:
    """Give what the message may have come to."""
    if stage == "QUIT":  # which decides nothing
        return {"accepted"}
    if stage == "END-OF-DATA":
        return {"accepted" if misdeed.answers else "in_doubt"}
    if stage == "mail data" or (stage == "DATA" and misdeed.answers):
        possible = {True: {"in_doubt"}, False: {"failed"}, None: {"in_doubt", "failed"}}
        return {*possible[played.has_left]}
    if stage in LETTER:
        return {"failed"}
    return {None, "failed"} if misdeed.answers else {None}


def secure(authority: trustme.CA) -> dict[str, Reply]:
    """Give what a server with STARTTLS says."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mx.test").configure_cert(context)

    async def start(server: Scripted) -> None:
        await server.say(READY)
        server.stream = secure = trio.SSLStream(
            server.stream, context, server_side=True, https_compatible=True
        )
        await secure.do_handshake()

    offer = "250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS"
    letter = {stage: CLEAR[stage] for stage in LETTER if stage in CLEAR}
    return {
        **{"GREETING": "220 mx.test", "EHLO": offer, "STARTTLS": start},
        **{"EHLO again": offer, **letter},
    }


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def loopback_clock() -> trio.testing.MockClock:
    """Virtual time that gives the kernel a moment to carry what is on its way."""
    return trio.testing.MockClock(autojump_threshold=0.05)


@pytest.fixture
def growth() -> Iterator[Callable[[], int]]:
    """Give by how many octets the memory in use has grown at most."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


def named(one: object) -> str:
    return one.name if isinstance(one, Misdeed) else str(one)


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("misdeed", IN_MEMORY, ids=named)
async def test_what_a_server_says_wrong_ends_in_time_with_the_right_verdict(
    misdeed: Misdeed, stage: str, mode: str, servers: Servers, autojump_clock: object
) -> None:
    data = MEDIUM if stage == "mail data" else SMALL
    script = script_of(CLEAR, stage, misdeed)
    check(await play(servers, ACCOUNT_HERE, script, data, mode, "memory"), stage, misdeed)


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("misdeed", ON_LOOPBACK, ids=named)
async def test_what_a_server_does_to_the_connection_ends_in_time_with_the_right_verdict(
    misdeed: Misdeed, stage: str, mode: str, servers: Servers, loopback_clock: object
) -> None:
    data = LARGE if stage == "mail data" else SMALL
    script = script_of(CLEAR, stage, misdeed)
    check(await play(servers, ACCOUNT_HERE, script, data, mode, "loopback"), stage, misdeed)


@pytest.mark.parametrize("stage", SECURE_STAGES)
@pytest.mark.parametrize("misdeed", [*ON_LOOPBACK, *IN_MEMORY[-2:]], ids=named)
async def test_under_tls_it_ends_the_same(
    misdeed: Misdeed,
    stage: str,
    servers: Servers,
    authority: trustme.CA,
    tmp_path: Path,
    loopback_clock: object,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    account = ACCOUNT.replace(tls="starttls", ca_file=tmp_path / "ca.pem", timeouts=LIMITS)
    data = LARGE if stage == "mail data" else SMALL
    script = script_of(secure(authority), stage, misdeed)
    check(await play(servers, account, script, data, "auto", "loopback"), stage, misdeed)

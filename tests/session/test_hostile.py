"""Hostile servers: every misdeed at every stage ends in time, with the right verdict."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from smtpbook.errors import RemoteProtocolError, SMTPBookError, TransportError
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.sasl.registry import MECHANISMS
from smtpbook.session.session import open_session
from smtpbook.transport.stream import TcpStream
from tests.session.misdeeds import (
    ACCOUNT_HERE,
    CLEAR,
    DEAF,
    FLOODS,
    GO,
    IN_MEMORY,
    LETTER,
    LIMITS,
    ON_LOOPBACK,
    SECURE_STAGES,
    WAYS,
    Misdeed,
    Way,
    half_a_reply_and_reset,
    script_of,
    secured_ways,
)
from tests.session.scripted import ACCOUNT, Item, Scripted, Servers

CHECKOUT = Path(__file__).parents[2]
LIMIT_S = {"mail data": LIMITS.block_s, "handshake": LIMITS.tls_s}
SMALL = b"Subject: hi\r\n\r\nhello\r\n"
MEDIUM = SMALL + (b"x" * 898 + b"\r\n") * 300
# More than the kernel takes for a server that does not read.
LARGE = SMALL + (b"x" * 898 + b"\r\n") * 4_000
MAX_GROWTH = 10_000_000  # octets


@dataclass(frozen=True)
class Played:
    """What came of it; `has_left` is whether the last octet of the mail data did."""

    outcomes: list[tuple[str, ...]]  # by message, as far as there is a result, by recipient
    error: Exception | None
    took_s: float
    has_left: bool | None  # None: nobody can say


async def play(
    servers: Servers, way: Way, script: list[Item], data: bytes, on: str
) -> Played:
    """Send messages to a server with this script."""
    server = servers(*script, is_on_loopback=on == "loopback")
    to = [f"p{number}@y.test" for number in range(way.recipients)]
    messages = [Message.from_bytes("ann@x.test", to, data)] * way.messages
    outcomes, error, started = list[tuple[str, ...]](), None, trio.current_time()
    try:
        async with servers.open(way.account) as session:
            async for result in session.send_many(messages, pipelining=way.mode):
                outcomes.append(tuple(one.outcome for one in result.recipients))
            error = session.error
    except SMTPBookError as exc:
        error = exc
    took_s = trio.current_time() - started
    servers.rows.check_whole()
    assert servers.rows.column("outcome", "outcome") == [*itertools.chain(*outcomes)]
    await trio.testing.wait_all_tasks_blocked()  # the server hears what is still on its way
    return Played(outcomes, error, took_s, has_left(server, len(data) + len(b".\r\n")))


def has_left(server: Scripted, octets: int) -> bool | None:
    """Whether the last of the octets behind the last DATA has left."""
    before, found, data = bytes(server.received).rpartition(b"\r\nDATA\r\n")
    if not found:
        return False
    if len(data) >= octets:
        return True
    if isinstance(server.stream, trio.SSLStream):
        return None
    if isinstance(server.client_stream, TcpStream):  # counted by the kernel
        return server.client_stream.sent >= len(before + found) + octets
    return False


def check(played: Played, way: Way, stage: str, misdeed: Misdeed) -> None:
    """The verdicts are right, and came in time."""
    limit_s = LIMIT_S.get(stage) or LIMITS.of(stage.split()[0])
    if stage == "mail data" and misdeed is not DEAF:
        limit_s = LIMITS.end_of_data_s  # it is read all the same
    assert played.took_s <= (limit_s if misdeed.waits else 0) + 1
    if misdeed.waits and stage != "handshake":  # where no octet but TLS's is waited for
        assert played.took_s >= limit_s
    for index in range(way.messages):
        is_told = index < len(played.outcomes)
        came_to = played.outcomes[index] if is_told else (None,) * way.recipients
        for place, outcome in enumerate(came_to):
            assert outcome in verdicts(played, way, stage, misdeed, index, place)
    if not played.outcomes:
        assert isinstance(played.error, SMTPBookError)
    elif {*itertools.chain(*played.outcomes)} != {"accepted"}:
        assert isinstance(played.error, TransportError | RemoteProtocolError)


def verdicts(
    played: Played, way: Way, stage: str, misdeed: Misdeed, index: int, place: int
) -> set[str | None]:
    """Give what a message may have come to for one of its recipients."""
    hit = 1 if stage.endswith(" 2") else 0  # the message that it happens to
    if index < hit or stage == "QUIT":  # which decides nothing
        return {"accepted"}
    if way.mode == "stream":  # all has been written by then
        if not misdeed.answers:
            return {"in_doubt"}
        # Replies that come before they are due cannot be told from those that are.
        is_answered = index == hit and stage.startswith("BDAT")
        return {"accepted"} if is_answered else {"accepted", "in_doubt"}
    if index > hit:  # replies before they are due may have opened its mail data
        return {None, "failed", *(["in_doubt"] if misdeed.answers else [])}
    name = stage.removesuffix(" 2")
    if name == "END-OF-DATA":
        if misdeed.does is half_a_reply_and_reset and place + 1 < way.recipients:
            return {"accepted", "in_doubt"}  # it is all but the last line
        return {"accepted" if misdeed.answers else "in_doubt"}
    if name == "mail data" or (name == "DATA" and misdeed.answers):
        possible = {True: {"in_doubt"}, False: {"failed"}, None: {"in_doubt", "failed"}}
        return {*possible[played.has_left]}
    if name.split()[0] in LETTER:
        return {"failed"}
    return {None, "failed"} if misdeed.answers else {None}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def loopback_clock() -> trio.testing.MockClock:
    """Virtual time that gives the kernel a moment to carry what is on its way."""
    return trio.testing.MockClock(autojump_threshold=0.05)


def named(one: object) -> str:
    return one.name if isinstance(one, Misdeed | Way) else str(one)


EVERYWHERE = pytest.mark.parametrize(
    ("way", "stage"), [(way, stage) for way in WAYS for stage in way.stages], ids=named
)


@EVERYWHERE
@pytest.mark.parametrize("misdeed", IN_MEMORY, ids=named)
async def test_what_a_server_says_wrong_ends_in_time(
    misdeed: Misdeed, way: Way, stage: str, servers: Servers, autojump_clock: object
) -> None:
    data = MEDIUM if stage == "mail data" else SMALL
    script = script_of(way.said, stage, misdeed)
    check(await play(servers, way, script, data, "memory"), way, stage, misdeed)


@EVERYWHERE
@pytest.mark.parametrize("misdeed", ON_LOOPBACK, ids=named)
async def test_what_a_server_does_to_the_connection_ends_in_time(
    misdeed: Misdeed, way: Way, stage: str, servers: Servers, loopback_clock: object
) -> None:
    data = LARGE if stage == "mail data" else SMALL
    script = script_of(way.said, stage, misdeed)
    check(await play(servers, way, script, data, "loopback"), way, stage, misdeed)


@pytest.mark.parametrize(
    ("tls", "stage"),
    [
        *(("starttls", stage) for stage in (*SECURE_STAGES, "QUIT")),
        *(("implicit", stage) for stage in ("handshake", "GREETING", "END-OF-DATA")),
    ],
)
@pytest.mark.parametrize("misdeed", [*ON_LOOPBACK, *IN_MEMORY[-2:]], ids=named)
async def test_under_tls_it_ends_in_time(
    misdeed: Misdeed,
    tls: str,
    stage: str,
    servers: Servers,
    authority: trustme.CA,
    tmp_path: Path,
    loopback_clock: object,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    way = secured_ways(authority, tmp_path / "ca.pem")[tls]
    data = LARGE if stage == "mail data" else SMALL
    script = script_of(way.said, stage, misdeed)
    check(await play(servers, way, script, data, "loopback"), way, stage, misdeed)


# --- odd, but right -----------------------------------------------------------------------

ODD = {
    "400 lines": ["more"] * 400,
    "60 KB": ["x" * 4000] * 15,
    "NULs and controls": ["\0\0\x1b[31m\x7f\t"],
    "no text": [""],
    "what is no ASCII": ["\u202egrüße \U0001f4a9", "caf\udce9"],
    "codes for a text": ["250-250 250", "550 550-", "-"],
}


@pytest.mark.parametrize("way", WAYS[:2], ids=named)
@pytest.mark.parametrize("name", ODD)
async def test_a_server_that_is_only_odd_takes_the_message(
    name: str, way: Way, servers: Servers, autojump_clock: object
) -> None:
    script: list[Item] = []
    for stage, due in CLEAR.items():
        assert isinstance(due, str)
        offer = ["PIPELINING", "AUTH PLAIN"] if stage == "EHLO" else []
        reply = Reply(code=int(due[:3]), lines=(*ODD[name], *offer))
        script.append(
            reply.to_bytes().decode("utf-8", "surrogateescape").removesuffix("\r\n")
        )
    played = await play(servers, way, script, SMALL, "memory")
    assert (played.outcomes, played.error) == ([("accepted",)], None)


# --- without an end -----------------------------------------------------------------------


@pytest.mark.parametrize("name", MECHANISMS)
async def test_challenges_without_end_are_not_answered_without_end(
    name: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers(
        "220 mx.test", f"250-mx.test\r\n250 AUTH {name}", *["334 PDFAbXg+"] * 100
    )
    with pytest.raises(SMTPBookError):
        async with servers.open(ACCOUNT_HERE.replace(auth=name)):
            pass
    assert len(server.heard) < 10
    servers.rows.check_whole()


@pytest.fixture
def growth() -> Iterator[Callable[[], int]]:
    """Give by how many octets the memory in use has grown at most."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "DATA", "END-OF-DATA"])
@pytest.mark.parametrize("misdeed", FLOODS, ids=named)
async def test_memory_does_not_grow_with_what_a_server_says(
    misdeed: Misdeed,
    stage: str,
    servers: Servers,
    growth: Callable[[], int],
    loopback_clock: object,
) -> None:
    script = script_of(CLEAR, stage, misdeed)
    await play(servers, WAYS[0], script, SMALL, "loopback")
    assert growth() < MAX_GROWTH


async def test_memory_does_not_grow_with_replies_that_are_as_long_as_may_be(
    servers: Servers, growth: Callable[[], int], autojump_clock: object
) -> None:
    async def go_on(server: Scripted) -> None:
        line = f"250-{len(server.heard)} ".ljust(4000, "x")
        await server.say(f"{line}\r\n".encode() * 15 + b"250 OK\r\n")

    letters = 60
    servers("220 mx.test", "250 mx.test", *[go_on, go_on, GO, go_on] * letters)
    message = Message.from_bytes("ann@x.test", ["bob@y.test"], SMALL)
    async with open_session(ACCOUNT, connector=servers.connect) as session:
        async for result in session.send_many(message for _ in range(letters)):
            assert result.outcome == "accepted"
    assert growth() < MAX_GROWTH


def test_servers_with_a_gibibyte_to_say_leave_a_process_as_it_was() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.session.floods"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, grown = (int(word) for word in done.stdout.split())
    assert grown < MAX_GROWTH

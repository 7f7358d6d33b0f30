"""Streams: what the kernel has taken, and what a failure is called."""

from __future__ import annotations

import socket
import ssl

import pytest
import trio
from trio.testing import assert_checkpoints

from smtpbook.errors import TLSError, TransportError, TransportTimeout
from smtpbook.transport.stream import TcpStream, tcp_below, translated
from smtpbook.transport.tls_stream import TlsStream


async def pair() -> tuple[TcpStream, socket.socket]:
    """Give our end of a connection, and the other as a plain socket."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = trio.socket.socket()
        await ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
    return TcpStream(ours), theirs


async def test_octets_go_both_ways_and_an_end_is_empty() -> None:
    stream, peer = await pair()
    with peer:
        await stream.send_all(b"EHLO x\r\n")
        assert peer.recv(100) == b"EHLO x\r\n"
        assert stream.sent == 8
        assert stream.handed_at <= trio.current_time()
        peer.sendall(b"250 hi\r\n")
        assert await stream.receive_some() == b"250 hi\r\n"
        peer.shutdown(socket.SHUT_WR)
        assert await stream.receive_some(10) == b""
    assert stream.local_address == "127.0.0.1"
    await stream.aclose()
    await stream.aclose()  # a second time is no error


async def test_who_sends_without_end_lets_others_have_their_turn() -> None:
    stream, peer = await pair()
    with peer:
        peer.sendall(b"250 hi\r\n" * 100)
        for _ in range(3):
            with assert_checkpoints():
                await stream.receive_some(1)
                await stream.receive_some(1)
    await stream.aclose()


async def test_a_full_socket_is_waited_for_and_counted(autojump_clock: object) -> None:
    stream, peer = await pair()
    big = b"x" * 20_000_000
    received = 0

    async def drain() -> None:
        nonlocal received
        peer.setblocking(False)
        reader = trio.socket.from_stdlib_socket(peer)
        while received < len(big):
            received += len(await reader.recv(1_000_000))

    with peer:
        with trio.move_on_after(5) as scope:
            await stream.send_all(big)
        assert scope.cancelled_caught
        assert 0 < stream.sent < len(big)
        rest = big[stream.sent :]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await stream.send_all(rest)
            await stream.wait_send_all_might_not_block()
        assert stream.sent == received == len(big)
        await stream.aclose()


async def test_a_connection_that_was_reset_is_broken() -> None:
    stream, peer = await pair()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")
    await stream.aclose()


async def test_closing_wakes_who_reads() -> None:
    stream, peer = await pair()

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()

    with peer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await stream.aclose()


async def test_the_tcp_stream_is_found_under_tls() -> None:
    stream, peer = await pair()
    with peer:
        secure = TlsStream(stream, ssl.create_default_context(), server_hostname="x.test")
        assert tcp_below(secure) is stream
        assert tcp_below(stream) is stream
        ours, _theirs = trio.testing.memory_stream_pair()
        assert tcp_below(ours) is None
        await stream.aclose()


@pytest.mark.parametrize(
    ("raised", "error", "told"),
    [
        (trio.BrokenResourceError("x"), TransportError, "doing it: x"),
        (ConnectionResetError(104, "x"), TransportError, "doing it: Connection reset"),
        (socket.gaierror(-2, "Name unknown"), TransportError, "doing it: Name unknown"),
        (ssl.SSLError(1, "[SSL] odd (x)"), TLSError, "doing it: "),
        (UnicodeError("label empty"), TransportError, "not a host name"),
        (TLSError("as it is"), TLSError, "^as it is$"),
    ],
)
async def test_what_goes_wrong_is_translated(
    raised: Exception, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told), translated("doing it"):
        raise raised


async def test_the_cause_of_a_broken_stream_is_what_is_told() -> None:
    def breaks(cause: Exception) -> None:
        raise trio.BrokenResourceError from cause

    with pytest.raises(TransportError, match="refused"), translated("doing it"):
        breaks(ConnectionRefusedError("refused"))
    verification = ssl.SSLCertVerificationError(1, "bad")
    verification.verify_message = "self-signed"
    with pytest.raises(TLSError, match="not accepted: self-signed"), translated("it"):
        breaks(verification)


async def test_too_long_is_a_timeout(autojump_clock: object) -> None:
    told = pytest.raises(TransportTimeout, match="waiting: nothing within 7 s")
    with told, translated("waiting", 7):
        await trio.sleep_forever()
    assert trio.current_time() == 7

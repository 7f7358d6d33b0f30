"""TLS on a stream: both ways at once, cut anywhere, and what its end looks like."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from smtpbook.transport.tls_stream import TlsStream

Theirs = trio.SSLStream[trio.abc.Stream]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_context(authority: trustme.CA, name: str = "mx.test") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def talk(
    ours: TlsStream,
    theirs: Theirs,
    client: Callable[[TlsStream], Awaitable[None]],
    server: Callable[[Theirs], Awaitable[None]],
) -> None:
    """Let both do the handshake and go on at the same time."""

    async def serve() -> None:
        await theirs.do_handshake()
        await server(theirs)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await ours.do_handshake()
            await client(ours)


def pair(authority: trustme.CA, *, is_full: bool = False) -> tuple[TlsStream, Theirs]:
    """Give both sides; with `is_full`, who writes waits until the other reads."""
    make = trio.testing.lockstep_stream_pair if is_full else trio.testing.memory_stream_pair
    left, right = make()
    ours = TlsStream(left, client_context(authority), server_hostname="mx.test")
    theirs = trio.SSLStream(
        right, server_context(authority), server_side=True, https_compatible=True
    )
    return ours, theirs


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("size", [1, 16 * 1024, 1_000_000])
async def test_octets_go_both_ways_at_once(
    size: int, is_full: bool, authority: trustme.CA
) -> None:
    ours, theirs = pair(authority, is_full=is_full)
    sent = bytes(range(256)) * (size // 256 + 1)

    async def exchange(stream: TlsStream | Theirs) -> None:
        got = bytearray()

        async def read() -> None:
            while len(got) < len(sent):
                got.extend(await stream.receive_some(5000))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await stream.send_all(sent)
        assert got == sent

    await talk(ours, theirs, exchange, exchange)


async def test_what_was_agreed_on_can_be_asked(authority: trustme.CA) -> None:
    ours, theirs = pair(authority)

    async def look(stream: TlsStream) -> None:
        assert stream.version() in ("TLSv1.2", "TLSv1.3")
        cipher = stream.cipher()
        assert cipher is not None
        assert "_" in cipher[0] or "-" in cipher[0]
        der = stream.getpeercert(binary_form=True)
        assert ssl.DER_cert_to_PEM_cert(der).startswith("-----BEGIN CERTIFICATE")

    async def nothing(stream: Theirs) -> None:
        await trio.lowlevel.checkpoint()

    await talk(ours, theirs, look, nothing)


async def test_all_certificates_are_given_as_the_server_has_shown_them(
    authority: trustme.CA,
) -> None:
    issued = authority.create_child_ca().issue_cert("mx.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    left, right = trio.testing.memory_stream_pair()
    ours = TlsStream(left, client_context(authority), server_hostname="mx.test")
    theirs = trio.SSLStream(right, context, server_side=True, https_compatible=True)

    async def look(stream: TlsStream) -> None:
        pems = [pem.bytes().decode() for pem in issued.cert_chain_pems]
        assert len(pems) == 2
        assert stream.certificate_chain() == tuple(map(ssl.PEM_cert_to_DER_cert, pems))

    async def nothing(stream: Theirs) -> None:
        await trio.lowlevel.checkpoint()

    await talk(ours, theirs, look, nothing)


@pytest.mark.parametrize("is_polite", [False, True])
async def test_the_end_is_the_end_with_or_without_close_notify(
    is_polite: bool, authority: trustme.CA
) -> None:
    ours, theirs = pair(authority)

    async def hear(stream: TlsStream) -> None:
        assert [await stream.receive_some() for _ in range(3)] == [b"bye", b"", b""]

    async def leave(stream: Theirs) -> None:
        await stream.send_all(b"bye")
        if is_polite:
            await stream.aclose()
        else:
            await stream.transport_stream.aclose()

    await talk(ours, theirs, hear, leave)


@pytest.mark.parametrize("name", ["other.test", None])
async def test_who_cannot_prove_the_name_is_told_and_refused(
    name: str | None, authority: trustme.CA
) -> None:
    left, right = trio.testing.memory_stream_pair()
    theirs_authority = trustme.CA() if name is None else authority
    context = server_context(theirs_authority, name or "mx.test")
    ours = TlsStream(left, client_context(authority), server_hostname="mx.test")
    theirs = trio.SSLStream(right, context, server_side=True)
    told: list[str] = []

    async def serve() -> None:
        try:
            await theirs.do_handshake()
            await theirs.receive_some(1)  # with TLS 1.3 the alert comes behind
        except trio.BrokenResourceError as exc:
            told.append(str(exc.__cause__))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(trio.BrokenResourceError) as caught:
                await ours.do_handshake()
            await ours.aclose()
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert "alert" in told[0].lower()


async def test_a_record_that_was_tampered_with_breaks_the_stream(
    authority: trustme.CA,
) -> None:
    ours, theirs = pair(authority)

    async def hear(stream: TlsStream) -> None:
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLError)

    async def forge(stream: Theirs) -> None:
        await stream.transport_stream.send_all(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    await talk(ours, theirs, hear, forge)


async def test_clear_text_instead_of_a_handshake_breaks_the_stream(
    authority: trustme.CA,
) -> None:
    left, right = trio.testing.memory_stream_pair()
    ours = TlsStream(left, client_context(authority), server_hostname="mx.test")
    await right.send_all(b"250 hello\r\n")
    with pytest.raises(trio.BrokenResourceError) as caught:
        await ours.do_handshake()
    assert isinstance(caught.value.__cause__, ssl.SSLError)


async def test_a_server_that_leaves_during_the_handshake_breaks_the_stream(
    authority: trustme.CA,
) -> None:
    left, right = trio.testing.memory_stream_pair()
    ours = TlsStream(left, client_context(authority), server_hostname="mx.test")
    await right.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await ours.do_handshake()


class Insatiable:
    """OpenSSL's object, and its context, at whoever asks for answers and brings no data."""

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **_: str
    ) -> object:
        self.incoming, self.outgoing = incoming, outgoing
        return self

    def pending(self) -> int:
        return 0

    def read(self, _: int) -> bytes:
        self.outgoing.write(b"x" * len(self.incoming.read()))
        raise ssl.SSLWantReadError


async def test_answers_to_a_server_that_asks_without_end_are_bounded() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    context: Any = Insatiable()
    stream = TlsStream(ours, context, server_hostname="mx.test")

    async def ask() -> None:
        while True:
            await theirs.send_all(b"x" * 1000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        with pytest.raises(trio.BrokenResourceError, match="without end"):
            await stream.receive_some()
        nursery.cancel_scope.cancel()
    assert context.outgoing.pending < 100_000

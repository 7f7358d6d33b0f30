"""Connect: from an account to a stream the dialogue can run on.

Name lookup, TCP and the TLS handshake, each timed and recorded.  No SMTP is spoken here.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import TransportError
from smtpbook.session.record import Record
from smtpbook.session.stream import TcpStream, tcp_below, tls_context, translated

Connector = Callable[[Account, Record], Awaitable[trio.abc.Stream]]
"""How a session gets its stream; tests hand in a memory stream here."""

Address = tuple[socket.AddressFamily, Any]
"""A family, and what the socket of that family connects to."""


async def connect_tcp(account: Account, record: Record) -> TcpStream:
    """Look the host up and connect to the first of its addresses that answers.

    Raises
    ------
    TransportError
        The name is not known, or no address could be reached; all are named.
    """
    deadline = trio.current_time() + account.limits.connect_s
    return await connect_to(await look_up(account, record), account, record, deadline)


async def look_up(account: Account, record: Record) -> list[Address]:
    """Ask for the host's addresses, in the order in which they are to be tried.

    Raises
    ------
    TransportError
        The name is not known, or no name.
    """
    limit_s = account.limits.connect_s
    started = trio.current_time()
    try:
        with translated(f"looking up {account.host}", limit_s):
            found = await trio.socket.getaddrinfo(
                account.host, account.port, type=socket.SOCK_STREAM
            )
    except BaseException as exc:
        record.note("dns", started, error=type(exc).__name__)
        raise
    record.note("dns", started, took_s=trio.current_time() - started)
    return [(family, address) for family, _, _, _, address in found]


async def connect_to(
    addresses: list[Address], account: Account, record: Record, deadline: float
) -> TcpStream:
    """Connect to the first of some addresses that answers.

    Raises
    ------
    TransportError
        None could be reached; all are named.
    """
    errors: list[TransportError] = []
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Each address gets an equal share of the time that is left.
        share_s = max(0.001, deadline - trio.current_time()) / left
        try:
            return await _connect(address, account, record, share_s)
        except TransportError as exc:
            errors.append(exc)
    if len(errors) == 1:
        raise errors[0]
    raise TransportError("; ".join(str(error) for error in errors))


async def _connect(
    address: Address, account: Account, record: Record, limit_s: float
) -> TcpStream:
    family, place = address
    record.server_address = str(place[0])
    doing = f"connecting to {account.host}:{account.port} ({place[0]})"
    started = trio.current_time()
    with ExitStack() as cleanup:
        try:
            with translated(doing, limit_s):
                sock = trio.socket.socket(family, socket.SOCK_STREAM)
                cleanup.callback(sock.close)
                if account.source_address is not None:
                    await sock.bind((account.source_address, 0))
                await sock.connect(place)
        except BaseException as exc:
            record.note("connect", started, error=type(exc).__name__)
            raise
        record.note("connect", started, took_s=trio.current_time() - started)
        cleanup.pop_all()
        return TcpStream(sock)


async def start_tls(
    stream: trio.abc.Stream, account: Account, record: Record
) -> trio.SSLStream[trio.abc.Stream]:
    """Do the handshake on a connected stream; the certificate must prove the host's name.

    Raises
    ------
    TLSError
        The handshake failed, or the certificate is not valid for this host.
    TransportTimeout
    """
    started = trio.current_time()
    try:
        # https_compatible: nobody waits for the other side's close_notify.  A cut
        # connection is still noticed, because a reply is then missing.
        secure = trio.SSLStream(
            stream,
            tls_context(account.ca_file),
            server_hostname=account.host,
            https_compatible=True,
        )
        with translated(f"TLS handshake with {account.host}", account.limits.tls_s):
            await secure.do_handshake()
    except BaseException as exc:
        record.note("tls", started, error=type(exc).__name__)
        raise
    cipher = secure.cipher()
    record.tls = (secure.version(), cipher[0] if cipher else None)
    record.note("tls", started, took_s=trio.current_time() - started)
    return secure


def local_address(stream: trio.abc.Stream) -> str:
    """Give our own IP address on this connection; loopback where there is no socket."""
    tcp = tcp_below(stream)
    return tcp.local_address if tcp is not None else "127.0.0.1"

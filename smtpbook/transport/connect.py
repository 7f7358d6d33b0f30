"""Connect: from an account to a stream the dialogue can run on.

Which way it goes (to an address, to a Unix socket, through a proxy), and name lookup, timed
and recorded.  Among several addresses `race` chooses; TLS comes later, in `tls`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.proxy import Proxy
from smtpbook.errors import LocalProtocolError
from smtpbook.transport.notes import Notes
from smtpbook.transport.proxying import connect_through
from smtpbook.transport.race import Address, Way, first_to_answer, look_up
from smtpbook.transport.stream import TcpStream, tcp_below


async def connect(
    account: Account,
    record: Notes,
    *,
    on_found: Callable[[list[Address]], object] | None = None,
) -> TcpStream:
    """Connect as an account says, within the time it allows.

    Parameters
    ----------
    account : Account
    record : Notes
    on_found : callable, optional
        Called with the addresses of the server's name, where it is looked up here.

    Raises
    ------
    TransportError
        The name is not known, or nobody could be reached; each attempt is named.
    LocalProtocolError
        There is no password for the proxy, or its protocol cannot carry it; or the account
        is one of `Account.direct`.
    """
    if account.relay is not None:
        raise LocalProtocolError(
            f"account {account.name} has no server of its own: "
            'open_session_to("example.org", account) finds a domain\'s'
        )
    way = Way.of(account, record)
    proxy = account.proxy
    if isinstance(proxy, Proxy):
        return await connect_through(proxy, account, way, on_found)
    if account.is_unix:
        return await first_to_answer([(socket.AF_UNIX, account.host)], way)
    found = await look_up(account.host, account.port, way)
    if on_found is not None:
        on_found(found)
    return await first_to_answer(found, way)


async def connect_to(
    addresses: Iterable[str], account: Account, record: Notes
) -> TcpStream:
    """Connect to one of some IP addresses, at an account's port; no name is looked up.

    Raises
    ------
    TransportError
        None could be reached, each is named; or there is none.
    """
    families = {True: socket.AF_INET6, False: socket.AF_INET}
    found: list[Address] = [
        (families[":" in one], (one, account.port)) for one in addresses
    ]
    return await first_to_answer(found, Way.of(account, record))


def local_address(stream: trio.abc.Stream) -> str:
    """Give our own IP address on this connection; loopback where there is no socket."""
    tcp = tcp_below(stream)
    return tcp.local_address if tcp is not None else "127.0.0.1"

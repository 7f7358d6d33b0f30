"""Helo: the name by which this machine greets a server, where an account has none."""

from __future__ import annotations

import ipaddress
import socket

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import check_helo


def own_name(address: str) -> str:
    """Give the name to greet with: a full host name, else the local address in brackets.

    Parameters
    ----------
    address : str
        The local IP address of the connection.

    >>> own_name("2001:db8::1") if "." not in socket.gethostname() else "[IPv6:2001:db8::1]"
    '[IPv6:2001:db8::1]'

    References
    ----------
    RFC 5321 section 4.1.4: a primary host name if possible, else an address literal.
    """
    name = socket.gethostname()
    if "." in name and not name.endswith((".local", ".localdomain")):
        try:
            return check_helo(name)
        except LocalProtocolError:  # a machine may call itself anything
            return _literal(address)
    return _literal(address)


def _literal(address: str) -> str:
    address = address.partition("%")[0]  # without the zone of a link-local address
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return "[127.0.0.1]"
    return f"[IPv6:{address}]" if version == 6 else f"[{address}]"

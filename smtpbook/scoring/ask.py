"""Ask: one question and its answer over a stream, within bounds, with whoever is there.

What comes back is read to its end, but no further than a limit of octets; how long it may
take is the caller's to say.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

import trio

from smtpbook.errors import LocalProtocolError, SMTPBookError, TransportError, near_miss
from smtpbook.escape import visible

MAX_ANSWER: Final = 4 << 20
"""Octets of an answer; a filter's has some thousands."""

_PORTS: Final = {"http": 11333, "spamd": 783}
_FORM: Final = "http://127.0.0.1:11333, spamd://127.0.0.1:783 or spamd:///run/spamd.sock"


class NobodyThere(TransportError):
    """Nothing listens at a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a filter listens.

    Attributes
    ----------
    scheme : {"http", "spamd"}
        rspamd's or SpamAssassin's protocol.
    host : str
        "" = a Unix socket.
    port : int
    path : str
        Of the socket.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str, *, elsewhere: bool = False) -> Self:
        """Read a URL.

        Raises
        ------
        LocalProtocolError
            It is none of these, or of another machine, and `elsewhere` is False.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except (ValueError, AttributeError):
            raise LocalProtocolError(f"that is no URL; expected such as {_FORM}") from None
        is_socket = parts.scheme == "spamd" and not host and parts.path
        if parts.scheme not in _PORTS or not (host or is_socket) or parts.username:
            hint = near_miss(parts.scheme, _PORTS)
            raise LocalProtocolError(
                f"{visible(url, max_chars=100)!a} is no place of a filter{hint}; expected "
                f"such as {_FORM}"
            )
        if host and not elsewhere and not _is_here(host):
            raise LocalProtocolError(
                f"{visible(host, max_chars=100)!a} is another machine, and the message "
                "would go there unprotected; say elsewhere=True if that is what you want"
            )
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS[parts.scheme],
            path=parts.path if not host else "",
        )

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


async def exchange(place: Place, question: Iterable[bytes], *, ends: bool) -> bytes:
    """Connect, say something, and give everything that is said back.

    Parameters
    ----------
    place : Place
    question : iterable of bytes
    ends : bool
        Say that nothing follows, as spamd wants it.

    Raises
    ------
    NobodyThere
        Nothing listens there.
    TransportError
        The connection broke.
    SMTPBookError
        The answer is longer than `MAX_ANSWER`.
    """
    answer = bytearray()
    async with await _connect(place) as stream:
        # Who does not want it all may answer and hang up: the answer says why.
        with suppress(trio.BrokenResourceError):
            for octets in question:
                await stream.send_all(octets)
            if ends:
                await stream.send_eof()
        try:
            async for piece in stream:
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise SMTPBookError(f"{place}: the answer is too long to be a filter's")
        except trio.BrokenResourceError as exc:
            raise TransportError(f"{place}: the connection broke") from exc
    return bytes(answer)


async def _connect(place: Place) -> trio.SocketStream:
    try:
        if place.path:
            return await trio.open_unix_socket(place.path)
        return await trio.open_tcp_stream(place.host, place.port)
    except (OSError, RuntimeError) as exc:  # RuntimeError: there are no Unix sockets here
        cause: BaseException = exc
        if isinstance(cause.__cause__, OSError):  # trio tells of all addresses at once
            cause = cause.__cause__
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else exc
        raise NobodyThere(f"{place}: {visible(str(said), max_chars=100)}") from exc


def _is_here(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Proxying: a connection through a proxy, and what the proxy said to it.

SOCKS and HTTP's CONNECT are python-socks's; here it is given a connected stream, and never
an octet more than the proxy's own, for behind them comes the server's greeting.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.proxy import Proxy
from smtpbook.accounts.secret import Redactor, Secret
from smtpbook.errors import LocalProtocolError, TransportError, TransportTimeout
from smtpbook.escape import visible
from smtpbook.protocol.commands import REDACTED
from smtpbook.transport.race import Address, Way, first_to_answer, look_up
from smtpbook.transport.stream import TcpStream, translated

_END_OF_HEAD: Final = b"\r\n\r\n"
_MAX_HEAD: Final = 16 * 1024  # octets of an HTTP reply's head; the usual has a hundred
_MAX_TOLD: Final = 300  # characters of what a proxy says
_MAX_SOCKS: Final = 255  # octets of a name or password: its length is one (RFC 1929)


async def connect_through(
    proxy: Proxy,
    account: Account,
    way: Way,
    on_found: Callable[[list[Address]], object] | None = None,
) -> TcpStream:
    """Connect to an account's server through its proxy.

    Where the name is looked up on this machine, each of its addresses is asked for in turn.

    Raises
    ------
    TransportError
        The proxy cannot be reached, or does not connect; the message says that it is the
        proxy's.
    LocalProtocolError
        There is no password for the proxy, or its protocol cannot carry it.
    """
    # A callable may ask a keyring: not on the trio thread.
    secret = await trio.to_thread.run_sync(account.proxy_secret)
    _check_login(proxy, secret)
    targets = await _targets(proxy, account, way, on_found)
    to_proxy = replace(way, to=f"the proxy {proxy}", about=str(proxy))
    found = await look_up(proxy.host, proxy.port, to_proxy)
    errors: list[TransportError] = []
    for target in targets:
        stream = await first_to_answer(found, to_proxy)
        try:
            await _ask(proxy, secret, stream, target, account, to_proxy)
            return stream
        except TransportError as exc:
            errors.append(exc)
    if len(errors) == 1:
        raise errors[0]
    raise TransportError("; ".join(map(str, errors)))


async def _targets(
    proxy: Proxy,
    account: Account,
    way: Way,
    on_found: Callable[[list[Address]], object] | None,
) -> list[str]:
    """Give what the proxy is asked for: the server's name, or its addresses."""
    if proxy.looks_up:
        with translated(f"asking the proxy {proxy} for {account.host}"):
            return [_checked_name(account.host)]
    # SOCKS4 has room for four octets of address.
    family = socket.AF_INET if proxy.scheme == "socks4" else socket.AF_UNSPEC
    found = await look_up(account.host, account.port, way, family)
    if on_found is not None:
        on_found(found)
    return list(dict.fromkeys(str(place[0]) for _, place in found))


def _checked_name(host: str) -> str:
    """Spell a name in A-labels, as every proxy understands it."""
    name = host.encode("idna").decode()
    # Its length in octets goes into one octet (RFC 1928 section 5).
    if len(name) > _MAX_SOCKS:
        raise UnicodeError("too long")
    return name


def _check_login(proxy: Proxy, secret: Secret | None) -> None:
    """Refuse a login that the proxy's protocol cannot carry; no part of it is shown."""
    for what, text in (
        ("username", proxy.username or ""),
        ("password", secret.reveal() if secret is not None else ""),
    ):
        if proxy.scheme == "http":
            # A colon ends the name (RFC 7617 section 2).
            is_fit = all(ord(c) < 256 for c in text) and not (
                what == "username" and ":" in text
            )
        else:
            is_fit = text.isascii() and "\0" not in text and len(text) <= _MAX_SOCKS
        if not is_fit:
            del text  # a traceback that shows locals must not show it
            raise LocalProtocolError(
                f"the {what} of the proxy {proxy} is too long, or holds a character that "
                f"{proxy.scheme} cannot carry"
            )


async def _ask(
    proxy: Proxy,
    secret: Secret | None,
    stream: TcpStream,
    target: str,
    account: Account,
    way: Way,
) -> None:
    """Have the proxy connect a stream to a target.

    Raises
    ------
    TransportError
        It does not; the stream is closed.
    """
    started = trio.current_time()
    failure: BaseException
    try:
        with translated("its reply", way.limit_s, deadline=way.deadline):
            await _speak(proxy, secret, stream, target, account.port)
    except BaseException as exc:
        failure = exc
    else:
        took_s = trio.current_time() - started
        way.record.note("proxy", started, took_s=took_s, about=way.about)
        return
    # From here on without the frames that hold the password.
    if isinstance(failure, Exception):
        failure = _told(failure, proxy, secret, account)
    try:
        error = type(failure).__name__
        way.record.note("proxy", started, error=error, about=way.about)
    finally:
        await trio.aclose_forcefully(stream)
    raise failure


async def _speak(
    proxy: Proxy, secret: Secret | None, stream: TcpStream, target: str, port: int
) -> None:
    from python_socks import ProxyType
    from python_socks.async_.trio import Proxy as Speaker

    speaker = Speaker(
        ProxyType[proxy.scheme[:6].upper()],  # socks5h is a SOCKS5 that is told names
        proxy.host,
        proxy.port,
        username=proxy.username,
        password=secret.reveal() if secret is not None else None,
        rdns=True,
        # Where it would open a connection, it takes ours.
        forward=_Connected(stream, is_http=proxy.scheme == "http"),  # type: ignore[arg-type]
    )
    if proxy.scheme == "http" and ":" in target:
        target = f"[{target}]"  # RFC 3986 section 3.2.2
    try:
        await speaker.connect(target, port, timeout=math.inf)
    except UnicodeError:
        raise TransportError("its reply cannot be read") from None


class _Connected:
    """Our stream, as python-socks has a proxy before the proxy and its socket."""

    def __init__(self, stream: TcpStream, *, is_http: bool) -> None:
        self._stream = stream
        self._is_http = is_http

    async def connect(self, **_: Any) -> _Connected:
        """Give the socket; it is connected."""
        return self

    async def send(self, octets: bytes) -> int:
        """Write all."""
        await self._stream.send_all(octets)
        return len(octets)

    async def recv(self, max_bytes: int) -> bytes:
        """Read no more than is asked for; or an HTTP reply's head, and nothing behind it.

        python-socks asks once for a whole reply, and would drop what came along with it.
        """
        return await (
            self._head() if self._is_http else self._stream.receive_some(max_bytes)
        )

    async def _head(self) -> bytes:
        head = bytearray()
        while not head.endswith(_END_OF_HEAD):
            # No more than what is missing, at the least, from its end.
            missing = next(n for n in range(1, 5) if head.endswith(_END_OF_HEAD[: 4 - n]))
            octets = await self._stream.receive_some(missing)
            head += octets
            if not head.startswith(b"HTTP/"[: len(head)]):
                raise TransportError("what it says is not HTTP")
            if not octets:
                raise TransportError("it has closed the connection")
            if len(head) > _MAX_HEAD:
                raise TransportError("its reply does not end")
        return bytes(head)

    def close(self) -> None:
        """Leave that to who has opened it."""


def _told(
    failure: Exception, proxy: Proxy, secret: Secret | None, account: Account
) -> TransportError:
    """Make it our error: the proxy's, without what it may repeat of the password."""
    redactor = Redactor(REDACTED)
    if secret is not None:
        # HTTP is told both with a colon between them, as base64 (RFC 7617 section 2) of
        # Latin-1; others write UTF-8.
        for encoding in ("latin-1", "utf-8"):
            redactor.hide(
                secret.reveal().encode(encoding),
                f"{proxy.username}:{secret.reveal()}".encode(encoding),
            )
    text = visible(redactor.redacted(str(failure)), max_chars=_MAX_TOLD)
    hint = ""
    if proxy.username is None and any(word in text.lower() for word in ("auth", "407")):
        url = str(proxy).replace("://", "://username:password@", 1)
        hint = f'; it wants a login: proxy="{url}"'
    kind = TransportTimeout if isinstance(failure, TransportTimeout) else TransportError
    return kind(f"the proxy {proxy} does not connect to {account.place}: {text}{hint}")

"""Streams: the octets' way to the server and back.

A TCP stream that tries the socket before it waits, and what a failed read or write means,
translated in one place.  No SMTP here.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from smtpbook.errors import TLSError, TransportError, TransportTimeout
from smtpbook.transport.tls_stream import TlsStream

_READ_BYTES = 64 * 1024


class TcpStream(trio.abc.Stream):
    """A connected socket, TCP or Unix, as a trio stream.

    Theory of operation: trio's own `SocketStream` passes through the scheduler on every
    send.  Nearly every send of a mail client fits into the socket's buffer, so this one
    tries first and waits only when the socket would block; the wait for the reply, which
    always follows, is the checkpoint.

    Attributes
    ----------
    sent : int
        Octets the kernel has taken so far.  After a failed write it tells how far the
        write came.
    handed_at : float
        When the last octet written was handed to the kernel, on trio's clock.  Taken just
        before the call, which lets other threads have the interpreter.
    local_address : str
        Our own IP address; loopback's at a Unix socket, which has none.
    on_full : callable or None
        Called when the kernel takes no more octets, before waiting for it.
    """

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self.sent = 0
        self.handed_at = 0.0
        self._must_wait = True  # the greeting has to be waited for, too
        self.on_full: Callable[[], object] | None = None
        self._socket = socket.socket(fileno=sock.detach())
        self._socket.setblocking(False)
        self._fd = self._socket.fileno()
        # Asked by name, trio looks the clock up each time, at four times the price.
        self._clock = trio.lowlevel.current_clock()
        self.local_address = "127.0.0.1"
        if self._socket.family in (socket.AF_INET, socket.AF_INET6):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.local_address = str(self._socket.getsockname()[0])

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand all of the octets to the kernel.

        Raises
        ------
        trio.BrokenResourceError
            The connection was lost.
        """
        rest = data
        while rest:
            self.handed_at = self._clock.current_time()
            try:
                count = self._socket.send(rest)
            except BlockingIOError:
                if self.on_full is not None:
                    self.on_full()
                await trio.lowlevel.wait_writable(self._fd)
                continue
            except OSError as exc:
                raise trio.BrokenResourceError(str(exc)) from exc
            self.sent += count
            self._must_wait = True
            rest = memoryview(rest)[count:] if count < len(rest) else b""

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes octets again."""
        await trio.lowlevel.wait_writable(self._fd)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for octets; empty means the server has closed its side.

        Raises
        ------
        trio.BrokenResourceError
            The connection was lost.
        """
        # Right after a command its reply has not come yet, and waiting is the checkpoint;
        # after a reply the next one may be there.  Once: whoever sends without end must not
        # keep other tasks, and time limits, from their turn.
        waits, self._must_wait = self._must_wait, True
        while True:
            if waits:
                await trio.lowlevel.wait_readable(self._fd)
                self._must_wait = False
            waits = True
            try:
                return self._socket.recv(max_bytes or _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as exc:
                raise trio.BrokenResourceError(str(exc)) from exc

    async def aclose(self) -> None:
        """Close; what the kernel has taken is still delivered."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._fd)
            self._socket.close()
        await trio.lowlevel.checkpoint()


def tcp_below(stream: trio.abc.Stream) -> TcpStream | None:
    """Give the TCP stream under a stream, if there is one."""
    while isinstance(stream, TlsStream):
        stream = stream.transport_stream
    return stream if isinstance(stream, TcpStream) else None


@contextmanager
def translated(
    doing: str, limit_s: float | None = None, *, deadline: float | None = None
) -> Iterator[None]:
    """Turn what trio, ssl and the socket raise into our errors, once.

    Parameters
    ----------
    doing : str
        What was being done, for the message: "connecting to mx.example:25".
    limit_s : float, optional
        Give it so many seconds.
    deadline : float, optional
        When they end, on trio's clock, if they have begun earlier.

    Raises
    ------
    TransportTimeout, TLSError, TransportError
    """
    try:
        if limit_s is None:
            yield
        else:
            with trio.fail_after(limit_s) if deadline is None else trio.fail_at(deadline):
                yield
    except trio.TooSlowError:
        raise TransportTimeout(f"{doing}: nothing within {limit_s:g} s") from None
    except trio.BrokenResourceError as exc:
        raise broken(doing, exc) from exc
    except ssl.SSLError as exc:
        raise TLSError(f"{doing}: {_reason(exc)}") from exc
    except TransportError:
        raise
    except OSError as exc:
        # Trio's own text repeats the address; a failed look-up's is worth keeping.
        code = exc.errno or 0
        reason = os.strerror(code) if code > 0 else exc.strerror or exc
        raise TransportError(f"{doing}: {reason}") from exc
    except UnicodeError as exc:  # a label that is empty or too long for the DNS
        raise TransportError(f"{doing}: not a host name ({exc})") from exc


def broken(doing: str, error: trio.BrokenResourceError) -> TransportError:
    """Say in our words what broke a stream while something was being done."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return TLSError(f"{doing}: {_reason(cause)}")
    return TransportError(f"{doing}: {cause}")


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    # Only OpenSSL's own errors have a reason.
    reason: str | None = getattr(error, "reason", None)
    return (reason or str(error)).replace("_", " ").lower()


def certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Give what OpenSSL found wrong with a certificate; None = something else failed.

    Parameters
    ----------
    error : BaseException or None
        It, or what it caused.
    """
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__
    return error

"""TLS on a stream: what was written is enciphered and handed on at once.

Whom to trust and which versions to speak is the context's to say.

Theory of operation: trio's own `SSLStream` passes through the scheduler on every send and
every receive, on top of what waiting costs, and so takes as much CPU as all other work on a
small message.  OpenSSL itself never waits here; only the stream below does, and that is the
checkpoint.  Reading writes nothing: what OpenSSL has to say to the other side, such as its
own part of a change of keys, goes out in front of the next data, as RFC 8446 section 4.6.3
has it.
"""

from __future__ import annotations

import _ssl
import ssl
import sys
from typing import Any, Final

import trio

_READ_BYTES: Final = 64 * 1024
# Of what OpenSSL wants to say while nothing is written: a change of keys takes 30 octets.
_MAX_ANSWERS: Final = 16 * 1024


class TlsStream(trio.abc.Stream):
    """The client's side of TLS on a stream; one task may write while another reads.

    Whether the other side says close_notify or just closes is all the same: a message that
    was cut off is noticed, because a reply is then missing.

    Parameters
    ----------
    transport_stream : trio.abc.Stream
        Connected; closed with this one.
    context : ssl.SSLContext
    server_hostname : str
        Whose certificate it has to be.
    """

    def __init__(
        self,
        transport_stream: trio.abc.Stream,
        context: ssl.SSLContext,
        *,
        server_hostname: str,
    ) -> None:
        self.transport_stream = transport_stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname
        )

    async def do_handshake(self) -> None:
        """Agree on keys, and have the server prove who it is.

        Raises
        ------
        trio.BrokenResourceError
            It did not, or the connection was lost; its cause says why.
        """
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._hand_on()
                octets = await self.transport_stream.receive_some(_READ_BYTES)
                if not octets:
                    raise trio.BrokenResourceError("closed by the other side") from None
                self._incoming.write(octets)
            except ssl.SSLError as exc:
                await self._hand_on()  # the alert that tells the other side
                raise trio.BrokenResourceError(str(exc)) from exc
        await self._hand_on()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand all of the octets to the stream below.

        Raises
        ------
        trio.BrokenResourceError
            The connection was lost.
        """
        rest = data
        try:
            while rest:
                count = self._object.write(rest)
                rest = memoryview(rest)[count:] if count < len(rest) else b""
        except ssl.SSLError as exc:
            raise trio.BrokenResourceError(str(exc)) from exc
        await self._hand_on()

    async def _hand_on(self) -> None:
        if self._outgoing.pending:
            await self.transport_stream.send_all(self._outgoing.read())

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for octets; empty means that there will be no more.

        Raises
        ------
        trio.BrokenResourceError
            The connection was lost; or what came is not the TLS agreed on.
        """
        while True:
            # That nothing is there is an exception of OpenSSL's, which takes longer than to
            # decipher a reply; so it is asked only where something is.
            if self._incoming.pending or self._object.pending():
                try:
                    return self._object.read(max_bytes or _READ_BYTES)
                except ssl.SSLWantReadError:  # part of a record, or one that holds no data
                    if self._outgoing.pending > _MAX_ANSWERS:
                        raise trio.BrokenResourceError(
                            "the other side sends TLS messages without end"
                        ) from None
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLError as exc:
                    raise trio.BrokenResourceError(str(exc)) from exc
            octets = await self.transport_stream.receive_some(_READ_BYTES)
            if not octets:
                return b""
            self._incoming.write(octets)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream below takes octets again."""
        await self.transport_stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below; QUIT has already said that this is the end."""
        await self.transport_stream.aclose()

    def getpeercert(self, *, binary_form: bool = False) -> Any:
        """Give the server's certificate, as `ssl.SSLObject` does."""
        return self._object.getpeercert(binary_form)

    def certificate_chain(self) -> tuple[bytes, ...]:
        """Give what the server has shown, as DER: its own certificate first.

        Nothing is proved by it: the others are as the server sent them.
        """
        if sys.version_info >= (3, 13):
            return tuple(self._object.get_unverified_chain())
        below: Any = self._object  # what it stands on is not public, and was not until 3.13
        shown = below._sslobj.get_unverified_chain()
        return tuple(one.public_bytes(_ssl.ENCODING_DER) for one in shown or ())

    def cipher(self) -> tuple[str, str, int] | None:
        """Give the cipher agreed on: name, protocol, bits."""
        return self._object.cipher()

    def version(self) -> str | None:
        """Give the version agreed on, such as ``TLSv1.3``."""
        return self._object.version()

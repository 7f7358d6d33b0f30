"""Wire: the octets of one step, as a client means them and as a wiretapper sees them.

The secrets of a login are not kept: where one was said, what is shown is the masked line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from smtpbook.events import Event

MAX_BYTES: Final = 16 * 1024
"""How much of a step is kept, in each direction."""
_ROW: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The octets of one step.

    Attributes
    ----------
    sent, received : bytes
        What was said in SMTP; secrets masked.
    sealed_sent, sealed_received : bytes
        What of it, and of the handshake, went over the wire enciphered; empty in clear
        text.
    """

    sent: bytes = b""
    received: bytes = b""
    sealed_sent: bytes = b""
    sealed_received: bytes = b""

    @property
    def is_sealed(self) -> bool:
        """Whether TLS hid any of it."""
        return bool(self.sealed_sent or self.sealed_received)

    def __str__(self) -> str:
        parts = [
            ("-> said", self.sent),
            ("<- heard", self.received),
            ("-> what a wiretapper sees of it", self.sealed_sent),
            ("<- what a wiretapper sees of it", self.sealed_received),
        ]
        return "\n".join(
            f"{title}: {len(octets):,} octets\n{dump(octets)}"
            for title, octets in parts
            if octets
        )


class Tap(trio.abc.Stream):
    """A stream that keeps what goes through it, until somebody takes it.

    Parameters
    ----------
    stream : trio.abc.Stream
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._sent, self._received = bytearray(), bytearray()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write, and keep what was written."""
        await self._stream.send_all(data)
        self._sent += bytes(data[: MAX_BYTES - len(self._sent)])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream takes octets again."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, and keep what was read."""
        data = await self._stream.receive_some(max_bytes)
        self._received += data[: MAX_BYTES - len(self._received)]
        return data

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def take(self) -> tuple[bytes, bytes]:
        """Give what was written and read since it was asked last."""
        taken = bytes(self._sent), bytes(self._received)
        self._sent.clear()
        self._received.clear()
        return taken


def octets_of(events: tuple[Event, ...]) -> bytes:
    """Give the replies of some rows as octets, as far as a row keeps them."""
    octets = []
    for event in events:
        if event.reply_code is not None:
            *first, last = (event.reply_text or "").split("\n")
            octets += [f"{event.reply_code}-{text}\r\n" for text in first]
            octets += [f"{event.reply_code} {last}\r\n"]
    return "".join(octets).encode("utf-8", "surrogateescape")[:MAX_BYTES]


def dump(octets: bytes, *, max_rows: int = 64) -> str:
    r"""Show octets in hexadecimal, and what of them can be read.

    >>> print(dump(b"QUIT\r\n"))
    0000  51 55 49 54 0d 0a                                QUIT..
    """
    rows = []
    for start in range(0, min(len(octets), max_rows * _ROW), _ROW):
        row = octets[start : start + _ROW]
        text = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in row)
        rows.append(f"{start:04x}  {row.hex(' '):<47}  {text}")
    if len(octets) > max_rows * _ROW:
        rows.append(f"… {len(octets) - max_rows * _ROW:,} octets more")
    return "\n".join(rows)

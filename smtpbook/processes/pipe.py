"""Pipe: words between two processes of this computer, in order and many at a time.

Only those two hold its ends, so that what comes was written by this package.  Words are
pickled, but for secrets: they go as JSON, in a frame of their own.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from typing import Final

import trio

from smtpbook.accounts.secret import Secret
from smtpbook.processes.words import Given, Word

_HEAD: Final = struct.Struct("<I")  # how many octets follow
_READ: Final = 65_536
LINGER_S: Final = 0.02
"""How long a word may wait for others when nobody will need what it tells."""


class Pipe:
    """One end.

    Parameters
    ----------
    stream : trio.SocketStream

    Attributes
    ----------
    is_lost : bool
        Nobody is at the other end any more.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.is_lost = False
        self._stream = stream
        self._to_send: list[Word] = []
        self._to_give: list[Given] = []
        self._more, self._lingering = trio.Event(), trio.CancelScope()
        self._is_ending = False
        self._received = bytearray()

    def put(self, word: Word, *, wait_s: float = 0.0) -> None:
        """Hand over something to tell; where the other end is gone, nobody hears it.

        Parameters
        ----------
        word : Word
        wait_s : float
            For so long it may wait for others to go with: each time wakes the other
            process.
        """
        if not self.is_lost:
            if isinstance(word, Given):
                self._to_give.append(word)
            else:
                self._to_send.append(word)
            self._more.set()
            due = trio.current_time() + wait_s
            self._lingering.deadline = min(self._lingering.deadline, due)

    def hurry(self) -> None:
        """Let nothing that was handed over wait for others to go with."""
        if self._to_send:
            self._lingering.cancel()

    def end(self) -> None:
        """Let `send` come to its end when everything is told."""
        self._is_ending = True
        self._more.set()
        self._lingering.cancel()

    async def send(self) -> None:
        """Tell what is handed over, as long as there is somebody to tell it."""
        while not self.is_lost:
            await self._more.wait()
            with self._lingering:
                await trio.sleep_forever()
            self._more, self._lingering = trio.Event(), trio.CancelScope()
            words, self._to_send = self._to_send, []
            given, self._to_give = self._to_give, []
            for one in given:
                await self.send_secret(one.told)
            if words:
                await self.send_octets(pickle.dumps(words))
            if self._is_ending:
                if not self._to_send and not self._to_give:
                    return
                self.end()

    async def send_octets(self, octets: bytes) -> None:
        """Send something that is no word."""
        try:
            await self._stream.send_all(_HEAD.pack(len(octets)) + octets)
        except trio.BrokenResourceError:
            self.is_lost = True

    async def send_secret(self, secret: Secret) -> None:
        """Send one; no longer than that takes it is in plain text."""
        await self.send_octets(secret.reveal().encode())

    async def receive(self) -> Sequence[Word]:
        """Give what was told since; nothing: the other end is gone."""
        octets = await self.receive_octets()
        if octets is None:
            self.is_lost = True
            return ()
        if not octets.startswith(pickle.PROTO):
            return [Given.of(Secret(octets.decode()))]
        words: Sequence[Word] = pickle.loads(octets)  # noqa: S301 (our own process)
        return words

    async def receive_octets(self) -> bytes | None:
        """Give what the other end has sent by `send_octets`; None: it is gone."""
        while True:
            have = len(self._received)
            if have >= _HEAD.size:
                (size,) = _HEAD.unpack_from(self._received)
                if have >= (end := _HEAD.size + size):
                    octets = bytes(self._received[_HEAD.size : end])
                    del self._received[:end]
                    return octets
            try:
                more = await self._stream.receive_some(_READ)
            except trio.BrokenResourceError:
                return None
            if not more:
                return None
            self._received += more

    async def receive_secret(self) -> Secret | None:
        """Give what the other end has sent by `send_secret`; None: it is gone."""
        octets = await self.receive_octets()
        return None if octets is None else Secret(octets.decode())

    async def close(self) -> None:
        """Close this end."""
        await self._stream.aclose()

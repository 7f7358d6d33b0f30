"""Process: one sender, seen from the process that began the send.

It starts, is talked with until it has ended, however it ends, and is given secrets when it
asks.  What it is told to do, and what becomes of its recipients, is `delivery`'s.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import trio

from smtpbook.accounts.passwords import Password, revealed
from smtpbook.errors import LedgerError, SMTPBookError, TransportError
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.writer import Promise
from smtpbook.processes.order import Order, packed
from smtpbook.processes.pipe import Pipe
from smtpbook.processes.words import Durable, Ended, Given, Refused, Wanted, Word

_PACKAGE: Final = Path(__file__).parent.parent
_MODULE: Final = "smtpbook.processes.sender"


class SenderProcess:
    """A process that sends; `start` makes one.

    Attributes
    ----------
    connections : int
    held : dict of int to Entry
        Those that were dealt to it and are not decided, by position; of them, `due` are who
        wait for a retry, and `open` whose message is about to be sent or on its way.
    """

    def __init__(
        self,
        order: Order,
        process: trio.Process,
        stream: trio.SocketStream,
    ) -> None:
        self.connections = order.settings.connections
        self.held: dict[int, Entry] = {}
        self.due: set[int] = set()
        self.open: set[int] = set()
        self._process, self._pipe = process, Pipe(stream)
        self._order = order
        self._secrets: list[Password] = []  # by the numbers it asks for
        self._promises: deque[Promise | None] = deque()
        self._promised = trio.Event()
        self._ended: Ended | None = None

    @classmethod
    async def start(cls, order: Order, lock: int) -> SenderProcess:
        """Start one, which keeps the campaign's lock open as long as it lives.

        Raises
        ------
        TransportError
            The system lets no process begin.
        LocalProtocolError
            Something in the order cannot be told to another process.
        """
        packed(order)  # or a process would be there with nobody to talk to
        ours, theirs = trio.socket.socketpair()
        with theirs:
            try:
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), lock),
                    env=os.environ | {"PYTHONPATH": _path()},
                    start_new_session=True,  # who stops this process does not stop those
                )
            except OSError as exc:
                ours.close()
                raise TransportError(f"no process can be started to send: {exc}") from exc
        return cls(order, process, trio.SocketStream(ours))

    @property
    def untried(self) -> int:
        """How many it was dealt and has not tried."""
        return len(self.held) - len(self.due)

    @property
    def ending(self) -> str:
        """How it has ended before its time, in words."""
        if self._ended is not None and self._ended.error is not None:
            return str(self._ended.error)
        return (
            f"process {self._process.pid}, which sent for this one, has ended with status "
            f"{self._process.returncode}"
        )

    @property
    def error(self) -> Exception:
        """What to raise of that, where nobody goes on."""
        if self._ended is not None and self._ended.error is not None:
            return self._ended.error
        return TransportError(
            f"{self.ending}; open the campaign again: it goes on where it was"
        )

    def put(self, word: Word) -> None:
        """Tell it something."""
        self._pipe.put(word)

    def promise(self, promise: Promise | None) -> None:
        """Tell it when a promise is kept, in the order of its intents."""
        self._promises.append(promise)
        self._promised.set()

    async def converse(self, hear: Callable[[Sequence[Word]], None]) -> None:
        """Listen until it has ended; cancelled, kill it, and listen to its last words."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._kill_when_cancelled)
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as talk:
                    talk.start_soon(self._tell)
                    talk.start_soon(self._tell_of_intents)
                    while words := await self._pipe.receive():
                        for word in words:
                            if isinstance(word, Wanted):
                                talk.start_soon(self._give_secret, word)
                            elif isinstance(word, Ended):
                                self._ended = word
                        hear(words)
                    await self._process.wait()
                    talk.cancel_scope.cancel()
                await self._pipe.close()
            nursery.cancel_scope.cancel()

    async def kill(self) -> None:
        """End one that nobody has talked with."""
        with trio.CancelScope(shield=True):
            self._process.kill()
            await self._process.wait()
            await self._pipe.close()

    async def _kill_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self._process.kill()

    async def _tell(self) -> None:
        await self._tell_order()
        await self._pipe.send()

    async def _tell_order(self) -> None:
        secrets, order, self._secrets = packed(self._order)
        await self._pipe.send_secret(secrets)
        await self._pipe.send_octets(order)

    async def _tell_of_intents(self) -> None:
        while True:
            await self._promised.wait()
            self._promised = trio.Event()
            while self._promises:
                try:
                    kept = await self._next_kept()
                except LedgerError as exc:
                    self.put(Durable(0, str(exc)))
                    return
                self.put(Durable(kept))

    async def _next_kept(self) -> int:
        """Wait for the next promise, and give how many were kept with it."""
        kept = 0
        while self._promises:
            promise = self._promises[0]
            if promise is not None and not promise.is_kept and kept:
                break
            self._promises.popleft()
            if promise is not None:
                await promise  # at once: it has waited for others on its way here
            kept += 1
        return kept

    async def _give_secret(self, wanted: Wanted) -> None:
        try:
            secret = await trio.to_thread.run_sync(
                revealed, self._secrets[wanted.number], abandon_on_cancel=True
            )
        except SMTPBookError as exc:
            self.put(Refused(wanted.request, exc))
            return
        self.put(Given(wanted.request, secret))


def _path() -> str:
    """Where the other process finds this very package, and what else is found here."""
    return os.pathsep.join([str(_PACKAGE.parent), *map(os.path.abspath, sys.path)])

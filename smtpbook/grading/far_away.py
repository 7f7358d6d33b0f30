"""Far away: a way to a lab server that takes time, as long lines do.

A relay on loopback hands on each piece a while later, in both directions.  Unlike a server
that is slow, it delays what is said together by one delay, not by one for each command.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import TracebackType
from typing import Self

import trio

from smtpbook.accounts.account import Account
from smtpbook.runner import Job, TrioThread

_THREAD = TrioThread("smtpbook far away")


class FarAway:
    """A lab server at the end of a long line.

    Parameters
    ----------
    account : Account
        Where the line ends; on loopback.
    round_trip_s : float
        How long a word and the answer to it are under way together.
    """

    def __init__(self, account: Account, round_trip_s: float) -> None:
        self.round_trip_s = round_trip_s
        self._to = account
        listeners = _THREAD.run(self._open)
        self.account = replace(account, port=listeners[0].socket.getsockname()[1])
        """The account that goes the long way."""
        self._job: Job[None] = _THREAD.start(self._serve, listeners)

    async def _open(self) -> list[trio.SocketListener]:
        return await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        await trio.serve_listeners(self._carry, listeners)

    async def _carry(self, near: trio.SocketStream) -> None:
        async with (
            near,
            await trio.open_tcp_stream(self._to.host, self._to.port) as far,
            trio.open_nursery() as both,
        ):
            both.start_soon(self._one_way, near, far)
            both.start_soon(self._one_way, far, near)

    async def _one_way(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        """Hand on each piece when it has been under way long enough, in order."""
        due, arriving = trio.open_memory_channel[tuple[float, bytes]](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_deliver, arriving, target)
            async with due:
                try:
                    async for piece in source:
                        at = trio.current_time() + self.round_trip_s / 2
                        due.send_nowait((at, bytes(piece)))
                except trio.BrokenResourceError:
                    pass  # that end went away; what is under way still arrives

    def close(self) -> None:
        """Cut the line."""
        self._job.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


async def _deliver(
    arriving: trio.MemoryReceiveChannel[tuple[float, bytes]], target: trio.SocketStream
) -> None:
    async for at, piece in arriving:
        await trio.sleep_until(at)
        try:
            await target.send_all(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # nobody is there any more
    try:
        await target.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return

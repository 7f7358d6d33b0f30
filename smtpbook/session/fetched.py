"""Fetched: an async iterable's messages, looked for without waiting.

A task of its own fetches them, one ahead, so that a slow source does not hold back what is
ready.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any, Generic, TypeVar

import trio

from smtpbook.session.parked import Parked

T = TypeVar("T")


class Fetched(Generic[T]):
    """What an async iterable gives.

    Parameters
    ----------
    source : async iterable
        Closed when it is no longer needed, if it is a generator.
    make : callable
        Makes of each item what is to be taken, which is never None.
    wake : callable
        Told that there is something to take, or that there will be nothing more.

    Attributes
    ----------
    is_over : bool
        Whether nothing more will come.
    error : Exception or None
        What the source raised, or `make`.
    """

    def __init__(
        self,
        source: AsyncIterable[Any],
        make: Callable[[Any], T],
        wake: Callable[[], object],
    ) -> None:
        self.is_over = False
        self.error: Exception | None = None
        self._source, self._make, self._wake = source, make, wake
        self._next: T | None = None
        self._taken = Parked()
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Fetch until the source ends or `stop`; to be run as a task."""
        try:
            with self._scope:
                try:
                    async for item in self._source:
                        self._next = self._make(item)
                        self._wake()
                        while self._next is not None:
                            await self._taken.park()
                finally:
                    if isinstance(self._source, AsyncGenerator):
                        await self._source.aclose()
        except Exception as exc:
            self.error = exc
        finally:
            self.is_over = True
            self._wake()

    def take(self) -> T | None:
        """Take what has been fetched; None: nothing yet, or nothing more."""
        item, self._next = self._next, None
        if item is not None:
            self._taken.unpark_all()
        return item

    def stop(self) -> None:
        """Fetch nothing more."""
        self._scope.cancel()

"""Prompt stream: one whose other side speaks only when it is spoken to.

It never lets a writer wait and says nothing unasked, so nobody has to watch it while
nothing is awaited; and who waits for it can be woken.  A rehearsal's link is one; nothing
that comes from a network is.
"""

from __future__ import annotations

from abc import abstractmethod

import trio


class PromptStream(trio.abc.Stream):
    """A stream that one task can write to, read from and wait for by turns."""

    __slots__ = ()

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Whether `receive_some` would give something, or raise, at once."""

    @abstractmethod
    async def wait_ready(self) -> None:
        """Wait until it is ready, or until `interrupt`."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the wait, if there is one."""

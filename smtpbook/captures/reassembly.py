"""Reassembly: the octets of one direction of a TCP connection, in their order.

What is sent again is dropped, what comes too early waits; what was sent and is not in the
capture is a gap, told and never filled (RFC 9293 section 3.4 for sequence numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, NamedTuple

# What may wait for octets that are missing: more than most hosts' receive window.  After
# that they are taken for lost.
_MAX_HELD: Final = 4 << 20
_MAX_SEGMENTS: Final = 10_000
_WRAP: Final = 1 << 32


class Piece(NamedTuple):
    """Octets in order, and when they were captured; None = so many are missing."""

    at: int
    octets: bytes | None
    size: int


class Half:
    """One direction.

    Attributes
    ----------
    fin_at : int or None
        When its end was captured; None = it has not come.
    """

    def __init__(self) -> None:
        self.fin_at: int | None = None
        self._next: int | None = None  # counts on where sequence numbers begin anew
        self._fin: int | None = None
        self._held: dict[int, tuple[int, bytes, int]] = {}
        self._starts: list[int] = []  # a heap of the keys of it
        self._held_octets = 0

    @property
    def is_done(self) -> bool:
        """Whether all that was sent has been given."""
        return self._fin is not None and self._next is not None and self._next >= self._fin

    def begin(self, seq: int) -> None:
        """Take the SYN: what is sent begins after it."""
        if self._next is None:
            self._next = seq + 1

    def take(
        self, seq: int, octets: bytes, lost: int, at: int, *, is_last: bool = False
    ) -> Iterator[Piece]:
        """Take a segment, and give what is in order now."""
        if self._next is None:  # the capture begins in the middle
            self._next = seq
        start = self._whole(seq)
        if is_last and self._fin is None:
            self._fin, self.fin_at = start + len(octets) + lost, at
        if octets or lost:
            known = self._held.get(start)
            if known is None or len(known[1]) < len(octets):
                self._held_octets += len(octets) - (len(known[1]) if known else 0)
                if known is None:
                    heappush(self._starts, start)
                self._held[start] = at, octets, lost
        yield from self._in_order()
        if self._held_octets > _MAX_HELD or len(self._held) > _MAX_SEGMENTS:
            yield from self.skip(at)

    def acknowledged(self, ack: int, at: int) -> Iterator[Piece]:
        """Take what the other side has received: before that, nothing comes any more."""
        if self._held and self._next is not None:
            first = self._starts[0]
            if first > self._next and self._whole(ack) > first:
                yield from self.skip(at)

    def skip(self, at: int) -> Iterator[Piece]:
        """Give up on what is missing before the first segment that waits."""
        if self._held and self._next is not None:
            first = self._starts[0]
            if first > self._next:
                yield Piece(at, None, first - self._next)
                self._next = first
            yield from self._in_order()

    def flush(self, at: int) -> Iterator[Piece]:
        """Give all that waits, with the gaps before it."""
        while self._held:
            yield from self.skip(at)

    def _whole(self, seq: int) -> int:
        """Give a sequence number as one that does not wrap, near to the next."""
        assert self._next is not None
        apart = (seq - self._next) % _WRAP
        return self._next + (apart if apart < _WRAP // 2 else apart - _WRAP)

    def _in_order(self) -> Iterator[Piece]:
        assert self._next is not None
        while self._held:
            start = self._starts[0]
            if start > self._next:
                return
            at, octets, lost = self._held.pop(heappop(self._starts))
            self._held_octets -= len(octets)
            end = start + len(octets)
            if end > self._next:
                fresh = octets[self._next - start :]
                yield Piece(at, fresh, len(fresh))
                self._next = end
            if end + lost > self._next:
                yield Piece(at, None, end + lost - self._next)
                self._next = end + lost

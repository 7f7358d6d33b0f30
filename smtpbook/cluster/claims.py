"""Claims: the recipients of one sender, claimed a few partitions at a time.

Small claims keep the rest free for whoever comes later, and for whoever is faster.  They
are made ahead, and in another thread while something is sent, so that nothing on the wire
waits for a claim; of a long one, some hundred recipients are read between two messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from smtpbook.errors import SMTPBookError
from smtpbook.ledger.choosing import Chosen
from smtpbook.ledger.entries import Entry
from smtpbook.shared_ledger.ledger import SharedLedger

# Of what is left, each runner takes such a part of its fair share at a time.
_CLAIMS: Final = 4


class Claims:
    """Hands out whom the present send is for; a `Source` for one delivery.

    Parameters
    ----------
    ledger : SharedLedger
    ahead : int

    Attributes
    ----------
    ahead : int
        With fewer recipients than these, more are claimed.
    error : SMTPBookError or None
        Why no more can be claimed.
    """

    def __init__(self, ledger: SharedLedger, ahead: int = 1) -> None:
        self._ledger, self.ahead = ledger, ahead
        self._chosen: list[Chosen] = []
        self._low = trio.Event()
        self._is_dry = False
        self.error: SMTPBookError | None = None

    def __len__(self) -> int:
        """How many are claimed, and one more while others may be had; 0: none can be."""
        return self._claimed + (not self._is_dry)

    def take(self) -> Entry | None:
        """Hand out the next one; None: nobody is claimed now."""
        entry = None
        while self._chosen and (entry := self._chosen[0].take()) is None:
            del self._chosen[0]
        if self._is_low:
            self._low.set()
        return entry

    def claim(self) -> None:
        """Claim until there is enough to go on with, or none is left."""
        while self._is_low:
            self._add(self._next_share())

    def look_again(self) -> bool:
        """Tell whether there is something to hand out, or to claim, that there was not.

        A partition that another has left is claimed at once, and comes first: it waits
        already, and what is claimed may last for long.  More than one would make work
        uneven.  Where nothing was free and something is now, it is claimed when asked.
        """
        return self._hear(self._news())

    async def keep(self, on_more: Callable[[], object]) -> None:
        """Claim whenever it is time to, until cancelled, and look what others have left.

        Parameters
        ----------
        on_more : callable
            Called when there may be somebody to hand out, or none can be had any more.
        """
        in_thread = trio.to_thread.run_sync
        looks_at = trio.current_time() + self._ledger.heartbeat_s
        while True:
            with trio.move_on_at(looks_at):
                await self._low.wait()
            self._low, is_news = trio.Event(), False
            if trio.current_time() >= looks_at:
                is_news = self._hear(await in_thread(self._news))
                looks_at = trio.current_time() + self._ledger.heartbeat_s
            while self._is_low:
                self._add(await in_thread(self._next_share))
                is_news = True
            if is_news:  # or those who are told so would look for ever
                on_more()

    def finish(self) -> None:
        """Say that the send is through with all that was claimed, unless somebody is left.

        Some may have been claimed in the last moment.

        Raises
        ------
        SMTPBookError
            Something could not be claimed, or it cannot be written.
        """
        if self.error is not None:
            raise self.error
        if not self and self._ledger.asked != "stop":
            self._ledger.finish()

    @property
    def _claimed(self) -> int:
        return sum(map(len, self._chosen))

    @property
    def _is_low(self) -> bool:
        return not self._is_dry and self._claimed < self.ahead

    def _add(self, more: Chosen | None) -> None:
        if more is None:
            self._is_dry = True
        elif len(more):
            self._chosen.append(more)

    def _hear(self, news: tuple[Chosen | None, bool]) -> bool:
        left, is_free = news
        if left is not None:
            self._chosen.insert(0, left)
        elif not (self._is_dry and is_free):
            return False
        self._is_dry = self._is_dry and not is_free
        return True

    # -- from any thread

    def _next_share(self) -> Chosen | None:
        """Claim what is this runner's turn; None: nothing is free, or is to be."""
        if not self._may_claim:
            return None
        try:
            work, runners = self._ledger.work, self._ledger.company
            return self._ledger.next_share(1 + work.free // (_CLAIMS * runners))
        except SMTPBookError as exc:  # raised, it would cut off what has begun
            self.error = exc
            return None

    def _news(self) -> tuple[Chosen | None, bool]:
        """Claim a partition that another has left; tell whether more are free besides."""
        if not self._may_claim:
            return None, False
        try:
            work = self._ledger.work
            for _ in range(work.orphans):  # until there is somebody to write to in one
                if more := self._ledger.next_share(1):
                    return more, False
        except SMTPBookError as exc:
            self.error = exc
            return None, False
        return None, work.free > 0

    @property
    def _may_claim(self) -> bool:
        return self.error is None and self._ledger.asked != "stop"

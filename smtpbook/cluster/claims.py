"""Claims: the recipients of one sender, claimed a few partitions at a time.

Small claims keep the rest free for whoever comes later, and for whoever is faster.
"""

from __future__ import annotations

from typing import Final

from smtpbook.errors import LedgerError
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

    Attributes
    ----------
    error : LedgerError or None
        Why no more can be claimed.
    """

    def __init__(self, ledger: SharedLedger) -> None:
        self._ledger = ledger
        self._chosen: list[Chosen] = []
        self._is_dry = False
        self.error: LedgerError | None = None

    def __len__(self) -> int:
        """How many are still to be handed out of what is claimed; 0: none can be had."""
        self._refill(1)
        return sum(map(len, self._chosen))

    def claim(self, count: int) -> None:
        """Claim until there are so many recipients, or none is left."""
        self._refill(count)

    def look_again(self) -> bool:
        """Tell whether there is something to hand out that there was not.

        A partition that another has left is claimed at once, and comes first: it waits
        already, and what is claimed may last for long.  More than one would make work
        uneven.  Where nothing was free and something is now, it is claimed when asked.

        Raises
        ------
        LedgerError
            It cannot be read or written.
        """
        if self.error is not None or self._ledger.asked == "stop":
            return False
        work = self._ledger.work
        for _ in range(work.orphans):  # until there is somebody to write to in one
            more = self._ledger.next_share(1)
            if more:
                self._chosen.insert(0, more)
                return True
        if not self._is_dry or not work.free:
            return False
        self._is_dry = False
        return True

    def take(self) -> Entry | None:
        """Hand out the next one; None: nobody is left that another has not."""
        self._refill(1)
        while self._chosen:
            if (entry := self._chosen[0].take()) is not None:
                return entry
            del self._chosen[0]
            self._refill(1)
        return None

    def _refill(self, count: int) -> None:
        while not self._is_dry and sum(map(len, self._chosen)) < count:
            try:
                self._claim()
            except LedgerError as exc:  # raised here, it would cut off what has begun
                self.error, self._is_dry = exc, True

    def _claim(self) -> None:
        if self._ledger.asked == "stop":
            self._is_dry = True
            return
        runners = self._ledger.company
        more = self._ledger.next_share(1 + self._ledger.work.free // (_CLAIMS * runners))
        if more is None:
            self._is_dry = True
        elif len(more):
            self._chosen.append(more)

"""Tour: the servers of a destination, one after the other, until one lets us in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from smtpbook.errors import DeferredError, RejectedError, SMTPBookError, TLSError
from smtpbook.relaying.approach import Approach

# "there MAY also be a configurable limit on the number of alternate addresses that can be
# tried. In any case, the SMTP client SHOULD try at least two addresses." -- RFC 5321
# section 5.1.  Each may take its time to be silent, and somebody else waits.
MAX_HOSTS: Final = 5


class Tour:
    """Goes from server to server.

    Parameters
    ----------
    approaches : sequence of Approach, length >= 1
        In the order in which to try them.

    Attributes
    ----------
    now : Approach or None
        The one to try; None = none is left.
    """

    def __init__(self, approaches: Sequence[Approach]) -> None:
        self._left = deque(approaches[:MAX_HOSTS])
        self._errors: list[tuple[SMTPBookError, Approach]] = []
        self.now: Approach | None = self._left.popleft()

    def turned_away(self, error: SMTPBookError) -> None:
        """Go on, since the one tried could not be reached, or did not let us in."""
        assert self.now is not None
        self._errors.append((error, self.now))
        weaker = self.now.weaker() if isinstance(error, TLSError) else None
        self.now = weaker or (self._left.popleft() if self._left else None)

    @property
    def verdict(self) -> tuple[SMTPBookError, Approach]:
        """What they came to, once one was tried: the most hopeful of what was said.

        A 4yz before silence, and both before a 5yz: one server that may take it later is
        enough.
        """
        return min(self._errors, key=_rank)


def _rank(tried: tuple[SMTPBookError, Approach]) -> int:
    if isinstance(tried[0], DeferredError):
        return 0
    return 2 if isinstance(tried[0], RejectedError) else 1

"""Patience: how long what somebody will need may wait for more to go along with it.

Theory of operation.  An intent is asked for one message ahead, so it need not be durable at
once: at a server that is far away nobody needs it yet.  What nobody needs yet waits for
others, and a group costs about as much as one.  How long that may last is learnt: half as
long when somebody needed one before its group was written, a little longer when nobody did.
"""

from __future__ import annotations

from typing import Final

_FIRST_S: Final = 0.004  # a fast disk's flush; a near server teaches less at once
_STEP_S: Final = 0.000_25  # at 20 ms away somebody then has to wait in one group of forty
_LONGEST_S: Final = 0.05  # what an outcome may wait, too
_SHORTEST_S: Final = 0.000_2  # shorter, a thread is not woken in time for anything


class Patience:
    """How long to wait, in seconds; a number that learns.

    Parameters
    ----------
    first_s : float
        What it begins with.

    Examples
    --------
    >>> patience = Patience(0.016)
    >>> for was_late in (True, True, False):
    ...     patience.learn(was_late=was_late)
    >>> patience.wait_s
    0.00425
    """

    def __init__(self, first_s: float = _FIRST_S) -> None:
        self._wait_s = first_s

    @property
    def wait_s(self) -> float:
        """So long may the next group collect others; 0 = not at all."""
        return self._wait_s if self._wait_s >= _SHORTEST_S else 0.0

    def learn(self, *, was_late: bool) -> None:
        """Know whether somebody needed a group before it was written."""
        if was_late:
            self._wait_s /= 2
        else:
            self._wait_s = min(self._wait_s + _STEP_S, _LONGEST_S)

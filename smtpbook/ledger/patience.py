"""Patience: how long what somebody will need may wait for more to go along with it.

Theory of operation.  An intent is asked for one message ahead, so it need not be durable at
once: at a server that is far away nobody waits for it yet.  What is not waited for collects
others, and a group costs about as much as one.  How long that may last is learnt: shorter
by half when somebody had to wait, a little longer when nobody had.
"""

from __future__ import annotations

from typing import Final

_FIRST_S: Final = 0.004
_STEP_S: Final = 0.000_25
_LONGEST_S: Final = 0.05
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
        """Know whether somebody had to wait for a group."""
        if was_late:
            self._wait_s /= 2
        else:
            self._wait_s = min(self._wait_s + _STEP_S, _LONGEST_S)

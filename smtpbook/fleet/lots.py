"""Lots: so many recipients of one domain that go one after the other, as one entry.

A list of a hundred million is a million lots of a hundred.  The queue, the pacer and the
claims of a real send take them for recipients, so a pace is counted in lots as well.  Lots
of one are recipients, and nothing is coarser than a send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from smtpbook.delivery.queue import MAX_HELD
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.limits import Limit, WarmUp, Window
from smtpbook.pacing.pace import Pace

_PLACES: Final = 9  # of a number of seconds: a pace's words know no exponent


@dataclass(slots=True)
class Lot(Entry):
    """Some recipients of one domain; `position` is the domain's.

    Attributes
    ----------
    size : int
        How many they are.
    """

    size: int = 1


class Share:
    """The lots of some partitions, in an order that chance has shuffled, as a list's is.

    Parameters
    ----------
    names : sequence of str
        Of all domains.
    domains : sequence of int
        Those that are in the share.
    left : sequence of int
        For all domains, how many recipients nobody has written to.
    size : int
        Of a lot; the last of a domain may be smaller.
    chance : Generator
    """

    def __init__(
        self,
        names: Sequence[str],
        domains: Sequence[int],
        left: Sequence[int],
        size: int,
        chance: np.random.Generator,
    ) -> None:
        self._names, self._size = names, size
        self._left = {domain: left[domain] for domain in domains if left[domain]}
        lots = [-(-count // size) for count in self._left.values()]
        order = np.repeat(np.array(list(self._left), dtype=np.int64), lots)
        chance.shuffle(order)
        self._order: list[int] = order.tolist()  # the next one is the last

    def __len__(self) -> int:
        return len(self._order)

    def take(self) -> Lot | None:
        """Hand out the next lot; None: none is left."""
        if not self._order:
            return None
        domain = self._order.pop()
        size = min(self._size, self._left[domain])
        self._left[domain] -= size
        name = self._names[domain]
        return Lot(address=name, key=name, position=domain, size=size)


def most_held(size: int) -> int:
    """Give how many lots are as many recipients as a queue looks ahead."""
    return max(1, MAX_HELD // size)


def pace_in_lots(pace: Pace, size: int) -> tuple[Pace, Pace]:
    """Count a pace in lots; give the part for all, and the part for each domain.

    The rate stays.  What may begin at once is a whole number of lots: exact if that divides
    what a limit lets through; else lots follow each other evenly.
    """
    return (
        Pace(_told(pace.limits, size)),
        Pace(per_domain=_told(pace.domain_limits, size), domain_of=str),
    )


def _told(limits: Sequence[Limit], size: int) -> str | None:
    return " and ".join(_limit_told(limit, size) for limit in limits) or None


def _limit_told(limit: Limit, size: int) -> str:
    if isinstance(limit, WarmUp):
        days = ", ".join(str(max(1, round(count / size))) for count in limit.counts)
        return f"warm-up {days}"
    assert isinstance(limit, Window), limit
    if limit.count % size == 0:
        return f"{limit.count // size} every {limit.seconds:.{_PLACES}f} s"
    return f"1 every {limit.seconds * size / limit.count:.{_PLACES}f} s"

"""Recall: what was begun before a restart counts for the pace after it.

The books say what was; how long a pace looks back is its own to say.
"""

from __future__ import annotations

import math
import time

import trio

from smtpbook.delivery.clock import Clock
from smtpbook.ledger.standings import Standings
from smtpbook.pacing.pace import Pacer


def recall(pacer: Pacer, books: Standings, clock: Clock, now_s: float) -> None:
    """Let what earlier processes have begun count for a pace that knows of nothing yet.

    Parameters
    ----------
    pacer : Pacer
    books : Standings
    clock : Clock
    now_s : float
        In seconds since 1970 UTC.
    """
    back_s = pacer.pace.looks_back_s
    if pacer.has_begun or not back_s:
        return
    pacer.recall(
        (clock.instant(at), address, message)
        for at, address, message in books.begun(now_s - back_s)
    )


async def take_part(
    pacer: Pacer, books: Standings, clock: Clock, sharers: int, until: float = math.inf
) -> None:
    """Let a pace be one of so many equal parts, and its part of what was begun count.

    Parameters
    ----------
    pacer : Pacer
    books : Standings
        They are read in another thread.
    clock : Clock
    sharers : int
        How many send.
    until : float
        What was begun from then on does not count; in seconds since 1970 UTC.
    """
    since = time.time() - pacer.pace.looks_back_s * sharers
    begun = await trio.to_thread.run_sync(lambda: list(books.begun(since)))
    pacer.share_with(sharers)
    pacer.recall(
        (clock.instant(at), address, message)
        for at, address, message in begun
        if at < until
    )

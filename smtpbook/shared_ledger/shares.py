"""Shares: which runner has which part of the list, and who gets it from one who is silent.

Theory of operation.  Each runner has a lease, a row that it renews with everything it
writes, and some of the list's partitions.  A runner that was silent for longer than the
lease is given up by whoever looks for work next: what it left open is closed, its
partitions are free, its lease is gone, all in one transaction.

Renewing locks the lease's row until the runner's own transaction ends, and giving up locks
it too.  So either the runner's transaction came first, and its intents are seen when they
are closed; or it comes later, finds no lease, and nothing of it is written.  A runner that
was only slow therefore has no intent after its lease is gone, and without an intent nothing
is sent.  No number that grows (a fencing epoch) is needed: a lease's name is never used
again, and what it guards is in the same database.

All times are the database's: what the runners' clocks say does not matter.  Where a runner
writes one down, such as that of an intent, it adds what the database's is ahead by; each
renewal brings that up to date, as a computer's clock may be set meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Set
from typing import Final, Literal, NamedTuple, TypeAlias

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection, Cursor
from smtpbook.ledger.lock import Lease
from smtpbook.ledger.recovery import OPEN, close_intents

NOW: Final = "extract(epoch FROM clock_timestamp())::double precision"
_HEARTBEATS: Final = 12  # to a lease
_LONGEST_BEAT_S: Final = 2.0  # or whoever is asked to stop would hear it late
_SESSION: Final = "smtpbook "
"""What the database calls the session of a runner, with its lease's name behind."""
SILENT: Final = (
    f"owner != ? AND heartbeat < {NOW} - "
    "(SELECT CAST(value AS double precision) FROM meta WHERE name = 'lease_s')"
)
_MINE: Final = (
    "AND recipient IN (SELECT position FROM recipients JOIN partitions USING (part) "
    "WHERE owner = ?)"
)


Asked: TypeAlias = Literal["go", "pause", "stop"]
"""What a campaign's runners are asked to do."""


class News(NamedTuple):
    """What a runner hears when it renews its lease.

    Attributes
    ----------
    asked : {"go", "pause", "stop"}
    suppressions : int
        Grows when somebody is suppressed.
    runners : int
        How many that send have a lease that has not run out, this one among them.
    clock : float
        What the database's clock showed, in seconds since 1970 UTC.
    """

    asked: Asked
    suppressions: int
    runners: int
    clock: float


def heartbeat_of(lease_s: float) -> float:
    """Give how often a runner renews such a lease, in seconds.

    >>> heartbeat_of(6.0), heartbeat_of(30.0)
    (0.5, 2.0)
    """
    return min(lease_s / _HEARTBEATS, _LONGEST_BEAT_S)


def clock_ahead_s(connection: Connection) -> float:
    """Tell how far the database's clock is ahead of this computer's, in seconds."""
    asked = time.time()
    (there,) = connection.execute(f"SELECT {NOW}").fetchone()
    return float(there) - (asked + time.time()) / 2


def still_ahead_s(ahead_s: float, clock: float, asked: float, answered: float) -> float:
    """Tell how far the database's clock is ahead, going by an answer that has its time.

    What was known stays where it can be true: the database looked at its clock at some time
    between the question and the answer, by this computer's clock, which may have been set.

    >>> still_ahead_s(5.0, 105.2, 100.0, 101.0), still_ahead_s(5.0, 105.2, 160.0, 161.0)
    (5.0, -54.8)
    """
    return min(max(ahead_s, clock - answered), clock - asked)


def take_lease(connection: Connection, lease: Lease, *, sends: bool) -> None:
    """Let a runner in, whose session this is; or one that sends nothing."""
    connection.execute(
        "SELECT set_config('application_name', ?, false)", (_SESSION + lease.owner,)
    )
    connection.execute(
        "INSERT INTO lease(owner, host, pid, boot, since, heartbeat, sends) "
        f"SELECT ?, ?, ?, ?, now, now, ? FROM (SELECT {NOW} AS now) AS clock",
        (lease.owner, lease.host, lease.pid, lease.boot, int(sends)),
    )


def renew(connection: Connection, owner: str) -> Cursor:
    """Prove that a lease is still there, and keep it so; `news_of` reads the answer."""
    return connection.execute(
        f"UPDATE lease SET heartbeat = {NOW} WHERE owner = ? RETURNING "
        "(SELECT value FROM meta WHERE name = 'asked'), "
        "(SELECT value FROM meta WHERE name = 'suppressions'), "
        f"(SELECT count(*) FROM lease WHERE sends = 1 AND NOT ({SILENT})), {NOW}",
        (owner, owner),
    )


def news_of(renewed: Cursor, name: str) -> News:
    """Read what `renew` came to.

    Raises
    ------
    LedgerError
        The lease is gone.
    """
    row = renewed.fetchone()
    if row is None:
        raise LedgerError(
            f"this runner of the ledger {name} was silent for too long, and its part of "
            f"the list was given to another; nothing further is sent from here. Open the "
            f"campaign again to help"
        )
    return News(row[0], int(row[1]), row[2], row[3])


def claim(
    connection: Connection, owner: str, count: int, now: float
) -> tuple[frozenset[int], Counter[str]]:
    """Take partitions that are nobody's, once those of silent runners have been freed.

    Those that somebody left come first: they wait already.  Those that the present send is
    through with stay where they are.

    Returns
    -------
    frozenset of int
        At most `count`; nobody else has them.
    Counter
        What became of the attempts that silent runners left open.
    """
    silent = connection.execute(
        f"SELECT owner FROM lease WHERE {SILENT} FOR UPDATE SKIP LOCKED", (owner,)
    ).fetchall()
    recovered: Counter[str] = Counter()
    for (who,) in silent:
        recovered += leave(connection, who, None, now)
    # Who stands still in the midst of a transaction locks the lease until that is ended.
    connection.execute(
        "SELECT pg_terminate_backend(s.pid) FROM pg_stat_activity s "
        f"JOIN lease ON application_name = '{_SESSION}' || owner WHERE {SILENT}",
        (owner,),
    )
    taken = connection.execute(
        "UPDATE partitions SET owner = ?, is_orphan = 0 WHERE part IN "
        "(SELECT part FROM partitions WHERE owner IS NULL AND is_done = 0 "
        "ORDER BY is_orphan DESC, part LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING part",
        (owner, count),
    ).fetchall()
    return frozenset(part for (part,) in taken), recovered


def release(connection: Connection, owner: str, parts: Iterable[int]) -> frozenset[int]:
    """Give back partitions in which no attempt is open; give which."""
    freed = connection.execute(
        "UPDATE partitions SET owner = NULL WHERE owner = ? AND part = ANY(?) "
        "AND NOT EXISTS (SELECT 1 FROM attempts JOIN recipients r ON position = recipient "
        "WHERE attempts.outcome IS NULL AND r.part = partitions.part) RETURNING part",
        (owner, list(parts)),
    ).fetchall()
    return frozenset(part for (part,) in freed)


def leave(
    connection: Connection, owner: str, begun: Set[tuple[int, int]] | None, now: float
) -> Counter[str]:
    """End a lease; its row is locked by this transaction.

    Parameters
    ----------
    connection : Connection
    owner : str
    begun : set of (int, int), or None
        Position and attempt of those whose mail data had begun; None = unknown.
    now : float
        Seconds since 1970 UTC, as attempts have it.

    Returns
    -------
    Counter
        As `close_intents`.
    """
    opened = connection.execute(f"{OPEN} {_MINE}", (owner,)).fetchall()
    closed = close_intents(connection, opened, begun, now)
    connection.execute(
        "UPDATE partitions SET owner = NULL, is_orphan = 1 WHERE owner = ?", (owner,)
    )
    connection.execute("DELETE FROM lease WHERE owner = ?", (owner,))
    return closed

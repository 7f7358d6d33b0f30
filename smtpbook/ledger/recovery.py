"""Recovery: what an earlier run left open, and whether this is still its folder."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection

OPEN: Final = "SELECT recipient, attempt FROM attempts WHERE outcome IS NULL"
"""The intents that nobody has told the outcome of."""


def check_place(connection: sqlite3.Connection, path: Path, *, adopt: bool) -> bool:
    """Tell whether the folder is a copy, and keep where it is now.

    A file that is moved keeps its number on the disk; a copy has another one.

    Raises
    ------
    LedgerError
        It is a copy, and nobody said to go on with it.
    """
    about = path.stat()
    here = f"{about.st_dev}:{about.st_ino}:{path.resolve()}"
    query = "SELECT value FROM meta WHERE name = 'place'"
    device, number, there = connection.execute(query).fetchone()[0].split(":", 2)
    # Some disks get another device number each time they are mounted.
    is_same = int(number) == about.st_ino and (
        int(device) == about.st_dev or there == str(path.resolve())
    )
    if not is_same and not adopt:
        raise LedgerError(
            f"the campaign in {str(path.parent)!r} is a copy: its ledger was begun at "
            f"{there!r}. What has been sent from there since it was copied is not known "
            f"here, and would be sent twice. Go on there; or, if that one is never used "
            f"again, go on here with adopt=True"
        )
    connection.execute("UPDATE meta SET value = ? WHERE name = 'place'", (here,))
    return not is_same


def close_intents(
    connection: Connection,
    opened: Sequence[tuple[int, int]],
    begun: Set[tuple[int, int]] | None,
    now: float,
) -> Counter[str]:
    """Decide on intents without an outcome.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    opened : sequence of (int, int)
        Position and attempt of those intents.
    begun : set of (int, int), or None
        Those whose mail data had begun; None = unknown.
    now : float
        Seconds since 1970 UTC.

    Returns
    -------
    Counter
        ``in_doubt``: the mail data may have been sent; ``pending``: it had not begun.
    """
    doubtful = [one for one in opened if begun is None or one in begun]
    others = [one for one in opened if not (begun is None or one in begun)]
    connection.executemany(
        "UPDATE attempts SET outcome = 'in_doubt', verb = 'END-OF-DATA', time = ? "
        "WHERE recipient = ? AND attempt = ?",
        [(now, *one) for one in doubtful],
    )
    connection.executemany(
        "UPDATE recipients SET outcome = 'in_doubt', reason = NULL, due = NULL, "
        "attempts = ?, message_id = (SELECT message_id FROM attempts "
        "WHERE recipient = position AND attempt = ?) WHERE position = ?",
        [(attempt, attempt, position) for position, attempt in doubtful],
    )
    connection.executemany(
        "DELETE FROM attempts WHERE recipient = ? AND attempt = ?", others
    )
    found = {"in_doubt": len(doubtful), "pending": len(others)}
    return Counter({name: number for name, number in found.items() if number})

"""Recovery: what an earlier run left open, and whether this is still its folder."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

from smtpbook.errors import LedgerError


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
    connection: sqlite3.Connection, begun: set[tuple[int, int]] | None, now: float
) -> Counter[str]:
    """Decide on every intent without an outcome.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction.
    begun : set of (int, int), or None
        Position and attempt of those whose mail data had begun; None = unknown.
    now : float
        Seconds since 1970 UTC.

    Returns
    -------
    Counter
        ``in_doubt``: the mail data may have been sent; ``pending``: it had not begun.
    """
    opened = connection.execute(
        "SELECT recipient, attempt FROM attempts WHERE outcome IS NULL"
    ).fetchall()
    doubtful = [one for one in opened if begun is None or one in begun]
    connection.executemany(
        "UPDATE attempts SET outcome = 'in_doubt', verb = 'END-OF-DATA', time = ? "
        "WHERE recipient = ? AND attempt = ?",
        [(now, *one) for one in doubtful],
    )
    connection.executemany(
        "UPDATE recipients SET outcome = 'in_doubt', reason = NULL, due = NULL, "
        "attempts = ?2, message_id = (SELECT message_id FROM attempts "
        "WHERE recipient = ?1 AND attempt = ?2) WHERE position = ?1",
        doubtful,
    )
    connection.execute("DELETE FROM attempts WHERE outcome IS NULL")
    found = {"in_doubt": len(doubtful), "pending": len(opened) - len(doubtful)}
    return Counter({name: number for name, number in found.items() if number})

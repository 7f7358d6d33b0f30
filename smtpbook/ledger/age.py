"""Age: whether a ledger is older than the one that was opened here before.

A backup that is put back in place, file by file, is the same file on the disk and knows
nothing of what was sent since.  So each opening is counted, in the ledger and beside the
user's other state; a ledger that has counted fewer was put back.  What is kept here may be
lost without harm: then nothing is known, as on another computer.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.places import state_folder

MAX_KEPT: Final = 1000
"""Ledgers that are remembered; those opened longest ago are forgotten."""


def check_age(connection: sqlite3.Connection, folder: Path, *, adopt: bool) -> bool:
    """Tell whether the ledger was put back, and count this opening; in a transaction.

    Raises
    ------
    LedgerError
        It was, and nobody said to go on with it.
    """
    about = dict(connection.execute("SELECT name, value FROM meta"))
    counted, seen = int(about.get("openings", 0)), _seen(about["uuid"])
    if seen > counted and not adopt:
        raise LedgerError(
            f"the ledger in {str(folder)!r} is older than the one that was opened here "
            f"before: a backup was put back. What has been sent since it was made is not "
            f"known to it, and would be sent twice. Put the newer one back; or go on with "
            f"this one with adopt=True"
        )
    openings = str(max(counted, seen) + 1)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('openings', ?)", (openings,))
    return seen > counted


def note_opening(connection: sqlite3.Connection) -> None:
    """Remember the opening that was counted, once that is on the disk."""
    about = dict(connection.execute("SELECT name, value FROM meta"))
    with suppress(OSError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / about["uuid"]).write_text(about["openings"], "ascii")
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
        for file in files[: max(len(files) - MAX_KEPT, 0)]:
            file.unlink(missing_ok=True)


def _seen(name: str) -> int:
    try:
        return int((_folder() / name).read_text("ascii"))
    except (OSError, ValueError):
        return 0


def _folder() -> Path:
    return state_folder() / "ledgers"

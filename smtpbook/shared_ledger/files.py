"""Files: a campaign's list, letter and settings, kept beside its ledger.

So whoever reaches the database has all that the campaign needs to go on.  What is in them
is the `folder`'s affair.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from smtpbook.shared_ledger.connection import SharedConnection
from smtpbook.shared_ledger.schema import connect

PIECE_BYTES: Final = 2**22
"""How much of a file a row holds: a value is wholly in memory, and 1 GB at most."""


class Files:
    """A campaign's files in its database; made by `open_files`."""

    def __init__(self, connection: SharedConnection) -> None:
        self._connection = connection

    def names(self) -> list[str]:
        """Name those that are there."""
        rows = self._connection.execute("SELECT DISTINCT name FROM files ORDER BY name")
        return [name for (name,) in rows.fetchall()]

    def pieces(self, name: str) -> Iterator[bytes]:
        """Give what is in one, some at a time; nothing where there is none."""
        query = "SELECT octets FROM files WHERE name = ? AND piece = ?"
        piece = 0
        while row := self._connection.execute(query, (name, piece)).fetchone():
            yield bytes(row[0])
            piece += 1

    def get(self, name: str) -> bytes:
        """Give what is in a small one."""
        return b"".join(self.pieces(name))

    def put(self, name: str, what: Path | bytes) -> None:
        """Keep a file, or octets; what was there of that name is no more."""
        self._connection.execute("DELETE FROM files WHERE name = ?", (name,))
        with io.BytesIO(what) if isinstance(what, bytes) else what.open("rb") as file:
            piece = 0
            while (octets := file.read(PIECE_BYTES)) or not piece:
                self._connection.execute(
                    "INSERT INTO files VALUES (?, ?, ?)", (name, piece, octets)
                )
                piece += 1


@contextmanager
def open_files(url: str, campaign_id: str) -> Iterator[Files]:
    """Open the files of a campaign as they are at one instant.

    What is put there counts from the end on; after an error nothing of it does.

    Raises
    ------
    LedgerError
        There is no such campaign, or the database refuses.
    """
    with closing(connect(url, campaign_id)) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        yield Files(connection)
        connection.execute("COMMIT")

"""Schema: the ledger's tables, and how its file is made and opened.

What the rows mean is `ledger`'s.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import key_of

VERSION: Final = 1
_APPLICATION: Final = 0x736D7470  # "smtp": SQLite's own place for whose file it is
_BUSY_S: Final = 30.0
# Of SQLite's page cache while a million addresses are sorted into their index.
_CACHE_KIB: Final = 64 * 1024

TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE recipients (
    position INTEGER PRIMARY KEY,  -- in the frozen list
    key TEXT NOT NULL,             -- the normalised address: who it is
    address TEXT NOT NULL,         -- as the list spells it
    outcome TEXT,                  -- NULL = pending
    reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    message_id TEXT,               -- the last attempt's
    due DOUBLE PRECISION           -- seconds since 1970; NULL = whenever asked
);
CREATE TABLE attempts (
    recipient INTEGER NOT NULL REFERENCES recipients(position),
    attempt INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    is_again INTEGER NOT NULL,     -- the message may have arrived before
    intended DOUBLE PRECISION NOT NULL,
    outcome TEXT,                  -- NULL = an open intent
    verb TEXT, reply_code INTEGER, reply_text TEXT, session_id TEXT,
    time DOUBLE PRECISION,
    settled TEXT,                  -- what a person said became of it
    PRIMARY KEY (recipient, attempt)
) WITHOUT ROWID;
CREATE TABLE suppressions (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE lease (
    owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, boot TEXT,
    since DOUBLE PRECISION NOT NULL, heartbeat DOUBLE PRECISION NOT NULL
);
"""
"""What other databases than SQLite understand, too, but for ``WITHOUT ROWID``."""

INDEXES: Final = """
CREATE UNIQUE INDEX recipients_key ON recipients(key);
CREATE INDEX recipients_outcome ON recipients(outcome);
CREATE UNIQUE INDEX one_open_attempt ON attempts(recipient) WHERE outcome IS NULL;
"""
DUPLICATES: Final = (
    "DELETE FROM recipients WHERE position IN (SELECT position FROM (SELECT position, "
    "row_number() OVER (PARTITION BY key ORDER BY position) AS nth FROM recipients) AS n "
    "WHERE nth > 1)"
)
"""Leaves of each recipient where it came first."""

_COPIED: Final = ("meta", "recipients", "attempts", "suppressions")


def create(path: Path, addresses: Iterable[str], campaign_id: str) -> int:
    """Make a ledger's file for these recipients, wholly or not at all.

    Returns
    -------
    int
        How many there are; an address that comes twice counts once, where it came first.

    Raises
    ------
    LedgerError
        There is such a file, or it cannot be written.
    """
    if path.exists():
        raise LedgerError(f"there is a ledger already: {str(path)!r}; open it instead")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("BEGIN IMMEDIATE")
            fill(connection, addresses, campaign_id)
            about = path.stat()
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [
                    ("uuid", uuid.uuid4().hex),
                    ("place", f"{about.st_dev}:{about.st_ino}:{path.resolve()}"),
                ],
            )
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            (count,) = connection.execute("SELECT count(*) FROM recipients").fetchone()
            return int(count)
    except (sqlite3.Error, OSError) as exc:
        for rest in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(OSError):
                rest.unlink(missing_ok=True)
        raise LedgerError(
            f"cannot make a ledger in {str(path.parent)!r} ({exc}); nothing was kept"
        ) from exc


def fill(
    connection: sqlite3.Connection, addresses: Iterable[str], campaign_id: str
) -> None:
    """Make the tables, with these recipients in them."""
    _execute_all(connection, TABLES)
    connection.executemany(
        "INSERT INTO recipients(position, key, address) VALUES (?, ?, ?)",
        keyed(addresses),
    )
    _sort_in(connection)
    connection.execute("INSERT INTO meta VALUES ('campaign_id', ?)", (campaign_id,))


def copy(source: Connection, target: sqlite3.Connection) -> None:
    """Copy a ledger out of another kind of database; who runs it is left out."""
    target.execute("BEGIN")
    _execute_all(target, TABLES)
    for table in _COPIED:
        columns = [about[1] for about in target.execute(f"PRAGMA table_info({table})")]
        target.executemany(
            f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            source.execute(f"SELECT {', '.join(columns)} FROM {table}"),  # noqa: S608
        )
    _execute_all(target, INDEXES)
    target.execute("COMMIT")


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger's file for its threads; they take care not to use it at once.

    Raises
    ------
    LedgerError
        There is none, it is no ledger or a newer program's, or it cannot be written.
    """
    if not path.is_file():
        raise LedgerError(f"no ledger at {str(path)!r}; the campaign was never begun there")
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S
        )
        (whose,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if whose != _APPLICATION or not 1 <= version <= VERSION:
            connection.close()
            newer = whose == _APPLICATION and version > VERSION
            raise LedgerError(
                f"the ledger {str(path)!r} was made by a newer smtpbook; update this one"
                if newer
                else f"{str(path)!r} is no ledger, or was not finished; it is left alone"
            )
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    except sqlite3.Error as exc:
        raise LedgerError(f"cannot open the ledger {str(path)!r}: {exc}") from exc


def keyed(addresses: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Give each recipient's position, key and address."""
    for position, address in enumerate(addresses):
        yield position, key_of(address), address


def _sort_in(connection: sqlite3.Connection) -> None:
    """Make the indexes: at the end, each is sorted once."""
    try:
        _execute_all(connection, INDEXES)
    except sqlite3.IntegrityError:
        connection.execute(DUPLICATES)
        _execute_all(connection, INDEXES)


def statements(script: str) -> Iterator[str]:
    """Give a script's statements one by one."""
    return (statement for statement in script.split(";\n") if statement.strip())


def _execute_all(connection: sqlite3.Connection, script: str) -> None:
    # executescript() would commit first.
    for statement in statements(script):
        connection.execute(statement)

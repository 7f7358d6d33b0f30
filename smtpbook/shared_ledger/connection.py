"""Connection: PostgreSQL as the ledger asks a database, and the way to it.

The ledger's SQL is one for all databases; here its placeholders become psycopg's, and what
the driver says goes wrong becomes a `LedgerError`.  What is asked is not known here.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from smtpbook.errors import LedgerError
from smtpbook.escape import visible
from smtpbook.ledger.connection import Values
from smtpbook.ledger.schema import copy

if TYPE_CHECKING:
    import psycopg

# A server that is gone is noticed by the system, not by the program that waits for it.
# Seconds, but the last one.
_SILENCE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SILENT: Final = logging.NullHandler()
# "?", ":name" and what the driver would take for a placeholder; not "::", which casts, and
# nothing in a quoted name.
_PLACEHOLDER: Final = re.compile(r'"[^"]*"|\?|%|(?<!:):([a-z_]+)\b')


class Conflict(LedgerError):
    """The database gave up a transaction in favour of another; to be tried again."""


class SharedConnection:
    """A connection to PostgreSQL on which every statement stands alone until ``BEGIN``.

    Parameters
    ----------
    url : str
        ``postgresql://…``
    name : str
        What errors call the ledger.

    Raises
    ------
    LedgerError
        The database is not reached, here or later, or refuses; no message has a password.
    """

    def __init__(self, url: str, name: str) -> None:
        self._name = name
        self._pipeline: psycopg.Pipeline | None = None
        settings = _settings(url)
        with self._told():
            self._psycopg = _connect(settings)

    def execute(self, query: str, values: Values = ()) -> SharedCursor:
        """Do one statement; within `pipelined` it may be under way when this returns."""
        with self._told():
            return SharedCursor(self, self._psycopg.execute(_translated(query), values))

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> SharedCursor:
        """Do one statement for each row."""
        if isinstance(rows, list) and len(rows) == 1:  # most are, and it is cheaper
            return self.execute(query, rows[0])
        with self._told():
            cursor = self._psycopg.cursor()
            cursor.executemany(_translated(query), rows)
            return SharedCursor(self, cursor)

    def copy_in(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into a table, many at a time; `table` may name columns."""
        statement = f"COPY {table} FROM STDIN".encode()
        with self._told(), self._psycopg.cursor().copy(statement) as copying:
            for row in rows:
                copying.write_row(row)

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """Send statements without waiting for each one's end; asking for rows waits.

        After the first that fails the server does none of the others.
        """
        with self._told(), self._psycopg.pipeline() as self._pipeline:
            try:
                yield
            finally:
                self._pipeline = None

    def sync(self) -> None:
        """Wait for everything that was sent."""
        if self._pipeline is not None:
            with self._told():
                self._pipeline.sync()

    def backup(self, target: sqlite3.Connection) -> None:
        """Copy everything into another database, which is empty."""
        copy(self, target)

    def rollback(self) -> None:
        """Undo everything since ``BEGIN``."""
        with self._told():
            self._psycopg.rollback()

    def close(self) -> None:
        """End it."""
        self._psycopg.close()

    def _told(self) -> AbstractContextManager[None]:
        return told(self._name)


class SharedCursor:
    """What a statement came to; errors as `SharedConnection`."""

    def __init__(self, connection: SharedConnection, cursor: psycopg.Cursor[Any]) -> None:
        self._connection, self._cursor = connection, cursor

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        self._connection.sync()
        return self._cursor.rowcount

    @property
    def status(self) -> str | None:
        """What the server says it did, such as ``COMMIT``."""
        return self._cursor.statusmessage

    def fetchone(self) -> Any:
        """Give the next row; None: there is none."""
        with self._connection._told():
            return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """Give the rows that are left."""
        with self._connection._told():
            return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        with self._connection._told():
            yield from self._cursor


def check_shown(url: str) -> None:
    """Refuse a URL that must not be kept, or handed on.

    Raises
    ------
    LedgerError
        A password is in it, or it is no such URL.
    """
    # "sslpassword" opens the key of a client's certificate.
    if _settings(url).keys() & {"password", "sslpassword"}:
        raise LedgerError(
            f"a password is in the URL of the ledger at {place_of(url)}, and the "
            f"campaign's folder would keep it; leave it out, and let every computer find "
            f"it: in the environment variable PGPASSWORD, or in ~/.pgpass; "
            f"a certificate's key is read from ~/.postgresql, without sslpassword="
        )


def place_of(url: str) -> str:
    """Name the database a URL leads to, without user and password.

    Raises
    ------
    LedgerError
        It is no such URL.
    """
    found = _settings(url)
    host, port = found.get("host", "localhost"), found.get("port", 5432)
    return visible(f"{host}:{port}/{found.get('dbname', '')}")


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say in the ledger's words what went wrong with the database."""
    try:
        import psycopg
    except ImportError as exc:
        raise LedgerError(
            "a ledger in PostgreSQL needs psycopg, which is not installed: "
            "pip install 'smtpbook[cluster]'"
        ) from exc
    try:
        yield
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as exc:
        raise Conflict(f"the ledger {name} is in use: {exc.sqlstate}") from exc
    except psycopg.Error as exc:
        said = visible(" ".join(str(exc).split()), max_chars=400)
        raise LedgerError(
            f"the ledger {name} cannot be read or written ({said}); nothing further is "
            f"sent. When the database answers again, open the campaign again: it goes on "
            f"where it was"
        ) from exc


def _connect(settings: Mapping[str, Any]) -> psycopg.Connection[Any]:
    import psycopg

    # Else it prints of lost connections, which are told here.
    logging.getLogger("psycopg").addHandler(_SILENT)
    connection = psycopg.connect(autocommit=True, **settings)
    # Whatever the database's own default: a commit that was confirmed is on the disk.
    connection.execute("SET synchronous_commit = on")
    return connection


def _settings(url: str) -> dict[str, Any]:
    """Give what a URL says, and what it is silent on; errors as `place_of`."""
    with told("there"):
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

    # SQLAlchemy's spelling adds the driver's name.
    scheme, separator, rest = url.partition("://")
    try:
        if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise ProgrammingError
        asked = conninfo_to_dict(f"postgresql://{rest}")
    except ProgrammingError:  # it quotes the URL, and so the password
        raise LedgerError(
            "this is no URL of a database for a shared ledger: it is "
            "postgresql://user@host:5432/database, and what is special in a password is "
            "quoted (urllib.parse.quote)"
        ) from None
    return {"application_name": "smtpbook", **_SILENCE, **asked}


@lru_cache(maxsize=500)
def _translated(query: str) -> bytes:
    def placeholder(found: re.Match[str]) -> str:
        if found[0] == "?":
            return "%s"
        return f"%({found[1]})s" if found[1] else found[0].replace("%", "%%")

    return _PLACEHOLDER.sub(placeholder, query).encode()

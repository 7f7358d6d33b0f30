"""Databases as a source: any that SQLAlchemy speaks, only ever read.

What a database's URL looks like, and reading what it names.  SQLAlchemy and the drivers
are an extra, so nothing of them is imported before a database is read: see `sql`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from smtpbook.errors import RecipientsError
from smtpbook.table import Table

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

INSTALL: Final = "pip install 'smtpbook[sql]'"

# At least two letters: C:// is a disk.
_SCHEME: Final = re.compile(r"([a-z][a-z0-9_]+)(?:\+[a-z0-9_]+)?://")
_OTHER_URLS: Final = {"file", "ftp", "ftps", "http", "https", "imap", "imaps", "ldap",
                      "ldaps", "mailto", "s3", "sftp", "smtp", "smtps"}  # fmt: skip


def is_database_url(text: str) -> bool:
    """Say whether text is a URL of the kind that databases have.

    >>> is_database_url("postgresql+psycopg://ann@db.example/crm")
    True
    >>> is_database_url("https://lists.example/people.csv")
    False
    """
    found = _SCHEME.match(text)
    return found is not None and found[1] not in _OTHER_URLS


def read_database(
    source: str | URL | Engine | Connection,
    *,
    query: str | None = None,
    table: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Table:
    r"""Read a table, or the answer to a query.

    The database is only read: in a read-only transaction where it has such a thing
    (PostgreSQL, MariaDB, MySQL, SQLite), and always rolled back.  Rows are streamed;
    PostgreSQL's come as Arrow through ADBC where that driver is installed and a URL is
    given.  `Table.rows` counts the answer's rows from 1.

    Numbers, truth values, dates and times keep their type.  Text that repeats itself is
    dictionary-encoded.  JSON, arrays, UUIDs, times of day and whatever else is written as
    text; columns of octets (``bytea``, ``blob``) are left out and named in the problems.

    Parameters
    ----------
    source : str, URL, Engine or Connection
        Such as ``"postgresql://ann@db.example/crm"``, ``"mariadb://…"`` or
        ``"sqlite:///people.db"``, which must exist.  A connection must not be inside a
        transaction, and stays open.
    query : str, optional
        One statement that gives rows.  With `params`, ``:name`` stands for a value and
        ``\\:`` for a colon before a name; without, it is sent as it is.
    table : str, optional
        Instead of `query`: a table or view, read whole; ``"schema.name"`` if it is not in
        the schema that is searched.
    params : mapping of str to value, optional
        The values, one for each name in `query`; bound, never written into it.

    Raises
    ------
    RecipientsError
        The database cannot be reached, refuses the login or the query, or breaks off; the
        table does not exist; two columns have one name; a package is missing.  Passwords
        are not shown.
    """
    try:
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError:
        raise RecipientsError(f"databases need SQLAlchemy: {INSTALL}") from None
    from smtpbook.databases.sql import parse_url, read

    if isinstance(source, str):
        source = parse_url(
            source
        )  # from here on, a traceback with locals shows no password
    return read(source, query=query, table=table, params=params)

"""Schema: a campaign's tables in a database, and how they are made and found.

Each campaign has a schema of its own (PostgreSQL's word for a folder of tables), so that a
database holds many, and a campaign is made and dropped as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Final
from zlib import crc32

from smtpbook.errors import LedgerError, near_miss
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.schema import DUPLICATES, INDEXES, TABLES, keyed, statements
from smtpbook.shared_ledger.connection import SharedConnection, place_of

VERSION: Final = 2
PARTITIONS: Final = 256
"""How many parts a list is dealt in: some for each of a hundred runners."""
LEASE_S: Final = 30.0
"""How long a runner may be silent before its part is given to another."""

_PREFIX: Final = "smtpbook_"
_MAX_NAME: Final = 63  # octets of an identifier (NAMEDATALEN - 1)
_MORE_TABLES: Final = """
ALTER TABLE recipients ADD COLUMN part INTEGER NOT NULL;
ALTER TABLE lease ADD PRIMARY KEY (owner);
ALTER TABLE lease ADD COLUMN sends INTEGER NOT NULL;
CREATE TABLE partitions (
    part INTEGER PRIMARY KEY,
    owner TEXT REFERENCES lease(owner),  -- NULL = nobody's
    is_done INTEGER NOT NULL DEFAULT 0   -- the present send is through with it
);
CREATE TABLE chosen (
    send TEXT NOT NULL,
    recipient INTEGER NOT NULL,
    attempts INTEGER NOT NULL,  -- before the send
    PRIMARY KEY (send, recipient)
);
"""
# What the first version lacked.
_SINCE_1: Final = """
CREATE TABLE IF NOT EXISTS files (
    name TEXT NOT NULL,
    piece INTEGER NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (name, piece)
);
ALTER TABLE partitions ADD COLUMN IF NOT EXISTS is_orphan INTEGER NOT NULL DEFAULT 0;
"""
_MORE_INDEXES: Final = """
CREATE INDEX recipients_part ON recipients(part, position);
CREATE INDEX attempts_intended ON attempts(intended);
ANALYZE recipients;
"""


def create(
    url: str,
    addresses: Iterable[str],
    campaign_id: str,
    *,
    partitions: int = PARTITIONS,
    lease_s: float = LEASE_S,
) -> int:
    """Make a campaign's tables for these recipients, wholly or not at all.

    Returns
    -------
    int
        How many there are; an address that comes twice counts once, where it came first.

    Raises
    ------
    LedgerError
        There are such tables, or the database refuses.
    ValueError
        The campaign's name does not fit, or a number is not above 0.
    """
    if partitions < 1 or lease_s <= 0:
        raise ValueError(f"partitions={partitions!r}, lease_s={lease_s!r}: not above 0")
    schema = _schema_of(campaign_id)
    with closing(SharedConnection(url, name_of(url, campaign_id))) as connection:
        connection.execute("BEGIN")
        if _is_there(connection, schema):
            raise LedgerError(
                f"there is a ledger already: {name_of(url, campaign_id)}; open it instead"
            )
        connection.execute(f"CREATE SCHEMA {_quoted(schema)}")
        _enter(connection, schema)
        tables = TABLES.replace(" WITHOUT ROWID", "") + _MORE_TABLES + _SINCE_1
        for statement in statements(tables):
            connection.execute(statement)
        connection.copy_in(
            "recipients(position, key, address, part)",
            ((*row, part_of(row[1], partitions)) for row in keyed(addresses)),
        )
        connection.execute(DUPLICATES)
        for statement in statements(INDEXES + _MORE_INDEXES):
            connection.execute(statement)
        connection.copy_in("partitions(part)", ((part,) for part in range(partitions)))
        about = {
            "version": VERSION,
            "campaign_id": campaign_id,
            "partitions": partitions,
            "lease_s": lease_s,
            "asked": "go",
            "suppressions": 0,
            "send": "",
            "narrowed": "",
            "before": "{}",
            "begun": "0",
        }
        connection.copy_in("meta", ((name, str(value)) for name, value in about.items()))
        (count,) = connection.execute("SELECT count(*) FROM recipients").fetchone()
        connection.execute("COMMIT")
        return int(count)


def connect(url: str, campaign_id: str) -> SharedConnection:
    """Connect with a campaign's tables.

    Raises
    ------
    LedgerError
        There are none (the message suggests the near miss), they are a newer program's,
        or the database is not reached.
    """
    name = name_of(url, campaign_id)
    connection = SharedConnection(url, name)
    try:
        schema = _schema_of(campaign_id)
        if not _is_there(connection, schema):
            there = _campaigns(connection)
            raise LedgerError(f"there is no ledger {name}{near_miss(campaign_id, there)}")
        _enter(connection, schema)
        query = "SELECT value FROM meta WHERE name = 'version'"
        (version,) = connection.execute(query).fetchone()
        if int(version) > VERSION:
            raise LedgerError(
                f"the ledger {name} was made by a newer smtpbook; update this one"
            )
        if int(version) < VERSION:
            _update(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _update(connection: Connection) -> None:
    """Bring an older program's tables up to date.

    A runner of it that is connected goes on; one that has to connect anew is refused.
    """
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE")  # one at a time
    for statement in statements(_SINCE_1):
        connection.execute(statement)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'version'", (str(VERSION),))
    connection.execute("COMMIT")


def drop(url: str, campaign_id: str) -> None:
    """Remove a campaign's tables; errors as `connect`."""
    with closing(connect(url, campaign_id)) as connection:
        connection.execute(f"DROP SCHEMA {_quoted(_schema_of(campaign_id))} CASCADE")


def campaigns(url: str) -> list[str]:
    """Name the campaigns whose ledgers are in a database; errors as `connect`."""
    with closing(SharedConnection(url, f"at {place_of(url)}")) as connection:
        return sorted(_campaigns(connection))


def name_of(url: str, campaign_id: str) -> str:
    """Give what errors call a ledger; no password is in it."""
    return f"{campaign_id!a} at {place_of(url)}"


def part_of(key: str, partitions: int) -> int:
    """Give the part of the list that a recipient is in: all of one domain are in one."""
    return part_for(key[key.rfind("@") + 1 :], partitions)


def part_for(joined: str, partitions: int) -> int:
    """Give the part that all are in who are to be one runner's."""
    return crc32(joined.encode("utf-8", "replace")) % partitions


def _is_there(connection: Connection, schema: str) -> bool:
    query = "SELECT 1 FROM pg_namespace WHERE nspname = ?"
    return connection.execute(query, (schema,)).fetchone() is not None


def _campaigns(connection: Connection) -> list[str]:
    query = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, ?)"
    found = connection.execute(query, (_PREFIX,)).fetchall()
    return [name.removeprefix(_PREFIX) for (name,) in found]


def _enter(connection: Connection, schema: str) -> None:
    connection.execute("SELECT set_config('search_path', ?, false)", (_quoted(schema),))


def _schema_of(campaign_id: str) -> str:
    schema = _PREFIX + campaign_id
    if not campaign_id.isprintable() or len(schema.encode()) > _MAX_NAME:
        raise ValueError(
            f"{campaign_id!a} names no shared ledger: at most {_MAX_NAME - len(_PREFIX)} "
            f"octets, all printable"
        )
    return schema


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

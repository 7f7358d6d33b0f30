"""SQL: a database opened, asked and closed again, through SQLAlchemy.

What `database.read_database` does once SQLAlchemy is known to be there.  Nothing is
written, here or in the database; every way this can fail ends in one sentence that says
what was tried and never shows a password.
"""

from __future__ import annotations

import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlsplit
from urllib.request import url2pathname

import pyarrow as pa
from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    NullPool,
    Select,
    TableClause,
    TextClause,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    SAWarning,
    SQLAlchemyError,
)

from smtpbook import progress
from smtpbook.databases.batches import Answer, Rows, to_array
from smtpbook.databases.database import INSTALL
from smtpbook.errors import RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.table import Table

_ROWS: Final = 10_000  # held as Python objects
_CONNECT_S: Final = 10  # seconds to wait for PostgreSQL; PyMySQL's own default
_MAX_NAME: Final = 60
_WORTH_SHOWING: Final = 500_000  # rows from which progress is shown

# What the names without a driver mean here; SQLAlchemy's choice depends on its version.
# Then names that other libraries know, and drivers that only run inside asyncio.
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+asyncpg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+aiomysql": "mysql+pymysql",
    "mysql+asyncmy": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite+aiosqlite": "sqlite",
}
_LIBPQ: Final = {"postgresql+psycopg", "postgresql+psycopg2"}
_PACKAGES: Final = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary"}
_EXTRA: Final = {"psycopg", "pymysql"}
# What makes a connection read-only, and what ends it.  MariaDB's START TRANSACTION READ
# ONLY lets DROP TABLE pass: it commits first, which ends that transaction.
_READ_ONLY: Final = {
    "postgresql": ("SET TRANSACTION READ ONLY", ""),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
}
_SYSTEM: Final = {"information_schema", "performance_schema", "mysql", "sys"}
_ADBC: Final = "adbc_driver_postgresql"
_MAX_NAMES: Final = 8
_MAX_WORDS: Final = 400
_SECRET: Final = re.compile(r"pass|pwd|secret|token|odbc_connect", re.I)
# What libpq and ADBC put around PostgreSQL's words; the lines that point into a query.
_NOISE: Final = re.compile(
    r"^.*?(?:ERROR|FATAL): +|\nLINE \d+:.*?\n *\^|\s*Query was: .*$|"
    r"\.? SQLSTATE: \w+$",
    re.S,
)
# A name in a driver's words: quoted, or, for SQLite, after a colon at the end.
_QUOTED: Final = re.compile(r"""(?:["'`]|: )([\w.]+)(?:["'`]|$)""")


def parse_url(written: str) -> URL:
    """Make a URL of its text; it masks its password wherever it is shown.

    Raises
    ------
    RecipientsError
        It is none.  It is not repeated: there may be a password in it.
    """
    try:
        url = make_url(written)
        if "@" in (url.host or ""):  # the rest of a password with @ in it
            raise ValueError
    except (ArgumentError, ValueError):
        raise RecipientsError(
            "this is no database's URL; expected such as "
            "postgresql://user:password@host/database, with @ : / ? # % in a password "
            "written as %40 %3A %2F %3F %23 %25"
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername in _LIBPQ:
        usual = {"connect_timeout": str(_CONNECT_S), "client_encoding": "utf8"}
        url = url.set(query={**usual, **url.query})
    return url


def read(
    source: URL | Engine | Connection,
    *,
    query: str | None,
    table: str | None,
    params: Mapping[str, Any] | None,
) -> Table:
    """Do what `database.read_database` says."""
    _check_options(query, table, params)
    with _open(source) as connection:
        url = connection.engine.url
        statement, count = _statement(connection, query, table, params)
        connection.rollback()  # looking for the table began a transaction
        name = f"{url.get_backend_name()}: {' '.join((table or query or '').split())}"
        name = visible(name, max_chars=_MAX_NAME)
        answer: Answer | None = None
        try:
            with _rows(connection, source, statement, params or {}) as (headers, batches):
                answer = Answer(name, headers)
                for batch in _watched(batches, name, count):
                    answer.add(batch)
        except SQLAlchemyError as error:
            told = _told(error, url)
            if answer and answer.rows:
                raise RecipientsError(
                    f"{name}: broke off after row {answer.rows:,}: {told}; nothing is "
                    f"kept, so read it again"
                ) from None
            hint = _hint(connection, query, params, told)
            raise RecipientsError(f"{_shown(url)}: {told}{hint}") from None
        return answer.table()


def _watched(
    batches: Iterator[Sequence[pa.Array]], name: str, count: int
) -> Iterator[Sequence[pa.Array]]:
    display = progress.show(f"reading {name}", count, progress=count >= _WORTH_SHOWING)
    done = 0
    try:
        for batch in batches:
            yield batch
            done += len(batch[0])
            display.update(done, {})
    finally:
        display.close()


def _check_options(
    query: str | None, table: str | None, params: Mapping[str, Any] | None
) -> None:
    if query is not None and table is not None:
        raise RecipientsError("query= and table= exclude each other; give one of them")
    if not (query or table or "").strip(" ;\n") and (query, table) != (None, None):
        raise RecipientsError("query= or table= is empty")
    if params is None:
        return
    if query is None:
        raise RecipientsError("params= is for the :names in query=, and there is no query=")
    named = sorted(text(query).compile().params)
    for name, value in params.items():
        if name not in named:
            raise RecipientsError(
                f"params= has {name!r}, but there is no :{name} in query="
                f"{near_miss(name, named)}"
            )
        if isinstance(value, list | tuple | set | frozenset | dict):
            raise RecipientsError(
                f"params={{{name!r}: …}} is one value, not a {type(value).__name__}; for "
                f"several write several names, such as in (:a, :b)"
            )
    for name in named:
        if name not in params:
            raise RecipientsError(
                f"query= has :{name}, but there is no {name!r} in params="
                f"{near_miss(name, params)}; a colon that stands for itself is written \\:"
            )


# --- opening -----------------------------------------------------------------------------


@contextmanager
def _open(source: URL | Engine | Connection) -> Iterator[Connection]:
    """Connect to what is not connected yet, and close what was opened here."""
    if isinstance(source, Connection):
        if source.in_transaction():
            raise RecipientsError(
                "the connection is inside a transaction, which cannot be made read-only; "
                "commit it or roll it back first, or pass the engine"
            )
        try:
            yield source
        finally:
            source.rollback()
        return
    if not isinstance(source, URL | Engine):
        raise RecipientsError(
            f"cannot read a {type(source).__name__}; expected a database's URL, or "
            f"SQLAlchemy's Engine or Connection"
        )
    engine = _engine(source) if isinstance(source, URL) else source
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
        # Beside its own errors, a driver raises these for options that it does not know.
        except (SQLAlchemyError, TypeError, ValueError, RuntimeError) as error:
            raise RecipientsError(
                f"cannot connect to {_shown(engine.url)}: {_told(error, engine.url)}; is "
                f"the database running there, and are user, password and name right?"
            ) from None
        yield connection


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        url = _existing(url)
    try:
        engine = create_engine(url, poolclass=NullPool)
        if url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _alone)
        return engine
    except NoSuchModuleError:
        known = ("postgresql", "mariadb", "mysql", "sqlite", "mssql", "oracle")
        raise RecipientsError(
            f"SQLAlchemy knows no database {url.drivername!r}"
            f"{near_miss(url.get_backend_name(), known)}; for other databases install the "
            f"package that teaches it, such as duckdb-engine"
        ) from None
    except ModuleNotFoundError as error:
        missing = str(error.name)
        package = INSTALL if missing in _EXTRA else (
            f"pip install {_PACKAGES.get(missing, missing)}"
        )  # fmt: skip
        raise RecipientsError(
            f"{url.get_backend_name()} needs the driver {missing!r}: {package}"
        ) from None


def _alone(connection: Any, _: object) -> None:
    # ATTACH and VACUUM INTO make a file, even where every other statement is refused.
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def _existing(url: URL) -> URL:
    """Give SQLite's URL so that the file is only read, and not made if it is missing."""
    if not url.database or url.database == ":memory:":
        return url
    place = url.database
    if not place.startswith("file:"):
        path = Path(place).expanduser()
        if not path.is_file():
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            raise RecipientsError(
                f"no file {visible(repr(str(path)))}"
                f"{near_miss(path.name, sorted(entry.name for entry in beside))}"
            )
        place = path.absolute().as_uri()
    return url.set(database=place).update_query_dict({"mode": "ro", "uri": "true"})


# --- asking ------------------------------------------------------------------------------


def _statement(
    connection: Connection,
    query: str | None,
    table: str | None,
    params: Mapping[str, Any] | None,
) -> tuple[TextClause | Select[Any], int]:
    """Give what to execute and, for a table, how many rows will come; 0 = not known."""
    if query is not None:
        # Without parameters, every colon stands for itself.
        return text(query if params is not None else query.replace(":", "\\:")), 0
    try:
        if table is None:
            raise RecipientsError(_offer(connection))
        found = _find(connection, table)
        count = connection.scalar(select(func.count()).select_from(found)) or 0
        return select(literal_column("*")).select_from(found), count
    except SQLAlchemyError as error:
        url = connection.engine.url
        raise RecipientsError(f"{_shown(url)}: {_told(error, url)}") from None


def _find(connection: Connection, table: str) -> TableClause:
    inspector = inspect(connection)
    before, dot, after = table.partition(".")
    for schema, name in ((None, table), *([(before, after)] if dot else [])):
        if inspector.has_table(name, schema=schema):
            return named_table(name, schema=schema)
    names = list(_columns_by_table(connection))
    raise RecipientsError(
        f"no table {visible(repr(table))} in {_shown(connection.engine.url)}"
        f"{near_miss(table, names) or _listed('; its tables', names)}"
    )


def _offer(connection: Connection) -> str:
    columns = _columns_by_table(connection)
    likely = [
        name for name, its in columns.items() if any("mail" in c.lower() for c in its)
    ]
    return (
        "say what to read: table= or query="
        + _listed("; tables with a column of addresses", likely)
        + ("" if likely else _listed("; its tables", list(columns)))
    )


def _columns_by_table(connection: Connection) -> dict[str, list[str]]:
    """Give what tables and views there are, with their columns, under their full names."""
    inspector = inspect(connection)
    usual = inspector.default_schema_name
    found: dict[str, list[str]] = {}
    for schema in (None, *inspector.get_schema_names()):
        if schema is not None and (schema == usual or schema in _SYSTEM):
            continue
        with warnings.catch_warnings(action="ignore", category=SAWarning):  # odd types
            several = inspector.get_multi_columns(schema=schema, kind=ObjectKind.ANY)
        for (_, table), columns in several.items():
            name = f"{schema}.{table}" if schema else table
            found[name] = [column["name"] for column in columns]
    return found


def _listed(title: str, names: list[str]) -> str:
    shown = ", ".join(visible(repr(name)) for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{title}: {shown}{more}" if names else ""


@contextmanager
def _rows(
    connection: Connection,
    source: URL | Engine | Connection,
    statement: TextClause | Select[Any],
    params: Mapping[str, Any],
) -> Iterator[Rows]:
    if isinstance(source, URL) and source.drivername in _LIBPQ and find_spec(_ADBC):
        from smtpbook.databases.postgresql import open_rows

        with open_rows(_conninfo(source), statement, params) as rows:
            yield rows
        return
    database = connection.dialect.name
    begin, end = _READ_ONLY.get(database, ("", ""))
    try:
        if begin:
            connection.exec_driver_sql(begin)
        options = {"stream_results": True, "yield_per": _ROWS}
        with connection.execute(statement, params, execution_options=options) as result:
            try:
                if result.returns_rows:
                    yield list(result.keys()), _arrays(result)
                else:
                    yield [], iter(())
            except BaseException:
                _abandon(connection, result)
                raise
    finally:
        connection.rollback()
        if end and not connection.invalidated:
            connection.exec_driver_sql(end)
            connection.rollback()


def _abandon(connection: Connection, result: CursorResult[Any]) -> None:
    """Leave an answer that PyMySQL would read to its end, even on a lost connection.

    "There is, in fact, no way to stop MySQL from sending all the data after executing a
    query" (``_finish_unbuffered_query`` in pymysql/connections.py 1.2), except to hang up.
    """
    answer = getattr(result.cursor, "_result", None)
    if answer is not None and getattr(answer, "unbuffered_active", False):
        answer.unbuffered_active = False
        connection.invalidate()


def _arrays(result: CursorResult[Any]) -> Iterator[list[pa.Array]]:
    for rows in result.partitions(_ROWS):
        yield [to_array(column) for column in zip(*rows, strict=True)]


def _conninfo(url: URL) -> str:
    """Write a URL as libpq's keywords and values (section 34.1.1.1 of its manual)."""
    _, options = url.get_dialect()().create_connect_args(url)
    quoted = {
        name: str(value).replace("\\", r"\\").replace("'", r"\'")
        for name, value in options.items()
    }
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())


# --- telling -----------------------------------------------------------------------------


def _shown(url: URL) -> str:
    """Give a URL without its password, and without options that may hold one."""
    if url.get_backend_name() == "sqlite" and (url.database or "").startswith("file:///"):
        url = url.set(
            database=url2pathname(urlsplit(url.database or "").path)
        )  # `_existing`
    return visible(url.set(query={}).render_as_string(hide_password=True))


def _told(error: Exception, url: URL) -> str:
    """Give a driver's own words on one line, without the passwords of the URL."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    words = str(cause.args[-1] if cause.args else cause)  # PyMySQL: a number comes first
    words = " ".join(_NOISE.sub("", words).split())
    secrets = [str(value) for name, value in url.query.items() if _SECRET.search(name)]
    for secret in (url.password, *secrets):
        for form in {str(secret or ""), quote(secret or ""), quote_plus(secret or "")} - {
            ""
        }:
            words = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", words)
    return visible(words, max_chars=_MAX_WORDS)


def _hint(
    connection: Connection, query: str | None, params: Mapping[str, Any] | None, told: str
) -> str:
    """Say what may help against an error in the query."""
    if query is None:
        return ""
    named = filter(str.isidentifier, sorted(text(query).compile().params))
    if params is None and (name := next(named, "")):
        return f"; if :{name} stands for a value, pass params={{{name!r}: …}}"
    try:
        tables = _columns_by_table(connection)
    except SQLAlchemyError:
        return ""
    names = {*tables, *(name for columns in tables.values() for name in columns)}
    quoted = [name.split(".")[-1] for name in _QUOTED.findall(told)]
    hints = (near_miss(name, sorted(names)) for name in quoted if name not in names)
    return next(filter(None, hints), "")

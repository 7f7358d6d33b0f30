"""PostgreSQL through ADBC: rows come as Arrow batches, without an object for each cell.

One read-only transaction in a connection of its own.  A query without parameters is
copied out (``COPY … TO STDOUT``), the fastest way there is; one with parameters goes
through a cursor, because COPY takes none.  Columns whose binary form the driver does not
know, or gives without its meaning, are asked for as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager.dbapi import Cursor, Error
from adbc_driver_postgresql import StatementOptions
from adbc_driver_postgresql.dbapi import connect
from sqlalchemy import Cast, Dialect, Select, TextClause, bindparam, cast
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from smtpbook.databases.batches import Rows

_BATCH_BYTES: Final = 4 << 20
_FETCH: Final = 20_000  # rows of a cursor at a time
_TYPE: Final = b"POSTGRESQL:type"
# Types that come as what they are.  Not among them: money, which comes as a number of
# cents, and what an extension or a user added (citext, enumerations).
_KNOWN: Final = frozenset(
    b"bool int2 int4 int8 oid float4 float8 numeric text varchar bpchar char name date "
    b"timestamp timestamptz json jsonb bytea".split()
)
_DIALECT: Final[Dialect] = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


@contextmanager
def open_rows(
    conninfo: str, statement: TextClause | Select[Any], params: Mapping[str, Any]
) -> Iterator[Rows]:
    """Begin to read; the rows come while they are asked for, until the block is left.

    Parameters
    ----------
    conninfo : str
        As libpq takes it, password and all.
    statement : TextClause or Select
        What to read.
    params : mapping of str to value
        One value for each of its parameters.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        Around the driver's own error, here and while rows are read.
    """
    try:
        with connect(conninfo) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            sql, values = _compiled(cursor, statement, params)
            schema = cursor.adbc_execute_schema(sql)
            sql = _with_known_types(sql, schema)
            batches = _fetched(cursor, sql, values) if values else _copied(cursor, sql)
            yield schema.names, batches if schema.names else iter(())
    except (Error, pa.ArrowException, OSError) as error:  # the last two while rows come
        raise DBAPIError(None, None, error) from None


def _copied(cursor: Cursor, sql: str) -> Iterator[list[pa.Array]]:
    option = StatementOptions.BATCH_SIZE_HINT_BYTES.value
    cursor.adbc_statement.set_options(**{option: str(_BATCH_BYTES)})
    cursor.execute(f"{sql}\n")  # a comment at its end must not swallow what is put around
    for batch in cursor.fetch_record_batch():
        yield [_plain(column) for column in batch.columns]


def _fetched(
    cursor: Cursor, sql: str, values: list[str | None]
) -> Iterator[list[pa.Array]]:
    cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "false"})
    # All rows are wanted, not the first ones soon.
    cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
    cursor.execute(f"DECLARE people NO SCROLL CURSOR FOR {sql}", values)
    while True:
        cursor.execute(f"FETCH {_FETCH} FROM people")
        batches = cursor.fetch_arrow_table().to_batches()
        if not batches:
            return
        for batch in batches:
            yield [_plain(column) for column in batch.columns]


class _Typed(UserDefinedType[Any]):
    """Binds text as a value of the type that the server takes a parameter to have.

    The driver declares what it binds, so a text, which a query may compare with a date or
    an enumeration when its type is left open, would be refused there.
    """

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        return str(_DIALECT.identifier_preparer.quote_identifier(self.name))

    def bind_expression(self, bindvalue: Any) -> Cast[Any]:
        return cast(bindvalue, self)


def _compiled(
    cursor: Cursor, statement: TextClause | Select[Any], params: Mapping[str, Any]
) -> tuple[str, list[str | None]]:
    """Write each ``:name`` as a number; give the values in the order of the numbers."""
    sql = _without_end(str(statement.compile(dialect=_DIALECT)))
    if not params or not isinstance(statement, TextClause):
        return sql, []
    numbered = statement.compile(dialect=_DIALECT).positiontup or []
    types = [_type_of(field) for field in cursor.adbc_prepare(sql) or ()]
    typed = [
        bindparam(name, type_=_Typed(type_))
        for name, type_ in zip(numbered, types, strict=True)
        if "<" not in type_  # unnamed<oid:…>: of a type made after the connection was
    ]
    sql = str(statement.bindparams(*typed).compile(dialect=_DIALECT))
    return _without_end(sql), [_literal(params[name]) for name in numbered]


def _without_end(sql: str) -> str:
    return sql.rstrip().removesuffix(";")


def _literal(value: object) -> str | None:
    """Write a value as PostgreSQL reads it (section 4.1.2.7 of its manual)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return str(value)


def _with_known_types(sql: str, schema: pa.Schema) -> str:
    types = [_type_of(field) for field in schema]
    if all(name.encode() in _KNOWN for name in types):
        return sql
    names = [f"c{number}" for number in range(len(types))]
    columns = [
        name if type_.encode() in _KNOWN
        # Arrays and rows as the other drivers give them: as JSON.
        else f"to_jsonb({name})::text" if type_.startswith("_") or type_ == "record"
        else f"{name}::text"
        for name, type_ in zip(names, types, strict=True)
    ]  # fmt: skip
    return f"SELECT {', '.join(columns)} FROM (\n{sql}\n) AS answer ({', '.join(names)})"  # noqa: S608


def _type_of(field: pa.Field) -> str:
    name: bytes = (field.metadata or {}).get(_TYPE, b"<unknown>")
    return name.decode()


def _plain(column: pa.Array) -> pa.Array:
    """Give a column's content without the types that only its database has."""
    if isinstance(column, pa.ExtensionArray):
        is_number = getattr(column.type, "type_name", None) == "numeric"
        column = _decimals(column.storage) if is_number else column.storage
    return column


def _decimals(text: pa.Array) -> pa.Array:
    """Give numbers that came as text, exact, with as many decimal places as the longest."""
    point = pc.find_substring(text, ".")
    places = pc.subtract(pc.subtract(pc.binary_length(text), point), 1)
    scale = pc.max(pc.if_else(pc.less(point, 0), 0, places)).as_py()
    try:
        return text.cast(pa.decimal128(38, scale or 0))
    except pa.ArrowInvalid:  # NaN, Infinity, more than 38 digits
        return text

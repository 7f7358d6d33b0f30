"""Lending: what a log is to SQL, be it a DataFrame or files.

A DataFrame is lent to DuckDB as Arrow arrays, of which hardly any are copied.  Of files it
reads the columns that are needed, piece by piece; streams, which are no Parquet yet, are
read here and lent like a DataFrame.  Either way SQL sees the same: a table of plain types,
in which ``time`` is what it is in a `Row`, microseconds since 1970, because DuckDB's own
times hang on time zones; and ``place``, a row's place in the log.  What is asked of it is
for `engine`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from smtpbook.errors import ColumnError, SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.log.frame import arrow_schema, join_tables, require_columns
from smtpbook.log.stream import SUFFIX, read_stream
from smtpbook.log.where import located, path_of

PLACE: Final = "place"
"""The column of SQL that tells a row's place in the log."""
ARROW_TYPES: Final = {field.name: field.type for field in arrow_schema()}
"""What Arrow calls the types of the log's columns."""


class IfThere(str):
    """A column's name, of one that is null in a log that lacks it.

    Named once more behind it as a plain text, it is needed after all.
    """

    __slots__ = ()


Needs = Mapping[str, str]
"""Columns of the log that are looked at, by the names that SQL has for them."""
Numbered = list[tuple[int, Path]]
"""Files of a log, each with its number among all of them."""

# Rows of a file are numbered from here times the file's own number.
_FILE_ROWS: Final = 2**40
_FILES: Final = "read_parquet(${}, union_by_name = true)"
_opening: Final = threading.Lock()
_NO_PLACES: Final = np.array([], np.int64)
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_SQL_TYPES: Final = {
    "string": "VARCHAR",
    "category": "VARCHAR",
    "Int16": "SMALLINT",
    "Int32": "INTEGER",
    "int32": "INTEGER",
    "Int64": "BIGINT",
    "float64": "DOUBLE",
}


def lend_frame(log: pd.DataFrame, needs: Needs) -> pa.Table:
    """Give the columns of a DataFrame that are needed, as Arrow has them."""
    require_columns(log, *_required(needs))
    return pa.table({name: _lent(log, column) for name, column in needs.items()})


def _required(needs: Needs) -> list[str]:
    """Give the columns without which a log is refused."""
    return [
        column
        for column in needs.values()
        if column != PLACE and not isinstance(column, IfThere)
    ]


def _lent(log: pd.DataFrame, column: str) -> Any:
    if column == PLACE:
        return pa.array(np.arange(len(log)))
    if column not in log.columns:
        return pa.nulls(len(log), ARROW_TYPES[column])
    return _arrow_of(log[column], ARROW_TYPES.get(column))


def _arrow_of(column: pd.Series[Any], type_: pa.DataType | None) -> Any:
    """Give a column as SQL sees it; one that is not the log's (no type) as it is."""
    try:
        values = pa.array(column, from_pandas=True)
        if type_ is None:
            return values
        if pa.types.is_timestamp(type_):
            return values.cast(type_, safe=False).cast(pa.int64())  # of nanoseconds, too
        if not _is_text(type_):
            return values.cast(type_)
        return values if _is_text(values.type) else values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as exc:
        dtype = _DTYPES.get(str(column.name), "values of one kind")
        raise SMTPBookError(
            f"column {str(column.name)!r} does not hold {dtype}: "
            f"{visible(str(exc), max_chars=200)}"
        ) from exc


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return any(
        is_one(type_)
        for is_one in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
        )
    )


def lend_files(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Numbered,
    needs: Needs,
    parameters: dict[str, Any],
) -> tuple[str, Collection[str]]:
    """Give files to SQL.

    Returns
    -------
    sql : str
        What defines the log there; its parameters are put into those given.
    there : collection of str
        The columns that at least one of the files has.
    """
    for column in needs.values():
        if column not in _DTYPES and column != PLACE:
            raise ColumnError(f"column {column!r} not found{near_miss(column, COLUMNS)}")
    sealed = [(n, path) for n, path in files if path.suffix != SUFFIX]
    growing = [(n, path) for n, path in files if path.suffix == SUFFIX]
    parts, there = [], set[str]()
    if sealed:
        places, paths = zip(*sealed, strict=True)
        _open_ways(connection, paths)
        there.update(_columns_in(connection, paths))
        parameters[f"{name}_files"] = list(map(str, paths))
        parameters[f"{name}_places"] = list(places)
        columns = ", ".join(
            f"{_expression(name, column, there)} AS {alias}"
            for alias, column in needs.items()
        )
        parts.append(f"SELECT {columns} FROM {_FILES.format(f'{name}_files')}")
    if growing or not sealed:
        connection.register(f"{name}_streams", _read_streams(growing, needs))
        parts.append(f"SELECT * FROM {name}_streams")
        there.update(COLUMNS)
    return f"{name} AS NOT MATERIALIZED ({' UNION ALL BY NAME '.join(parts)})", there


def _open_ways(connection: duckdb.DuckDBPyConnection, paths: Iterable[Path]) -> None:
    """Have files behind URLs read by fsspec; each file system is told to DuckDB once."""
    with _opening:
        known = {*connection.list_filesystems()}
        for path in paths:
            _, system = located(path)
            if system is not None and _protocol(system) not in known:
                connection.register_filesystem(system)
                known.add(_protocol(system))


def _protocol(system: Any) -> str:
    names = system.protocol
    return str(names if isinstance(names, str) else names[0])


def require_in_files(paths: Sequence[Path], there: Collection[str], needs: Needs) -> None:
    """Check that each column is in some file; in the others it is null."""
    for column in _required(needs):
        if column not in there:
            others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            hint = near_miss(column, there)
            raise ColumnError(f"{paths[0]}{others}: column {column!r} not found{hint}")


def notice_removed(paths: Iterable[str | Path]) -> None:
    """Raise FileNotFoundError if a file of a scan is not there any more."""
    for path in paths:
        path_of(path).stat()


def _expression(name: str, column: str, there: Collection[str]) -> str:
    """Give what makes a column of Parquet what it is in a DataFrame; null where none is."""
    if column == PLACE:
        number = f"${name}_places[CAST(file_index AS BIGINT) + 1]"
        return f"{number} * {_FILE_ROWS} + file_row_number"
    given = column if column in there else "NULL"
    if column == "time":
        return f"epoch_us(CAST({given} AS TIMESTAMPTZ))"
    return f"CAST({given} AS {_SQL_TYPES[_DTYPES[column]]})"


def _columns_in(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]
) -> Sequence[str]:
    """Give the columns that at least one of the files has."""
    try:
        return connection.sql(
            f"SELECT * FROM {_FILES.format('files')}",
            params={"files": list(map(str, paths))},
        ).columns
    except duckdb.Error as exc:
        notice_removed(paths)
        raise SMTPBookError(
            f"damaged, or not an event log: {visible(str(exc), max_chars=300)}"
        ) from exc


def _read_streams(growing: Numbered, needs: Needs) -> pa.Table:
    """Read streams up to their last whole batch, as `_rows_of` gives a DataFrame."""
    tables = [read_stream(path)[0] for _, path in growing]
    numbers = [np.int64(number) * _FILE_ROWS for number, _ in growing]
    places = [
        number + np.arange(table.num_rows)
        for number, table in zip(numbers, tables, strict=True)
    ]
    given = join_tables(tables)
    given = given.append_column(PLACE, pa.array(np.concatenate([*places, _NO_PLACES])))
    columns = {name: given[column] for name, column in needs.items()}
    return pa.table(
        {
            name: values.cast(pa.int64()) if needs[name] == "time" else values
            for name, values in columns.items()
        }
    )

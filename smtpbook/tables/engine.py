"""Engine: a question in SQL, put to a DataFrame or to files, answered in pandas.

It knows how a log becomes what SQL calls ``log``, and an answer a DataFrame of the dtypes
that the event log has; it knows no table.

Theory of operation.  All queries of a process go to one DuckDB, kept in memory and empty:
it takes 40 ms to make one, and 10 µs to open a connection of it, which each query has for
itself.  A DataFrame is lent to it as Arrow arrays, of which hardly any are copied.  Of
files it reads the columns that are needed, piece by piece; a campaign's streams, which are
no Parquet yet, are read here and lent like a DataFrame.  Either way SQL sees the same: a
table of plain types, in which ``time`` is what it is in a `Row`, microseconds since 1970,
because DuckDB's own times hang on time zones; and ``place``, a row's place in the log.

A query runs in a thread, while the calling one waits where an interrupt reaches it, and
tells DuckDB to stop.  Nothing foreign is ever part of a query: names of columns are those
of the schema or aliases, and everything else is a parameter.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from smtpbook.errors import ColumnError, SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, KINDS, OUTCOMES, SCHEMA
from smtpbook.log.frame import arrow_schema, join_tables, require_columns
from smtpbook.log.stream import SUFFIX, read_stream
from smtpbook.tables.scan import MEMORY_BYTES, Log, Scan

PLACE: Final = "place"
"""The column of SQL that tells a row's place in the log."""

_Needs = Mapping[str, str]
_Answer = TypeVar("_Answer")
# How long the waiting thread sleeps at most: an interrupt does not end a lock on Windows.
_LOOK_S: Final = 0.1
# A query notices within a few milliseconds that it is to stop; one that does not is left
# to itself.
_STOPS: Final = 50
_STOP_S: Final = 0.003
# At the end of the process there is nobody who waits for the next cell: some seconds.
_ENDS: Final = 3000
# How often files are looked for again that were sealed under our hands.
_LOOKS: Final = 5
# Rows of a file are numbered from here times the file's own number.
_FILE_ROWS: Final = 2**40
_FILES: Final = "read_parquet(${}, union_by_name = true)"
# Queries that run, and how to stop each; one that is over goes of itself.
_running: Final = WeakKeyDictionary[threading.Thread, Callable[[], None]]()
_NO_PLACES: Final = np.array([], np.int64)
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_ARROW_TYPES: Final = {field.name: field.type for field in arrow_schema()}
_TIME: Final = "datetime64[us, UTC]"
_SQL_TYPES: Final = {
    "string": "VARCHAR",
    "category": "VARCHAR",
    "Int16": "SMALLINT",
    "Int32": "INTEGER",
    "int32": "INTEGER",
    "Int64": "BIGINT",
    "float64": "DOUBLE",
}
_FIXED_CATEGORIES: Final = {"kind": KINDS, "outcome": OUTCOMES}
_PLAIN: Final = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def query(
    sql: str,
    dtypes: Mapping[str, Any],
    *,
    needs: Iterable[str] | _Needs,
    parameters: Mapping[str, Any] | None = None,
    **logs: Log,
) -> pd.DataFrame:
    """Ask one or more logs a question.

    Parameters
    ----------
    sql : str
        The question, beginning with SELECT or WITH.
    dtypes : mapping of str to dtype
        Names and dtypes of the answer's columns, in the order of the question's.
    needs : iterable of str, or mapping of str to str
        Columns of the log that are looked at; `PLACE` counts as one.  A mapping gives
        columns other names for SQL.
    parameters : mapping, optional
        What stands as ``$name`` in the question.
    **logs : DataFrame or Scan
        What the question calls by these names; commonly ``log``.

    Returns
    -------
    DataFrame
        Categories are those of the log, where that is a DataFrame, or those that occur.

    Raises
    ------
    ColumnError
        A log lacks a column.
    SMTPBookError
        A column holds what it should not, a file cannot be read, or memory is too small.
    """
    needed = needs if isinstance(needs, Mapping) else {name: name for name in needs}
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):  # it was sealed meanwhile, or compacted
            answer = _ask(sql, needed, dict(parameters or {}), logs)
            return _to_pandas(answer, dtypes, logs)
    raise SMTPBookError("the log's files come and go; ask again")


def _ask(
    sql: str, needs: _Needs, parameters: dict[str, Any], logs: Mapping[str, Log]
) -> pa.Table:
    scans = [log for log in logs.values() if isinstance(log, Scan)]
    memory_bytes = max((scan.memory_bytes for scan in scans), default=MEMORY_BYTES)
    threads = max((scan.max_threads or 0 for scan in scans), default=0)
    connection = _database(os.getpid(), memory_bytes, threads).cursor()
    heads = []
    for name, log in logs.items():
        if isinstance(log, Scan):
            heads.append(_lend_files(connection, name, log, needs, parameters))
        else:
            connection.register(name, _rows_of(log, needs))
    if heads:
        sql = f"WITH {', '.join(heads)}{_following(sql)}"

    # DuckDB lets go of Python's lock while it closes: what is interrupted then is gone.
    closing = threading.Lock()

    def work() -> pa.Table:
        try:
            return connection.sql(sql, params=parameters).to_arrow_table()
        finally:
            with closing:
                connection.close()

    def interrupt() -> None:
        with closing, suppress(duckdb.Error):  # it is closed already
            connection.interrupt()

    try:
        return _interruptible(work, interrupt)
    except duckdb.OutOfMemoryException as exc:
        raise SMTPBookError(
            f"the table takes more than {memory_bytes:,} octets of memory; give more with "
            f"scan_log(…, memory_bytes={2 * memory_bytes})"
        ) from exc
    except duckdb.Error as exc:
        _notice_removed(
            path for name in logs for path in parameters.get(f"{name}_files", ())
        )
        raise SMTPBookError(
            f"the log cannot be read: {visible(str(exc), max_chars=300)}"
        ) from exc


def _notice_removed(paths: Iterable[str | Path]) -> None:
    """Raise FileNotFoundError if a file of a scan is not there any more."""
    for path in paths:
        os.stat(path)


def _following(sql: str) -> str:
    """Give a query as it stands behind the definition of its log."""
    sql = sql.strip()
    return f", {sql.removeprefix('WITH ')}" if sql.startswith("WITH ") else f" {sql}"


# -- the database


@cache
def _database(pid: int, memory_bytes: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Give the process's database; one that was forked has threads no more."""
    database = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_bytes}B",
            "temp_directory": _temporary(pid),
            **({"threads": threads} if threads else {}),
            # It would keep what it has read of files, up to the limit.
            "enable_external_file_cache": False,
            # Nothing is fetched from anywhere.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    database.execute("SET GLOBAL parquet_metadata_cache = true")
    return database


@cache
def _temporary(pid: int) -> str:
    """Make a folder of our own for what memory does not hold: it may hold addresses."""
    folder = tempfile.TemporaryDirectory(prefix="smtpbook-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    atexit.register(end_queries)  # before the folder goes
    return folder.name


def _interruptible(work: Callable[[], _Answer], interrupt: Callable[[], None]) -> _Answer:
    """Do work in a thread; an exception that ends the waiting for it stops it."""
    answer: Future[_Answer] = Future()
    is_over = threading.Event()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as exc:  # whatever it is, it is raised where it was asked for
            answer.set_exception(exc)
        finally:
            is_over.set()

    thread = threading.Thread(target=run, name="query", daemon=True)
    _running[thread] = interrupt
    try:
        thread.start()
        while not is_over.wait(_LOOK_S):
            pass
    except BaseException:
        # More than once: it is forgotten if the query has not begun.
        for _ in range(_STOPS):
            interrupt()
            if is_over.wait(_STOP_S):
                break
        raise
    return answer.result()


def end_queries() -> None:
    """Stop what still runs and wait for it, as is done when the process ends.

    A thread that comes back from DuckDB to an interpreter that is gone aborts the process.
    """
    for thread, interrupt in [*_running.items()]:
        for _ in range(_ENDS):
            if not thread.is_alive():
                break
            interrupt()
            thread.join(_STOP_S)


# -- logs


def _rows_of(log: pd.DataFrame, needs: _Needs) -> pa.Table:
    """Give the columns of a DataFrame that are needed, as Arrow has them."""
    require_columns(log, *(column for column in needs.values() if column != PLACE))
    return pa.table(
        {
            name: pa.array(np.arange(len(log)))
            if column == PLACE
            else _arrow_of(log[column], _ARROW_TYPES.get(column))
            for name, column in needs.items()
        }
    )


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


def _lend_files(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    scan: Scan,
    needs: _Needs,
    parameters: dict[str, Any],
) -> str:
    """Give a scan's files to SQL; the answer is what defines them there."""
    for column in needs.values():
        if column not in _DTYPES and column != PLACE:
            raise ColumnError(f"column {column!r} not found{near_miss(column, COLUMNS)}")
    files = scan.files()
    sealed = [(n, path) for n, path in enumerate(files) if path.suffix != SUFFIX]
    growing = [(n, path) for n, path in enumerate(files) if path.suffix == SUFFIX]
    parts = []
    if sealed:
        places, paths = zip(*sealed, strict=True)
        there = _columns_in(connection, paths)
        if not growing:
            _require_in_files(paths, there, needs)
        parameters[f"{name}_files"] = list(map(os.fspath, paths))
        if PLACE in needs.values():
            parameters[f"{name}_places"] = list(places)
        columns = ", ".join(
            f"{_expression(name, column, there)} AS {alias}"
            for alias, column in needs.items()
        )
        parts.append(f"SELECT {columns} FROM {_FILES.format(f'{name}_files')}")
    if growing or not sealed:
        connection.register(f"{name}_streams", _read_streams(growing, needs))
        parts.append(f"SELECT * FROM {name}_streams")
    return f"{name} AS NOT MATERIALIZED ({' UNION ALL BY NAME '.join(parts)})"


def _expression(name: str, column: str, there: Sequence[str]) -> str:
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
            params={"files": list(map(os.fspath, paths))},
        ).columns
    except duckdb.Error as exc:
        _notice_removed(paths)
        raise SMTPBookError(
            f"damaged, or not an event log: {visible(str(exc), max_chars=300)}"
        ) from exc


def _require_in_files(paths: Sequence[Path], there: Sequence[str], needs: _Needs) -> None:
    """Check that each column is in some file; in the others it is null."""
    for column in needs.values():
        if column != PLACE and column not in there:
            others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            hint = near_miss(column, there)
            raise ColumnError(f"{paths[0]}{others}: column {column!r} not found{hint}")


def _read_streams(growing: Sequence[tuple[int, Path]], needs: _Needs) -> pa.Table:
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


# -- answers


def _categories(logs: Mapping[str, Log], name: str) -> Any:
    """Give the categories of a column of the answer: those it has in the one DataFrame."""
    for log in logs.values():
        if len(logs) == 1 and isinstance(log, pd.DataFrame) and name in log.columns:
            dtype = log.dtypes[name]
            if isinstance(dtype, pd.CategoricalDtype):
                return dtype.categories
    return _FIXED_CATEGORIES.get(name.removesuffix("_a").removesuffix("_b"), ())


def _to_pandas(
    answer: pa.Table, dtypes: Mapping[str, Any], logs: Mapping[str, Log]
) -> pd.DataFrame:
    columns = {
        name: _to_categorical(values, _categories(logs, name))
        if isinstance(dtype, str) and dtype == "category"
        else _column(values, dtype)
        for values, (name, dtype) in zip(answer.columns, dtypes.items(), strict=True)
    }
    return pd.DataFrame(columns, copy=False)


def _column(values: pa.ChunkedArray, dtype: Any) -> Any:
    """Give a column as pandas holds it: one of the log's dtypes, or a DataFrame's own."""
    if dtype in _PLAIN:
        return values.cast(_PLAIN[dtype]).to_numpy().copy()
    if dtype == "string":
        dtype, values = "string[pyarrow]", values.cast(pa.large_string())
    elif isinstance(dtype, str) and dtype == _TIME:
        values = values.cast(pa.int64()).cast(_ARROW_TYPES["time"])
    extension: Any = pd.api.types.pandas_dtype(dtype)
    if hasattr(extension, "__from_arrow__"):
        return extension.__from_arrow__(values.combine_chunks())
    return values.to_pandas().astype(dtype)


def _to_categorical(values: pa.ChunkedArray, known: Sequence[str]) -> pd.Categorical:
    texts = values.cast(pa.string()).combine_chunks().dictionary_encode()
    there = texts.dictionary.to_pylist()
    names = [*known, *sorted(set(there).difference(known))]
    number = {name: place for place, name in enumerate(names)}
    places = np.array([*map(number.__getitem__, there), -1], np.int64)
    codes = places[texts.indices.fill_null(-1).to_numpy()]
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))

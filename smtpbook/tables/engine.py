"""Engine: a question in SQL, put to a DataFrame or to files, answered in pandas.

It knows how an answer becomes a DataFrame of the dtypes that the event log has; what a log
is to SQL is for `lending`.  It knows no table.

Theory of operation.  All queries of a process go to one DuckDB, kept in memory and empty:
it takes 40 ms to make one, and 10 µs to open a connection of it, which each query has for
itself.

A table has one definition, in two steps: of the log its `parts`, and of these the answer.
Here both are one query.  On a cluster the first is asked of some of the files at a time,
and what was found in these is merged; the second is asked here, of the whole.

A query runs in a thread, while the calling one waits where an interrupt reaches it, and
tells DuckDB to stop.  Nothing foreign is ever part of a query: names of columns are those
of the schema or aliases, and everything else is a parameter.
"""

from __future__ import annotations

import atexit
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.events import KINDS, OUTCOMES
from smtpbook.gathering import gather
from smtpbook.tables.lending import (
    ARROW_TYPES,
    PLACE,
    Needs,
    Numbered,
    lend_files,
    lend_frame,
    notice_removed,
    require_in_files,
)
from smtpbook.tables.parts import Part
from smtpbook.tables.scan import MEMORY_BYTES, Log, Scan

__all__ = ["PLACE", "end_queries", "query"]

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
# Queries that run, and how to stop each; one that is over goes of itself.
_running: Final = WeakKeyDictionary[threading.Thread, Callable[[], None]]()
_TIME: Final = "datetime64[us, UTC]"
_FIXED_CATEGORIES: Final = {"kind": KINDS, "outcome": OUTCOMES}
_PLAIN: Final = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


class _Budget(NamedTuple):
    """What a query may take; 0 threads = one per core."""

    memory_bytes: int
    threads: int


class _Found(NamedTuple):
    """What was found in some of the files, which columns these have, and by what."""

    table: pa.Table
    there: frozenset[str]
    engine: str


def query(
    sql: str,
    dtypes: Mapping[str, Any],
    *,
    needs: Iterable[str] | Needs,
    parameters: Mapping[str, Any] | None = None,
    parts: Mapping[str, Part] | None = None,
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
    parts : mapping of str to Part, optional
        What the question is asked of instead of the logs themselves, by the names that it
        has for them.  Without them nothing can be asked of a log on a cluster.
    **logs : DataFrame or Scan
        What the question, or its parts, call by these names; commonly ``log``.

    Returns
    -------
    DataFrame
        Categories are those of the log, where that is a DataFrame, or those that occur.

    Raises
    ------
    ColumnError
        A log lacks a column.
    SMTPBookError
        A column holds what it should not, a file cannot be read, memory is too small, or
        the question cannot be put to a cluster.
    """
    needed = needs if isinstance(needs, Mapping) else {name: name for name in needs}
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):  # it was sealed meanwhile, or compacted
            answer = _ask(sql, needed, parameters or {}, parts or {}, logs)
            return _to_pandas(answer, dtypes, logs)
    raise SMTPBookError("the log's files come and go; ask again")


def _ask(
    sql: str,
    needs: Needs,
    parameters: Mapping[str, Any],
    parts: Mapping[str, Part],
    logs: Mapping[str, Log],
) -> pa.Table:
    scans = {name: log for name, log in logs.items() if isinstance(log, Scan)}
    budget = _Budget(
        max((scan.memory_bytes for scan in scans.values()), default=MEMORY_BYTES),
        max((scan.max_threads or 0 for scan in scans.values()), default=0),
    )
    spread = {name: scan for name, scan in scans.items() if scan.cluster is not None}
    whole = _gather_parts(parts, spread, needs, parameters, budget) if spread else {}
    frames = {name: log for name, log in logs.items() if not isinstance(log, Scan)}
    files = {
        name: [*enumerate(scan.files())]
        for name, scan in scans.items()
        if name not in spread
    }
    steps = {name: part.sql for name, part in parts.items() if name not in whole}
    here: dict[str, pd.DataFrame | Numbered] = {**frames, **files}
    answer, there = _find(sql, steps, whole, here, needs, parameters, budget)
    for name, columns in there.items():
        require_in_files([path for _, path in files[name]], columns, needs)
    return answer


def _find(
    sql: str,
    steps: Mapping[str, str],
    lent: Mapping[str, pa.Table],
    logs: Mapping[str, pd.DataFrame | Numbered],
    needs: Needs,
    parameters: Mapping[str, Any],
    budget: _Budget,
) -> tuple[pa.Table, dict[str, frozenset[str]]]:
    """Ask logs and tables; the answer also tells which columns the logs' files have."""
    connection = _database(os.getpid(), *budget).cursor()
    given = dict(parameters)
    for name, table in lent.items():
        connection.register(name, table)
    heads, there = list[str](), dict[str, frozenset[str]]()
    for name, log in logs.items():
        if isinstance(log, list):
            head, columns = lend_files(connection, name, log, needs, given)
            heads.append(head)
            there[name] = frozenset(columns)
        else:
            connection.register(name, lend_frame(log, needs))
    heads += [f"{name} AS ({step})" for name, step in steps.items()]
    if heads:
        sql = f"WITH {', '.join(heads)}{_following(sql)}"
    paths = [path for name in there for path in given.get(f"{name}_files", ())]
    return _run(connection, sql, given, paths, budget), there


def _run(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, Any],
    paths: Iterable[str | Path],
    budget: _Budget,
) -> pa.Table:
    """Have a query answered, and close the connection."""
    asked = set(re.findall(r"\$(\w+)", sql))
    given = {name: value for name, value in parameters.items() if name in asked}

    # DuckDB lets go of Python's lock while it closes: what is interrupted then is gone.
    closing = threading.Lock()

    def work() -> pa.Table:
        try:
            return connection.sql(sql, params=given).to_arrow_table()
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
            f"the table takes more than {budget.memory_bytes:,} octets of memory; give "
            f"more with scan_log(…, memory_bytes={2 * budget.memory_bytes})"
        ) from exc
    except duckdb.Error as exc:
        notice_removed(paths)
        raise SMTPBookError(
            f"the log cannot be read: {visible(str(exc), max_chars=300)}"
        ) from exc


def _following(sql: str) -> str:
    """Give a query as it stands behind the definition of its log."""
    sql = sql.strip()
    return f", {sql.removeprefix('WITH ')}" if sql.startswith("WITH ") else f" {sql}"


# -- on a cluster


def _gather_parts(
    parts: Mapping[str, Part],
    spread: Mapping[str, Scan],
    needs: Needs,
    parameters: Mapping[str, Any],
    budget: _Budget,
) -> dict[str, pa.Table]:
    """Find the parts that are asked of logs on a cluster, each of the whole log."""
    if {*spread} - {part.log for part in parts.values()}:
        raise SMTPBookError(
            "this cannot be put together of what a cluster's workers find, each in some "
            "files; ask it here: scan_log(…) without cluster="
        )
    pieces = {name: scan.pieces() for name, scan in spread.items()}
    whole: dict[str, pa.Table] = {}
    for name, part in parts.items():
        if part.log not in spread:
            continue
        work = partial(find_part, part, needs, parameters, budget)
        lent = {
            before: table
            for before, table in whole.items()
            if re.search(rf"\b{before}\b", part.sql)
        }
        found = gather(spread[part.log].cluster, work, pieces[part.log], lent)
        for other in {one.engine for one in found} - {_engine()}:
            raise SMTPBookError(
                f"the cluster's workers have {other}, and here is {_engine()}; tables are "
                f"made exactly of parts only where all have the same"
            )
        paths = [path for piece in pieces[part.log] for _, path in piece]
        require_in_files(paths, frozenset().union(*(one.there for one in found)), needs)
        whole[name] = _merge([one.table for one in found], part, budget)
    return whole


def find_part(
    part: Part,
    needs: Needs,
    parameters: Mapping[str, Any],
    budget: _Budget,
    files: Numbered,
    lent: Mapping[str, pa.Table],
) -> _Found:
    """Find a part in some of the files; that is what a worker does."""
    answer, there = _find(
        part.sql, {}, lent or {}, {part.log: files}, needs, parameters, budget
    )
    return _Found(answer, there[part.log], _engine())


def _merge(tables: Sequence[pa.Table], part: Part, budget: _Budget) -> pa.Table:
    """Make one part of those of several pieces."""
    together = pa.concat_tables(tables)
    if part.merge is None:
        return together
    connection = _database(os.getpid(), *budget).cursor()
    connection.register("pieces", together)
    relation = connection.table("pieces")
    columns = ", ".join(
        f"CAST({part.merge[name]} AS {kind}) AS {name}" if name in part.merge else name
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    return _run(connection, f"SELECT {columns} FROM pieces GROUP BY ALL", {}, (), budget)


def _engine() -> str:
    return f"DuckDB {duckdb.__version__}"


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
        values = values.cast(pa.int64()).cast(ARROW_TYPES["time"])
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

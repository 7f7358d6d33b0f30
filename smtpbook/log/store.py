"""Store: the event log as a file or a folder of files, and back.

A log is kept as Parquet: its columns plainly typed, each text once per row group, zstd;
any tool that reads Parquet reads it.  `read_log` looks at a file's first octets to find
out what it is.  It does not guess at columns: what is not an event log is refused.  A log
that still grows is a `stream`; who writes it is the `journal`; which files of a folder
count is told by `files`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook.errors import ColumnError, SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.log.files import LOOKS, PARQUET, PARTS, log_files, parts_of
from smtpbook.log.frame import arrow_schema, from_table, join_tables, require_columns
from smtpbook.log.stream import MAGIC, SUFFIX, read_stream
from smtpbook.log.where import located, path_of, reached, whole

GROUP_ROWS: Final = 250_000
"""Rows in a row group, at most: some 100 MB of memory, and work for each thread of a query.
"""
# Level 3 is zstd's own default: a tenth smaller than level 1 for a fifth more time.
_ZSTD_LEVEL: Final = 3
# In a log in the order of what happened, from one row to the next is a short step; the
# upper octets of short times are alike; and of ids that hardly repeat a dictionary would be
# one more copy.  It takes a tenth less than dictionaries alone.
_ENCODINGS: Final = {
    **dict.fromkeys(("time", "seq"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("latency_s", "first_byte_s", "service_s"), "BYTE_STREAM_SPLIT"),
}
_UNREPEATED: Final = ("queue_id", "transaction_id")
_WRITTEN: Final = pa.schema(
    [
        (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
        for field in arrow_schema()
    ]
)
_TEXTS: Final = [c.name for c in SCHEMA if c.dtype in ("string", "category")]
ATTRS: Final = b"PANDAS_ATTRS"
"""Where pandas' own to_parquet and read_parquet keep a frame's attrs, as JSON."""
# A log without these is no event log; any other column may be missing and is null then.
_REQUIRED: Final = ("time", "kind")
_Read = tuple[pa.Table, dict[str, Any]]


def write_log(log: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write an event log as one Parquet file, whole or not at all.

    Parameters
    ----------
    log : DataFrame
        Event log.  The order of its rows is kept, and of its ``attrs`` what JSON can hold
        (such as those of a probe); its index is not.
    path : str or path
        Where to, also a URL of fsspec's, such as ``"s3://bucket/events/log.parquet"``; a
        file that is there is replaced once the new one is complete.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ColumnError
        A column of the event log is missing, or one is not the event log's.
    """
    require_columns(log, *COLUMNS)
    for name in log.columns:
        if name not in COLUMNS:
            raise ColumnError(
                f"column {str(name)!r} is not one of the event log's"
                f"{near_miss(str(name), COLUMNS)}; drop it, or use log.to_parquet()"
            )
    table = pa.table(
        [
            pa.array(log[field.name], field.type, from_pandas=True)
            for field in arrow_schema()
        ],
        schema=arrow_schema(),
    )
    return write_table(table, path_of(path), _plain(log.attrs))


def write_table(table: pa.Table, path: Path, attrs: Mapping[str, Any]) -> Path:
    """Write a table of the event log's columns as `write_log` does; `attrs` are JSON's."""
    return write_tables([table], path, attrs)


def write_tables(
    tables: Iterable[pa.Table],
    path: Path,
    attrs: Mapping[str, Any],
    *,
    parts: Mapping[str, int] | None = None,
    level: int = _ZSTD_LEVEL,
) -> Path:
    """Write tables of the event log's columns as one file, whole or not at all.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Each becomes a row group, or several of `GROUP_ROWS`.
    path : Path
    attrs : mapping
        What JSON can hold.
    parts : mapping of str to int, optional
        What this is made of, for `parts_of`: files that no longer count once it is there.
    level : int
        How hard zstd tries.
    """
    named = [name for name in COLUMNS if name not in (*_ENCODINGS, *_UNREPEATED)]
    said = {ATTRS: attrs, PARTS: parts}
    with (
        whole(path) as unfinished,
        # Without Arrow's own schema the file says "string" to others, not "dictionary".
        pq.ParquetWriter(
            unfinished,
            _WRITTEN,
            compression="zstd",
            compression_level=level,
            use_dictionary=named,
            column_encoding=_ENCODINGS,
            store_schema=False,
        ) as file,
    ):
        for table in tables:
            for start in range(0, max(table.num_rows, 1), GROUP_ROWS):
                # Plain: a dictionary that is given is written whole, however little of it
                # is used.
                piece = table.slice(start, GROUP_ROWS).cast(_WRITTEN)
                file.write_table(piece)
        file.add_key_value_metadata(
            {key: json.dumps(value) for key, value in said.items() if value}
        )
    return path


def read_log(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    growing: Path | None = None,
) -> pd.DataFrame:
    """Read an event log from a file, or from a folder of them.

    Parameters
    ----------
    path : str or path
        The file; or a folder, such as a campaign's ``events/``, whose ``.parquet`` and
        ``.arrows`` files are one log in the order of their names.  It may still grow.  Also
        a URL of fsspec's.
    format : str, optional
        What the file is; found from its first octets if omitted.  Known: ``"parquet"``, and
        ``"arrows"``, Arrow's IPC stream, which is read up to its last whole batch.
    growing : Path, optional
        Where the streams of a folder's log are, if elsewhere.

    Returns
    -------
    DataFrame
        The event log with exactly `smtpbook.events.SCHEMA`'s columns and dtypes; columns
        the file lacks are null.  Categories are those that occur.  ``attrs`` are those
        `write_log` kept; of a stream or a folder, ``attrs["read"]`` tells how many
        ``rows`` were read and how many ``torn_bytes`` were no whole batch.

    Raises
    ------
    OSError
        The file cannot be opened.
    SMTPBookError
        It is in no format that can be read, or damaged.
    ColumnError
        It is Parquet or Arrow, but not an event log.
    """
    path = path_of(path)
    try:
        with reached(path):
            if growing is not None or path.is_dir():
                table, attrs = _read_folder(path, growing)
            else:
                table, attrs = _read_file(path, format)
        log = from_table(table)
    except (pa.ArrowException, UnicodeDecodeError) as damage:  # the latter: of a name
        raise SMTPBookError(
            f"{path}: damaged, or not an event log in Parquet: "
            f"{visible(str(damage), max_chars=200)}"
        ) from damage
    log.attrs.update(attrs)
    return log


def _read_file(path: Path, format: str | None) -> _Read:
    format = _sniff(path) if format is None else format
    if format not in _READERS:
        raise SMTPBookError(
            f"unknown log format {format!r}{near_miss(format, _READERS)}; "
            f"can be read: {', '.join(_READERS)}"
        )
    return _READERS[format](path)


def read_table(path: Path, format: str = "parquet") -> pa.Table:
    """Read a file for `from_table` and `join_tables`; errors as `read_log`."""
    return _READERS[format](path)[0]


def _read_folder(folder: Path, growing: Path | None) -> _Read:
    for _ in range(LOOKS):
        try:
            pieces = [_FILES[path.suffix](path) for path in log_files(folder, growing)]
        except FileNotFoundError:
            continue
        tables, kept = zip(*pieces, strict=True) if pieces else ((), ())
        table = join_tables(tables)
        return table, told(table, sum(map(_torn, kept)))
    raise SMTPBookError(f"{folder}: its files come and go; read it again")


def read_part(path: Path) -> pa.Table:
    """Read a sealed file's rows, also where they are in a compacted file now.

    Raises
    ------
    FileNotFoundError
        They are nowhere.
    """
    for _ in range(LOOKS):
        with suppress(FileNotFoundError):
            return read_table(path)
        for other in log_files(path.parent):
            first = 0
            for name, rows in parts_of(other).items():
                if name == path.stem and other != path:
                    with suppress(FileNotFoundError):
                        return _read_rows(other, first, rows)
                first += rows
    raise FileNotFoundError(f"{path} was removed")


def _read_rows(path: Path, first: int, count: int) -> pa.Table:
    """Read so many rows from a place on, and no row group without one of them."""
    with _open_parquet(path) as file:
        begins = [0]
        for number in range(file.num_row_groups):
            begins.append(begins[-1] + file.metadata.row_group(number).num_rows)
        numbers = [
            number
            for number, (begin, end) in enumerate(pairwise(begins))
            if begin < first + count and first < end
        ]
        table = file.read_row_groups(numbers, _present(file))
        return table.slice(first - begins[numbers[0]] if numbers else 0, count)


def format_of(head: bytes) -> str | None:
    """Tell by a file's first octets which of `FORMATS` it is in; null = none."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def is_folder_of_logs(folder: Path) -> bool:
    """Tell whether a folder holds event logs as we keep them, and nothing else."""
    files = [one for one in folder.iterdir() if not one.name.startswith(".")]
    return bool(files) and all(one.suffix in _FILES for one in files)


def _sniff(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if format := format_of(head):
        return format
    shown = visible(head.decode("utf-8", "surrogateescape"), max_chars=40)
    found = f"begins with '{shown}'" if head else "is empty"
    raise SMTPBookError(
        f"{path}: {found}, which is no log format that can be read ({', '.join(_READERS)})"
    )


def _read_parquet(path: Path) -> _Read:
    with _open_parquet(path) as file:
        table = file.read(_present(file))
        return table, attrs_of(file.metadata.metadata)


def read_pieces(path: Path) -> Iterator[pa.Table]:
    """Read a Parquet file as `read_table` does, one row group after the other."""
    with _open_parquet(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, _present(file))


def _present(file: pq.ParquetFile) -> list[str]:
    return [name for name in COLUMNS if name in file.schema_arrow.names]


def _open_parquet(path: Path) -> pq.ParquetFile:
    name, system = located(path)
    present = pq.read_schema(name, filesystem=system).names
    _check(path, present)
    texts = [name for name in _TEXTS if name in present]
    return pq.ParquetFile(name, read_dictionary=texts, filesystem=system)


def _read_arrows(path: Path) -> _Read:
    table, torn_bytes = read_stream(path)
    _check(path, table.column_names)
    return table, told(table, torn_bytes)


def _check(path: Path, present: list[str]) -> None:
    for name in _REQUIRED:
        if name not in present:
            raise ColumnError(
                f"{path}: not an event log: column {name!r} not found"
                f"{near_miss(name, present)}"
            )


def torn_bytes_of(path: Path) -> int:
    """Tell how many octets of a sealed file's stream were no whole batch."""
    name, system = located(path)
    return _torn(attrs_of(pq.read_metadata(name, filesystem=system).metadata))


def _torn(attrs: dict[str, Any]) -> int:
    """Give what `told` told; what other programs wrote there may be anything."""
    read = attrs.get("read")
    torn = read.get("torn_bytes") if isinstance(read, dict) else None
    return torn if isinstance(torn, int) else 0


def told(table: pa.Table, torn_bytes: int) -> dict[str, Any]:
    """Give the attributes that tell how much was read."""
    return {"read": {"rows": table.num_rows, "torn_bytes": torn_bytes}}


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Give those attributes that come back from JSON as they were."""
    plain = {}
    for name, value in attrs.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError, RecursionError):
            continue
        if same and isinstance(name, str):
            plain[name] = value
    return plain


def attrs_of(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """Give the attributes a file holds; what other programs wrote there may be none."""
    attrs = _json((metadata or {}).get(ATTRS, b"{}"))
    return attrs if isinstance(attrs, dict) else {}


def _json(octets: bytes) -> Any:
    """Give what JSON says; null where it is none."""
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None


# One line per format: how a file of it begins, and who reads it.
_MAGIC: Final = {b"PAR1": "parquet", MAGIC: "arrows"}
_READERS: Final[dict[str, Callable[[Path], _Read]]] = {
    "parquet": _read_parquet,
    "arrows": _read_arrows,
}
FORMATS: Final = tuple(_READERS)
"""The names of what an event log is kept in."""

# In a folder the name counts: of a stream there may not even be a beginning.
_FILES: Final = {PARQUET: _read_parquet, SUFFIX: _read_arrows}

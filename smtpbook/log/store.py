"""Store: the event log as a file or a folder of files, and back.

A log is kept as Parquet: its columns plainly typed, each text once per row group, zstd;
any tool that reads Parquet reads it.  `read_log` looks at a file's first octets to find
out what it is.  It does not guess at columns: what is not an event log is refused.  A log
that still grows is a `stream`; who writes it is the `journal`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook.errors import ColumnError, SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.log.frame import arrow_schema, from_table, join_tables, require_columns
from smtpbook.log.stream import MAGIC, SUFFIX, read_stream

PARQUET: Final = ".parquet"
"""How a sealed file's name ends."""

# Level 3 is zstd's own default: a tenth smaller than level 1 for a fifth more time.
_ZSTD_LEVEL: Final = 3
_TEXTS: Final = [c.name for c in SCHEMA if c.dtype in ("string", "category")]
# Where pandas' own to_parquet and read_parquet keep a frame's attrs, as JSON.
_ATTRS: Final = b"PANDAS_ATTRS"
# A log without these is no event log; any other column may be missing and is null then.
_REQUIRED: Final = ("time", "kind")
# How often a folder is looked at again whose files were sealed under our hands.
_LOOKS: Final = 5
_Read = tuple[pa.Table, dict[str, Any]]


def write_log(log: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write an event log as one Parquet file, whole or not at all.

    Parameters
    ----------
    log : DataFrame
        Event log.  The order of its rows is kept, and of its ``attrs`` what JSON can hold
        (such as those of a probe); its index is not.
    path : str or path
        Where to; a file that is there is replaced once the new one is complete.

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
    return write_table(table, Path(path), _plain(log.attrs))


def write_table(table: pa.Table, path: Path, attrs: Mapping[str, Any]) -> Path:
    """Write a table of the event log's columns as `write_log` does; `attrs` are JSON's."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Without Arrow's own schema the file says "string" to others, not "dictionary".
        with pq.ParquetWriter(
            unfinished,
            table.schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            store_schema=False,
        ) as file:
            file.write_table(table)
            if attrs:
                file.add_key_value_metadata({_ATTRS: json.dumps(attrs)})
        # Before the name is its own, or a power cut may leave a name and no content.
        with unfinished.open("r+b") as written:
            os.fsync(written.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_log(path: str | os.PathLike[str], format: str | None = None) -> pd.DataFrame:
    """Read an event log from a file, or from a folder of them.

    Parameters
    ----------
    path : str or path
        The file; or a folder, such as a campaign's ``events/``, whose ``.parquet`` and
        ``.arrows`` files are one log in the order of their names.  It may still grow.
    format : str, optional
        What the file is; found from its first octets if omitted.  Known: ``"parquet"``, and
        ``"arrows"``, Arrow's IPC stream, which is read up to its last whole batch.

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
    path = Path(path)
    try:
        table, attrs = _read_folder(path) if path.is_dir() else _read_file(path, format)
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


def _read_folder(folder: Path) -> _Read:
    for _ in range(_LOOKS):
        try:
            pieces = [_FILES[path.suffix](path) for path in log_files(folder)]
        except FileNotFoundError:
            continue
        tables, kept = zip(*pieces, strict=True) if pieces else ((), ())
        table = join_tables(tables)
        return table, told(table, sum(map(_torn, kept)))
    raise SMTPBookError(f"{folder}: its files come and go; read it again")


def log_files(folder: Path) -> list[Path]:
    """Give the files of a log in their order.

    A stream that has become Parquet, and was not removed before the process was killed,
    is left out.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):  # "x.arrows" comes before "x.parquet"
        if path.suffix in _FILES and not path.name.startswith("."):
            found[path.stem] = path
    return list(found.values())


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
    present = pq.read_schema(path).names
    _check(path, present)
    texts = [name for name in _TEXTS if name in present]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        table = file.read([name for name in COLUMNS if name in present])
        return table, _attrs(file.metadata.metadata)


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


def _attrs(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """Give the attributes a file holds; what other programs wrote there may be none."""
    try:
        attrs = json.loads((metadata or {}).get(_ATTRS, b"{}"))
    except (ValueError, RecursionError):
        return {}
    return attrs if isinstance(attrs, dict) else {}


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

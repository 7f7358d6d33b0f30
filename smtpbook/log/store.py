"""Store: the event log as a file, and back.

A log is kept as Parquet: its columns plainly typed, each text once per row group, zstd;
any tool that reads Parquet reads it.  `read_log` looks at a file's first octets to find
out what it is.  It does not guess at columns: what is not an event log is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook.errors import ColumnError, SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.log.frame import arrow_schema, from_table, require_columns

# Level 3 is zstd's own default: a tenth smaller than level 1 for a fifth more time.
_ZSTD_LEVEL: Final = 3
_TEXTS: Final = [c.name for c in SCHEMA if c.dtype in ("string", "category")]
# Where pandas' own to_parquet and read_parquet keep a frame's attrs, as JSON.
_ATTRS: Final = b"PANDAS_ATTRS"
# A log without these is no event log; any other column may be missing and is null then.
_REQUIRED: Final = ("time", "kind")


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
    path = Path(path)
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
            if attrs := _plain(log.attrs):
                file.add_key_value_metadata({_ATTRS: json.dumps(attrs)})
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_log(path: str | os.PathLike[str], format: str | None = None) -> pd.DataFrame:
    """Read an event log from a file.

    Parameters
    ----------
    path : str or path
        The file.
    format : str, optional
        What it is; found from the file's first octets if omitted.  Known: ``"parquet"``.

    Returns
    -------
    DataFrame
        The event log with exactly `smtpbook.events.SCHEMA`'s columns and dtypes; columns
        the file lacks are null.  Categories are those that occur.  ``attrs`` are those
        `write_log` kept.

    Raises
    ------
    OSError
        The file cannot be opened.
    SMTPBookError
        It is in no format that can be read, or damaged.
    ColumnError
        It is Parquet, but not an event log.
    """
    path = Path(path)
    format = _sniff(path) if format is None else format
    if format not in _READERS:
        raise SMTPBookError(
            f"unknown log format {format!r}{near_miss(format, _READERS)}; "
            f"can be read: {', '.join(_READERS)}"
        )
    return _READERS[format](path)


def _sniff(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    for magic, format in _MAGIC.items():
        if head.startswith(magic):
            return format
    shown = visible(head.decode("utf-8", "surrogateescape"), max_chars=40)
    found = f"begins with '{shown}'" if head else "is empty"
    raise SMTPBookError(
        f"{path}: {found}, which is no log format that can be read ({', '.join(_READERS)})"
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        present = pq.read_schema(path).names
        for name in _REQUIRED:
            if name not in present:
                raise ColumnError(
                    f"{path}: not an event log: column {name!r} not found"
                    f"{near_miss(name, present)}"
                )
        texts = [name for name in _TEXTS if name in present]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            log = from_table(file.read([name for name in COLUMNS if name in present]))
            log.attrs.update(_attrs(file.metadata.metadata))
            return log
    except pa.ArrowException as damage:
        raise SMTPBookError(
            f"{path}: damaged, or not an event log in Parquet: "
            f"{visible(str(damage), max_chars=200)}"
        ) from damage


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
_MAGIC: Final = {b"PAR1": "parquet"}
_READERS: Final[dict[str, Callable[[Path], pd.DataFrame]]] = {"parquet": _read_parquet}

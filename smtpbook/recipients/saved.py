"""Saved lists: kept between runs under a name, with their problems and labels.

One Parquet file each in the user's data folder; other programs can read it, too.  A list
is saved whole or not at all.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from smtpbook.errors import RecipientsError, near_miss
from smtpbook.places import data_folder
from smtpbook.recipients.cells import to_series
from smtpbook.recipients.problems import Note
from smtpbook.recipients.recipients import Recipients
from smtpbook.sources.frames import to_arrow

# Names of files on every system: no separators, nothing hidden, nothing Windows keeps.
_NAME: Final = re.compile(r"[\w][\w .+-]{0,99}(?<![ .])")
_KEPT: Final = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
_SUFFIX: Final = ".parquet"
_KEY: Final = b"smtpbook"
_VERSION: Final = 1
_GROUP: Final = 5_000  # rows that are read back together


def save_recipients(people: Recipients, name: str, *, overwrite: bool = False) -> None:
    """Keep a list under a name, with its problems, counts and labels.

    Raises
    ------
    RecipientsError
        The name is none for a file, or taken (then ``overwrite=True``); or the list cannot
        be written.
    """
    path = _path(name)
    if path.exists() and not overwrite:
        raise RecipientsError(
            f"there is a list {name!r} already; choose another name, or pass overwrite=True"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_list(people, path)
    except OSError as error:
        raise RecipientsError(f"cannot save {name!r}: {error.strerror}") from error


def write_list(people: Recipients, path: Path) -> None:
    """Write a list into a file of one's own, as `read_list` reads it.

    Raises
    ------
    OSError
        It cannot be written; what was there before is still there.
    """
    frame = people.frame
    table = pa.table({field: to_arrow(frame[field]) for field in frame.columns})
    table = table.replace_schema_metadata({_KEY: _described(people)})
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            pyarrow.parquet.write_table(
                table, file, compression="zstd", row_group_size=_GROUP
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load_recipients(name: str) -> Recipients:
    """Give a list that was saved.

    Raises
    ------
    RecipientsError
        There is none of that name, or its file is damaged.
    """
    return read_list(_known(name), name)


def read_list(path: Path, name: str) -> Recipients:
    """Read what `write_list` wrote; errors, which call it `name`, as `load_recipients`."""
    try:
        table = pyarrow.parquet.read_table(path, memory_map=True)
        said = json.loads((table.schema.metadata or {})[_KEY])
        if said["version"] > _VERSION:
            raise RecipientsError(
                f"the list {name!r} was saved by a newer smtpbook; update this one"
            )
        notes = [
            Note(
                rows_read=note["rows_read"],
                problems=_unpacked(note["problems"]),
                key=note.get("key") or uuid4().hex,
            )
            for note in said["notes"]
        ]
        frame = _frame(table)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RecipientsError(
            f"the saved list {name!r} is damaged ({error}): {path}; delete it, or put a "
            f"copy in its place"
        ) from error
    return Recipients(frame, notes, said["labels"])


class SavedRows:
    """The rows of a file that `write_list` wrote, by position, some thousand at a time.

    Any thread may ask.

    Raises
    ------
    RecipientsError
        The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        try:
            self._file = pyarrow.parquet.ParquetFile(path, memory_map=True)
        except (OSError, pa.ArrowException) as error:
            raise RecipientsError(f"the list {str(path)!r} is damaged ({error})") from error
        groups = range(self._file.num_row_groups)
        sizes = (self._file.metadata.row_group(group).num_rows for group in groups)
        self._ends = list(accumulate(sizes))
        self._held: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __call__(self, positions: Iterable[int]) -> list[dict[str, Any]]:
        """Give the rows at these positions, as iterating over the list would."""
        with self._lock:  # neither the file nor what is held of it bears two
            return [self._row(position) for position in positions]

    def _row(self, position: int) -> dict[str, Any]:
        group = bisect_right(self._ends, position)
        if self._held[0] != group:
            try:
                frame = _frame(self._file.read_row_group(group))
                rows = list(Recipients(frame, [], {}))
            except (OSError, pa.ArrowException, KeyError, ValueError) as error:
                raise RecipientsError(
                    f"the list {str(self._path)!r} is damaged ({error})"
                ) from error
            self._held = (group, rows)
        begin = self._ends[group - 1] if group else 0
        return self._held[1][position - begin]


def _frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame(
        {field: to_series(table.column(field)) for field in table.column_names},
        index=range(len(table)),
    ).astype({"source": "category"})


def list_recipients() -> pd.DataFrame:
    """Name the saved lists.

    Returns
    -------
    DataFrame
        ``name`` (string), ``recipients`` (Int64; null = the file is damaged) and ``saved``
        (datetime64[us, UTC]), by name.
    """
    rows: list[tuple[str, int | None, datetime]] = []
    for path in _saved():
        try:
            count: int | None = pyarrow.parquet.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            count = None
        time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        rows.append((path.name.removesuffix(_SUFFIX), count, time))
    frame = pd.DataFrame(rows, columns=["name", "recipients", "saved"])
    frame["saved"] = pd.to_datetime(frame["saved"], utc=True).dt.as_unit("us")
    return frame.astype({"name": "string", "recipients": "Int64"})


def delete_recipients(name: str) -> None:
    """Delete a saved list.

    Raises
    ------
    RecipientsError
        There is none of that name, or it cannot be deleted.
    """
    path = _known(name)
    try:
        path.unlink()
    except OSError as error:
        raise RecipientsError(f"cannot delete {name!r}: {error.strerror}") from error


def is_file_name(name: str) -> bool:
    """Whether a name can be a file's or a folder's on every system."""
    return bool(_NAME.fullmatch(name)) and not _KEPT.fullmatch(name)


def _folder() -> Path:
    return data_folder() / "recipients"


def _saved() -> list[Path]:
    return sorted(path for path in _folder().glob(f"*{_SUFFIX}") if path.name[0] != ".")


def _path(name: str) -> Path:
    plain = unicodedata.normalize("NFC", name)
    if not is_file_name(plain):
        raise RecipientsError(
            f"{name!a} is no name for a list; use letters, digits, blanks and . + - _, at "
            f"most 100"
        )
    return _folder() / f"{plain}{_SUFFIX}"


def _known(name: str) -> Path:
    path = _path(name)
    if not path.exists():
        names = [one.name.removesuffix(_SUFFIX) for one in _saved()]
        raise RecipientsError(
            f"no saved list {name!r}{near_miss(name, names)}; there are: "
            f"{', '.join(names) or 'none'}"
        )
    return path


def _described(people: Recipients) -> bytes:
    notes = [
        {
            "key": note.key,
            "rows_read": note.rows_read,
            "problems": _packed(note.problems),
        }
        for note in people.notes
    ]
    said = {"version": _VERSION, "labels": dict(people.labels), "notes": notes}
    return json.dumps(said, ensure_ascii=True).encode()


def _packed(problems: pd.DataFrame) -> str:
    table = pa.table({name: to_arrow(problems[name]) for name in problems.columns})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    return base64.b64encode(sink.getvalue()).decode("ascii")


def _unpacked(text: str) -> pd.DataFrame:
    table = pa.ipc.open_stream(base64.b64decode(text)).read_all()
    return pd.DataFrame(
        {name: to_series(table.column(name)) for name in table.column_names}
    )

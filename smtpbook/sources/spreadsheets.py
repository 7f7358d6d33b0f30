"""Spreadsheets: XLSX, XLSB, XLS and ODS, read by calamine in a process of its own.

What that process does is in `worksheet`; here it is started, waited for and ended.  A file
that takes it down, or more memory or time than a list can need, is an error like any
other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Any, Final

import pyarrow as pa

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.table import Problem, Table, numbered

MAX_FILE: Final = 256 << 20  # octets
MAX_MEMORY: Final = 3 << 30  # octets, of the process that parses
MAX_TIME_S: Final = 300.0  # a full sheet of a million rows takes about ten
_REFUSED: Final = 3


def read_spreadsheet(path: Path, *, sheet: str | None = None) -> Table:
    """Read a sheet: numbers, truth values, dates and times keep their type, text is text.

    Of a formula the value that was saved with it is read.  Titles above the header, merged
    cells (which hold their value in the first) and, in XLSX, formulas without a value are
    said in the problems.  Rows are numbered as in the spreadsheet; empty ones are passed
    over.  A column that holds several kinds becomes text.

    The process that parses may take `MAX_MEMORY` (kept to on Linux) and `MAX_TIME_S`.

    Parameters
    ----------
    path : Path
        The file, at most `MAX_FILE`.
    sheet : str, optional
        The sheet's name.  Default: the only visible one, or the only one with addresses.

    Raises
    ------
    RecipientsError
        The file is encrypted, damaged or too large, or it is not clear which sheet is
        meant.
    """
    size = path.stat().st_size
    if size > MAX_FILE:
        raise RecipientsError(
            f"{path.name} has {size >> 20:,} MB (at most {MAX_FILE >> 20} for a "
            f"spreadsheet); save the sheet as CSV and read that"
        )
    with _parsing(path, sheet or "") as output:
        table = pa.ipc.open_stream(output).read_all()
    said = json.loads(table.schema.metadata[b"sheet"])
    problems = [
        Problem(row, None, rule, f"{_place(path, row)}: {message}")
        for row, rule, message in said["remarks"]
    ]
    return Table(
        name=path.name,
        headers=tuple(said["headers"]),
        cells=numbered(table.columns[1:]),
        rows=table.column("row"),
        problems=tuple(problems),
    )


@contextmanager
def _parsing(path: Path, sheet: str) -> Iterator[IO[bytes]]:
    """Start the process; give what it writes; say why, if it does not end well."""
    program = [sys.executable, "-P", "-m", "smtpbook.sources.worksheet"]
    with tempfile.TemporaryFile() as said:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603
            [*program, str(path), sheet, str(MAX_MEMORY)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "PYTHONPATH": _import_path(), "RUST_BACKTRACE": "0"},
        )
        timer = Timer(MAX_TIME_S, process.kill)
        timer.start()
        output: Any = process.stdout
        failed: Exception | None = None
        try:
            yield output
        except pa.ArrowInvalid as error:  # nothing, or not all, was written
            failed = error
        finally:
            is_late = timer.finished.is_set()
            timer.cancel()
            output.close()
            if sys.exc_info()[0] is not None:
                process.kill()
            status = process.wait()
        if status or failed:
            said.seek(0)
            raise _failure(
                path, status, is_late, said.read(1 << 16).decode(errors="replace")
            )


def _failure(path: Path, status: int, is_late: bool, said: str) -> RecipientsError:
    if status == _REFUSED:
        return RecipientsError(said)
    if is_late:
        why = f"took longer than {MAX_TIME_S:g} s"
    elif status < 0 or "memory" in said.lower():
        why = "asks for more memory than a list can need: it claims far more than it holds"
    else:
        last = said.strip().splitlines()[-1:] or [f"exit status {status}"]
        why = f"cannot be parsed ({visible(last[0], max_chars=200)})"
    return RecipientsError(
        f"{path.name} {why}; open it in a spreadsheet program, copy the list to a new "
        f"sheet and save that, or save it as CSV"
    )


def _import_path() -> str:
    # What can be imported here must be importable there, whatever made it so.
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)


def _place(path: Path, row: int | None) -> str:
    return path.name if row is None else f"{path.name}, row {row}"

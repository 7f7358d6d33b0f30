"""Scan: event logs in files, of which tables are made without reading them into memory.

It finds the files; what is asked of them is for `engine`.  Nothing is opened before a table
is asked for, and then the files are looked for anew, so a campaign may still be running.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from smtpbook.errors import SMTPBookError
from smtpbook.gathering import require_cluster
from smtpbook.log.campaigns import EVENTS, event_files
from smtpbook.log.files import log_files, settled, standing
from smtpbook.log.where import located, look_anew, path_of, reached
from smtpbook.wording import size_of

MEMORY_BYTES: Final = 2**30
"""What a table of a scan may take, as long as nothing else is said."""
MIN_MEMORY_BYTES: Final = 2**26
"""Below that DuckDB cannot do much."""
PIECE_BYTES: Final = 2**26
"""Some two million events, which a worker reads in a second."""

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Event logs in files, which every table takes in the place of a DataFrame.

    `scan_log` makes it.

    Attributes
    ----------
    patterns : tuple of str
        Files, folders and patterns, as they were given.
    memory_bytes : int
        How much memory a query may take before it goes on in temporary files.
    max_threads : int or None
        How many threads may work at a query; None = one per core.
    cluster : distributed.Client, Executor or None
        Whose workers look into the files; None = it is done here.
    piece_bytes : int
        Of how many octets a worker looks into files at a time, one file at least.
    """

    patterns: tuple[str, ...]
    memory_bytes: int = MEMORY_BYTES
    max_threads: int | None = None
    cluster: Any = None
    piece_bytes: int = PIECE_BYTES

    def files(self) -> tuple[Path, ...]:
        """Give the files there are now, in the order in which they are one log.

        That is by name, for the files of a campaign are called after the time at which it
        began; files that were given one by one keep their order.  A stream that has become
        Parquet is left out, and files in whose place there is a compacted one.

        Raises
        ------
        SMTPBookError
            There is nothing of a name or a pattern.
        """
        return settled(self._look)

    def pieces(self) -> list[list[tuple[int, Path]]]:
        """Give the files in pieces, one at least, each file with its number among all."""
        pieces, held = [list[tuple[int, Path]]()], 0
        for number, path in enumerate(self.files()):
            size = path.stat().st_size
            if pieces[-1] and held + size > self.piece_bytes:
                pieces.append([])
                held = 0
            # Workers may stand in another folder.
            pieces[-1].append((number, path.absolute()))
            held += size
        return pieces

    def _look(self) -> tuple[Path, ...]:
        paths: list[Path] = []
        for pattern in self.patterns:
            found = {path for match in _matches(pattern) for path in _log(match)}
            paths += sorted(found, key=lambda path: (path.name, str(path)))
        return tuple(standing(paths))


Log = pd.DataFrame | Scan
"""What a table is made of."""


def scan_log(
    path: StrPath | Iterable[StrPath],
    *,
    memory_bytes: int | str = MEMORY_BYTES,
    max_threads: int | None = None,
    cluster: Any = None,
) -> Scan:
    """Take event logs in files as one log, which may be larger than memory.

    Parameters
    ----------
    path : str, path, or iterable of those
        A file of `write_log` or of a campaign; a folder of them; a campaign's folder, also
        while it is sending; or a pattern of such, where ``*`` stands for any part of a name
        and ``**`` for any number of folders.  All of these also as URLs of fsspec's, such
        as ``"s3://bucket/campaigns/*/events"``, of file systems that tell when a file was
        changed (object stores do, HTTP does not); keys are taken from where fsspec looks
        for them, on each machine.
    memory_bytes : int or str
        How much memory a table may take, beside the table itself, before temporary files
        are used, also written as ``"2GB"`` or ``"512MiB"``; for files without end, more is
        faster.
    max_threads : int, optional
        How many threads may work; one per core if omitted.
    cluster : distributed.Client or Executor, optional
        Whose workers look into the files, some at a time, while tables are put together
        here: the same tables, to the last bit.  They must reach the files by the same name,
        and have this package with the same DuckDB.  What cannot be put together exactly,
        as most charts, is refused.

    Returns
    -------
    Scan
        Takes the place of a DataFrame in the functions that make tables.

    Raises
    ------
    SMTPBookError
        There is nothing of that name, or too little memory or no thread is given.
    ValueError
        ``memory_bytes`` is no size, or ``max_threads`` no number.

    Examples
    --------
    >>> import tempfile
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> from smtpbook.log.store import write_log
    >>> from smtpbook.tables.replies import reply_codes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = to_frame([Event(verb="EHLO", reply_code=250).to_row()])
    ...     _ = write_log(log, Path(folder) / "log.parquet")
    ...     print(reply_codes(scan_log(f"{folder}/*.parquet")))
       reply_code severity  replies  share
    0         250  success        1    1.0
    """
    paths = [path] if isinstance(path, str | os.PathLike) else path
    size = size_of(memory_bytes) if isinstance(memory_bytes, str) else memory_bytes
    if not isinstance(size, int | float):
        raise ValueError(
            f"memory_bytes={memory_bytes!r} is no size, such as '1GB' or 2**30"
        )
    if not isinstance(max_threads, int | None):
        raise ValueError(f"max_threads={max_threads!r} is no number of threads")
    if size < MIN_MEMORY_BYTES:
        raise SMTPBookError(f"memory_bytes is {size:,}; {MIN_MEMORY_BYTES:,} are the least")
    if max_threads is not None and max_threads < 1:
        raise SMTPBookError(f"max_threads is {max_threads}; 1 is the least")
    patterns = tuple(os.path.expanduser(one) for one in paths)
    if cluster is not None:
        require_cluster(cluster)
    scan = Scan(
        patterns=patterns, memory_bytes=int(size), max_threads=max_threads, cluster=cluster
    )
    scan.files()  # who mistyped a name learns it now
    return scan


def _matches(pattern: str) -> list[Path]:
    """Give what there is of a name; one that exists is no pattern."""
    with reached(pattern):
        return _found(pattern)


def _found(pattern: str) -> list[Path]:
    path = path_of(pattern)
    look_anew(path)
    if path.exists():
        return [path]
    name, system = located(path)
    if system is None:
        matches = [Path(match) for match in glob.glob(name, recursive=True)]
    else:
        matches = [path_of(system.unstrip_protocol(match)) for match in system.glob(name)]
    if not matches:
        where = "" if system else f"; it is looked for in {os.getcwd()!r}"
        raise SMTPBookError(f"no file or folder is called {pattern!r}{where}")
    return matches


def _log(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return event_files(path) if (path / EVENTS).is_dir() else log_files(path)

"""Journal: an event log that is on disk while it is still being written.

It is a `Recorder` whose rows are also in a folder, at most half a second later; a process
that is killed loses no more than that.  It does not decide who was written to (that is the
ledger's), and what it cannot write it keeps: a full disk does not end a send.

Theory of operation.  Whoever appends does no more than with a `Recorder`.  A thread copies
what has come, each full batch at once and the rest after `LINGER_S`, to the end of a
`stream`, ``STEM-0001.arrows``.  When this holds `SEGMENT_BATCHES` full batches, a second
thread *seals* it: the same rows are written as Parquet, ``STEM-0001.parquet``, the stream
is removed, and memory forgets them.  So memory holds one segment and a bit, however long
the campaign; and as it does hold that one, a stream that cannot be written is simply
written later, or over again.  Rows keep the order in which they happened, sealed or not:
by session they would take a seventh less, but the last outcome of a recipient would no
longer be its last.

Nothing is flushed to the device before it is sealed: a power cut may take a segment.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import pandas as pd
import pyarrow as pa

from smtpbook.errors import LogWarning
from smtpbook.log.files import PARQUET, is_whole
from smtpbook.log.frame import (
    BATCH_ROWS,
    WIDTH,
    Recorder,
    batch_schema,
    cells_to_batches,
    fill_reasons,
    from_table,
    join_tables,
    to_table,
)
from smtpbook.log.store import read_part, told, write_table
from smtpbook.log.stream import SUFFIX, Stream, read_stream
from smtpbook.log.where import is_here, look_anew, path_of

LINGER_S: Final = 0.5
"""How long a row may wait for its batch to be full before it is written."""
SEGMENT_BATCHES: Final = 50
"""Batches in a segment: 100,000 rows, some 16 MB of memory.

Larger ones take as many octets a row (36), and longer to seal.
"""
FAR_BATCHES: Final = 10
"""… where it is sealed elsewhere: what is not sealed goes with its machine."""
# At a slow pace a batch holds a few rows, and takes a reader as long as a full one, about
# a millisecond.  With so many of them a stream is written anew, in full batches.
_MAX_SMALL: Final = 250


class Journal(Recorder):
    """Takes rows as a `Recorder` does, and keeps them in a folder.

    Parameters
    ----------
    folder : path
        Where to; made if it is not there.
    stem : str
        What the files' names begin with.
    segment_batches : int, optional
        How many batches of `BATCH_ROWS` a file holds before it is sealed.  Default:
        `SEGMENT_BATCHES`, or `FAR_BATCHES` where that is elsewhere.
    sealed_to : path or str, optional
        Where sealed files go, if not into the folder: also a URL of fsspec's, under which
        many machines keep one log, each by a stem of its own.  What is not sealed yet is in
        the folder alone.

    Attributes
    ----------
    error : Exception or None
        Why what was last to be written could not be, and waits in memory; None = it was.

    Raises
    ------
    OSError
        The folder cannot be made or read, or holds files of that stem.

    Examples
    --------
    >>> import tempfile
    >>> from smtpbook.events import Event
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Journal(folder, "log") as journal:
    ...         journal.append(Event(verb="EHLO", reply_code=250).to_row())
    ...     print([path.name for path in Path(folder).iterdir()])
    ['log-0001.parquet']
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        stem: str,
        *,
        segment_batches: int | None = None,
        sealed_to: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.error: Exception | None = None
        self._folder, self._stem = Path(folder), stem
        self._sealed_to = self._folder if sealed_to is None else path_of(sealed_to)
        self._folder.mkdir(exist_ok=True)
        if is_here(self._sealed_to):
            self._sealed_to.mkdir(parents=True, exist_ok=True)
        for place in (self._folder, self._sealed_to):
            look_anew(place)
            found = place.iterdir() if place.is_dir() else ()
            if any(path.name.startswith(f"{stem}-") for path in found):
                raise FileExistsError(f"{place} holds a log of the stem {stem!r} already")
        self._is_far = self._sealed_to != self._folder
        default = FAR_BATCHES if self._is_far else SEGMENT_BATCHES
        self._segment_batches = default if segment_batches is None else segment_batches
        self._sealed: list[Path] = []
        self._sealed_rows = 0
        # The files of what is not sealed; the last one grows.
        self._streams: list[Stream] = []
        self._writing = threading.Lock()  # one thread writes at a time
        self._is_over = False
        self._wake = threading.Event()
        self._writer = threading.Thread(target=self._run, name="journal", daemon=True)
        self._writer.start()
        self._sealer = ThreadPoolExecutor(1, thread_name_prefix="sealing")

    def __len__(self) -> int:
        with self._lock:
            return self._sealed_rows + self._held()

    def frame(self) -> pd.DataFrame:
        """Give the event log so far as `Recorder.frame` does, what is sealed from disk.

        Raises
        ------
        OSError
            A file was removed.
        """
        with self._lock:
            sealed = self._sealed.copy()
            batches, cells = self._batches.copy(), self._cells.copy()
        held = to_table([*batches, *cells_to_batches(cells)])
        return from_table(join_tables([*map(read_part, sealed), held]))

    def flush(self) -> None:
        """Make everything appended so far readable by others, who use `read_log`.

        Raises
        ------
        OSError
            It cannot be written, and waits in memory.
        """
        self._try(self._write, is_all=True, is_told=True)

    def close(self) -> None:
        """Write and seal what is left, and end the threads; what could not be is warned of.

        What is appended later is kept by closing again.
        """
        self._is_over = True
        self._wake.set()
        self._writer.join()
        self._sealer.shutdown()
        self._try(self._write, is_all=True)  # Parquet may fail where this does not
        self._try(self._seal_full)
        self._try(self._seal_rest)
        with self._lock:
            held = self._held()
            unkept = held - sum(stream.rows for stream in self._streams)
        if held > unkept and self._is_far:
            warnings.warn(
                f"{held - unkept:,} events could not be sealed to {str(self._sealed_to)!r} "
                f"({self.error}) and are in {str(self._folder)!r}, on this machine; make "
                f"that possible: the campaign's next send seals what its folder holds",
                LogWarning,
                stacklevel=2,
            )
        if unkept:
            warnings.warn(
                f"{unkept:,} events could not be written to {str(self._folder)!r} "
                f"({self.error}) and are in memory only; make that possible, then keep the "
                f"log with write_log(run.log, …)",
                LogWarning,
                stacklevel=2,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- the writing thread

    def _batch(self) -> None:
        super()._batch()
        self._wake.set()

    def _run(self) -> None:
        while not self._is_over:
            has_batch = self._wake.wait(LINGER_S)
            self._wake.clear()
            # The rest of the rows, a few, would come to a batch of their own each time.
            self._try(self._write, is_all=not has_batch)

    def _try(
        self, step: Callable[..., None], *, is_told: bool = False, **options: bool
    ) -> None:
        """Do a step; a failure is kept, and raised only where somebody is to be told."""
        try:
            step(**options)
        except Exception as exc:  # whatever it is: the send goes on, and `close` tells
            self.error = exc
            if is_told:
                raise

    def _write(self, *, is_all: bool) -> None:
        """Bring full batches to the disk; `is_all`, the rows beyond them, too."""
        with self._writing:
            while (batch := self._next(is_all=is_all)) is not None:
                stream = self._growing()
                stream.append(batch)
                self.error = None  # nothing less, or a step with nothing to do would
                if stream.batches > self._segment_batches + _MAX_SMALL:
                    stream.replace(self._held_by(stream))
                if self._is_full(stream) and not self._is_over:
                    self._sealer.submit(self._try, self._seal_full)

    def _next(self, *, is_all: bool) -> pa.RecordBatch | None:
        """Give what the streams lack of one batch; None = nothing."""
        with self._lock:
            number, there = divmod(sum(s.rows for s in self._streams), BATCH_ROWS)
            if number < len(self._batches):
                return self._batches[number].slice(there)
            cells = self._cells[there * WIDTH : BATCH_ROWS * WIDTH] if is_all else []
        return next(cells_to_batches(cells), None)

    def _growing(self) -> Stream:
        """Give the stream that has room; a new one if none has."""
        with self._lock:
            if not self._streams or self._is_full(self._streams[-1]):
                number = len(self._sealed) + len(self._streams) + 1
                self._streams.append(Stream(self._path(number, SUFFIX)))
            return self._streams[-1]

    def _held_by(self, stream: Stream) -> list[pa.RecordBatch]:
        """Give what the last stream is to hold in as few batches as can be."""
        with self._lock:
            before = sum(s.rows for s in self._streams if s is not stream) // BATCH_ROWS
            batches = self._batches[before : before + self._segment_batches]
            has_room = len(batches) < self._segment_batches
            cells = self._cells[: BATCH_ROWS * WIDTH] if has_room else []
        return [*batches, *cells_to_batches(cells)]

    def _is_full(self, stream: Stream) -> bool:
        return stream.rows >= self._segment_batches * BATCH_ROWS

    def _path(self, number: int, suffix: str) -> Path:
        folder = self._sealed_to if suffix == PARQUET else self._folder
        return folder / f"{self._stem}-{number:04}{suffix}"

    # -- the sealing thread

    def _seal_full(self) -> None:
        """Seal every full segment."""
        while True:
            with self._lock:
                batches = self._batches[: self._segment_batches]
                if not self._streams or not self._is_full(self._streams[0]):
                    return
                if len(batches) < self._segment_batches:
                    return  # its last rows are about to be a batch
                path = self._path(len(self._sealed) + 1, PARQUET)
            table = to_table(batches)
            _write_sealed(table, path)
            with self._lock:
                del self._batches[: len(batches)]
                self._sealed.append(path)
                self._sealed_rows += table.num_rows
                stream = self._streams.pop(0)
            _remove(stream.path)

    def _seal_rest(self) -> None:
        """Seal what is left, be it on disk or in memory only; whoever appends waits."""
        with self._lock:
            cells = self._cells.copy()
            table = to_table([*self._batches, *cells_to_batches(cells)])
            if table.num_rows:
                path = self._path(len(self._sealed) + 1, PARQUET)
                _write_sealed(table, path)
                self._batches.clear()
                del self._cells[: len(cells)]
                self._sealed.append(path)
                self._sealed_rows += table.num_rows
                self.error = None
            while self._streams:
                _remove(self._streams.pop().path)


def seal_left(folder: Path, sealed_to: Path | None = None) -> list[Path]:
    """Seal the streams that a killed process left; nobody else may write there.

    Parameters
    ----------
    folder : Path
        Where a `Journal` was; it need not be there.
    sealed_to : Path, optional
        As of that.

    Returns
    -------
    list of Path
        The files made, also in the place of those that do not hold all of a stream.  A
        stream that holds no row, or cannot be sealed, stays as it is.
    """
    made = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            if path.suffix == ".part":
                _remove(path)
        elif path.suffix == SUFFIX:
            # One that stays is no loss: `read_log` reads it.
            with suppress(OSError, pa.ArrowException):
                made += _seal_one(path, (sealed_to or folder) / f"{path.stem}{PARQUET}")
    return made


def _seal_one(path: Path, sealed: Path) -> list[Path]:
    made = list[Path]()
    table, torn_bytes = read_stream(path)
    if not is_whole(sealed, table.num_rows):
        if table.schema != batch_schema() or (not table.num_rows and torn_bytes):
            return []
        if table.num_rows:
            made.append(_write_sealed(table, sealed, torn_bytes))
    _remove(path)
    return made


def _write_sealed(table: pa.Table, path: Path, torn_bytes: int = 0) -> Path:
    return write_table(fill_reasons(join_tables([table])), path, told(table, torn_bytes))


def _remove(path: Path) -> None:
    """Remove a file; Windows does not while somebody reads it: then `seal_left` does."""
    with suppress(OSError):
        path.unlink()

"""Stream: the event log as a file that only grows, readable up to its last whole batch.

It knows how record batches become octets and octets become batches again, the torn end of
a killed process's file included.  When something is written is the `journal`'s affair.

The format is Arrow's IPC stream.  Each batch is written with all its dictionaries, which
take the place of those before, so it hangs on nothing but the schema at the file's head.
It is not compressed: a full segment is soon Parquet, and lz4, which takes 63 octets an
event where these are 167, makes the many small batches of a slow pace four times as large
a task to read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from smtpbook.log.frame import batch_schema

SUFFIX: Final = ".arrows"
MAGIC: Final = b"\xff\xff\xff\xff"
"""How a message of an IPC stream begins, and so the file."""

_SCHEMA: Final = batch_schema()
_HEAD: Final = _SCHEMA.serialize().to_pybytes()
_END: Final = len(MAGIC) + 4  # the end-of-stream mark: the same and a length of 0


class Stream:
    """The file of one segment while it grows.

    It is opened anew for each batch (20 µs): so a file that was removed is noticed, and
    nothing is to be closed.

    Parameters
    ----------
    path : Path
        Made by the first `append`.

    Attributes
    ----------
    rows, batches, octets : int
        How much of it is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.batches = self.octets = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch at the end; after a failure it may be tried again.

        Raises
        ------
        OSError
            It cannot be written.  Where the file is gone, or shorter than it was, the
            stream is empty from then on.
        """
        octets = _encode(batch)
        with self.path.open("ab", buffering=0) as file:
            size = file.tell()
            if size < self.octets:
                self.rows = self.batches = self.octets = 0
                raise FileNotFoundError(
                    f"{self.path} was removed or cut while it was written"
                )
            if size > self.octets:  # what an attempt that failed has left
                file.truncate(self.octets)
            if not self.octets:
                octets = _HEAD + octets
            left = memoryview(octets)
            while left:
                left = left[file.write(left) :]
        self.rows += batch.num_rows
        self.batches += 1
        self.octets += len(octets)

    def replace(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Put other batches in the place of all there are, at once or not at all."""
        beside = Stream(self.path.with_name(f".{self.path.name}.part"))
        beside.path.unlink(missing_ok=True)
        for batch in batches:
            beside.append(batch)
        os.replace(beside.path, self.path)
        self.rows, self.batches, self.octets = beside.rows, beside.batches, beside.octets


def read_stream(path: Path) -> tuple[pa.Table, int]:
    """Read an IPC stream up to its last whole batch.

    Returns
    -------
    table : pyarrow.Table
        With the file's own schema; of `batch_schema` where the file holds none.
    torn_bytes : int
        How many octets at its end are no whole batch; 0 = none.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    octets = path.read_bytes()
    source = pa.BufferReader(octets)
    schema, batches, whole = _SCHEMA, list[pa.RecordBatch](), 0
    # What a torn message makes Arrow say is one of these, by where it is torn.
    try:
        reader = pa.ipc.open_stream(source)
        schema, whole = reader.schema, source.tell()
        while True:
            batch = reader.read_next_batch()
            batch.validate(full=True)
            batches.append(batch)
            whole = source.tell()
    except StopIteration:
        if octets[whole:] == MAGIC + bytes(_END - len(MAGIC)):
            whole = len(octets)
    except (pa.ArrowException, OSError):
        pass
    return pa.Table.from_batches(batches, schema=schema), len(octets) - whole


def _encode(batch: pa.RecordBatch) -> bytes:
    """Give a batch as it stands in a stream, its dictionaries before it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue())[len(_HEAD) : -_END])

"""Opening: which files are meant, in which order, and their octets unpacked.

What the octets mean is left to the formats.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from smtpbook.errors import SMTPBookError, near_file
from smtpbook.escape import visible

STANDARD_INPUT: Final = "-"
HEAD: Final = 1 << 16
"""Octets of a file that are looked at to find out what it is."""

_PACKED: Final[tuple[tuple[bytes, Callable[[Any], Any]], ...]] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),  # RFC 1952 section 2.3.1
    (b"\x28\xb5\x2f\xfd", lambda file: pa.CompressedInputStream(file, "zstd")),  # RFC 8878
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)
_DAMAGE: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException)


class Source:
    """One file or stream that can be opened; a stream only once.

    Parameters
    ----------
    name : str
        What messages call it.
    origin : Path or binary file
        Where it is; or the stream itself, which is left open.
    """

    def __init__(self, name: str, origin: Path | BinaryIO) -> None:
        self.name = name
        self._origin = origin
        self._stream: Unpacked | None = None

    @property
    def path(self) -> Path | None:
        """Where it is; null = a stream."""
        return self._origin if isinstance(self._origin, Path) else None

    @property
    def label(self) -> str:
        """What tells it from others in short, no blanks or commas in it; empty = nothing.

        That is its name, behind its folder's if one is given.

        >>> Source("the log", Path("/var/log/host a/mail.log")).label
        'host_a/mail.log'
        """
        origin = self._origin
        path = (
            origin if isinstance(origin, Path) else Path(str(getattr(origin, "name", "")))
        )
        return re.sub(r"[\s,]+", "_", "/".join(path.parts[-2:]))

    @property
    def latest(self) -> datetime | None:
        """When it was last written to; null = it is a stream, and that is now."""
        if self.path is None:
            return None
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)

    @property
    def size(self) -> int:
        """Octets as they lie on the disk; of a stream 0."""
        return self.path.stat().st_size if self.path is not None else 0

    @contextmanager
    def open(self, tell: Callable[[int], None] = lambda _: None) -> Iterator[Unpacked]:
        """Open it for reading, unpacked; a stream is where it was left.

        Parameters
        ----------
        tell : callable
            Told how many octets of the file have been read since it was last told.

        Raises
        ------
        OSError
            It cannot be opened.
        SMTPBookError
            While it is read: it was packed and is damaged.
        """
        if isinstance(self._origin, Path):
            with self._origin.open("rb", buffering=0) as file:
                yield Unpacked(self.name, _Watched(file, tell))
        else:
            if self._stream is None:
                self._stream = Unpacked(self.name, _Watched(self._origin, tell))
            yield self._stream


class _Watched(io.RawIOBase):
    """A file that tells how much of it was read; closing it leaves the file open."""

    def __init__(self, file: BinaryIO | io.FileIO, tell: Callable[[int], None]) -> None:
        self._file, self._tell = file, tell

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if isinstance(self._file, io.FileIO):
            count = self._file.readinto(buffer) or 0
        else:  # a stream of somebody else's may know `read` only
            octets = self._file.read(len(buffer))
            count = len(octets)
            buffer[:count] = octets
        self._tell(count)
        return count


class Unpacked(io.RawIOBase):
    """What comes out of a decompressor, with its errors in our words.

    Attributes
    ----------
    head : bytes
        The first octets, up to `HEAD`, which have not been read yet.
    """

    def __init__(self, name: str, file: io.RawIOBase) -> None:
        self._name = name
        packed = io.BufferedReader(file, HEAD)
        magic = packed.peek(8)
        self._unpack = next((u for m, u in _PACKED if magic.startswith(m)), None)
        self._file: Any = self._unpack(packed) if self._unpack else packed
        self.head = b""
        while len(self.head) < HEAD and (octets := self._next(HEAD - len(self.head))):
            self.head += octets
        self._left = self.head

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once; at the end 0."""
        if self._unpack is None and not self._left:
            return int(self._file.readinto1(buffer))  # straight to where it is wanted
        octets, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        octets = octets or self._next(len(buffer))
        buffer[: len(octets)] = octets
        return len(octets)

    def _next(self, size: int) -> bytes:
        if self._unpack is None:
            return bytes(self._file.read1(size))
        try:
            return bytes(self._file.read(size))
        except _DAMAGE as damage:
            raise SMTPBookError(
                f"{self._name}: damaged while it was packed, or cut off "
                f"({visible(str(damage), max_chars=100)}); unpack it by hand, and read "
                f"what that saves"
            ) from damage


def sources_of(named: Any) -> list[Source]:
    """Give the files that are meant, the oldest of a rotated log first.

    Parameters
    ----------
    named : path, str, binary or text stream, or a list of them
        A file, a folder, a pattern such as ``"/var/log/mail.log*"``, ``"-"`` for standard
        input.  A list is taken in the order it is in.

    Raises
    ------
    FileNotFoundError
        There is no such file, or none that fits the pattern.
    """
    if isinstance(named, list | tuple):
        return [source for one in named for source in sources_of(one)]
    if isinstance(named, io.TextIOBase):
        named = named.buffer if hasattr(named, "buffer") else _encoded(named)
    if hasattr(named, "read"):
        return [Source(str(getattr(named, "name", "the stream")), named)]
    if named == STANDARD_INPUT:
        return [Source("standard input", sys.stdin.buffer)]
    path = Path(named)
    if path.is_dir():
        return [Source(str(one), one) for one in files_in(path)]
    if not path.exists() and glob.has_magic(str(named)):
        found = [Path(one) for one in glob.glob(str(named), recursive=True)]
        found = sorted(filter(Path.is_file, found), key=age)
        if not found:
            raise FileNotFoundError(2, "no file fits the pattern", str(named))
        return [Source(str(one), one) for one in found]
    if not path.exists():
        raise FileNotFoundError(f"no file {visible(str(path))!r}{near_file(path)}")
    return [Source(str(path), path)]


def _encoded(text: io.TextIOBase) -> io.BytesIO:
    return io.BytesIO(text.read().encode("utf-8", "surrogateescape"))


def files_in(folder: Path) -> list[Path]:
    """Give a folder's files, hidden ones and folders left out, in the order of `age`."""
    found = (one for one in folder.iterdir() if not one.name.startswith("."))
    return sorted(filter(Path.is_file, found), key=age)


# What packs a file puts its own ending behind the number.
_ENDING: Final = re.compile(r"\.(?:gz|bz2|xz|zst)$")
_NUMBER: Final = re.compile(r"^(.+)\.(\d{1,6})$")
_DATE: Final = re.compile(r"^(.+?)[-._](\d{4}-?\d\d-?\d\d(?:[-T_.]?\d{2,10})?)(\.[a-z]+)?$")
_DATED, _NUMBERED, _WRITTEN = range(3)


def age(path: str | os.PathLike[str]) -> tuple[str, int, int, str]:
    """Give a key that sorts rotated files from the oldest to the one still written.

    ``mail.log.10.gz`` is older than ``mail.log.2.gz`` (logrotate counts upwards);
    ``mail.log-20261128`` (its ``dateext``) is older than ``mail.log-20261129``, and all of
    these are older than ``mail.log``.

    >>> names = ["m.log", "m.log.1", "m.log.2.gz", "m.log.10.gz", "m.log-20261128"]
    >>> sorted(names, key=age)
    ['m.log-20261128', 'm.log.10.gz', 'm.log.2.gz', 'm.log.1', 'm.log']
    """
    folder, name = os.path.split(path)
    name = _ENDING.sub("", name)
    if dated := _DATE.match(name):
        whole = os.path.join(folder, dated[1] + (dated[3] or ""))
        return whole, _DATED, 0, dated[2]
    if numbered := _NUMBER.match(name):
        return os.path.join(folder, numbered[1]), _NUMBERED, -int(numbered[2]), ""
    return os.path.join(folder, name), _WRITTEN, 0, ""

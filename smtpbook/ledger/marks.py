"""Marks: which messages' mail data had begun, should the process die.

A mark is written to the operating system and not flushed: it costs microseconds, outlives
the process, and not a power cut.  So, on a computer that has not been started again since,
a missing mark proves that the mail data had not begun.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError

MARKS: Final = "ledger.begun"
"""What the file is called in its campaign's folder."""

_MARK: Final = struct.Struct("<QQ")  # position, attempt
_HEAD: Final = 64  # octets: the boot id, filled up with NUL


class Marks:
    """The file of marks, open for adding.

    Parameters
    ----------
    path : Path
        Emptied now, unless it is joined.
    boot : str or None
        The boot id; None = marks prove nothing.
    is_joined : bool
        Another process of this computer has begun it.

    Raises
    ------
    LedgerError
        It cannot be written.
    """

    def __init__(self, path: Path, boot: str | None, *, is_joined: bool = False) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_APPEND
        if not is_joined:
            flags |= os.O_CREAT | os.O_TRUNC
        try:
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as exc:
            raise _unwritable(path, exc) from exc
        if not is_joined:
            head = (boot or "").encode("ascii", "replace")
            self._write(head[:_HEAD].ljust(_HEAD, b"\0"))

    def add(self, position: int, attempt: int) -> None:
        """Mark a message as begun; errors as the class."""
        self._write(_MARK.pack(position, attempt))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, octets: bytes) -> None:
        try:
            written = os.write(self._file, octets)
        except OSError as exc:
            raise _unwritable(self._path, exc) from exc
        if written < len(octets):
            raise _unwritable(self._path, OSError("the disk is full"))


def read_marks(path: Path, boot: str | None) -> set[tuple[int, int]] | None:
    """Give the position and attempt of every message marked as begun.

    Returns
    -------
    set of (int, int), or None
        None: the computer was started again since, or that cannot be told.
    """
    try:
        octets = path.read_bytes()
    except OSError:
        return None
    if boot is None or octets[:_HEAD].rstrip(b"\0") != boot.encode("ascii", "replace"):
        return None
    body = octets[_HEAD:]
    # A mark cut off at the end: it was being written, so what it stands for had not begun.
    whole = len(body) - len(body) % _MARK.size
    return {(position, n) for position, n in _MARK.iter_unpack(body[:whole])}


def _unwritable(path: Path, exc: OSError) -> LedgerError:
    return LedgerError(
        f"cannot write {str(path)!r} ({exc.strerror or exc}); nothing further is sent. Set "
        f"that right, then open the campaign again: it goes on where it was"
    )

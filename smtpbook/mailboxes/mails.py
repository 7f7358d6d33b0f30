"""Mails: the messages in a maildir, an mbox, a folder or a file, one after the other.

Nothing is moved, marked or written, not even a lock.  A message may be longer than what is
read of it: the returned original at the end is what is lost then.

References
----------
RFC 4155 (mbox).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from smtpbook.errors import SMTPBookError, near_file
from smtpbook.escape import visible
from smtpbook.progress import show

MAX_MAIL: Final = 32 << 20
"""Octets of a message that are read; a zipped report of DMARC's may be some megabytes."""

# "each message in the mbox file is preceded by a separator line" -- RFC 4155 appendix A
_SEPARATOR: Final = re.compile(rb"From [^\r\n]{0,400}[0-9]{2}:[0-9]{2}")
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_LONG: Final = 100  # messages, or MB, from which progress is worth showing
_MB: Final = 1_000_000
_LINE: Final = 1 << 16  # octets of a line that are looked at


class Mail(NamedTuple):
    """One message.

    Attributes
    ----------
    place : str
        Where it is: a file's name, or a mailbox's and a number.
    octets : bytes
    done, total : int
        How far it has come with this one, and how far it will: in messages, or in MB of
        one large file.
    """

    place: str
    octets: bytes
    done: int
    total: int


def watched(mails: Iterable[Mail], *, progress: bool) -> Iterator[Mail]:
    """Give mails one by one, and show how far it has come where there are many."""
    display = None
    try:
        for mail in mails:
            if display is None:
                is_long = mail.total >= _LONG
                display = show("reading mailbox", mail.total, progress=progress and is_long)
            yield mail
            display.update(mail.done, {})
    finally:
        if display is not None:
            display.close()


def mails_in(source: str | os.PathLike[str]) -> Iterator[Mail]:
    """Give the messages of whatever is there.

    Parameters
    ----------
    source : path
        A maildir (with ``cur`` or ``new`` in it), a folder of files, an mbox, or a file
        with one message.

    Raises
    ------
    SMTPBookError
        There is nothing of that name, or it is no ordinary file.
    OSError
        It cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files = _files_of(path)
        for number, file in enumerate(files, 1):
            for place, octets, _ in _in_file(file):
                yield Mail(place, octets, number, len(files))
    else:
        _refuse_what_is_no_file(path)
        total = path.stat().st_size // _MB
        for place, octets, position in _in_file(path):
            yield Mail(place, octets, position // _MB, total)


def _files_of(folder: Path) -> list[Path]:
    maildir = [folder / name for name in ("cur", "new") if (folder / name).is_dir()]
    files = [file for place in maildir or [folder] for file in place.iterdir()]
    # A maildir's names begin with the time of delivery.
    return sorted(
        (file for file in files if file.is_file() and not file.name.startswith(".")),
        key=lambda file: file.name,
    )


def _in_file(path: Path) -> Iterator[tuple[str, bytes, int]]:
    """Give each message's place, its octets, and where it ends in the file."""
    name = path.name
    with path.open("rb") as file:
        first = file.readline(_LINE)
        file.seek(0)
        if not _SEPARATOR.match(first):
            yield name, file.read(MAX_MAIL), file.tell()
            return
        for number, octets in enumerate(_in_mbox(file), 1):
            yield f"{name}:{number}", octets, file.tell()


def _in_mbox(file: BinaryIO) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    was_empty = at_start = True
    while line := file.readline(_LINE):
        if at_start and was_empty and _SEPARATOR.match(line):
            if size:
                yield _unquoted(lines)
            lines, size = [], 0
        elif size <= MAX_MAIL:
            lines.append(line)
            size += len(line)
        was_empty = at_start and not line.strip()
        at_start = line.endswith(b"\n")
    if size:
        yield _unquoted(lines)


def _unquoted(lines: list[bytes]) -> bytes:
    """Put a message together, without the marks before ``From`` that an mbox needs."""
    return _QUOTED.sub(rb"\1", b"".join(lines))


def _refuse_what_is_no_file(path: Path) -> None:
    shown = repr(visible(str(path)))
    if not path.exists():
        raise SMTPBookError(f"no file {shown}{near_file(path)}")
    if not path.is_file():  # a pipe may block for ever
        raise SMTPBookError(f"{shown} is no ordinary file")

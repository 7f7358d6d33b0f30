"""Lines: octets made into lines, whatever they hold, in bounded memory.

A line ends with LF; a CR before it is its end, too.  Nothing is read as a line's end that
the programs which write logs do not mean as one (`str.splitlines` knows eight more).
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from smtpbook.logfile.reading import Reading

CHUNK: Final = 1 << 18  # octets; larger ones are no faster
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # what Exchange's reports are downloaded in
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(head: bytes) -> str:
    """Tell a text's encoding by its byte order mark; without one it is UTF-8."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


def read_lines(
    file: BinaryIO, encoding: str, max_line: int, reading: Reading
) -> Iterator[str]:
    """Give a file's lines, without their ends; octets of no encoding as surrogates.

    Parameters
    ----------
    file : binary file
        At its beginning.
    encoding : str
        As `encoding_of` gives it.
    max_line : int
        Characters of a line that are given; the rest is cut off.
    reading : Reading
        Counts lines, and those that were cut.
    """
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decode = codecs.getincrementaldecoder(encoding)(errors).decode
    kept, over = "", False  # the beginning of a line whose end is not in yet
    while octets := file.read(CHUNK):
        lines = decode(octets).split("\n")
        lines[0] = kept + lines[0]
        kept = lines.pop()
        if lines:
            if over:
                lines[0], over = lines[0][:max_line], False
                reading.cut += 1
            yield from _whole(lines, max_line, reading)
        if len(kept) > max_line:
            kept, over = kept[:max_line], True
    kept += decode(b"", True)
    if kept:
        reading.cut += over
        yield from _whole([kept[:max_line] if over else kept], max_line, reading)


def _whole(lines: list[str], max_line: int, reading: Reading) -> Iterator[str]:
    reading.lines += len(lines)
    for line in lines:
        if len(line) > max_line:
            reading.cut += 1
            line = line[:max_line]
        yield line[:-1] if line.endswith("\r") else line


def first_lines(head: bytes) -> list[str]:
    """Give the lines that begin in a file's first octets; the last may be cut."""
    text = io.BytesIO(head)
    return list(read_lines(text, encoding_of(head), len(head), Reading()))

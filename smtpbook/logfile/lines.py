"""Lines: octets made into lines, whatever they hold, in bounded memory.

A line ends with LF; a CR before it is its end, too.  Nothing is read as a line's end that
the programs which write logs do not mean as one (`str.splitlines` knows eight more).
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final

from smtpbook.logfile.opening import HEAD
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
    return chain.from_iterable(read_batches(file, encoding, max_line, reading))


def read_batches(
    file: BinaryIO, encoding: str, max_line: int, reading: Reading
) -> Iterator[list[str]]:
    """Give them as `read_lines` does, those of a chunk at once."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decode = codecs.getincrementaldecoder(encoding)(errors).decode
    kept = ""  # the beginning of a line whose end is not in yet; enough to see it is long
    while octets := file.read(CHUNK):
        text = kept + decode(octets)
        lines = text.split("\n")
        kept = lines.pop()[: max_line + 2]
        if "\r" in text:
            lines = [line.removesuffix("\r") for line in lines]
        if lines:
            yield _whole(lines, max_line, reading)
    kept += decode(b"", True)
    if kept:
        yield _whole([kept.removesuffix("\r")], max_line, reading)


def _whole(lines: list[str], max_line: int, reading: Reading) -> list[str]:
    """Count the lines of a chunk, and take off what is too long of one."""
    reading.lines += len(lines)
    if max(map(len, lines)) > max_line:
        reading.cut += sum(len(line) > max_line for line in lines)
        lines = [line[:max_line] for line in lines]
    return lines


def first_lines(head: bytes) -> list[str]:
    """Give the lines of a file's head, without the one that is cut where it ends."""
    text = io.BytesIO(head)
    lines = list(read_lines(text, encoding_of(head), len(head), Reading()))
    return lines[:-1] if len(head) >= HEAD and len(lines) > 1 else lines

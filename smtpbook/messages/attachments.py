"""Attachments: files that go with a letter, the same for all or each row's own.

A file of a row's own is named by a cell of a declared column and taken from a declared
folder; a cell cannot name anything outside it.  What kind of file it is, its name says;
nobody looks inside.
"""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.language.limits import is_missing
from smtpbook.messages import mime

# What Linux and macOS take as a file's name (NAME_MAX); in octets of UTF-8.  Written with
# three characters for an octet, it still stands on one line of 998 (RFC 2231 section 4).
MAX_NAME: Final = 255
# What most providers take as a whole message (Gmail's published limit), in octets.
MAX_ATTACHMENT: Final = 25_000_000
# Controls, separators, surrogates; and what turns "exe.fdp" around to look like a PDF.
_NOT_IN_NAMES: Final = re.compile(
    "[/\\\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_CONTENT_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_TYPES: Final = mimetypes.MimeTypes()  # Python's own table, not this machine's
_ANY: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that everybody gets.

    Parameters
    ----------
    name : str
        What the reader sees it called.
    data : bytes
        At most 25 MB.
    content_type : str, optional
        Default: what the name's ending says, else ``"application/octet-stream"``.

    Raises
    ------
    TemplateError
        The name is too long or holds what no file name may, the type is none, or the file
        is too large.
    """

    name: str
    data: bytes = field(repr=False)
    content_type: str = ""

    def __post_init__(self) -> None:
        if not self.name or _NOT_IN_NAMES.search(self.name):
            raise TemplateError(f"attachment: {self.name!a} is not a file name")
        if len(self.name.encode()) > MAX_NAME:
            raise TemplateError(
                f"attachment: {visible(self.name, max_chars=60)} is longer than "
                f"{MAX_NAME} octets; give a shorter name"
            )
        if len(self.data) > MAX_ATTACHMENT:
            raise TemplateError(_too_large(self.name, len(self.data)))
        content_type = self.content_type or _type_of(self.name)
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise TemplateError(
                f"attachment {self.name!a}: {content_type!a} is no content type; "
                f"such as 'application/pdf'"
            )
        # A message or a multipart may not be encoded (RFC 2046 sections 5.1 and 5.2.1).
        if content_type.split("/")[0].lower() in ("message", "multipart"):
            content_type = _ANY
        object.__setattr__(self, "content_type", content_type)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Attachment:
        """Read a file.

        Raises
        ------
        TemplateError
            There is no such file, or it cannot be attached.
        """
        file, shown = Path(path), visible(str(path))
        try:
            _check_file(file, shown)
            data = file.read_bytes()
        except OSError as error:
            raise TemplateError(
                f"attachment: {shown} cannot be read: {error.strerror}"
            ) from None
        return cls(file.name, data)

    def entity(self) -> bytes:
        """Write it as a part of a message."""
        return mime.file_entity(self.name, self.content_type, self.data)


@dataclass(frozen=True, slots=True)
class AttachmentColumn:
    """A file for each row: a column's cell says which one of a folder's.

    Parameters
    ----------
    column : str
        The list's column.  A cell holds one file name, relative to `folder`.
    folder : path
        Nothing outside it is ever attached: ``..``, absolute names and links that lead
        out are refused.
    required : bool
        An empty cell is an error; otherwise that row gets no file.

    Raises
    ------
    TemplateError
        There is no such folder.
    """

    column: str
    folder: str | os.PathLike[str]
    required: bool = True
    _root: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        root = Path(self.folder)
        if not root.is_dir():
            raise TemplateError(
                f"attachments from column {self.column!r}: {visible(str(self.folder))} is "
                f"not a folder"
            )
        object.__setattr__(self, "_root", root.resolve())

    def find(self, row: Mapping[str, Any]) -> Path | None:
        """Find a row's file; None = it has none.

        Raises
        ------
        TemplateError
            The cell is empty, or names no file inside the folder.
        """
        cell = row.get(self.column)
        if is_missing(cell) or cell == "":
            if not self.required:
                return None
            hint = (
                "" if self.column in row else near_miss(self.column, map(str, row.keys()))
            )
            raise self._error(row, "no file is named there", hint or "; fill the cell in")
        if not isinstance(cell, str):
            raise self._error(row, f"{cell!a} is not a file name")
        name = cell.strip()
        if not name or _NOT_IN_NAMES.search(name.replace("/", "")):
            raise self._error(row, f"{name!a} is not a file name")
        try:
            path = (self._root / name).resolve(strict=True)
        except (OSError, RuntimeError):  # a loop of links, in Python 3.11 and 3.12
            there = (file.name for file in self._root.iterdir())
            raise self._error(
                row,
                f"{name!a} is not in {visible(str(self.folder))}",
                near_miss(name, there),
            ) from None
        if not path.is_relative_to(self._root):
            raise self._error(row, f"{name!a} leads out of {visible(str(self.folder))}")
        try:
            _check_file(path, repr(name))
        except TemplateError as error:
            raise self._error(row, str(error)) from None
        return path

    def entity(self, row: Mapping[str, Any]) -> bytes | None:
        """Write a row's file as a part of a message; errors as `find`."""
        path = self.find(row)
        if path is None:
            return None
        try:
            about = path.stat()
            return _entity_of(path, about.st_size, about.st_mtime_ns)
        except OSError as error:  # it has gone since
            raise self._error(row, f"{path.name!a}: {error.strerror}") from None
        except TemplateError as error:
            raise self._error(row, str(error)) from None

    def _error(self, row: Mapping[str, Any], reason: str, hint: str = "") -> TemplateError:
        whom = visible(str(row.get("email")))
        return TemplateError(
            f"attachment from column {self.column!r}, for {whom}: {reason}{hint}"
        )


# Many rows may name the same file: the course's programme, the branch's price list.
@lru_cache(maxsize=4)
def _entity_of(path: Path, size: int, modified_ns: int) -> bytes:
    return Attachment.read(path).entity()


def _check_file(path: Path, shown: str) -> None:
    if not path.is_file():
        raise TemplateError(f"attachment: {shown} is not a file")
    if (size := path.stat().st_size) > MAX_ATTACHMENT:
        raise TemplateError(_too_large(shown, size))


def _too_large(name: str, size: int) -> str:
    return (
        f"attachment {visible(name)}: {size:,} octets; mail servers take "
        f"{MAX_ATTACHMENT:,} at most: put it on a web page and send the link"
    )


def _type_of(name: str) -> str:
    content_type, compression = _TYPES.guess_type(name)
    return content_type if content_type and compression is None else _ANY

"""MaxBulk documents (``.mbm``), read as far as their format is known.

Known is: text, a key and a value in each line with a tab between them, and the first key
is ``FileVersion``.  The maker does not say what other keys there are or what they mean, so
the reader keeps every line and takes as a part of the letter only what it is told is one.
It opens no file that a document names.

References
----------
Wikidata Q105861879: the format begins with the octets of ``FileVersion`` and a tab.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.maxbulk.report import Note, Notes, as_html, as_text

PARTS: Final = ("subject", "text", "html", "header_from", "reply_to", "priority")
# A list of half a million people has room in it.
MAX_BYTES: Final = 50_000_000

_FIRST: Final = "FileVersion"
_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LINE_END: Final = re.compile("\r\n|\n|\r")
# Settings may hold an account's password or the program's own licence.
_SECRET: Final = re.compile(r"(?i)pass|pwd|secret|token|serial|licen[cs]e")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a document.

    Attributes
    ----------
    line : int, from 1
    key : str or None
        What stands before the first tab; None = the line has no tab.
    value : str
        The rest as it is, further tabs included; ``"[redacted]"`` where the key says that
        it is a secret.
    """

    line: int
    key: str | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Document:
    """A MaxBulk document.

    Printed it is its report; in a notebook the report is a table.

    Attributes
    ----------
    version : str
        The value of ``FileVersion``.
    encoding : str
        How its octets were read, such as ``"utf-8"``.
    entries : tuple of Entry
        Every line, in order.
    parts : mapping of str to str
        What is known to be a part of the letter: a name of `PARTS` to the value, which is
        a MaxBulk template still (`translate_maxbulk`).
    notes : tuple of Note
        How each key was read.
    """

    version: str
    encoding: str
    entries: tuple[Entry, ...]
    parts: Mapping[str, str] = field(hash=False)
    notes: tuple[Note, ...]

    def _head(self) -> str:
        known = ", ".join(self.parts) or "none"
        return (
            f"MaxBulk document, version {visible(self.version, max_chars=40)}, "
            f"{len(self.entries):,} lines in {self.encoding}; parts known: {known}"
        )

    def __str__(self) -> str:
        return as_text(self._head(), self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self._head(), self.notes)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        """Give both forms to a notebook."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def read_mbm(
    source: str | os.PathLike[str] | bytes, *, keys: Mapping[str, str] | None = None
) -> Document:
    r"""Read a ``.mbm`` file.

    Parameters
    ----------
    source : path or bytes
        The file, or what is in it; at most `MAX_BYTES`.
    keys : mapping of str to str, optional
        Which key holds which part of the letter: ``{"Body": "text"}``; the parts are
        `PARTS`.  Default: a key ``Subject`` is taken for the subject, and no other.

    Returns
    -------
    Document
        With a note on every key; those that are not understood stand there as they are.

    Raises
    ------
    TemplateError
        It is no such document, is too large, or lacks a key of `keys`.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> document = read_mbm(b"FileVersion\t7\nSubject\tHello [Name]\nMode\t3\n")
    >>> document.parts["subject"], document.entries[2].value
    ('Hello [Name]', '3')
    >>> [note.kind for note in document.notes]
    ['exact', 'assumed', 'not understood']
    """
    octets = source if isinstance(source, bytes) else _read(Path(source))
    if len(octets) > MAX_BYTES:
        raise TemplateError(f"a MaxBulk document of more than {MAX_BYTES:,} bytes")
    text, encoding = _decode(octets)
    entries = _split(text)
    roles = _roles(entries, keys)
    parts = {roles[e.key]: e.value for e in entries if e.key is not None and e.key in roles}
    return Document(
        version=entries[0].value,
        encoding=encoding,
        entries=entries,
        parts=MappingProxyType(parts),
        notes=_notes(encoding, entries, roles, told=keys is not None),
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _decode(octets: bytes) -> tuple[str, str]:
    """Give the text, checked to be a document's, and its encoding."""
    known = ((bom, name) for bom, name in _BOMS.items() if octets.startswith(bom))
    bom, encoding = next(known, (b"", "utf-8"))
    try:
        text = octets[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        if bom:
            raise TemplateError(
                f"not a MaxBulk document: begins as {encoding} and is not, at byte "
                f"{len(bom) + error.start:,}"
            ) from None
        text, encoding = octets.decode("mac_roman"), "mac_roman"
    if not text.startswith(f"{_FIRST}\t"):
        raise TemplateError(
            f"not a MaxBulk document: begins with '{visible(text[:20])}', expected "
            f"{_FIRST!r} and a tab; the text of a letter goes to translate_maxbulk()"
        )
    if "\x00" in text:
        raise TemplateError(
            f"not a MaxBulk document: a NUL at character {text.index(chr(0)) + 1:,}"
        )
    return text, encoding


def _split(text: str) -> tuple[Entry, ...]:
    """Split at the line end that the first line has; others belong to their value."""
    first = _LINE_END.search(text)
    lines = text.split(first[0]) if first else [text]
    if not lines[-1]:
        lines.pop()
    entries = []
    for number, line in enumerate(lines, 1):
        before, tab, after = line.partition("\t")
        key, value = (before, after) if tab else (None, line)
        if key is not None and _SECRET.search(key):
            value = "[redacted]"
        entries.append(Entry(line=number, key=key, value=value))
    return tuple(entries)


def _roles(entries: tuple[Entry, ...], keys: Mapping[str, str] | None) -> dict[str, str]:
    """Say which keys hold which part, once it is sure that each does."""
    places: dict[str, list[int]] = {}
    for entry in entries[1:]:
        if entry.key is not None:
            places.setdefault(entry.key, []).append(entry.line)
    if keys is None:
        return {"Subject": "subject"} if len(places.get("Subject", ())) == 1 else {}
    for key, part in keys.items():
        if part not in PARTS:
            hint = near_miss(part, PARTS) or f"; there are {', '.join(PARTS)}"
            raise TemplateError(f"keys: no part {part!r}{hint}")
        if key not in places:
            raise TemplateError(f"no key {key!r} in the document{near_miss(key, places)}")
        if len(places[key]) > 1:
            lines = " and ".join(map(str, places[key][:2]))
            raise TemplateError(f"key {key!r} stands in lines {lines}; which one is meant?")
    if len(set(keys.values())) < len(keys):
        raise TemplateError("keys: two keys for one part")
    return dict(keys)


def _notes(
    encoding: str, entries: tuple[Entry, ...], roles: Mapping[str, str], *, told: bool
) -> tuple[Note, ...]:
    notes = Notes()
    if encoding == "mac_roman":
        meaning = "neither UTF-8 nor UTF-16, read as Mac Roman; look at its accents"
        notes.add("encoding", "assumed", 1, "the octets of the file", meaning)
    notes.add(
        "version", "exact", 1, f"{_FIRST}\t{entries[0].value}", "the format's version"
    )
    for entry in entries[1:]:
        line, key = entry.line, entry.key
        if key is None:
            if entry.value:
                notes.add(None, "not understood", line, entry.value, "a line without a tab")
            continue
        found = f"{key}\t{entry.value}"
        if key not in roles:
            notes.add(("key", key), "not understood", line, found, "kept in .entries")
        elif told:
            notes.add(("key", key), "exact", line, found, f"{roles[key]}, as keys= says")
        else:
            notes.add(("key", key), "assumed", line, found, f"{roles[key]}, by its name")
        if _LINE_END.search(entry.value):
            meaning = "a line end unlike the first line's is a part of the value"
            notes.add("line ends", "assumed", line, found, meaning)
    return notes.in_order()

"""What a file is: by its first octets, and where they do not tell, by its name.

Names lie: spreadsheets called ``.csv`` and pages of HTML called ``.xls`` are everyday.  A
file that is something else than its name says is read as what it is, and that is said.
"""

from __future__ import annotations

import codecs
import csv
import re
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from smtpbook.errors import RecipientsError
from smtpbook.sources.delimited import DELIMITERS


class Format(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    title : str
        With an article, for messages.
    extensions : tuple of str
        Lower case, with the dot.
    options : tuple of str
        Those of `open.read_table` that its reader takes.
    reader : str
        ``module:function`` in this room; called with the path and the options.
    """

    title: str
    extensions: tuple[str, ...]
    options: tuple[str, ...]
    reader: str


FORMATS: Final = {
    "delimited": Format(
        "delimited text",
        (".csv", ".tsv", ".tab"),
        ("encoding", "delimiter"),
        "delimited:read_delimited",
    ),
    "text": Format("plain text", (".txt",), ("encoding",), "text:read_text"),
    "spreadsheet": Format(
        "a spreadsheet",
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        ("sheet",),
        "spreadsheets:read_spreadsheet",
    ),
    "vcard": Format("vCard", (".vcf", ".vcard"), ("encoding",), "vcards:read_vcards"),
    "ldif": Format("LDIF", (".ldif", ".ldi"), ("encoding",), "ldif:read_ldif"),
    "json": Format("JSON", (".json", ".jsonl", ".ndjson"), (), "json_lines:read_json"),
    "parquet": Format("Parquet", (".parquet", ".pq"), (), "parquet:read_parquet"),
    "arrow": Format("an Arrow file", (".arrow", ".feather"), (), "parquet:read_arrow"),
    "mail": Format("mail", (".eml", ".mbox"), (), "mail:read_mail"),
}
_BY_EXTENSION: Final = {
    extension: key for key, form in FORMATS.items() for extension in form.extensions
}

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Compound File, [MS-CFB] section 2.2
_MAGIC: Final = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (_OLE, "spreadsheet"),
)
_COMPRESSED: Final = "is compressed; unpack it first"
_FOREIGN: Final = (
    (b"\x1f\x8b", _COMPRESSED),
    (b"BZh", _COMPRESSED),
    (b"\xfd7zXZ\x00", _COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", _COMPRESSED),
    (b"Rar!", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", _COMPRESSED),
    (b"FEA1", "is Feather version 1; write it again with pandas, as Parquet"),
    (b"%PDF", "is a PDF; export the list from the program that made it"),
    (b"SQLite format 3\x00", "is an SQLite database; pass its URL: 'sqlite:///{path}'"),
    (b"\x00\x01\x00\x00Standard", "is an Access database; export its table as CSV"),
    (b"\x89PNG", "is a picture"),
    (b"\xff\xd8\xff", "is a picture"),
)
_TEXTS: Final = (
    (re.compile(r"\s*BEGIN:VCARD\s", re.IGNORECASE), "vcard"),
    (re.compile(r"(?:#[^\n]*\n|\s)*(?:version: ?\d|dn::? )"), "ldif"),
    (re.compile(r'\s*(?:\{\s*"|\[\s*[\[{"])'), "json"),
    (re.compile(r"From [^\n]*\d\d:\d\d[^\n]*\r?\n"), "mail"),
    (
        re.compile(
            r"(?:Received|Return-Path|Delivered-To|From|To|Subject|Date|Message-ID|"
            r"MIME-Version|X-[\w-]+): [^\n]*\n(?:[ \t][^\n]*\n|[A-Za-z-]+:[^\n]*\n)+",
            re.IGNORECASE,
        ),
        "mail",
    ),
)
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml|table|meta)", re.IGNORECASE)
_HEAD: Final = 1 << 16  # octets that are looked at
_LINES: Final = 50


def detect(path: Path, *, has_columns: bool = False) -> tuple[str, str | None]:
    """Tell a file's format.

    Parameters
    ----------
    path : Path
        An ordinary file.
    has_columns : bool
        Text that is neither clearly delimited nor clearly anything else is delimited.

    Returns
    -------
    format : str
        A key of `FORMATS`.
    doubt : str or None
        What to say if the name says something else.

    Raises
    ------
    RecipientsError
        It is something known that holds no list, or not one that can be read here.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    named = _BY_EXTENSION.get(path.suffix.lower())
    found = _by_content(path, head)
    if found is None:
        if named not in {"delimited", "vcard", "ldif", "json", "mail"}:
            lines = _decoded(head).splitlines()[:_LINES]
            found = "delimited" if has_columns or _has_columns(lines) else "text"
        else:
            found = named
    if named in {None, found} or {named, found} == {"text", "delimited"}:
        return found, None
    return found, (
        f"{path.name} is {FORMATS[found].title}, not {FORMATS[str(named)].title}, and was "
        f"read as such"
    )


def _by_content(path: Path, head: bytes) -> str | None:
    for magic, key in _MAGIC:
        if head.startswith(magic):
            return key
    for magic, why in _FOREIGN:
        if head.startswith(magic):
            raise RecipientsError(f"{path.name} {why.format(path=path)}")
    if head.startswith(b"PK\x03\x04"):
        return _in_zip(path)
    text = _decoded(head)
    if _MARKUP.match(text):
        raise RecipientsError(
            f"{path.name} is HTML or XML, whatever its name says; open it in a spreadsheet "
            f"program and save it as .xlsx"
        )
    return next((key for pattern, key in _TEXTS if pattern.match(text)), None)


def _in_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise RecipientsError(
            f"{path.name} is a damaged zip file ({error}); fetch or save it again"
        ) from None
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or "content.xml" in names:
        return "spreadsheet"
    raise RecipientsError(
        f"{path.name} is a zip file and no spreadsheet; unpack it and read the list in it"
    )


def _decoded(head: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return head.decode(encoding, "replace")
    return head.decode("utf-8-sig", "replace")


def _has_columns(lines: list[str]) -> bool:
    """Tell a table with a header from prose and from addresses one a line."""
    first, *rest = [line for line in lines if line.strip()] or [""]
    if "@" in first:
        return False
    for delimiter in DELIMITERS:
        # One line at a time: an open quote must not swallow the others.
        widths = [
            sum(map(len, csv.reader([line], delimiter=delimiter)))
            for line in [first, *rest]
        ]
        alike = widths[1:].count(widths[0])
        if widths[0] > 1 and 2 * alike >= len(rest):
            return True
    return len(first.split()) <= 2 and all(len(line.split()) == 1 for line in rest)

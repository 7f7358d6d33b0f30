"""LDIF: people as directories (LDAP) and Thunderbird export them.

Entries are read, changes are not: a file that adds, modifies or deletes is a recipe, not a
list.  Files and URLs that a value points to are never opened.  The libraries for LDIF are
part of LDAP clients, and give no line numbers.

References
----------
RFC 2849 (LDIF), RFC 4519 and RFC 2798 (the attributes' names).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.sources.cells import Columns
from smtpbook.sources.contacts import EMAIL, EMAIL_NUMBER
from smtpbook.sources.reading import Faults, read_lines
from smtpbook.table import Table, numbered

# attrval-spec = AttributeDescription value-spec -- RFC 2849
_ATTRIBUTE: Final = re.compile(r"([A-Za-z0-9.-]+)((?:;[A-Za-z0-9-]+)*+):([:<]?) *(.*)")
_FIELDS: Final = {
    "cn": "full_name",
    "displayname": "display_name",
    "givenname": "first_name",
    "sn": "last_name",
    "o": "organization",
    "ou": "department",
    "title": "title",
    "telephonenumber": "phone",
    "street": "street",
    "l": "city",
    "st": "region",
    "postalcode": "postal_code",
    "c": "country",
    "co": "country",
}
_ADDRESSES: Final = ("mail", "mozillasecondemail")
# Secrets and what is no text are not carried into a list.
_LEFT_OUT: Final = re.compile(
    "objectclass|.*(?:passw|pwd|secret|privatekey|principalkey|pkcs12).*"
    "|jpegphoto|usercertificate|usersmimecertificate|changetype|control"
)
_MAX_VALUE: Final = 1 << 16  # characters


def read_ldif(path: Path, *, encoding: str | None = None) -> Table:
    """Read the entries of a file: a row per address, with its entry's first line.

    Columns: ``email`` and ``email_number`` (1 for the entry's first address), ``full_name``
    (cn), ``first_name`` (givenName), ``last_name`` (sn), ``organization`` (o), … and every
    other attribute under its own name, of several values the first.  Passwords,
    certificates and photographs are left out.

    Raises
    ------
    RecipientsError
        The file holds no entry.
    """
    faults = Faults(path.name)
    columns = Columns(path.name, (EMAIL, EMAIL_NUMBER))
    found = False
    for start, entry in _entries(_unfolded(read_lines(path, faults, encoding)), faults):
        change = entry.get("changetype", ["add"])[0].strip().lower()
        if change != "add":
            faults.add(start, "change", f"an entry to {visible(change)}, not a person")
        elif "dn" in entry:
            found = True
            for row in _rows(entry):
                columns.add(start, row)
    if not found:
        raise RecipientsError(
            f"{path.name} holds no entry of a directory; expected lines dn: … and mail: …, "
            f"not changes"
        )
    headers, arrays, rows = columns.finish()
    return Table(
        name=path.name,
        headers=headers,
        cells=numbered(arrays),
        rows=rows,
        problems=faults.listed(),
    )


def _unfolded(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Join lines that go on with a space; drop comments, which may be folded too."""
    start, pieces, size = 1, [""], 0
    for number, line in lines:
        if line.startswith(" "):
            size += len(line)
            if size <= _MAX_VALUE:
                pieces.append(line[1:])
            continue
        if not pieces[0].startswith("#"):
            yield start, "".join(pieces)
        start, pieces, size = number, [line], len(line)
    if not pieces[0].startswith("#"):
        yield start, "".join(pieces)


def _entries(
    lines: Iterable[tuple[int, str]], faults: Faults
) -> Iterator[tuple[int, dict[str, list[str]]]]:
    start = 0
    entry: dict[str, list[str]] = {}
    for number, line in lines:
        if not line.strip():
            if entry:
                yield start, entry
            entry = {}
            continue
        match = _ATTRIBUTE.fullmatch(line)
        if match is None:
            if line != "-":  # ends a group of changes
                shown = visible(line, max_chars=40)
                message = f"{shown!r} is no attribute; left out"
                faults.add(None, "syntax", message, line=number)
            continue
        name, mark, text = match[1].lower(), match[3], match[4]
        if name == "version" and not entry:
            continue
        start = start if entry else number
        values = entry.setdefault(name, [])
        if value := _value(number, name, mark, text, faults):
            values.append(value)
    if entry:
        yield start, entry


def _value(number: int, name: str, mark: str, text: str, faults: Faults) -> str | None:
    if not mark or _LEFT_OUT.fullmatch(name):
        return text
    if mark == "<":
        faults.add(
            None,
            "url",
            f"{name} is to be read from {visible(text, max_chars=60)!r}, which is "
            f"not done; put the value itself there",
            line=number,
        )
        return None
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both
        faults.add(None, "base64", f"{name} is no text in base64; left out", line=number)
        return None


def _rows(entry: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    for name, values in entry.items():
        if values and name not in _ADDRESSES and not _LEFT_OUT.fullmatch(name):
            fields.setdefault(_FIELDS.get(name, name), values[0])
    addresses = [address for name in _ADDRESSES for address in entry.get(name, ())]
    if not addresses:
        yield fields
    for number, address in enumerate(addresses, 1):
        yield {EMAIL: address, EMAIL_NUMBER: number, **fields}

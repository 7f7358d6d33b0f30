"""vCard: address books as phones, Apple Contacts and CardDAV servers export them.

Versions 2.1 (with quoted-printable text), 3.0 and 4.0, as they are met: many cards in one
file, folded lines, labels in groups.  What no letter needs (photographs, keys, sounds) is
passed over.  vobject, the library for this, does not claim 2.1 or 4.0 (its issues 70 and
29) and does not tell lines.

References
----------
vCard 2.1 (versit, 1996), RFC 2426 (3.0), RFC 6350 (4.0).
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.sources.cells import Columns
from smtpbook.sources.contacts import EMAIL, EMAIL_NUMBER, EMAIL_TYPE
from smtpbook.sources.reading import Faults, read_lines
from smtpbook.table import Table, numbered

# contentline = [group "."] name *(";" param) ":" value -- RFC 6350 section 3.3
_PROPERTY: Final = re.compile(
    r'(?:[\w-]+\.)?([\w-]+)((?:;(?:"[^"]*"|[^":;])*+)*+):(.*)', re.DOTALL
)
_PARAMETER: Final = re.compile(r';((?:"[^"]*"|[^";])*+)')
MAX_PROPERTY: Final = 1 << 16  # characters; only pictures and keys are longer

# Columns, by property and place in its value.  RFC 6350 sections 6.2 to 6.7.
_FIELDS: Final[dict[str, tuple[str | None, ...]]] = {
    "FN": ("full_name",),
    "N": ("last_name", "first_name", "middle_name", "prefix", "suffix"),
    "NICKNAME": ("nickname",),
    "ORG": ("organization", "department"),
    "TITLE": ("title",),
    "ROLE": ("role",),
    "ADR": (None, None, "street", "city", "region", "postal_code", "country"),
    "TEL": ("phone",),
    "BDAY": ("birthday",),
    "CATEGORIES": ("categories",),
    "LANG": ("language",),
    "URL": ("url",),
    "NOTE": ("note",),
}
_COMPOUND: Final = frozenset({"N", "ORG", "ADR"})
# What a type says that is no kind of address: any Internet address, and the preferred one.
_NO_KIND: Final = frozenset({"internet", "pref"})


class _Property(NamedTuple):
    line: int
    name: str
    parameters: dict[str, list[str]]
    value: str


def read_vcards(path: Path, *, encoding: str | None = None) -> Table:
    """Read the cards of a file: a row per address, with its card's first line.

    Columns are those of `contacts.unfold` (``email``, ``email_type``, ``email_number``, the
    preferred address first) and what the cards have of ``full_name``, ``first_name``,
    ``last_name``, ``organization``, ``city``, …; of several telephone numbers or postal
    addresses the first, of a value longer than `MAX_PROPERTY` the beginning.  A card
    without an address is a row without one.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Default: found out as for delimited text.

    Raises
    ------
    RecipientsError
        The file holds no card.
    """
    faults = Faults(path.name)
    columns = Columns(path.name, (EMAIL, EMAIL_TYPE, EMAIL_NUMBER))
    properties = _properties(_unfolded(read_lines(path, faults, encoding)), faults)
    found = False
    for first_line, card in _cards(properties, faults):
        found = True
        for row in _rows(card):
            columns.add(first_line, row)
    if not found:
        raise RecipientsError(f"{path.name} holds no vCard; expected a line BEGIN:VCARD")
    headers, arrays, rows = columns.finish()
    return Table(
        name=path.name,
        headers=headers,
        cells=numbered(arrays),
        rows=rows,
        problems=faults.listed(),
    )


def _unfolded(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Join what was folded (RFC 6350 section 3.2) or broken softly (quoted-printable)."""
    start, pieces, size = 1, [""], 0
    is_quoted = is_broken = False
    for number, line in lines:
        if not (is_broken or line.startswith((" ", "\t"))):
            yield start, "".join(pieces)
            start, pieces, size = number, [], 0
            is_quoted = "QUOTED-PRINTABLE" in line.partition(":")[0].upper()
        elif not is_broken:
            line = line[1:]
        is_broken = is_quoted and line.endswith("=")
        size += len(line)
        if size <= MAX_PROPERTY or not pieces:
            pieces.append(line[:-1] if is_broken else line)
    yield start, "".join(pieces)


def _properties(lines: Iterable[tuple[int, str]], faults: Faults) -> Iterator[_Property]:
    for number, line in lines:
        if not line.strip():
            continue
        match = _PROPERTY.fullmatch(line)
        if match is None:
            shown = visible(line, max_chars=40)
            message = f"{shown!r} is no property such as FN:Ann; left out"
            faults.add(None, "syntax", message, line=number)
            continue
        name, parameters, value = match.groups()
        yield _Property(number, name.upper(), _parameters(parameters), value)


def _parameters(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for parameter in _PARAMETER.findall(text):
        name, equals, value = parameter.partition("=")
        if not equals:  # 2.1 writes EMAIL;HOME for EMAIL;TYPE=HOME
            bare = name.strip().upper()
            name = "ENCODING" if bare in {"QUOTED-PRINTABLE", "BASE64"} else "TYPE"
            value = bare
        found.setdefault(name.strip().upper(), []).extend(
            value.replace('"', "").lower().split(",")
        )
    return found


def _cards(
    properties: Iterable[_Property], faults: Faults
) -> Iterator[tuple[int, list[_Property]]]:
    card: list[_Property] | None = None
    start = 0
    for each in properties:
        mark = (each.name, each.value.strip().upper())
        if mark == ("BEGIN", "VCARD"):
            if card is not None:
                faults.add(
                    start, "syntax", "the card has no END:VCARD; read until the next"
                )
                yield start, card
            start, card = each.line, []
        elif card is None:
            faults.add(None, "syntax", "stands outside any card; left out", line=each.line)
        elif mark == ("END", "VCARD"):
            yield start, card
            card = None
        elif each.name == "EMAIL" or each.name in _FIELDS:
            card.append(each)
    if card is not None:
        faults.add(start, "syntax", "the card has no END:VCARD; the file may be cut off")
        yield start, card


def _rows(card: Iterable[_Property]) -> Iterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    emails: list[_Property] = []
    for each in card:
        if each.name == "EMAIL":
            emails.append(each)
            continue
        text = _text(each)
        parts = _parts(text) if each.name in _COMPOUND else [_unescaped(text)]
        for field, part in zip(_FIELDS[each.name], parts, strict=False):
            if field and part.strip():
                fields.setdefault(field, part.strip())
    if not emails:
        yield fields
    for number, email in enumerate(sorted(emails, key=_preference), 1):
        kinds = [kind for kind in email.parameters.get("TYPE", ()) if kind not in _NO_KIND]
        address = _unescaped(_text(email)).strip().removeprefix("mailto:")
        yield {
            EMAIL: address,
            EMAIL_TYPE: " ".join(kinds),
            EMAIL_NUMBER: number,
            **fields,
        }


def _preference(email: _Property) -> int:
    """1 is the most preferred (RFC 6350 section 5.3); 3.0 and 2.1 have a type for it."""
    given = email.parameters.get("PREF", [""])[0]
    if given.isascii() and given.isdigit() and len(given) <= 3:
        return int(given)
    return 1 if "pref" in email.parameters.get("TYPE", ()) else 101


def _text(each: _Property) -> str:
    if "quoted-printable" not in each.parameters.get("ENCODING", ()):
        return each.value
    octets = quopri.decodestring(each.value.encode())
    for charset in (*each.parameters.get("CHARSET", ()), "utf-8"):
        try:
            return octets.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return octets.decode("cp1252", "replace")


def _parts(value: str) -> list[str]:
    hidden = value.replace("\\\\", "\0").replace("\\;", "\1")
    return [
        _unescaped(part.replace("\1", ";").replace("\0", "\\\\"))
        for part in hidden.split(";")
    ]


def _unescaped(value: str) -> str:
    return re.sub(
        r"\\(.)", lambda escape: "\n" if escape[1] in "nN" else escape[1], value, flags=re.S
    )

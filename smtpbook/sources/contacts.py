"""Contact exports: tables in which a person has several columns of addresses.

Address books export a row per person, with the second address in a column of its own.
`unfold` makes a row per address of it.  An ordinary table is left as it is; which column
holds the addresses there is decided elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.table import Table, blank_to_null, numbered

EMAIL: Final = "email"
EMAIL_TYPE: Final = "email_type"
EMAIL_NUMBER: Final = "email_number"

_SEVERAL: Final = " ::: "  # Google puts several addresses of one label into one cell


class _Export(NamedTuple):
    """How a program heads its columns in one language; group 1 is the address's number.

    Fewer than `least` columns of addresses are an ordinary table's.
    """

    address: str
    label: str
    least: int = 2


# Google's CSV has English headers everywhere ("Type" until 2023); Outlook's and
# Thunderbird's have those of the program's language.
_EXPORTS: Final = (
    _Export(r"E-mail (\d+) - Value", r"E-mail (\d+) - (?:Label|Type)", least=1),
    _Export(r"E-mail (?:(\d+) )?Address", r"E-mail (?:(\d+) )?Type"),
    _Export(r"E-Mail(?: (\d+): |-)Adresse", r"E-Mail(?: (\d+): |-)Typ"),
    _Export(r"Adresse de messagerie(?: (\d+))?", r"Type de messagerie(?: (\d+))?"),
    _Export(
        r"Dirección del? correo electrónico(?: (\d+))?",
        r"Tipo de correo electrónico(?: (\d+))?",
    ),
    _Export(
        r"Indirizzo posta elettronica(?: (\d+))?", r"Tipo posta elettronica(?: (\d+))?"
    ),
)
_THUNDERBIRD: Final = (
    ("Primary Email", "Secondary Email"),
    ("Primäre E-Mail-Adresse", "Sekundäre E-Mail-Adresse"),
    ("Adresse électronique principale", "Adresse électronique secondaire"),
    ("Email primaria", "Email secondaria"),
)


class _Pair(NamedTuple):
    address: int
    label: int | None


def unfold(table: Table) -> Table:
    """Make a row per address of a contact export.

    The columns of addresses and of their labels give way to three, which stand where the
    first of them stood:

    ``email``
        One address; null if the person has none.
    ``email_type``
        Its label ("Work", "SMTP"); null if there is none.
    ``email_number``
        1 for the person's first address, 2 for the next, … (int64): a list of first
        addresses only is ``people.where("email_number == 1")``.

    All other columns, and the row's number, are repeated for each address.

    Parameters
    ----------
    table : Table
        Any table.  Exports of Google Contacts, Outlook and Thunderbird are told by their
        headers, in English, German, French, Italian and (but for Thunderbird) Spanish;
        everything else is given back as it is.
    """
    # macOS may have decomposed letters in what it saves.
    headers = [unicodedata.normalize("NFC", header.strip()) for header in table.headers]
    pairs = _pairs(headers)
    if not pairs:
        return table
    places, addresses, labels, numbers = _addresses(table.cells, pairs)
    used = {column for pair in pairs for column in pair if column is not None}
    kept = [column for column in range(len(table.headers)) if column not in used]
    first = sum(column < pairs[0].address for column in kept)
    columns = [table.cells.column(column).take(places) for column in kept]
    kept_headers = [table.headers[column] for column in kept]
    columns[first:first] = [addresses, labels, numbers]
    kept_headers[first:first] = [EMAIL, EMAIL_TYPE, EMAIL_NUMBER]
    return replace(
        table,
        headers=tuple(kept_headers),
        cells=numbered(columns),
        rows=table.rows.take(places),
        sources=None if table.sources is None else table.sources.take(places),
    )


def _pairs(headers: list[str]) -> list[_Pair]:
    for export in _EXPORTS:
        labels = _numbered(export.label, headers)
        pairs = [
            _Pair(place, labels.get(number))
            for number, place in _numbered(export.address, headers).items()
        ]
        if len(pairs) >= export.least:
            return pairs
    for names in _THUNDERBIRD:
        if all(name in headers for name in names):
            return [_Pair(headers.index(name), None) for name in names]
    return []


def _numbered(pattern: str, headers: list[str]) -> dict[str, int]:
    """Give the places of the headers that match, by the number in them."""
    found = [re.fullmatch(pattern, header) for header in headers]
    return {match[1] or "1": place for place, match in enumerate(found) if match}


def _addresses(
    cells: pa.Table, pairs: list[_Pair]
) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """Give, for each address, its place in `cells`, itself, its label and its number."""
    places, addresses, labels = [], [], []
    for pair in pairs:
        lists = pc.split_pattern(_text(cells, pair.address), _SEVERAL)
        place, address = pc.list_parent_indices(lists), pc.list_flatten(lists)
        places.append(place.cast(pa.int64()))
        addresses.append(address)
        if pair.label is None:
            labels.append(pa.nulls(len(address), pa.large_string()))
        else:
            label = pc.replace_substring_regex(_text(cells, pair.label), r"^\* ?", "")
            labels.append(label.take(place))
    found = pa.table(
        [
            pa.concat_arrays(places),
            blank_to_null(pa.concat_arrays(addresses)),
            pa.concat_arrays(labels),
        ],
        names=["place", "address", "label"],
    ).filter(pc.field("address").is_valid())
    everyone = pa.array(np.arange(len(cells)))
    without = everyone.filter(pc.invert(pc.is_in(everyone, found["place"])))
    missing = pa.nulls(len(without), pa.large_string())
    rest = pa.table([without, missing, missing], names=found.column_names)
    # The sort is stable: a person's addresses keep the order of their columns.
    rows = pa.concat_tables([found, rest]).sort_by("place").combine_chunks()
    place = rows["place"].to_numpy()
    number = np.arange(len(place)) - np.searchsorted(place, place) + 1
    numbers = pc.if_else(pc.is_valid(rows["address"]), pa.array(number), None)
    return rows["place"], rows["address"], rows["label"], numbers


def _text(cells: pa.Table, column: int) -> pa.Array:
    return cells.column(column).combine_chunks().cast(pa.large_string())

"""Checking: which rows of a table can be written to, and what is wrong with the others.

A row needs one address of RFC 5321, not met before, and no NUL in any cell.  Whether the
domain exists, or whether anybody there wants mail, is not asked.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.columns import name_columns
from smtpbook.recipients.table import TEXT, Problem, Table, may_hold_text, problems_frame

# What Mailbox.parse takes and most lists hold throughout: dot-atoms in ASCII.  With 64
# octets in all, local part, labels and path are within the limits of RFC 5321 section
# 4.5.3.1 whatever their share.
_PLAIN_LENGTH: Final = 64
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PLAIN: Final = (
    rf"^(?P<local_part>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)$"
)


def check(
    table: Table, *, address: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Separate the rows that can be written to from those that cannot.

    Returns
    -------
    frame : DataFrame
        The good rows: the table's columns under their field names, ``email`` with the
        addresses in canonical form, then ``source`` and ``source_row``.
    problems : DataFrame
        ``row`` (Int64; null = the whole source), ``address`` (string, shown with
        control characters as escapes; null = none), ``rule``, ``message``.
    labels : dict of str to str
        The header as written in the source, for each field.

    Raises
    ------
    RecipientsError
        The column with the addresses cannot be told.
    """
    names, doubts = name_columns(table, address)
    frame = pd.concat(
        [table.cells.set_axis(names, axis="columns"), table.provenance], axis="columns"
    )
    given = _as_text(frame["email"])
    frame["email"], faults = canonical(given)
    _find_nuls(frame, names, faults)
    _find_duplicates(frame, faults)
    places = sorted(faults)
    rows = frame["source_row"].iloc[places]
    problems = [*table.problems, *doubts] + [
        Problem(
            row,
            None if pd.isna(text) else visible(text),
            faults[place][0],
            f"{table.name}, row {row}: {faults[place][1]}",
        )
        for place, row, text in zip(places, rows, given.iloc[places], strict=True)
    ]
    if not len(frame) and not problems:
        problems.append(
            Problem(None, None, "empty", f"{table.name} has a header, but no rows")
        )
    others = [name for name in frame.columns if name != "email"]
    good = frame.drop(index=places).reset_index(drop=True)[["email", *others]]
    return good, problems_frame(problems), dict(zip(names, table.headers, strict=True))


def canonical(addresses: pd.Series) -> tuple[pd.Series, dict[int, tuple[str, str]]]:
    """Bring addresses into the form in which logs and lists write them.

    Parameters
    ----------
    addresses : Series of string
        One address each, blanks around it allowed; null = none.

    Returns
    -------
    addresses : Series of string
        As ``str(Mailbox.parse(address))``: the domain in lower-case A-labels, the local
        part as given.  Null where there is no valid address.
    faults : dict of int to (rule, message)
        For each of those positions, why.
    """
    text = pc.utf8_trim_whitespace(pa.array(addresses, pa.string()))
    # A match's groups, or null: RE2 runs once over the whole column.
    groups = pc.extract_regex(text, _PLAIN)
    plain = pc.and_(
        pc.is_valid(groups), pc.less_equal(pc.binary_length(text), _PLAIN_LENGTH)
    )
    joined = pc.binary_join_element_wise(
        pc.struct_field(groups, "local_part"),
        pc.ascii_lower(pc.struct_field(groups, "domain")),
        "@",
    )
    result = pd.Series(joined.to_pandas(), index=addresses.index, dtype=TEXT)
    faults: dict[int, tuple[str, str]] = {}
    parsed: dict[int, str | None] = {}
    for place in pc.indices_nonzero(pc.invert(pc.fill_null(plain, False))).to_pylist():
        address = text[place].as_py()
        parsed[place] = None
        if not address:
            faults[place] = ("missing", "no address")
            continue
        try:
            parsed[place] = str(Mailbox.parse(address))
        except LocalProtocolError as error:
            faults[place] = ("invalid", str(error))
    result.iloc[list(parsed)] = pd.array(list(parsed.values()), dtype=TEXT)
    return result, faults


def comparison_key(addresses: pd.Series) -> pd.Series:
    """Give what two addresses have in common if they reach the same mailbox.

    "the local-part MUST be interpreted and assigned semantics only by the host specified
    in the domain" (RFC 5321 section 2.3.11), but no known host tells ``Ann`` from ``ann``,
    and nobody wants two letters.
    """
    return addresses.str.lower()


def _as_text(column: pd.Series) -> pd.Series:
    try:
        return column.astype(TEXT)
    except UnicodeEncodeError:  # surrogates; shown as escapes, which no address holds
        return column.map(lambda cell: visible(str(cell)), na_action="ignore").astype(TEXT)


def _find_duplicates(frame: pd.DataFrame, faults: dict[int, tuple[str, str]]) -> None:
    key = comparison_key(frame["email"].drop(index=list(faults)))
    is_again = key.duplicated()
    again = key[is_again]
    first = key[~is_again & key.isin(again)]
    row_of = dict(zip(first, frame["source_row"].loc[first.index], strict=True))
    for place, address in zip(again.index, again, strict=True):
        faults[place] = ("duplicate", f"the address of row {row_of[address]} again")


def _find_nuls(
    frame: pd.DataFrame, names: list[str], faults: dict[int, tuple[str, str]]
) -> None:
    for name in names:
        if frame[name].dtype == TEXT:
            found = frame[name].str.contains("\0", regex=False, na=False)
        elif may_hold_text(frame[name]):
            found = frame[name].map(lambda cell: isinstance(cell, str) and "\0" in cell)
        else:
            continue
        for place in frame.index[found.astype(bool)]:
            faults.setdefault(place, ("nul", f"column {name!r} holds a NUL"))


def as_table_of_addresses(addresses: list[Any]) -> pd.DataFrame:
    """Make the frame of a list that is nothing but addresses."""
    return pd.DataFrame({"email": pd.array(addresses, dtype=object)})

"""Recipients: a list of people as a value; every operation gives a new list.

The rows are checked already (`read.read_recipients` does that); here they are selected,
joined, counted and shown.  Nothing here sends, suppresses or changes a list in place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.errors import LocalProtocolError, RecipientsError
from smtpbook.escape import to_cell, to_html, visible
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.checking import as_table_of_addresses, check, comparison_key
from smtpbook.recipients.frames import read_frame
from smtpbook.recipients.table import PROVENANCE, Problem, may_hold_text, problems_frame
from smtpbook.recipients.where import matches

_ITERATED: Final = 1000  # rows turned into Python objects at a time
_SHOWN_ROWS: Final = 5
_SHOWN_COLUMNS: Final = 8


class Recipients:
    """A checked list of recipients.

    Make one with `read_recipients`.  ``a + b`` joins two lists (an address that both hold
    stays as it is in the first), ``a - b`` takes out the addresses of another list, of a
    DataFrame or of any iterable of addresses.

    Examples
    --------
    >>> from smtpbook.recipients.read import read_recipients
    >>> people = read_recipients(
    ...     pd.DataFrame({"E-Mail": ["ann@x.example", "no"], "City": ["Paris", "Rome"]})
    ... )
    >>> people
    Recipients: 1 address at 1 domain, 1 problem; fields: email, city
    >>> people.problems["message"][0]
    "DataFrame, row 1: address has no @: 'no'"
    >>> [row["city"] for row in people]
    ['Paris']
    >>> len(people.where("city == 'Paris'") - ["ANN@x.example"])
    0
    """

    __slots__ = ("_frame", "_labels", "_problems")

    def __init__(
        self, frame: pd.DataFrame, problems: pd.DataFrame, labels: Mapping[str, str]
    ) -> None:
        self._frame = frame
        self._problems = problems
        self._labels = MappingProxyType(dict(labels))

    @property
    def frame(self) -> pd.DataFrame:
        """The rows that can be written to, as a DataFrame of your own.

        ``email`` (string) is the address as logs write it: the domain in lower-case
        A-labels, the local part as given.  The list's other columns follow under their
        field names; then ``source`` (string), where the row was read, and ``source_row``
        (int64), its line there (files) or position (DataFrames).
        """
        return self._frame.copy()

    @property
    def problems(self) -> pd.DataFrame:
        """What is not in `frame`, and doubts about what is, as a DataFrame of your own.

        Columns: ``row`` (Int64; null = the whole source), ``address`` (string, control
        characters as escapes; null = none), ``rule`` (string) and ``message`` (string).
        Rules that left a row out: ``missing``, ``invalid``, ``duplicate``, ``nul``,
        ``unbalanced_quote``, ``too_many_cells``; those that did not: ``encoding``,
        ``header``, ``empty``.
        """
        return self._problems.copy()

    @property
    def labels(self) -> Mapping[str, str]:
        """For each field, the header as it was written in the source."""
        return self._labels

    @property
    def addresses(self) -> list[str]:
        """The addresses in the list's order."""
        return list(self._frame["email"])

    def where(self, condition: str) -> Recipients:
        """Give the rows that meet a condition, such as ``"city == 'Paris'"``.

        Comparisons may be joined by ``and``, ``or``, ``not`` and parentheses.  A missing
        text compares like the empty text; text compared with a number is read as one.

        Raises
        ------
        ColumnError
            It names a field that the list does not have.
        RecipientsError
            It is more, or less, than a condition.
        """
        return self._select(matches(self._frame, condition))

    def sample(self, n: int, *, seed: int | None = None) -> Recipients:
        """Draw `n` recipients at random, in the list's order; `seed` makes it repeatable.

        Raises
        ------
        RecipientsError
            The list has fewer than `n`.
        """
        if not 0 <= n <= len(self):
            raise RecipientsError(f"cannot draw {n} recipients from a list of {len(self)}")
        drawn = np.random.default_rng(seed).choice(len(self), n, replace=False)
        chosen = np.zeros(len(self), dtype=bool)
        chosen[drawn] = True
        return self._select(chosen)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the list as UTF-8 CSV: ``email`` and the other fields, not their origin.

        A cell that a spreadsheet would run as a formula gets an apostrophe in front;
        control characters are written as escapes (`smtpbook.escape.to_cell`).
        """
        frame = self._frame.drop(columns=list(PROVENANCE))
        for name in frame.columns:
            if may_hold_text(frame[name]):
                frame[name] = frame[name].astype(object).map(_neutralised)
        frame.to_csv(path, index=False, encoding="utf-8")

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give each row as a dict of plain values; missing cells are None."""
        names = list(self._frame.columns)
        for start in range(0, len(self), _ITERATED):
            rows = self._frame.iloc[start : start + _ITERATED]
            columns = [_plain_values(rows[name]) for name in names]
            for cells in zip(*columns, strict=True):
                yield dict(zip(names, cells, strict=True))

    def __contains__(self, address: object) -> bool:
        try:
            key = str(Mailbox.parse(str(address))).lower()
        except LocalProtocolError:
            return False
        return bool((comparison_key(self._frame["email"]) == key).any())

    def __add__(self, other: Recipients | pd.DataFrame | Iterable[str]) -> Recipients:
        added = _listed(other)
        known = comparison_key(added._frame["email"]).isin(
            comparison_key(self._frame["email"])
        )
        again = added._frame[known]
        duplicates = [
            Problem(
                row, visible(address), "duplicate", f"{source}, row {row}: listed already"
            )
            for source, row, address in zip(
                again["source"], again["source_row"], again["email"], strict=True
            )
        ]
        problems = [self._problems, added._problems, problems_frame(duplicates)]
        frames = [frame for frame in (self._frame, added._frame[~known]) if len(frame)]
        joined = pd.concat(frames or [self._frame], ignore_index=True)
        own = [name for name in joined.columns if name not in PROVENANCE]
        return Recipients(
            joined[[*own, *PROVENANCE]],
            _joined(problems),
            {**added._labels, **self._labels},
        )

    def __sub__(self, other: Recipients | pd.DataFrame | Iterable[str]) -> Recipients:
        removed = _listed(other)
        keys = comparison_key(removed._frame["email"])
        rest = self._select(~comparison_key(self._frame["email"]).isin(keys))
        if removed is other:
            return rest
        # An address that cannot be read cannot be taken out; that must not stay unsaid.
        return Recipients(
            rest._frame, _joined([rest._problems, removed._problems]), rest._labels
        )

    def __repr__(self) -> str:
        return f"Recipients: {self._summary()}; fields: {', '.join(self._fields())}"

    def _repr_html_(self) -> str:
        fields = self._fields()[:_SHOWN_COLUMNS]
        head = self._frame[fields].head(_SHOWN_ROWS)
        titles = "".join(f"<th>{to_html(name)}</th>" for name in fields)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>"
            for row in head.itertuples(index=False)
        )
        left = len(self) - len(head)
        more = f"<p>… and {left:,} more</p>" if left else ""
        return (
            f"<p><b>Recipients</b>: {to_html(self._summary())}</p>"
            f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>{more}"
        )

    def _fields(self) -> list[str]:
        return [name for name in self._frame.columns if name not in PROVENANCE]

    def _summary(self) -> str:
        domains = self._frame["email"].str.rpartition("@")[2].nunique() if len(self) else 0
        return (
            f"{_count(len(self), 'address', 'addresses')} at "
            f"{_count(domains, 'domain', 'domains')}, "
            f"{_count(len(self._problems), 'problem', 'problems')}"
        )

    def _select(self, rows: pd.Series | np.ndarray[Any, Any]) -> Recipients:
        chosen = self._frame[rows].reset_index(drop=True)
        return Recipients(chosen, self._problems, self._labels)


def _neutralised(cell: object) -> object:
    return to_cell(cell) if isinstance(cell, str) else cell


def _plain_values(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def _listed(other: Recipients | pd.DataFrame | Iterable[str]) -> Recipients:
    if isinstance(other, Recipients):
        return other
    if isinstance(other, pd.DataFrame):
        return Recipients(*check(read_frame(other)))
    addresses = [other] if isinstance(other, str) else list(other)
    table = read_frame(as_table_of_addresses(addresses), name="addresses")
    return Recipients(*check(table, address="email"))


def _joined(problems: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(problems, ignore_index=True)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _shown(cell: Any) -> str:
    return "" if pd.isna(cell) else to_html(visible(str(cell), max_chars=40))

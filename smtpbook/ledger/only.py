"""Only: what a send is narrowed to, read from whatever names it: words or a table's rows.

A table is told by what it can do: this room does not know pandas.  Whether an address is
in the list is for whoever chooses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from smtpbook.codes.tables import reasons
from smtpbook.errors import ColumnError, near_miss
from smtpbook.escape import visible
from smtpbook.ledger.entries import AGAIN

_ADDRESS: Final = ("recipient", "email")
"""What a table calls the column of addresses: the log's name first, then the list's."""


def chosen_words(only: Any) -> frozenset[str] | None:
    """Give the outcomes, reasons and addresses that `only` names.

    Parameters
    ----------
    only : str, iterable of str, DataFrame, Series, Recipients or None
        Words themselves; or a table whose column (or index) ``recipient`` or ``email``
        holds addresses, one row of such a table, or a column of addresses.

    Returns
    -------
    frozenset of str, or None
        Empty: nobody.  None: it was None, and the send is for those never tried.

    Raises
    ------
    ValueError
        A word is no outcome to try again, no reason and no address; or it is a column of
        something else, such as the truth of a condition.
    ColumnError
        The table has no column of addresses.

    Examples
    --------
    >>> sorted(chosen_words(["deferred", "ann@x.example"]))
    ['ann@x.example', 'deferred']
    """
    if only is None:
        return None
    words = frozenset([only] if isinstance(only, str) else _cells(only))
    names = (*AGAIN, *reasons())
    for word in words:
        if not isinstance(word, str):
            raise ValueError(
                f"only= holds {word!r}, which is no word; it takes outcomes, reasons, "
                f"addresses, or the rows of a table: only=frame[condition]"
            )
        if "@" not in word and word not in names:
            raise ValueError(
                f"only={word!a} is no outcome to try again, no reason and no address"
                f"{near_miss(word, names)}; outcomes are {', '.join(AGAIN)}"
            )
    return words


def _cells(only: Any) -> Iterable[Any]:
    """Give the addresses of a table, or what an iterable holds; null is left out."""
    if not hasattr(getattr(only, "index", None), "name"):  # no table
        found = getattr(only, "addresses", only)  # Recipients have them
        if not isinstance(found, Iterable):
            raise ValueError(
                f"only={only!r}: outcomes, reasons, addresses or a table's rows"
            )
        return list(found)
    cells = only
    if only.index.name in _ADDRESS:
        cells = only.index
    elif hasattr(only, "columns"):
        found = [name for name in _ADDRESS if name in only.columns]
        if not found:
            there = [name for name in only.columns if isinstance(name, str)]
            hint = next(filter(None, (near_miss(name, there) for name in _ADDRESS)), "")
            shown = ", ".join(visible(name, max_chars=40) for name in there[:8])
            raise ColumnError(
                f"only=: column 'recipient' or 'email' not found{hint}; there are {shown}"
            )
        cells = only[found[0]]
    elif row := [name for name in _ADDRESS if name in only.index]:
        return [only[row[0]]]
    return list(cells.dropna())

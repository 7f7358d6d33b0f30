"""Reading: from whatever holds a list to `Recipients`, through the source that knows it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from smtpbook.errors import RecipientsError
from smtpbook.recipients.checking import check
from smtpbook.recipients.columns import without_header
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.sources.open import read_table

# What MaxBulk Mailer does not read as people to write to.
_DELETE: Final = "delete"
_UNSUBSCRIBE: Final = "unsubscribe"


def read_recipients(
    source: Any,
    *,
    address: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    table: str | None = None,
    params: Mapping[str, Any] | None = None,
    suppress: SuppressionList | Iterable[str] = (),
) -> Recipients:
    """Read a list of recipients and check it.

    Nothing is dropped silently: a row without a valid address, with one met before, or
    that cannot be read is listed in ``.problems``, counted in ``.counts``, and is not in
    ``.frame``.

    Columns become fields: lower case, one underscore for what no name may hold
    (``First Name`` → ``first_name``); ``.labels`` keeps the headers.  The column with the
    addresses is called ``email``.

    Parameters
    ----------
    source : path, str, DataFrame, Engine or Connection
        A file (delimited text, a spreadsheet, vCard, LDIF, JSON, Parquet, mail or plain
        text), told by what is in it; ``"-"`` for standard input, ``"clipboard"``; a
        database's URL, SQLAlchemy engine or connection; or a DataFrame.  A file named
        ``DELETE`` or ``UNSUBSCRIBE`` (with any extension) is refused: `read_onto`.
    address : str, optional
        The column with the addresses.  Default: the only one that, by name and by
        content, can be it.
    encoding : str, optional
        Of text.  Default: found out; a guess is said in ``.problems``.
    delimiter : str, optional
        Of delimited text, one character.  Default: found out.
    sheet : str, optional
        Of a spreadsheet.  Default: the only one, or the only one with addresses.
    query, table : str, optional
        What to read from a database.
    params : mapping of str to value, optional
        Values bound to the query's parameters.
    suppress : SuppressionList or iterable of str
        Who is not to be in the list; they are named in ``.problems``.

    Returns
    -------
    Recipients

    Raises
    ------
    RecipientsError
        The source cannot be read, has no header, or has no column, or several, that may
        hold the addresses.
    """
    if (purpose := _purpose(source)) is not None:
        raise RecipientsError(
            f"{Path(str(source)).name!r} names people to {purpose}, not to write to: "
            f"read_onto(people, {str(source)!r}); if it is a list like others, rename it"
        )
    cells = read_table(
        source,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        query=query,
        table=table,
        params=params,
    )
    frame, note, labels = check(cells, address=address)
    people = Recipients(frame, [note], labels)
    if isinstance(suppress, SuppressionList) or suppress:
        return people.without(suppress)
    return people


def read_onto(
    people: Recipients,
    source: str | os.PathLike[str],
    *,
    suppress: SuppressionList | None = None,
) -> Recipients:
    """Read a file onto a list, as MaxBulk Mailer does: its name says what for.

    Parameters
    ----------
    people : Recipients
    source : path
        ``DELETE``, with any extension: its addresses are left out.  ``UNSUBSCRIBE``: they
        are suppressed, too, from now on.  Any other file: they are added.  Nothing but
        addresses, one a line without a header, is enough for the first two.
    suppress : SuppressionList, optional
        Where those who unsubscribed are kept; needed for ``UNSUBSCRIBE``.

    Returns
    -------
    Recipients
        What of the file could not be read is in its ``problems``.

    Raises
    ------
    RecipientsError
        The file cannot be read; or is an ``UNSUBSCRIBE`` without a `suppress`.
    """
    purpose = _purpose(source)
    if purpose is None:
        return people + read_recipients(source)
    if purpose == _UNSUBSCRIBE and suppress is None:
        raise RecipientsError(
            f"{Path(source).name!r} unsubscribes its addresses; say where that is kept: "
            f"read_onto(…, suppress=SuppressionList.open())"
        )
    frame, note, labels = check(without_header(read_table(source)))
    named = Recipients(frame, [note], labels)
    if purpose == _UNSUBSCRIBE and suppress is not None:
        suppress.add_many(named.addresses, reason="unsubscribed")
        people = people.without(suppress)
    return people - named


def _purpose(source: object) -> str | None:
    """Tell what a file is for by its name: "delete", "unsubscribe", or None."""
    if not isinstance(source, str | os.PathLike) or "://" in os.fspath(source):
        return None
    stem = Path(source).stem.lower()
    return stem if stem in {_DELETE, _UNSUBSCRIBE} else None

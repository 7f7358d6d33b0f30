"""Reading: from whatever holds a list to `Recipients`, through the source that knows it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pandas as pd

from smtpbook.errors import RecipientsError, near_miss
from smtpbook.recipients.checking import check
from smtpbook.recipients.delimited import EXTENSIONS, read_delimited
from smtpbook.recipients.frames import read_frame
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.table import Table

_READABLE: Final = f"{' '.join(EXTENSIONS)} files and pandas DataFrames can be read"


def read_recipients(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    address: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Recipients:
    """Read a list of recipients and check it.

    Nothing is dropped silently: a row without a valid address, with one met before, or
    that cannot be read is listed in ``.problems`` and is not in ``.frame``.

    Columns become fields: lower case, one underscore for what no name may hold
    (``First Name`` → ``first_name``); ``.labels`` keeps the headers.  The column with the
    addresses is called ``email``.

    Parameters
    ----------
    source : path or DataFrame
        A file of delimited text with a header line (``.csv .tsv .tab .txt``), everything
        in it read as text and empty cells as missing; or a DataFrame, whose other columns
        keep their dtypes.
    address : str, optional
        The column with the addresses.  Default: the only one that, by name and by
        content, can be it.
    encoding : str, optional
        Of a file.  Default: found out; a guess is said in ``.problems``.
    delimiter : str, optional
        Of a file, one character.  Default: found out.

    Returns
    -------
    Recipients

    Raises
    ------
    RecipientsError
        The source cannot be read, has no header, or has no column, or several, that may
        hold the addresses.
    """
    if isinstance(source, pd.DataFrame):
        if encoding is not None or delimiter is not None:
            raise RecipientsError("encoding= and delimiter= are for files, not DataFrames")
        table = read_frame(source)
    else:
        table = _read_file(source, encoding, delimiter)
    return Recipients(*check(table, address=address))


def _read_file(
    source: str | os.PathLike[str], encoding: str | None, delimiter: str | None
) -> Table:
    if not isinstance(source, str | os.PathLike):
        raise RecipientsError(f"cannot read a {type(source).__name__}; {_READABLE}")
    if "://" in os.fspath(source):
        raise RecipientsError(f"cannot read a URL or database; {_READABLE}")
    path = Path(source)
    if delimiter is not None and len(delimiter) != 1:
        raise RecipientsError(f"delimiter= is one character, not {delimiter!r}")
    try:
        if not path.exists():
            raise RecipientsError(f"no file {str(path)!r}{_neighbour(path)}")
        if path.suffix.lower() not in EXTENSIONS or path.is_dir():
            raise RecipientsError(f"cannot read {path.name!r}; {_READABLE}")
        return read_delimited(path, encoding=encoding, delimiter=delimiter)
    except OSError as error:
        raise RecipientsError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _neighbour(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; there is no folder {str(folder)!r}"
    return near_miss(path.name, sorted(entry.name for entry in folder.iterdir()))

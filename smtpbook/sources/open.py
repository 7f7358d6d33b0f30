"""Opening: from what the user names to the source that knows it.

A source is told by its type, then by its text (a database's URL, ``-``, ``clipboard``),
then by the file (`detect`).  Only the format that is needed is imported.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from smtpbook.errors import RecipientsError, near_file
from smtpbook.escape import visible
from smtpbook.sources.contacts import unfold
from smtpbook.sources.detect import FORMATS, Format, detect
from smtpbook.sources.frames import read_frame
from smtpbook.table import Problem, Table

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

STANDARD_INPUT: Final = "-"
CLIPBOARD: Final = "clipboard"
_PASSWORD: Final = re.compile(r":[^:@]*@")
_FOR_DATABASES: Final = ("query", "table", "params")


def read_table(
    source: str | os.PathLike[str] | pd.DataFrame | Engine | Connection,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    table: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Table:
    """Read a list of people from wherever it is.

    Parameters
    ----------
    source : path, str, DataFrame, Engine or Connection
        A file of any format in `detect.FORMATS`; ``"-"`` for standard input and
        ``"clipboard"``, both told by their content; a database's URL; a SQLAlchemy engine
        or connection; a DataFrame.
    encoding : str, optional
        Of text.  Default: found out.
    delimiter : str, optional
        Of delimited text, one character.  Default: found out.  Text of which it is not
        clear whether it has columns is taken to have them.
    sheet : str, optional
        Of a spreadsheet.  Default: the only one, or the only one with addresses.
    query, table : str, optional
        What to read from a database.
    params : mapping of str to value, optional
        Values bound to the query's parameters.

    Raises
    ------
    RecipientsError
        There is no such source, it cannot be read, it is none that is known, or an option
        is given that it has no use for.
    """
    given = {
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "query": query,
        "table": table,
        "params": params,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if isinstance(source, pd.DataFrame):
        _refuse_unused(options, (), "a DataFrame")
        return read_frame(source)
    if _is_database(source):
        from smtpbook.databases.database import read_database

        _refuse_unused(options, _FOR_DATABASES, "a database")
        read: Callable[..., Table] = read_database
        return read(source, **options)
    if not isinstance(source, str | os.PathLike):
        raise RecipientsError(
            f"cannot read a {type(source).__name__}; expected a path, '-', 'clipboard', "
            f"a database's URL or engine, or a DataFrame"
        )
    if delimiter is not None and len(delimiter) != 1:
        raise RecipientsError(f"delimiter= is one character, not {delimiter!r}")
    if source == STANDARD_INPUT:
        return _read_spooled("standard input", options)
    if source == CLIPBOARD:
        return _read_spooled(CLIPBOARD, options)
    path = Path(source)
    try:
        path = _expanded(path)
        return _read_file(path, options)
    except PermissionError as error:
        raise RecipientsError(
            f"{_shown(path)} may not be read ({error.strerror}); close the program that "
            f"has it open, or ask its owner for leave to read it"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise RecipientsError(f"cannot read {_shown(path)}: {reason}") from error


def _is_database(source: object) -> bool:
    if type(source).__module__.startswith("sqlalchemy."):
        return True
    if not isinstance(source, str) or "://" not in source:
        return False
    from smtpbook.databases.database import is_database_url

    if not is_database_url(source):
        raise RecipientsError(
            f"{visible(source.partition('://')[0])}:// is no database known here; expected "
            f"such as postgresql://, mariadb:// or sqlite:///; what is on the web, "
            f"download first"
        )
    return True


def _refuse_unused(options: Mapping[str, Any], used: tuple[str, ...], what: str) -> None:
    if unused := [f"{name}=" for name in options if name not in used]:
        known = ", ".join(f"{name}=" for name in used) or "none"
        raise RecipientsError(
            f"{' and '.join(unused)} cannot be used with {what}; its options: {known}"
        )


def _read_spooled(name: str, options: Mapping[str, Any]) -> Table:
    # A file under that name: every source can look at its beginning twice, and names it in
    # messages as the user does.
    with tempfile.TemporaryDirectory(prefix="smtpbook-") as folder:
        path = Path(folder, name)
        if name == CLIPBOARD:
            from smtpbook.sources.clipboard import read_clipboard

            path.write_text(read_clipboard(), encoding="utf-8", newline="")
        else:
            octets = getattr(sys.stdin, "buffer", None)
            if octets is None:
                raise RecipientsError("there is no standard input here; name a file")
            with path.open("wb") as file:
                shutil.copyfileobj(octets, file)
        return _read_file(path, options)


def _read_file(path: Path, options: Mapping[str, Any]) -> Table:
    _refuse_what_is_no_file(path)
    key, doubt = detect(path, has_columns="delimiter" in options)
    form = FORMATS[key]
    _refuse_unused(options, form.options, f"{path.name}, which is {form.title}")
    table = unfold(_reader(form)(path, **options))
    if doubt:
        said = Problem(None, None, "format", doubt)
        table = replace(table, problems=(said, *table.problems))
    return table


def _reader(form: Format) -> Callable[..., Table]:
    module, _, function = form.reader.partition(":")
    reader: Callable[..., Table] = getattr(
        import_module(f"smtpbook.sources.{module}"), function
    )
    return reader


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody of that name has a home here, or ~ belongs to the name
        return path


def _refuse_what_is_no_file(path: Path) -> None:
    if not path.exists():
        raise RecipientsError(f"no file {_shown(path)}{_neighbour(path)}")
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise RecipientsError(f"{_shown(path)} is a folder; name one file in it")
    if not stat.S_ISREG(mode):
        # A pipe or a device may block for ever, or never end.
        raise RecipientsError(
            f"{_shown(path)} is no ordinary file; copy it into one, or pipe it in and "
            f"read '-'"
        )
    if path.name.startswith("~$"):
        raise RecipientsError(
            f"{_shown(path)} is the note of an office program that "
            f"{path.name[2:]!r} is open; read that"
        )
    if not path.stat().st_size:
        raise RecipientsError(
            f"{_shown(path)} is empty; expected a header line such as email,first_name"
        )


def _neighbour(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; there is no folder {_shown(folder)}"
    return near_file(path)


def _shown(path: Path) -> str:
    # A database's URL with a slash too few is taken for a path, and may hold a password.
    return repr(visible(_PASSWORD.sub(":***@", str(path))))

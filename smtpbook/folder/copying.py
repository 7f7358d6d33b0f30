"""Copying: what of a campaign's folder its database has besides the ledger.

That is list, letter and settings; whoever changes them does so here and there at once.  How
a folder is made of them is for `fetching`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from smtpbook.folder.files import replace
from smtpbook.log.campaigns import SETTINGS
from smtpbook.shared_ledger.files import Files, open_files

LIST: Final = "people.parquet"
"""In a campaign's folder, the list as it was when it began."""
FILES: Final = "files"
"""In a campaign's folder, where the letter's files are, each called by its digest."""


def copy_in(folder: Path, database: str, campaign_id: str) -> None:
    """Copy a folder in which nobody has sent yet."""
    paths = [*folder.iterdir(), *(folder / FILES).iterdir()]
    with open_files(database, campaign_id) as kept:
        for path in paths:
            if path.is_file():
                kept.put(path.relative_to(folder).as_posix(), path)


@contextmanager
def changing(
    folder: Path, database: str | None, campaign_id: str
) -> Iterator[tuple[Callable[[str, bytes], None], Mapping[str, Any]]]:
    """Give what puts a file in its place, in the folder and, if there is one, the database.

    With it come the settings that the database has at that instant; empty = there are none.

    Raises
    ------
    OSError
        The folder cannot be written; the database has what it had.
    LedgerError
        The database refuses.
    """
    if database is None:
        yield (lambda name, octets: replace(folder / name, octets)), {}
        return
    with open_files(database, campaign_id) as kept:

        def put(name: str, octets: bytes) -> None:
            kept.put(name, octets)
            replace(folder / name, octets)

        yield put, _settings_of(kept)


def settings_at(database: str, campaign_id: str) -> dict[str, Any]:
    """Give a campaign's settings as the database has them; empty if it has none."""
    with open_files(database, campaign_id) as kept:
        return _settings_of(kept)


def _settings_of(kept: Files) -> dict[str, Any]:
    return tomllib.loads(kept.get(SETTINGS).decode())

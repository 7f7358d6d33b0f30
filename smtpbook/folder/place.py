"""Place: where a campaign's event log may go, if not into its folder."""

from __future__ import annotations

import os
import re
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.log.files import log_files
from smtpbook.log.where import path_of

# "Use of the format "user:password" in the userinfo field is deprecated."
# -- RFC 3986 section 3.2.1; fsspec reads it all the same.
_SECRET: Final = re.compile(r"://[^/@]*:[^/@]*@")


def checked_place(events: str | os.PathLike[str]) -> str:
    """Give a place for an event log as a campaign keeps it: absolute, without a secret.

    Parameters
    ----------
    events : str or path
        A folder, or a URL of fsspec's.

    Raises
    ------
    LedgerError
        A password is in it.
    SMTPBookError
        Nothing that is installed knows such URLs.
    """
    if _SECRET.search(os.fspath(events)):
        raise LedgerError(
            "a password is in the URL for the events, and the campaign's folder would keep "
            "it; leave it out, and let every computer find it, where fsspec looks for it: "
            "in its own settings, or the service's variables and files"
        )
    return str(path_of(events).absolute())


def refuse_used(place: str) -> None:
    """Refuse a place in which there is an event log.

    Raises
    ------
    LedgerError
        There is one.
    OSError
        It cannot be looked at.
    """
    path = path_of(place)
    if path.is_dir() and log_files(path):
        raise LedgerError(
            f"there is an event log in {place!r} already; give events= a place of this "
            f"campaign's own, such as {place.rstrip('/') + '/2'!r}"
        )

"""Place: where a campaign's event log may go, if not into its folder.

Theory of operation.  No file system behind a URL has to know of locks.  So whoever takes a
place says so there first, by a file of its own, and then looks whether another has: of two
that take it at the same instant, one sees the other at least, and gives up; it may be both.
"""

from __future__ import annotations

import os
import re
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.escape import visible
from smtpbook.log.files import log_files
from smtpbook.log.where import is_here, look_anew, path_of, reached

# In a folder of its own, so that a pattern such as "events/*" finds a log's files only.
_CLAIM: Final = ".campaign/id"
_BEGINS: Final = ".begins"  # behind the id of a campaign that is about to take the place

# "Use of the format "user:password" in the userinfo field is deprecated."
# -- RFC 3986 section 3.2.1; fsspec reads it all the same, also with a "/" in the password.
# What a query holds is for the service, such as a signature.
_SECRET: Final = re.compile(r"://(?:[^:/@?]*:.*@|.*\?)", re.DOTALL)


def checked_place(events: str | os.PathLike[str]) -> str:
    """Give a place for an event log as a campaign keeps it: absolute, without a secret.

    Parameters
    ----------
    events : str or path
        A folder, or a URL of fsspec's.

    Raises
    ------
    LedgerError
        A password is in it, or a query, which may hold one.
    SMTPBookError
        Nothing that is installed knows such URLs.
    """
    if _SECRET.search(os.fspath(events)):
        raise LedgerError(
            "a password is in the URL for the events, or a query, which may hold one, and "
            "the campaign's folder would keep it; leave it out, and let every computer "
            "find it, where fsspec looks for it: in its own settings, or the service's "
            "variables and files"
        )
    return str(path_of(events).absolute())


def claim_place(place: str, campaign_id: str) -> None:
    """Take a place for a campaign's event log, so that no other one is begun there.

    Raises
    ------
    LedgerError
        It is another campaign's, one takes it at this moment, or there is an event log.
    OSError
        It cannot be looked at, or written to.
    """
    with reached(place):
        _claim(place, campaign_id)


def _claim(place: str, campaign_id: str) -> None:
    _refuse_taken(place)  # nothing is written there then
    claim = path_of(place) / _CLAIM
    own = claim.with_name(f"{campaign_id}{_BEGINS}")
    # To make a folder in a bucket is to make a bucket.
    if is_here(claim) or not claim.drive:
        claim.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"")
    try:
        look_anew(claim)
        for other in claim.parent.iterdir():
            if other.name.endswith(_BEGINS) and other.name != own.name:
                raise LedgerError(
                    f"another campaign takes {place!r} for its events at this moment; "
                    f"begin again with a place of this campaign's own or, if that one was "
                    f"cut off meanwhile, remove {visible(str(other))!r}"
                )
        _refuse_taken(place)
        claim.write_text(campaign_id, "utf-8")
    finally:
        own.unlink(missing_ok=True)  # whoever was refused may have removed it
        look_anew(claim)


def _refuse_taken(place: str) -> None:
    path, owner = path_of(place), _owner_of(place)
    if owner or (path.is_dir() and log_files(path)):
        whose = f", of the campaign {visible(owner, max_chars=100)!r}" if owner else ""
        raise LedgerError(
            f"there is an event log in {place!r} already{whose}; give events= a place of "
            f"this campaign's own, such as {place.rstrip('/') + '/2'!r}"
        )


def free_place(place: str, campaign_id: str) -> None:
    """Give back a place that a campaign has taken; what was sealed there stays."""
    with reached(place):
        if _owner_of(place) == campaign_id:
            (path_of(place) / _CLAIM).unlink()


def _owner_of(place: str) -> str:
    """Give the id of the campaign that has taken a place; "" = none has."""
    path = path_of(place)
    look_anew(path)
    try:
        return (path / _CLAIM).read_bytes().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""

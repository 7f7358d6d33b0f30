"""Fetching: a campaign's folder, made anew on any computer that reaches its database.

List, letter and settings come from there; what was said does not: the event log stays where
it is.  The ledger is not copied, there is but one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import tomli_w

from smtpbook.errors import LedgerError, near_miss
from smtpbook.escape import visible
from smtpbook.folder.copying import FILES, LIST
from smtpbook.folder.files import replace, sync
from smtpbook.log.campaigns import EVENTS, SETTINGS
from smtpbook.log.where import whole
from smtpbook.recipients.saved import is_file_name
from smtpbook.shared_ledger.connection import check_shown, place_of
from smtpbook.shared_ledger.files import open_files
from smtpbook.shared_ledger.schema import campaigns

_URL: Final = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
# As `CampaignFolder` writes them; nothing that leads out of the folder.
_NAME: Final = re.compile(r"(?:files/)?\w[\w.-]*")
_SHOWN: Final = 20


def is_url(name: str | os.PathLike[str]) -> bool:
    """Tell whether a campaign's name is a URL of the database that it is in."""
    return isinstance(name, str) and _URL.match(name) is not None


def url_of(database: str, campaign_id: str) -> str:
    """Give the URL by which a campaign is fetched."""
    return f"{database}#{campaign_id}"


def fetch_below(url: str, home: Path) -> Path:
    """Make a campaign's folder below another one, or bring the one there up to date.

    Parameters
    ----------
    url : str
        ``postgresql://user@host/database#november``; without a name where the database has
        one campaign.
    home : Path

    Returns
    -------
    Path

    Raises
    ------
    LedgerError
        There is no such campaign (the near miss is suggested), or several are; its files
        are not kept there; another campaign has its name here; or the folder cannot be
        written.
    """
    database, _, wanted = url.partition("#")
    check_shown(database)
    campaign_id = _chosen(database, unquote(wanted))
    path = home / _folder_name(campaign_id)
    with _told(path):
        if path.exists():
            if settings_in(path).get("id") != campaign_id:
                raise LedgerError(
                    f"{str(path)!r} is there already, and is not {campaign_id!a}; open "
                    f"that in another working folder"
                )
            _fetch_into(path, database, campaign_id)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(".part", f".{path.name}.", path.parent))
        try:
            _fetch_into(beside, database, campaign_id)
            os.rename(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync(path.parent)
    return path


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """Make a campaign's folder for a while; errors as `fetch_below`.

    It stays if something of the event log is left in it.
    """
    database, _, campaign_id = url.partition("#")
    name = _folder_name(campaign_id)
    folder = Path(tempfile.mkdtemp(prefix="smtpbook-"))
    path = folder / name
    try:
        path.mkdir()
        with _told(path):
            _fetch_into(path, database, campaign_id)
        yield path
    finally:
        with suppress(OSError):
            (path / EVENTS).rmdir()
        if not (path / EVENTS).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _fetch_into(folder: Path, database: str, campaign_id: str) -> None:
    """Bring what a folder lacks, and its settings as they are now, which come last.

    No other file is ever changed.
    """
    for made in (folder / EVENTS, folder / FILES):
        made.mkdir(exist_ok=True)
    with open_files(database, campaign_id) as kept:
        names = kept.names()
        if not {SETTINGS, LIST} <= set(names):
            raise LedgerError(
                f"the database {place_of(database)} has a ledger of {campaign_id!a}, but "
                f"neither list nor letter; open the campaign in its folder"
            )
        for name in names:
            if not _NAME.fullmatch(name):
                raise LedgerError(f"{visible(name)!r} is no file of a campaign's folder")
            if name == SETTINGS or (folder / name).exists():
                continue
            with whole(folder / name) as unfinished, unfinished.open("xb") as file:
                file.writelines(kept.pieces(name))
        about = tomllib.loads(kept.get(SETTINGS).decode())
    # The database as it is reached from here.
    settings = tomli_w.dumps({**about, "database": database}).encode()
    replace(folder / SETTINGS, settings)


def settings_in(path: Path) -> dict[str, Any]:
    """Give the settings in a campaign's folder; empty where they cannot be read."""
    try:
        return tomllib.loads((path / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _chosen(database: str, wanted: str) -> str:
    """Give the id of the one campaign that is meant; errors as `fetch_below`."""
    there = campaigns(database)
    found = [one for one in there if wanted in ("", one, _name_of(one))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(visible, (found or there)[:_SHOWN])) or "none"
    place, more = place_of(database), ", …" if len(found or there) > _SHOWN else ""
    if not found:
        hint = near_miss(wanted, [*map(_name_of, there), *there])
        raise LedgerError(
            f"no campaign {wanted!a} in the database {place}{hint}; there: {names}{more}"
        )
    raise LedgerError(
        f"{len(found)} campaigns in the database {place}: {names}{more}; say which one "
        f"behind the URL, as in {'#' + found[-1]!r}"
    )


def _name_of(campaign_id: str) -> str:
    """Give the name in an id, which is one of few."""
    return campaign_id.rpartition("-")[0] or campaign_id


def _folder_name(campaign_id: str) -> str:
    """Give the name in an id for a folder; the database may call it anything."""
    name = _name_of(campaign_id)
    if not is_file_name(name):
        raise LedgerError(
            f"the database has a campaign {visible(campaign_id, max_chars=100)!r}, which "
            f"is no name for a folder; it was not made by smtpbook"
        )
    return name


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise LedgerError(
            f"cannot make the campaign's folder {str(path)!r}: {exc.strerror or exc}"
        ) from exc
    except ValueError as exc:
        raise LedgerError(
            f"what the database holds of {path.name!r} is no campaign's: "
            f"{visible(str(exc), max_chars=200)}"
        ) from exc

"""Outgoing: the saved accounts, lists and suppressions, written into one file.

It holds no passwords: those stay in this computer's keyring and are given again on the
other.  It does hold people: nobody but its owner may read it.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import tomli_w

from smtpbook import places
from smtpbook.accounts.store import list_accounts, load_account
from smtpbook.errors import RecipientsError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.moving.archive import SUPPRESSED, Writer
from smtpbook.moving.moved import Item, Moved, count, login_of
from smtpbook.recipients.saved import list_recipients, load_recipients
from smtpbook.recipients.suppression import SuppressionList

# Settings that would hold a secret, and the values that say only where it is.
_SECRET_NAME: Final = re.compile(r"(?:.*_)?(?:password|passwd|secret|token|key)", re.I)
_NO_SECRET: Final = re.compile(r"keyring|prompt|env:[A-Za-z_][A-Za-z0-9_]*")
_LOGIN_IN_URL: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@")


def export_settings(path: str | os.PathLike[str], *, overwrite: bool = False) -> Moved:
    """Write the saved accounts, lists and suppressions into one file.

    Parameters
    ----------
    path : path
        The file; it appears whole or not at all, and only its owner may read it.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    Moved
        An account or a list that cannot be read, or whose file holds a secret, is left out
        and named.

    Raises
    ------
    SMTPBookError
        There is a file already or no such folder, or it would be larger than 2 GB.
    RecipientsError
        The suppressions cannot be read: without them the file would be dangerous.
    OSError
        The file cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise SMTPBookError(f"there is no folder {visible(str(target.parent))!r}")
    if target.exists() and not overwrite:
        raise SMTPBookError(
            f"there is a file {visible(str(target))!r} already; choose another name, or "
            f"pass overwrite=True"
        )
    # Only the owner may read what mkstemp makes (mode 0600).
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            moved = _write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return moved


def _write(file: BinaryIO) -> Moved:
    try:
        with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
            writer = Writer(archive)
            items = (
                *_suppressions(writer),
                *(_account(writer, name) for name in list_accounts()),
                *(_list(writer, name) for name in list_recipients()["name"]),
            )
            writer.finish()
    except zipfile.LargeZipFile:
        raise SMTPBookError(
            "the saved lists are larger than 2 GB together: delete those that are not "
            "needed, or take their files along by themselves"
        ) from None
    return Moved(items)


def _suppressions(writer: Writer) -> Iterator[Item]:
    stop = SuppressionList.open()
    if len(stop):
        # At once: another program may be adding to it.
        writer.add(SUPPRESSED, stop.path.read_bytes())
        yield Item("suppressions", SUPPRESSED, "written", count(len(stop), "entry"))


def _account(writer: Writer, name: str) -> Item:
    try:
        load_account(name)  # refuses what is no setting
        path = places.config_folder() / "accounts" / f"{name}.toml"
        settings = tomllib.loads(path.read_text("utf-8-sig"))
        if secret := _secret_in(settings):
            raise ValueError(f"its setting {secret!a} looks like a secret")
    except (ValueError, OSError) as exc:
        return Item("account", name, "left out", str(exc))
    # Written anew: a comment in the file may say anything.
    writer.add(f"accounts/{name}.toml", tomli_w.dumps(settings).encode())
    return Item("account", name, "written", login_of(settings))


def _list(writer: Writer, name: str) -> Item:
    try:
        people = load_recipients(name)
    except RecipientsError as exc:
        return Item("list", name, "left out", str(exc))
    path = places.data_folder() / "recipients" / f"{name}.parquet"
    writer.copy(path, f"recipients/{name}.parquet")
    return Item("list", name, "written", count(len(people), "recipient"))


def _secret_in(settings: dict[str, Any]) -> str | None:
    """Name the setting that seems to hold a secret itself; None = there is none."""
    for name, value in settings.items():
        if isinstance(value, dict):
            if inside := _secret_in(value):
                return inside
        elif isinstance(value, str):
            is_told = _NO_SECRET.fullmatch(value) is not None
            if _LOGIN_IN_URL.search(value) or (
                _SECRET_NAME.fullmatch(name) and not is_told
            ):
                return name
    return None

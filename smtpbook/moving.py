"""Moving: accounts, lists and suppressions to another computer, in one file.

The file is a zip archive in which nothing is compressed (lists are, in themselves), so it
never unpacks to more than it is.  Its manifest names every file in it with size and
SHA-256.  It holds no passwords: those stay in this computer's keyring and are given again
on the other.  It does hold people: nobody but its owner may read it.

Nothing here logs in, and nothing that is there already is changed without being told.
Suppressions are only ever added: who has been suppressed stays so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import struct
import tempfile
import tomllib
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import tomli_w

from smtpbook import places
from smtpbook.accounts import passwords
from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring
from smtpbook.accounts.store import (
    SavableToken,
    list_accounts,
    load_account,
    save_account,
)
from smtpbook.errors import LocalProtocolError, RecipientsError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import list_recipients, load_recipients, save_recipients
from smtpbook.recipients.suppression import SuppressionList

VERSION: Final = 1
_FORMAT: Final = "smtpbook settings"
_MANIFEST: Final = "manifest.json"
_SUPPRESSED: Final = "suppressed.csv"
_MEMBER: Final = re.compile(
    r"accounts/(?!\.)[^/\\]+\.toml|recipients/(?!\.)[^/\\]+\.parquet|suppressed\.csv"
)

_MAX_BYTES: Final = 1 << 32  # zip's numbers need an extension from there on
_MAX_FILES: Final = 10_000
_MAX_INDEX: Final = 8_000_000  # octets of the manifest, and of the archive's directory
_LIMITS: Final = {"accounts": 64_000, _MANIFEST: _MAX_INDEX}  # octets
# How a zip archive ends: PKWARE's APPNOTE.TXT, sections 4.3.15 and 4.3.16.
_END: Final = struct.Struct("<4s4xHHL4xH")
_END_MARK: Final = b"PK\5\6"
_BIG_END_MARK: Final = b"PK\6\7"
_BIG_END_BYTES: Final = 20
# What the standard library raises about archives it cannot read.
_DAMAGE: Final = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, struct.error)

# Settings that would hold a secret, and the values that say only where it is.
_SECRET_NAME: Final = re.compile(r"(?:.*_)?(?:password|passwd|secret|token|key)", re.I)
_NO_SECRET: Final = re.compile(r"keyring|prompt|env:[A-Za-z_][A-Za-z0-9_]*")
_LOGIN_IN_URL: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@")

_DONE: Final = frozenset({"written", "added", "replaced", "unchanged", "merged"})


class Item(NamedTuple):
    """What became of one thing.

    Attributes
    ----------
    kind : {"account", "list", "suppressions"}
    name : str
    done : str
        On export ``"written"`` or ``"left out"``; on import ``"added"``, ``"replaced"``,
        ``"merged"``, ``"unchanged"`` (the same was here), ``"kept"`` (another of that name
        was here, and stays) or ``"refused"``.
    message : str
        What there is to say about it; ``""`` = nothing.
    needs_password : bool
        An account that cannot log in before its password is given on this computer.
    """

    kind: str
    name: str
    done: str
    message: str = ""
    needs_password: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Moved:
    """What was exported or imported, one by one; prints as a table."""

    items: tuple[Item, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out, kept or refused."""
        return all(item.done in _DONE for item in self.items)

    @property
    def need_password(self) -> list[str]:
        """The accounts whose password has to be given again."""
        return [item.name for item in self.items if item.needs_password]

    def __str__(self) -> str:
        if not self.items:
            return "nothing is saved yet"
        names = [visible(item.name) for item in self.items]
        width = max(map(len, names))
        lines = [
            f"{item.kind:<12}  {name:<{width}}  {item.done:<9}  {visible(item.message)}"
            for item, name in zip(self.items, names, strict=True)
        ]
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


# --- out ----------------------------------------------------------------------------------


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
        There is a file already, or it would be larger than 2 GB.
    RecipientsError
        The suppressions cannot be read: without them the file would be dangerous.
    OSError
        The file cannot be written.
    """
    target = Path(path)
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
            writer = _Writer(archive)
            items = (
                *writer.suppressions(),
                *(writer.account(name) for name in list_accounts()),
                *(writer.list(name) for name in list_recipients()["name"]),
            )
            writer.manifest()
    except zipfile.LargeZipFile:
        raise SMTPBookError(
            "the saved lists are larger than 2 GB together: delete those that are not "
            "needed, or take their files along by themselves"
        ) from None
    return Moved(items)


class _Writer:
    """Puts one thing after the other into an archive, and notes it for the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._files: dict[str, dict[str, int | str]] = {}

    def suppressions(self) -> Iterator[Item]:
        stop = SuppressionList.open()
        if len(stop):
            # At once: another program may be adding to it.
            self._add(_SUPPRESSED, stop.path.read_bytes())
            yield Item("suppressions", _SUPPRESSED, "written", _count(len(stop), "entry"))

    def account(self, name: str) -> Item:
        try:
            load_account(name)  # refuses what is no setting
            path = places.config_folder() / "accounts" / f"{name}.toml"
            settings = tomllib.loads(path.read_text("utf-8-sig"))
            if secret := _secret_in(settings):
                raise ValueError(f"its setting {secret!a} looks like a secret")
        except (ValueError, OSError) as exc:
            return Item("account", name, "left out", str(exc))
        # Written anew: a comment in the file may say anything.
        self._add(f"accounts/{name}.toml", tomli_w.dumps(settings).encode())
        return Item("account", name, "written", _login(settings))

    def list(self, name: str) -> Item:
        try:
            people = load_recipients(name)
        except RecipientsError as exc:
            return Item("list", name, "left out", str(exc))
        path = places.data_folder() / "recipients" / f"{name}.parquet"
        self._copy(path, f"recipients/{name}.parquet")
        return Item("list", name, "written", _count(len(people), "recipient"))

    def manifest(self) -> None:
        said = {"format": _FORMAT, "version": VERSION, "files": self._files}
        self._archive.writestr(_member(_MANIFEST), json.dumps(said, indent=1))

    def _add(self, member: str, octets: bytes) -> None:
        self._archive.writestr(_member(member), octets)
        self._files[member] = {
            "bytes": len(octets),
            "sha256": hashlib.sha256(octets).hexdigest(),
        }

    def _copy(self, path: Path, member: str) -> None:
        info = _member(member)
        with path.open("rb") as source:
            info.file_size = os.fstat(source.fileno()).st_size
            self._files[member] = {
                "bytes": info.file_size,
                "sha256": hashlib.file_digest(source, "sha256").hexdigest(),
            }
            source.seek(0)
            with self._archive.open(info, "w") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def _member(name: str) -> zipfile.ZipInfo:
    # Without a date: what has not changed gives the same file.
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


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


# --- in -----------------------------------------------------------------------------------


def import_settings(path: str | os.PathLike[str], *, overwrite: bool = False) -> Moved:
    """Take over accounts, lists and suppressions from a file of `export_settings`.

    The whole file is checked before anything is changed.  Suppressions are merged.  Import
    only what somebody you trust has exported: an account says where a password is sent.

    Parameters
    ----------
    path : path
    overwrite : bool
        Replace accounts and lists of the same name; by default those here are kept.  The
        password of an account that logs in elsewhere, or as somebody else, from then on is
        forgotten with it.

    Returns
    -------
    Moved
        What became of each, and which accounts need their password again.

    Raises
    ------
    SMTPBookError
        It is no such file, damaged, or made to do harm; nothing was changed.
    RecipientsError
        The suppressions in it, or those here, cannot be read; nothing was changed.
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        try:
            _check_size(file)
            archive = zipfile.ZipFile(file)
            members = _checked(archive, os.fstat(file.fileno()).st_size)
        except _DAMAGE as exc:
            name = visible(Path(path).name)
            raise SMTPBookError(
                f"{name} cannot be imported, nothing was changed: {visible(str(exc))}"
            ) from None
        return Moved(tuple(_take_all(archive, members, overwrite)))


class _Refused(zipfile.BadZipFile):
    """An archive that is none of ours, or not as it was written."""


def _check_size(file: BinaryIO) -> None:
    """Refuse an archive by its end alone, before zipfile reads its directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _BIG_END_BYTES))
    tail = file.read()
    if len(tail) < _END.size:
        raise _Refused("it is no settings file")
    mark, _, _, directory, comment = _END.unpack(tail[-_END.size :])
    if mark != _END_MARK or comment:
        raise _Refused("it is no settings file, or was cut off on its way; copy it again")
    if size > _MAX_BYTES or directory > _MAX_INDEX or tail.startswith(_BIG_END_MARK):
        raise _Refused("it is larger than is ever written")


def _checked(archive: zipfile.ZipFile, size: int) -> list[str]:
    """Give the names of what is in an archive, once all of it is as it was written."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise _Refused("it holds a file twice")
    if len(entries) > _MAX_FILES:
        raise _Refused(f"it holds {len(entries):,} files, more than are ever written")
    for entry in entries.values():
        _check_entry(entry)
    if sum(entry.file_size for entry in entries.values()) > size:
        raise _Refused("it would unpack to more than it is")
    manifest = entries.pop(_MANIFEST, None)
    if manifest is None:
        raise _Refused("it is no settings file: it has no manifest")
    files = _files_of(archive.read(manifest))
    if files.keys() != entries.keys():
        raise _Refused("its manifest does not name what is in it")
    for name, entry in entries.items():
        digest = hashlib.sha256()
        with archive.open(entry) as source:
            while octets := source.read(1 << 20):
                digest.update(octets)
        if files[name] != {"bytes": entry.file_size, "sha256": digest.hexdigest()}:
            raise _Refused(f"{name} is not as it was written; copy the file again")
    return list(entries)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, mode = entry.filename, entry.external_attr >> 16
    if name != _MANIFEST and not _MEMBER.fullmatch(name):
        raise _Refused(f"it holds {name!r}, which is no part of the settings")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _Refused(f"{name} in it is no ordinary file")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise _Refused(f"{name} in it is compressed or encrypted, which nothing there is")
    if entry.file_size > _LIMITS.get(name.partition("/")[0], _MAX_BYTES):
        raise _Refused(f"{name} in it is larger than is ever written")


def _files_of(octets: bytes) -> dict[str, Any]:
    try:
        said = json.loads(octets)
        files, version = said["files"], said["version"]
        if said["format"] != _FORMAT or not isinstance(files, dict):
            raise KeyError("format")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _Refused("it is no settings file: its manifest says something else") from None
    if version != VERSION:
        raise _Refused(
            f"it is of version {version!r}, and this smtpbook knows version {VERSION}; "
            f"update it"
        )
    return files


def _take_all(
    archive: zipfile.ZipFile, members: list[str], overwrite: bool
) -> Iterator[Item]:
    # First: who is not to be written to must not wait for anything else.
    if _SUPPRESSED in members:
        yield _merge(archive)
    for member in members:
        folder, _, file = member.partition("/")
        if file:
            # A file system may have decomposed letters.
            name = unicodedata.normalize("NFC", Path(file).stem)
            yield _take(archive, member, folder, name, overwrite)


def _merge(archive: zipfile.ZipFile) -> Item:
    with tempfile.TemporaryDirectory(prefix="smtpbook-") as folder:
        path = Path(folder, _SUPPRESSED)
        path.write_bytes(archive.read(_SUPPRESSED))
        theirs = SuppressionList.open(path).frame
    new = SuppressionList.open().add_many(theirs) if len(theirs) else 0
    said = f"{new:,} added, {len(theirs) - new:,} were here already"
    return Item("suppressions", _SUPPRESSED, "merged", said)


def _take(
    archive: zipfile.ZipFile, member: str, folder: str, name: str, overwrite: bool
) -> Item:
    """Take over an account or a list; whatever is wrong with it concerns only itself."""
    home, kind, take = _KINDS[folder]
    place = home() / folder
    # Beside the saved ones, under a name nobody has, they read it as they read their own.
    staged = place / f"importing-{secrets.token_hex(8)}{Path(member).suffix}"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with archive.open(member) as source, staged.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return take(staged, name, overwrite)
    except (SMTPBookError, ValueError, MemoryError, *_DAMAGE) as exc:
        said = str(exc).replace(str(staged), member).replace(staged.stem, name)
        return Item(kind, name, "refused", said)
    finally:
        staged.unlink(missing_ok=True)


def _take_account(staged: Path, name: str, overwrite: bool) -> Item:
    account = load_account(staged.stem)
    settings = _settings(staged)
    is_here = name in list_accounts()
    here = _settings(staged.with_stem(name)) if is_here else {}
    done = "replaced" if is_here else "added"
    if here == settings:
        done = "unchanged"
    elif is_here and not overwrite:
        return Item("account", name, "kept", _KEPT.format("account"))
    else:
        if is_here and _asked(here) != _asked(settings):
            passwords.forget(name)  # it was for another server, or somebody else
        save_account(_without_secret(account), name)
    said = [_login(settings), *_missing(account)]
    if needs := _needed(load_account(name), name):
        said.append(needs)
    return Item("account", name, done, "; ".join(said), bool(needs))


def _settings(path: Path) -> dict[str, Any]:
    """Give an account's settings; nothing of one that cannot be read."""
    try:
        settings = tomllib.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    settings.pop("is_lab", None)  # a lab server is on the computer that runs it
    return settings


def _asked(settings: dict[str, Any]) -> list[Any]:
    """Give who is told the password, and whose it is."""
    return [settings.get(name) for name in ("host", "username", "oauth")]


def _without_secret(account: Account) -> Account:
    """Give a copy that, saved, leaves the keyring as it is."""
    password = account.password
    if isinstance(password, SavableToken):
        password.keep_in(lambda: None, lambda _: None)
    elif isinstance(password, FromKeyring):
        password = None
    return account.replace(password=password, is_lab=False)


def _missing(account: Account) -> Iterator[str]:
    if account.ca_file is not None and not Path(account.ca_file).exists():
        yield f"its certificates {str(account.ca_file)!r} are not on this computer"


def _needed(account: Account, name: str) -> str:
    """Say what an account lacks before it can log in; "" = nothing."""
    match account.password:
        case FromEnvironment(variable):
            return "" if os.environ.get(variable) else f"set {variable} to its password"
        case FromKeyring() | SavableToken():
            with suppress(LocalProtocolError):
                if passwords.find(name) is not None:
                    return ""
            is_password = isinstance(account.password, FromKeyring)
            return "needs its password again" if is_password else "authorize it again"
    return ""


def _take_list(staged: Path, name: str, overwrite: bool) -> Item:
    saved = list_recipients()
    claimed = saved["recipients"][saved["name"] == staged.stem].fillna(0).sum()
    # No address is in a list twice, so each takes some room.
    if claimed > staged.stat().st_size:
        raise SMTPBookError(f"it claims to hold {claimed:,} recipients, which it cannot")
    people = load_recipients(staged.stem)
    is_here = name in set(saved["name"])
    if is_here and _holds(name, people):
        return Item("list", name, "unchanged", _count(len(people), "recipient"))
    if is_here and not overwrite:
        return Item("list", name, "kept", _KEPT.format("list"))
    save_recipients(people, name, overwrite=is_here)
    done = "replaced" if is_here else "added"
    return Item("list", name, done, _count(len(people), "recipient"))


def _holds(name: str, people: Recipients) -> bool:
    try:
        here = load_recipients(name)
    except RecipientsError:
        return False
    return here.labels == people.labels and here.frame.equals(people.frame)


def _login(settings: dict[str, Any]) -> str:
    whose = f"{settings['username']} at " if "username" in settings else ""
    port = f":{settings['port']}" if "port" in settings else ""
    return f"{whose}{settings['host']}{port}"


def _count(number: int, one: str) -> str:
    many = f"{one.removesuffix('y')}ies" if one.endswith("y") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"


_KEPT: Final = "another {} of that name is here and stays; overwrite=True replaces it"
_KINDS: Final[dict[str, tuple[Callable[[], Path], str, Callable[..., Item]]]] = {
    "accounts": (places.config_folder, "account", _take_account),
    "recipients": (places.data_folder, "list", _take_list),
}

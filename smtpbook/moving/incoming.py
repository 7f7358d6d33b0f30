"""Incoming: what an archive of settings holds, taken over on this computer.

Nothing here logs in, and nothing that is there already is changed without being told.
Suppressions are only ever added: who has been suppressed stays so.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import tomllib
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from smtpbook import places
from smtpbook.accounts import passwords
from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring
from smtpbook.accounts.proxy import Proxy
from smtpbook.accounts.store import (
    SavableToken,
    entry_of,
    forget_secrets,
    list_accounts,
    load_account,
    save_account,
)
from smtpbook.errors import LocalProtocolError, RecipientsError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.moving.archive import DAMAGE, SUPPRESSED, check_size, checked
from smtpbook.moving.moved import Item, Moved, count, login_of
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import list_recipients, load_recipients, save_recipients
from smtpbook.recipients.suppression import SuppressionList


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
            check_size(file)
            archive = zipfile.ZipFile(file)
            members = checked(archive, os.fstat(file.fileno()).st_size)
        except DAMAGE as exc:
            name = visible(Path(path).name)
            raise SMTPBookError(
                f"{name} cannot be imported, nothing was changed: {visible(str(exc))}"
            ) from None
        return Moved(tuple(_take_all(archive, members, overwrite)))


def _take_all(
    archive: zipfile.ZipFile, members: list[str], overwrite: bool
) -> Iterator[Item]:
    # First: who is not to be written to must not wait for anything else.
    if SUPPRESSED in members:
        yield _merge(archive)
    for member in members:
        folder, _, file = member.partition("/")
        if file:
            # A file system may have decomposed letters.
            name = unicodedata.normalize("NFC", Path(file).stem)
            yield _take(archive, member, folder, name, overwrite)


def _merge(archive: zipfile.ZipFile) -> Item:
    with tempfile.TemporaryDirectory(prefix="smtpbook-") as folder:
        path = Path(folder, SUPPRESSED)
        path.write_bytes(archive.read(SUPPRESSED))
        theirs = SuppressionList.open(path).frame
    new = SuppressionList.open().add_many(theirs) if len(theirs) else 0
    said = f"{new:,} added, {len(theirs) - new:,} were here already"
    return Item("suppressions", SUPPRESSED, "merged", said)


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
    except (SMTPBookError, ValueError, MemoryError, *DAMAGE) as exc:
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
            forget_secrets(name)  # it was for another server, or somebody else
        save_account(_without_secret(account, name), name)
    said = [login_of(settings), *_missing(account)]
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
    return [settings.get(name) for name in ("host", "username", "oauth", "proxy")]


def _without_secret(account: Account, name: str) -> Account:
    """Give a copy that, saved under a name, leaves the keyring as it is."""
    password = account.password
    if isinstance(password, SavableToken):
        password.keep_in(lambda: None, lambda _: None)
    elif isinstance(password, FromKeyring):
        password = None
    proxy, own = account.proxy, account.client_certificate
    if isinstance(proxy, Proxy) and isinstance(proxy.password, FromKeyring):
        proxy = proxy.replace(password=FromKeyring(entry_of(name, "proxy_password")))
    if isinstance(own, ClientCertificate) and isinstance(own.passphrase, FromKeyring):
        entry = entry_of(name, "client_passphrase")
        own = replace(own, passphrase=FromKeyring(entry))
    return account.replace(
        password=password, proxy=proxy, client_certificate=own, is_lab=False
    )


def _missing(account: Account) -> Iterator[str]:
    if account.ca_file is not None and not Path(account.ca_file).exists():
        yield f"its certificates {str(account.ca_file)!r} are not on this computer"
    own = account.client_certificate
    if isinstance(own, ClientCertificate):
        for file in (own.file, own.key_file):
            if file is not None and not Path(file).exists():
                yield f"its own certificate {str(file)!r} is not on this computer"


def _needed(account: Account, name: str) -> str:
    """Say what an account lacks before it can log in; "" = nothing."""
    match account.password:
        case FromEnvironment(variable) if not os.environ.get(variable):
            return f"set {variable} to its password"
        case FromKeyring() | SavableToken() if not _is_kept(name):
            is_password = isinstance(account.password, FromKeyring)
            return "needs its password again" if is_password else "authorize it again"
    return _needed_besides(account)


def _needed_besides(account: Account) -> str:
    """Say which of the secrets besides the login's an account lacks; "" = none."""
    proxy, own = account.proxy, account.client_certificate
    others = {
        "its proxy's password": proxy.password if isinstance(proxy, Proxy) else None,
        "the passphrase of its own certificate": (
            own.passphrase if isinstance(own, ClientCertificate) else None
        ),
    }
    for what, source in others.items():
        if isinstance(source, FromEnvironment) and not os.environ.get(source.variable):
            return f"set {source.variable} to {what}"
        if isinstance(source, FromKeyring) and not _is_kept(source.entry):
            return f"needs {what} again"
    return ""


def _is_kept(entry: str) -> bool:
    try:
        return passwords.find(entry) is not None
    except LocalProtocolError:  # there is no keyring
        return False


def _take_list(staged: Path, name: str, overwrite: bool) -> Item:
    saved = list_recipients()
    claimed = saved["recipients"][saved["name"] == staged.stem].fillna(0).sum()
    # No address is in a list twice, so each takes some room.
    if claimed > staged.stat().st_size:
        raise SMTPBookError(f"it claims to hold {claimed:,} recipients, which it cannot")
    people = load_recipients(staged.stem)
    is_here = name in set(saved["name"])
    if is_here and _holds(name, people):
        return Item("list", name, "unchanged", count(len(people), "recipient"))
    if is_here and not overwrite:
        return Item("list", name, "kept", _KEPT.format("list"))
    save_recipients(people, name, overwrite=is_here)
    done = "replaced" if is_here else "added"
    return Item("list", name, done, count(len(people), "recipient"))


def _holds(name: str, people: Recipients) -> bool:
    try:
        here = load_recipients(name)
    except RecipientsError:
        return False
    return here.labels == people.labels and here.frame.equals(people.frame)


_KEPT: Final = "another {} of that name is here and stays; overwrite=True replaces it"
_KINDS: Final[dict[str, tuple[Callable[[], Path], str, Callable[..., Item]]]] = {
    "accounts": (places.config_folder, "account", _take_account),
    "recipients": (places.data_folder, "list", _take_list),
}

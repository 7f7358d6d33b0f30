"""Saved accounts: settings in a file, secrets in the keyring.

Each account is one TOML file of its own, in ``accounts/`` below the settings' folder: what
two processes save at the same time are two files, a file somebody has broken takes no other
account with it, and no lock is needed.  A file holds no secret; the password or the refresh
token is in the operating system's keyring, under the account's name.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import tomli_w

from smtpbook import places
from smtpbook.accounts import passwords
from smtpbook.accounts.account import Account, Password
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring, FromPrompt
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import LocalProtocolError, near_miss

_TEXT: Final = (
    "host",
    "tls",
    "username",
    "auth",
    "helo",
    "source_address",
    "ca_file",
    "name",
)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(_TEXT, (str,)),
    "port": (int,),
    "is_lab": (bool,),
    "password": (str,),
    "timeouts": (dict,),
    "oauth": (dict,),
}
_LIMITS: Final = tuple(field.name for field in fields(Timeouts))
# A file's name on every system: no separator, nothing hidden, no end that Windows drops.
_NAME: Final = re.compile(r"\w(?:[\w.@+ -]{0,62}[\w@+-])?")
_DEVICE: Final = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")  # Windows'
# tomllib goes one call deeper for each bracket.
_NOT_TOML: Final = (tomllib.TOMLDecodeError, RecursionError)


@runtime_checkable
class SavableToken(Protocol):
    """What a password that is an OAuth token lets itself be saved by."""

    def to_settings(self) -> dict[str, str | int]:
        """Give what is no secret."""

    def refresh_secret(self) -> Secret | None:
        """Give the refresh token; None = there is none."""

    def keep_in(
        self, read: Callable[[], Secret | None], keep: Callable[[Secret], None]
    ) -> None:
        """From now on have it read from and kept in another place."""


def save_account(account: Account, name: str) -> None:
    """Keep an account for later, in place of one of that name.

    Parameters
    ----------
    account : Account
        Its password goes into the keyring.  `FromEnvironment` and `FromPrompt` are kept as
        such; without a password, the one the keyring has under this name stays there.
    name : str
        Letters, digits, spaces and ``._@+-``; 64 characters at most.

    Raises
    ------
    ValueError
        The name cannot be one, or the password is a function, which no file can hold, or
        is the user name, too, which no file may hold.
    LocalProtocolError
        The keyring does not take the password; nothing was saved.  The message lists the
        other ways.
    OSError
        The file cannot be written; nothing was saved.
    """
    path = _path(name)
    settings = _settings(account)
    kind, secret, oauth = _to_keep(account.password, account.username, _name_of(path))
    if kind is not None:
        settings["password"] = kind
    if oauth is not None:
        settings["oauth"] = oauth
    if secret is None:
        if kind == "keyring" and _holds_token(path):
            # What is kept would be sent as a password.
            passwords.forget(_name_of(path))
        _write(path, settings)
        return
    before = passwords.keep(_name_of(path), secret)
    try:
        _write(path, settings)
    except BaseException:
        if before is None:
            passwords.forget(_name_of(path))
        else:
            passwords.keep(_name_of(path), before)
        raise
    if isinstance(account.password, SavableToken):
        # A server that gives a new refresh token takes the old one back.
        account.password.keep_in(*_keyring(_name_of(path)))


def load_account(name: str) -> Account:
    """Give a saved account; its password is fetched when it logs in.

    Raises
    ------
    ValueError
        There is none of that name (the near miss is suggested), or its file was changed by
        hand into something that is no account; file, line and key are named.
    """
    path = _existing(name)
    text = path.read_text("utf-8-sig", "surrogateescape")
    try:
        settings = tomllib.loads(text)
    except _NOT_TOML as exc:
        raise ValueError(f"{path} is not TOML: {_first_line(exc)}") from None
    for key, value in settings.items():
        _check(path, text, key, value, _TYPES)
    timeouts: dict[str, Any] = settings.get("timeouts", {})
    for key, value in timeouts.items():
        _check(path, text, key, value, dict.fromkeys(_LIMITS, (int, float)))
    if "host" not in settings:
        raise ValueError(f"{path} names no host")
    oauth = settings.pop("oauth", None)
    settings["password"] = _from_kept(path, text, settings.get("password"), oauth)
    try:
        settings["timeouts"] = Timeouts(**timeouts)
        return Account(**settings)
    except (ValueError, LocalProtocolError) as exc:
        # The name for EHLO is the one field the protocol has a rule for.
        about = "helo" if isinstance(exc, LocalProtocolError) else _key_in(str(exc))
        raise ValueError(f"{_place(path, text, about)}: {exc}") from None


def list_accounts() -> list[str]:
    """Give the names of the saved accounts, in alphabetical order."""
    return sorted(map(_name_of, _files()), key=str.casefold)


def delete_account(name: str) -> None:
    """Remove a saved account, and its secret from the keyring.

    Raises
    ------
    ValueError
        There is none of that name.
    LocalProtocolError
        The keyring cannot be opened; nothing was removed.
    """
    path = _existing(name)
    passwords.forget(_name_of(path))
    path.unlink()


# --- what is kept -------------------------------------------------------------------------


def _settings(account: Account) -> dict[str, Any]:
    """Give the fields that are not the default's, as TOML has them."""
    if account.is_username_secret and not account.is_loopback:
        raise ValueError(
            "the user name is the password itself, which no file may hold"
            + (f"; {account.advice}" if account.advice else "")
        )
    settings: dict[str, Any] = {
        "host": account.host,
        "port": account.port,
        "tls": account.tls,
    }
    plain = Account(host=account.host, username=account.username)
    for key in ("username", "auth", "helo", "source_address", "name", "is_lab"):
        value = getattr(account, key)
        if value is not None and (key == "username" or value != getattr(plain, key)):
            settings[key] = value
    if account.ca_file is not None:
        # A relative path means another file from another folder.
        settings["ca_file"] = str(Path(account.ca_file).absolute())
    usual = Timeouts()
    timeouts = {
        key: value
        for key in _LIMITS
        if (value := getattr(account.limits, key)) != getattr(usual, key)
    }
    return settings | ({"timeouts": timeouts} if timeouts else {})


def _to_keep(
    password: Password, username: str | None, entry: str
) -> tuple[str | None, Secret | None, dict[str, str | int] | None]:
    """Give what the file says about the password, the keyring's share, and OAuth's."""
    if username is None:
        return None, None, None
    match password:
        case None:
            return "keyring", None, None
        case Secret():
            return "keyring", password, None
        case FromEnvironment():
            return f"env:{password.variable}", None, None
        case FromPrompt():
            return "prompt", None, None
        case FromKeyring():
            return "keyring", None if password.entry == entry else password(), None
        case SavableToken():
            return None, password.refresh_secret(), password.to_settings()
    raise ValueError(
        "a password that is a function cannot be saved; save the account with the password "
        'itself (it goes into the keyring), FromEnvironment("NAME") or FromPrompt()'
    )


def _holds_token(path: Path) -> bool:
    """Whether what the keyring keeps for a saved account is an OAuth token's secret."""
    try:
        return "oauth" in tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False


def _keyring(
    entry: str,
) -> tuple[Callable[[], Secret | None], Callable[[Secret], None]]:
    """Give how a token reads its secret in the keyring, and how it keeps a new one."""

    def keep(secret: Secret) -> None:
        passwords.keep(entry, secret)

    return partial(passwords.find, entry), keep


def _from_kept(
    path: Path, text: str, kind: str | None, oauth: dict[str, str | int] | None
) -> Password:
    entry = _name_of(path)
    if oauth is not None:
        from smtpbook.accounts.oauth import from_settings

        try:
            return from_settings(oauth, *_keyring(entry))
        except ValueError as exc:
            raise ValueError(f"{_place(path, text, 'oauth')}: {exc}") from None
    if kind is None:
        return None
    if kind == "keyring":
        return FromKeyring(entry)
    if kind == "prompt":
        return FromPrompt()
    try:
        if kind.startswith("env:"):
            return FromEnvironment(kind.removeprefix("env:"))
    except ValueError as exc:
        raise ValueError(f"{_place(path, text, 'password')}: {exc}") from None
    # What stands there may be a password: it is not repeated.
    raise ValueError(
        f'{_place(path, text, "password")}: password is "keyring", "env:NAME" or "prompt", '
        "never the password itself"
    )


# --- files --------------------------------------------------------------------------------


def _folder() -> Path:
    return places.config_folder() / "accounts"


def _files() -> Iterator[Path]:
    folder = _folder()
    if folder.is_dir():
        yield from (path for path in folder.glob("*.toml") if _can_be(_name_of(path)))


def _name_of(path: Path) -> str:
    # A file system may decompose letters; the same name must find the same file.
    return unicodedata.normalize("NFC", path.stem)


def _can_be(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not _DEVICE.fullmatch(name)


def _path(name: str) -> Path:
    """Give the file of a name, once it is one."""
    name = unicodedata.normalize("NFC", name) if isinstance(name, str) else ""
    if not _can_be(name):
        raise ValueError(
            f"{name!a} cannot be an account's name: letters, digits, spaces and ._@+- can, "
            "64 characters at most, and no device's name such as CON"
        )
    for path in _files():
        there = _name_of(path)
        if there == name:
            return path
        if there.casefold() == name.casefold():
            # One file where the file system does not tell capitals apart.
            raise ValueError(f"there is an account {there!r}; {name!r} is too like it")
    return _folder() / f"{name}.toml"


def _existing(name: str) -> Path:
    for path in _files():
        if _name_of(path) == unicodedata.normalize("NFC", name):
            return path
    names = list_accounts()
    said = f"there are {', '.join(map(repr, names))}" if names else "there is none yet"
    raise ValueError(f"no saved account {name!a}{near_miss(name, names)}; {said}")


def _write(path: Path, settings: dict[str, Any]) -> None:
    """Put a file in place at once or not at all; nobody else may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp's files are their owner's alone (mode 0600).
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            tomli_w.dump(settings, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# --- a file changed by hand ---------------------------------------------------------------


def _check(
    path: Path, text: str, key: str, value: object, types: dict[str, tuple[type, ...]]
) -> None:
    if key not in types:
        raise ValueError(
            f"{_place(path, text, key)}: no setting {key!a}{near_miss(key, types)}; there "
            f"are {', '.join(types)}"
        )
    # To isinstance, True is an int.
    if type(value) not in types[key]:
        wanted = _WORDS[types[key][0]]
        raise ValueError(f"{_place(path, text, key)}: {key} must be {wanted}")


_WORDS: Final = {
    str: "text in quotes",
    int: "a number",
    bool: "true or false",
    dict: "a table",
}


def _place(path: Path, text: str, key: str | None) -> str:
    """Name the file, and the line a key stands in."""
    if key is not None:
        pattern = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*(?:=|\]|\.)""")
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.match(line):
                return f"{path}, line {number}"
    return str(path)


def _key_in(message: str) -> str | None:
    """Give the setting an error is about: the first one it names."""
    for word in re.findall(r"\w+", message):
        if word in _TYPES or word in _LIMITS:
            return str(word)
    return None


def _first_line(exc: Exception) -> str:
    return str(exc).splitlines()[0].encode("ascii", "backslashreplace").decode()

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
from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.direct import Relay
from smtpbook.accounts.passwords import (
    FromEnvironment,
    FromKeyring,
    FromPrompt,
    Password,
)
from smtpbook.accounts.proxy import Proxy, split_url
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import LocalProtocolError, near_miss

_TEXT: Final = (
    "host",
    "protocol",
    "tls",
    "username",
    "auth",
    "helo",
    *("source_address", "tls_version"),
    *("proxy", "ca_file"),
    "client_certificate",
    "client_key_file",
    "name",
)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(_TEXT, (str,)),
    "port": (int,),
    "is_lab": (bool,),
    "password": (str,),
    "proxy_password": (str,),
    "client_passphrase": (str,),
    "pin": (list,),
    "timeouts": (dict,),
    "oauth": (dict,),
    "relay": (dict,),
}
_LIMITS: Final = tuple(field.name for field in fields(Timeouts))
# What each secret is kept under in the keyring, behind the account's name; a name holds no
# slash.
_ENTRIES: Final = {
    "password": "",
    "proxy_password": "/proxy",
    "client_passphrase": "/key",
}
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
        Its password goes into the keyring, and so do the proxy's and the passphrase of its
        own certificate's key.  `FromEnvironment` and `FromPrompt` are kept as such; without
        a password, the one the keyring has under this name stays there.
    name : str
        Letters, digits, spaces and ``._@+-``; 64 characters at most.

    Raises
    ------
    ValueError
        The name cannot be one, or a password is a function, which no file can hold, or is
        the user name, too, which no file may hold.
    LocalProtocolError
        The keyring does not take a password; nothing was saved.  The message lists the
        other ways.
    OSError
        The file cannot be written; nothing was saved.
    """
    path = _path(name)
    entry = _name_of(path)
    settings = _settings(account)
    secrets: dict[str, Secret] = {}
    oauth = None
    if account.username is not None:
        oauth = _to_keep(account.password, "password", entry, settings, secrets)
    if isinstance(proxy := account.proxy, Proxy) and proxy.username is not None:
        _to_keep(proxy.password, "proxy_password", entry, settings, secrets)
    own = account.client_certificate
    if isinstance(own, ClientCertificate) and own.passphrase is not None:
        _to_keep(own.passphrase, "client_passphrase", entry, settings, secrets)
    if oauth is not None:
        settings["oauth"] = oauth
    if (
        settings.get("password") == "keyring"
        and entry not in secrets
        and _holds_token(path)
    ):
        # What is kept would be sent as a password.
        passwords.forget(entry)
    before: dict[str, Secret | None] = {}
    try:
        for kept, secret in secrets.items():
            before[kept] = passwords.keep(kept, secret)
        _write(path, settings)
    except BaseException:
        for kept, earlier in before.items():
            if earlier is None:
                passwords.forget(kept)
            else:
                passwords.keep(kept, earlier)
        raise
    if isinstance(account.password, SavableToken) and entry in secrets:
        # A server that gives a new refresh token takes the old one back.
        account.password.keep_in(*_keyring(entry))


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
    if "host" not in settings and "relay" not in settings:
        raise ValueError(f"{path} names no host")
    oauth = settings.pop("oauth", None)
    kept = {
        field: _from_kept(path, text, field, settings.pop(field, None))
        for field in _ENTRIES
    }
    if oauth is not None:
        kept["password"] = _from_oauth(path, text, oauth)
    try:
        settings["timeouts"] = Timeouts(**timeouts)
        if "relay" in settings:
            settings |= {"host": "", "relay": Relay.from_settings(settings["relay"])}
        settings["proxy"] = _proxy_of(settings.get("proxy"), kept["proxy_password"])
        if "client_certificate" in settings:
            settings["client_certificate"] = ClientCertificate(
                file=settings["client_certificate"],
                key_file=settings.pop("client_key_file", None),
                passphrase=kept["client_passphrase"],
            )
        elif "client_key_file" in settings:
            raise ValueError("client_key_file goes with client_certificate")
        return Account(**settings, password=kept["password"])
    except (ValueError, LocalProtocolError) as exc:
        # The name for EHLO is the one field the protocol has a rule for.
        about = "helo" if isinstance(exc, LocalProtocolError) else _key_in(str(exc))
        raise ValueError(f"{_place(path, text, about)}: {exc}") from None


def list_accounts() -> list[str]:
    """Give the names of the saved accounts, in alphabetical order."""
    return sorted(map(_name_of, _files()), key=str.casefold)


def delete_account(name: str) -> None:
    """Remove a saved account, and its secrets from the keyring.

    Raises
    ------
    ValueError
        There is none of that name.
    LocalProtocolError
        The keyring cannot be opened; nothing was removed.
    """
    path = _existing(name)
    forget_secrets(name)
    path.unlink()


def forget_secrets(name: str) -> None:
    """Remove from the keyring whatever is kept there for a saved account.

    Raises
    ------
    LocalProtocolError
        The keyring cannot be opened.
    """
    for field in _ENTRIES:
        passwords.forget(entry_of(name, field))


def entry_of(name: str, field: str) -> str:
    """Give what the keyring keeps a secret of a saved account under.

    Parameters
    ----------
    name : str
        The account's.
    field : {"password", "proxy_password", "client_passphrase"}

    >>> entry_of("work", "proxy_password")
    'work/proxy'
    """
    return unicodedata.normalize("NFC", name) + _ENTRIES[field]


# --- what is kept -------------------------------------------------------------------------


def _settings(account: Account) -> dict[str, Any]:
    """Give the fields that are not the default's, as TOML has them."""
    if account.is_username_secret and not account.is_loopback:
        raise ValueError(
            "the user name is the password itself, which no file may hold"
            + (f"; {account.advice}" if account.advice else "")
        )
    settings: dict[str, Any] = {"port": account.port, "tls": account.tls}
    if account.relay is None:
        settings = {"host": account.host, **settings}
    else:
        settings["relay"] = account.relay.to_settings()
    plain = Account(host=account.host or "direct", username=account.username)
    kept = ("protocol", "username", "auth", "helo", "source_address", "name", "is_lab")
    for key in (*kept, "tls_version"):
        value = getattr(account, key)
        if value is not None and (key == "username" or value != getattr(plain, key)):
            settings[key] = value
    # A relative path means another file from another folder.
    if account.ca_file is not None:
        settings["ca_file"] = str(Path(account.ca_file).absolute())
    if isinstance(own := account.client_certificate, ClientCertificate):
        settings["client_certificate"] = str(Path(own.file).absolute())
        if own.key_file is not None:
            settings["client_key_file"] = str(Path(own.key_file).absolute())
    if isinstance(account.proxy, Proxy):
        settings["proxy"] = account.proxy.url
    if account.pin:
        settings["pin"] = list(account.pin)
    usual = Timeouts()
    timeouts = {
        key: value
        for key in _LIMITS
        if (value := getattr(account.limits, key)) != getattr(usual, key)
    }
    return settings | ({"timeouts": timeouts} if timeouts else {})


def _to_keep(
    password: Password,
    field: str,
    name: str,
    settings: dict[str, Any],
    secrets: dict[str, Secret],
) -> dict[str, str | int] | None:
    """Add what the file says about a password, and the keyring's share; give OAuth's."""
    entry = entry_of(name, field)
    match password:
        case None:
            settings[field] = "keyring"
        case Secret():
            settings[field], secrets[entry] = "keyring", password
        case FromEnvironment():
            settings[field] = f"env:{password.variable}"
        case FromPrompt():
            settings[field] = "prompt"
        case FromKeyring():
            settings[field] = "keyring"
            if password.entry != entry:
                secrets[entry] = password()
        case SavableToken():
            if (refresh := password.refresh_secret()) is not None:
                secrets[entry] = refresh
            return password.to_settings()
        case _:
            prompt = " or FromPrompt()" if field == "password" else ""
            raise ValueError(
                f"a {field.replace('_', ' ')} that is a function cannot be saved; save the "
                "account with the password itself (it goes into the keyring), "
                f'FromEnvironment("NAME"){prompt}'
            )
    return None


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


def _from_oauth(path: Path, text: str, oauth: dict[str, str | int]) -> Password:
    from smtpbook.accounts.oauth import from_settings

    try:
        return from_settings(oauth, *_keyring(_name_of(path)))
    except ValueError as exc:
        raise ValueError(f"{_place(path, text, 'oauth')}: {exc}") from None


def _from_kept(path: Path, text: str, field: str, kind: str | None) -> Password:
    if kind is None:
        return None
    if kind == "keyring":
        return FromKeyring(entry_of(path.stem, field))
    if kind == "prompt" and field == "password":
        return FromPrompt()
    try:
        if kind.startswith("env:"):
            return FromEnvironment(kind.removeprefix("env:"))
    except ValueError as exc:
        raise ValueError(f"{_place(path, text, field)}: {exc}") from None
    # What stands there may be a password: it is not repeated.
    choices = ['"keyring"', '"env:NAME"', *(['"prompt"'] if field == "password" else [])]
    raise ValueError(
        f"{_place(path, text, field)}: {field} is {', '.join(choices[:-1])} or "
        f"{choices[-1]}, never the password itself"
    )


def _proxy_of(url: str | None, password: Password) -> Proxy | None:
    if url is None:
        return None
    scheme, (username, secret), place = split_url(url)
    if secret is not None:
        raise ValueError(
            "proxy holds a password, which no file may; it goes by proxy_password"
        )
    return Proxy.of_split((scheme, (username, None), place), password)


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
    list: "a list of texts",
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

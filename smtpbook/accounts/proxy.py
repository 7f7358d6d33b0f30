"""Proxy: a server that makes connections for others; where it is, and who asks it.

A value: it opens nothing.  How it is asked is `transport`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args
from urllib.parse import quote, unquote

from smtpbook.accounts.passwords import FromPrompt, Password, check_hidden, hidden, hiding
from smtpbook.accounts.secret import Secret
from smtpbook.errors import near_miss

Scheme = Literal["socks5", "socks5h", "socks4", "socks4a", "http"]

# What stands before the last @ is the login: a password may hold any character.
_URL: Final = re.compile(r"([^:/@]*)://(?:(.*)@)?([^@]*)", re.DOTALL)
_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:/\[\]]+)):([0-9]{1,5})/?")


@hiding(password=hidden)
@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy, and the login at it.

    Attributes
    ----------
    scheme : {"socks5", "socks5h", "socks4", "socks4a", "http"}
        What it speaks.  With ``socks5`` and ``socks4`` names are looked up on this machine,
        with the others by the proxy.
    host : str
    port : int
    username : str or None
        None = no login.
    password : Secret or callable or None
        As of `Account`, but nobody is asked to type it.  None = the keyring is asked for
        what it keeps under the account's name and ``/proxy``.

    Raises
    ------
    ValueError
        A field cannot be what it says.
    TypeError
        The password is none of what it may be.

    Examples
    --------
    >>> Proxy.from_url("socks5h://ann:secret@proxy.example:1080")
    Proxy('socks5h://proxy.example:1080')

    References
    ----------
    RFC 1928 and 1929 (SOCKS5), RFC 9110 section 9.3.6 (HTTP's CONNECT).
    """

    scheme: Scheme
    host: str
    port: int
    username: str | None = None
    password: Password = None

    def __post_init__(self) -> None:
        if self.scheme not in get_args(Scheme):
            choices = ", ".join(f"{scheme}://" for scheme in get_args(Scheme))
            raise ValueError(
                f"proxy {self.scheme!a}:// is not one of {choices}"
                f"{near_miss(str(self.scheme), get_args(Scheme))}"
            )
        for name in ("host", "username"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"proxy: {name} is not a text")
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError(f"proxy: {self.host!a} is not a host name or address")
        if type(self.port) is not int or not 1 <= self.port <= 65535:
            raise ValueError(f"proxy: port {self.port!r} is not a number from 1 to 65535")
        if self.username is None and self.password is not None:
            raise ValueError("proxy: a password needs a username")
        if self.password is not None and self.scheme in ("socks4", "socks4a"):
            raise ValueError(
                "proxy: SOCKS4 knows a username and no password; use socks5://"
            )
        check_hidden(self.password, "password")
        if isinstance(self.password, FromPrompt):
            raise ValueError(
                "proxy: nobody is asked for its password while sending; give it where the "
                "account is made: password=getpass.getpass()"
            )

    @classmethod
    def from_url(cls, url: str, *, password: Password = None) -> Proxy:
        """Make a proxy of ``scheme://username:password@host:port``.

        Parameters
        ----------
        url : str
            A character of the login that is no letter or digit may be written as %XX.
        password : str, Secret or callable, optional
            In place of the URL's.

        Raises
        ------
        ValueError
            It is no such URL.
        """
        # A traceback that shows locals must show neither.
        url, password, split = "", hidden(password), split_url(url)
        return cls.of_split(split, password)

    @classmethod
    def of_split(cls, split: SplitUrl, password: Password = None) -> Proxy:
        """Make a proxy of what `split_url` gives; raises what `from_url` does."""
        scheme, (username, secret), place = split
        found = _PLACE.fullmatch(place)
        if found is None:
            raise ValueError(
                "proxy is a URL with a port, such as "
                f'"{scheme or "socks5h"}://proxy.example:1080", or with a login '
                '"socks5h://ann:password@proxy.example:1080"'
            )
        return cls(
            scheme=scheme,  # type: ignore[arg-type]
            host=found[1] or found[2],
            port=int(found[3]),
            username=username or None,
            password=secret if password is None else password,
        )

    @property
    def looks_up(self) -> bool:
        """Whether it is given the server's name, and looks that up itself."""
        return self.scheme in ("socks5h", "socks4a", "http")

    @property
    def url(self) -> str:
        """The URL with the username and without the password."""
        login = f"{quote(self.username, safe='')}@" if self.username is not None else ""
        return str(self).replace("://", f"://{login}", 1)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})" if hasattr(self, "password") else "Proxy(...)"

    def replace(self, **changes: Any) -> Proxy:
        """Give a copy with some fields changed."""
        changes["password"] = hidden(changes.get("password", self.password))
        return replace(self, **changes)


SplitUrl = tuple[str, tuple[str | None, Secret | None], str]
"""A scheme, a login, and the rest; no text here holds the password."""


def split_url(url: str) -> SplitUrl:
    """Take the password out of a URL before anything is said about it.

    >>> split_url("http://ann:p%40ss@proxy.example:8080")
    ('http', ('ann', Secret(••••••)), 'proxy.example:8080')
    """
    scheme, login, place = getattr(
        _URL.fullmatch(url.strip()), "groups", lambda: ("", None, "")
    )()
    if login is None:
        return scheme, (None, None), place
    username, colon, password = login.partition(":")
    return scheme, (unquote(username), Secret(unquote(password)) if colon else None), place

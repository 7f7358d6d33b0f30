"""Account: where to log in, how, and as whom.

A value: it opens nothing and asks nobody.  Saved accounts and providers' presets stand
beside it; what it says is carried out by `session`.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from smtpbook.accounts.passwords import FromKeyring, FromPrompt
from smtpbook.accounts.presets import Provider, find_provider, provider_of
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import LocalProtocolError, near_miss
from smtpbook.protocol.addresses import check_helo

TlsMode = Literal["implicit", "starttls", "none"]

# Submission with TLS from the first octet is preferred to STARTTLS (RFC 8314 section 3.3);
# 25 is for relay (RFC 5321 section 4.5.4.2).
_PORTS: Final[dict[str, int]] = {"implicit": 465, "starttls": 587, "none": 25}
_USUAL_TLS: Final[dict[int, TlsMode]] = {465: "implicit", 25: "none"}

Password = Secret | Callable[[], str | Secret] | str | None
"""What `Account.password` may be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A server and a login.

    Parameters
    ----------
    host : str
        Name or address of the server.
    port : int, optional
        Default: 465 for ``tls="implicit"``, 587 for ``"starttls"``, 25 for ``"none"``.
    tls : {"implicit", "starttls", "none"}, optional
        Default: what is usual at the port.  There is no "if possible": a server that does
        not offer STARTTLS when it is asked for is an error, and the certificate is always
        verified (RFC 8314).
    username : str, optional
        None = no login.
    password : str, Secret or callable, optional
        A string becomes a `Secret` at once.  A callable is asked at each login: one of
        `smtpbook.accounts.passwords`, an OAuth token, a function.  None = the keyring is
        asked for what it keeps under `name`.
    auth : str
        ``"auto"``: the strongest that both sides know and the password serves.  Or a SASL
        mechanism's name, such as ``"EXTERNAL"``, ``"GSSAPI"`` or ``"NTLM"``, which are
        used only by name; the first two, and ``"ANONYMOUS"``, need no username.
    helo : str, optional
        What to call ourselves in EHLO; default: this machine's name if it is a full one,
        else its address in brackets (RFC 5321 section 4.1.4).
    source_address : str, optional
        The local IP address to connect from.
    ca_file : path, optional
        Certificates to trust in place of the system's, as PEM.
    timeouts : Timeouts or float
        Per phase, or one number of seconds for all.
    name : str, optional
        What the log calls the account; default: ``username@host`` or the host.
    is_lab : bool
        A lab server: nothing is delivered, so nobody is asked before sending.

    Raises
    ------
    ValueError
        A field cannot be what it says; the message names it.
    TypeError
        The password is none of what it may be.
    LocalProtocolError
        `helo` is neither a domain name nor an address literal.

    Warns
    -----
    UserWarning
        The provider is known to refuse a password such as this one; see `advice`.

    Examples
    --------
    >>> Account(host="smtp.example.org", tls="starttls", username="ann", password="x").port
    587
    >>> Account(host="smtp.example.org", username="ann", password="not shown")
    Account('ann@smtp.example.org', port=587, tls='starttls')
    """

    host: str
    port: int = 0
    tls: TlsMode | None = None
    username: str | None = None
    password: Password = None
    auth: str = "auto"
    helo: str | None = None
    source_address: str | None = None
    ca_file: str | Path | None = None
    timeouts: Timeouts | float = Timeouts()  # noqa: RUF009 (frozen)
    name: str | None = None
    is_lab: bool = False

    def __post_init__(self) -> None:
        def put(field: str, value: object) -> None:
            object.__setattr__(self, field, value)

        host = self.host.strip().rstrip(".") if isinstance(self.host, str) else ""
        if not host or not host.isprintable() or any(c in host for c in " /@<>"):
            raise ValueError(f"host {self.host!a} is not a host name or address")
        if host.count(":") == 1:  # an IPv6 address has more
            name, _, port = host.partition(":")
            raise ValueError(
                f"host {host!a} is more than a name; the port is given by itself: "
                f"host={name!a}, port={port or 587}"
            )
        put("host", host)
        if self.tls is not None and self.tls not in get_args(TlsMode):
            choices = ", ".join(repr(mode) for mode in get_args(TlsMode))
            raise ValueError(
                f"tls={self.tls!r} is not one of {choices}"
                f"{near_miss(str(self.tls), get_args(TlsMode))}"
            )
        if not isinstance(self.port, int) or not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port!r} is not a number from 1 to 65535")
        if self.tls is None:
            put("tls", _USUAL_TLS.get(self.port, "starttls"))
        if not self.port:
            put("port", _PORTS[str(self.tls)])
        if not isinstance(self.timeouts, Timeouts):
            put("timeouts", Timeouts.all(self.timeouts))
        if self.helo is not None:
            check_helo(self.helo)
        if isinstance(self.password, type):  # see _hidden
            raise TypeError(
                f"a password is a string, a Secret or a function, not "
                f"{self.password.__name__}"
            )
        if self.username is None and self.password is not None:
            raise ValueError("a password needs a username")
        if self.name is None:
            put("name", self._own_name)
        self._warn()

    def __repr__(self) -> str:
        if not hasattr(self, "name"):  # refused before it was whole; a traceback shows it
            return "Account(...)"
        return f"Account({self.name!r}, port={self.port}, tls={self.tls!r})"

    @property
    def _own_name(self) -> str:
        if not self.username or self.is_username_secret:
            return self.host
        return f"{self.username}@{self.host}"

    @property
    def is_username_secret(self) -> bool:
        """Whether the user name is the password, too, as some providers' tokens are."""
        password = self.password
        return isinstance(password, Secret) and password.reveal() == self.username

    def _warn(self) -> None:
        if self.username is None or not isinstance(self.password, Secret):
            return
        provider = self.provider
        if provider is not None and provider.doubts(self.username, self.password):
            warnings.warn(f"{provider.title}: {provider.hint}", stacklevel=_outside())

    @classmethod
    def preset(
        cls,
        name: str,
        /,
        *,
        username: str | None = None,
        password: Password = None,
        region: str | None = None,
        **changes: Any,
    ) -> Account:
        """Make an account at a well-known provider.

        Parameters
        ----------
        name : str
            A key of `presets.PROVIDERS`, an alias, a domain, or an address at one, which
            is then the username, too.
        username, password
            As for `Account`; some providers have one username for everybody.
        region : str, optional
            For providers with a server in each, such as ``"eu-west-1"``.
        **changes
            Further fields of `Account`; they go before the preset's.

        Raises
        ------
        ValueError
            There is no such preset (the near miss is suggested), or it needs a region.

        Examples
        --------
        >>> Account.preset("ann@gmail.com")
        Account('ann@gmail.com@smtp.gmail.com', port=465, tls='implicit')
        >>> Account.preset("ses", region="eu-west-1").host
        'email-smtp.eu-west-1.amazonaws.com'
        """
        password = _hidden(password)
        provider = find_provider(name)
        if provider.has_regions is not (region is not None):
            needs = 'needs region=, such as "eu-west-1"' if region is None else "has none"
            raise ValueError(f"preset {provider.key!r} {needs} (region={region!r})")
        if username is None:
            username = name.strip() if "@" in name else provider.username
        fields: dict[str, Any] = {
            "host": provider.host.format(region=region),
            "port": provider.port,
            "tls": provider.tls,
            # A provider that wants a token may still take a password, from some.
            "auth": "auto" if isinstance(password, Secret) else provider.auth,
            "username": username,
            "password": password,
        }
        if "tls" in changes and "port" not in changes:
            del fields["port"]
        return cls(**(fields | changes))

    @property
    def provider(self) -> Provider | None:
        """The provider the server belongs to; None = not in the table of presets."""
        return provider_of(self.host, self.port, self.username)

    @property
    def advice(self) -> str | None:
        """What to know about the password before the first login; None = nothing is known.

        Where an account's everyday password is no longer taken, this says what is.

        >>> Account.preset("fastmail", username="ann@fastmail.com").advice[:38]
        'Fastmail takes an app password only: S'
        """
        return self.provider.hint if self.provider and self.username else None

    @property
    def limits(self) -> Timeouts:
        """The time limits, as `Timeouts`."""
        assert isinstance(self.timeouts, Timeouts)  # __post_init__ saw to it
        return self.timeouts

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, so that nothing travels."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def replace(self, **changes: Any) -> Account:
        """Give a copy with some fields changed.

        The port follows `tls` unless given, and so does a name nobody chose the login.
        """
        changes["password"] = _hidden(changes.get("password", self.password))
        if "tls" in changes and "port" not in changes:
            changes["port"] = 0
        if self.name == self._own_name:
            changes.setdefault("name", None)
        return replace(self, **changes)

    def ask(self) -> Account:
        """Ask for the password now, on this thread, if it is one that somebody types.

        Whoever logs in more than once, or on another thread, begins with this.

        Returns
        -------
        Account
            A copy that holds what was typed; this one where nobody is to be asked.
        """
        if isinstance(self.password, FromPrompt):
            return self.replace(password=self.secret())
        return self

    def secret(self) -> Secret | None:
        """Give the password or token now: a callable or the keyring is asked.

        It may block (a prompt, a token refresh, a locked keyring): not on a trio thread.

        Returns
        -------
        Secret or None
            None = no login.

        Raises
        ------
        LocalProtocolError
            There is none; the message lists the ways to give one.
        """
        match self.password:
            case Secret():
                return self.password
            case FromPrompt():
                return self.password(self.name or "")
            case None:
                return FromKeyring(self.name or "")() if self.username else None
        given = _hidden(self.password())  # type: ignore[operator]
        return given if isinstance(given, Secret) else None


def _hidden(password: Any) -> Any:
    """Make a plain password a `Secret`; what cannot be one leaves its type behind.

    It may be a password all the same (bytes, a number), and is not to be shown.
    """
    if isinstance(password, str):
        return Secret(password)
    if password is None or isinstance(password, Secret) or callable(password):
        return password
    return type(password)


def _outside() -> int:
    """Give the stack level at which this package was called: the line to warn about."""
    level, frame = 0, sys._getframe()
    while frame.f_back is not None and re.match(
        r"smtpbook\.|dataclasses$", frame.f_globals["__name__"]
    ):
        level, frame = level + 1, frame.f_back
    return level


def _hiding(init: Callable[..., None]) -> Callable[..., None]:
    """Let `__init__` see no plain password: a traceback with locals would show it."""

    @functools.wraps(init)
    def hiding(self: Account, **fields: Any) -> None:
        fields["password"] = _hidden(fields.get("password"))
        init(self, **fields)

    return hiding


Account.__init__ = _hiding(Account.__init__)  # type: ignore[method-assign]


def own_name(address: str) -> str:
    """Give the name to greet with: a full host name, else the local address in brackets.

    Parameters
    ----------
    address : str
        The local IP address of the connection.

    >>> own_name("2001:db8::1") if "." not in socket.gethostname() else "[IPv6:2001:db8::1]"
    '[IPv6:2001:db8::1]'

    References
    ----------
    RFC 5321 section 4.1.4: a primary host name if possible, else an address literal.
    """
    name = socket.gethostname()
    if "." in name and not name.endswith((".local", ".localdomain")):
        try:
            return check_helo(name)
        except LocalProtocolError:  # a machine may call itself anything
            return _literal(address)
    return _literal(address)


def _literal(address: str) -> str:
    address = address.partition("%")[0]  # without the zone of a link-local address
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return "[127.0.0.1]"
    return f"[IPv6:{address}]" if version == 6 else f"[{address}]"

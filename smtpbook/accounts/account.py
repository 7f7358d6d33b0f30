"""Account: where to log in, how, and as whom.

A value: it opens nothing and asks nobody.  Saved accounts stand beside it; what it says
is carried out by `session`.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.direct import Relay, check_direct, direct
from smtpbook.accounts.passwords import (
    FromKeyring,
    FromPrompt,
    Password,
    check_hidden,
    hidden,
    hiding,
    revealed,
)
from smtpbook.accounts.proxy import Proxy, split_url
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.certificates.certificate import pins
from smtpbook.errors import near_miss
from smtpbook.presets.provider import Provider, find_provider, provider_of
from smtpbook.protocol.addresses import check_helo
from smtpbook.protocol.verdicts import PROTOCOLS, Protocol
from smtpbook.sasl.registry import check_mechanism

TlsMode = Literal["implicit", "starttls", "none", "opportunistic"]

# Submission with TLS from the first octet is preferred to STARTTLS (RFC 8314 section 3.3);
# 25 is for relay (RFC 5321 section 4.5.4.2).
_PORTS: Final[dict[str, int]] = {
    "implicit": 465,
    "starttls": 587,
    "none": 25,
    "opportunistic": 25,
}
_USUAL_TLS: Final[dict[int, TlsMode]] = {465: "implicit", 25: "none"}
# Where Postfix and Dovecot look for LMTP; "MUST NOT be used on the TCP service port 25" --
# RFC 2033 section 5
_LMTP_PORT: Final = 24


def _split(proxy: Any) -> Any:
    """Take the password out of a proxy's URL."""
    return split_url(proxy) if isinstance(proxy, str) else proxy


@hiding(password=hidden, proxy=_split)
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A server and a login.

    Parameters
    ----------
    host : str
        Name or address of the server; or the path of its Unix socket, from ``/`` on, which
        LMTP servers have: then there is no port and no TLS, and nothing leaves the machine.
    protocol : {"smtp", "lmtp"}
        LMTP hands mail to a store, such as Dovecot, which answers for each recipient by
        itself (RFC 2033).  Default then: port 24 and no TLS.
    port : int, optional
        Default: 465 for ``tls="implicit"``, 587 for ``"starttls"``, else 25.  0 for a Unix
        socket.
    tls : {"implicit", "starttls", "none", "opportunistic"}, optional
        Default: what is usual at the port.  With the first two, a server that does not
        offer TLS is an error, and its certificate is always verified (RFC 8314).
        ``"opportunistic"`` is for relay, as servers do it among themselves (RFC 7435):
        STARTTLS where it is offered, whatever the certificate, else clear text.  It keeps
        out who only listens; the log's ``tls`` row says which it was.  There is no login
        then, because nothing proves who would be told the password.
    tls_version : {"1.2", "1.3"}, optional
        The only one that is offered.  Default: both (RFC 8314 section 4.1).
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
        The local IP address to connect from; only addresses of its family are tried.
    proxy : str or Proxy, optional
        The server is reached through it: ``"socks5h://ann:password@proxy.example:1080"``,
        or ``socks5``, ``socks4``, ``socks4a``, ``http``; see `Proxy` for what differs, and
        for a password that does not stand in the URL.
    ca_file : path, optional
        Certificates to trust in place of the system's, as PEM.  The system's are those of
        Keychain on macOS, of the certificate store on Windows, and elsewhere, or where the
        environment sets SSL_CERT_FILE or SSL_CERT_DIR, what OpenSSL reads.
    client_certificate : path, pair of paths or ClientCertificate, optional
        By which this side proves who it is: a PEM file with certificate and key, or one of
        each.  A `ClientCertificate` can name the key's passphrase, too.
    pin : str or sequence of str, optional
        Fingerprints of which the server's certificate must have one, besides being valid:
        ``sha256//`` and base64 of its key (RFC 7469), or hexadecimal of the whole.  Several
        let a server change its key.
    timeouts : Timeouts or float
        Per phase, or one number of seconds for all.
    name : str, optional
        What the log calls the account; default: ``username@host`` or the host.
    is_lab : bool
        A lab server: nothing is delivered, so nobody is asked before sending.
    relay : Relay, optional
        There is no one server, and `host` is empty: each recipient's own are found by it.
        `direct` makes such an account.

    Raises
    ------
    ValueError
        A field cannot be what it says, or not beside another; the message names it.
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
    protocol: Protocol = "smtp"
    port: int = 0
    tls: TlsMode | None = None
    tls_version: Literal["1.2", "1.3"] | None = None
    username: str | None = None
    password: Password = None
    auth: str = "auto"
    helo: str | None = None
    source_address: str | None = None
    proxy: str | Proxy | None = None
    ca_file: str | Path | None = None
    client_certificate: str | Path | tuple[str, str] | ClientCertificate | None = None
    pin: str | Sequence[str] = ()
    timeouts: Timeouts | float = Timeouts()  # noqa: RUF009 (frozen)
    name: str | None = None
    is_lab: bool = False
    relay: Relay | None = None

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.relay is None or self.host:
            put("host", _checked_host(self.host))
        for field in ("username", "auth", "helo", "source_address", "name"):
            value = getattr(self, field)
            if not isinstance(value, str | None):  # not shown: some user names are secret
                raise ValueError(f"{field} is a text, not {type(value).__name__}")
        if self.name is not None and not self.name.isprintable():
            raise ValueError(f"name {self.name!a} holds a control character")
        if not isinstance(self.is_lab, bool):
            raise ValueError(f"is_lab={self.is_lab!r} is neither True nor False")
        if self.tls is not None and self.tls not in get_args(TlsMode):
            choices = ", ".join(repr(mode) for mode in get_args(TlsMode))
            raise ValueError(
                f"tls={self.tls!r} is not one of {choices}"
                f"{near_miss(str(self.tls), get_args(TlsMode))}"
            )
        if self.tls_version not in (None, "1.2", "1.3"):
            raise ValueError(f"tls_version={self.tls_version!r} is not '1.2' or '1.3'")
        if self.protocol not in PROTOCOLS:
            choices = ", ".join(map(repr, PROTOCOLS))
            raise ValueError(
                f"protocol={self.protocol!r} is not one of {choices}"
                f"{near_miss(str(self.protocol), PROTOCOLS)}"
            )
        if type(self.port) is not int or not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port!r} is not a number from 1 to 65535")
        if self.protocol == "lmtp":
            self._begin_lmtp()
        if self.tls is None:
            usual = "none" if self.is_unix else _USUAL_TLS.get(self.port, "starttls")
            put("tls", usual)
        if not self.port and not self.is_unix:
            put("port", _PORTS[str(self.tls)])
        if not isinstance(self.timeouts, Timeouts):
            put("timeouts", Timeouts.all(self.timeouts))
        check_mechanism(self.auth)
        if self.helo is not None:
            check_helo(self.helo)
        if isinstance(self.proxy, tuple) and len(self.proxy) == 3:  # see _split
            put("proxy", Proxy.of_split(self.proxy))
        elif self.proxy is not None and not isinstance(self.proxy, Proxy):
            raise ValueError("proxy is a URL or a Proxy")
        if self.client_certificate is not None:
            put("client_certificate", ClientCertificate.of(self.client_certificate))
        put("pin", pins(self.pin or ()))
        self._check_together()
        if self.name is None:
            put("name", self._own_name)
        self._warn()

    def _check_together(self) -> None:
        """Refuse what cannot be beside something else."""
        check_hidden(self.password, "password")
        if self.username is None and self.password is not None:
            raise ValueError("a password needs a username")
        if not isinstance(self.ca_file, str | os.PathLike | None):
            raise ValueError(f"ca_file {self.ca_file!a} is not a path")
        if self.source_address is not None:
            try:
                ipaddress.ip_address(self.source_address)
            except ValueError:
                raise ValueError(
                    f"source_address {self.source_address!a} is not an IP address"
                ) from None
        if self.is_unix:
            for name in ("port", "source_address", "proxy"):
                if getattr(self, name):
                    raise ValueError(f"a Unix socket has no {name}; leave it out")
            if self.tls != "none":
                raise ValueError(f"a Unix socket has no TLS; leave tls={self.tls!r} out")
        if self.relay is not None:
            check_direct(self)
        if self.tls == "opportunistic":
            self._check_no_login()
        if self.pin and self.tls not in ("implicit", "starttls"):
            raise ValueError(
                f'pin goes with tls="starttls" or "implicit", not {self.tls!r}'
            )
        if self.client_certificate is not None and self.tls == "none":
            raise ValueError('client_certificate goes with TLS, and tls is "none"')

    def _check_no_login(self) -> None:
        """Refuse a login at a server that has not proved who it is."""
        if self.username is not None:
            raise ValueError(
                'tls="opportunistic" does not prove who would be told the password of '
                'username; use "starttls" or "implicit"'
            )
        if self.auth != "auto":  # some mechanisms need no username
            raise ValueError(
                f'auth={self.auth!r} goes with tls="starttls" or "implicit", not with '
                "'opportunistic', which does not prove who is logged in to"
            )

    def _begin_lmtp(self) -> None:
        """Put in what is usual with LMTP, which nobody reaches over the Internet."""
        if self.port == 25:
            raise ValueError("port 25 is SMTP's, and LMTP must not be there; it has 24")
        if not self.port and not self.is_unix:
            object.__setattr__(self, "port", _LMTP_PORT)
        if self.tls is None:
            object.__setattr__(self, "tls", "none")

    def __repr__(self) -> str:
        if not hasattr(self, "name"):  # refused before it was whole; a traceback shows it
            return "Account(...)"
        return f"Account({self.name!r}, port={self.port}, tls={self.tls!r})"

    @property
    def _own_name(self) -> str:
        if self.relay is not None:
            return "direct"
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
        if provider is not None and provider.doubts(self.username, self.password.reveal()):
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
        password = hidden(password)
        if "proxy" in changes:
            changes["proxy"] = _split(changes["proxy"])
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

    direct = classmethod(direct)

    def at(self, host: str, **changes: Any) -> Account:
        """Give the account by which a session with one of the servers found is held."""
        port = self.port if self.relay is None else self.relay.ports.get(host, self.port)
        given = {"host": host, "port": port, "relay": None, "name": self.name}
        return self.replace(**given | changes)

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
    def is_unix(self) -> bool:
        """Whether `host` is the path of a Unix socket."""
        return self.host.startswith("/")

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, so that nothing travels.

        What a proxy calls its own machine is another one.
        """
        if self.proxy is not None:
            return False
        if self.is_unix or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def place(self) -> str:
        """Where the server is, in short: ``host:port``, or the path of a Unix socket."""
        if self.relay is not None:
            return f"each domain's own servers, port {self.port}"
        if self.is_unix:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def replace(self, **changes: Any) -> Account:
        """Give a copy with some fields changed.

        The port follows `tls` unless given, both follow `protocol`, and a name nobody chose
        follows the login.
        """
        changes["password"] = hidden(changes.get("password", self.password))
        changes["proxy"] = _split(changes.get("proxy", self.proxy))
        is_unix = str(changes.get("host", self.host)).startswith("/")
        protocol = changes.get("protocol", self.protocol)
        if (is_unix, protocol) != (self.is_unix, self.protocol):
            changes = {"port": 0, "tls": None} | changes
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
        return revealed(self.password)

    def proxy_secret(self) -> Secret | None:
        """Give the proxy's password now, as `secret` gives the server's.

        Raises
        ------
        LocalProtocolError
            There is none, where one is needed; the message lists the ways to give one.
        """
        proxy = self.proxy
        if not isinstance(proxy, Proxy) or proxy.username is None:
            return None
        if proxy.password is None and not proxy.scheme.startswith("socks4"):
            return FromKeyring(f"{self.name}/proxy")()
        return revealed(proxy.password)


def _checked_host(host: object) -> str:
    text = host.strip() if isinstance(host, str) else ""
    if text.startswith("/") and text.isprintable():
        return text
    if text.startswith("unix:"):
        raise ValueError(
            f"host {text!a}: a Unix socket is given by its path alone, such as "
            f"host={text.removeprefix('unix:')!a}"
        )
    text = text.rstrip(".")
    if not text or not text.isprintable() or any(c in text for c in " /@<>"):
        raise ValueError(f"host {text!a} is not a host name or address")
    if text.count(":") == 1:  # an IPv6 address has more
        name, _, port = text.partition(":")
        raise ValueError(
            f"host {text!a} is more than a name; the port is given by itself: "
            f"host={name!a}, port={port or 587}"
        )
    return text


def _outside() -> int:
    """Give the stack level at which this package was called: the line to warn about."""
    level, frame = 0, sys._getframe()
    while frame.f_back is not None and re.match(
        r"smtpbook\.|dataclasses$", frame.f_globals["__name__"]
    ):
        level, frame = level + 1, frame.f_back
    return level

"""Provider: where to log in at a well-known one, and with what kind of password.

The facts are those of ``tables/providers.toml``, each row with its source and date; they
age, so they advise and never forbid.  Nothing is asked on the network.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal

from smtpbook.errors import near_miss
from smtpbook.protocol.addresses import domain_of

PasswordKind = Literal[
    "password", "app password", "api key", "smtp password", "oauth token", "bridge password"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider of mail submission.

    Attributes
    ----------
    key : str
        What `Account.preset` calls it.
    title : str
        For people.
    aliases, domains : tuple of str
        Other names, and the domains whose addresses are its own.
    host : str
        The server; with ``{region}`` in it where each region has its own.
    port : int
    tls : {"implicit", "starttls"}
    auth : str
        ``"auto"`` or a SASL mechanism's name.
    username : str or None
        The username, where it is the same for everybody.
    password_kind : str
        What it wants as a password; ``"smtp password"`` is one made for SMTP alone.
    password_form : str or None
        A pattern such a password matches, spaces and hyphens left out; None = not known.
    per_day : int or None
        Messages or recipients taken in 24 hours from one account of the usual plan; None =
        not published.
    per_connection : int or None
        Messages taken on one connection; None = not published.
    hint : str
        What to know before the first login, in a sentence or two.
    source : str
        Page the settings were read in.
    limit_source : str or None
        Page `per_day` was read in, where it is another.
    date : date
        When they were read.
    page_date : str or None
        The page's own date, where it bears one: ISO 8601, perhaps without the day.
    """

    key: str
    title: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    host: str
    port: int
    tls: Literal["implicit", "starttls"]
    auth: str = "auto"
    username: str | None = None
    password_kind: PasswordKind
    password_form: str | None = None
    per_day: int | None = None
    per_connection: int | None = None
    hint: str
    source: str
    limit_source: str | None = None
    date: date
    page_date: str | None = None

    @property
    def has_regions(self) -> bool:
        """Whether a region must be named."""
        return "{region}" in self.host

    def serves(self, host: str, port: int) -> bool:
        """Tell whether a server is this provider's.

        On this machine (a bridge) the port must be the provider's, too.
        """
        before, region, after = self.host.partition("{region}")
        if region:
            return host.lower().startswith(before) and host.lower().endswith(after)
        return host.lower() == before and (before != "127.0.0.1" or port == self.port)

    def doubts(self, username: str, password: str) -> bool:
        """Tell whether a login with this username and password will probably be refused."""
        if self.username not in (None, username) or self.auth == "XOAUTH2":
            return True
        if self.password_form is None:
            return False
        return not re.fullmatch(self.password_form, re.sub(r"[\s-]", "", password))


def _read() -> dict[str, Provider]:
    table = resources.files("smtpbook.presets") / "tables" / "providers.toml"
    rows: dict[str, dict[str, Any]] = tomllib.loads(table.read_text("utf-8"))
    for row in rows.values():
        for name in ("aliases", "domains"):
            row[name] = tuple(row.get(name, ()))
    return {key: Provider(key=key, **row) for key, row in rows.items()}


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(_read())
"""Every preset by its key, the most used first."""

_BY_NAME: Final = {
    name: provider
    for provider in PROVIDERS.values()
    for name in (*provider.domains, *provider.aliases, provider.key)
}


def find_provider(name: str) -> Provider:
    """Give the provider of a name: a key, an alias, a domain or an address at one.

    Raises
    ------
    ValueError
        There is none; the message suggests the near miss.

    >>> find_provider("ann@gmail.com").key, find_provider("Office365").key
    ('gmail', 'microsoft365')
    """
    wanted = name.strip().lower()
    domain = domain_of(wanted) if "@" in wanted else None
    provider = _BY_NAME.get(domain or wanted)
    if provider is not None:
        return provider
    if "@" in wanted:
        raise ValueError(
            f"no preset for addresses at {domain!a}{near_miss(domain or '', _BY_NAME)}; "
            f"name the provider that hosts the domain, or give host="
        )
    raise ValueError(
        f"no preset {name!a}{near_miss(wanted, _BY_NAME)}; there are {', '.join(PROVIDERS)}"
    )


def provider_of(host: str, port: int, username: str | None = None) -> Provider | None:
    """Give the provider a server belongs to; None = not in the table.

    Where two share a server, the username's domain decides.

    >>> provider_of("email-smtp.eu-west-1.amazonaws.com", 587).key
    'ses'
    """
    found = [p for p in PROVIDERS.values() if p.serves(host, port)]
    domain = domain_of(username or "")
    found.sort(
        key=lambda provider: bool(provider.domains) and domain not in provider.domains
    )
    return found[0] if found else None

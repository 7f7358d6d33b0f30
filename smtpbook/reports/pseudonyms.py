"""Pseudonyms: names by which a case file calls people, domains, servers and sessions.

The same name has the same pseudonym throughout one file, so what belongs together stays
together; in another file it has another.  A pseudonym is a keyed hash (HMAC), and the key
is thrown away with this object: who knows an address cannot find out whether it is in the
file, as he could by hashing all addresses he knows without a key.

What is public and nobody's own keeps its name: the domains of mailbox providers, such as
gmail.com, and of a provider's server the end of its name, for what is asked of a log is
often how one provider behaves.  Case is no difference, as in all our tables.

References
----------
RFC 2104 (HMAC), RFC 2606 section 2 (".invalid"), RFC 3849 (2001:db8::/32).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from smtpbook.codes.provider_tables import providers
from smtpbook.presets.provider import PROVIDERS
from smtpbook.protocol.addresses import domain_of

# 60 bits: of a million names two are called alike once in two million files.
_CHARS: Final = 12
_DOCUMENTATION: Final = bytes.fromhex("20010db8")


class Pseudonyms:
    """Gives names of one file their pseudonyms.

    Parameters
    ----------
    key : bytes, optional
        At random if omitted, and known to nobody.

    Examples
    --------
    >>> names = Pseudonyms(b"only for this example")
    >>> names.address("Ann@X.example") == names.address("ann@x.example")
    True
    >>> names.address("ann@gmail.com").partition("@")[2]
    'gmail.com'
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key

    def of(self, kind: str, name: str) -> str:
        """Give a name of some kind its pseudonym, such as ``session-7yq2k4n3ubx5``."""
        digest = base64.b32encode(self._digest(kind, name)).decode("ascii")
        return f"{kind}-{digest[:_CHARS].lower()}"

    def domain(self, domain: str) -> str:
        """Give a domain its pseudonym, below ``.invalid``; a provider's own is kept."""
        plain = domain_of(f"@{domain.strip().rstrip('.')}") or domain.casefold()
        return plain if plain in _kept_domains() else f"{self.of('d', plain)}.invalid"

    def address(self, address: str) -> str:
        """Give an address its pseudonym; the null reverse-path is no address."""
        if not address:
            return ""
        local_part, at, domain = address.strip().casefold().rpartition("@")
        if not at:
            return self.of("r", domain)
        return f"{self.of('r', f'{local_part}@{domain}')}@{self.domain(domain)}"

    def server(self, server: str) -> str:
        """Give a server its pseudonym: a host name's, an IP address's or a socket's."""
        name = server.strip().casefold().rstrip(".")
        if name == "localhost" or name in _kept_hosts():
            return name
        if "/" in name:
            return self.of("socket", name)
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return f"{self.of('h', name)}.{_provider_end(name) or 'invalid'}"
        return self.ip(name.strip("[]"))

    def ip(self, address: str) -> str:
        """Give an IP address its pseudonym, one of those that are for documentation."""
        try:
            known = ip_address(address.strip())
        except ValueError:
            return self.of("ip", address)
        if known.is_loopback:
            return str(known)
        digest = self._digest("ip", str(known))
        return str(IPv6Address(_DOCUMENTATION + digest[:12]))

    def _digest(self, kind: str, name: str) -> bytes:
        message = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")


@cache
def _kept_domains() -> frozenset[str]:
    return frozenset(domain for one in PROVIDERS.values() for domain in one.domains)


@cache
def _kept_hosts() -> frozenset[str]:
    return frozenset(one.host for one in PROVIDERS.values())


def _provider_end(name: str) -> str | None:
    """Give the part of a server's name by which its provider is known; None = by none."""
    ends = {host for one in providers().values() for host in one.hosts}
    while name:
        if name in ends:
            return name
        name = name.partition(".")[2]
    return None

"""Route: to which hosts a domain's mail goes, in order, and what each has to prove.

It joins the domain's mail hosts (`lookup.mail_hosts`), DANE (`dane`) and MTA-STS
(`mta_sts`).  Nothing is connected to here, but for the file of an MTA-STS policy.

What a sender does with a `Route`:

- Without `Route.usable` hosts nothing is connected to: `Route.error` says why, and
  `Route.is_lasting` whether for good (rejected) or for now (deferred).
- Else it tries the usable hosts in order.  ``functools.partial(connect_to,
  host.addresses.found)`` is a session's connector, and `Host.name` the account's host: it
  is what TLS asks for (SNI), and whose certificate is verified.  A host that cannot be
  reached, or defers, leaves it to the next one.
- `Security.account_tls` is the account's ``tls``.  Where `Security.proof` is ``"tlsa"``,
  that handshake proves nothing by itself: `Security.failure` is asked about
  `TlsStream.certificate_chain` before anything is said under TLS, and what it gives ends
  the session.
- Where `Security.is_tls_required` and a host offers no STARTTLS, that is a failure, too:
  `tls_report.NO_STARTTLS`.
- Whatever fails so is deferred at most, never rejected: an attacker could be the cause, and
  goes away (RFC 7672 section 2.2, RFC 8461 section 5).  `tls_results` makes a table of it.

DANE goes before MTA-STS: "senders who implement MTA-STS validation MUST NOT allow MTA-STS
Policy validation to override a failing DANE validation" (RFC 8461 section 2).  Where DNSSEC
vouches for a host's TLSA records, they alone decide about that host.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker
from smtpbook.lookup.mail_hosts import MailHost, MailHosts, mail_hosts
from smtpbook.protocol.addresses import to_a_labels
from smtpbook.routes.addresses import Addresses, addresses_of
from smtpbook.routes.dane import NO_DANE, Dane, Tlsa, chain_failure, dane_of
from smtpbook.routes.mta_sts import Fetch, StsAnswer, StsPolicies
from smtpbook.routes.tls_report import PolicyType, TlsFailure

Policies = StsPolicies | Mapping[str, str] | Fetch | None
"""Where MTA-STS policies come from; see `route_of`."""

MAX_HOSTS: Final = 20
"""How many mail hosts of a domain are looked at; what is beyond is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a host has to prove before a message is handed to it.

    Attributes
    ----------
    policy : {"tlsa", "sts", "no-policy-found"}
        What asks for it.
    is_tls_required : bool
        Nothing is sent in clear text.
    proof : {"nothing", "web_pki", "tlsa"}
        By what the server's certificate is judged: not at all, as a browser would, by
        `records`.
    records : tuple of Tlsa
    names : tuple of str
        Of which a certificate has to have one, where a record is about an authority.
    is_testing : bool
        The policy is MTA-STS's ``testing``: what it asks for is reported if it fails, and
        keeps no mail back.
    """

    policy: PolicyType
    is_tls_required: bool = False
    proof: Literal["nothing", "web_pki", "tlsa"] = "nothing"
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    is_testing: bool = False

    @property
    def account_tls(self) -> Literal["starttls", "opportunistic"]:
        """The `tls` of an account for this host."""
        return "starttls" if self.proof == "web_pki" else "opportunistic"

    def failure(self, chain: Sequence[bytes]) -> TlsFailure | None:
        """Say why a server has not proved what `records` ask for.

        Parameters
        ----------
        chain : sequence of bytes
            The certificates it has shown, DER, its own first.

        Returns
        -------
        TlsFailure or None
            None = it has, or nothing is asked for that the handshake does not see to.
        """
        if self.proof != "tlsa":
            return None
        return chain_failure(self.records, chain, self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One mail host of a route.

    Attributes
    ----------
    preference : int
        The lowest is tried first.
    name : str
    addresses : Addresses
    security : Security
    dane : Dane
    failure : TlsFailure or None
        Why its policy keeps it from being used, or would, where that is in testing.
    refused : str or None
        Why nothing is connected to; None = it can be used.
    """

    preference: int
    name: str
    addresses: Addresses
    security: Security
    dane: Dane = NO_DANE
    failure: TlsFailure | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How mail for a domain travels.

    Attributes
    ----------
    domain : str
        Lower case, A-labels.
    kind : {"mx", "implicit", "null", "none", "error"}
        As `MailHosts` has it.
    hosts : tuple of Host
        In the order in which to try them.
    sts : StsAnswer
        The domain's MTA-STS policy.
    error : str or None
        Why there is no host that can be used; None = there is one.
    """

    domain: str
    kind: Literal["mx", "implicit", "null", "none", "error"]
    hosts: tuple[Host, ...]
    sts: StsAnswer
    error: str | None

    @property
    def usable(self) -> tuple[Host, ...]:
        """The hosts that can be used, in order."""
        return tuple(host for host in self.hosts if host.refused is None)

    @property
    def is_lasting(self) -> bool:
        """Whether it makes no sense to try again: the domain takes no mail.

        References
        ----------
        RFC 7505 section 4 (null MX), RFC 5321 section 5.1 (no such domain).
        """
        return self.kind in ("null", "none")


async def route_of(
    asker: Asker,
    domain: str,
    *,
    policies: Policies = None,
    trusts_dane: bool = True,
    lot: random.Random | None = None,
    port: int = 25,
) -> Route:
    """Find out how mail for a domain travels.

    Parameters
    ----------
    asker : Asker
    domain : str
    policies : StsPolicies, mapping of str to str, or async callable, optional
        Where MTA-STS policies come from: the text of each domain's file, or whatever gives
        it; default: the domain's own web server.  Whoever asks for many domains, or often,
        keeps a `StsPolicies`, which remembers them.
    trusts_dane : bool
        False leaves DANE out, whatever the asker says of DNSSEC.
    lot : random.Random, optional
        By which hosts of one preference are shuffled; default: by name.
    port : int
        SMTP's, but for tests.

    Returns
    -------
    Route
        What the DNS or a web server does is part of it, and never raised.

    References
    ----------
    RFC 5321 section 5.1, RFC 7672 section 2.2, RFC 8461 section 5.
    """
    found = await mail_hosts(asker, domain)
    if not found.hosts:
        nothing = StsAnswer(domain=found.domain)
        said = _no_hosts(found)
        return Route(
            domain=found.domain, kind=found.kind, hosts=(), sts=nothing, error=said
        )
    if not isinstance(policies, StsPolicies):
        policies = StsPolicies(asker, policies)
    sts = await policies.of(found.domain)
    # Where nobody vouches for who the hosts are, they could be anybody's, who can have
    # records of his own in order (RFC 7672 section 2.2.1).
    trusts_dane = trusts_dane and found.answer.is_secure
    order = found.ordered(lot) if lot is not None else found.hosts
    hosts = tuple(
        [
            await _host(asker, found.domain, one, sts, port if trusts_dane else None)
            for one in order[:MAX_HOSTS]
        ]
    )
    refused = [f"{visible(host.name)}: {host.refused}" for host in hosts if host.refused]
    return Route(
        domain=found.domain,
        kind=found.kind,
        hosts=hosts,
        sts=sts,
        error="; ".join(refused) if len(refused) == len(hosts) else None,
    )


def _no_hosts(found: MailHosts) -> str:
    domain, answer = visible(found.domain), found.answer
    if found.kind == "null":
        return f"{domain} takes no mail: it says so by a null MX (RFC 7505)"
    if found.kind == "error":
        return f"the mail hosts of {domain} are not known: {answer.error}"
    if answer.status == "no_name":
        return answer.error or f"there is no domain {domain}"
    return f"{domain} has neither MX records nor an address"


async def _host(
    asker: Asker, domain: str, host: MailHost, sts: StsAnswer, tlsa_port: int | None
) -> Host:
    """Say what one host has to prove; `tlsa_port` None = DANE does not come into it."""
    addresses = await _addresses(asker, host.name)
    dane = NO_DANE
    if tlsa_port is not None and addresses.found:
        dane = await dane_of(asker, addresses, port=tlsa_port)
    security = _by_dane(domain, addresses, dane) or _by_sts(sts)
    failure = refused = None
    if dane.state == "error":
        # To go on as if there were no records would let whoever can keep an answer back
        # switch DANE off (RFC 7672 section 2.1.1).
        failure = TlsFailure(result_type="dnssec-invalid", reason=dane.error or "")
        refused = f"its TLSA records are not known ({dane.error})"
    elif security.policy == "sts" and not (sts.policy and sts.policy.allows(host.name)):
        reason = f"the MTA-STS policy of {visible(domain)} does not name it"
        failure = TlsFailure(result_type="validation-failure", reason=reason)
        refused = None if security.is_testing else reason
    if not addresses.found:
        refused = addresses.error or "it has no address"
    return Host(
        preference=host.preference,
        name=host.name,
        addresses=addresses,
        security=security,
        dane=dane,
        failure=failure,
        refused=refused,
    )


async def _addresses(asker: Asker, host: str) -> Addresses:
    """Ask for the addresses of what an MX record names, if that can be a host at all."""
    try:
        to_a_labels(host.replace("_", "-"))  # which real hosts have
    except LocalProtocolError:
        return Addresses(name=host, error="that is no name of a host")
    return await addresses_of(asker, host)


def _by_dane(domain: str, addresses: Addresses, dane: Dane) -> Security | None:
    if dane.state == "usable":
        names = tuple(dict.fromkeys((*addresses.aliases, addresses.name, domain)))
        return Security(
            policy="tlsa",
            is_tls_required=True,
            proof="tlsa",
            records=dane.records,
            names=names,
        )
    # Records of which none can be used still promise TLS (RFC 7672 section 2.2).
    if dane.state == "unusable":
        return Security(policy="tlsa", is_tls_required=True)
    if dane.state == "error":
        return Security(policy="tlsa", is_tls_required=True, proof="tlsa")
    return None


def _by_sts(sts: StsAnswer) -> Security:
    if sts.mode == "enforce":
        return Security(policy="sts", is_tls_required=True, proof="web_pki")
    if sts.mode == "testing":
        return Security(policy="sts", is_testing=True)
    return Security(policy="no-policy-found")

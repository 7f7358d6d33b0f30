"""Approach: how a session with one server of a domain is opened, and what it has to prove.

The session itself is `session`'s; here is the account it is opened with, the way to the
server, and the judgement before anything is sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import trio

from smtpbook.accounts.account import Account, TlsMode
from smtpbook.errors import TLSError, TransportError
from smtpbook.escape import visible
from smtpbook.routes.route import Host, Route
from smtpbook.routes.tls_report import TlsFailure
from smtpbook.routes.tls_results import TlsResult
from smtpbook.session.record import Record
from smtpbook.session.session import Session
from smtpbook.transport.connect import connect_to

_NO_TLS: Final = TlsFailure(
    result_type="starttls-not-supported", reason="the server offers no TLS, or not now"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """How a session with one server is opened.

    Attributes
    ----------
    host : Host
    account : Account
        With that server.
    given : str or None
        The `tls` that was asked for, for all servers.
    """

    host: Host
    account: Account
    given: TlsMode | None

    @classmethod
    def to(cls, host: Host, account: Account) -> Approach:
        """Give how to come to a host by an account of `Account.direct`."""
        given, security = account.tls, host.security
        mode: TlsMode = "opportunistic"
        if given == "none" and not security.is_tls_required:
            mode = "none"
        elif security.proof == "web_pki" or security.is_testing or given == "starttls":
            mode = "starttls"
        return cls(host=host, account=account.at(host.name, tls=mode), given=given)

    def weaker(self) -> Approach | None:
        """Give the way with less TLS, where this much did not work; None = there is none.

        A policy that is being tested keeps no mail back; and where nobody has promised any
        TLS, none is what there was before (RFC 7435 section 3).
        """
        if self.host.security.is_tls_required or self.given == "starttls":
            return None
        weaker: dict[str | None, TlsMode] = {
            "starttls": "opportunistic",
            "opportunistic": "none",
        }
        mode = weaker.get(self.account.tls)
        if mode is None:
            return None
        return replace(self, account=self.account.replace(tls=mode, port=self.account.port))

    async def connect(self, account: Account, record: Record) -> trio.abc.Stream:
        """Connect to one of the host's addresses: a session's connector.

        Raises
        ------
        TransportError
            None could be reached; or a lab's account was led out of this machine.
        """
        addresses = self.host.addresses.found
        if account.is_lab and not all(
            ipaddress.ip_address(one).is_loopback for one in addresses
        ):
            raise TransportError(
                f"{visible(self.host.name)} is not on this machine, and the account is a "
                "lab's"
            )
        return await connect_to(addresses, account, record)

    def shortfall(self, session: Session) -> TlsFailure | None:
        """Say how a session that was just opened falls short of TLS; None = it does not.

        Nothing but our name has been said in it.
        """
        if not session.is_secure:
            return _NO_TLS
        return self.host.security.failure(session.certificates)

    def require(self, shortfall: TlsFailure | None) -> None:
        """Refuse a session that falls short of what its domain promises.

        Raises
        ------
        TLSError
        """
        if shortfall is not None and self.host.security.is_tls_required:
            raise TLSError(f"{visible(self.host.name)}: {shortfall.reason}")

    def result(self, domain: str, failure: TlsFailure | None) -> TlsResult | None:
        """Give what a report on TLS has to say of a session; None = it is not about TLS.

        Parameters
        ----------
        domain : str
            Whose mail it was for.
        failure : TlsFailure or None
        """
        if self.account.tls == "none":  # that TLS did not work has been told before
            return None
        return TlsResult(
            domain=domain,
            policy=self.host.security.policy,
            mx_host=self.host.name,
            failure=failure or self.host.failure,
        )


def failure_of(error: Exception) -> TlsFailure | None:
    """Say what kept TLS from being begun; None = it was something else."""
    if not isinstance(error, TLSError):
        return None
    return TlsFailure.of(error) if error.is_offered else _NO_TLS


def results_of(route: Route) -> Iterator[TlsResult]:
    """Give what a report has to say before anything is connected to.

    A policy that could not be had, and the hosts that one keeps from being used.
    """
    if route.sts.failure is not None:
        yield TlsResult(domain=route.domain, policy="sts", failure=route.sts.failure)
    for host in route.hosts:
        if host.refused is not None and host.failure is not None:
            yield TlsResult(
                domain=route.domain,
                policy=host.security.policy,
                mx_host=host.name,
                failure=host.failure,
            )

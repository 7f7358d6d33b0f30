"""Approach: how a session with one server of a domain is opened, and what it has to prove.

The session itself is `session`'s; here is the account it is opened with, the way to the
server, and the judgement before anything is sent.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Final

import trio

from smtpbook.accounts.account import Account, TlsMode
from smtpbook.errors import TLSError, TransportError
from smtpbook.escape import visible
from smtpbook.routes.route import Host, Security
from smtpbook.routes.tls_report import TlsFailure
from smtpbook.routes.tls_results import TlsResult
from smtpbook.session.record import Record
from smtpbook.session.session import Session
from smtpbook.session.starttls import NotOfferedError
from smtpbook.transport.connect import connect_to

_NO_TLS: Final = TlsFailure(
    result_type="starttls-not-supported", reason="the server offers no TLS, or not now"
)


class UnprovedError(TLSError):
    """A server has not proved what its domain promises; nothing was sent to it.

    Attributes
    ----------
    failure : TlsFailure
    """

    def __init__(self, host: str, failure: TlsFailure) -> None:
        super().__init__(f"{visible(host)}: {failure.reason} ({failure.result_type})")
        self.failure = failure


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

    def check(self, session: Session) -> None:
        """See that a session that has just been opened is what the domain promises.

        Raises
        ------
        UnprovedError
            It is not.
        """
        failure = _failure(self.host.security, session)
        if failure is not None:
            raise UnprovedError(self.host.name, failure)

    def result(
        self, domain: str, session: Session | None, error: Exception | None
    ) -> TlsResult | None:
        """Give what a report on TLS has to say; None = it is not about TLS.

        Parameters
        ----------
        domain : str
            Whose mail the session was for.
        session : Session or None
            None = it could not be opened.
        error : Exception or None
            Why.
        """
        if self.account.tls == "none":  # that TLS did not work has been told before
            return None
        failure = self.host.failure
        if isinstance(error, UnprovedError):
            failure = error.failure
        elif isinstance(error, NotOfferedError):
            failure = _NO_TLS
        elif isinstance(error, TLSError):
            failure = TlsFailure.of(error)
        elif session is None:
            return None
        elif not session.is_secure:
            failure = _NO_TLS
        return TlsResult(
            domain=domain,
            policy=self.host.security.policy,
            mx_host=self.host.name,
            failure=failure,
        )


def _failure(security: Security, session: Session) -> TlsFailure | None:
    if session.is_secure:
        return security.failure(session.certificates)
    return _NO_TLS if security.is_tls_required else None

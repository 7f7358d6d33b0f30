"""Destination: the servers that take a domain's mail, in the order in which to try them.

Domains whose mail the same servers take on the same terms share one, and so its sessions.
Nothing is connected to here; `approach` is how a server of it is come to.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.direct import Relay
from smtpbook.errors import RejectedError, TransportError, TransportTimeout
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker
from smtpbook.lookup.asker import asker_of
from smtpbook.lookup.mail_hosts import equals_shuffled
from smtpbook.lookup.resolver import Resolver
from smtpbook.protocol.replies import Reply
from smtpbook.relaying.approach import Approach
from smtpbook.relaying.tour import Tour
from smtpbook.routes.mta_sts import StsPolicies
from smtpbook.routes.route import Host, Route, route_of

# For all questions about a domain together, its MTA-STS policy's web server included.
_LIMIT_S: Final = 60.0
# A list has many domains, and each a few hosts.
_MAX_QUESTIONS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The servers that take a domain's mail.

    Attributes
    ----------
    number : int
        Of all destinations of a `Finder`, from 0.
    hosts : tuple of Host, length >= 1
        By preference.
    """

    number: int
    hosts: tuple[Host, ...]

    def __str__(self) -> str:
        return ", ".join(visible(host.name) for host in self.hosts)

    def tour(self, account: Account, lot: random.Random) -> Tour:
        """Begin to try the hosts."""
        order = equals_shuffled(self.hosts, lot)
        return Tour([Approach.to(host, account) for host in order])


Found = Destination | RejectedError | TransportError
"""Where a domain's mail goes; or why it goes nowhere: for good, or for now."""


class Finder:
    """Finds where mail goes.

    Parameters
    ----------
    account : Account
        One of `Account.direct`.

    Attributes
    ----------
    lot : random.Random
        By which equals are drawn.

    Raises
    ------
    ValueError, OSError
        The zone data cannot be read, or there is no name server.
    """

    def __init__(self, account: Account) -> None:
        relay = account.relay
        assert relay is not None
        self.lot = random.Random(relay.seed)  # noqa: S311 (no secret)
        self._asker = _asker_of(relay)
        offline: dict[str, str] | None = None if relay.zone is None else {}
        policies = offline if relay.policies is None else relay.policies
        self._policies = StsPolicies(self._asker, policies)
        self._port = account.port
        self._trusts = relay.trusts_resolver or relay.zone is not None
        self._own = {name.lower() for name in (account.helo or "", _machine()) if name}
        self._known: dict[tuple[Any, ...], Destination] = {}

    async def find(self, domain: str) -> tuple[Found, Route | None]:
        """Find where a domain's mail goes; the route behind it is for the record.

        References
        ----------
        RFC 5321 section 5.1, RFC 7505 (null MX).
        """
        with trio.move_on_after(_LIMIT_S):
            route = await route_of(
                self._asker,
                domain,
                policies=self._policies,
                trusts_dane=self._trusts,
                port=self._port,
            )
            return self._judged(route), route
        said = f"the mail hosts of {visible(domain)} were not found within {_LIMIT_S:g} s"
        return TransportTimeout(said), None

    def _judged(self, route: Route) -> Found:
        if route.is_lasting:
            # 556 is what a sender says of a domain that takes no mail (RFC 7504 section 4),
            # 5.1.10 that it says so itself (RFC 7505); 5.1.2 is a bad destination system
            # (RFC 3463 section 3.2).
            code, status = (556, "5.1.10") if route.kind == "null" else (550, "5.1.2")
            return _rejected(code, status, f"{route.error}")
        hosts = _before_us(route.hosts, self._own)
        if route.hosts and not hosts:
            # "If there are no records left at that point, it is an error condition, and the
            # message MUST be returned as undeliverable." -- RFC 5321 section 5.1; X.4.6 is
            # a routing loop (RFC 3463 section 3.5).
            return _rejected(
                554, "5.4.6", f"{visible(route.domain)} names this machine first"
            )
        usable = tuple(host for host in hosts if host.refused is None)
        if not usable:
            return TransportError(
                route.error or f"{visible(route.domain)}: no server but this machine's own"
            )
        terms = [(one.preference, one.name, repr(one.security)) for one in usable]
        key = tuple(sorted(terms))
        if key not in self._known:
            in_order = tuple(sorted(usable, key=lambda one: (one.preference, one.name)))
            self._known[key] = Destination(number=len(self._known), hosts=in_order)
        return self._known[key]


def _rejected(code: int, status: str, said: str) -> RejectedError:
    # Nobody has said it: a reader of the log is told so.
    reply = Reply.of(code, f"{status} {said} (found by our own look-up)")
    return RejectedError(reply, "RCPT")


def _before_us(hosts: Sequence[Host], own: set[str]) -> tuple[Host, ...]:
    """Leave out this machine, and the hosts that do not come before it.

    "If a matching record is found, all records at that preference level and higher-numbered
    ones MUST be discarded from consideration." -- RFC 5321 section 5.1
    """
    ours = [host.preference for host in hosts if host.name in own]
    return tuple(host for host in hosts if not ours or host.preference < min(ours))


def _machine() -> str:
    """Give the name that this machine has in the DNS; empty = none is known."""
    name = socket.gethostname()
    return name if "." in name else ""


def _asker_of(relay: Relay) -> Asker:
    if relay.zone is not None:
        return asker_of(relay.zone)
    return Resolver(
        relay.nameservers, max_questions=_MAX_QUESTIONS, trusts=relay.trusts_resolver
    )

"""Posture: how the mail hosts of some domains present themselves, without any mail.

Who is asked about, how often and how fast; the call itself is `visit`'s, what it found
`table`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.log.frame import Recorder
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.lookup.resolver import Resolver
from smtpbook.progress import Display, show
from smtpbook.routes.mta_sts import Fetch, StsPolicies
from smtpbook.routes.policy_file import fetch_policy
from smtpbook.routes.route import MAX_HOSTS, Host, route_of
from smtpbook.runner import SENDER, refuse_inside_trio
from smtpbook.session.probe import PATIENCE_S, no_longer_than
from smtpbook.survey.table import Found, Posture, posture_table
from smtpbook.survey.visit import Visit, visit

LIMIT: Final = 25
"""How many domains are looked at unless more are asked for."""

CONNECTIONS: Final = 4
"""How many hosts are called at at once."""

PAUSE_S: Final = 0.5
"""Seconds from one connection to the next, whoever they are with."""

# About a domain: its mail hosts, its policy, and three to each of so many hosts.
_QUESTIONS: Final = 4 + 3 * MAX_HOSTS


def posture(
    domains: str | Iterable[str],
    *,
    zone: AnyZone = None,
    policies: Mapping[str, str] | Fetch | None = None,
    limit: int = LIMIT,
    pause_s: float = PAUSE_S,
    patience_s: float = PATIENCE_S,
    port: int = 25,
    helo: str | None = None,
    ca_file: str | Path | None = None,
    progress: bool = True,
) -> Posture:
    """See how domains' mail hosts greet, what they offer, and how they encrypt.

    Each host is connected to, told EHLO, STARTTLS, EHLO and QUIT: no login, no MAIL, no
    address is tried.  It is for the domains you write to or answer for, from a machine
    whose address has a name and may call at port 25; many providers close that port.  Who
    calls at thousands of strangers is taken for somebody who looks for holes, and ends on
    blocklists; ask those who run your network first.

    Parameters
    ----------
    domains : str or iterable of str
        What stands behind the @ of addresses.  Each counts once.
    zone : Zone, mapping, str, Path or Asker, optional
        DNS data in place of the name servers; or a `lookup.resolver.Resolver`, which with
        ``trusts=True`` lets DANE count.
    policies : mapping of str to str, or async callable, optional
        The text of domains' MTA-STS policies, or what gives it, in place of their web
        servers.
    limit : int
        More domains than that are refused, before anything is asked.
    pause_s : float
        Seconds from one connection to the next.  No more than four are open at once, and
        no host has two of them.
    patience_s : float
        Seconds for each step of a session.
    port : int
        SMTP's, but for tests.
    helo : str, optional
        What to call ourselves; default: as `Account` does.
    ca_file : path, optional
        Certificates to trust in place of the system's, as PEM.
    progress : bool

    Returns
    -------
    DataFrame
        A row for each mail host of each domain, in the order in which mail tries them; one
        without a ``server`` for a domain that has none.  Its attribute ``log`` is the event
        log of all sessions.  Null is what was not seen.

        - ``domain``, ``preference`` (Int32), ``server``, ``server_address`` (string; the
          address reached), ``family`` (category), ``is_connected`` (boolean);
        - ``connect_ms``, ``greeting_ms``, ``ehlo_ms``, ``tls_ms`` (float64, milliseconds);
        - ``greeting``, ``extensions``, ``tls_extensions`` (string; those after TLS),
          ``has_starttls`` (boolean), ``tls_version``, ``tls_cipher`` (string);
        - ``certificate_subject``, ``certificate_names`` (string), ``certificate_until``
          (datetime64, UTC), ``is_verified`` (boolean), ``certificate_problem`` (string;
          null = none).  To see a certificate that is not accepted takes a second
          connection;
        - ``mta_sts`` (category; the policy's mode, null = no policy), ``dane`` (category;
          see `routes.dane.Dane`, and ``matches`` or ``differs`` once a certificate was
          seen), ``policy`` (category; which of the two a sender goes by), ``result_type``
          and ``result`` (string; what it would have met by RFC 8460 section 4.3, null =
          nothing wrong);
        - ``error`` (string; what ended the visit, null = nothing).

    Raises
    ------
    ValueError
        More domains than `limit`, none at all, or an option cannot be what it says; zone
        data cannot be read.
    RuntimeError
        Called where trio runs: use `posture_async`.

    Examples
    --------
    ``sb.posture(people.frame["email"].str.rpartition("@")[2], limit=100)``
    """
    refuse_inside_trio("posture_async")
    account = _account(port, helo, ca_file, patience_s)
    survey = _Survey(_distinct(domains, limit), zone, policies, account, pause_s)
    # A widget is made on the thread of the cell.
    display = show("visiting domains", len(survey.domains), progress=progress)
    return SENDER.run(survey.run, display)


async def posture_async(
    domains: str | Iterable[str],
    *,
    zone: AnyZone = None,
    policies: Mapping[str, str] | Fetch | None = None,
    limit: int = LIMIT,
    pause_s: float = PAUSE_S,
    patience_s: float = PATIENCE_S,
    port: int = 25,
    helo: str | None = None,
    ca_file: str | Path | None = None,
    progress: bool = False,
) -> Posture:
    """Do what `posture` does, inside a trio program."""
    account = _account(port, helo, ca_file, patience_s)
    survey = _Survey(_distinct(domains, limit), zone, policies, account, pause_s)
    return await survey.run(
        show("visiting domains", len(survey.domains), progress=progress)
    )


def _distinct(domains: str | Iterable[str], limit: int) -> list[str]:
    given = [domains] if isinstance(domains, str) else domains
    distinct = list(dict.fromkeys(str(one).strip().lower().rstrip(".") for one in given))
    if not distinct:
        raise ValueError("posture() needs a domain, such as 'example.org'")
    for one in distinct:
        if "@" in one:
            raise ValueError(f"{one!a} is an address; its domain is what follows the @")
    if len(distinct) > limit:
        raise ValueError(
            f"{len(distinct):,} domains are more than limit={limit}; do those who run your "
            "network know of it?  Then say limit= yourself"
        )
    return distinct


def _account(
    port: int, helo: str | None, ca_file: str | Path | None, patience_s: float
) -> Account:
    """Give what all visits have in common; the host is put in at each."""
    return Account(
        host="unspecified",
        port=port,
        tls="starttls",
        helo=helo,
        ca_file=ca_file,
        timeouts=no_longer_than(Timeouts(), patience_s),
    )


class _Survey:
    """A survey under way."""

    def __init__(
        self,
        domains: list[str],
        zone: AnyZone,
        policies: Mapping[str, str] | Fetch | None,
        account: Account,
        pause_s: float,
    ) -> None:
        if not pause_s >= 0:
            raise ValueError(f"pause_s={pause_s!r} is not a number of seconds")
        self.domains = domains
        if zone is None:
            zone = Resolver(max_questions=_QUESTIONS * len(domains))
        self._asker = asker_of(zone)
        if policies is None:
            limit_s = account.limits.connect_s
            policies = partial(fetch_policy, self._asker, limit_s=limit_s)
        self._policies = StsPolicies(self._asker, policies)
        self._account = account
        self._pause_s = pause_s
        self._recorder = Recorder()
        self._next_at = 0.0  # when the next connection may be made
        self._calls: dict[str, trio.Lock] = {}  # by host
        self._visits: dict[str, Visit] = {}
        self._found: dict[str, Found] = {}

    async def run(self, display: Display) -> Posture:
        """Look at all domains."""
        waiting = iter(self.domains)
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(CONNECTIONS):
                    nursery.start_soon(self._work, waiting, display)
        finally:
            display.close()
        found = [self._found[domain] for domain in self.domains]
        return posture_table(found, self._recorder.frame())

    async def _work(self, waiting: Iterator[str], display: Display) -> None:
        for domain in waiting:
            self._found[domain] = await self._look_at(domain)
            failed = sum(visit.error is not None for visit in self._visits.values())
            hosts = {"hosts": len(self._visits), "failed": failed}
            display.update(len(self._found), hosts)

    async def _look_at(self, domain: str) -> Found:
        route = await route_of(
            self._asker, domain, policies=self._policies, port=self._account.port
        )
        # Also at hosts that a policy keeps mail from: nothing is sent.
        visits = [
            await self._call_at(host) if host.addresses.found else None
            for host in route.hosts
        ]
        return Found(route=route, visits=tuple(visits))

    async def _call_at(self, host: Host) -> Visit:
        """Call at a host, once for all its domains."""
        async with self._calls.setdefault(host.name, trio.Lock()):
            if host.name not in self._visits:
                await self._turn()
                self._visits[host.name] = await visit(
                    self._account.replace(host=host.name),
                    host.addresses.found,
                    self._recorder.append,
                    self._turn,
                )
        return self._visits[host.name]

    async def _turn(self) -> None:
        """Wait until another connection may be made."""
        at = max(self._next_at, trio.current_time())
        self._next_at = at + self._pause_s
        await trio.sleep_until(at)

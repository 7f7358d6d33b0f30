"""Domains: where the mail of a list goes, asked of the DNS, each domain once.

The most frequent domains are asked first, at most so many and for so long; the rest is said
to be unasked.  What is to be thought of it is for `checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import Final, Literal

import pandas as pd
import trio

from smtpbook.log.frame import require_columns
from smtpbook.lookup.answer import Asker
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.lookup.mail_hosts import mail_hosts
from smtpbook.lookup.resolver import Resolver
from smtpbook.progress import Display, show
from smtpbook.protocol.addresses import domain_of
from smtpbook.recipients.recipients import Recipients
from smtpbook.runner import SENDER, refuse_inside_trio
from smtpbook.tables.whose import providers_of

MAX_DOMAINS: Final = 1000
PATIENCE_S: Final = 60.0

_AT_ONCE: Final = 20
_RECORDS: Final = 3  # MX, A and AAAA
# Fewer are asked before anybody looks.
_WORTH_SHOWING: Final = 50

Kind = Literal["mx", "implicit", "null", "none", "error", "unasked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDomain:
    """One domain of a list.

    Attributes
    ----------
    domain : str
    recipients : int
        How many of the list are there.
    kind : str
        As `MailHosts.kind`; ``unasked``: nobody was asked.
    server : str or None
        The first of its mail hosts; unasked, the domain itself, which the addresses of big
        providers tell enough.
    why : str or None
        Of an ``error``.
    """

    domain: str
    recipients: int
    kind: Kind
    server: str | None = None
    why: str | None = None


def mail_domains(
    people: Recipients,
    *,
    zone: AnyZone = None,
    online: bool = True,
    max_domains: int = MAX_DOMAINS,
    patience_s: float = PATIENCE_S,
    progress: bool = True,
) -> pd.DataFrame:
    """Say where the mail of a list goes, by domain, the largest first.

    Parameters
    ----------
    people : Recipients
    zone : Zone, mapping, str, Path or Asker, optional
        Whom to ask in place of the system's name servers.
    online : bool
        False: nobody is asked, unless there is a `zone`; the big providers are known by
        their own domains.
    max_domains : int
        At most so many are asked, the largest.
    patience_s : float
        Seconds for all of it.
    progress : bool
        Show how far it has come.

    Returns
    -------
    DataFrame
        ``domain`` (string, A-labels), ``recipients`` (int64), ``kind`` (category:
        ``mx``; ``implicit``, no MX record and its own host; ``null``, it takes no mail;
        ``none``, there is none such; ``error``; ``unasked``), ``server`` (string, the first
        mail host; null = none), ``provider`` (category, whose that is; null = not known)
        and ``why`` (string, of an error).

    Raises
    ------
    ValueError, OSError
        The zone cannot be read, or the system names no name server.
    RuntimeError
        Called where trio runs: use `asked_domains`.

    References
    ----------
    RFC 5321 section 5.1 (which servers), RFC 7505 (null MX).
    """
    counts = counted_domains(people.addresses)
    if zone is None and not online:
        return domains_frame(unasked(counts))
    refuse_inside_trio("asked_domains")
    asker = zone if zone is not None else Resolver(max_questions=_RECORDS * max_domains)
    ask = partial(
        asked_domains,
        counts,
        asker_of(asker),
        max_domains=max_domains,
        patience_s=patience_s,
        progress=progress,
    )
    return domains_frame(SENDER.run(ask))


def counted_domains(addresses: Iterable[str]) -> dict[str, int]:
    """Count addresses by domain, the largest first."""
    found = Counter(domain_of(address) or "?" for address in addresses)
    return dict(found.most_common())


async def asked_domains(
    counts: Mapping[str, int],
    asker: Asker,
    *,
    max_domains: int = MAX_DOMAINS,
    patience_s: float = PATIENCE_S,
    progress: bool = False,
) -> list[MailDomain]:
    """Ask for the mail hosts of domains; parameters as `mail_domains`.

    Parameters
    ----------
    counts : mapping of str to int
        How many recipients each domain has, the largest first.
    """
    chosen = list(counts)[:max_domains]
    known: dict[str, MailDomain] = {}
    is_shown = progress and len(chosen) >= _WORTH_SHOWING
    with closing(show("asking domains", len(chosen), progress=is_shown)) as display:
        with trio.move_on_after(patience_s):
            await _ask_all(chosen, counts, asker, known, display)
    return [known.get(one.domain, one) for one in unasked(counts)]


async def _ask_all(
    chosen: list[str],
    counts: Mapping[str, int],
    asker: Asker,
    known: dict[str, MailDomain],
    display: Display,
) -> None:
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def ask(domain: str) -> None:
        async with limit:
            hosts = await mail_hosts(asker, domain)
        known[domain] = MailDomain(
            domain=domain,
            recipients=counts[domain],
            kind=hosts.kind,
            server=hosts.hosts[0].name if hosts.hosts else None,
            why=hosts.answer.error if hosts.kind == "error" else None,
        )
        display.update(len(known), {})

    async with trio.open_nursery() as nursery:
        for domain in chosen:
            nursery.start_soon(ask, domain)


def unasked(counts: Mapping[str, int]) -> list[MailDomain]:
    """Give domains that nobody was asked about."""
    return [
        MailDomain(domain=domain, recipients=number, kind="unasked", server=domain)
        for domain, number in counts.items()
    ]


_KINDS: Final = pd.CategoricalDtype(["mx", "implicit", "null", "none", "error", "unasked"])


def domains_frame(found: Iterable[MailDomain]) -> pd.DataFrame:
    """Give domains as the DataFrame that `mail_domains` tells of."""
    names = [field.name for field in fields(MailDomain)]
    table = pd.DataFrame([astuple(one) for one in found], columns=names)
    table = table.astype(dict.fromkeys(("domain", "server", "why"), "string"))
    table = table.astype({"recipients": "int64", "kind": _KINDS})
    # An address that is only a domain's own name is no server's; of those nobody asked
    # about, big providers are known by it.
    table.insert(4, "provider", providers_of(table["server"]))
    table.loc[table["kind"] == "unasked", "server"] = pd.NA
    return table


def provider_mix(domains: pd.DataFrame) -> pd.DataFrame:
    """Count a list by whose servers take its mail, the largest first.

    Parameters
    ----------
    domains : DataFrame
        What `mail_domains` gave.

    Returns
    -------
    DataFrame
        ``provider`` (string; null = not known, or nobody), ``domains`` and ``recipients``
        (int64), ``share`` (float, 0 to 1: of all recipients).

    Raises
    ------
    ColumnError
        A column is missing.
    """
    require_columns(domains, "provider", "domain", "recipients")
    grouped = domains.groupby(
        domains["provider"].astype("string"), dropna=False, sort=False
    )
    mix = grouped.agg(domains=("domain", "size"), recipients=("recipients", "sum"))
    mix = mix.reset_index().sort_values("recipients", ascending=False, kind="stable")
    mix["share"] = mix["recipients"] / max(int(mix["recipients"].sum()), 1)
    return mix.astype({"domains": "int64", "recipients": "int64"}).reset_index(drop=True)

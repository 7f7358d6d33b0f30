"""Asking: what a preflight asks the network, where it may: who sends, and where it goes.

The sender's domain, the domains of the list, and the server of the account; each question
once, all of it within a time.  What is looked at without asking anybody is `preflight`'s.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import pandas as pd
import trio

from smtpbook.accounts.account import Account
from smtpbook.audience.domains import (
    MAX_DOMAINS,
    MailDomain,
    asked_domains,
    domains_frame,
    provider_mix,
)
from smtpbook.deliverability.check_domain import sender_findings
from smtpbook.findings import Finding, findings_frame
from smtpbook.lookup.answer import Asker
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.lookup.ip import IP, read_ip
from smtpbook.lookup.resolver import Resolver
from smtpbook.preflight.about import About
from smtpbook.preflight.preflight import findings, from_domain
from smtpbook.preflight.requirements import requirement_findings
from smtpbook.runner import SENDER, refuse_inside_trio

# The argument to give, where it is this preflight's.
_HERE: Final = {
    "check_domain(…, ip=…)": "campaign.preflight(…, ip=…)",
    "check_domain(…, account=…)": "campaign.preflight(…, online=True)",
}
# MX, A and AAAA for each domain of the list, and what the sender's own checks ask.
_QUESTIONS: Final = 3 * MAX_DOMAINS + 1000


def preflight_online(
    about: About,
    *,
    zone: AnyZone,
    account: Account | None,
    ip: str | None,
    progress: bool,
) -> pd.DataFrame:
    """Say what would go wrong, having asked; parameters and errors as `Campaign.preflight`.

    Parameters
    ----------
    about : About
    account : Account, optional
        Whose server to connect to.  Default: to none.
    """
    refuse_inside_trio("campaign.preflight() in another thread")
    asker = Resolver(max_questions=_QUESTIONS) if zone is None else asker_of(zone)
    sent_from = None if ip is None else read_ip(ip)
    account = None if account is None else account.ask()
    ask = partial(_ask, about, asker, account=account, ip=sent_from, progress=progress)
    sender, domains = SENDER.run(ask)
    found = [*findings(replace(about, domains=tuple(domains))), *sender]
    return findings_frame([*found, *requirement_findings(found, _volume(domains))])


async def _ask(
    about: About, asker: Asker, *, account: Account | None, ip: IP | None, progress: bool
) -> tuple[list[Finding], list[MailDomain]]:
    """Ask about the sender and about the list at the same time."""
    sender: list[Finding] = []
    counts = {one.domain: one.recipients for one in about.domains}

    async def ask_sender() -> None:
        if (first := about.first) is not None:
            found = await sender_findings(
                from_domain(first),
                ip=ip,
                account=account,
                message=first,
                zone=asker,
                # A direct send hands it to nobody who would sign it.
                is_handed_in=any(one.relay is None for one in about.campaign.accounts),
            )
            sender[:] = [replace(one, remedy=_here(one.remedy)) for one in found]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_sender)
        domains = await asked_domains(counts, asker, progress=progress)
    return sender, domains


def _here(remedy: str | None) -> str | None:
    return remedy if remedy is None else _HERE.get(remedy, remedy)


def _volume(domains: list[MailDomain]) -> dict[str, int]:
    mix = provider_mix(domains_frame(domains)).dropna(subset="provider")
    return dict(zip(mix["provider"], mix["recipients"].astype(int), strict=True))

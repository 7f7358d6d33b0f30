"""Check a domain: all checks at once, within a time, as a table of findings.

Which checks there are is `checks`; the DNS is asked, and servers are spoken to only where
that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from functools import partial
from typing import Final

import pandas as pd
import trio

from smtpbook.accounts.account import Account
from smtpbook.audience.checks import CHECKS as LIST_CHECKS
from smtpbook.content.checks import CHECKS as MESSAGE_CHECKS
from smtpbook.content.checks import message_findings
from smtpbook.content.mail import AnyMessage, Mail, octets_of
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.checks import CHECKS, DOMAIN, LOOKS, Look
from smtpbook.deliverability.naming import NotADomain, domain_given
from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.findings import Finding, Said, fails, findings_frame, unknown
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.lookup.ip import IP, read_ip
from smtpbook.lookup.resolver import Resolver
from smtpbook.preflight.preflight import CHECKS as SEND_CHECKS
from smtpbook.protocol.message import Message
from smtpbook.runner import SENDER, refuse_inside_trio

PATIENCE_S: Final = 60.0
"""How long everything may take: a resolver gives up on one question after five seconds."""

_TRY_AGAIN: Final = "try again, or give it more time: check_domain(…, patience_s=…)"


def check_domain(
    domain: str,
    *,
    ip: str | IP | None = None,
    selector: str | tuple[str, ...] | None = None,
    helo: str | None = None,
    reverse_path: str | None = None,
    account: Account | None = None,
    message: AnyMessage | None = None,
    zone: AnyZone = None,
    policies: Mapping[str, str] | None = None,
    probe_mx: bool = False,
    patience_s: float = PATIENCE_S,
) -> pd.DataFrame:
    """Look at a sender as receivers will: names, records, blocklists, servers.

    Nothing is sent.  What was not said, such as the address that the mail comes from, makes
    the checks that need it ``unknown``, with the argument to give as their remedy.

    Parameters
    ----------
    domain : str
        Of From; U-labels or A-labels.
    ip : str, IPv4Address or IPv6Address, optional
        From which the mail reaches receivers: the relay's address, not this machine's.
    selector : str or tuple of str, optional
        Of the DKIM keys; default: those of the message's signatures.
    helo : str, optional
        What the machine at that address calls itself.
    reverse_path : str, optional
        Address or domain that failures are reported to; default: the message's.
    account : Account, optional
        Where the mail is handed in: it is connected to, as `probe` does.
    message : Message, EmailMessage or bytes, optional
        As it is sent, signed; it is looked over as by `check_message`, too.
    zone : Zone, mapping, str, Path or Asker, optional
        Whom to ask in place of the system's name servers.  With zone data nothing goes over
        the network but to the server of `account`, and with `probe_mx` to the mail hosts.
    policies : mapping of str to str, optional
        By domain the text of its MTA-STS policy, in place of asking its web server.
    probe_mx : bool
        Ask the domain's own mail hosts, on port 25, whether they take bounces, postmaster
        and abuse: RCPT, then RSET, never DATA.
    patience_s : float
        Seconds for everything together: by then it ends, whoever does not answer.  The
        checks run side by side; one that is not done is ``unknown``.  The system's name
        servers are asked a thousand different questions at most.

    Returns
    -------
    DataFrame
        As `findings_frame` says: ``check``, ``verdict`` (``fail``, ``warn``, ``unknown``,
        ``pass``), ``evidence``, ``remedy``, ``source``; the most urgent first.  Each check
        of `list_checks` that is about a domain has a row or several; a `domain` that is
        none has one row.

    Raises
    ------
    RuntimeError
        Called where trio runs: use `check_domain_async`.
    ValueError
        `ip` is no IP address, or the zone data cannot be read.
    OSError
        The zone file is not there, or the system names no name server.

    Examples
    --------
    >>> zone = {"example.org": {"TXT": "v=spf1 -all"}}
    >>> found = check_domain("example.org", zone=zone)
    >>> found.set_index("check").loc["from_domain", "evidence"]
    'example.org MX: no such record'
    """
    refuse_inside_trio("check_domain_async")
    run = partial(
        check_domain_async,
        domain,
        ip=ip,
        selector=selector,
        helo=helo,
        reverse_path=reverse_path,
        account=account if account is None else account.ask(),
        message=message,
        zone=zone,
        policies=policies,
        probe_mx=probe_mx,
        patience_s=patience_s,
    )
    return SENDER.run(run)


async def check_domain_async(
    domain: str,
    *,
    ip: str | IP | None = None,
    selector: str | tuple[str, ...] | None = None,
    helo: str | None = None,
    reverse_path: str | None = None,
    account: Account | None = None,
    message: AnyMessage | None = None,
    zone: AnyZone = None,
    policies: Mapping[str, str] | None = None,
    probe_mx: bool = False,
    patience_s: float = PATIENCE_S,
) -> pd.DataFrame:
    """Do what `check_domain` does, inside a trio program."""
    found = await sender_findings(
        domain,
        ip=ip,
        selector=selector,
        helo=helo,
        reverse_path=reverse_path,
        account=account,
        message=message,
        zone=zone,
        policies=policies,
        probe_mx=probe_mx,
        patience_s=patience_s,
    )
    if message is not None:
        found += message_findings(Mail.of(message))
    return findings_frame(found)


async def sender_findings(
    domain: str,
    *,
    ip: str | IP | None = None,
    selector: str | tuple[str, ...] | None = None,
    helo: str | None = None,
    reverse_path: str | None = None,
    account: Account | None = None,
    message: AnyMessage | None = None,
    zone: AnyZone = None,
    policies: Mapping[str, str] | None = None,
    probe_mx: bool = False,
    patience_s: float = PATIENCE_S,
    is_handed_in: bool = False,
) -> list[Finding]:
    """Give what `check_domain` finds of the sender, without what it finds of the message.

    Other parameters, errors and time as `check_domain`.

    Parameters
    ----------
    is_handed_in : bool
        The message is as the account's server gets it, which may sign it yet: that it is
        not signed is no fault then.

    Returns
    -------
    list of Finding
        In the order of the checks; each has one or several.
    """
    asker = asker_of(zone)
    try:
        back = reverse_path or _path_of(message)
        case = Case(
            domain=domain_given(domain),
            given=domain,
            asker=asker,
            ip=None if ip is None else read_ip(ip),
            selectors=(selector,) if isinstance(selector, str) else selector or (),
            helo=helo,
            reverse_path=None if back is None else domain_given(back.rpartition("@")[2]),
            account=account,
            mail=None if message is None else octets_of(message),
            is_handed_in=is_handed_in,
            policies=policies,
            fetches=isinstance(asker, Resolver),
            probes_mx=probe_mx,
        )
    except NotADomain as exc:
        return [DOMAIN.found(fails(str(exc), exc.remedy))]
    return await _made(case, patience_s)


async def _made(case: Case, patience_s: float) -> list[Finding]:
    """Make all checks, side by side, within a time."""
    said: dict[Look, list[Said]] = {}

    async def make(look: Look) -> None:
        try:
            said[look] = await look.make(case)
        except SMTPBookError as exc:
            said[look] = [unknown(visible(str(exc)))]

    with trio.move_on_after(patience_s):
        async with trio.open_nursery() as nursery:
            for look in LOOKS:
                nursery.start_soon(make, look)
    late = [unknown(f"not known after {patience_s:g} s", _TRY_AGAIN)]
    return [look.found(one) for look in LOOKS for one in said.get(look, late)]


def list_checks() -> pd.DataFrame:
    """List all checks that are made before a send, in `check_domain` or elsewhere.

    Returns
    -------
    DataFrame
        A row for each: ``check`` (what findings call it), ``group``, ``asks`` (the question
        it answers) and ``source`` (who asks for it, with the date of the text or the day it
        was read; null = common sense does); all strings.  The group tells where it is made:
        ``identity`` and ``infrastructure`` in `check_domain`, ``message`` there with
        `message` and in `check_message`, ``list`` in `check_recipients`, ``send`` in
        ``campaign.preflight()``, which has the others, too.
    """
    every = (*CHECKS, *MESSAGE_CHECKS, *LIST_CHECKS, *SEND_CHECKS)
    columns = ["check", "group", "asks", "source"]
    return pd.DataFrame([astuple(one) for one in every], columns=columns, dtype="string")


def _path_of(message: AnyMessage | None) -> str | None:
    """Give a message's reverse-path; the null one is for bounces, and no sender's."""
    if isinstance(message, Message) and message.reverse_path is not None:
        return str(message.reverse_path)
    return None

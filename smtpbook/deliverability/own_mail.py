"""Own mail: whether the domain takes the mail that it must, and bounces.

The mail hosts are asked whom they take only where that was asked for: MAIL and RCPT, then
RSET and QUIT.  There never is a message.
"""

from __future__ import annotations

from typing import Final

from smtpbook.accounts.account import Account
from smtpbook.codes.explain import explain
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.reverse_dns import addresses
from smtpbook.deliverability.said import asked, found, quoted, unanswered
from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.lookup.mail_hosts import MailHosts, mail_hosts
from smtpbook.protocol.replies import Reply
from smtpbook.session.session import Session, open_session

# "Any system that includes an SMTP server supporting mail relaying or delivery MUST support
# the reserved mailbox "postmaster"" -- RFC 5321 section 4.5.1; abuse: RFC 2142 section 4.
_MAILBOXES: Final = ("postmaster", "abuse")
_OF_WHO_ASKS: Final = frozenset(
    {"ip_blocked", "rdns", "auth_failed", "greylisted", "rate_limited"}
)
_FROM_ELSEWHERE: Final = "ask from a server that may send mail"
_MAX_HOSTS: Final = 2
_PATIENCE_S: Final = 10.0
_MAX_REPLY: Final = 200


async def own_mail(case: Case) -> list[Said]:
    """Ask who takes the mail of the domain and, if that was asked for, whether they do."""
    hosts = await mail_hosts(case.asker, case.domain)
    if (problem := _no_hosts(hosts)) is not None:
        return [problem]
    if not case.probes_mx:
        return [
            unknown(
                f"{found(hosts.answer)}; whether they take postmaster, abuse and bounces "
                f"was not asked",
                "check_domain(…, probe_mx=True) asks them from here, on port 25; no "
                "message is sent",
            )
        ]
    return await _asked_at(case, hosts)


def _no_hosts(hosts: MailHosts) -> Said | None:
    match hosts.kind:
        case "error":
            return unanswered(hosts.answer)
        case "null":
            return fails(f"{asked(hosts.answer)}: a null MX; the domain takes no mail")
        case "none":
            why = f"{found(hosts.answer)}: there is no host to ask; see from_domain"
            return unknown(why, "publish an MX record first")
        case _:
            return None


async def _asked_at(case: Case, hosts: MailHosts) -> list[Said]:
    """Try the hosts, the preferred first, until one can be spoken with."""
    lost: list[str] = []
    for host in hosts.hosts[:_MAX_HOSTS]:
        ips, error = await addresses(case.asker, host.name)
        if not ips:
            why = "no address" if error is None else visible(error.error or "")
            lost.append(f"{visible(host.name)}: {why}")
            continue
        account = Account(
            host=str(ips[0]),
            port=case.mx_port,
            tls="opportunistic",
            helo=case.helo,
            timeouts=_PATIENCE_S,
        )
        try:
            async with open_session(account) as session:
                return await _conversation(session, case, host.name)
        except SMTPBookError as exc:
            lost.append(f"{visible(host.name)}: {visible(str(exc))}")
    return [
        unknown(
            "; ".join(lost),
            f"many networks let nobody connect to port 25: {_FROM_ELSEWHERE}",
        )
    ]


async def _conversation(session: Session, case: Case, host: str) -> list[Said]:
    """Name the null reverse-path, as a bounce does, and each mailbox; then take it back."""
    said = f"{visible(host)} said"
    begun = await session.command("MAIL FROM:<>")
    if _code(begun) >= 400:
        return [_refused(f"{said} to MAIL FROM:<>", begun, "let it take bounces")]
    refused: list[Said] = []
    for local_part in _MAILBOXES:
        reply = await session.command(f"RCPT TO:<{local_part}@{case.domain}>")
        if _code(reply) >= 400:
            whom = f"{local_part}@{case.domain}"
            remedy = f"have {whom} reach somebody"
            refused.append(_refused(f"{said} to RCPT TO:<{whom}>", reply, remedy))
    await session.command("RSET")
    if refused:
        return refused
    taken = quoted([f"{one}@{case.domain}" for one in _MAILBOXES])
    return [passes(f"{visible(host)} takes bounces, and {taken}")]


def _refused(said: str, reply: Reply | None, remedy: str) -> Said:
    """Judge a refusal, unless it is of whoever asks and not of what was asked for."""
    assert reply is not None  # it has a code
    shown = visible(f"{reply.code} {reply.text}", max_chars=_MAX_REPLY)
    evidence = f"{said}: {shown}"
    if explain(reply).reason in _OF_WHO_ASKS:
        return unknown(f"{evidence}: that is about who asks", _FROM_ELSEWHERE)
    return (fails if reply.code >= 500 else warns)(evidence, remedy)


def _code(reply: Reply | None) -> int:
    return 0 if reply is None else reply.code

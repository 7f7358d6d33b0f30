"""TLS policies: what the domain tells others about delivering to it in secret.

MTA-STS, reports of TLS, and DANE.  All three are optional, so only what is there can be
wrong.  They are read by `routes`, which also acts by them when it sends.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from smtpbook.deliverability.case import Case
from smtpbook.deliverability.reverse_dns import addresses
from smtpbook.deliverability.said import asked, found, quoted, unanswered
from smtpbook.errors import TLSError, TransportError
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.lookup.answer import Answer, Asker, NotAName, dns_name
from smtpbook.lookup.asker import ask_all
from smtpbook.lookup.mail_hosts import mail_hosts
from smtpbook.routes.addresses import addresses_of
from smtpbook.routes.dane import dane_of
from smtpbook.routes.mta_sts import StsPolicies, StsPolicy, record_id
from smtpbook.routes.policy_file import fetch_policy
from smtpbook.routes.tls_report import report_addresses
from smtpbook.routes.txt_fields import RecordError
from smtpbook.wording import lasting

_LOOK_YOURSELF: Final = "open that address in a browser, or ask from another network"
_MAX_HOSTS: Final = 10
# "it's RECOMMENDED that … "max_age" … be greater" than a value whose expiry an attacker
# could wait for: "a value of weeks or greater" -- RFC 8461 section 3.2
_WEEK_S: Final = 604_800
_PORT: Final = 25


async def mta_sts(case: Case) -> list[Said]:
    """Look for the announcement and the policy, and whether it names the mail hosts."""
    answer = await case.asker.ask(f"_mta-sts.{case.domain}", "TXT")
    if answer.status == "error":
        return [unanswered(answer)]
    try:
        announced = record_id(answer.values)
    except RecordError as exc:
        return [fails(f"{found(answer)}: {exc}", _announcement(case.domain))]
    if announced is None:
        return [passes(f"{asked(answer)}: no policy is announced; it is optional")]
    is_given = case.policies is not None and case.domain in map(_name, case.policies)
    if not is_given and not case.fetches:
        return [
            unknown(
                f"{found(answer)}; the policy itself was not asked for",
                "check_domain(…, policies={domain: text})",
            )
        ]
    unreached: list[TransportError] = []
    policies = case.policies if is_given else partial(_fetched, case.asker, unreached)
    known = await StsPolicies(case.asker, policies).of(case.domain)
    if known.policy is not None:
        return await _of_policy(case, known.policy)
    where = f"https://mta-sts.{case.domain}/.well-known/mta-sts.txt"
    why = f"{where}: {visible(known.failure.reason) if known.failure else 'there is none'}"
    if unreached:
        return [unknown(f"{why}; it could not be reached from here", _LOOK_YOURSELF)]
    return [fails(why, f"publish the policy at {where}")]


async def _fetched(asker: Asker, unreached: list[TransportError], domain: str) -> bytes:
    """Fetch a policy, and note where it is the way there that failed."""
    try:
        return await fetch_policy(asker, domain)
    except TLSError:
        raise
    except TransportError as exc:
        ips, error = await addresses(asker, f"mta-sts.{domain}")
        if ips or error is not None:
            unreached.append(exc)
        raise


async def _of_policy(case: Case, policy: StsPolicy) -> list[Said]:
    hosts = await mail_hosts(case.asker, case.domain)
    if hosts.kind == "error":
        return [unanswered(hosts.answer)]
    names = [host.name for host in hosts.hosts]
    outside = [name for name in names if not policy.allows(name)]
    evidence = f"mode {policy.mode}, mx {quoted(policy.mx)}, {lasting(policy.max_age_s)}"
    if outside and policy.mode != "none":
        # "a sending MTA MUST NOT deliver the message if the MX host fails" -- section 5
        says = fails if policy.mode == "enforce" else warns
        lines = "; ".join(f"mx: {visible(name)}" for name in outside[:_MAX_HOSTS])
        return [says(f"{evidence}; it leaves out {quoted(outside)}", f"add {lines}")]
    if policy.mode != "enforce":
        return [warns(f"{evidence}: it binds nobody", "mode: enforce, once reports agree")]
    if policy.max_age_s < _WEEK_S:
        return [warns(f"{evidence}: forgotten within a week", "max_age: 1209600")]
    return [passes(evidence)]


def _name(domain: str) -> str | None:
    try:
        return dns_name(domain)
    except NotAName:
        return None


def _announcement(domain: str) -> str:
    return f'_mta-sts.{domain}. IN TXT "v=STSv1; id=1"; another id with each change'


async def tls_rpt(case: Case) -> list[Said]:
    """Look for the one record, and where its reports go."""
    answer = await case.asker.ask(f"_smtp._tls.{case.domain}", "TXT")
    if answer.status == "error":
        return [unanswered(answer)]
    try:
        addresses = report_addresses(answer.values)
    except RecordError as exc:
        return [fails(f"{found(answer)}: {exc}", _reporting(case.domain))]
    if addresses:
        return [passes(f"{asked(answer)}: to {quoted(addresses)}")]
    announced = await case.asker.ask(f"_mta-sts.{case.domain}", "TXT")
    if announced:
        said = f"{asked(answer)}: nobody tells you when the MTA-STS policy turns mail away"
        return [warns(said, _reporting(case.domain))]
    return [passes(f"{asked(answer)}: no reports are asked for; it is optional")]


def _reporting(domain: str) -> str:
    return f'_smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"'


async def dane(case: Case) -> list[Said]:
    """Look for TLSA records of each mail host, and whether senders can use them."""
    hosts = await mail_hosts(case.asker, case.domain)
    if hosts.kind == "error":
        return [unanswered(hosts.answer)]
    names = {f"_{_PORT}._tcp.{one.name}": one.name for one in hosts.hosts[:_MAX_HOSTS]}
    answers = await ask_all(case.asker, names, "TLSA")
    there = [(names[name], answer) for name, answer in answers.items() if answer]
    said = [await _of_host(case, host, answer) for host, answer in there]
    if lost := [one for one in answers.values() if one.status == "error"]:
        more = f"; nor for {quoted([one.name for one in lost[1:]])}" if lost[1:] else ""
        said.append(unknown(f"{unanswered(lost[0]).evidence}{more}"))
    return said or [passes(f"{case.domain}: no TLSA records; they are optional")]


async def _of_host(case: Case, host: str, answer: Answer) -> Said:
    """Say what one host's records are worth."""
    known = await dane_of(case.asker, await addresses_of(case.asker, host))
    if known.state == "insecure":
        return unknown(
            f"{found(answer)}; whether DNSSEC vouches for them this resolver cannot say",
            'zone=sb.Resolver(["127.0.0.1"], trusts=True), a validating one of your own',
        )
    if known.state == "error":
        return unknown(visible(known.error or ""))
    bad = "; ".join(f"{visible(text)}: {why}" for text, why in known.unusable[:5])
    if known.state == "unusable":
        return fails(f"{asked(answer)}: of no use to mail servers: {bad}")
    if bad:
        return warns(f"{found(answer)}; of no use: {bad}")
    return passes(found(answer))

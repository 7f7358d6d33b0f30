"""Preflight: what would go wrong with a send, found before the first connection.

Each check looks at what is known already and gives findings.  Nothing here is asked on the
network, which `campaign.asking` does, and nothing is decided: whoever sends may send all
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Final

from smtpbook.accounts.account import Account
from smtpbook.accounts.direct import WHO
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring, FromPrompt
from smtpbook.accounts.secret import Secret
from smtpbook.audience.checks import domain_findings, list_findings, volume_findings
from smtpbook.audience.domains import domains_frame
from smtpbook.content.checks import message_findings
from smtpbook.content.mail import Mail
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.findings import VERDICTS, Check, Finding, Group, Verdict
from smtpbook.preflight.about import About
from smtpbook.preflight.requirements import CHECK as REQUIREMENTS
from smtpbook.presets.provider import PROVIDERS
from smtpbook.protocol.addresses import domain_of, is_within
from smtpbook.protocol.message import Message
from smtpbook.wording import counted, lasting

# "The minimum total number of recipients that MUST be buffered is 100 recipients."
# -- RFC 5321 section 4.5.3.1.8
_MUST_TAKE: Final = 100


def findings(about: About) -> list[Finding]:
    """Give what all checks find, in the order in which they are made."""
    return [one for look in _LOOKS for one in look(about)]


# -- the letter


def _letters(about: About) -> Iterator[Finding]:
    """Tell whose letter cannot be made: a field or a file is missing, or is none."""
    total = f"{about.recipients:,}"
    for cause in about.unmade:
        yield Finding(
            check="letters",
            verdict="fail",
            evidence=f"{cause.recipients:,} of {total} cannot be made, the first is "
            f"{cause.example}'s: {visible(cause.why)}",
            remedy="correct these rows, or say in the letter what stands in: "
            "{{ field | default('…') }}",
        )
    if not about.unmade:
        yield Finding(check="letters", verdict="pass", evidence=f"all {total} can be made")


def _coverage(about: About) -> Iterator[Finding]:
    """Tell where a default stands in for a value, and which bodies come out empty."""
    looked_at = len(about.sample)
    if not looked_at or about.campaign.settings.together is not None:
        return
    of = f"{looked_at:,}"
    if looked_at < about.recipients:
        of += f" looked at (of {about.recipients:,})"
    found = about.campaign.letter.coverage(about.sample, progress=False)
    taken = found[found["kind"].isin(["fallback", "empty"]) & (found["recipients"] > 0)]
    for row in taken.to_dict("records"):
        is_fallback = row["kind"] == "fallback"
        is_everybody = row["recipients"] == looked_at
        where = f"{row['part']}, line {row['line']}: " if is_fallback else ""
        remedy = "letter.coverage(people, each=True) shows whose"
        if is_fallback and is_everybody:
            remedy = "people.fields shows what the list calls its fields"
        yield Finding(
            check="fallback" if is_fallback else "empty",
            verdict="pass" if is_fallback and not is_everybody else "warn",
            evidence=f"{visible(where + row['what'])}: {row['recipients']:,} of {of}, the "
            f"first is {row['example']}'s",
            remedy=remedy,
        )


def _messages(about: About) -> Iterator[Finding]:
    """Tell what servers, filters and readers may mind in the messages looked at."""
    if about.first is None:
        return
    looked_at = [
        message_findings(Mail.of(message), volume=about.recipients)
        for message in (about.first, *about.others)
    ]
    for check in dict.fromkeys(one.check for one in looked_at[0]):
        each = [[one for one in found if one.check == check] for found in looked_at]
        worst = min(each, key=lambda found: min(map(_urgency, found)))
        urgency = min(map(_urgency, worst))
        alike = sum(min(map(_urgency, found)) == urgency for found in each)
        for one in worst:
            if alike == len(each) or one.verdict == "pass":
                yield one
                continue
            of = f"; so in {alike} of {len(each)} messages looked at"
            yield replace(one, evidence=one.evidence + of)


def _urgency(finding: Finding) -> int:
    return VERDICTS.index(finding.verdict)


def from_domain(message: Message) -> str:
    """Give the domain of a message's From; its body may be large."""
    head = message.data.partition(b"\r\n\r\n")[0]
    mail = message_from_bytes(head, policy=default)
    assert isinstance(mail, EmailMessage)
    return domain_of(mail["From"].addresses[0].addr_spec) or ""


def _tried(about: About) -> Iterator[Finding]:
    if about.tried is None:
        yield Finding(
            check="tried",
            verdict="warn",
            evidence="this letter, as it is now, was never tried with a test",
            remedy='campaign.test("you@…") sends it to yourself as the first would get it',
        )
        return
    yield Finding(
        check="tried",
        verdict="pass",
        evidence=f"tried at {counted(about.tried.addresses, 'address', 'addresses')}, last "
        f"{about.tried.last:%Y-%m-%d %H:%M} UTC",
    )


# -- the list


def _list(about: About) -> Iterator[Finding]:
    """Tell what is in the list, and how many of it each provider gets."""
    yield from list_findings(about.campaign.people, is_lab=about.is_lab)
    domains = domains_frame(about.domains)
    if any(one.kind != "unasked" for one in about.domains):
        yield from domain_findings(domains)
    yield from volume_findings(domains)


def _left_alone(about: About) -> Iterator[Finding]:
    suppressed = about.standing.get("suppressed", 0)
    if suppressed:
        yield Finding(
            check="suppressed",
            verdict="pass",
            evidence=f"{suppressed:,} of the list are never written to",
        )
    in_doubt = about.standing.get("in_doubt", 0)
    if in_doubt:
        yield Finding(
            check="in_doubt",
            verdict="warn",
            evidence=f"{in_doubt:,} may or may not have got it already; without "
            'in_doubt="resend" they are left alone',
            remedy='campaign.settle({address: "accepted"}) says what became of them',
            source="RFC 1047, February 1988",
        )


# -- the accounts


def _named(about: About) -> Iterator[tuple[Account, str]]:
    """Give each account, with its name to put in front where there are several."""
    for account in about.shares:
        yield account, f"{visible(account.name or '')}: " if len(about.shares) > 1 else ""


def _sender(about: About) -> Iterator[Finding]:
    """Tell whether From is an address that this login may send from, as far as it shows."""
    if about.first is None:
        return
    domain = from_domain(about.first)
    for account, by in _named(about):
        if not account.is_lab:
            yield _sender_of(domain, account, f"{by}From is at {visible(domain)}")


def _sender_of(domain: str, account: Account, said: str) -> Finding:
    owner = next((p for p in PROVIDERS.values() if domain in p.domains), None)
    if owner is not None and not owner.serves(account.host, account.port):
        return Finding(
            check="sender",
            verdict="warn",
            evidence=f"{said}, which is {owner.title}'s, and "
            f"{account.host or 'this machine'} is not: "
            f"readers' servers look up which servers send for a domain",
            remedy="send by an account at that provider, or from a domain of your own",
            source="RFC 7489",
        )
    login = domain_of(account.username or "")
    if account.relay is not None:
        return Finding(
            check="sender",
            verdict="unknown",
            evidence=f"{said}; its SPF record says whether this machine may send for it",
            remedy="a test to yourself shows what becomes of it",
            source="RFC 7208",
        )
    if login is None:
        verdict: Verdict = "unknown"
        said += "; the login does not say whose addresses it may send from"
    elif is_within(domain, login) or is_within(login, domain):
        verdict, said = "pass", f"{said}, as the login is"
    else:
        verdict = "warn"
        said += f", the login at {visible(login)}: the server may refuse or replace it"
    return Finding(
        check="sender",
        verdict=verdict,
        evidence=said,
        remedy=None if verdict == "pass" else "a test to yourself shows what becomes of it",
        source="RFC 6409 section 6.1",
    )


def _password(about: About) -> Iterator[Finding]:
    for account, by in _named(about):
        verdict, said, remedy = _password_of(account)
        evidence = f"{by}{said}"
        yield Finding(check="password", verdict=verdict, evidence=evidence, remedy=remedy)


def _password_of(account: Account) -> tuple[Verdict, str, str | None]:
    """Tell whether there is a password; nobody is asked, but for a keyring's lock."""
    given = account.password
    if account.username is None and given is None:
        return "pass", "no login", None
    if isinstance(given, Secret):
        return "pass", "the account holds it", None
    if isinstance(given, FromPrompt):
        return "unknown", "somebody is asked for it before the first connection", None
    source = FromKeyring(account.name or "") if given is None else given
    if not isinstance(source, FromKeyring | FromEnvironment):
        return "unknown", "a callable is asked for it at the login", None
    try:
        source()
    except LocalProtocolError as exc:
        said, _, way_out = str(exc).partition("; ")
        return "fail", visible(said), way_out or "set it, or give password="
    return "pass", f"found: {source!r}", None


def _direct(about: About) -> Iterator[Finding]:
    """Tell who should send without a provider, and how fast that goes at most."""
    for account in about.shares:
        if account.relay is None:
            continue
        pace = account.relay.per_host
        yield Finding(
            check="direct",
            verdict="pass" if account.is_lab else "warn",
            evidence=f"each domain's own servers get the mail from {account.helo}, "
            + ("as fast as they take it" if pace is None else f"{pace} at most"),
            remedy=None if account.is_lab else WHO,
            source="RFC 5321 section 5.1",
        )


def _encryption(about: About) -> Iterator[Finding]:
    for account in about.shares:
        if account.relay is not None:  # what each domain promises decides
            continue
        if account.tls not in ("none", "opportunistic") or account.is_loopback:
            continue
        what = "mail" if account.username is None else "password and mail"
        when = " where it offers no TLS" if account.tls == "opportunistic" else ""
        yield Finding(
            check="tls",
            verdict="warn",
            evidence=f"{what} travel to {account.host} for everybody to read{when}",
            remedy='Account(…, tls="starttls") or "implicit"; sb.probe(account) shows what '
            "the server offers",
            source="RFC 8314",
        )


# -- how fast, and how many at once


def _pace(about: About) -> Iterator[Finding]:
    yield Finding(check="pace", verdict="pass", evidence=told_pace(about))


def told_pace(about: About) -> str:
    """Say the pace, and how long the send takes at it."""
    pace, end = about.campaign.settings.pace, about.forecast
    for relay in filter(None, (account.relay for account in about.shares)):
        if end is None and relay.per_host is not None:
            return f"{pace}; at most {relay.per_host} to any domain's servers"
    if pace.is_adaptive:
        return f"{pace}: follows the server's replies"
    if end is None:
        return f"{pace}: as fast as the server takes them"
    least = "at least " if end.is_least else ""
    local = end.ends.astimezone()
    return (
        f"{pace}: {least}{lasting(end.seconds)} if the server keeps up, until "
        f"{local:%Y-%m-%d %H:%M %Z}"
    )


def _quota(about: About) -> Iterator[Finding]:
    """Compare what each account is to send in 24 hours with what its provider takes."""
    end, names = about.forecast, dict(_named(about))
    for account, share in about.shares.items():
        provider = account.provider
        if provider is None or provider.per_day is None:
            continue
        number = round(about.recipients * share)
        said = f"{names[account]}{number:,} recipients; {provider.title} takes about "
        said += f"{provider.per_day:,} in 24 hours"
        source = provider.limit_source or provider.source
        if number <= provider.per_day or (end is not None and not end.is_over_quota):
            yield Finding(check="quota", verdict="pass", evidence=said, source=source)
            continue
        daily = int(provider.per_day / share)
        yield Finding(
            check="quota",
            verdict="warn",
            evidence=said,
            remedy=f'Campaign(…, pace="{daily} every day") goes on the next day',
            source=source,
        )


def _together(about: About) -> Iterator[Finding]:
    together = about.campaign.settings.together
    if together is None or about.recipients < 2:
        return
    size = min(together.size, about.recipients)
    how = f"{size:,} recipients share a message"
    if together.show == "bcc":
        evidence = f"{how}, and none sees another"
        yield Finding(check="together", verdict="pass", evidence=evidence)
    else:
        yield Finding(
            check="together",
            verdict="warn",
            evidence=f"{how}, and each reads the others' addresses",
            remedy='Together(show="bcc") shows nobody',
        )
    if size > _MUST_TAKE:
        yield Finding(
            check="together",
            verdict="unknown",
            evidence=f"{how}; a server need not take more than {_MUST_TAKE}",
            remedy=f"Together(size={_MUST_TAKE})",
            source="RFC 5321 section 4.5.3.1.8",
        )


_LOOKS: Final[tuple[Callable[[About], Iterator[Finding]], ...]] = (
    *(_letters, _coverage, _messages, _tried),
    *(_list, _left_alone),
    *(_sender, _password, _direct, _encryption),
    *(_pace, _quota, _together),
)


def _check(name: str, group: Group, asks: str, source: str | None = None) -> Check:
    return Check(name=name, group=group, asks=asks, source=source)


CHECKS: Final = (
    _check("letters", "message", "Can every letter be made?"),
    _check("fallback", "message", "For whom does a default stand in for a value?"),
    _check("empty", "message", "Does no body come out empty?"),
    _check("tried", "send", "Was this letter tried with a test?"),
    _check("suppressed", "list", "How many of the list are never written to?"),
    _check(
        "in_doubt",
        "list",
        "Is it known what became of earlier tries?",
        "RFC 1047, February 1988",
    ),
    _check(
        "sender",
        "send",
        "May this login send from this From?",
        "RFC 6409 section 6.1, November 2011",
    ),
    _check("password", "send", "Is there a password?"),
    _check(
        "direct",
        "send",
        "Should this machine send without a provider?",
        "RFC 5321 section 5.1, October 2008",
    ),
    _check(
        "tls",
        "send",
        "Is what goes to the server encrypted?",
        "RFC 8314, January 2018",
    ),
    _check("pace", "send", "How long does it take?"),
    _check("quota", "send", "Does the provider take so many in a day?"),
    _check(
        "together",
        "send",
        "Who shares a message, and do they see each other?",
        "RFC 5321 section 4.5.3.1.8, October 2008",
    ),
    REQUIREMENTS,
)
"""The checks of a send, in the order in which they are made; a letter's and a list's own
are `content`'s and `audience`'s."""

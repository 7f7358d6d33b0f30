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
from smtpbook.findings import (
    Check,
    Finding,
    Group,
    Said,
    fails,
    passes,
    unknown,
    urgency,
    warns,
)
from smtpbook.preflight.about import About
from smtpbook.preflight.requirements import CHECK as REQUIREMENTS
from smtpbook.presets.provider import PROVIDERS
from smtpbook.protocol.addresses import domain_of, is_within
from smtpbook.protocol.message import Message
from smtpbook.wording import counted, lasting

# "The minimum total number of recipients that MUST be buffered is 100 recipients."
# -- RFC 5321 section 4.5.3.1.8
_MUST_TAKE: Final = 100


def _check(name: str, group: Group, asks: str, source: str | None = None) -> Check:
    return Check(name=name, group=group, asks=asks, source=source)


_LETTERS: Final = _check("letters", "message", "Can every letter be made?")
_FALLBACK: Final = _check(
    "fallback", "message", "For whom does a default stand in for a value?"
)
_EMPTY: Final = _check("empty", "message", "Does no body come out empty?")
_TRIED: Final = _check("tried", "send", "Was this letter tried with a test?")
_SUPPRESSED: Final = _check(
    "suppressed", "list", "How many of the list are never written to?"
)
_IN_DOUBT: Final = _check(
    "in_doubt",
    "list",
    "Is it known what became of earlier tries?",
    "RFC 1047, February 1988",
)
_SENDER: Final = _check(
    "sender",
    "send",
    "May this login send from this From?",
    "RFC 6409 section 6.1, November 2011; RFC 7208, April 2014; RFC 9989, May 2026",
)
_PASSWORD: Final = _check("password", "send", "Is there a password?")
_DIRECT: Final = _check(
    "direct",
    "send",
    "Should this machine send without a provider?",
    "RFC 5321 section 5.1, October 2008",
)
_TLS: Final = _check(
    "tls", "send", "Is what goes to the server encrypted?", "RFC 8314, January 2018"
)
_PACE: Final = _check("pace", "send", "How long does it take?")
_QUOTA: Final = _check("quota", "send", "Does the provider take so many in a day?")
_TOGETHER: Final = _check(
    "together",
    "send",
    "Who shares a message, and do they see each other?",
    "RFC 5321 section 4.5.3.1.8, October 2008",
)
CHECKS: Final = (
    *(_LETTERS, _FALLBACK, _EMPTY, _TRIED, _SUPPRESSED, _IN_DOUBT),
    *(_SENDER, _PASSWORD, _DIRECT, _TLS, _PACE, _QUOTA, _TOGETHER, REQUIREMENTS),
)
"""The checks of a send, in the order in which they are made; a letter's and a list's own
are `content`'s and `audience`'s."""


def findings(about: About) -> list[Finding]:
    """Give what all checks find, in the order in which they are made."""
    return [one for look in _LOOKS for one in look(about)]


# -- the letter


def _letters(about: About) -> Iterator[Finding]:
    """Tell whose letter cannot be made: a field or a file is missing, or is none."""
    total = f"{about.recipients:,}"
    for cause in about.unmade:
        yield _LETTERS.found(
            fails(
                f"{cause.recipients:,} of {total} cannot be made, the first is "
                f"{cause.example}'s: {visible(cause.why)}",
                "correct these rows, or say in the letter what stands in: "
                "{{ field | default('…') }}",
            )
        )
    if not about.unmade:
        yield _LETTERS.found(passes(f"all {total} can be made"))


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
        check = _FALLBACK if is_fallback else _EMPTY
        yield check.found(
            Said(
                "pass" if is_fallback and not is_everybody else "warn",
                f"{visible(where + row['what'])}: {row['recipients']:,} of {of}, the "
                f"first is {row['example']}'s",
                remedy,
            )
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
        worst = min(each, key=lambda found: min(map(urgency, found)))
        highest = min(map(urgency, worst))
        alike = sum(min(map(urgency, found)) == highest for found in each)
        for one in worst:
            if alike == len(each) or one.verdict == "pass":
                yield one
                continue
            of = f"; so in {alike} of {len(each)} messages looked at"
            yield replace(one, evidence=one.evidence + of)


def from_domain(message: Message) -> str:
    """Give the domain of a message's From; its body may be large."""
    head = message.data.partition(b"\r\n\r\n")[0]
    mail = message_from_bytes(head, policy=default)
    assert isinstance(mail, EmailMessage)
    return domain_of(mail["From"].addresses[0].addr_spec) or ""


def _tried(about: About) -> Iterator[Finding]:
    if about.tried is None:
        yield _TRIED.found(
            warns(
                "this letter, as it is now, was never tried with a test",
                'campaign.test("you@…") sends it to yourself as the first would get it',
            )
        )
        return
    yield _TRIED.found(
        passes(
            f"tried at {counted(about.tried.addresses, 'address', 'addresses')}, last "
            f"{about.tried.last:%Y-%m-%d %H:%M} UTC"
        )
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
        yield _SUPPRESSED.found(passes(f"{suppressed:,} of the list are never written to"))
    in_doubt = about.standing.get("in_doubt", 0)
    if in_doubt:
        yield _IN_DOUBT.found(
            warns(
                f"{in_doubt:,} may or may not have got it already; without "
                'in_doubt="resend" they are left alone',
                'campaign.settle({address: "accepted"}) says what became of them',
            )
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
        return _SENDER.found(
            warns(
                f"{said}, which is {owner.title}'s, and "
                f"{account.host or 'this machine'} is not: readers' servers look up which "
                f"servers send for a domain",
                "send by an account at that provider, or from a domain of your own",
            )
        )
    login = domain_of(account.username or "")
    if login is not None and (is_within(domain, login) or is_within(login, domain)):
        return _SENDER.found(passes(f"{said}, as the login is"))
    if account.relay is not None:
        says = unknown
        said += "; its SPF record says whether this machine may send for it"
    elif login is None:
        says = unknown
        said += "; the login does not say whose addresses it may send from"
    else:
        says = warns
        said += f", the login at {visible(login)}: the server may refuse or replace it"
    return _SENDER.found(says(said, "a test to yourself shows what becomes of it"))


def _password(about: About) -> Iterator[Finding]:
    for account, by in _named(about):
        said = _password_of(account)
        yield _PASSWORD.found(said._replace(evidence=f"{by}{said.evidence}"))


def _password_of(account: Account) -> Said:
    """Tell whether there is a password; nobody is asked, but for a keyring's lock."""
    given = account.password
    if account.username is None and given is None:
        return passes("no login")
    if isinstance(given, Secret):
        return passes("the account holds it")
    if isinstance(given, FromPrompt):
        return unknown("somebody is asked for it before the first connection")
    source = FromKeyring(account.name or "") if given is None else given
    if not isinstance(source, FromKeyring | FromEnvironment):
        return unknown("a callable is asked for it at the login")
    try:
        source()
    except LocalProtocolError as exc:
        said, _, way_out = str(exc).partition("; ")
        return fails(visible(said), way_out or "set it, or give password=")
    return passes(f"found: {source!r}")


def _direct(about: About) -> Iterator[Finding]:
    """Tell who should send without a provider, and how fast that goes at most."""
    for account in about.shares:
        if account.relay is None:
            continue
        pace = account.relay.per_host
        said = f"each domain's own servers get the mail from {account.helo}, "
        said += "as fast as they take it" if pace is None else f"{pace} at most"
        yield _DIRECT.found(passes(said) if account.is_lab else warns(said, WHO))


def _encryption(about: About) -> Iterator[Finding]:
    for account in about.shares:
        if account.relay is not None:  # what each domain promises decides
            continue
        if account.tls not in ("none", "opportunistic") or account.is_loopback:
            continue
        what = "mail" if account.username is None else "password and mail"
        when = " where it offers no TLS" if account.tls == "opportunistic" else ""
        yield _TLS.found(
            warns(
                f"{what} travel to {account.host} for everybody to read{when}",
                'Account(…, tls="starttls") or "implicit"; sb.probe(account) shows what '
                "the server offers",
            )
        )


# -- how fast, and how many at once


def _pace(about: About) -> Iterator[Finding]:
    yield _PACE.found(passes(told_pace(about)))


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
        if number <= provider.per_day or (end is not None and not end.is_over_quota):
            found = _QUOTA.found(passes(said))
        else:
            pace = f"{int(provider.per_day / share)} every day"
            remedy = f'Campaign(…, pace="{pace}") goes on the next day'
            found = _QUOTA.found(warns(said, remedy))
        yield replace(found, source=provider.limit_source or provider.source)


def _together(about: About) -> Iterator[Finding]:
    together = about.campaign.settings.together
    if together is None or about.recipients < 2:
        return
    size = min(together.size, about.recipients)
    how = f"{size:,} recipients share a message"
    if together.show == "bcc":
        yield _TOGETHER.found(passes(f"{how}, and none sees another"))
    else:
        yield _TOGETHER.found(
            warns(
                f"{how}, and each reads the others' addresses",
                'Together(show="bcc") shows nobody',
            )
        )
    if size > _MUST_TAKE:
        yield _TOGETHER.found(
            unknown(
                f"{how}; a server need not take more than {_MUST_TAKE}",
                f"Together(size={_MUST_TAKE})",
            )
        )


_LOOKS: Final[tuple[Callable[[About], Iterator[Finding]], ...]] = (
    *(_letters, _coverage, _messages, _tried),
    *(_list, _left_alone),
    *(_sender, _password, _direct, _encryption),
    *(_pace, _quota, _together),
)

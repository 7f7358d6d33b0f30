"""Whose server speaks, and what its own codes, phrases and statuses mean there.

A provider is known by the server's name, by its greeting, or by what only its replies hold;
an address or a domain that a reply merely mentions makes nobody its author.  The rows are
those of `provider_tables`; in which order rules are asked is not decided here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from smtpbook.codes.phrase_index import PhraseIndex
from smtpbook.codes.provider_tables import (
    Blocklist,
    Kind,
    Provider,
    ProviderReply,
    blocklists,
    provider_replies,
    providers,
)
from smtpbook.codes.rules import Finding, Said
from smtpbook.codes.tables import enhanced_statuses

# What is looked at of a text: a reply line has at most 512 octets (RFC 5321 section
# 4.5.3.1.5), and what counts stands in the first few.
_MAX_TEXT: Final = 2000
_MAX_HOST: Final = 255  # RFC 5321 section 4.5.3.1.2
# Where a reply goes on: its next line, or the same after a log has put them all on one
# ("550-5.7.1 ... 550 5.7.1 ..."); code and status are said again there.
_GOES_ON: Final = re.compile(
    r"[\n ](?:(?<=\n)|[245][0-9]{2}[- ])(?:[245]\.[0-9]{1,3}\.[0-9]{1,3}[ ]?)?"
)
_URL: Final = re.compile(r"https?://[^\s<>\"'()\[\]{}]{1,500}", re.IGNORECASE)
# Who has the mailboxes knows them better than what stands before or under them.
_RANK: Final[Mapping[Kind, int]] = {"service": 0, "filter": 1, "software": 2}


class _Heard(NamedTuple):
    """What of the tables stands in one text, the longest first."""

    speakers: tuple[str, ...]
    replies: tuple[ProviderReply, ...]
    blocklist: Blocklist | None


_NOTHING: Final = _Heard((), (), None)


def recognise(said: Said) -> str | None:
    """Say whose server this is, from its name, its greeting, or the shape of the reply.

    Returns
    -------
    str or None
        A name of `providers`; None = nobody known.  Who has the mailboxes comes before the
        filter and the software in front of them.

    Examples
    --------
    >>> recognise(Said(verb="RCPT", code=550, text="5.1.1 no such user x1-2si - gsmtp"))
    'gmail'
    >>> recognise(Said(verb="RCPT", code=550, text="we take no mail from gmail.com"))
    """
    speakers = _speakers(said)
    return speakers[0] if speakers else None


def provider_hint(said: Said) -> Finding | None:
    """Look up what a token or a fixed phrase of this provider says, for sure or not.

    >>> found = provider_hint(Said(verb="MAIL", code=421, text="4.7.0 [TSS04] deferred"))
    >>> found.entry.reason, found.why
    ('rate_limited', "Yahoo and AOL: '[tss' in the reply")
    """
    if said.code < 400:
        return None
    replies = _heard(said.text[:_MAX_TEXT]).replies
    for speaker in _speakers(said) if replies else ():
        for reply in replies:
            if reply.provider == speaker and _fits(reply, said):
                title = providers()[speaker].title
                return Finding(reply, f"{title}: {reply.token!r} in the reply")
    return None


def provider_status(said: Said) -> Finding | None:
    """Look up what an enhanced status means to this provider, be it registered or not.

    A status that is not registered, and that means one thing to all providers who use it,
    means this even where nothing tells who speaks.

    >>> said = Said(
    ...     verb="MAIL", code=550, enhanced_status="5.7.606", host="mx.olc.outlook.com"
    ... )
    >>> provider_status(said).entry.reason
    'ip_blocked'
    """
    if said.enhanced_status is None or said.code < 400:
        return None
    for speaker in _speakers(said) or _vendor_of().get(said.enhanced_status, ()):
        for reply in _by_status().get((speaker, said.enhanced_status), ()):
            if _fits(reply, said):
                title = providers()[speaker].title
                why = f"enhanced status {said.enhanced_status}, as used by {title}"
                return Finding(reply, why)
    return None


def dns_blocklist(text: str) -> Blocklist | None:
    """Say which DNS blocklist a text names, by its zone, its page or its name.

    >>> dns_blocklist("client [192.0.2.1] blocked using zen.spamhaus.org").lists
    'ip'
    """
    return _heard(text[:_MAX_TEXT]).blocklist


def token(text: str, provider: str | None) -> str | None:
    """Give the provider's code as it stands in the text, without what encloses it.

    >>> token("4.7.0 [TSS04] Messages temporarily deferred", "yahoo")
    'TSS04'
    """
    known = providers().get(provider or "")
    found = known.token.search(text[:_MAX_TEXT]) if known and known.token else None
    return (found[found.lastindex or 0]).strip("[]()") if found else None


def url(text: str) -> str | None:
    """Give the first page that a text points to.

    >>> url("see https://postmaster.example.org/why?c=1.")
    'https://postmaster.example.org/why?c=1'
    """
    found = _URL.search(text[:_MAX_TEXT])
    return found[0].rstrip(".,;:!") if found else None


def _speakers(said: Said) -> tuple[str, ...]:
    """Give who may be speaking, the surest first."""
    heard = _heard(said.text[:_MAX_TEXT]).speakers
    # "421 <domain> Service not available" -- RFC 5321 section 4.2.3: the name comes first,
    # as it does in a greeting (section 4.2).
    says_name = said.code == 421 or said.verb == "GREETING"
    if not (said.host or said.greeting or says_name):
        return heard
    given = [
        _by_host(said.host[:_MAX_HOST]) if said.host else None,
        _by_greeting(said.greeting[:_MAX_TEXT]) if said.greeting else None,
        _by_first_word(said.text[:_MAX_TEXT]) if says_name else None,
        *heard,
    ]
    return tuple(dict.fromkeys(name for name in given if name))


def _fits(reply: ProviderReply, said: Said) -> bool:
    return str(said.code).startswith(reply.code) and (
        reply.enhanced_status is None or reply.enhanced_status == said.enhanced_status
    )


@lru_cache(maxsize=256)
def _by_host(host: str) -> str | None:
    rest = host.lower().rstrip(".")
    names = _hosts()
    while rest:
        if rest in names:
            return names[rest]
        rest = rest.partition(".")[2]
    return None


def _by_first_word(text: str) -> str | None:
    """Tell whose the host is that a text begins with, after code and status."""
    for word in text.split(None, 3)[:3]:
        if not word[0].isdigit():
            return _by_host(word) if "." in word else None
    return None


@lru_cache(maxsize=64)
def _by_greeting(greeting: str) -> str | None:
    found = _greetings().find(greeting.lower())
    return _by_first_word(greeting) or (
        min(found, key=lambda one: _RANK[one[1].kind])[1].name if found else None
    )


# An explanation asks more than once about one reply.
@lru_cache(maxsize=64)
def _heard(text: str) -> _Heard:
    found = _phrases().find(_GOES_ON.sub(" ", text.lower()))
    if not found:
        return _NOTHING
    marks: list[Provider] = []
    replies: list[ProviderReply] = []
    blocklist = None
    for _, value in found:
        if isinstance(value, ProviderReply):
            replies.append(value)
        elif isinstance(value, Provider):
            marks.append(value)
        else:
            blocklist = blocklist or value
    marks.sort(key=lambda one: _RANK[one.kind])
    return _Heard(tuple([one.name for one in marks]), tuple(replies), blocklist)


@cache
def _phrases() -> PhraseIndex[Provider | ProviderReply | Blocklist]:
    return PhraseIndex(
        [
            *((mark, one) for one in providers().values() for mark in one.marks),
            *((one.token, one) for one in provider_replies() if one.token),
            *((name, one) for one in blocklists().values() for name in one.names),
        ]
    )


@cache
def _greetings() -> PhraseIndex[Provider]:
    return PhraseIndex(
        (text, one) for one in providers().values() for text in one.greetings
    )


@cache
def _hosts() -> Mapping[str, str]:
    return {host: one.name for one in providers().values() for host in one.hosts}


@cache
def _by_status() -> Mapping[tuple[str, str], list[ProviderReply]]:
    replies: defaultdict[tuple[str, str], list[ProviderReply]] = defaultdict(list)
    for one in provider_replies():
        if one.token is None and one.enhanced_status:
            replies[one.provider, one.enhanced_status].append(one)
    return dict(replies)


@cache
def _vendor_of() -> Mapping[str, tuple[str, ...]]:
    """Give whose a status is that is not registered, where all who use it agree on it."""
    users: defaultdict[str, dict[str | None, str]] = defaultdict(dict)
    for (name, status), replies in _by_status().items():
        if f"X{status[1:]}" not in enhanced_statuses():
            users[status] |= {one.reason: name for one in replies}
    return {status: (*its.values(),) for status, its in users.items() if len(its) == 1}

"""Which kind of DNS blocklist a host name or URL in a reply belongs to.

The lists known by name are those of `provider_tables`; another one is recognised by a label
such as ``dnsbl``.  No list is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from smtpbook.codes.provider_tables import blocklists
from smtpbook.codes.providers import dns_blocklist

# Refusals that a blocklist may be the cause of.
LISTED: Final = frozenset({"ip_blocked", "sender_blocked", "rdns", "spam", "policy"})

_MAX_CHARS: Final = 3000
# Labels that only lists have, also with more behind: "dnsbl-2", "rbl-plus", "rbl3".
_LIST_LABELS: Final = (
    "blackhole blackholes blacklist blacklists blocklist blocklists dnsbl dnsrbl ipbl rbl"
)
_LABELS: Final = frozenset(_LIST_LABELS.split())
# Those of lists where they stand alone; "bl2" may be any host.
_BARE_LABELS: Final = frozenset({"bl", "dul", "pbl", "sbl", "xbl"})
_HOST: Final = re.compile(r"(?<![a-z0-9_.-])[a-z][a-z0-9_-]*+(?:\.[a-z0-9_-]++)++")


def reason_for(name: str) -> str | None:
    """Give the reason of a refusal that names this list.

    Parameters
    ----------
    name : str
        A host name or a URL, in lower case.

    Returns
    -------
    str or None
        ``ip_blocked``, ``sender_blocked``, ``spam`` (domains that a message links to) or
        ``rdns``; None = no list's name.

    Examples
    --------
    >>> reason_for("zen.spamhaus.org"), reason_for("https://www.spamhaus.org/dbl/")
    ('ip_blocked', 'sender_blocked')
    >>> reason_for("dnsbl-2.example.net"), reason_for("www.example.org")
    ('ip_blocked', None)
    """
    host, _, path = (name.partition("://")[2] or name).partition("/")
    labels = host.partition(":")[0].split(".")
    if ".".join(labels[-2:]) in _sites():
        known = _known()
        for size in range(len(labels), 1, -1):
            zone = ".".join(labels[-size:])
            page = path.removeprefix("query/").partition("/")[0]
            reason = known.get(f"{zone}/{page}") or known.get(zone)
            if reason is not None:
                return reason
    if len(labels) > 2 and any(
        label in _BARE_LABELS or label.partition("-")[0].rstrip("0123456789") in _LABELS
        for label in labels
    ):
        return "ip_blocked"
    return None


def blocklist_in(text: str) -> str | None:
    """Give the list's zone or site as it stands in the text, or else what it is called.

    >>> blocklist_in("blocked using zen.spamhaus.org, see https://www.spamhaus.org/query")
    'zen.spamhaus.org'
    >>> blocklist_in("the address is listed by SpamCop")
    'SpamCop'
    """
    text = text[:_MAX_CHARS]
    for piece in text.lower().split():
        if "." in piece and (name := _list_in(piece)):
            return name
    listed = dns_blocklist(text)
    return listed.title if listed else None


def _list_in(piece: str) -> str | None:
    for match in _HOST.finditer(piece):
        if reason_for(match[0]):
            return match[0].removeprefix("www.")
    return None


@cache
def _known() -> Mapping[str, str]:
    return {
        name: one.reason
        for one in blocklists().values()
        for name in one.names
        if "." in name and " " not in name
    }


@cache
def _sites() -> frozenset[str]:
    return frozenset(".".join(name.partition("/")[0].split(".")[-2:]) for name in _known())

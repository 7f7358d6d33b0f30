"""DNS blocklists by name: which list a host name or URL in a reply belongs to.

The lists known by name stand in ``tables/blocklists.csv``; another one is recognised by a
label such as ``dnsbl`` or ``rbl``.  No list is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from smtpbook.codes.tables import rows

_LABELS: Final = frozenset(
    "bl dnsbl rbl dnsrbl blacklist blacklists blocklist blocklists xbl sbl pbl zen bl1 bl2 "
    "spamlist dnsbl1 dnsbl2 rbl1 rbl2 ipbl rblplus antispam-rbl".split()
)


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One list: its zone, and whether it lists IP addresses or domains."""

    zone: str
    lists: Literal["ip", "domain"]


def blocklist_of(name: str) -> Blocklist | None:
    """Give the list that a host name or URL belongs to.

    Parameters
    ----------
    name : str
        In lower case.

    Examples
    --------
    >>> blocklist_of("zen.spamhaus.org")
    Blocklist(zone='zen.spamhaus.org', lists='ip')
    >>> blocklist_of("https://www.spamhaus.org/query/ip/192.0.2.1").zone
    'spamhaus.org'
    >>> blocklist_of("www.example.org")
    """
    host = name.partition("://")[2] or name
    host, _, path = host.partition("/")
    labels = host.partition(":")[0].strip(".").split(".")
    known = _known()
    for size in range(min(len(labels), 5), 1, -1):
        lists = known.get(".".join(labels[-size:]))
        if lists is not None:
            if lists == "ip" and path.startswith(("dbl", "query/dbl", "query/domain")):
                lists = "domain"
            zone = labels[1:] if labels[0] == "www" else labels
            return Blocklist(".".join(zone), lists)
    if len(labels) > 2 and not _LABELS.isdisjoint(labels[:-1]):
        return Blocklist(".".join(labels), "ip")
    return None


@cache
def _known() -> Mapping[str, Literal["ip", "domain"]]:
    return {
        zone: "domain" if row["lists"] == "domain" else "ip"
        for row in rows("blocklists.csv")
        for zone in row["zones"].split()
    }

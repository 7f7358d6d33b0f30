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

_LABELS: Final = frozenset({"bl", "dnsbl", "dnsrbl", "ipbl", "pbl", "rbl", "sbl", "xbl"})


_DOMAIN_PAGES: Final = ("dbl", "query/dbl", "query/domain")


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One list.

    Attributes
    ----------
    zone : str
        What is asked in the DNS, or else the list's site.
    lists : {"ip", "domain"}
        What it lists.
    is_zone : bool
        False = the name was a page's, so that ``zone`` is the site.
    """

    zone: str
    lists: Literal["ip", "domain"]
    is_zone: bool


def blocklist_of(name: str) -> Blocklist | None:
    """Give the list that a host name or URL belongs to.

    Parameters
    ----------
    name : str
        In lower case.

    Examples
    --------
    >>> blocklist_of("zen.spamhaus.org")
    Blocklist(zone='zen.spamhaus.org', lists='ip', is_zone=True)
    >>> blocklist_of("https://www.spamhaus.org/query/ip/192.0.2.1").zone
    'spamhaus.org'
    >>> blocklist_of("www.example.org")
    """
    host = name.partition("://")[2] or name
    host, _, path = host.partition("/")
    labels = host.partition(":")[0].strip(".").split(".")
    if ".".join(labels[-2:]) in _sites():
        known = _known()
        for size in range(len(labels), 1, -1):
            zone = ".".join(labels[-size:])
            lists = known.get(zone)
            if lists is not None:
                if path.startswith(_DOMAIN_PAGES):
                    lists = "domain"
                if labels[0] == "www" or "://" in name or len(labels) == 2:
                    return Blocklist(zone, lists, False)
                return Blocklist(".".join(labels), lists, True)
    if len(labels) > 2 and not _LABELS.isdisjoint(labels):
        return Blocklist(".".join(labels), "ip", True)
    return None


@cache
def _sites() -> frozenset[str]:
    return frozenset(".".join(zone.split(".")[-2:]) for zone in _known())


def operator_in(text: str) -> str | None:
    """Give who runs the list that a text names without a host, such as ``"Spamhaus"``.

    Parameters
    ----------
    text : str
        In lower case.
    """
    return next((name for low, name in _operators() if low in text), None)


@cache
def _operators() -> tuple[tuple[str, str], ...]:
    names = (row["operator"].partition(" (")[0] for row in rows("blocklists.csv"))
    return tuple((name.lower(), name) for name in dict.fromkeys(names) if len(name) > 4)


@cache
def _known() -> Mapping[str, Literal["ip", "domain"]]:
    return {
        zone: row["lists"]
        for row in rows("blocklists.csv")
        for zone in row["zones"].split()
    }

"""Providers and DNS blocklists as tables: who is known by what, and what each says.

The rows are those of ``tables/providers``.  Their facts are the providers' own pages,
documentation and source code, each with its day and with how it was come by: ``read``,
``quoted`` by somebody else, or only ``known`` to those who send mail, and then no row is
surer than 0.9.  Sentences are ours.  Which row applies to a reply is for `providers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, cast

from smtpbook.codes.tables import Entry, rows

Kind = Literal["service", "filter", "software"]
Lists = Literal["ip", "domain", "either"]
Basis = Literal["read", "quoted", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Somebody whose replies are known.

    Attributes
    ----------
    name, title : str
        Such as ``"gmail"`` and ``"Gmail"``.
    kind : {"service", "filter", "software"}
        Has the mailboxes; stands before them; is what servers of many others run.
    hosts : tuple of str
        Ends of its servers' names.
    greetings, marks : tuple of str, lower case
        What only its greetings, only its replies hold.
    token : re.Pattern or None
        What its codes look like; None = it has none.
    source : str
        The page its replies are explained on.
    """

    name: str
    title: str
    kind: Kind
    hosts: tuple[str, ...]
    greetings: tuple[str, ...]
    marks: tuple[str, ...]
    token: re.Pattern[str] | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReply(Entry):
    """What one provider means by a token or by an enhanced status.

    Attributes
    ----------
    provider : str
        Whose it is.
    token : str or None
        What stands in the text, in lower case: a code, its family (``"[tss"``) or a fixed
        phrase; None = the status says it.
    enhanced_status : str or None
        None = any.
    code : str
        The first digits of the reply code; empty = any refusal.
    advice : str
        Empty = the reason's.
    retry_s : float or None
        Seconds after which the provider says a try makes sense; None = not said.
    basis : {"read", "quoted", "known"}
        How the fact was come by.
    date : str
        Day of the page, or on which it was read; ISO 8601.
    """

    provider: str
    token: str | None
    enhanced_status: str | None
    code: str
    advice: str = ""
    retry_s: float | None = None
    basis: Basis
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocklist:
    """A DNS blocklist.

    Attributes
    ----------
    name, title : str
        Such as ``"spamhaus-dbl"`` and ``"Spamhaus DBL"``.
    lists : {"ip", "domain", "either"}
        What stands in it; ``"either"`` where the name tells of several lists.
    kind : str
        Why: ``"spam source"``, ``"compromised"``, ``"policy"`` (the address should send no
        mail directly), ``"neighbourhood"`` …
    reason : str
        The reason of a refusal that names it.
    names : tuple of str, lower case
        Zones, and what texts call it.
    url : str or None
        Where to look up and to ask for removal; None = the list is closed.
    meaning : str
        One sentence.
    date : str
        Day the row was written; ISO 8601.
    """

    name: str
    title: str
    lists: Lists
    kind: str
    reason: str
    names: tuple[str, ...]
    url: str | None
    meaning: str
    date: str


@cache
def providers() -> Mapping[str, Provider]:
    """Give everybody whose replies are known, by name.

    >>> providers()["icloud"].title
    'iCloud Mail'
    """
    return MappingProxyType(
        {
            row["provider"]: Provider(
                name=row["provider"],
                title=row["title"],
                kind=cast("Kind", row["kind"]),
                hosts=tuple(row["hosts"].split()),
                greetings=_several(row["greetings"]),
                marks=_several(row["marks"]),
                token=re.compile(row["token"], re.IGNORECASE) if row["token"] else None,
                source=_sources()[row["source"]].cited,
            )
            for row in rows("providers/providers.csv")
        }
    )


@cache
def provider_replies() -> tuple[ProviderReply, ...]:
    """Give what providers mean by their tokens and statuses, in the order of the table."""
    return tuple(
        ProviderReply(
            provider=row["provider"],
            token=row["token"] or None,
            enhanced_status=status or None,
            code=row["code"],
            reason=row["reason"],
            advice=row["advice"],
            retry_s=float(row["retry_s"]) if row["retry_s"] else None,
            meaning=row["meaning"],
            remedy=row["remedy"],
            confidence=float(row["confidence"]),
            source=source.cited,
            basis=source.basis,
            date=source.date,
        )
        for row in rows("providers/replies.csv")
        for source in (_sources()[row["source"]],)
        for status in _each(row["enhanced_status"])
    )


@cache
def blocklists() -> Mapping[str, Blocklist]:
    """Give the DNS blocklists that replies name.

    >>> blocklists()["spamhaus-pbl"].kind
    'policy'
    """
    return MappingProxyType(
        {
            row["blocklist"]: Blocklist(
                name=row["blocklist"],
                title=row["title"],
                lists=cast("Lists", row["lists"]),
                kind=row["kind"],
                reason=row["reason"],
                names=_several(row["names"]),
                url=row["url"] or None,
                meaning=row["meaning"],
                date=row["date"],
            )
            for row in rows("providers/blocklists.csv")
        }
    )


@dataclass(frozen=True, slots=True)
class _Source:
    cited: str
    basis: Basis
    date: str


@cache
def _sources() -> Mapping[str, _Source]:
    return {
        row["source"]: _Source(
            cited=f"{row['title']}, {row['publisher']}, {row['date']}",
            basis=cast("Basis", row["basis"]),
            date=row["date"],
        )
        for row in rows("providers/sources.csv")
    }


def _several(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(";")) if cell else ()


def _each(status: str) -> Iterator[str]:
    """Give the statuses of a range: "5.7.606-649"."""
    first, dash, last = status.partition("-")
    head, _, start = first.rpartition(".")
    if not dash:
        yield status
    else:
        yield from (f"{head}.{number}" for number in range(int(start), int(last) + 1))

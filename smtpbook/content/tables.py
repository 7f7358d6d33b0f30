"""Tables that the checks of a message go by: what is refused, how large, which words.

The rows are those of ``tables``, each with its day and, where somebody says so, its page
and how it was come by: ``read``, ``quoted`` by somebody else, or ``known`` to those who
send mail.  Nothing is judged here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which files a provider does not hand on.

    Attributes
    ----------
    provider : str
    effect : str
        ``"refuses"`` the message, or ``"hides"`` the file.
    endings : frozenset of str
        Of their names, lower case.
    source : str
        The page, and its day.
    """

    provider: str
    effect: str
    endings: frozenset[str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimit:
    """How large a message a provider takes.

    Attributes
    ----------
    provider : str
    octets : int
        The whole message, as it is sent.
    source : str
        The page, and its day.
    """

    provider: str
    octets: int
    source: str


@cache
def refusals() -> tuple[Refusal, ...]:
    """Give which attachments are refused, and by whom.

    >>> [one.provider for one in refusals() if "exe" in one.endings]
    ['Gmail', 'Outlook']
    """
    return tuple(
        Refusal(
            provider=row["provider"],
            effect=row["effect"],
            endings=frozenset(row["endings"].split()),
            source=f"{row['source']}, {row['date']}",
        )
        for row in _rows("attachments.csv")
    )


@cache
def size_limits() -> tuple[SizeLimit, ...]:
    """Give how large a message providers take, the smallest first.

    >>> [limit.provider for limit in size_limits() if limit.octets < 25_000_000]
    ['iCloud Mail']
    """
    limits = [
        SizeLimit(
            provider=row["provider"],
            octets=int(row["octets"]),
            source=f"{row['source']}, {row['date']}",
        )
        for row in _rows("sizes.csv")
    ]
    return tuple(sorted(limits, key=lambda limit: limit.octets))


@cache
def shorteners() -> frozenset[str]:
    """Give the hosts whose links hide where they go."""
    return frozenset(row["host"] for row in _rows("shorteners.csv"))


@cache
def leaving_words() -> Mapping[str, tuple[str, ...]]:
    """Give by language what a link to leave a list is called, in lower case.

    >>> leaving_words()["nl"]
    ('uitschrijven', 'afmelden')
    """
    return {row["language"]: tuple(row["words"].split(";")) for row in _rows("leaving.csv")}


def _rows(name: str) -> Iterator[dict[str, str]]:
    path = resources.files("smtpbook.content") / "tables" / name
    yield from csv.DictReader(path.read_text("utf-8").splitlines())

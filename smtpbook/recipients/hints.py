"""Hints: valid addresses that deserve a second look; none of them drops a row.

Role accounts, disposable domains, likely typos, names that no mail reaches, and addresses
that need SMTPUTF8.  No name server is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.recipients.syntax import Mask, pieces, to_mask

Places = np.ndarray[Any, np.dtype[np.signedinteger]]

RULES: Final = ("role", "disposable", "typo", "special_domain", "smtputf8", "display_name")
"""Rules in `Recipients.problems` that are hints."""

# RFC 2142 sections 3 to 6.
_ROLE: Final = (
    "^(?i:info|marketing|sales|support|abuse|noc|security|postmaster|hostmaster|usenet|"
    "news|webmaster|www|uucp|ftp|.+-request)@"
)

# Names that lead nowhere on the public network, and what they are reserved for (IANA,
# Special-Use Domain Names, read 2026-11; .internal: ICANN board, 2024-07-29).
_SPECIAL: Final = {
    "alt": "other name systems (RFC 9476)",
    "arpa": "the network's own use (RFC 3172)",
    "example": "examples (RFC 2606)",
    "example.com": "examples (RFC 2606)",
    "example.net": "examples (RFC 2606)",
    "example.org": "examples (RFC 2606)",
    "internal": "private networks (ICANN, 2024)",
    "invalid": "names that do not exist (RFC 2606)",
    "local": "the local network (RFC 6762)",
    "localhost": "the computer itself (RFC 2606)",
    "onion": "Tor (RFC 7686)",
    "test": "tests (RFC 2606)",
}

# Mailbox providers with hundreds of millions of addresses, and the endings they are used
# with (the providers' own sign-up pages, read 2026-11).
_PROVIDERS: Final = {
    "gmail": ("com",),
    "googlemail": ("com",),
    "yahoo": ("com", "co.uk", "co.in", "co.jp", "fr", "de", "it", "es", "ca", "com.br"),
    "hotmail": ("com", "co.uk", "fr", "de", "it", "es"),
    "outlook": ("com", "fr", "de", "es"),
    "icloud": ("com",),
    "protonmail": ("com",),
}
# Endings that are no top-level domain (IANA, Root Zone Database, read 2026-11).
_NO_ENDINGS: Final = {
    "com": ("con", "cmo", "ocm", "vom", "xom", "cim", "coom", "comm", "ccom", "clm", "c0m"),
    "net": ("ent", "nte", "nett", "met", "ner"),
    "org": ("ogr", "rog", "orgg"),
}
# Within a slip of a provider, and a domain of its own.
_REAL: Final = frozenset({"gail.com", "gmall.com", "gmx.com", "hotmall.com", "outlok.de"})
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


class Hint(NamedTuple):
    """Something to be said of some addresses.

    Attributes
    ----------
    rule : str
    places : numpy array of int64
        Of the addresses.
    messages : str or pyarrow.Array of large_string
        One for all, or one for each.
    """

    rule: str
    places: Places
    messages: str | pa.Array


def find_hints(addresses: pa.ChunkedArray, dropped: Mask) -> Iterator[Hint]:
    """Look at addresses in canonical form (large_string), but not at rows dropped."""
    role, beyond = np.zeros_like(dropped), np.zeros_like(dropped)
    codes = np.full(len(dropped), -1, dtype=np.int32)
    numbers: dict[str, int] = {}  # of the domains met so far
    start = 0
    for piece in pieces(addresses):
        rows = slice(start, start + len(piece))
        role[rows] = to_mask(pc.match_substring_regex(piece, _ROLE))
        beyond[rows] = to_mask(pc.invert(pc.string_is_ascii(piece)))
        codes[rows] = _codes(piece, numbers)
        start = rows.stop
    yield Hint(
        "role",
        np.flatnonzero(role & ~dropped),
        "a role's address, read by whoever has it",
    )
    yield Hint(
        "smtputf8",
        np.flatnonzero(beyond & ~dropped),
        "only servers that offer SMTPUTF8 take an address that is not ASCII",
    )
    domains = list(numbers)
    codes[dropped] = -1
    yield from _by_domain("disposable", domains, codes, _is_disposable)
    yield from _by_domain("typo", domains, codes, _typo)
    yield from _special(domains, codes)


def _codes(addresses: pa.Array, numbers: dict[str, int]) -> Places:
    """Give the number of each address's domain, new ones the next; -1 for a null."""
    found = pc.extract_regex(addresses, "@(?P<domain>[^@]*)$")
    names = pc.struct_field(found, "domain").dictionary_encode()
    domains = names.dictionary.to_pylist()
    known = [numbers.setdefault(domain, len(numbers)) for domain in domains]
    places = np.asarray(names.indices.fill_null(len(known)))
    found_at: Places = np.array([*known, -1], dtype=np.int32)[places]
    return found_at


def _by_domain(rule: str, domains: list[str], codes: Places, judge: Any) -> Iterator[Hint]:
    verdicts = [judge(domain) for domain in domains]
    has_one = np.array([verdict is not None for verdict in verdicts] + [False], dtype=bool)
    places = np.flatnonzero(has_one[codes])
    if len(places):
        messages = pa.array(verdicts, pa.large_string()).take(pa.array(codes[places]))
        yield Hint(rule, places, messages)


def _special(domains: list[str], codes: Places) -> Iterator[Hint]:
    """Give one hint a reserved name, at its first address: test lists have no other."""
    names = [*map(_special_name, domains), None]  # the last is that of code -1
    for name in sorted({name for name in names if name is not None}):
        is_there = np.array([its == name for its in names])[codes]
        total = np.count_nonzero(is_there)
        count = f"{total:,} address{'es' if total > 1 else ''}"
        if name in _SPECIAL:
            why = f"at {name!r}, a name kept for {_SPECIAL[name]}"
        else:
            why = "at a name without a dot, known in a local network at most"
        said = f"{count} {why}: no mail is delivered there"
        yield Hint("special_domain", np.argmax(is_there, keepdims=True), said)


def _special_name(domain: str) -> str | None:
    if domain.startswith("["):
        return None
    if "." not in domain and domain not in _SPECIAL:
        return "."
    return next((name for name in _suffixes(domain) if name in _SPECIAL), None)


def _suffixes(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def _is_disposable(domain: str) -> str | None:
    known = _disposable_domains()
    if domain in _slips():  # many are owned by those who wait for slips
        return None
    if any(name in known for name in _suffixes(domain)):
        return f"{domain} gives addresses away for an hour or a day"
    return None


@cache
def _disposable_domains() -> frozenset[str]:
    # Some 5,000, checked by hand, released weekly: github.com/disposable-email-domains.
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


def _typo(domain: str) -> str | None:
    right = _slips().get(domain)
    return None if right is None else f"{domain} may be a slip for {right}"


@cache
def _slips() -> dict[str, str]:
    """Give what a slip of the finger makes of big providers' domains.

    The first letter is never taken to be wrong: ``ymail.com``, ``email.com`` and
    ``mail.com`` are real, and so are many of their kind.
    """
    rights = {
        f"{name}.{ending}": (name, ending)
        for name, endings in _PROVIDERS.items()
        for ending in endings
    }
    found = {
        f"{wrong}.{ending}": right
        for right, (name, ending) in rights.items()
        for wrong in _slips_of(name)
    }
    for right, (name, ending) in rights.items():
        found |= {f"{name}.{wrong}": right for wrong in _NO_ENDINGS.get(ending, ())}
    return {
        wrong: right
        for wrong, right in found.items()
        if wrong not in rights and wrong not in _REAL
    }


def _slips_of(word: str) -> Iterator[str]:
    for number in range(1, len(word)):
        before, letter, behind = word[:number], word[number], word[number + 1 :]
        yield before + behind  # left out
        yield before + letter + letter + behind  # twice
        yield before[:-1] + letter + before[-1] + behind  # too early
        for near in _neighbours(letter):
            yield before + near + behind


def _neighbours(letter: str) -> str:
    """Give the keys beside one, in its row of the keyboard."""
    row = next(row for row in _ROWS if letter in row)
    place = row.index(letter)
    return row[max(place - 1, 0) : place] + row[place + 1 : place + 2]

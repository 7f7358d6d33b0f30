"""Naming: whether a domain is spelled as one, and whether it looks like another.

It reads letters and asks nobody.  Whether a name is the same as a known brand's is not
judged: only that a reader could take it for a different one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

import idna

from smtpbook.deliverability.case import Case
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, warns
from smtpbook.protocol.addresses import to_a_labels

_MAX_SHOWN: Final = 80
_WRITTEN: Final = 'a domain is written as in "example.org"'
# Letters of other scripts that most fonts draw as these; among the pairs of Unicode TS 39,
# confusables.txt.  Cyrillic, then Greek, then Armenian.
_LOOK_ALIKE: Final = dict(
    zip(
        "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d"
        "\u0445\u0443\u03bf\u03bd\u03c1\u0578\u057d\u0585",
        "acdehijlopqswxyovpnuo",
        strict=True,
    )
)
# "Highly Restrictive" of Unicode TS 39 section 5.2: scripts that one language mixes.
_TOGETHER: Final = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)


class NotADomain(ValueError):
    """A text that is no domain; the message says why, the remedy what to write."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


def domain_given(text: str) -> str:
    """Give a domain as it is asked for: lower case, A-labels.

    Raises
    ------
    NotADomain
        It is no domain of mail.

    >>> domain_given("Bücher.example.")
    'xn--bcher-kva.example'
    """
    domain = text.strip(" ").removesuffix(".")
    if "@" in domain and "." in (after := domain.rpartition("@")[2]):
        raise NotADomain(
            f"{_shown(text)} is an address, not a domain", f"check_domain({after!a})"
        )
    try:
        ascii_domain = to_a_labels(domain)
        if ascii_domain.rpartition(".")[2].isdigit():  # RFC 3696 section 2
            raise LocalProtocolError(f"an IP address, not a domain: {_shown(text)}")
    except LocalProtocolError as exc:
        raise NotADomain(str(exc), _WRITTEN) from None
    return ascii_domain


async def spelling(case: Case) -> list[Said]:
    """Look for what a reader, or a registry, may mind in the domain."""
    labels = case.domain.split(".")
    said = [one for label in labels for one in _of_label(label)]
    if len(labels) < 2:
        why = f"{case.domain} has no dot: it is no domain of the public DNS"
        said.append(fails(why, _WRITTEN))
    if said:
        return said
    is_same = case.given.strip(" ").removesuffix(".").lower() == case.domain
    written = "" if is_same else f", written {_shown(case.given)}"
    return [passes(f"{case.domain}{written}")]


def _of_label(label: str) -> Iterator[Said]:
    if not label.startswith("xn--"):
        return
    try:
        letters = idna.ulabel(label)
    except (idna.IDNAError, UnicodeError) as exc:
        yield fails(
            f"{visible(label)} is not an internationalised label: {visible(str(exc))}",
            "register the name without it; IDNA 2008 says which letters may be used",
        )
        return
    scripts = sorted(_scripts(letters))
    if len(scripts) > 1 and not any(set(scripts) <= one for one in _TOGETHER):
        yield warns(
            f"{visible(letters)} ({label}) mixes scripts: {', '.join(scripts).lower()}; "
            f"such names are used to deceive, and programs show them as {label}"
        )
    elif scripts != ["LATIN"] and (alike := _drawn_as(letters)) is not None:
        yield warns(f"{visible(letters)} ({label}) looks like {alike}, which it is not")


def _scripts(letters: str) -> set[str]:
    """Give the scripts of a label; digits, marks and hyphens belong to every one."""
    return {
        unicodedata.name(char, "UNKNOWN").partition(" ")[0]
        for char in letters
        if unicodedata.category(char).startswith("L")
    }


def _drawn_as(letters: str) -> str | None:
    """Give the Latin word that all letters together look like; None: they do not."""
    drawn = "".join(_LOOK_ALIKE.get(char, char) for char in letters)
    return drawn if drawn.isascii() else None


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…")

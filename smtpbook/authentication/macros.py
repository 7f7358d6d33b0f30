"""Macros: names and texts in an SPF record that hold the message's own data.

``%{d}`` is the domain, ``%{ir}`` the client's address turned round, and so on.  Reading and
expanding are here; what a macro stands for is handed in, and nothing asks the DNS.

References
----------
RFC 7208 section 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from smtpbook.lookup.answer import MAX_NAME
from smtpbook.lookup.ip import IP

LETTERS: Final = "slodiphcrtv"
ONLY_IN_EXPLANATIONS: Final = "crt"
"""``c``, ``r`` and ``t`` are for the text of ``exp=`` alone (section 7.2)."""

_PART: Final = re.compile(
    r"%\{(?P<letter>[a-z])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<delimiters>[.+,/_=-]*)\}"
    r"|(?P<escape>%[%_-])|(?P<literal>[!-$&-~ ]+)",
    re.IGNORECASE,
)
# "'%%', '%_' … '%-'": a percent sign, a space, a space as URLs have it (section 7.1).
_ESCAPES: Final = {"%%": "%", "%_": " ", "%-": "%20"}


class MacroError(ValueError):
    """A text breaks the syntax of macros.

    Attributes
    ----------
    position : int
        Where, from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro.

    Attributes
    ----------
    letter : str
        In lower case.
    keeps : int or None
        How many parts from the right are kept; None = all.
    is_reversed : bool
        The parts are turned round first.
    delimiters : str
        What takes the value apart; whatever they are, dots join it again.
    is_escaped : bool
        Written in upper case: the value is escaped as in a URL.
    """

    letter: str
    keeps: int | None = None
    is_reversed: bool = False
    delimiters: str = "."
    is_escaped: bool = False

    def apply(self, value: str) -> str:
        """Transform a value.

        >>> Macro("d", keeps=2).apply("email.example.com")
        'example.com'
        >>> Macro("l", is_reversed=True, delimiters="-").apply("strong-bad")
        'bad.strong'
        """
        parts = re.split(f"[{re.escape(self.delimiters)}]", value)
        if self.is_reversed:
            parts.reverse()
        if self.keeps is not None:
            parts = parts[-self.keeps :]
        text = ".".join(parts)
        # "Uppercase macros … are also escaped": all but unreserved of RFC 3986 (7.3)
        return (
            quote(text, safe="-._~", errors="surrogateescape") if self.is_escaped else text
        )


Parts = tuple[str | Macro, ...]


def parse_macros(text: str, *, in_explanation: bool = False) -> Parts:
    """Take a macro-string apart.

    Parameters
    ----------
    text : str
    in_explanation : bool
        It is the text that ``exp=`` leads to: spaces and all letters are allowed.

    Raises
    ------
    MacroError
        It breaks the syntax.

    Examples
    --------
    >>> [part for part in parse_macros("a%%b.%{d}") if isinstance(part, str)]
    ['a', '%', 'b.']
    """
    parts: list[str | Macro] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise _unreadable(text, at)
        if found["literal"] and not in_explanation and " " in found[0]:
            raise _unreadable(text, text.index(" ", at))
        if found["letter"]:
            parts.append(_macro(found, in_explanation))
        else:
            parts.append(_ESCAPES.get(found[0], found[0]))
        at = found.end()
    return tuple(parts)


def _macro(found: re.Match[str], in_explanation: bool) -> Macro:
    letter = found["letter"].lower()
    if letter not in LETTERS:
        raise MacroError(f"there is no macro %{{{letter}}}", found.start())
    if letter in ONLY_IN_EXPLANATIONS and not in_explanation:
        raise MacroError(f"%{{{letter}}} is for the text that exp= leads to", found.start())
    digits = found["digits"].lstrip("0")[:4]
    # "The DIGIT transformer … If a DIGIT is specified, it MUST be nonzero." (7.3)
    if found["digits"] and not digits:
        raise MacroError(f"{found[0]} keeps no part at all", found.start())
    return Macro(
        letter=letter,
        keeps=int(digits) if digits else None,
        is_reversed=bool(found["reverse"]),
        delimiters=found["delimiters"] or ".",
        is_escaped=found["letter"].isupper(),
    )


def _unreadable(text: str, at: int) -> MacroError:
    if text[at] == "%":
        return MacroError("% begins no macro here; a percent sign is written %%", at)
    return MacroError(f"the character {text[at]!a} may not stand here", at)


def expand(parts: Sequence[str | Macro], value_of: Callable[[str], str]) -> str:
    """Put values in; `value_of` gives what a letter stands for.

    >>> expand(parse_macros("%{l}.%{d}"), {"l": "ann", "d": "x.example"}.__getitem__)
    'ann.x.example'
    """
    return "".join(
        part if isinstance(part, str) else part.apply(value_of(part.letter))
        for part in parts
    )


def letters_of(parts: Sequence[str | Macro]) -> frozenset[str]:
    """Give the letters of the macros in a text."""
    return frozenset(part.letter for part in parts if isinstance(part, Macro))


def fitted(name: str) -> str:
    """Cut an expanded name from the left, label by label, until the DNS takes it.

    References
    ----------
    RFC 7208 section 7.3, the last paragraph but two.
    """
    name = name.removesuffix(".")
    if len(name) <= MAX_NAME:
        return name
    return name[-MAX_NAME - 1 :].partition(".")[2]


def dotted(address: IP) -> str:
    """Give an address as ``%{i}`` has it: in hexadecimal digits with dots, for IPv6.

    >>> from ipaddress import ip_address
    >>> dotted(ip_address("192.0.2.1")), dotted(ip_address("2001:db8::cb01"))[-15:]
    ('192.0.2.1', '0.0.0.0.c.b.0.1')
    """
    if address.version == 4:
        return str(address)
    return ".".join(address.exploded.replace(":", ""))

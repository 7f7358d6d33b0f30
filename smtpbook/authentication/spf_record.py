"""SPF record: which hosts a domain lets send its mail, as it publishes it.

Reading is strict, since one error anywhere makes the whole record worthless to receivers;
the error says where.  Nothing here asks the DNS or says whether a host is let.

References
----------
RFC 7208 sections 4.5, 4.6 (records), 5 (mechanisms), 6 (modifiers), 12 (syntax).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from smtpbook.authentication.macros import Macro, MacroError, Parts, parse_macros
from smtpbook.errors import near_miss
from smtpbook.escape import visible

Verdict = Literal["pass", "fail", "softfail", "neutral"]

QUALIFIERS: Final[dict[str, Verdict]] = {
    "+": "pass",
    "-": "fail",
    "~": "softfail",
    "?": "neutral",
}
MECHANISMS: Final = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
"""What makes receivers ask the DNS, of which they bear ten (section 4.6.4)."""

_MUST_NAME: Final = frozenset({"include", "exists", "ip4", "ip6"})
_MAY_NAME: Final = frozenset({"a", "mx", "ptr"})
_TERM: Final = re.compile(r"[^ ]+")
# name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_MECHANISM: Final = re.compile(r"([+?~-]?)([A-Za-z0-9]+)(?=[:/]|\Z)(.*)", re.DOTALL)
_DUAL_CIDR: Final = re.compile(r"(?:/(?P<four>[0-9]*))?(?://(?P<six>[0-9]*))?\Z")
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,2}")
# toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
_ESCAPES: Final = ("%%", "%_", "%-")
_TOP_LABEL: Final = re.compile(
    r"(?=[0-9]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
)


class SpfRecordError(ValueError):
    """A record breaks the syntax of RFC 7208.

    Attributes
    ----------
    position : int
        Where in the record, from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position

    def __str__(self) -> str:
        return f"{self.args[0]} (character {self.position + 1})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One mechanism or modifier.

    Attributes
    ----------
    text : str
        As it is written.
    position : int
        Where it begins in the record, from 0.
    name : str
        ``all``, ``include``, ``a``, ``mx``, ``ptr``, ``ip4``, ``ip6``, ``exists``,
        ``redirect``, ``exp``, or an unknown modifier's; in lower case.
    verdict : {"pass", "fail", "softfail", "neutral"} or None
        What a match means; None = a modifier.
    domain : tuple of str and Macro
        The domain named; empty = the record's own.
    network : IPv4Network, IPv6Network or None
        Of ``ip4`` and ``ip6``.
    length_4, length_6 : int
        How many bits of an address are compared, for ``a`` and ``mx``.
    """

    text: str
    position: int
    name: str
    verdict: Verdict | None = None
    domain: Parts = ()
    network: IPv4Network | IPv6Network | None = None
    length_4: int = 32
    length_6: int = 128

    def __str__(self) -> str:
        return visible(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """What a domain publishes.

    Attributes
    ----------
    text : str
    mechanisms : tuple of Term
        In order: the first that matches decides.
    redirect : Term or None
        Whose record decides when no mechanism matches; it counts for nothing beside
        ``all``.
    explanation : Term or None
        ``exp=``: where the text for those turned away is.
    unknown : tuple of Term
        Modifiers that RFC 7208 does not know, and receivers pass over.
    """

    text: str
    mechanisms: tuple[Term, ...] = ()
    redirect: Term | None = None
    explanation: Term | None = None
    unknown: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SpfRecord:
        """Read the text of a TXT record.

        Raises
        ------
        SpfRecordError
            It breaks the syntax.

        Examples
        --------
        >>> record = SpfRecord.parse("v=spf1 mx include:_spf.x.example -all")
        >>> [(term.name, term.verdict) for term in record.mechanisms]
        [('mx', 'pass'), ('include', 'pass'), ('all', 'fail')]
        >>> SpfRecord.parse("v=spf1 inclued:_spf.x.example -all")
        Traceback (most recent call last):
        ...
        smtpbook.authentication.spf_record.SpfRecordError: there is no mechanism \
'inclued'; did you mean 'include'? (character 8)
        """
        if not is_spf(text):
            raise SpfRecordError("it does not begin with v=spf1 and a space", 0)
        mechanisms: list[Term] = []
        unknown: list[Term] = []
        once: dict[str, Term] = {}
        for term in _terms(text):
            if term.verdict is not None:
                mechanisms.append(term)
            elif term.name not in ("redirect", "exp"):
                unknown.append(term)
            # "these two modifiers MUST NOT appear in a record more than once each" (6)
            elif term.name in once:
                raise SpfRecordError(f"{term.name}= stands there twice", term.position)
            else:
                once[term.name] = term
        return cls(
            text=text,
            mechanisms=tuple(mechanisms),
            redirect=once.get("redirect"),
            explanation=once.get("exp"),
            unknown=tuple(unknown),
        )

    @property
    def all(self) -> Term | None:
        """The ``all`` that ends it, behind which nothing counts; None = there is none."""
        return next((term for term in self.mechanisms if term.name == "all"), None)

    def __str__(self) -> str:
        return visible(self.text)


def is_spf(text: str) -> bool:
    """Say whether a TXT record is meant as an SPF record, right or wrong.

    References
    ----------
    RFC 7208 section 4.5: ``v=spf1`` and a space, or nothing more.
    """
    return text[:7].lower() in ("v=spf1", "v=spf1 ")


def _terms(text: str) -> Iterator[Term]:
    for found in _TERM.finditer(text, len("v=spf1")):
        word, position = found[0], found.start()
        for offset, char in enumerate(word):
            if not "!" <= char <= "~":
                raise SpfRecordError(
                    f"the character {char!a} may not stand in a record", position + offset
                )
        try:
            yield _term(word, position)
        except MacroError as exc:
            raise SpfRecordError(str(exc), exc.position) from None


def _term(word: str, position: int) -> Term:
    # A modifier's "=" comes before any ":" or "/" (section 4.6.1).
    if found := _MODIFIER.fullmatch(word):
        name = found[1].lower()
        return Term(
            text=word,
            position=position,
            name=name,
            domain=_domain(found[2], position + found.start(2))
            if name in ("redirect", "exp")
            else _macros(found[2], position + found.start(2)),
        )
    found = _MECHANISM.fullmatch(word)
    if found is None:
        raise SpfRecordError(f"{_shown(word)} is no mechanism and no modifier", position)
    qualifier, name, rest = found[1], found[2].lower(), found[3]
    verdict = QUALIFIERS[qualifier or "+"]
    start = position + found.start(3)
    if name not in MECHANISMS:
        raise SpfRecordError(
            f"there is no mechanism {_shown(name)}{near_miss(name, MECHANISMS)}", position
        )
    if name in _MUST_NAME and len(rest) < 2:
        raise SpfRecordError(f"{name} names nothing: {name}:… is missing", position)
    term = Term(text=word, position=position, name=name, verdict=verdict)
    if name in ("ip4", "ip6"):
        network = _network(name, rest, start)
        return replace(term, network=network)
    if name in ("a", "mx"):
        lengths = _DUAL_CIDR.search(rest)
        assert lengths is not None  # it matches nothing, too
        four, six = lengths["four"], lengths["six"]
        term = replace(
            term,
            length_4=32 if four is None else _length(four, 32, start + lengths.start()),
            length_6=128 if six is None else _length(six, 128, start + lengths.start()),
        )
        rest = rest[: lengths.start()]
    if not rest:
        return term
    if name not in _MUST_NAME | _MAY_NAME or not rest.startswith(":"):
        raise SpfRecordError(f"{name} is followed by {_shown(rest)}", start)
    return replace(term, domain=_domain(rest[1:], start + 1))


def _domain(text: str, position: int) -> Parts:
    """Read a domain-spec: it ends in a macro or in a top label that is no number."""
    if not text:
        raise SpfRecordError("a domain is missing", position)
    parts = _macros(text, position)
    _, dot, top = text.removesuffix(".").rpartition(".")
    # domain-end = ( "." toplabel [ "." ] ) / macro-expand
    ends_in_macro = isinstance(parts[-1], Macro) or text.endswith(_ESCAPES)
    if not ends_in_macro and not (dot and _TOP_LABEL.fullmatch(top)):
        raise SpfRecordError(f"{_shown(text)} is not a full domain", position)
    return parts


def _macros(text: str, position: int) -> Parts:
    try:
        return parse_macros(text)
    except MacroError as exc:
        raise MacroError(str(exc), position + exc.position) from None


def _network(name: str, rest: str, position: int) -> IPv4Network | IPv6Network:
    address, slash, length = rest[1:].partition("/")
    version = 4 if name == "ip4" else 6
    bits = _length(length, 32 if version == 4 else 128, position) if slash else None
    try:
        if not rest.startswith(":") or "%" in address:
            raise ValueError
        network = ip_network(address if bits is None else (address, bits), strict=False)
        if network.version != version:
            raise ValueError
    except ValueError:
        raise SpfRecordError(
            f"{_shown(rest.removeprefix(':'))} is not an IPv{version} address or network",
            position,
        ) from None
    return network


def _length(digits: str, most: int, position: int) -> int:
    if not _LENGTH.fullmatch(digits) or int(digits) > most:
        raise SpfRecordError(
            f"/{visible(digits, max_chars=20)} is not a length from 0 to {most}", position
        )
    return int(digits)


def _shown(text: str) -> str:
    return repr(visible(text, max_chars=60))

"""Addresses: mailboxes and domains as RFC 5321 section 4.1.2 spells them.

A `Mailbox` is what stands between the angle brackets of MAIL and RCPT.  Parsing refuses
everything that could end a line, end a path or hide a character; it does not ask whether
the domain exists, and it does not correct anything.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from smtpbook.errors import LocalProtocolError

# "The maximum total length of a user name or other local-part is 64 octets." "The maximum
# total length of a domain name or number is 255 octets." "The maximum total length of a
# reverse-path or forward-path is 256 octets (including the punctuation and element
# separators)." -- RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3
MAX_LOCAL_PART: Final = 64
MAX_DOMAIN: Final = 255
MAX_PATH: Final = 256
MAX_LABEL: Final = 63  # RFC 1035 section 2.3.4

# atext of RFC 5322 section 3.2.3; RFC 6531 section 3.3 adds every non-ASCII character.
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOT_ATOM: Final = re.compile(
    rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*"
)
# qtextSMTP and quoted-pairSMTP: printable ASCII only (RFC 5321 section 4.1.2).
_QUOTED: Final = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Nearly every address of nearly every list: decided by one match.
_ORDINARY: Final = re.compile(
    rf"([{_ATEXT}]+(?:\.[{_ATEXT}]+)*)@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]"
    r"(?:[a-z0-9-]*[a-z0-9])?)"
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """``local-part@domain``.

    Make it with `parse`, which checks it; the constructor trusts.

    Attributes
    ----------
    local_part : str
        As given, quotes included; case is kept, because only the receiving host may
        interpret it (RFC 5321 section 2.3.11).
    domain : str
        Lower case, as A-labels (``xn--…``), or an address literal in brackets.  Empty only
        for the ``postmaster`` a server must know without one (section 4.1.1.3).

    Examples
    --------
    >>> Mailbox.parse("Ann@EXAMPLE.org")
    Mailbox(local_part='Ann', domain='example.org')
    >>> str(Mailbox.parse("info@bücher.example"))
    'info@xn--bcher-kva.example'
    """

    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Read one address.

        Raises
        ------
        LocalProtocolError
            It is not a mailbox of RFC 5321 section 4.1.2 (or of RFC 6531 where it is not
            ASCII), or longer than section 4.5.3.1 allows.  The message shows the address
            with every control character escaped.
        """
        match = _ORDINARY.fullmatch(text)
        if match is not None and len(text) <= MAX_PATH - 2 and "--" not in text:
            local_part, domain = match.groups()
            if len(local_part) <= MAX_LOCAL_PART and _labels_fit(domain):
                return cls(local_part, domain)
        return _parse_with_care(text)

    @property
    def key(self) -> str:
        """What every spelling of this mailbox has in common; for comparing lists.

        A quoted local part that need not be quoted is the same one (RFC 5321 section
        4.1.2).  Case is left out: a host may tell it apart, none is known that does.

        >>> Mailbox.parse('"Carl"@X.example').key
        'carl@x.example'
        """
        local_part = self.local_part
        if local_part.startswith('"'):
            bare = re.sub(r"\\(.)", r"\1", local_part[1:-1])
            local_part = bare if _DOT_ATOM.fullmatch(bare) else local_part
        return f"{local_part}@{self.domain}".lower()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part is not ASCII: only SMTPUTF8 carries it (RFC 6531)."""
        return not self.local_part.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}" if self.domain else self.local_part


def to_a_labels(domain: str) -> str:
    """Give a domain in lower case and ASCII: each label that is not becomes ``xn--…``.

    No mapping beyond lower case and NFC is done, so ``faß.example`` stays itself (IDNA
    2008, RFC 5891 section 5.3).  Whether a label is one a registry would sell is not asked.

    >>> to_a_labels("FAß.example")
    'xn--fa-hia.example'

    Raises
    ------
    LocalProtocolError
        A label is empty, too long, or holds a character no host name may hold.
    """
    # Punycode would carry a line separator or a direction mark as plain letters.
    if not domain.isprintable():
        raise LocalProtocolError(f"not a domain name: {_shown(domain)}")
    # Full stops of other scripts separate labels too (RFC 3490 section 3.1).
    dotted = re.sub("[\u3002\uff0e\uff61]", ".", domain)
    normal = unicodedata.normalize("NFC", dotted).lower()
    if len(normal) > MAX_DOMAIN:  # Punycode is never shorter, and takes quadratic time
        raise _too_long(domain)
    labels = [
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        for label in normal.split(".")
    ]
    ascii_domain = ".".join(labels)
    if not _DOMAIN.fullmatch(ascii_domain):
        raise LocalProtocolError(f"not a domain name: {_shown(domain)}")
    if len(ascii_domain) > MAX_DOMAIN or not _labels_fit(ascii_domain):
        raise _too_long(domain)
    return ascii_domain


def domain_of(address: str) -> str | None:
    """Give the domain of an address in lower-case A-labels, or None if it has none.

    For grouping what is already written down; `Mailbox.parse` is what checks an address.

    >>> domain_of("Ann@Bücher.example")
    'xn--bcher-kva.example'
    """
    _, at, domain = address.rpartition("@")
    if not at or not domain:
        return None
    if domain.isascii():
        return domain.lower()
    try:
        return to_a_labels(domain)
    except LocalProtocolError:
        return None


def is_within(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or below it, as mail.x.example is of x.example."""
    return f".{name}".endswith(f".{domain}")


def check_helo(name: str) -> str:
    """Check the name we greet with: a domain name or an address literal.

    "The argument field contains the fully-qualified domain name of the SMTP client, if
    one is available.  […] the client SHOULD send an address literal" -- RFC 5321 section
    4.1.1.1.  Underscores, which many real hosts have, are let through.

    Raises
    ------
    LocalProtocolError
        It is neither.
    """
    if name.startswith("["):
        return _address_literal(name)
    to_a_labels(name.replace("_", "-") or ".")
    return name if name.isascii() else to_a_labels(name)


def _parse_with_care(text: str) -> Mailbox:
    for char in text:
        # False for every control, format, surrogate and separator character but the ASCII
        # space, which may stand in a quoted local part; the patterns below decide.
        if not char.isprintable():
            raise LocalProtocolError(
                f"address holds a control or invisible character (U+{ord(char):04X}): "
                f"{_shown(text)}"
            )
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise LocalProtocolError(f"address has no @: {_shown(text)}")
    if not (_DOT_ATOM.fullmatch(local_part) or _QUOTED.fullmatch(local_part)):
        raise LocalProtocolError(
            f"not a local part: {_shown(local_part)} in {_shown(text)}"
        )
    if len(local_part.encode()) > MAX_LOCAL_PART:
        raise LocalProtocolError(
            f"local part longer than {MAX_LOCAL_PART} octets: {_shown(text)}"
        )
    domain = _address_literal(domain) if domain.startswith("[") else to_a_labels(domain)
    if len(local_part.encode()) + len(domain) + 3 > MAX_PATH:
        raise LocalProtocolError(f"address longer than {MAX_PATH} octets: {_shown(text)}")
    return Mailbox(local_part, domain)


def _address_literal(text: str) -> str:
    # "[IPv6:" before an IPv6 address, nothing before IPv4 -- RFC 5321 section 4.1.3
    inner = text[1:-1] if text.endswith("]") else ""
    # Python reads a zone behind "%" that may hold anything, such as "> SIZE=1".
    inner = "" if "%" in inner else inner
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise LocalProtocolError(
            f"not an address literal: {_shown(text)} (expected [192.0.2.1] or "
            f"[IPv6:2001:db8::1])"
        ) from None


def _labels_fit(domain: str) -> bool:
    return len(domain) <= MAX_LABEL or max(map(len, domain.split("."))) <= MAX_LABEL


def _too_long(domain: str) -> LocalProtocolError:
    return LocalProtocolError(
        f"domain longer than {MAX_DOMAIN} octets, or a label than {MAX_LABEL}: "
        f"{_shown(domain)}"
    )


def _shown(text: str) -> str:
    """Quote hostile text, shortened, with nothing in it that acts."""
    return ascii(text if len(text) <= 80 else text[:79] + "…")

"""Parameters: what may stand behind the address in MAIL and RCPT, and how it is spelled.

One table says which extension brings each parameter, on which command, and which values it
takes; the client asks it what a parameter needs, the server what to refuse.  Which of them
a message gets is not decided here (`transfer.options`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final, NamedTuple

Parameters = tuple[tuple[str, str | None], ...]
"""ESMTP parameters in order: keyword and value, None for a keyword alone."""

# xtext = *( xchar / hexchar ): printable ASCII without "+" and "=" stands for itself, any
# octet may be "+" and two capital hexadecimal digits -- RFC 3461 section 4
_XTEXT: Final = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*"
_PLAIN: Final = re.compile(r"[^!-*,-<>-~]")
_HEXCHAR: Final = re.compile(rb"\+([0-9A-F]{2})")
_WHOLE_XTEXT: Final = re.compile(_XTEXT)
# utf-8-addr-xtext: xtext's plain characters but "\", and \x{…} for every other one; the
# unitext form lets them stand -- RFC 6533 section 3
_UTF8_PLAIN: Final = re.compile(r"[^!-*,-<>-\[\]-~]")
_UTF8_HEX: Final = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_UTF8_XTEXT: Final = re.compile(
    r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})*"
)
_ADDRESS: Final = rf"(?i:utf-8);{_UTF8_XTEXT.pattern}|(?!(?i:utf-8);)[A-Za-z0-9-]+;{_XTEXT}"


class Parameter(NamedTuple):
    """What is known of a parameter.

    Attributes
    ----------
    verb : str
        The command it belongs to.
    extension : str
        The EHLO keyword that brings it.
    value : re.Pattern or None
        Its value; None = it takes none.
    """

    verb: str
    extension: str
    value: re.Pattern[str] | None


def _with(verb: str, extension: str, value: str | None = None) -> Parameter:
    pattern = None if value is None else re.compile(value)
    return Parameter(verb, extension, pattern)


PARAMETERS: Final[dict[str, Parameter]] = {
    "SIZE": _with("MAIL", "SIZE", "[0-9]{1,20}"),  # RFC 1870 section 3
    "BODY": _with("MAIL", "8BITMIME", "(?i:7BIT|8BITMIME|BINARYMIME)"),  # RFC 6152, 3030
    "SMTPUTF8": _with("MAIL", "SMTPUTF8"),  # RFC 6531 section 3.4
    "AUTH": _with("MAIL", "AUTH", rf"<>|(?!$){_XTEXT}"),  # RFC 4954 section 5
    "RET": _with("MAIL", "DSN", "(?i:FULL|HDRS)"),  # RFC 3461 section 4.3
    "ENVID": _with("MAIL", "DSN", rf"(?=.{{1,100}}$){_XTEXT}"),  # section 4.4
    "NOTIFY": _with(  # section 4.1
        "RCPT", "DSN", "(?i:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)"
    ),
    "ORCPT": _with(
        "RCPT", "DSN", rf"(?=.{{1,500}}$)(?:{_ADDRESS})"
    ),  # section 4.2, RFC 6533
    "REQUIRETLS": _with("MAIL", "REQUIRETLS"),  # RFC 8689 section 2
    # To have it returned, there must be some time to deliver it in -- RFC 2852
    "BY": _with("MAIL", "DELIVERBY", r"(?i:[+-]?[0-9]{1,9};NT?|\+?(?!0+;)[0-9]{1,9};RT?)"),
    "HOLDFOR": _with("MAIL", "FUTURERELEASE", "[0-9]{1,9}"),  # RFC 4865 section 3
    "HOLDUNTIL": _with(
        "MAIL",
        "FUTURERELEASE",
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)",
    ),
    "MT-PRIORITY": _with("MAIL", "MT-PRIORITY", "-?[0-9]"),  # RFC 6710 section 3
    "PRDR": _with("MAIL", "PRDR"),  # draft-hall-prdr-00
}
# "HOLDFOR" and "HOLDUNTIL" say the same thing in two ways -- RFC 4865 section 3
_CONTRADICT: Final = {"HOLDFOR", "HOLDUNTIL"}


def needed_extension(name: str, value: str | None) -> str:
    """Give the EHLO keyword without which a parameter must not be sent.

    A parameter that is not in the table has the name of its extension.

    >>> needed_extension("NOTIFY", "NEVER"), needed_extension("BODY", "BINARYMIME")
    ('DSN', 'BINARYMIME')
    """
    if name == "BODY" and value is not None and value.upper() == "BINARYMIME":
        return "BINARYMIME"
    known = PARAMETERS.get(name)
    return name if known is None else known.extension


def fault_in(
    verb: str, parameters: Parameters, keywords: Container[str]
) -> tuple[int, str] | None:
    """Give code and text of the reply that parameters deserve; None = they are in order.

    Parameters
    ----------
    verb : str
        MAIL or RCPT.
    parameters : tuple of tuple
        As the client gave them, keywords in capitals.
    keywords : container of str
        What EHLO offered.

    References
    ----------
    RFC 5321 section 4.1.1.11 (555: not recognized or not implemented), 4.2.4 (501).
    """
    names = [name for name, _ in parameters]
    for name, value in parameters:
        known = PARAMETERS.get(name)
        if (
            known is None
            or known.verb != verb
            or needed_extension(name, value) not in keywords
        ):
            return 555, f"5.5.4 {name} is not offered for {verb}"
        if names.count(name) > 1:
            return 501, f"5.5.4 {name} stands there twice"
        if known.value is None:
            if value is not None:
                return 501, f"5.5.4 {name} takes no value"
        elif value is None or not known.value.fullmatch(value):
            return 501, f"5.5.4 Not a value of {name}"
    if _CONTRADICT.issubset(names):
        return 501, "5.5.4 HOLDFOR and HOLDUNTIL exclude each other"
    return None


def encode_xtext(text: str) -> str:
    """Spell a text as xtext; every octet of its UTF-8 that may not stand becomes ``+XX``.

    >>> encode_xtext("a+b=c d@x.example")
    'a+2Bb+3Dc+20d@x.example'

    References
    ----------
    RFC 3461 section 4.
    """
    return _PLAIN.sub(
        lambda found: "".join(f"+{octet:02X}" for octet in found[0].encode()), text
    )


def decode_xtext(text: str) -> str:
    """Read xtext.

    >>> decode_xtext("a+2Bb")
    'a+b'

    Raises
    ------
    ValueError
        It is not xtext, or does not stand for UTF-8.
    """
    if not _WHOLE_XTEXT.fullmatch(text):
        raise ValueError(f"not xtext (RFC 3461 section 4): {text[:80]!a}")
    octets = _HEXCHAR.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return octets.decode("utf-8")


def encode_utf8_xtext(address: str) -> str:
    r"""Spell an address that is not ASCII so that any server with DSN takes it.

    >>> print(encode_utf8_xtext("δοκιμή@x.example"))
    \x{3B4}\x{3BF}\x{3BA}\x{3B9}\x{3BC}\x{3AE}@x.example

    References
    ----------
    RFC 6533 section 3 (utf-8-addr-xtext).
    """
    return _UTF8_PLAIN.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


def decode_utf8_xtext(text: str) -> str:
    """Read utf-8-addr-xtext, or its form in which other characters stand as they are.

    Raises
    ------
    ValueError
        It is neither.
    """
    if not _UTF8_XTEXT.fullmatch(text):
        raise ValueError(f"not utf-8-addr-xtext (RFC 6533 section 3): {text[:80]!a}")
    try:
        decoded = _UTF8_HEX.sub(lambda found: chr(int(found[1], 16)), text)
        decoded.encode()  # a surrogate is no character
    except ValueError:
        raise ValueError(f"not a character of Unicode: {text[:80]!a}") from None
    return decoded


def spelled(items: Iterable[tuple[str, str | None]]) -> list[str]:
    """Give parameters as they stand in the line."""
    return [name if value is None else f"{name}={value}" for name, value in items]

r"""Address: taken out of what commands, reports and events put around it.

More is understood than `protocol` lets pass: blanks, a bracket that is missing, a line that
was cut.  What is wrong in it is not said here.

References
----------
RFC 5321 section 4.1.2 (paths), RFC 3464 section 2.3.1 (an address with its type), RFC 6533
section 3 (``\x{EB}`` in addresses of type utf-8), RFC 3461 section 4 (xtext).
"""

from __future__ import annotations

import re
from typing import Final

_MAX_COMMAND: Final = 2000  # characters of a line in which an address is looked for
_MAX_CHARS: Final = 1000
# Source routes ("@a,@b:user@c") are accepted and ignored -- RFC 5321 appendix C
_PATH: Final = re.compile(
    r"(?:FROM|TO)[ \t]*:[ \t]*"
    r"(?:<(?:@[^:>]{1,500}:)?((?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>?|(\S*))",
    re.IGNORECASE | re.DOTALL,
)
_TYPE: Final = re.compile(r"([\w-]{1,40})[ \t]*;")
_ADDRESS: Final = re.compile(r"(?:\"[^\"]*\"|[^\s@]*)@\S*")
# "\x{HEXPOINT}" of a utf-8-addr-xtext -- RFC 6533 section 3
_CODE_POINT: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
# "+" and two hexadecimal digits -- RFC 3461 section 4
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")


def path_in(command: str) -> str | None:
    """Give the address of MAIL or RCPT as it is written; None = there is none.

    >>> path_in("MAIL FROM:<> SIZE=7"), path_in("rcpt to: ann@x.example"), path_in("RSET")
    ('', 'ann@x.example', None)
    """
    found = _PATH.search(command[:_MAX_COMMAND])
    if found is None:
        return None
    return found[1] if found[1] is not None else (found[2] or "")


def bare_address(value: str) -> str:
    r"""Give the address in a field of a report or an event; "" = there is none.

    >>> bare_address("rfc822; <Ann@x.example>"), bare_address("Ann <ann@x.example>")
    ('Ann@x.example', 'ann@x.example')
    >>> bare_address("utf-8; zo\\x{EB}@x.example"), bare_address("rfc822; ann+40x.example")
    ('zoë@x.example', 'ann@x.example')
    """
    value = value[:_MAX_CHARS].strip()
    typed = _TYPE.match(value)
    address = value[typed.end() :] if typed else value
    if address.endswith(">"):
        address = address[address.rfind("<") + 1 :]
    address = address.strip().strip("<>").strip()
    if typed and typed[1].lower() == "utf-8":
        address = _CODE_POINT.sub(_char, address)
    if "@" not in address:
        address = from_xtext(address)
    return address if _ADDRESS.fullmatch(address) else ""


def from_xtext(text: str) -> str:
    """Decode xtext, as some servers leave it in their reports.

    >>> from_xtext("ann+40x.example")
    'ann@x.example'
    """
    return _XTEXT.sub(lambda match: chr(int(match[1], 16)), text)


def _char(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    is_char = point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF
    return chr(point) if is_char else match[0]

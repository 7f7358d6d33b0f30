"""The header of mail data as the octets it is: where it ends, and its fields.

For whoever must not alter an octet: signatures are over what is written, not over what it
means.  Nothing here decodes a field or unfolds it.
"""

from __future__ import annotations

import re
from typing import Final

from smtpbook.errors import LocalProtocolError

# A field goes on where the next line begins with a blank (RFC 5322 section 2.2.3).
_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")


def split_header(data: bytes) -> tuple[bytes, bytes]:
    r"""Give the header, its last CRLF left out, and the body.

    >>> split_header(b"To: a\r\nCc: b\r\n\r\nhi\r\n")
    (b'To: a\r\nCc: b', b'hi\r\n')

    A first line that is empty ends a header of no lines; without an empty line there is no
    body.
    """
    if data.startswith(b"\r\n"):
        return b"", data[2:]
    header, empty_line, body = data.partition(b"\r\n\r\n")
    return (header, body) if empty_line else (header.removesuffix(b"\r\n"), b"")


def fields_of(header: bytes) -> list[bytes]:
    r"""Give the header's fields in order, folded as they are, without their last CRLF.

    >>> fields_of(b"To: a\r\nSubject: one\r\n two")
    [b'To: a', b'Subject: one\r\n two']
    """
    return _FIELD_END.split(header) if header else []


def name_of(field: bytes) -> bytes:
    """Give a field's name in lower case; all of the field if it has no colon.

    >>> name_of(b"Subject : hi")
    b'subject'
    """
    return field.partition(b":")[0].rstrip(b" \t").lower()


def check_line_ends(data: bytes) -> None:
    """Refuse mail data in which a CR or LF is not part of a CRLF.

    Raises
    ------
    LocalProtocolError
        There is one: on the way it would become a line end or vanish, and what was signed
        would not be what arrives (RFC 5321 section 2.3.8, RFC 6376 section 5.3).
    """
    ends = data.count(b"\r\n")
    if data.count(b"\n") != ends or data.count(b"\r") != ends:
        raise LocalProtocolError(
            "mail data to be signed holds a CR or LF that is no CRLF; Message.from_bytes "
            "puts that right"
        )

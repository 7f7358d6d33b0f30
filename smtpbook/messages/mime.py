"""MIME: header fields and bodies as octets that seven-bit mail carries unchanged.

Python's email package does the encoding, through its older classes.  `EmailMessage`
parses each header value anew and decodes what looks like an encoded word in it: on Python
3.11.7 a cell holding ``=?utf-8?q?=0D=0ABcc:_x?=`` becomes a header line (CVE-2024-6923),
and where that is mended the cell is still altered.  It also encodes a URL too long for a
line, so that List-Unsubscribe no longer is one.  `Header` takes text for what it is.

This module expects text without line breaks in header fields; it does not look for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr
from hashlib import sha256
from typing import Final

from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.message import MAX_LINE

_POLICY: Final = compat32.clone(linesep="\r\n", cte_type="8bit")

# What a plain header field may not hold: characters outside printable ASCII, and text
# that a reader would take for an encoded word (RFC 2047 section 2).
_NOT_PLAIN: Final = re.compile(r"[^ -~]|=\?.*\?=")
# Free text is encoded as well where it cannot be folded into lines of 998 octets: a folded
# line is blanks and then one word at least (RFC 5322 section 2.1.1).
_NOT_FOLDABLE: Final = re.compile(r" {450}|[!-~]{450}")
_LONG_LINE: Final = re.compile(rf"[^\n]{{{MAX_LINE + 1}}}")

_ASCII: Final = Charset("us-ascii")
_QUOTED_PRINTABLE: Final = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP
_BASE64: Final = Charset("utf-8")
_BASE64.body_encoding = BASE64


def free_text(name: str, text: str) -> Header:
    """Make a field that people read, such as Subject, out of any text on one line.

    >>> free_text("Subject", "Grüße").encode()
    '=?utf-8?b?R3LDvMOfZQ==?='
    """
    return Header(text, _charset_of(text), header_name=name)


def structured(name: str, text: str) -> Header:
    """Make a field that programs read: printable ASCII stays as it is, whatever its length.

    >>> structured("List-Id", "<news.smtpbook.example>").encode()
    '<news.smtpbook.example>'
    """
    return Header(text, "utf-8" if _NOT_PLAIN.search(text) else _ASCII, header_name=name)


def address(name: str, display_name: str, mailbox: Mailbox) -> Header | str:
    """Make a field that holds one address and, in front of it, a name.

    A mailbox that needs SMTPUTF8 stands alone and as UTF-8 (RFC 6532), without the name.

    >>> address("To", "Ann, Prof.", Mailbox.parse("ann@x.example")).encode()
    '"Ann, Prof." <ann@x.example>'
    """
    if mailbox.needs_smtputf8:
        # The email package writes surrogate escapes as the octets they stand for.
        return str(mailbox).encode().decode("ascii", "surrogateescape")
    if (charset := _charset_of(display_name)) is _ASCII:
        return Header(formataddr((display_name, str(mailbox))), _ASCII, header_name=name)
    field = Header(display_name, charset, header_name=name)
    field.append(f"<{mailbox}>", _ASCII)
    return field


def to_bytes(
    fields: Iterable[tuple[str, Header | str]], *, text: str | None, html: str | None
) -> bytes:
    """Put header fields and bodies together.

    Parameters
    ----------
    fields : iterable of (name, value)
        In the order in which they are written.
    text, html : str or None
        With both, they are alternatives, the richer one last (RFC 2046 section 5.1.4).
        Any line ends.

    Returns
    -------
    bytes
        CRLF line ends; seven-bit unless a field needs SMTPUTF8.  The same arguments give
        the same octets.
    """
    bodies = [
        _body(content, subtype)
        for content, subtype in ((text, "plain"), (html, "html"))
        if content is not None
    ]
    message: MIMEText | MIMEMultipart = bodies[0]
    if len(bodies) > 1:
        # A digest of the bodies cannot stand in the bodies.
        digest = sha256(f"{text}\0{html}".encode()).hexdigest()[:32]
        message = MIMEMultipart("alternative", f"=_{digest}", bodies, policy=_POLICY)
        for body in bodies:
            del body["MIME-Version"]  # belongs to the message (RFC 2045 section 4)
    for name, value in fields:
        message[name] = value  # type: ignore[assignment]  # typeshed forgets Header
    return message.as_bytes(policy=_POLICY)


def _charset_of(text: str) -> Charset | str:
    plain = not (_NOT_PLAIN.search(text) or _NOT_FOLDABLE.search(text))
    return _ASCII if plain else "utf-8"


def _body(content: str, subtype: str) -> MIMEText:
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    octets = content.encode()
    foreign = len(octets) - len(content.encode("ascii", "ignore"))
    if not foreign and not _LONG_LINE.search(content):
        charset = _ASCII
    # Quoted-printable turns an octet into three, base64 three octets into four.
    elif 6 * foreign <= len(octets):
        charset = _QUOTED_PRINTABLE
    else:
        charset = _BASE64
    # typeshed wants a name; MIMEText takes a Charset since Python 3.5.
    return MIMEText(content, subtype, charset, policy=_POLICY)  # type: ignore[arg-type]

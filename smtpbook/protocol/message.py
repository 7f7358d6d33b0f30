"""Message: an envelope and mail data, ready for the wire.

The envelope (reverse-path and recipients) is what MAIL and RCPT say; the mail data is
the header and body as octets, lines ending in CRLF, not yet dot-stuffed.  Everything a
message could break is found here, before a connection exists.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.errors import HeaderParseError, InvalidHeaderDefect, MessageError
from email.headerregistry import Address, HeaderRegistry
from email.message import Message as AnyEmail
from email.policy import SMTP
from hashlib import sha256
from typing import Any, Final, Protocol

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.parameters import Parameters

# "The maximum total length of a text line including the <CRLF> is 1000 octets (not
# counting the leading dot duplicated for transparency)." -- RFC 5321 section 4.5.3.1.6
MAX_LINE: Final = 998
# "a <CR> or <LF> that is not part of a <CRLF>" MUST NOT be sent -- RFC 5321 section 2.3.8
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
# A line break in a header field, but where the next line goes on with a blank: folding,
# RFC 5322 section 2.2.3.
_HEADER_BREAK: Final = re.compile(r"\r(?!\n)|\n(?![ \t])")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")
_HEADERS: Final = HeaderRegistry()
_MESSAGE_ID: Final = re.compile(
    rb"^message-id:[ \t]*(?:\r\n[ \t]+)?(<[!-~]+>)", re.I | re.M
)


class _Options(Protocol):
    """The part of `smtpbook.DeliveryOptions` that concerns a message and its sending."""

    @property
    def is_binary(self) -> bool: ...

    def for_mail(
        self,
        extensions: Extensions,
        *,
        recipients: int,
        is_secure: bool,
        is_chunked: bool,
    ) -> Parameters: ...

    def for_rcpt(self, recipient: Mailbox, extensions: Extensions) -> Parameters: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it goes over the wire.

    Make it with `from_bytes` or `from_email`, which check it; the constructor trusts.

    Attributes
    ----------
    reverse_path : Mailbox or None
        Where failures are reported; None is the null reverse-path ``<>``.
    recipients : tuple of Mailbox, length >= 1
        The envelope's recipients, in order.
    data : bytes
        Header and body, CRLF line ends, ending in CRLF, not dot-stuffed.  Binary data,
        which the options tell of, has no such lines.
    message_id : str or None
        The Message-ID header's value with its angle brackets, if there is one.
    is_8bit : bool
        Some octet is above 127: needs 8BITMIME (RFC 6152).
    needs_smtputf8 : bool
        A local part or the header is not ASCII: needs SMTPUTF8 (RFC 6531).
    attempt : int
        1 = first try for these recipients; for the record, not sent.
    arm, block : str or None
        An experiment's labels; for the record, not sent.
    options : `smtpbook.DeliveryOptions` or None
        What is asked of the server besides; None = nothing.

    References
    ----------
    RFC 5321 sections 2.3.1 (envelope), 2.3.8 (lines), 4.5.3.1 (sizes).
    """

    reverse_path: Mailbox | None
    recipients: tuple[Mailbox, ...]
    data: bytes = field(repr=False)
    message_id: str | None = None
    is_8bit: bool = False
    needs_smtputf8: bool = False
    attempt: int = 1
    arm: str | None = None
    block: str | None = None
    options: _Options | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 of `data`, in hexadecimal: what was sent can be told again later."""
        return sha256(self.data).hexdigest()

    @classmethod
    def from_bytes(
        cls,
        reverse_path: str,
        recipients: str | Iterable[str],
        data: bytes,
        *,
        options: _Options | None = None,
    ) -> Message:
        r"""Check an envelope and mail data given as octets.

        Parameters
        ----------
        reverse_path : str
            Address for MAIL; ``""`` is the null reverse-path.
        recipients : str or iterable of str
            Addresses for RCPT, at least one.
        data : bytes
            Header and body.  Line ends may be ``\n`` or ``\r\n``; they become CRLF, unless
            the options say that it is binary: then it stays as it is.
        options : `smtpbook.DeliveryOptions`, optional
            What to ask of the server besides.

        Raises
        ------
        LocalProtocolError
            An address is not one, there is no recipient, a line is longer than 998
            octets, or a NUL stands in the data.

        Examples
        --------
        >>> m = Message.from_bytes("a@x.test", ["b@y.test"], b"Subject: hi\n\nhello\n")
        >>> m.data
        b'Subject: hi\r\n\r\nhello\r\n'
        """
        addresses = [recipients] if isinstance(recipients, str) else list(recipients)
        if not addresses:
            raise LocalProtocolError("a message needs at least one recipient")
        sender = Mailbox.parse(reverse_path) if reverse_path else None
        mailboxes = tuple(Mailbox.parse(address) for address in addresses)
        if options is None or not options.is_binary:
            data = _LINE_END.sub(b"\r\n", data)
            if not data.endswith(b"\r\n"):
                data += b"\r\n"
            _check_lines(data)
        # A first line that is empty ends a header of no lines.
        header = b"" if data.startswith(b"\r\n") else data.partition(b"\r\n\r\n")[0]
        found = _MESSAGE_ID.search(header)
        is_8bit = not data.isascii()
        return cls(
            reverse_path=sender,
            recipients=mailboxes,
            data=data,
            message_id=found[1].decode("ascii") if found else None,
            is_8bit=is_8bit,
            needs_smtputf8=(is_8bit and not header.isascii())
            or any(m.needs_smtputf8 for m in (sender, *mailboxes) if m is not None),
            options=options,
        )

    @classmethod
    def from_email(
        cls,
        email: AnyEmail,
        *,
        reverse_path: str | None = None,
        recipients: Iterable[str] | None = None,
        options: _Options | None = None,
    ) -> Message:
        """Take an `email.message.EmailMessage` and read the envelope from its header.

        Parameters
        ----------
        email : email.message.Message
            Bcc is read for the envelope and never sent, Resent-Bcc is not sent either.
            With an address that is not ASCII the header is written as UTF-8 and needs
            SMTPUTF8 (RFC 6532); else everything is written in seven bits.
        reverse_path : str, optional
            Default: the first address of Sender, else of From.
        recipients : iterable of str, optional
            Default: every address of To, Cc and Bcc, each once.
        options : `smtpbook.DeliveryOptions`, optional
            What to ask of the server besides.

        Raises
        ------
        LocalProtocolError
            No sender or recipient can be found, a header cannot be read without guessing
            or written without breaking, or `from_bytes` refuses.
        TypeError
            It is no email.
        """
        if not isinstance(email, AnyEmail):
            raise TypeError(
                "a message is a Message or an email.message.Message, not "
                f"{type(email).__name__}; Message.from_bytes takes octets"
            )
        if reverse_path is None:
            senders = _addresses(email, "Sender") or _addresses(email, "From")
            if not senders:
                raise LocalProtocolError("no From or Sender header to take a sender from")
            reverse_path = senders[0]
        if recipients is None:
            recipients = dict.fromkeys(_addresses(email, "To", "Cc", "Bcc"))
        data = _to_bytes(email)
        return cls.from_bytes(reverse_path, recipients, data, options=options)


def _to_bytes(email: AnyEmail) -> bytes:
    without_bcc = copy.copy(email)  # shares the parts; the list of headers is its own
    del without_bcc["bcc"]
    del without_bcc["resent-bcc"]
    for part in without_bcc.walk():
        for name, value in part.raw_items():
            if _HEADER_BREAK.search(str(value)):
                raise LocalProtocolError(f"header {name!a} holds a line break")
    # The email package would write half an address as an encoded word.
    needs_utf8 = any(
        not address.isascii()
        for address in _addresses(email, "From", "Sender", "Reply-To", "To", "Cc")
    )
    # Seven bits, so that any server can take it; RFC 6152 is for those who ask for it.
    policy = SMTP.clone(cte_type="7bit", utf8=needs_utf8)
    try:
        return without_bcc.as_bytes(policy=policy)
    except (MessageError, UnicodeError) as exc:
        raise LocalProtocolError(f"the message cannot be written: {exc}") from exc


def _addresses(email: AnyEmail, *names: str) -> list[str]:
    return [
        address.addr_spec
        for name in names
        for value in email.get_all(name, [])
        for address in _parsed(name, _FOLD.sub("", str(value)))
    ]


def _parsed(name: str, text: str) -> tuple[Address, ...]:
    """Read a header of addresses, and refuse what the reader had to guess at.

    Guessing loses people: of "a@x.test; b@x.test" it keeps the first.
    """
    try:
        header: Any = _HEADERS(name, text)
        # An encoded word out of place spoils a name, never an address.
        is_guessed = any(
            isinstance(defect, InvalidHeaderDefect) and "encoded" not in str(defect)
            for defect in header.defects
        )
    # The second for "a <" (CPython 3.11), the third for a line break inside an address.
    except (HeaderParseError, IndexError, ValueError):
        is_guessed = True
    if is_guessed:
        shown = text if len(text) <= 80 else text[:79] + "…"
        raise LocalProtocolError(
            f"header {name} does not hold a list of addresses: {shown!a}; correct it, or "
            "give the envelope with reverse_path= and recipients="
        )
    addresses: tuple[Address, ...] = header.addresses
    return addresses


def _check_lines(data: bytes) -> None:
    if b"\0" in data:
        line = data.count(b"\r\n", 0, data.index(b"\0")) + 1
        raise LocalProtocolError(f"mail data holds a NUL octet (line {line})")
    lines = data.split(b"\r\n")
    if max(map(len, lines)) > MAX_LINE:
        line = next(n for n, text in enumerate(lines, 1) if len(text) > MAX_LINE)
        raise LocalProtocolError(
            f"line {line} of the mail data is longer than {MAX_LINE} octets; encode the "
            f"part as quoted-printable or base64"
        )

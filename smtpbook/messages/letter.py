"""Letter: a template made ready, so that a message costs only what differs in it.

Addresses and files that everybody gets are written once, bodies are compiled, and what is
wrong with any of it has been said before the first row comes.  What a user gives and reads
is `template`'s; how a row's values get into the parts is `filling`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, getaddresses, make_msgid
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, Protocol

from smtpbook.bodies.text import flowed
from smtpbook.dots import join
from smtpbook.errors import SMTPBookError, TemplateError
from smtpbook.language.fence import Function
from smtpbook.language.part import Part
from smtpbook.messages import mime
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.blocks import FUNCTIONS, Album, html_functions, text_functions
from smtpbook.messages.filling import NOT_IN_BODIES, NOT_IN_HEADERS, Filling, mailbox
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.message import MAX_LINE, Message
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.unsubscribe import Unsubscribe

_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
TO_NAME: Final = ""  # no header field is called so
_OWN: Final = (TO_NAME, "Subject")  # those with a place of their own
_ONE_LINE: Final = "a header is one line"
_NO_LETTER: Final = "it cannot stand in a letter"
UNSUBSCRIBE_URL: Final = "unsubscribe_url"


class Signer(Protocol):
    """Signs mail data: `smtpbook.DkimSigner`, `smtpbook.SmimeSigner`, or one of yours."""

    def sign(self, data: bytes, *, date: datetime) -> bytes:
        """Give the mail data, CRLF line ends, with the signature in it."""


class Letter:
    """A compiled template.

    Parameters
    ----------
    sender, reply_to : str, optional
        Addresses with the names in front of them.
    reverse_path : str, optional
    lines : mapping of str to (str, str)
        By the header field's name, or `TO_NAME`: what errors call it, and its Jinja2.  One
        of them is ``"Subject"``.
    text, html : str, optional
        Jinja2 of the bodies.
    is_flowed : bool
    files : sequence of Attachment or AttachmentColumn
    album : Album
    constants : mapping
        Values that do not come from a row.
    unsubscribe : Unsubscribe, optional
    signers : sequence of Signer
        The first one signs first.
    options : DeliveryOptions, optional

    Attributes
    ----------
    fields : frozenset of str
        Merge fields used anywhere.
    parts : tuple of Part
        In the order in which they stand in a message.
    files : list of bytes or AttachmentColumn
        Those that everybody gets are parts of a message already.

    Raises
    ------
    TemplateError
        A part cannot be compiled, or an address is not one.
    """

    def __init__(
        self,
        *,
        sender: str,
        reply_to: str | None,
        reverse_path: str | None,
        lines: Mapping[str, tuple[str, str]],
        text: str | None,
        html: str | None,
        is_flowed: bool,
        files: Sequence[Attachment | AttachmentColumn],
        album: Album,
        constants: Mapping[str, Any],
        unsubscribe: Unsubscribe | None,
        signers: Sequence[Signer],
        options: DeliveryOptions | None = None,
    ) -> None:
        from_name, self.sender = _one_address("header_from", sender)
        self._head = mime.addresses("From", [(from_name, self.sender)])
        if reply_to is not None:
            self._head += mime.addresses("Reply-To", [_one_address("reply_to", reply_to)])
        self._reverse_path: Mailbox | None = self.sender
        if reverse_path is not None:
            self._reverse_path = (
                mailbox("reverse_path", reverse_path) if reverse_path else None
            )
        self._lines: dict[str, Part] = {}
        for name, (label, source) in lines.items():
            _refuse(NOT_IN_HEADERS, label, source, _ONE_LINE)
            self._lines[name] = Part.compile(label, source)
        self._album = album
        self._constants = constants
        self._unsubscribe, self._signers = unsubscribe, signers
        self._options = options
        self._bodies = [*_bodies(text, html, album, is_flowed=is_flowed)]
        self.parts = (*self._lines.values(), *(part for part, _ in self._bodies))
        used = frozenset[str]().union(*(part.fields for part in self.parts))
        given = {*constants, *([] if unsubscribe is None else [UNSUBSCRIBE_URL])}
        self._wants_url = UNSUBSCRIBE_URL in used
        self.fields = used - given
        self.files: list[bytes | AttachmentColumn] = [
            file.entity() if isinstance(file, Attachment) else file for file in files
        ]
        # The same template gives the same octets; another one, kept inside an attachment of
        # this one, has other boundaries.
        sources = "\0".join([sender, *(part.source for part in self.parts)])
        digest = sha256(sources.encode("utf-8", "replace")).hexdigest()[:16]
        self._boundary = f"{mime.BOUNDARY}{digest}"

    def compose(
        self, row: Mapping[str, Any], *, message_id: str | None, date: datetime | None
    ) -> Message:
        """Fill everything in for one recipient; errors as `Template.render`."""
        filling = self.filling(row)
        filled = self._fill_lines(filling)
        whom = self._whom(filling.recipient, filled)
        return self._message(filling, (filling.recipient,), whom, filled, message_id, date)

    def compose_together(
        self,
        addresses: Iterable[str],
        *,
        where: Literal["to", "cc", "bcc"],
        message_id: str | None = None,
    ) -> Message:
        """Make one message for several recipients; errors as `Template.render_together`."""
        if isinstance(addresses, str):
            addresses = [addresses]
        recipients = tuple(mailbox("addresses", address) for address in addresses)
        if not recipients:
            raise TemplateError("addresses: a message needs at least one recipient")
        filling = Filling({"email": str(recipients[0])}, (), self._constants)
        named = [("", recipient) for recipient in recipients]
        if where == "bcc":
            # A group of nobody: "undisclosed recipients" (RFC 5322 appendix A.1.3).
            whom = b"To: undisclosed-recipients:;\r\n"
        elif where == "cc":
            whom = mime.addresses("To", [("", self.sender)]) + mime.addresses("Cc", named)
        else:
            whom = mime.addresses("To", named)
        return self._message(
            filling, recipients, whom, self._fill_lines(filling), message_id, None
        )

    def check(self, row: Mapping[str, Any]) -> None:
        """Fill everything in for one recipient, and throw it away.

        Files are looked for and not read, and nothing is signed.
        """
        filling = self.filling(row)
        filled = self._fill_lines(filling)
        whom = self._whom(filling.recipient, filled)
        head = b"".join((self._head, whom, *self._texts(filled)))
        _check_lines(head, filling.recipient)
        for part, _ in self._bodies:
            filling.body(part, self.functions(part, {}))
        for file in self.files:
            if isinstance(file, AttachmentColumn):
                file.find(row)

    def functions(self, part: Part, shown: dict[str, bytes]) -> dict[str, Function]:
        """Give the functions a body calls; `shown` gets the pictures it shows, as parts."""
        if not part.calls:
            return {}
        if part.is_html:
            return html_functions(part.calls, self._album, shown)
        return text_functions(part.calls)

    def filling(self, row: Mapping[str, Any]) -> Filling:
        """Give a row's recipient and its values for this letter's fields."""
        filling = Filling(row, self.fields, self._constants)
        if self._unsubscribe is not None and self._wants_url:
            filling.values[UNSUBSCRIBE_URL] = self._unsubscribe.link(filling.recipient)
        return filling

    # -- the pieces of a message

    def _fill_lines(self, filling: Filling) -> dict[str, str]:
        """Give the header's text by field, and the name in front of the address."""
        return {name: filling.line(part) for name, part in self._lines.items()}

    def _whom(self, recipient: Mailbox, filled: Mapping[str, str]) -> bytes:
        """Write the fields that are the recipient's own."""
        whom = mime.addresses("To", [(filled.get(TO_NAME, ""), recipient)])
        if self._unsubscribe is not None:
            fields = self._unsubscribe.headers(recipient)
            whom += b"".join(mime.encoded(name, text) for name, text in fields.items())
        return whom

    def _header(
        self,
        recipient: Mailbox,
        whom: bytes,
        filled: Mapping[str, str],
        message_id: str,
        date: datetime,
    ) -> bytes:
        subject, *others = self._texts(filled)
        head = b"".join(
            (
                self._head,
                whom,
                subject,
                _date_field(date.replace(microsecond=0)),
                mime.structured("Message-ID", message_id),
                *others,
                b"MIME-Version: 1.0\r\n",
            )
        )
        _check_lines(head, recipient)
        return head

    def _texts(self, filled: Mapping[str, str]) -> list[bytes]:
        """Write the fields whose text is the template's, Subject first."""
        subject = mime.free_text("Subject", filled["Subject"])
        others = [mime.structured(n, text) for n, text in filled.items() if n not in _OWN]
        return [subject, *others]

    def _message(
        self,
        filling: Filling,
        recipients: tuple[Mailbox, ...],
        whom: bytes,
        filled: Mapping[str, str],
        message_id: str | None,
        date: datetime | None,
    ) -> Message:
        if message_id is None:
            message_id = make_msgid(domain=self.sender.domain)
        elif not _MESSAGE_ID.fullmatch(message_id):
            raise TemplateError(f"not a Message-ID: {message_id!r}; expected <left@right>")
        date = date or datetime.now(UTC)
        head = self._header(recipients[0], whom, filled, message_id, date)
        content = self._content(filling)
        if not content[-1].endswith(mime.CRLF):
            content.append(mime.CRLF)
        data = join((head, *content))
        for signer in self._signers:
            try:
                data = signer.sign(data, date=date)
            except (SMTPBookError, ValueError) as error:
                raise TemplateError(f"sign, for {recipients[0]}: {error}") from error
        is_ascii = head.isascii()
        return Message(
            reverse_path=self._reverse_path,
            recipients=recipients,
            data=data,
            message_id=message_id,
            is_8bit=not is_ascii,
            needs_smtputf8=not is_ascii
            or any(m.needs_smtputf8 for m in (self._reverse_path, *recipients) if m),
            options=self._options,
        )

    def _content(self, filling: Filling) -> list[bytes]:
        """Write bodies and files: what stands below the header's own fields."""
        bodies = [self._body(part, body, filling) for part, body in self._bodies]
        content = bodies[0]
        if len(bodies) > 1:
            # The richer one last (RFC 2046 section 5.1.4).
            content = mime.multipart("alternative", bodies, boundary=self._boundary + "a")
        files = [
            [entity]
            for file in self.files
            if (entity := file if isinstance(file, bytes) else file.entity(filling.row))
        ]
        if files:
            parts = [content, *files]
            content = mime.multipart("mixed", parts, boundary=self._boundary + "m")
        return content

    def _body(self, part: Part, body: mime.Body, filling: Filling) -> list[bytes]:
        shown: dict[str, bytes] = {}
        pieces = filling.body(part, self.functions(part, shown))
        if body.is_flowed:
            pieces = [flowed("".join(pieces))]
        entity = body.entity(pieces)
        pictures = [*shown.values()]
        if part.is_html:
            pictures += self._album.shown(pieces, but=shown)
        if not pictures:
            return entity
        related = [entity, *([picture] for picture in pictures)]
        return mime.multipart("related", related, boundary=self._boundary + "r")


def _bodies(
    text: str | None, html: str | None, album: Album, *, is_flowed: bool
) -> Iterator[tuple[Part, mime.Body]]:
    if text is not None:
        _refuse(NOT_IN_BODIES, "text", text, _NO_LETTER)
        part = Part.compile("text", text, functions=FUNCTIONS)
        yield part, mime.Body("plain", part.literals, is_flowed=is_flowed)
    if html is not None:
        _refuse(NOT_IN_BODIES, "html", html, _NO_LETTER)
        part = Part.compile("html", album.linked(html), html=True, functions=FUNCTIONS)
        yield part, mime.Body("html", part.literals)


def _refuse(chars: re.Pattern[str], part: str, source: str, reason: str) -> None:
    """Refuse what cannot stand in a part; the error names it and its place."""
    if found := chars.search(source):
        raise TemplateError(
            f"{part}: holds U+{ord(found[0]):04X} at character {found.start() + 1}; "
            f"{reason}"
        )


@lru_cache(maxsize=2)
def _date_field(second: datetime) -> bytes:
    return mime.field("Date", format_datetime(second))


def _check_lines(head: bytes, recipient: Mailbox) -> None:
    if max(map(len, head.split(mime.CRLF))) <= MAX_LINE:
        return
    fields = re.split(rb"\r\n(?! )", head)
    long = next(f for f in fields if max(map(len, f.split(mime.CRLF))) > MAX_LINE)
    raise TemplateError(
        f"message to {recipient}: {long.partition(b':')[0].decode()} holds a word that "
        f"makes its line longer than {MAX_LINE} octets; shorten it"
    )


def _one_address(part: str, text: str) -> tuple[str, Mailbox]:
    _refuse(NOT_IN_HEADERS, part, text, _ONE_LINE)
    found = getaddresses([text])
    if len(found) != 1:
        raise TemplateError(f"{part}: expected one address, got {len(found)}: {text!r}")
    display_name, spec = found[0]
    return display_name, mailbox(part, spec or text)

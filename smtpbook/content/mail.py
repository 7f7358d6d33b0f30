"""Mail: one message taken apart once, for all checks to look at.

Octets as they are sent, a header, bodies and the names of files.  They may come from
anywhere, so all is read within bounds, and what is broken as far as it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.message import Message as AnyEmail
from email.policy import SMTP

from smtpbook.content.page import MAX_HTML, Page
from smtpbook.errors import LocalProtocolError
from smtpbook.mailboxes.mime import Fields, Part, decoded, text_of, walk
from smtpbook.protocol.header import fields_of, name_of, split_header
from smtpbook.protocol.message import Message

AnyMessage = bytes | Message | AnyEmail
"""What stands for a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is known besides the message.

    Attributes
    ----------
    date : datetime
        When it is sent; aware.
    size_bytes : int or None
        The SIZE that the server offers; None = not known.
    volume : int or None
        How many such messages a provider's readers get a day; None = not known: rules for
        many are applied.
    """

    date: datetime
    size_bytes: int | None = None
    volume: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message, taken apart.

    Attributes
    ----------
    data : bytes
        As it is sent.
    fields : tuple of bytes
        Its header's, as they are.
    header : Fields
        The same, unfolded.
    parts : tuple of Part
        All that are no ``multipart`` themselves.
    text : str or None
        The text of its first part of that kind, cut to `MAX_HTML`; None = there is none.
    page : Page or None
        Its HTML; None = there is none.
    files : tuple of str
        The names of attachments.
    """

    data: bytes
    fields: tuple[bytes, ...]
    header: Fields
    parts: tuple[Part, ...]
    text: str | None
    page: Page | None
    files: tuple[str, ...]

    @classmethod
    def of(cls, message: AnyMessage) -> Mail:
        """Take a message apart.

        Raises
        ------
        TypeError
            It is no message.
        LocalProtocolError
            It cannot be written as octets.
        """
        data = octets_of(message)
        root = Part(data)
        parts = tuple(part for part in walk(root) if not part.kind.startswith("multipart/"))
        bodies = [part for part in parts if not _is_file(part)]
        text = next((part for part in bodies if part.kind == "text/plain"), None)
        html = next((part for part in bodies if part.kind == "text/html"), None)
        return cls(
            data=data,
            fields=tuple(fields_of(split_header(data)[0])),
            header=root.header,
            parts=parts,
            text=None if text is None else text.text[:MAX_HTML],
            page=None if html is None else Page.of(html.text),
            files=tuple(name for part in parts if (name := part.file_name)),
        )

    @property
    def subject(self) -> str:
        """The subject, decoded, on one line."""
        return decoded(self.header["subject"])

    @property
    def shown(self) -> str:
        """What a reader sees of its bodies, as text: of the HTML if there is one."""
        return self.text or "" if self.page is None else self.page.text

    def named(self, name: str) -> list[str]:
        """Give the fields of a name, as they are written."""
        wanted = name.lower().encode()
        return [text_of(field) for field in self.fields if name_of(field) == wanted]


def octets_of(message: AnyMessage) -> bytes:
    r"""Give a message as the octets that are sent.

    Octets without a single CRLF come from a file with the line ends of Unix, which are put
    right; others are taken as they are.

    >>> octets_of(b"Subject: hi\n\nhello\n")
    b'Subject: hi\r\n\r\nhello\r\n'

    Raises
    ------
    TypeError
        It is no message.
    LocalProtocolError
        It cannot be written as octets.
    """
    if isinstance(message, bytes):
        return message if b"\r\n" in message else message.replace(b"\n", b"\r\n")
    if isinstance(message, Message):
        return message.data
    if not isinstance(message, AnyEmail):
        raise TypeError(
            f"a message is bytes, a Message or an email.message.Message, not "
            f"{type(message).__name__}; letter.render(row) gives one"
        )
    try:
        return message.as_bytes(policy=SMTP.clone(cte_type="7bit"))
    except (MessageError, UnicodeError) as exc:
        raise LocalProtocolError(f"the message cannot be written: {exc}") from exc


def _is_file(part: Part) -> bool:
    disposition = part.header["content-disposition"].lower()
    return disposition.startswith("attachment") or bool(part.file_name)

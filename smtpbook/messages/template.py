"""Template: one letter for many readers, and how a row of the list fills it in.

A template's parts are compiled when it is made, so what is wrong with it shows before
there is a list.  Merge fields are data: they are put into fields and bodies that already
have their structure, and one that would end a header line is refused.  Nothing here
reads a list, sends anything, or adds a recipient the row does not name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, getaddresses, make_msgid
from types import MappingProxyType
from typing import Any, Final

import jinja2
import pandas as pd

from smtpbook.errors import LocalProtocolError, TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.messages import mime
from smtpbook.messages.sandbox import MissingField, Part
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.message import Message

# Controls, line and paragraph separators, and surrogates (which no octets stand for).
_NOT_IN_HEADERS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_BODIES: Final = re.compile("[\x00\ud800-\udfff]")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")  # ftext, RFC 5322 section 3.6.8
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_BODIES: Final = frozenset({"text", "html"})
_PARAMETER_FOR: Final = {
    "from": "header_from=",
    "to": "the list's email column and to_name=",
    "subject": "subject=",
    "reply-to": "reply_to=",
    "date": "render(row, date=…)",
    "message-id": "render(row, message_id=…)",
    "return-path": "reverse_path=",
    "cc": "one message for each recipient",
    "bcc": "one message for each recipient",
    "mime-version": "text= and html=",
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Template:
    """A letter with merge fields.

    Parameters
    ----------
    header_from : str
        Who it is from: ``"Ann <ann@example.org>"``.  No merge fields.
    subject : str
        Jinja2, on one line.
    text, html : str, optional
        Bodies in Jinja2, at least one of them; with both, readers see the one they
        prefer.  Values are escaped in `html`, and only there.
    headers : mapping of str to str, optional
        Further header fields; the values are Jinja2, on one line.
    reverse_path : str, optional
        Where failures are reported.  Default: the address of `header_from`; ``""`` is the
        null reverse-path.
    reply_to : str, optional
        Where answers go, written like `header_from`.
    to_name : str, optional
        Jinja2 for the name before the address in To, such as
        ``"{{ first_name }} {{ last_name }}"``.  The address is always the row's.

    Attributes
    ----------
    fields : frozenset of str
        The merge fields used anywhere in it.

    Raises
    ------
    TemplateError
        A part cannot be compiled, an address is not one, or a header has a parameter of
        its own.  The message names the part and, for Jinja2, the line.

    Notes
    -----
    A field that is not in the row, or is None, NaN, NaT or NA there, is undefined:
    printing it is an error unless ``default`` says what stands in for it.

    Examples
    --------
    >>> letter = Template(
    ...     header_from="Ann <ann@x.example>",
    ...     subject="Hello {{ first_name | default('friend') }}",
    ...     text="See you in {{ city }}.",
    ... )
    >>> letter
    Template('Hello {{ first_name | default('friend') }}', text; fields: city, first_name)
    >>> message = letter.render({"email": "zoe@y.example", "city": "Graz"})
    >>> str(message.recipients[0])
    'zoe@y.example'
    """

    header_from: str
    subject: str
    text: str | None = None
    html: str | None = None
    headers: Mapping[str, str] | None = field(default=None, hash=False)
    reverse_path: str | None = None
    reply_to: str | None = None
    to_name: str | None = None
    _sender: Mailbox = field(init=False, compare=False)
    _addresses: tuple[tuple[str, Header | str], ...] = field(init=False, compare=False)
    _parts: Mapping[str, Part] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.text is None and self.html is None:
            raise TemplateError("a template needs text=, html= or both")
        own = {name: _own_header(name) for name in self.headers or {}}
        if len({name.lower() for name in own}) < len(own):
            raise TemplateError("headers: the same header twice")
        lines = {"subject": self.subject, "to_name": self.to_name} | {
            label: (self.headers or {})[name] for name, label in own.items()
        }
        for label, source in lines.items():
            _refuse_breaks(label, source or "")
        parts = {
            label: Part.compile(label, source, html=label == "html")
            for label, source in {**lines, "text": self.text, "html": self.html}.items()
            if source is not None
        }
        addresses = [("From", *_one_address("header_from", self.header_from))]
        if self.reply_to is not None:
            addresses.append(("Reply-To", *_one_address("reply_to", self.reply_to)))
        if self.reverse_path:
            _mailbox("reverse_path", self.reverse_path)
        put = object.__setattr__
        put(self, "headers", MappingProxyType(dict(self.headers or {})))
        put(self, "_sender", addresses[0][2])
        put(self, "_addresses", tuple((a[0], mime.address(*a)) for a in addresses))
        put(self, "_parts", parts)

    @property
    def fields(self) -> frozenset[str]:
        """The merge fields used anywhere in it, those behind a default included."""
        return frozenset[str]().union(*(part.fields for part in self._parts.values()))

    def render(
        self,
        row: Mapping[str, Any] | pd.Series[Any],
        *,
        message_id: str | None = None,
        date: datetime | None = None,
    ) -> Message:
        """Fill the letter in for one recipient.

        Parameters
        ----------
        row : mapping or Series
            The fields by name; ``row["email"]`` is the envelope's recipient and the
            address in To.
        message_id : str, optional
            With its angle brackets.  Default: a new one, in `header_from`'s domain.
        date : datetime, optional
            Default: now, UTC.

        Returns
        -------
        Message
            The same octets whenever row, `message_id` and `date` are the same.

        Raises
        ------
        TemplateError
            A field has no value and no default, holds what would end a header line, or
            the row's address is not one.  The message names part, field, address and
            the next step.  Nothing has been made then.

        References
        ----------
        RFC 5322 section 3.6 (fields), RFC 2047 (encoded words), RFC 2045 (encodings).
        """
        recipient, filled = self._fill_in(row)
        if message_id is None:
            message_id = make_msgid(domain=self._sender.domain)
        elif not _MESSAGE_ID.fullmatch(message_id):
            raise TemplateError(f"not a Message-ID: {message_id!r}; expected <left@right>")
        header_fields: list[tuple[str, Header | str]] = [
            *self._addresses,
            ("To", mime.address("To", filled.get("to_name", ""), recipient)),
            ("Subject", mime.free_text("Subject", filled["subject"])),
            ("Date", format_datetime(date or datetime.now(UTC))),
            ("Message-ID", message_id),
            *(
                (name, mime.structured(name, filled[_label(name)]))
                for name in self.headers or {}
            ),
        ]
        data = mime.to_bytes(
            header_fields, text=filled.get("text"), html=filled.get("html")
        )
        reverse_path = str(self._sender) if self.reverse_path is None else self.reverse_path
        try:
            return Message.from_bytes(reverse_path, str(recipient), data)
        except LocalProtocolError as error:
            raise TemplateError(f"message to {recipient}: {error}") from None

    def check(self, row: Mapping[str, Any] | pd.Series[Any]) -> None:
        """Fill the letter in for one recipient and throw the result away.

        Raises
        ------
        TemplateError
            What `render` would raise for this row, found in a tenth of its time.
        """
        self._fill_in(row)

    def _fill_in(
        self, row: Mapping[str, Any] | pd.Series[Any]
    ) -> tuple[Mailbox, dict[str, str]]:
        """Give the recipient, and each part's text with the row's values in it."""
        values = {str(name): value for name, value in row.items() if _has_value(value)}
        if not isinstance(values.get("email"), str):
            hint = "" if "email" in row else near_miss("email", map(str, row.keys()))
            raise TemplateError(f"the row has no address in 'email'{hint}")
        recipient = _mailbox("email", values["email"])
        filling = _Filling(row, values, recipient)
        return recipient, {
            label: filling.body(part) if label in _BODIES else filling.line(part)
            for label, part in self._parts.items()
        }

    def __repr__(self) -> str:
        bodies = " + ".join(name for name in ("text", "html") if name in self._parts)
        fields = ", ".join(sorted(self.fields)) or "none"
        subject = visible(self.subject, max_chars=60)
        return f"Template('{subject}', {bodies}; fields: {fields})"


@dataclass(frozen=True, slots=True)
class _Filling:
    """One row on its way into the parts; it knows whom an error is about."""

    row: Mapping[str, Any] | pd.Series[Any]
    values: Mapping[str, Any]
    recipient: Mailbox

    def line(self, part: Part) -> str:
        """Fill in a part that stands in a header."""
        return self._fill(part, _NOT_IN_HEADERS).strip()

    def body(self, part: Part) -> str:
        """Fill in a body."""
        return self._fill(part, _NOT_IN_BODIES)

    def _fill(self, part: Part, forbidden: re.Pattern[str]) -> str:
        try:
            text = part.render(self.values)
        except MissingField as error:
            raise self._missing(part, error.field) from None
        except Exception as error:
            # The expressions of a template may raise anything.
            kind = "" if isinstance(error, jinja2.TemplateError) else type(error).__name__
            reason = visible(": ".join(filter(None, (kind, str(error)))), max_chars=200)
            raise TemplateError(f"{part.name}, for {self.recipient}: {reason}") from error
        if found := forbidden.search(text):
            raise self._forbidden(part, found[0])
        return text

    def _missing(self, part: Part, name: str) -> TemplateError:
        names = [str(name) for name in self.row.keys()]  # noqa: SIM118 - a Series gives values
        use = f"use {{{{ {name} | default('…') }}}} if it may be missing"
        if name in names:
            reason = f"has no value in the row of {self.recipient}; {use}"
        else:
            hint = near_miss(name, names) or f"; {use}"
            reason = f"is not in the row of {self.recipient}{hint}"
        return TemplateError(f"{part.name}: field {name!r} {reason}")

    def _forbidden(self, part: Part, char: str) -> TemplateError:
        holders = (
            f"field {name!r}"
            for name in sorted(part.fields)
            if char in str(self.values.get(name, ""))
        )
        return TemplateError(
            f"{part.name}: {next(holders, 'the result')} holds U+{ord(char):04X}, which "
            f"cannot stand there, in the row of {self.recipient}; correct the cell"
        )


def _has_value(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return not (pd.api.types.is_scalar(value) and pd.isna(value))


def _label(header: str) -> str:
    return f"headers[{header!r}]"


def _own_header(name: str) -> str:
    """Check that a header is the user's to set, and give its part's name."""
    if not _HEADER_NAME.fullmatch(name):
        raise TemplateError(f"headers: not a header name: {name!r}")
    ours = _PARAMETER_FOR.get(name.lower())
    if ours is None and name.lower().startswith("content-"):
        ours = "text= and html="
    if ours is not None:
        raise TemplateError(f"headers: {name} cannot be set here; it comes from {ours}")
    return _label(name)


def _refuse_breaks(part: str, source: str) -> None:
    if found := _NOT_IN_HEADERS.search(source):
        raise TemplateError(
            f"{part}: holds U+{ord(found[0]):04X} at character {found.start() + 1}; a "
            f"header is one line"
        )


def _one_address(part: str, text: str) -> tuple[str, Mailbox]:
    _refuse_breaks(part, text)
    found = getaddresses([text])
    if len(found) != 1:
        raise TemplateError(f"{part}: expected one address, got {len(found)}: {text!r}")
    display_name, spec = found[0]
    return display_name, _mailbox(part, spec or text)


def _mailbox(part: str, text: str) -> Mailbox:
    try:
        return Mailbox.parse(text)
    except LocalProtocolError as error:
        raise TemplateError(f"{part}: {error}") from None

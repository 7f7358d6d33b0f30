"""Template: one letter for many readers, and how a row of the list fills it in.

A template is compiled when it is made, so what is wrong with it shows before there is a
list.  Merge fields are data: they are put into fields and bodies that already have their
structure, and one that would end a header line is refused.  Nothing here reads a list,
sends anything, or adds a recipient the row does not name.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast

import pandas as pd

from smtpbook.bodies.markdown import markdown_to_html, markdown_to_text
from smtpbook.bodies.page import read_page
from smtpbook.bodies.picture import Picture
from smtpbook.bodies.text import html_to_text
from smtpbook.errors import MaxBulkWarning, TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.language.part import Part
from smtpbook.maxbulk.translate import translate_maxbulk
from smtpbook.messages import given
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.blocks import Album
from smtpbook.messages.coverage import HasFrame, cover
from smtpbook.messages.letter import TO_NAME, Letter, Signer
from smtpbook.protocol.message import Message
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.unsubscribe import Unsubscribe

_OF_LISTS: Final = ("list-unsubscribe", "list-unsubscribe-post", "list-id")
# What mail programs look at, each its own (RFC 2156 and 4021 register Priority and
# Importance; X-Priority is older than both and the most heeded).
_PRIORITIES: Final[dict[str, dict[str, str]]] = {
    "high": {"X-Priority": "1", "Importance": "high", "Priority": "urgent"},
    "normal": {},
    "low": {"X-Priority": "5", "Importance": "low", "Priority": "non-urgent"},
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
    text, html, markdown : str, optional
        Bodies in Jinja2, at least one of them.  With `text` and `html`, readers see the one
        they prefer.  Where only `html` is given, the text is made from it; `markdown`
        makes both, and `text` or `html` beside it stands instead of the one it would make.
        Values are escaped in HTML, and only there.
    flowed : bool
        The text's paragraphs adapt to the reader's window: format=flowed (RFC 3676).
    attachments : sequence of path, `Attachment` or `AttachmentColumn`, optional
        Files for everybody, and columns of the list that name each row's own.
    inline : sequence of path or `Picture`, optional
        Pictures that `html` shows, by ``src="cid:logo.png"`` or
        ``{{ image('logo.png', alt='…') }}``.
    values : mapping, optional
        What is the same for everybody: texts, a DataFrame for ``{{ table(…) }}``, a
        figure for ``{{ figure(…, alt='…') }}``, which is drawn once; a row's own figure is
        drawn for each row.  These names are no merge fields then.
    headers : mapping of str to str, optional
        Further header fields; the values are Jinja2, on one line.  See `priority`.
    unsubscribe : Unsubscribe, optional
        Adds List-Unsubscribe and its kin; ``{{ unsubscribe_url }}`` is the visible link.
    reverse_path : str, optional
        Where failures are reported.  Default: the address of `header_from`; ``""`` is the
        null reverse-path.
    reply_to : str, optional
        Where answers go, written like `header_from`.
    to_name : str, optional
        Jinja2 for the name before the address in To, such as
        ``"{{ first_name }} {{ last_name }}"``.  The address is always the row's.
    sign : Signer or sequence of Signer
        `DkimSigner`, `SmimeSigner`; the first one signs first.
    options : DeliveryOptions, optional
        What to ask of the server for each message, such as reports.

    Attributes
    ----------
    fields : frozenset of str
        The merge fields used anywhere in it.

    Raises
    ------
    TemplateError
        A part cannot be compiled, an address is not one, a file is not there, or a header
        has a parameter of its own.  The message names the part and, for Jinja2, the line.

    Notes
    -----
    It can be copied and pickled, but for a secret or a key in it that was given itself;
    `values` are not compared.

    A field that is not in the row, or is None, NaN, NaT or NA there, is undefined:
    printing it is an error unless ``default`` says what stands in for it.  A column called
    ``First Name`` is the field ``First_Name``.

    Bodies may call ``table(frame)``, ``figure(figure, alt=…)``, ``image(name, alt=…)``,
    ``preheader(text)`` (what a list of mails shows beside the subject) and
    ``social(mastodon=…, website=…)`` (icons with links).

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
    markdown: str | None = None
    flowed: bool = False
    attachments: Sequence[str | os.PathLike[str] | Attachment | AttachmentColumn] = ()
    inline: Sequence[str | os.PathLike[str] | Picture] = ()
    values: Mapping[str, Any] | None = field(default=None, hash=False, compare=False)
    headers: Mapping[str, str] | None = field(default=None, hash=False)
    unsubscribe: Unsubscribe | None = None
    reverse_path: str | None = None
    reply_to: str | None = None
    to_name: str | None = None
    sign: Signer | Sequence[Signer] = ()
    options: DeliveryOptions | None = None
    _letter: Letter = field(init=False, compare=False)

    def __post_init__(self) -> None:
        given.check_types(self)
        text, html = self.bodies
        files = tuple(map(given.attachment, given.several(self.attachments)))
        pictures = tuple(map(given.picture, given.several(self.inline)))
        signers: tuple[Signer, ...] = tuple(map(given.signer, given.several(self.sign)))
        values, headers = dict(self.values or {}), dict(self.headers or {})
        try:
            letter = Letter(
                sender=self.header_from,
                reply_to=self.reply_to,
                reverse_path=self.reverse_path,
                lines=self._lines(headers),
                text=text,
                html=html,
                is_flowed=self.flowed,
                files=files,
                album=Album(pictures, values.values()),
                constants=values,
                unsubscribe=self.unsubscribe,
                signers=signers,
                options=self.options,
            )
        except TemplateError:
            # Its line is that of a body; where the author's own source fails, too, of that.
            for name in ("markdown", "html"):
                if (source := getattr(self, name)) is not None:
                    Part.compile(name, source, html=name == "html")
            raise
        for name, value in (
            ("values", MappingProxyType(values)),
            ("headers", MappingProxyType(headers)),
            ("attachments", files),
            ("inline", pictures),
            ("sign", signers),
            ("_letter", letter),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def from_page(cls, path: str | os.PathLike[str], **parameters: Any) -> Template:
        """Take a web page of this machine, with its pictures and style sheets, as the HTML.

        Parameters
        ----------
        path : path
            An HTML file.  What it shows must lie in its folder.  Its styles stay in
            ``<style>``; ``letter.replace(html=inline_css(letter.html))`` puts them into
            the elements.
        **parameters
            As for `Template`.

        Raises
        ------
        TemplateError
            The page cannot be read, or shows what is not there; and as `Template`.
        """
        page = read_page(Path(path))
        inline = [*page.pictures, *given.several(parameters.pop("inline", ()))]
        return cls(html=page.html, inline=inline, **parameters)

    @classmethod
    def from_maxbulk(
        cls,
        text: str,
        *,
        header_from: str,
        subject: str,
        html: bool = False,
        fields: Iterable[str] | None = None,
        options: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Template:
        """Take a template of MaxBulk Mailer: ``[Tag]`` and ``<IF [[Tag]] = "…">…</IF>``.

        `smtpbook.translate_maxbulk` gives the same with its report of what was read how.

        Parameters
        ----------
        text : str
            The body.
        header_from : str
        subject : str
            May hold tags and conditions too.
        html : bool
            The body is HTML.
        fields : iterable of str, optional
            The list's columns; then ``[word]`` is a tag only where it names one.
        options : mapping, optional
            How to read what MaxBulk Mailer does not document, as for `translate_maxbulk`.
        **parameters
            As for `Template`.

        Raises
        ------
        TemplateError
            A condition is not one; the message names line and column.

        Warns
        -----
        MaxBulkWarning
            Something was read in one way of several.
        """
        given = dict(options or {}, fields=None if fields is None else tuple(fields))
        body = translate_maxbulk(text, html=html, **given)
        line = translate_maxbulk(subject, **given)
        for note in (*line.notes, *body.notes):
            if note.kind != "exact":
                said = f"line {note.line}, {visible(note.found)}: {note.meaning}"
                warnings.warn(said, MaxBulkWarning, stacklevel=2)
        parameters["html" if html else "text"] = body.source
        return cls(header_from=header_from, subject=line.source, **parameters)

    @property
    def fields(self) -> frozenset[str]:
        """The merge fields used anywhere in it, those behind a default included."""
        return self._letter.fields

    @property
    def bodies(self) -> tuple[str | None, str | None]:
        """The sources of the text and of the HTML, as they were given or made."""
        text, html = self.text, self.html
        if self.markdown is not None:
            html = markdown_to_html(self.markdown) if html is None else html
            text = markdown_to_text(self.markdown) if text is None else text
        if text is None:
            if html is None:
                raise TemplateError("a template needs text=, html= or markdown=")
            text = html_to_text(html)
        return text, html

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
            In seven bits, so that every server takes it.  The same octets whenever row,
            `message_id` and `date` are the same (and nothing but DKIM signs it).

        Raises
        ------
        TemplateError
            A field has no value and no default, holds what would end a header line, the
            row's address is not one, its file is not there, or a signer refuses.  The
            message names part, field, address and the next step.  Nothing has been made
            then.

        References
        ----------
        RFC 5322 section 3.6 (fields), RFC 2047 (encoded words), RFC 2045 (encodings).
        """
        fields = cast("Mapping[str, Any]", row)  # a Series is one, as far as is needed
        return self._letter.compose(fields, message_id=message_id, date=date)

    def render_together(
        self,
        addresses: Iterable[str],
        *,
        show: Literal["to", "cc", "bcc"] = "bcc",
        message_id: str | None = None,
    ) -> Message:
        """Make one message for several recipients, the same for all.

        Parameters
        ----------
        addresses : iterable of str, length >= 1
        show : {"to", "cc", "bcc"}
            Where the addresses stand; ``"bcc"``: nowhere, nobody sees who else gets it.
        message_id : str, optional
            Default: a new one.

        Raises
        ------
        TemplateError
            Something in it is a row's own: a merge field, a file from a column, a link
            to unsubscribe; or one of `addresses` is none.
        """
        own = sorted(self.fields)
        own += [f.column for f in self.attachments if isinstance(f, AttachmentColumn)]
        own += ["unsubscribe="] if self.unsubscribe is not None else []
        if own:
            raise TemplateError(
                f"one message for all cannot hold what is each reader's own: "
                f"{', '.join(own)}; send one message each"
            )
        if show not in ("to", "cc", "bcc"):
            raise TemplateError(f"show={show!r}; it is 'to', 'cc' or 'bcc'")
        return self._letter.compose_together(addresses, where=show, message_id=message_id)

    def check(self, row: Mapping[str, Any] | pd.Series[Any]) -> None:
        """Fill the letter in for one recipient and throw the result away.

        Files of the row are looked for and not read, and nothing is signed.

        Raises
        ------
        TemplateError
            What `render` would raise for this row.
        """
        self._letter.check(cast("Mapping[str, Any]", row))

    def coverage(
        self, people: HasFrame | pd.DataFrame, *, each: bool = False, progress: bool = True
    ) -> pd.DataFrame:
        """Fill the letter in for everybody, and see what becomes of it.

        Parameters
        ----------
        people : Recipients or DataFrame
            With a column ``email``.
        each : bool
            A row for each recipient instead.
        progress : bool
            Show how far it has come.

        Returns
        -------
        DataFrame
            As `smtpbook.messages.coverage.cover` says.
        """
        return cover(self._letter, people, each=each, progress=progress)

    def replace(self, **parameters: Any) -> Template:
        """Give a template that differs in these parameters."""
        return replace(self, **parameters)

    def prefixed(self, prefix: str) -> Template:
        """Give the same letter with words before its subject, such as ``"[Test]"``."""
        written = prefix.replace("{", "{{ '{' }}")
        return self.replace(subject=f"{written} {self.subject}")

    def _lines(self, headers: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Give what stands in the header: by field, what errors call it and its Jinja2."""
        if len({name.lower() for name in headers}) < len(headers):
            raise TemplateError("headers: the same header twice")
        for name in headers:
            if self.unsubscribe is not None and name.lower() in _OF_LISTS:
                raise TemplateError(f"headers: {name} comes from unsubscribe=")
        lines = {"Subject": ("subject", self.subject)}
        if self.to_name is not None:
            lines[TO_NAME] = ("to_name", self.to_name)
        return lines | {name: (given.own_header(name), headers[name]) for name in headers}

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as its parameters; compiled again where it arrives."""
        given = {f.name: getattr(self, f.name) for f in fields_of(self) if f.init}
        given |= {name: dict(given[name]) for name in ("values", "headers")}
        return _made_of, (given,)

    def __repr__(self) -> str:
        given = (
            name for name in ("text", "html", "markdown") if getattr(self, name) is not None
        )
        fields = ", ".join(sorted(self.fields)) or "none"
        subject = visible(self.subject, max_chars=60)
        return f"Template('{subject}', {' + '.join(given)}; fields: {fields})"


def _made_of(given: dict[str, Any]) -> Template:
    return Template(**given)


def priority(level: str) -> dict[str, str]:
    """Give the header fields that ask for attention, for `Template`'s ``headers``.

    Parameters
    ----------
    level : {"high", "normal", "low"}

    >>> priority("high")
    {'X-Priority': '1', 'Importance': 'high', 'Priority': 'urgent'}

    Raises
    ------
    ValueError
        There is no such level.
    """
    if level not in _PRIORITIES:
        raise ValueError(f"no priority {level!r}{near_miss(level, _PRIORITIES)}")
    return dict(_PRIORITIES[level])

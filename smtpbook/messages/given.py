"""Given: what an author hands to a template, taken or refused before it is compiled.

Each error names the parameter it came by.  What a row brings is `filling`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from smtpbook.bodies.picture import PLAIN_NAME, Picture, content_type, picture_name
from smtpbook.errors import TemplateError
from smtpbook.escape import visible
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.letter import Signer
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.unsubscribe import Unsubscribe

_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")  # ftext, RFC 5322 section 3.6.8
_PARAMETER_FOR: Final = {
    "from": "header_from=",
    "to": "the list's email column and to_name=",
    "subject": "subject=",
    "reply-to": "reply_to=",
    "date": "render(row, date=…)",
    "message-id": "render(row, message_id=…)",
    "return-path": "reverse_path=",
    "cc": "one message for each recipient, or render_together()",
    "bcc": "one message for each recipient, or render_together()",
    "mime-version": "text= and html=",
    "dkim-signature": "sign=",
}
_NEEDED: Final = ("header_from", "subject")
_TEXTS: Final = (
    *(*_NEEDED, "text", "html", "markdown"),
    *("reverse_path", "reply_to", "to_name"),
)


def check_types(template: Any) -> None:
    """Refuse what is not of the kind that its parameter takes.

    Raises
    ------
    TemplateError
        The message names the parameter.
    """
    for name in _TEXTS:
        value = getattr(template, name)
        if not isinstance(value, str) and (value is not None or name in _NEEDED):
            raise TemplateError(f"{name}: expected text, got {type(value).__name__}")
    for name in ("values", "headers"):
        value = getattr(template, name)
        if not isinstance(value, Mapping | None):
            raise TemplateError(f"{name}: expected a dict, got {type(value).__name__}")
    for name, value in (template.headers or {}).items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TemplateError(f"headers: {name!r} and its value are text, both")
    if not isinstance(template.unsubscribe, Unsubscribe | None):
        kind = type(template.unsubscribe).__name__
        raise TemplateError(f"unsubscribe: expected an Unsubscribe, got {kind}")
    options = template.options
    if not isinstance(options, DeliveryOptions | None):
        kind = type(options).__name__
        raise TemplateError(f"options: expected DeliveryOptions, got {kind}")
    if options is not None and options.is_binary:
        raise TemplateError("options: a letter is written in seven bits, never is_binary")


def own_header(name: str) -> str:
    """Check that a header is the user's to set, and say what errors call it."""
    if not _HEADER_NAME.fullmatch(name):
        raise TemplateError(f"headers: not a header name: {name!r}")
    ours = _PARAMETER_FOR.get(name.lower())
    if ours is None and name.lower().startswith("content-"):
        ours = "text= and html="
    if ours is not None:
        raise TemplateError(f"headers: {name} cannot be set here; it comes from {ours}")
    return f"headers[{name!r}]"


def several(given: Any) -> Sequence[Any]:
    """Take one for a list of one."""
    is_one = isinstance(given, str | bytes) or not isinstance(given, Sequence)
    return [given] if is_one else given


def signer(given: Any) -> Signer:
    """Take what signs."""
    if not callable(getattr(given, "sign", None)):
        raise TemplateError(
            f"sign: expected a DkimSigner, a SmimeSigner or another Signer, got "
            f"{type(given).__name__}"
        )
    return given  # type: ignore[no-any-return]


def attachment(given: Any) -> Attachment | AttachmentColumn:
    """Take a file as it is, or read the one that a path names."""
    if isinstance(given, Attachment | AttachmentColumn):
        return given
    return Attachment.read(_path("attachments", given))


def picture(given: Any) -> Picture:
    """Take a picture as it is, or read the one that a path names."""
    if isinstance(given, Picture):
        return given
    path = _path("inline", given)
    data = Attachment.read(path).data
    kind = content_type(data)
    if kind is None:
        raise TemplateError(
            f"inline: {visible(path.name)} is no PNG, JPEG, GIF or WebP, and mail programs "
            f"show no other pictures"
        )
    is_plain = PLAIN_NAME.fullmatch(path.name)
    name = path.name if is_plain else picture_name(path.stem, kind)
    return Picture(name=name, content_type=kind, data=data)


def _path(part: str, given: Any) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise TemplateError(f"{part}: expected a path, got {type(given).__name__}")
    return Path(given)

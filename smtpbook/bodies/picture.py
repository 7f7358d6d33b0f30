"""Picture: an image that travels inside a message, and how HTML shows it.

What it is is told by its first octets, never by its name.  Building the MIME part is left
to the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from smtpbook.bodies.markup import quoted
from smtpbook.errors import TemplateError
from smtpbook.escape import visible

_SIGNATURES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:[?!][^>]*+>\s*+<?)*svg[\s>]"), "image/svg+xml"),
)
PLAIN_NAME: Final = re.compile(r"[\w.-]+")
_EXTENSIONS: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image for one message or all of them.

    Attributes
    ----------
    name : str
        What HTML calls it, behind ``cid:``: letters, digits, ``.``, ``-`` and ``_``.
    content_type : {"image/png", "image/jpeg", "image/gif", "image/webp"}
        As the first octets tell.
    data : bytes
        The file's octets.
    alt : str
        What stands for it where it is not shown; ``""`` = it is an ornament.

    Raises
    ------
    TemplateError
        The name or the type is none of these.
    """

    name: str
    content_type: str
    data: bytes
    alt: str = ""

    def __post_init__(self) -> None:
        if not PLAIN_NAME.fullmatch(self.name):
            raise TemplateError(
                f"picture: {visible(self.name, max_chars=60)!r} is no name for HTML: "
                f"letters, digits, '.', '-' and '_', such as 'logo.png'"
            )
        if self.content_type not in _EXTENSIONS:
            raise TemplateError(
                f"picture {self.name}: {self.content_type!a} is no type that mail programs "
                f"show: {', '.join(_EXTENSIONS)}"
            )


def content_type(data: bytes) -> str | None:
    """Tell an image's type by its first octets; None = none that mail clients show.

    >>> content_type(b"GIF89a...")
    'image/gif'
    """
    start = data[:1024]
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(start)), None)


def picture_name(stem: str, kind: str) -> str:
    """Make a name for a picture that needs no encoding, in HTML or in a header.

    >>> picture_name("Our logo (new)", "image/png")
    'Our-logo-new.png'
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:60]
    return (plain or "picture") + _EXTENSIONS[kind]


def picture_html(picture: Picture, *, width: int | None = None) -> Markup:
    """Show a picture.

    Parameters
    ----------
    picture : Picture
        Its `Picture.alt` stands in the HTML, escaped.
    width : int, optional
        In CSS pixels.  Outlook reads the attribute, other clients the style.

    Raises
    ------
    TemplateError
        The width is no positive whole number.
    """
    if width is not None and (not isinstance(width, int) or width < 1):
        shown = visible(repr(width), max_chars=20)
        raise TemplateError(
            f"picture {picture.name}: width={shown}; expected whole pixels, 1 or more"
        )
    size = f' width="{width}"' if width else ""
    return Markup(  # noqa: S704 - the name is plain, alt is quoted
        f'<img src="cid:{picture.name}" alt="{quoted(picture.alt)}"{size} '
        f'style="border:0;height:auto;max-width:100%">'
    )

"""Blocks: what a body may call: a table, a figure, a picture, a preheader, links.

Each is written twice, as HTML and as plain text, so that the same template line serves
both bodies.  Pictures that an HTML body shows travel inside the message.  A figure of the
template's values is the same for everybody and drawn once; a row's own is drawn for each
row, for a program may draw the next row's into the same figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import jinja2
from markupsafe import Markup

from smtpbook.bodies.picture import Picture, picture_html
from smtpbook.bodies.preheader import preheader_html
from smtpbook.bodies.social import social_html, social_pictures, social_text
from smtpbook.bodies.table import figure_picture, table_html, table_text
from smtpbook.errors import TemplateError, near_miss
from smtpbook.language.fence import Function
from smtpbook.messages import mime

_CID: Final = re.compile(r"(?<=[\"'(=])cid:([^\s\"'<>(){}]+)")
FUNCTIONS: Final = ("table", "figure", "image", "preheader", "social")


class Album:
    """The pictures of one template, each encoded once.

    Parameters
    ----------
    pictures : iterable of Picture
        Those the template was given, by name.
    constants : iterable of object
        What is the same for everybody; figures among them are drawn once.

    Raises
    ------
    TemplateError
        Two have the same name.
    """

    def __init__(
        self, pictures: Iterable[Picture], constants: Iterable[object] = ()
    ) -> None:
        self._by_name: dict[str, Picture] = {}
        for picture in pictures:
            if picture.name in self._by_name:
                raise TemplateError(f"inline: two pictures are called {picture.name!r}")
            self._by_name[picture.name] = picture
        self._ids = {content_id(picture): name for name, picture in self._by_name.items()}
        self._entities: dict[str, bytes] = {}
        # Kept, so that no other object gets the id of one of them.
        self._constants = {id(value): value for value in constants}
        self._figures: dict[int, Picture] = {}

    def named(self, name: str) -> Picture:
        """Give a picture the template was given.

        Raises
        ------
        TemplateError
            It was not.
        """
        if name not in self._by_name:
            hint = near_miss(name, self._by_name) or "; give it with inline=[…]"
            raise TemplateError(f"no picture is called {name!r}{hint}")
        return self._by_name[name]

    def drawn(self, figure: Any, alt: str) -> Picture:
        """Give a figure as a picture; one that is the same for everybody is drawn once."""
        picture = self._figures.get(id(figure))
        if picture is None or not alt.strip():
            picture = figure_picture(figure, alt=alt)
            if id(figure) in self._constants:
                self._figures[id(figure)] = picture
        return replace(picture, alt=alt)

    def entity(self, picture: Picture) -> bytes:
        """Write a picture as a part of a message; those the template has, once."""
        cid = content_id(picture)
        entity = self._entities.get(cid)
        if entity is None:
            entity = mime.file_entity(
                picture.name, picture.content_type, picture.data, content_id=cid
            )
            if cid in self._ids:
                self._entities[cid] = entity
        return entity

    def linked(self, source: str) -> str:
        """Turn each ``cid:name`` of an HTML source into the picture's own Content-ID.

        Raises
        ------
        TemplateError
            No picture is called so.
        """

        def own_id(match: re.Match[str]) -> str:
            return f"cid:{content_id(self.named(match[1]))}"

        return _CID.sub(own_id, source)

    def shown(self, pieces: Iterable[str], but: Container[str] = ()) -> list[bytes]:
        """Give, as parts, those of the template's pictures that an HTML body shows."""
        if not self._ids:
            return []
        html = "".join(pieces)
        return [
            self.entity(self._by_name[name])
            for cid, name in self._ids.items()
            if cid not in but and f"cid:{cid}" in html
        ]


def text_functions(calls: Iterable[str]) -> dict[str, Function]:
    """Give the functions that a text body calls."""
    return {name: Function(_filled(_TEXT[name])) for name in calls}


def html_functions(
    calls: Iterable[str], album: Album, shown: dict[str, bytes]
) -> dict[str, Function]:
    """Give the functions that an HTML body calls.

    Parameters
    ----------
    calls : iterable of str
        Their names.
    album : Album
    shown : dict
        Gets the pictures that are shown, by Content-ID, as parts.
    """

    def show(html: Markup, *pictures: Picture) -> Markup:
        for picture in pictures:
            cid = content_id(picture)
            shown[cid] = album.entity(picture)
            html = Markup(html.replace(f"cid:{picture.name}", f"cid:{cid}"))  # noqa: S704
        return html

    def figure(figure: Any, alt: str = "", width: int | None = None) -> Markup:
        picture = album.drawn(figure, str(alt))
        return show(picture_html(picture, width=width), picture)

    def image(name: str, alt: str | None = None, width: int | None = None) -> Markup:
        picture = album.named(str(name))
        if alt is not None:
            picture = replace(picture, alt=str(alt))
        return show(picture_html(picture, width=width), picture)

    def social(size: int = 24, **links: str) -> Markup:
        return show(social_html(links, size=size), *social_pictures(links))

    functions: dict[str, Callable[..., Any]] = {
        "table": table_html,
        "preheader": preheader_html,
        "figure": figure,
        "image": image,
        "social": social,
    }
    return {name: Function(_filled(functions[name])) for name in calls}


def content_id(picture: Picture) -> str:
    """Name a picture by what is in it (RFC 2392), without angle brackets."""
    return f"{_digest(picture.data)}@smtpbook"


# Asked for with every message; most show the pictures of the message before.
@lru_cache(maxsize=16)
def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:24]


def _filled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a field without value say so itself, whatever a block would make of it."""

    def call(*args: Any, **named: Any) -> Any:
        for value in (*args, *named.values()):
            if isinstance(value, jinja2.Undefined):
                str(value)  # raises
        return function(*args, **named)

    return call


# As in HTML, their arguments may be given by name.
def _figure_text(figure: Any, alt: str = "", width: int | None = None) -> str:
    return f"[{alt}]" if alt else ""


def _image_text(name: str, alt: str = "", width: int | None = None) -> str:
    return f"[{alt}]" if alt else ""


_TEXT: Final[dict[str, Callable[..., str]]] = {
    "table": table_text,
    "preheader": lambda text: "",
    "figure": _figure_text,
    "image": _image_text,
    "social": lambda size=24, **links: social_text(links),
}

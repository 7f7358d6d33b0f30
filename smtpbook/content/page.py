"""Page: what an HTML body shows and where it leads, read once and within bounds.

A page that somebody made to do harm costs no more than one of ours: no tree is built, and
what stands beyond the first `MAX_HTML` characters is not looked at.  Nothing is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Final
from urllib.parse import urlsplit

from smtpbook.bodies.markup import tokens, values
from smtpbook.bodies.text import html_to_text

# Gmail shows 102,400 octets of a message, which no program is known to exceed by half.
MAX_HTML: Final = 150_000
MAX_LINKS: Final = 1000
_MAX_SHOWN: Final = 300  # characters of a link's text
_ACTIVE: Final = frozenset({"script", "form", "iframe", "object", "embed", "applet"})


@dataclass(frozen=True, slots=True)
class Link:
    """Where a page leads.

    Attributes
    ----------
    url : str
        As it is written, blanks at its ends left out.
    shown : str
        What stands in its place; ``""``: a picture or nothing.
    """

    url: str
    shown: str

    @property
    def host(self) -> str:
        """The host it goes to, in lower case; ``""`` = none that can be read."""
        return host_of(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An HTML body, looked over.

    Attributes
    ----------
    octets : int
        How long it is, as UTF-8.
    text : str
        What a reader without HTML would be shown, as `html_to_text` says.
    links : tuple of Link
        At most `MAX_LINKS`, in their order.
    pictures, without_alt : int
        How many ``<img>``, and how many of them have no alt text.
    active : tuple of str
        Names of elements that no mail program runs.
    is_cut : bool
        It was too long to be looked at as a whole.
    """

    octets: int
    text: str
    links: tuple[Link, ...]
    pictures: int
    without_alt: int
    active: tuple[str, ...]
    is_cut: bool

    @classmethod
    def of(cls, html: str) -> Page:
        """Look a page over."""
        seen = _Reader(html[:MAX_HTML])
        return cls(
            octets=len(html.encode("utf-8", "surrogatepass")),
            text=html_to_text(html[:MAX_HTML], finished=True),
            links=tuple(seen.links),
            pictures=seen.pictures,
            without_alt=seen.without_alt,
            active=tuple(seen.active),
            is_cut=len(html) > MAX_HTML,
        )


class _Reader:
    """Collects links, pictures and what is active."""

    def __init__(self, html: str) -> None:
        self.links: list[Link] = []
        self.pictures = self.without_alt = 0
        self.active: dict[str, None] = {}
        self._url: str | None = None
        self._shown = ""
        for token in tokens(html):
            if token.kind == "start":
                if token.name in ("a", "area", "img"):
                    self._begin(token.name, values(html, token))
                elif token.name in _ACTIVE:
                    self.active[token.name] = None
            elif token.kind == "end" and token.name == "a":
                self._end()
            elif token.kind == "text" and len(self._shown) < _MAX_SHOWN:
                self._shown += html[token.start : token.stop][:_MAX_SHOWN]
        self._end()

    def _begin(self, name: str, given: Mapping[str, str]) -> None:
        if name == "img":
            self.pictures += 1
            self.without_alt += "alt" not in given
            return
        self._end()
        if "href" in given:
            self._url, self._shown = given["href"].strip(), ""

    def _end(self) -> None:
        if self._url is not None and len(self.links) < MAX_LINKS:
            shown = " ".join(unescape(self._shown).split())
            self.links.append(Link(self._url, shown[:_MAX_SHOWN]))
        self._url = None


def host_of(url: str) -> str:
    """Give the host a URL names, in lower case; "" = none that can be read.

    >>> host_of("https://News.Example.org:443/a"), host_of("mailto:a@x.example")
    ('news.example.org', '')
    """
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""

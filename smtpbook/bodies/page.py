"""Page: an HTML file of one's own, with what it shows brought along.

Pictures and stylesheets that lie in the page's folder are taken in; what lies on the web is
left there and listed.  Nothing outside the folder is read, and nothing is loaded.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from smtpbook.bodies.markup import Token, attributes, quoted, spliced, tokens, values
from smtpbook.bodies.picture import Picture, content_type, picture_name
from smtpbook.bodies.tags import Protected, protect
from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible

MAX_BYTES: Final = 25_000_000
"""What page and pictures may hold together; few servers take a larger message."""

_URL: Final = re.compile(
    r"""url\(\s*+(?P<quote>["']?)(?P<url>[^"')\r\n]*+)(?P=quote)\s*+\)""", re.IGNORECASE
)
_META: Final = re.compile(rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SOURCES: Final = frozenset({("img", "src"), ("input", "src"), ("link", "href")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An HTML file, ready to be a mail's body.

    Attributes
    ----------
    html : str
        The file's text; pictures are named ``cid:…``, stylesheets stand in ``<style>``.
    pictures : tuple of Picture
        Those that `html` names, each once.
    remote : tuple of str
        The addresses on the web of pictures and stylesheets, in order; not loaded.
    """

    html: str
    pictures: tuple[Picture, ...]
    remote: tuple[str, ...]


def read_page(path: str | Path) -> Page:
    """Read a local HTML file and the pictures and stylesheets it names.

    Parameters
    ----------
    path : str or Path
        The file; its encoding is told by its byte order mark, else by ``<meta charset>``,
        else it is UTF-8.  Addresses in which Jinja2 tags stand are left alone.

    Raises
    ------
    TemplateError
        A file cannot be read, is missing (the message names line and near miss), lies
        outside the page's folder, is no picture that mail clients show (SVG is not), or
        all together are larger than 25 MB.
    """
    place = Path(path)
    reader = _Reader(place)
    data = reader.read(place, place.name)
    protected = protect(_decoded(data, place.name))
    html = spliced(protected.text, sorted(reader.edits(protected)))
    return Page(
        html=protected.restore(html),
        pictures=tuple(reader.pictures.values()),
        remote=tuple(dict.fromkeys(reader.remote)),
    )


def _decoded(data: bytes, name: str) -> str:
    encoding = next((known for bom, known in _BOMS if data.startswith(bom)), "")
    if not encoding:
        meta = _META.search(data, 0, 1024)  # where the HTML standard looks
        encoding = meta[1].decode("ascii") if meta else "utf-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n")
    except LookupError:
        raise TemplateError(
            f"{name}: unknown encoding {encoding!r}; save it as UTF-8"
        ) from None
    except UnicodeDecodeError as error:
        raise TemplateError(
            f"{name}: byte {error.start} is not {encoding}; save it as UTF-8 or name its "
            f"encoding in <meta charset>"
        ) from None


@dataclass(slots=True)
class _Reader:
    """What one page has brought along so far."""

    page: Path
    pictures: dict[str, Picture] = field(default_factory=dict)  # by digest
    remote: list[str] = field(default_factory=list)
    size: int = 0

    def edits(self, protected: Protected) -> Iterable[tuple[int, int, str]]:
        """Give what is to be changed in the page."""
        line = 1
        for token in tokens(protected.text):
            text = protected.text[token.start : token.stop]
            if token.kind == "raw" and token.name == "style":
                yield token.start, token.stop, self._sheet(text, protected, self.page, line)
            elif token.kind == "start":
                yield from self._tag(protected, token, line)
            line += protected.restore(text).count("\n")

    def _tag(
        self, protected: Protected, tag: Token, line: int
    ) -> Iterable[tuple[int, int, str]]:
        html = protected.text
        named = values(html, tag)
        if tag.name == "link":
            if "stylesheet" in named.get("rel", "").lower().split():
                url = named.get("href", "").strip()
                local = self._local(url, protected, self.page, line)
                if local is not None:
                    media = named.get("media", "")
                    opening = f'<style media="{quoted(media)}">' if media else "<style>"
                    text = _decoded(
                        self.read(local, self._where(self.page, line)), local.name
                    )
                    sheet = self._sheet(_as_source(text), protected, local, 1)
                    yield tag.start, tag.stop, f"{opening}{sheet}</style>"
            return
        for attribute in attributes(html, tag):
            value = unescape(attribute.value)
            new = None
            if attribute.name == "style":
                new = self._sheet(value, protected, self.page, line)
            elif attribute.name == "background" or (tag.name, attribute.name) in _SOURCES:
                new = self._address(value, protected, self.page, line, named.get("alt", ""))
            elif (tag.name, attribute.name) == ("img", "srcset"):
                # It would win over src where it is understood.
                yield attribute.start, attribute.stop, ""
            if new is not None and new != value:
                yield attribute.start, attribute.stop, f'{attribute.name}="{quoted(new)}"'

    def _sheet(self, css: str, protected: Protected, base: Path, line: int) -> str:
        at = 0

        def address(match: re.Match[str]) -> str:
            nonlocal at, line
            line += css.count("\n", at, match.start())
            at = match.start()
            new = self._address(match["url"].strip(), protected, base, line, "")
            quote = match["quote"]
            return match[0] if new is None else f"url({quote}{new}{quote})"

        return _URL.sub(address, css)

    def _address(
        self, url: str, protected: Protected, base: Path, line: int, alt: str
    ) -> str | None:
        """Give the address of the picture inside the message; None = it stays."""
        where = self._where(base, line)
        if url[:5].lower() == "data:":
            head, _, body = url[5:].partition(",")
            data = unquote_to_bytes(body)
            if head.lower().endswith(";base64"):
                data = _from_base64(data, where)
            self._weigh(len(data), where)
            return self._picture(data, "picture", alt, where)
        local = self._local(url.strip(), protected, base, line)
        if local is None:
            return None
        alt = protected.restore(alt)
        return self._picture(self.read(local, where), local.stem, alt, where)

    def _picture(self, data: bytes, stem: str, alt: str, where: str) -> str:
        digest = sha256(data).hexdigest()
        if digest not in self.pictures:
            kind = content_type(data)
            if kind is None or kind == "image/svg+xml":
                what = (
                    "an SVG drawing, which mail clients do not show"
                    if kind
                    else "no picture"
                )
                raise TemplateError(f"{where}: {visible(stem)!r} is {what}; save it as PNG")
            taken = {picture.name for picture in self.pictures.values()}
            name = picture_name(stem, kind)
            number = 2
            while name in taken:
                name, number = picture_name(f"{stem}-{number}", kind), number + 1
            self.pictures[digest] = Picture(
                name=name, content_type=kind, data=data, alt=alt
            )
        return f"cid:{self.pictures[digest].name}"

    def _local(self, url: str, protected: Protected, base: Path, line: int) -> Path | None:
        """Give the file an address names; None = it names none that is ours to read."""
        where = self._where(base, line)
        if not url or url.startswith("#") or protected.word.search(url):
            return None
        try:
            parts = urlsplit(url)
        except ValueError:
            raise TemplateError(f"{where}: not an address: {visible(url)!r}") from None
        if parts.scheme in ("http", "https") or (not parts.scheme and parts.netloc):
            self.remote.append(url)
            return None
        if parts.scheme in ("cid", "mailto"):
            return None
        named = unquote(parts.path)
        shown = visible(named, max_chars=100)
        if parts.scheme or "\0" in named:
            raise TemplateError(f"{where}: {visible(url, max_chars=100)!r} is no file here")
        folder = self.page.parent.resolve()
        try:
            found = (base.parent / named).resolve()
        except (OSError, RuntimeError):  # a loop of symlinks
            raise TemplateError(f"{where}: {shown!r} leads nowhere") from None
        if not found.is_relative_to(folder):
            raise TemplateError(
                f"{where}: {shown!r} lies outside the page's folder, in {found.parent}; "
                f"copy it into {folder}"
            )
        if not found.is_file():
            near = found.parent
            names = sorted(p.name for p in near.iterdir()) if near.is_dir() else []
            raise TemplateError(f"{where}: no file {shown!r}{near_miss(found.name, names)}")
        return found

    def read(self, path: Path, where: str) -> bytes:
        """Read a file as far as the page may still grow.

        Raises
        ------
        TemplateError
            It cannot be read, or is too large.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES - self.size + 1)
        except OSError as error:
            raise TemplateError(f"{where}: {path.name!r}: {error.strerror}") from None
        self._weigh(len(data), where)
        return data

    def _weigh(self, size: int, where: str) -> None:
        self.size += size
        if self.size > MAX_BYTES:
            raise TemplateError(
                f"{where}: page and pictures are larger than {MAX_BYTES // 1_000_000} MB "
                f"together; make the pictures smaller"
            )

    @staticmethod
    def _where(base: Path, line: int) -> str:
        return f"{base.name}, line {line}"


def _from_base64(data: bytes, where: str) -> bytes:
    try:
        return b64decode(b"".join(data.split()), validate=True)
    except ValueError:
        raise TemplateError(f"{where}: a data: address is not base64") from None


def _as_source(css: str) -> str:
    """Make a stylesheet part of a page: it neither ends its element nor opens a tag."""
    css = re.sub(r"</(?=style)", r"<\\/", css, flags=re.IGNORECASE)
    return re.sub(r"\{(?=[{%#])", "{ ", css)

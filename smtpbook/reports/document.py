"""Document: a report as PDF, on paper of size A4.

All text can be selected, that in charts too: they are drawings, laid over the places that
were kept for them.  Behind each stands in words what it shows, unseen, where programs find
it that read a page aloud: nothing here can tag a picture.  The fonts are those that
matplotlib brings along; characters that they have no sign for stand as their codes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib as mpl
from pypdf import PdfReader, PdfWriter, Transformation
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageTemplate,
    Spacer,
    XPreformatted,
)
from reportlab.platypus import Paragraph as Words
from reportlab.platypus import Table as Grid

from smtpbook.escape import visible
from smtpbook.reports.content import (
    Block,
    Content,
    Facts,
    Heading,
    Lines,
    Paragraph,
    Picture,
    Table,
    Tiles,
)
from smtpbook.wording import counted

_MAX_ROWS: Final = 40
_MARGIN: Final = 18 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_FONTS: Final = {
    "Report": "DejaVuSans.ttf",
    "Report-Bold": "DejaVuSans-Bold.ttf",
    "Report-Mono": "DejaVuSansMono.ttf",
}
_GREY: Final = colors.HexColor("#666666")
_LINE: Final = colors.HexColor("#d5d5d5")
_SHADE: Final = colors.HexColor("#f5f5f5")
_LINE_CHARS: Final = 108  # of the narrow font that fit on a line
_ALT_SIZE: Final = 4
_ALT_CHARS: Final = 160  # of that size on a line


def write_document(content: Content, path: Path) -> None:
    """Write a report as PDF; a file that is there is replaced."""
    for name, file in _FONTS.items():
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        pdfmetrics.registerFont(TTFont(name, str(fonts / file)))
    places: list[_Place] = []
    story: list[Flowable] = [Words(_marked(content.title), _style(16, bold=True))]
    for section in content.sections:
        story.append(_Outlined(section.title, 0, _style(12, bold=True, before=14)))
        for block in section.blocks:
            story += _flow(block, places)
    pages = io.BytesIO()
    _Pages(pages, content.title).build(story)
    writer = PdfWriter(clone_from=pages)
    for place in places:
        place.lay_over(writer)
    writer.write(path)


class _Pages(BaseDocTemplate):
    """Pages of one column; the title and the page's number stand at the foot."""

    def __init__(self, file: io.BytesIO, title: str) -> None:
        sides = dict.fromkeys(("leftMargin", "rightMargin", "topMargin"), _MARGIN)
        about = {"title": title, "lang": "en"}
        super().__init__(file, pagesize=A4, bottomMargin=_MARGIN, **about, **sides)
        frame = Frame(
            _MARGIN,
            _MARGIN,
            _WIDTH,
            A4[1] - 2 * _MARGIN,
            **dict.fromkeys(
                ("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0
            ),
        )
        self._foot = title
        self.addPageTemplates(PageTemplate(frames=[frame], onPage=self._draw_foot))

    def _draw_foot(self, canvas: Any, _: Any) -> None:
        canvas.setFont("Report", 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(_MARGIN, 10 * mm, _drawable(self._foot[:90]))
        canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, str(canvas.getPageNumber()))

    def afterFlowable(self, flowable: Flowable) -> None:
        if isinstance(flowable, _Outlined):
            key = f"place-{id(flowable)}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.title, key, flowable.level)


class _Outlined(Words):
    """A heading that the reader's outline names as well."""

    def __init__(self, title: str, level: int, style: ParagraphStyle) -> None:
        super().__init__(_marked(title), style)
        self.title, self.level = title, level


class _Place(Flowable):
    """Room for a chart, which is laid over it when all pages are there."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self._figure, self._alt = picture.figure, picture.alt
        inches = self._figure.get_size_inches()
        self._scale = _WIDTH / (inches[0] * 72)
        self.width, self.height = _WIDTH, inches[1] * 72 * self._scale
        self._page, self._corner = 0, (0.0, 0.0)

    def wrap(self, *_: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        self._page = self.canv.getPageNumber() - 1
        self._corner = self.canv.absolutePosition(0, 0)
        told = self.canv.beginText(0, self.height - _ALT_SIZE)
        told.setFont("Report", _ALT_SIZE)
        told.setTextRenderMode(3)  # neither filled nor stroked: ISO 32000-1, table 106
        for line in wrap(_drawable(self._alt), _ALT_CHARS):
            told.textLine(line)
        self.canv.drawText(told)

    def lay_over(self, writer: PdfWriter) -> None:
        drawing = io.BytesIO()
        # Type 42: as type 3 what is beyond Latin-1 would be shapes, not text.
        with mpl.rc_context({"pdf.fonttype": 42}):
            self._figure.savefig(drawing, format="pdf")
        move = Transformation().scale(self._scale).translate(*self._corner)
        chart = PdfReader(drawing).pages[0]
        writer.pages[self._page].merge_transformed_page(chart, move)


def _style(
    size: float, *, bold: bool = False, before: float = 2, after: float = 3, **more: Any
) -> ParagraphStyle:
    return ParagraphStyle(
        f"{size} {bold} {more}",
        fontName="Report-Bold" if bold else "Report",
        fontSize=size,
        leading=size * 1.35,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=bold,
        splitLongWords=True,
        **more,
    )


def _flow(block: Block, places: list[_Place]) -> Iterator[Flowable]:
    match block:
        case Paragraph(text=text, is_note=is_note):
            color = {"textColor": _GREY} if is_note else {}
            yield Words(_marked(text), _style(8 if is_note else 9, **color))
        case Heading(text=text):
            yield _Outlined(text, 1, _style(9.5, bold=True, before=8))
        case Lines(text=text):
            yield _lines(text)
        case Tiles():
            yield _tiles(block)
        case Facts():
            yield _facts(block)
            yield Spacer(0, 4)
        case Table():
            yield _grid(block)
            if left_out := block.left_out + max(len(block.rows) - _MAX_ROWS, 0):
                more = counted(left_out, "more row is", "more rows are")
                yield Words(f"{more} not shown.", _style(8, textColor=_GREY))
        case Picture():
            places.append(_Place(block))
            yield places[-1]
            yield Spacer(0, 8)


def _drawable(text: str, font: str = "Report") -> str:
    """Write the codes of characters that a font has no sign for."""
    signs = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(
        one if one == "\n" or ord(one) in signs else _code(ord(one)) for one in text
    )


def _code(point: int) -> str:
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _marked(text: str, font: str = "Report") -> str:
    """Make text fit for a paragraph, in which nothing is markup."""
    return escape(_drawable(text, font))


def _lines(text: str) -> Flowable:
    style = ParagraphStyle(
        "lines", fontName="Report-Mono", fontSize=6.8, leading=8.8, backColor=_SHADE
    )
    style.borderPadding = 4
    style.spaceBefore = style.spaceAfter = 8
    lines = (visible(line, max_chars=_LINE_CHARS) for line in text.split("\n"))
    return XPreformatted(_marked("\n".join(lines), "Report-Mono"), style)


def _tiles(tiles: Tiles) -> Flowable:
    rows = [
        [
            Words(f"{n:,}", _style(11, bold=True, after=0, alignment=2)),
            Words(_marked(str(one)), _style(9, after=0)),
            Words(_marked(one.meaning), _style(9, after=0, textColor=_GREY)),
        ]
        for one, n in tiles.counts
    ]
    marks = [
        ("LINEBEFORE", (0, row), (0, row), 3, colors.HexColor(one.color))
        for row, (one, _) in enumerate(tiles.counts)
    ]
    look = [*marks, ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    return Grid(rows, [26 * mm, 40 * mm, None], style=look, hAlign="LEFT", spaceBefore=4)


def _facts(facts: Facts) -> Flowable:
    rows = [
        [
            Words(_marked(label), _style(8, after=0, before=0, textColor=_GREY)),
            Words(_marked(text), _style(8, after=0, before=0)),
        ]
        for label, text in facts.rows
    ]
    look: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    if facts.color:
        look.append(("LINEBEFORE", (0, 0), (0, -1), 2.5, colors.HexColor(facts.color)))
    return Grid(rows, [34 * mm, _WIDTH - 34 * mm], style=look, hAlign="LEFT")


def _grid(table: Table) -> Flowable:
    texts = [list(map(_drawable, table.heads))]
    texts += [[_drawable(cell.text) for cell in row] for row in table.rows[:_MAX_ROWS]]
    size, widths = _fitting(texts)
    rows = [
        [
            Words(
                escape(text),
                _style(size, bold=not number, before=0, after=0, alignment=2 * is_number),
            )
            for text, is_number in zip(row, table.is_number, strict=True)
        ]
        for number, row in enumerate(texts)
    ]
    look = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("LEFTPADDING", (1, 0), (-1, -1), 5),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
    return Grid(rows, widths, style=look, hAlign="LEFT", repeatRows=1, spaceBefore=4)


def _fitting(texts: list[list[str]]) -> tuple[float, list[float]]:
    """Give the largest size of type at which no word is cut, and the columns' widths."""

    def width(text: str, size: float) -> float:
        return float(pdfmetrics.stringWidth(text, "Report-Bold", size)) + 10

    columns = list(zip(*texts, strict=True))
    for size in (8.0, 7.0, 6.0, 5.0):
        wanted = [max(width(text, size) for text in column) for column in columns]
        least = [
            min(
                max(width(word, size) for text in column for word in text.split() or [""]),
                90,
            )
            for column in columns
        ]
        if sum(least) <= _WIDTH:
            break
    if sum(wanted) <= _WIDTH:
        return size, wanted
    # What is left is given to the columns whose text is longest.
    spare = max(_WIDTH - sum(least), 0)
    longer = [most - few for most, few in zip(wanted, least, strict=True)]
    shrink = min(_WIDTH / sum(least), 1)
    shares = [one / max(sum(longer), 1e-9) * spare for one in longer]
    return size, [few * shrink + more for few, more in zip(least, shares, strict=True)]

"""A report as PDF: all of its text can be selected, that in charts too."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pypdf import PdfReader

from smtpbook.reports.content import Content, Lines, Paragraph, Section, table_of
from smtpbook.reports.document import write_document


def test_its_text_can_be_selected_and_its_outline_followed(
    content: Content, tmp_path: Path
) -> None:
    write_document(content, tmp_path / "report.pdf")
    reader = PdfReader(tmp_path / "report.pdf")
    text = "\n".join(page.extract_text() for page in reader.pages)
    for said in (
        "A <title>",
        "It is <b>not</b> bold, $x$ no mathematics, _it_ not slanted.",
        "1,200",
        "✓ accepted",
        "RCPT|`x`",
        "30.0 s",
        "drawn ✓ <i>\\once</i>",
        "-> EHLO ```",
        "Bars: [none]",  # what the chart shows, in words
    ):
        assert said in text
    assert reader.outline[0]["/Title"] == "All of it"
    assert reader.metadata is not None
    assert reader.metadata.title == "A <title>"
    assert reader.root_object["/Lang"] == "en"


def test_characters_without_a_sign_in_the_fonts_stand_as_their_codes(
    tmp_path: Path,
) -> None:
    said = "5.1.1 收件人 ✓ Größe 🎉"
    blocks = (
        Paragraph(text=said),
        Lines(text=f"<-  550 {said}\n-> QUIT"),
        table_of(pd.DataFrame({"text": [said]})),
    )
    section = Section(title="Texts", blocks=blocks)
    write_document(Content(title="收", sections=(section,)), tmp_path / "codes.pdf")
    pages = PdfReader(tmp_path / "codes.pdf").pages
    text = "".join("".join(page.extract_text() for page in pages).split())
    shown = "5.1.1\\u6536\\u4ef6\\u4eba✓Größe\\U0001f389"
    assert text.count(shown) == 3
    assert "收" not in text


def test_a_wide_table_stays_on_the_paper_and_a_long_one_is_cut(tmp_path: Path) -> None:
    wide = pd.DataFrame({f"column number {n}": ["some words " * 3] * 60 for n in range(9)})
    section = Section(title="Wide", blocks=(table_of(wide),))
    write_document(Content(title="Wide", sections=(section,)), tmp_path / "wide.pdf")
    reader = PdfReader(tmp_path / "wide.pdf")
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "20 more rows are not shown." in text
    places: list[float] = []
    for page in reader.pages:
        page.extract_text(
            visitor_text=lambda _, cm, tm, *__: places.append(max(cm[4], tm[4]))
        )
        assert max(places) < float(page.mediabox.width) - 40

"""A frame is shown as it is, in HTML that clients keep and in text that lines up."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from html import unescape
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from matplotlib.figure import Figure

from smtpbook.bodies.picture import Picture, content_type, picture_html, picture_name
from smtpbook.bodies.table import figure_picture, figure_png, table_html, table_text
from smtpbook.bodies.text import html_to_text
from smtpbook.errors import ColumnError, TemplateError

DASH = "\N{EN DASH}"


def cells(html: str) -> list[str]:
    return [unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", html)]


@pytest.mark.parametrize("width", [0, -1, 2.5, "100", '1" onload="x'])
def test_a_width_is_whole_pixels(width: Any) -> None:
    one = Picture(name="a.png", content_type="image/png", data=b"")
    with pytest.raises(TemplateError, match=r"a\.png: width=.*expected whole pixels"):
        picture_html(one, width=width)


@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ('a".png', "image/png", "is no name for HTML"),
        ("", "image/png", "is no name for HTML"),
        ("a\r\nX: y", "image/png", "is no name for HTML"),
        ("a.svg", "image/svg+xml", "no type that mail programs show"),
        ("a.png", "image/png\r\nX: y", "no type that mail programs show"),
    ],
)
def test_a_picture_html_cannot_show_is_refused(name: str, kind: str, error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        Picture(name=name, content_type=kind, data=b"")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1, 20000], ["1", "20,000"]),
        ([1.0, 2.0], ["1", "2"]),
        ([0.5, 12.25], ["0.50", "12.25"]),
        ([1 / 3], ["0.33333"]),
        ([1234567.891], ["1,234,567.89"]),
        ([float("inf"), 1.0], ["inf", "1"]),
        ([1e300, 1e-300], ["1e+300", "0"]),
        ([None, float("nan"), 1.5], [DASH, DASH, "1.5"]),
        (pd.array([1, None], "Int64"), ["1", DASH]),
        ([True, False], ["yes", "no"]),
        (pd.to_datetime(["2026-01-02", None]), ["2026-01-02", DASH]),
        (pd.to_datetime(["2026-01-02 09:05"], utc=True), ["2026-01-02 09:05 UTC"]),
        ([date(2026, 1, 2), None], ["2026-01-02", DASH]),
        ([pd.Timedelta("1h")], ["0 days 01:00:00"]),
        (pd.Categorical(["a", None]), ["a", DASH]),
        (["<b>&\u202e\x1b", "0"], ["<b>&\\u202e\\x1b", "0"]),
        ([[1, 2]], ["[1, 2]"]),
        ([], []),
    ],
)
def test_values_are_written_by_their_kind(values: Any, shown: list[str]) -> None:
    assert cells(table_html(pd.DataFrame({"a": values}))) == shown


def test_numbers_stand_on_the_right_and_headings_have_their_scope() -> None:
    html = table_html(
        pd.DataFrame({"city": ["Graz"], "n": [1]}), caption="A & B", index=True
    )
    assert isinstance(html, Markup)
    assert html.count('align="right"') == 4  # n and the index, heading and cell each
    assert html.count('scope="col"') == 3
    assert html.count('scope="row"') == 1
    assert ">A &amp; B</caption>" in html
    assert "class=" not in html


def test_rows_too_many_are_counted() -> None:
    frame = pd.DataFrame({"a": range(1205)})
    assert cells(table_html(frame))[-1] == "… and 1,005 more rows"
    assert table_text(frame, max_rows=1204).endswith("\n… and 1 more row")
    assert len(cells(table_html(frame, max_rows=0))) == 1


def test_formats_say_how_values_are_written() -> None:
    frame = pd.DataFrame({"a": [1.5, None], "when": pd.to_datetime(["2026-01-02"] * 2)})
    html = table_html(frame, formats={"a": lambda value: f"<{value}>", "when": "%d.%m."})
    assert cells(html) == ["<1.5>", "02.01.", DASH, "02.01."]


@pytest.mark.parametrize("form", [">9999999", ".9999999f", "0>1000", "٣>1000"])
def test_a_format_makes_no_text_of_any_length(form: str) -> None:
    with pytest.raises(TemplateError, match=r"column 'n': 1 cannot be .*three digits"):
        table_html(pd.DataFrame({"n": [1]}), formats={"n": form})
    dates = pd.DataFrame({"on": [date(2026, 11, 27)]})
    assert "in 2026<" in table_html(dates, formats={"on": "%d in 2026"})


def test_a_format_for_no_column_or_no_value_is_an_error() -> None:
    frame = pd.DataFrame({"city": ["Graz"]})
    with pytest.raises(ColumnError, match="did you mean 'city'"):
        table_html(frame, formats={"ciyt": "s"})
    with pytest.raises(TemplateError, match="column 'city': 'Graz' cannot be written"):
        table_html(frame, formats={"city": ".2f"})
    with pytest.raises(TemplateError, match="expected a DataFrame, got list"):
        table_html([1])  # type: ignore[arg-type]


def test_equal_names_and_levels_of_names_are_shown() -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b")] * 2))
    assert table_text(frame) == "a / b  a / b\n-----  -----\n    1      2"
    assert table_text(pd.DataFrame()) == ""


def test_wide_characters_line_up() -> None:
    frame = pd.DataFrame({"a": ["日本", "e\u0301", "a\nb"], "b": [1, 2, 30]})
    assert table_text(frame, caption="Cities").splitlines() == [
        "Cities", "", "a      b", "----  --", "日本   1", "e\u0301      2", "a b   30",
    ]  # fmt: skip


@given(
    st.lists(
        st.text(st.characters(codec="utf-8") | st.sampled_from("<>&\"'\n")), min_size=1
    )
)
def test_no_value_is_markup(values: list[str]) -> None:
    html = table_html(pd.DataFrame({"a": values}), max_rows=10**6)
    assert len(cells(html)) == len(values)
    assert len(set(re.findall(r"<(\w+)", html)) - {"table", "thead", "tbody"}) == 3


def test_as_text_the_html_has_its_rows() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1, None]})
    assert html_to_text(table_html(frame)) == "a | b\nx | 1\ny | " + DASH


# --- figures ---------------------------------------------------------------------------


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot(np.arange(3))
    axes.set(title="Opened", xlabel="day", ylabel="letters")
    return figure


def test_a_figure_and_its_axes_give_the_same_octets_each_time() -> None:
    figure = drawn()
    data = figure_png(figure)
    assert content_type(data) == "image/png"
    assert data == figure_png(figure.axes[0]) == figure_png(drawn())
    assert b"matplotlib" not in data.lower()
    assert len(figure_png(figure, dpi=300)) > len(data)


def test_one_figure_drawn_in_several_threads_is_the_same_picture() -> None:
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    with ThreadPoolExecutor(4) as threads:
        drawn = {*threads.map(lambda _: figure_png(figure), range(8))}
    assert drawn == {figure_png(figure)}


def test_a_figure_needs_words_and_gets_some_suggested() -> None:
    with pytest.raises(TemplateError, match="such as 'Opened: letters by day'"):
        figure_picture(drawn(), alt=" ")
    with pytest.raises(TemplateError, match="such as 'Opened: letters by day'"):
        figure_picture(drawn().axes[0], alt="")
    with pytest.raises(TemplateError, match="such as 'Chart of …'"):
        figure_picture(Figure(), alt="")


def test_what_is_no_figure_is_refused() -> None:
    with pytest.raises(TemplateError, match="Figure or Axes, got dict"):
        figure_png({})


def test_a_picture_is_shown_with_its_words_escaped() -> None:
    picture = figure_picture(drawn(), alt='"<b>"', name="Our opens!")
    assert picture_html(picture, width=200) == (
        '<img src="cid:Our-opens.png" alt="&quot;&lt;b>&quot;" width="200" '
        'style="border:0;height:auto;max-width:100%">'
    )


@given(st.text(), st.sampled_from(["image/png", "image/jpeg"]))
def test_names_of_pictures_need_no_encoding(stem: str, kind: str) -> None:
    assert re.fullmatch(r"[\w-]{1,60}\.(png|jpg)", picture_name(stem, kind), re.ASCII)


@given(st.binary())
def test_any_octets_have_a_type_or_none(data: bytes) -> None:
    assert content_type(data) is None or data


def test_a_picture_is_a_value() -> None:
    one = Picture(name="a.png", content_type="image/png", data=b"")
    assert one == Picture(name="a.png", content_type="image/png", data=b"", alt="")

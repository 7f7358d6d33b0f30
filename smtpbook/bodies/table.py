"""Tables and figures for a letter: a DataFrame as HTML or text, a chart as a picture.

Styles stand in the elements, where mail clients leave them.  Nothing is computed: a frame
is shown as it is, and what is missing is shown as missing.  A figure is anything with a
``savefig``; matplotlib is not loaded here.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from io import BytesIO
from typing import Any, Final, TypeAlias

import pandas as pd
from markupsafe import Markup

from smtpbook.bodies.picture import Picture, picture_name
from smtpbook.errors import ColumnError, TemplateError, near_miss
from smtpbook.escape import visible

Formats: TypeAlias = Mapping[str, str | Callable[[Any], str]]

_MISSING: Final = "\N{EN DASH}"
# Outlook reads the attributes, Gmail the styles.  The grey keeps its contrast when a client
# turns its colours over at night.
_TABLE: Final = Markup(
    '<table cellspacing="0" cellpadding="0" border="0" style="border-collapse:collapse;'
    'border-spacing:0;font-size:14px;line-height:1.4">'
)
_CAPTION: Final = Markup(
    '<caption style="padding:4px 10px;text-align:left;font-weight:bold">{}</caption>'
)
_HEADING: Final = Markup(
    '<th scope="col" align="{0}" style="padding:4px 10px;vertical-align:top;'
    'border-bottom:2px solid #999999;text-align:{0}">{1}</th>'
)
_ROW_HEADING: Final = Markup(
    '<th scope="row" align="{0}" style="padding:4px 10px;vertical-align:top;'
    'border-bottom:1px solid #999999;text-align:{0}">{1}</th>'
)
_CELL: Final = Markup(
    '<td align="{0}" style="padding:4px 10px;vertical-align:top;'
    'border-bottom:1px solid #999999;text-align:{0}">{1}</td>'
)
_LAST: Final = Markup('<tr><td colspan="{}" style="padding:4px 10px">{}</td></tr>')
_MAX_DIGITS: Final = 6
# A width or precision in a format; more would be a text as long as it says.
_WIDE: Final = re.compile(r"\d{4}", re.ASCII)
# Drawing changes the figure, and matplotlib is not thread-safe (its FAQ says so).
_DRAWING: Final = threading.Lock()


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str | None = None,
    index: bool = False,
    max_rows: int = 200,
    formats: Formats | None = None,
) -> Markup:
    """Show a DataFrame as an HTML table that mail clients leave as it is.

    Parameters
    ----------
    frame : DataFrame
        Numbers stand on the right; None, NaN, NaT and NA are shown as a dash.
    caption : str, optional
        What stands above it.
    index : bool
        Show the index too, as row headings.
    max_rows : int
        Further rows are left out, and a last line says how many.
    formats : mapping of str to str or callable, optional
        For a column, how a value is written: a format specification such as ``",.2f"``
        or ``"%d %B"``, or a function from value to text.

    Raises
    ------
    ColumnError
        `formats` names a column that is not there.
    TemplateError
        A value cannot be written as `formats` wants it, or there is no DataFrame.

    Examples
    --------
    >>> "&lt;b&gt;" in table_html(pd.DataFrame({"name": ["<b>"]}))
    True
    """
    columns, left_out = _columns(frame, index, max_rows, formats)
    parts = [_TABLE]
    if caption is not None:
        parts.append(_CAPTION.format(_text(caption)))
    parts.append(Markup("<thead><tr>"))
    parts += [_HEADING.format(side, name) for name, side, _ in columns]
    parts.append(Markup("</tr></thead><tbody>"))
    forms = [_ROW_HEADING if index and not n else _CELL for n in range(len(columns))]
    sides = [side for _, side, _ in columns]
    for row in zip(*(cells for _, _, cells in columns), strict=True):
        parts.append(Markup("<tr>"))
        parts += map(Markup.format, forms, sides, row)
        parts.append(Markup("</tr>"))
    if left_out:
        parts.append(_LAST.format(max(len(columns), 1), left_out))
    parts.append(Markup("</tbody></table>"))
    return Markup("").join(parts)


def table_text(
    frame: pd.DataFrame,
    *,
    caption: str | None = None,
    index: bool = False,
    max_rows: int = 200,
    formats: Formats | None = None,
) -> str:
    """Show a DataFrame as lines of text whose columns stand under each other.

    Takes and raises what `table_html` does.

    Examples
    --------
    >>> print(table_text(pd.DataFrame({"city": ["Graz", "Linz"], "n": [1, 20]})))
    city   n
    ----  --
    Graz   1
    Linz  20
    """
    columns, left_out = _columns(frame, index, max_rows, formats)
    padded = []
    for name, side, cells in columns:
        # A column of text is one line in a row.
        lines = [" ".join(cell.split()) for cell in (name, *cells)]
        width = max(map(_width, lines))
        lines.insert(1, "-" * width)
        blanks = [" " * (width - _width(line)) for line in lines]
        padded.append(
            [
                b + s if side == "right" else s + b
                for s, b in zip(lines, blanks, strict=True)
            ]
        )
    rows = ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
    above = [] if caption is None else [_text(caption), ""]
    return "\n".join([*above, *rows, *([left_out] if left_out else [])])


def figure_png(figure: Any, *, dpi: int = 144) -> bytes:
    """Draw a figure, or the figure of an Axes, as a PNG file.

    Parameters
    ----------
    figure : Figure or Axes
        Anything with a ``savefig`` like matplotlib's.
    dpi : int
        Dots per inch; 144 is twice what mail is shown at.

    Returns
    -------
    bytes
        The same for the same figure: neither date nor version stand in it.

    Raises
    ------
    TemplateError
        It is no figure.
    """
    owner: Any = figure if hasattr(figure, "savefig") else getattr(figure, "figure", None)
    if not hasattr(owner, "savefig"):
        raise TemplateError(
            f"figure: expected a matplotlib Figure or Axes, got {type(figure).__name__}"
        )
    buffer = BytesIO()
    with _DRAWING:
        owner.savefig(
            buffer,
            format="png",
            dpi=dpi,
            bbox_inches="tight",
            metadata={"Software": None, "Creation Time": None},
        )
    return buffer.getvalue()


def figure_picture(
    figure: Any, *, alt: str, name: str = "figure", dpi: int = 144
) -> Picture:
    """Make a `Picture` of a figure.

    Parameters
    ----------
    figure, dpi
        As for `figure_png`.
    alt : str
        What the figure shows, in words, for readers who do not see it.
    name : str
        Becomes the picture's name.

    Raises
    ------
    TemplateError
        It is no figure, or `alt` is blank; the message suggests one.
    """
    data = figure_png(figure, dpi=dpi)
    if not alt.strip():
        raise TemplateError(
            f"figure: alt= is empty; say what it shows, such as {_suggestion(figure)!r}"
        )
    return Picture(
        name=picture_name(name, "image/png"), content_type="image/png", data=data, alt=alt
    )


def _suggestion(figure: Any) -> str:
    """Say what the titles of the axes tell."""
    axes = getattr(figure, "axes", [])
    axes = axes if isinstance(axes, list) else [figure]
    told = []
    for one in axes:
        title, y, x = (
            str(getattr(one, f"get_{name}", str)()).strip()
            for name in ("title", "ylabel", "xlabel")
        )
        labels = f"{y} by {x}" if x and y else x or y
        told.append(": ".join(part for part in (title, labels) if part))
    return visible("; ".join(filter(None, told)) or "Chart of …", max_chars=200)


def _columns(
    frame: pd.DataFrame, index: bool, max_rows: int, formats: Formats | None
) -> tuple[list[tuple[str, str, list[str]]], str]:
    """Give each column's name, side and cells, and the line about rows left out."""
    if not isinstance(frame, pd.DataFrame):
        raise TemplateError(f"table: expected a DataFrame, got {type(frame).__name__}")
    names = [_name(name) for name in frame.columns]
    for wanted in formats or {}:
        if wanted not in names:
            raise ColumnError(
                f"table: formats= names column {wanted!r}, which is not in the frame"
                f"{near_miss(wanted, names)}"
            )
    shown = frame.iloc[:max_rows]
    columns = [
        (name, *_cells(shown.iloc[:, number], name, (formats or {}).get(name)))
        for number, name in enumerate(names)
    ]
    if index:
        name = _name(" / ".join(str(n) for n in frame.index.names if n is not None))
        values = pd.Series(
            shown.index.to_flat_index() if frame.index.nlevels > 1 else shown.index
        )
        columns.insert(0, (name, *_cells(values, name, None)))
    more = len(frame) - len(shown)
    left_out = f"… and {more:,} more row{'s' if more > 1 else ''}" if more else ""
    return columns, left_out


def _name(name: object) -> str:
    return _text(" / ".join(map(str, name)) if isinstance(name, tuple) else str(name))


def _cells(
    column: pd.Series[Any], name: str, form: str | Callable[[Any], str] | None
) -> tuple[str, list[str]]:
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(
        column
    )
    write = _writer(column) if form is None else form
    cells = []
    for value in column.tolist():
        if pd.api.types.is_scalar(value) and pd.isna(value):
            cells.append(_MISSING)
            continue
        try:
            cells.append(_text(write(value) if callable(write) else _written(value, write)))
        except Exception as error:
            # A format is the user's own program and may raise anything.
            raise TemplateError(
                f"table: column {name!r}: {visible(repr(value), max_chars=60)} cannot be "
                f"written as formats= says: {error}"
            ) from error
    return ("right" if is_number else "left"), cells


def _written(value: Any, form: str) -> str:
    # A date's format holds the year, at times, and no width.
    if _WIDE.search(form) and not isinstance(value, date):
        raise ValueError("a width or precision has three digits at most")
    return format(value, form)


def _writer(column: pd.Series[Any]) -> Callable[[Any], str]:
    if pd.api.types.is_bool_dtype(column):
        return lambda value: "yes" if value else "no"
    if pd.api.types.is_float_dtype(column):
        places = _places(column)
        return lambda value: f"{value:,.{places}f}" if abs(value) < 1e15 else f"{value:g}"
    if pd.api.types.is_integer_dtype(column):
        return lambda value: f"{value:,}"
    if pd.api.types.is_datetime64_any_dtype(column):
        times = column.dropna()
        if (times == times.dt.normalize()).all():
            return lambda value: f"{value:%Y-%m-%d}"
        return _time
    return _time


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} {value.tzname() or ''}".rstrip()
    return f"{value:%Y-%m-%d}" if isinstance(value, date) else str(value)


def _places(column: pd.Series[Any]) -> int:
    """Give the digits behind the point that tell the values; six digits in all at most."""
    values = [abs(value) for value in column.dropna().tolist() if abs(value) < 1e15]
    largest = len(str(int(max(values, default=0))))
    for places in range(max(0, _MAX_DIGITS - largest)):
        if all(abs(value - round(value, places)) < 1e-9 for value in values):
            return places
    return max(2, _MAX_DIGITS - largest)


def _text(value: object) -> str:
    return visible(str(value), newlines=True)


def _width(text: str) -> int:
    """Count columns: East Asian wide characters take two (Unicode TR 11), marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(char)
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )

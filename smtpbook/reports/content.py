"""Content: what a report says, before it is a page, a document or a text.

A report is sections; a section is blocks, of the few kinds below.  All text in them is
plain, escaped by `smtpbook.escape.visible` and shortened, so a writer only adds the marks
of its own format.  Which blocks there are is for `sections`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from smtpbook.escape import visible
from smtpbook.states import STATES, State
from smtpbook.wording import duration

MAX_CHARS: Final = 300
"""Characters of one foreign text."""
MAX_ROWS: Final = 500
"""Rows of a table; what is left out is counted below it."""
_LOW: Final = re.compile("(.+)_low(|_s)")
_HIGH: Final = re.compile("(.+)_high(|_s)")
_SHARE: Final = re.compile("(.+_)?(share|low|high)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A sentence or more; a note is of less weight."""

    text: str
    is_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """How many stand where: the figures that are read first."""

    counts: tuple[tuple[State, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Labels and what there is to say of each; `color` is a mark at its edge."""

    rows: tuple[tuple[str, str], ...]
    color: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in a table, and what it is sorted by; None = it comes last."""

    text: str
    key: float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under heads; `is_number` tells of each column whether it is one of numbers."""

    heads: tuple[str, ...]
    is_number: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart: its file's name without a suffix, its words, and itself.

    It is drawn in the ink and on the paper that `smtpbook.svg` knows.
    """

    name: str
    alt: str
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Text whose lines and blanks count: a dialogue, a reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Begins a part of a section."""

    text: str


Block = Paragraph | Tiles | Facts | Table | Picture | Lines | Heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report with a name of its own."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]


def plain(text: object) -> str:
    """Make foreign text fit to stand in a block: escaped, on one line, shortened."""
    return visible(str(text), max_chars=MAX_CHARS)


def note(text: str) -> Paragraph:
    """Give a sentence of less weight."""
    return Paragraph(text=text, is_note=True)


def table_of(frame: pd.DataFrame) -> Table | Paragraph:
    """Make a table of a DataFrame: heads in words, cells with their unit.

    The two ends of an interval, such as ``p50_low_s`` and ``p50_high_s``, are one column.

    >>> table_of(pd.DataFrame({"verb": ["RCPT"], "median_s": [0.004]})).rows[0][1].text
    '4.00 ms'
    >>> ends = {"accepted_low": [0.25], "accepted_high": [1.0]}
    >>> table_of(pd.DataFrame(ends)).rows[0][0].text
    '25.0% to 100.0%'
    """
    if frame.empty:
        return Paragraph(text="Nothing to count.")
    names = [str(name) for name in frame.columns if not _HIGH.fullmatch(str(name))]
    shown = frame.head(MAX_ROWS)
    columns = [_column(name, shown) for name in names]
    return Table(
        heads=tuple(map(_head, names)),
        is_number=tuple(_is_number(frame.dtypes[name]) for name in names),
        rows=tuple(zip(*columns, strict=True)),
        left_out=max(len(frame) - MAX_ROWS, 0),
    )


def _column(name: str, frame: pd.DataFrame) -> Iterator[Cell]:
    if not (low := _LOW.fullmatch(name)):
        yield from (_cell(name, value) for value in frame[name])
        return
    high = f"{low[1]}_high{low[2]}"
    for ends in zip(frame[name], frame[high], strict=True):
        texts = ["∞" if math.isinf(end) else _cell(name, end).text for end in ends]
        yield Cell(text=" to ".join(texts), key=float(ends[0]))


def _is_number(dtype: Any) -> bool:
    of_pandas = pd.api.types
    return of_pandas.is_numeric_dtype(dtype) and not of_pandas.is_bool_dtype(dtype)


def _head(column: str) -> str:
    """Give a column's name in words; its cells name their unit."""
    if column in STATES:
        return str(STATES[column])
    if low := _LOW.fullmatch(column):
        return f"{plain(low[1])} interval"
    return plain(column.removesuffix("_s").replace("_", " "))


def _cell(name: str, value: Any) -> Cell:
    if pd.isna(value):
        return Cell(text="-", key=None)
    if isinstance(value, bool):
        return Cell(text="yes" if value else "no", key=float(value))
    if isinstance(value, str):
        return Cell(text=plain(value), key=plain(value).casefold())
    if isinstance(value, pd.Timestamp):
        return Cell(text=f"{value:%Y-%m-%d %H:%M:%S}", key=value.timestamp())
    if _SHARE.fullmatch(name):
        shown = f"{value:.1%}"
    elif name.endswith("_s"):
        shown = duration(value)
    else:
        shown = str(value) if name == "reply_code" else f"{value:,}"
    return Cell(text=shown, key=float(value))

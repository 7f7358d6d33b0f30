"""The chart of reasons: right counts in the right cells, legible whatever the log."""

from __future__ import annotations

import itertools
import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.insight.plot_reasons import plot_reasons
from smtpbook.log.frame import to_frame
from tests.insight.conftest import LOGS
from tests.log.story import START

BY = ["domain", "hour"]
HOUR = 3_600_000_000


def axes() -> Axes:
    made: Axes = Figure(layout="constrained").subplots()
    return made


def refusals(*said: tuple[str, str, int]) -> pd.DataFrame:
    """A log of refusals: reason, domain ("" = none), hour."""
    rows = []
    for reason, domain, hour in said:
        event = Event(
            kind="outcome", reply_code=550, reason=reason, recipient_domain=domain or None
        )
        rows.append((START + hour * HOUR, *event.to_row()[1:]))
    return to_frame(rows)


def crowded(domains: int = 40, hours: int = 30) -> pd.DataFrame:
    says = [
        (reason, f"a-long-name-of-a-domain-{n % domains}.example", n % hours)
        for n in range(1500)
        for reason in ("too_many_recipients", "spam", "user_unknown")[: 1 + n % 3]
    ]
    return refusals(*says)


def table(ax: Axes) -> list[list[int]]:
    """What the cells' numbers say, row by row; 0 = an empty cell."""
    (image,) = ax.images
    cells = np.zeros(np.asarray(image.get_array()).shape[:2], int)
    for text in ax.texts:
        if type(text).__name__ == "Text":
            column, row = text.get_position()
            cells[int(row), int(column)] = int(text.get_text())
    found: list[list[int]] = cells.tolist()
    return found


def words(ax: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def totals(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts if type(text).__name__ == "Annotation"]


SAID: tuple[tuple[str, str, int], ...] = (
    ("spam", "a.example", 0),
    ("greylisted", "b.example", 0),
    ("greylisted", "b.example", 2),
    ("greylisted", "a.example", 2),
    ("greylisted", "", 2),
)


def test_a_cell_holds_how_often_a_domain_gave_a_reason() -> None:
    ax = plot_reasons(refusals(*SAID), ax=axes())
    assert words(ax, "y") == ["greylisted", "spam"]
    assert words(ax, "x") == ["a.example", "b.example", "no domain"]
    assert table(ax) == [[1, 2, 1], [1, 0, 0]]
    assert totals(ax) == ["4 (80%)", "1 (20%)"]
    title = "5 refusals by reason and domain: 80% greylisted"
    assert ax.get_title(loc="left") == title


def test_a_column_is_an_hour_and_hours_without_refusals_are_kept() -> None:
    ax = plot_reasons(refusals(*SAID), by="hour", ax=axes())
    assert words(ax, "x") == ["16:00\n24 Nov", "17:00", "18:00"]
    assert table(ax) == [[1, 0, 3], [1, 0, 0]]
    assert ax.get_xlabel() == "time (UTC), from 2025-11-24; a column is an hour"


@pytest.mark.parametrize(
    ("hours", "each"),
    [
        (23, "an hour"),
        (24, "2 hours"),
        (100, "6 hours"),
        (24 * 20, "a day"),
        (24 * 400, "30 days"),
        (24 * 4000, "174 days"),
    ],
)
def test_a_long_log_has_wider_columns_and_loses_nothing(hours: int, each: str) -> None:
    said = [("spam", "a.example", hour) for hour in range(0, hours + 1, hours // 20)]
    said.append(("spam", "a.example", hours))
    ax = plot_reasons(refusals(*said), by="hour", ax=axes())
    assert ax.get_xlabel().endswith(f"a column is {each}")
    (row,) = table(ax)
    assert len(row) <= 24
    assert sum(row) == len(said)


def test_domains_without_room_are_counted_in_the_last_column() -> None:
    said = [("spam", f"{n}.example", 0) for n in range(20) for _ in range(20 - n)]
    ax = plot_reasons(refusals(*said), ax=axes())
    assert words(ax, "x")[-2:] == ["10.example", "9 others"]
    assert table(ax) == [[*range(20, 9, -1), 45]]


def test_a_refusal_without_a_reason_is_unknown() -> None:
    log = refusals(("spam", "a.example", 0), ("spam", "a.example", 0))
    log["reason"] = pd.Categorical([None, "spam"])
    assert sorted(words(plot_reasons(log, ax=axes()), "y")) == ["spam", "unknown"]


def test_a_refusal_without_a_time_is_in_no_hour() -> None:
    log = refusals(*SAID)
    log.loc[0, "time"] = pd.NaT
    assert table(plot_reasons(log, by="hour", ax=axes())) == [[1, 0, 3]]


def test_large_counts_and_small_shares_are_short() -> None:
    many = [("spam", "a.example", 0)] * 1234 + [("virus", "a.example", 0)]
    ax = plot_reasons(refusals(*many), ax=axes())
    assert [t.get_text() for t in ax.texts if type(t).__name__ == "Text"] == ["1.2k", "1"]
    assert totals(ax) == ["1,234 (100%)", "1 (<1%)"]


def test_foreign_words_are_escaped_shortened_and_no_mathematics() -> None:
    log = refusals(("$x^2$\u202e" + "Z" * 50, "$y$\u202e" + "z" * 99, 0))
    ax = plot_reasons(log, ax=axes())
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        assert "\\u202e" in label.get_text()
        assert len(label.get_text()) < 32
        assert not label.get_parse_math()
    assert not ax._left_title.get_parse_math()  # type: ignore[attr-defined]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", ["every code", "hours"])
def test_any_log_gives_a_picture(name: str, by: str) -> None:
    ax = axes()
    assert plot_reasons(LOGS[name](), by=by, ax=ax) is ax
    ax.figure.draw_without_rendering()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("by", BY)
def test_nothing_to_draw_is_said_in_a_sentence(empty_log: pd.DataFrame, by: str) -> None:
    ax = plot_reasons(empty_log, by=by, ax=axes())
    assert [text.get_text() for text in ax.texts] == ["No refusals in this log."]


def places(ax: Axes) -> list[Bbox]:
    slanted = [label for label in ax.get_xticklabels() if label.get_rotation()]
    texts: list[Any] = [*ax.texts, *ax.get_yticklabels(), ax.xaxis.label]
    texts += [label for label in ax.get_xticklabels() if label not in slanted]
    return [text.get_window_extent() for text in texts if text.get_text()]


@pytest.mark.parametrize(
    ("log", "by"), [(crowded(), "domain"), (crowded(2, 22), "hour"), (crowded(2), "domain")]
)
def test_no_two_texts_overlap_and_none_is_cut(log: pd.DataFrame, by: str) -> None:
    mine = plt.figure()
    ax = plot_reasons(log, by=by)
    assert mine.axes == []
    ax.figure.draw_without_rendering()
    found = [place.padded(-1) for place in places(ax)]
    for place in (*found, *(label.get_window_extent() for label in ax.get_xticklabels())):
        assert place.x0 >= 0
        assert place.y0 >= 0
        assert place.x1 <= ax.figure.bbox.x1
    for one, other in itertools.combinations(found, 2):
        assert not one.overlaps(other)
    # The totals have room in the Axes: one that is given may have no more.
    right = ax.get_window_extent().x1
    assert max(text.get_window_extent().x1 for text in ax.texts) <= right
    # Slanted ones stand apart although the boxes around them do not.
    first = ax.get_xticklabels()[0]
    if by == "domain":
        step = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
        apart = step * math.sin(math.radians(first.get_rotation()))
        assert apart > first.get_fontsize() * ax.figure.dpi / 72


def test_a_dark_style_has_light_numbers_in_faint_cells_and_white_in_strong_ones() -> None:
    said = [("spam", "a.example", 0)] * 99 + [("spam", "b.example", 0)]
    with plt.style.context("dark_background"):
        dark = [t.get_color() for t in plot_reasons(refusals(*said), ax=axes()).texts]
    light = [t.get_color() for t in plot_reasons(refusals(*said), ax=axes()).texts]
    assert (dark[:2], light[:2]) == (["white", "white"], ["white", "black"])


def test_what_is_neither_domain_nor_hour_is_named() -> None:
    with pytest.raises(ValueError, match="not 'hours'; did you mean 'hour'"):
        plot_reasons(refusals(), by="hours", ax=axes())


def test_a_missing_column_is_named(log: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match="column 'reply_code' not found"):
        plot_reasons(log.drop(columns="reply_code"), ax=axes())

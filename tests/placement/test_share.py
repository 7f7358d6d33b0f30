"""The share in the inbox is told by provider, with what is known of it."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.charts.canvas import alt_text
from smtpbook.errors import ColumnError
from smtpbook.placement.plot_placement import plot_placement
from smtpbook.placement.read import PLACED
from smtpbook.placement.share import inbox_share
from smtpbook.statistics.proportions import wilson


def placement(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["provider", "placed"])
    table["provider"] = table["provider"].astype("string")
    table["placed"] = table["placed"].astype(pd.CategoricalDtype(list(PLACED)))
    return table


TABLE = placement(
    *[("Zeta", "inbox")] * 3,
    ("Zeta", "spam"),
    ("Alpha", "missing"),
    ("Alpha", None),
    ("Never $x$", None),
)


def test_what_was_not_looked_for_does_not_count() -> None:
    found = inbox_share(TABLE)
    assert found["provider"].tolist() == ["Zeta", "Alpha", "Never $x$"]
    assert found["messages"].tolist() == [4, 1, 0]
    assert found["spam"].tolist() == [1, 0, 0]
    assert found["inbox_share"][:2].tolist() == [0.75, 0.0]
    assert pd.isna(found["inbox_share"][2])


def test_the_interval_is_wilsons() -> None:
    found = inbox_share(TABLE)
    for n, row in enumerate([wilson(3, 4), wilson(0, 1), wilson(0, 0)]):
        assert (found["inbox_low"][n], found["inbox_high"][n]) == (row.low, row.high)


def test_an_empty_table_has_no_rows() -> None:
    assert inbox_share(placement()).empty


def test_another_table_and_another_column_are_refused() -> None:
    with pytest.raises(ColumnError, match="placed"):
        inbox_share(TABLE.drop(columns="placed"))
    with pytest.raises(ValueError, match="did you mean 'provider'"):
        inbox_share(TABLE, by="providers")


def test_the_picture_has_a_row_for_each_provider_that_was_looked_at() -> None:
    ax = plot_placement(TABLE)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Zeta", "Alpha"]
    assert "5 messages: 60% in the inbox; 2 not accepted" in ax.get_title(loc="left")
    assert "Alpha: 0 of 1 in the inbox (0% to 79%)" in alt_text(ax)


def test_an_interval_is_not_said_to_be_certain() -> None:
    many = placement(*[("Zeta", "inbox")] * 1000, *[("Alpha", "spam")] * 1000)
    texts = [text.get_text() for text in plot_placement(many).texts]
    assert any("99.6 to 100%" in text for text in texts)
    assert any("0 to 0.4%" in text for text in texts)


def test_where_nothing_was_found_out_the_picture_says_so() -> None:
    assert "No mailbox has been looked at" in alt_text(plot_placement(placement()))
    assert "No mailbox" in alt_text(plot_placement(placement(("A", None))))

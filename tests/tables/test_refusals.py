"""Refusals that decided are counted once, however many rows tell of them."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.log.frame import to_frame
from smtpbook.tables.refusals import refusals_by
from tests.log.story import Story


def test_those_that_are_alike_are_counted_with_their_first_and_last(
    log: pd.DataFrame,
) -> None:
    table = refusals_by(log, ["verb", "domain"])
    assert list(table.columns) == ["verb", "recipient_domain", "times", "first", "last"]
    rows = log[(log["kind"] == "outcome") & (log["reply_code"] >= 400)]
    assert table["times"].sum() == len(rows)
    assert table["first"].min() == rows["time"].min()
    assert table["last"].max() == rows["time"].max()


def test_a_session_without_outcomes_is_counted_by_its_replies() -> None:
    story = Story("s1").opened()
    story.message("a@x.example", rcpt="550 5.1.1 No", outcome="rejected")
    turned_away = Story("s2")
    turned_away.said("GREETING", None, "554 5.7.1 go away")
    table = refusals_by(to_frame([*story.rows, *turned_away.rows]), ["reply_code"])
    assert table["reply_code"].tolist() == [550, 554]
    assert table["times"].tolist() == [1, 1]


def test_a_column_that_is_named_twice_counts_once(log: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        refusals_by(log, ["domain", "recipient_domain"]), refusals_by(log, ["domain"])
    )


def test_a_column_that_is_not_there_is_named(log: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match="'hours' not found; did you mean 'hour'"):
        refusals_by(log, ["hours"])

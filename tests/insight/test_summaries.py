"""Refusals are counted by what decided."""

from __future__ import annotations

import pandas as pd

from smtpbook.events import Event
from smtpbook.insight.summaries import most_frequent_refusal, refusals
from smtpbook.log.frame import to_frame
from tests.log.story import Story


def test_refusals_alike_but_for_their_text_are_one() -> None:
    story = Story()
    for n in range(5):
        text = f"550 5.1.1 user {n % 3} unknown"
        story.message(f"{n}@x.example", rcpt=text, outcome="rejected")
    story.message("y@x.example", end="451 try later", outcome="deferred")
    table = refusals(to_frame(story.rows))
    assert table["reply_code"].tolist() == [550, 451]
    assert table["times"].tolist() == [5, 1]
    assert table["texts"].tolist() == [3, 1]
    assert table["verb"].tolist() == ["RCPT", "END-OF-DATA"]
    assert most_frequent_refusal(to_frame(story.rows)) == {
        "verb": "RCPT",
        "reply_code": 550,
        "enhanced_status": "5.1.1",
        "reply_text": "5.1.1 user 0 unknown",
        "reason": "user_unknown",
        "times": 5,
        "texts": 3,
    }


def test_only_replies_that_decided_a_recipient_are_refusals() -> None:
    """A 554 to the DATA pipelined behind a refused RCPT turned nobody away."""
    turned_away = Event(
        kind="outcome", verb="RCPT", reply_code=550, recipient="a@b"
    ).to_row()
    followed = Event(kind="command", verb="DATA", reply_code=554).to_row()
    table = refusals(to_frame([followed, followed, turned_away]))
    assert table[["verb", "reply_code", "times"]].to_numpy().tolist() == [["RCPT", 550, 1]]


def test_a_log_without_outcomes_is_counted_by_its_replies() -> None:
    row = Event(kind="command", verb="RCPT", reply_code=550, reply_text="no").to_row()
    assert refusals(to_frame([row, row]))["times"].tolist() == [2]


def test_an_empty_log_has_an_empty_table_with_the_same_columns(
    log: pd.DataFrame, empty_log: pd.DataFrame
) -> None:
    assert len(refusals(empty_log)) == 0
    assert list(refusals(empty_log).columns) == list(refusals(log).columns)
    assert most_frequent_refusal(empty_log) is None

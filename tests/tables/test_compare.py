"""Two logs are compared: who, which command, which refusals."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.log.frame import to_frame
from smtpbook.tables.compare import compare
from tests.log.story import Story

FAST, SLOW = (0.002, 0.003, 0.001, 0.02), (0.002, 0.003, 0.001, 0.5)


def _before() -> pd.DataFrame:
    story = Story().opened()
    for n in range(6):
        story.message(f"{n}@x.example", seconds=FAST)
    story.message("gone@x.example", rcpt="550 5.1.1 user 17 unknown", outcome="rejected")
    return to_frame(story.rows)


def _after() -> pd.DataFrame:
    story = Story().opened()
    for n in range(3):
        text = f"554 5.7.1 <{n}@x.example> blocked, id Q{n}7F"
        story.message(f"{n}@x.example", seconds=SLOW, end=text, outcome="rejected")
    story.message("3@x.example", seconds=SLOW, rcpt="450 4.2.0 later", outcome="deferred")
    for n in (4, 5):
        story.message(f"{n}@x.example", seconds=SLOW)
    story.message("new@x.example", rcpt="550 5.1.1 user 4711 unknown", outcome="rejected")
    return to_frame(story.rows)


def test_changes_of_outcome_are_counted_the_most_frequent_first() -> None:
    table = compare(_before(), _after())
    assert table.astype(object).where(table.notna(), None).to_numpy().tolist() == [
        ["accepted", "rejected", 3, 3 / 8],
        ["accepted", "deferred", 1, 1 / 8],
        ["rejected", None, 1, 1 / 8],
        [None, "rejected", 1, 1 / 8],
    ]


def test_those_who_changed_are_named() -> None:
    table = compare(_before(), _after(), by="recipient")
    assert table["recipient"].tolist() == [
        *("0@x.example", "1@x.example", "2@x.example"),
        *("3@x.example", "gone@x.example", "new@x.example"),
    ]
    assert table["reply_code_b"].tolist() == [554, 554, 554, 450, pd.NA, 550]
    assert table["reply_code_b"].dtype == "Int16"
    assert table["reason_a"].tolist()[4] == "user_unknown"


def test_the_command_that_slowed_down_most_comes_first() -> None:
    table = compare(_before(), _after(), by="command")
    first = table.iloc[0]
    assert first["verb"] == "END-OF-DATA"
    assert first["p50_change_s"] == pytest.approx(0.48)
    assert first["refused_a"] == 0
    assert first["refused_b"] == pytest.approx(3 / 5)
    assert first["refused_change"] == pytest.approx(3 / 5)


def test_a_command_that_only_one_log_has_is_there_without_a_change() -> None:
    story = Story()
    story.said("NOOP", "NOOP", "250 Ok")
    table = compare(_before(), to_frame(story.rows), by="command").set_index("verb")
    assert table.loc["NOOP", "replies_a"] == 0
    assert table["p50_change_s"].isna().all()


def test_a_refusal_worded_alike_but_for_ids_and_addresses_is_not_new() -> None:
    table = compare(_before(), _after(), by="reply")
    assert table["wording"].tolist() == ["* <*> blocked, id *", "* later"]
    assert table["replies_b"].tolist() == [3, 1]
    assert table["is_new"].all()
    assert table["share_b"].tolist() == [3 / 5, 1 / 5]


@pytest.mark.parametrize("by", ["outcome", "recipient", "reply"])
def test_a_log_does_not_differ_from_itself(by: str) -> None:
    assert compare(_before(), _before(), by=by).empty


def test_an_unknown_by_is_told_with_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'command'"):
        compare(_before(), _after(), by="commands")

"""Every reply of a log is told what it means, as `explain` would tell it."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.codes.explain import explain
from smtpbook.codes.foreign_names import TOOLS
from smtpbook.errors import ColumnError
from smtpbook.log.classify import classify
from smtpbook.log.frame import fill_reasons, to_batch, to_frame, to_table
from smtpbook.protocol.replies import Reply
from tests.log.story import Story, day, suppressed


def test_every_reply_has_a_row_with_the_logs_own_index() -> None:
    log = to_frame([*day(40), suppressed("no@x.example")])
    log.index = log.index + 100
    table = classify(log)
    assert table.index.equals(log.index[log["reply_code"].notna()])
    assert (table["kind"] == "outcome").sum() == 40
    assert table["reply_text"].equals(log.loc[table.index, "reply_text"])


def test_the_answer_is_the_one_of_explain() -> None:
    for _, row in classify(to_frame(day(60))).iterrows():
        reply = Reply.of(row["reply_code"], row["reply_text"])
        told = explain(reply, verb=row["verb"], host="smtp.example.org")
        for name in ("reason", "group", "fault", "permanence", "advice", "provider"):
            assert (None if pd.isna(row[name]) else row[name]) == getattr(told, name)
        assert row["confidence"] == told.confidence


def test_the_reason_is_the_one_the_log_was_filled_with() -> None:
    log = to_frame(day(200))
    table = classify(log)
    filled = log.loc[table.index, "reason"].astype(object)
    assert table["reason"].astype(object).equals(filled)
    assert table["reason"].notna().any()


def test_a_success_has_no_reason_and_its_advice_is_to_go_on() -> None:
    row = classify(to_frame(Story().opened().rows)).iloc[-1]
    assert (row["permanence"], row["advice"], row["confidence"]) == (
        "success",
        "continue",
        1,
    )
    assert row[["reason", "group", "fault", "retry_s"]].isna().all()


def test_when_to_try_again_is_read_from_what_may_be_tried_again() -> None:
    story = Story()
    story.said("RCPT", "RCPT TO:<x@y.example>", "450 4.7.1 try again in 300 seconds")
    story.said("RCPT", "RCPT TO:<x@y.example>", "450 4.2.1 busy")
    assert classify(to_frame(story.rows))["retry_s"].tolist()[0] == 300
    assert classify(to_frame(story.rows))["retry_s"].isna().tolist() == [False, True]


def test_a_status_that_stands_in_its_own_column_counts() -> None:
    story = Story()
    story.add("outcome", verb="RCPT", reply_code=550, enhanced_status="5.2.2")
    story.add(
        "outcome",
        verb="RCPT",
        reply_code=550,
        enhanced_status="5.2.2",
        reply_text="over quota",
    )
    log = to_frame(story.rows)
    assert classify(log)["reason"].tolist() == ["mailbox_full"] * 2
    assert log["reason"].tolist() == ["mailbox_full"] * 2


def test_what_is_no_reply_code_is_no_reply() -> None:
    story = Story()
    story.add("command", verb="RCPT", reply_code=999)
    assert classify(to_frame(story.rows)).empty


def test_names_of_other_tools_stand_beside_the_reason() -> None:
    table = classify(to_frame(day(100)), names=TOOLS)
    assert list(table.columns[-4:]) == list(TOOLS)
    unknown = table[table["reason"] == "user_unknown"]
    assert set(unknown["sisimai"]) == {"userunknown"}
    assert table.loc[table["reason"].isna(), list(TOOLS)].isna().all(axis=None)


def test_a_tool_nobody_knows_is_named_with_the_near_miss() -> None:
    with pytest.raises(ValueError, match="no names of 'sisimay'; did you mean 'sisimai'"):
        classify(to_frame([]), names="sisimay")


def test_an_empty_log_has_the_same_columns_and_types() -> None:
    empty, full = classify(to_frame([])), classify(to_frame(day(9)))
    assert list(empty) == list(full)
    assert [d.kind for d in empty.dtypes] == [d.kind for d in full.dtypes]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ColumnError, match="'reply_text' not found; did you mean"):
        classify(to_frame([]).rename(columns={"reply_text": "reply_texts"}))


def test_the_log_is_left_as_it_was() -> None:
    log = to_frame(day(9))
    before = log.copy()
    classify(log)
    pd.testing.assert_frame_equal(log, before)


@pytest.mark.parametrize("server", ["mx.olc.outlook.com", None])
def test_whose_server_it_is_counts_in_the_log_as_in_the_table(server: str | None) -> None:
    story = Story()
    story.said("GREETING", None, "220 mx.olc.outlook.com Microsoft ESMTP", server=server)
    story.said("RCPT", "RCPT TO:<x@y.example>", "550 5.7.606 qwxz", server=server)
    log = to_frame(story.rows)
    table = classify(log)
    assert table["provider"].tolist() == ["outlook"] * 2
    assert table["reason"].tolist()[1] == log["reason"][1] == "ip_blocked"
    sealed = fill_reasons(to_table([to_batch(story.rows)]))
    assert sealed["reason"].to_pylist() == [None, "ip_blocked"]

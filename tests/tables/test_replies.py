"""Reply codes add up to the replies, within whatever they are counted by."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.samples import sample
from smtpbook.tables.replies import reply_codes
from tests.log.story import Story

events = st.builds(
    Event,
    kind=st.sampled_from(["command", "greeting", "outcome", None]),
    verb=st.sampled_from(["EHLO", "RCPT", "X\u202e'\"", None]),
    source=st.sampled_from(["postfix", None]),
    reply_code=st.sampled_from([None, 0, 199, 200, 250, 450, 599, 600, 999]),
)


def test_reply_codes_add_up_to_the_replies(log: pd.DataFrame) -> None:
    table = reply_codes(log)
    assert list(table.columns) == ["reply_code", "severity", "replies", "share"]
    assert table["reply_code"].tolist() == [220, 221, 250, 354, 450, 550, 554]
    assert table["severity"].tolist() == [
        *["success"] * 3,
        "intermediate",
        "transient",
        *["permanent"] * 2,
    ]
    is_reply = log["reply_code"].between(200, 599) & (log["kind"] != "outcome")
    assert table["replies"].sum() == is_reply.sum()
    assert table["share"].sum() == pytest.approx(1)


@settings(max_examples=10, deadline=None)
@given(st.lists(events, max_size=30))
def test_what_is_counted_is_what_a_loop_would_count(rows: list[Event]) -> None:
    said = [row for row in rows if row.reply_code and 200 <= row.reply_code <= 599]
    own = {(row.source, row.verb) for row in said if row.kind != "outcome"}
    counts: dict[tuple[str, int], int] = {}
    for row in said:
        repeats = row.kind == "outcome" and (row.source, row.verb) in own
        if row.verb and row.reply_code and not repeats:
            key = row.verb, row.reply_code
            counts[key] = counts.get(key, 0) + 1
    table = reply_codes(to_frame(row.to_row() for row in rows), by="verb")
    found = zip(table["verb"], table["reply_code"], table["replies"], strict=True)
    assert [((verb, code), n) for verb, code, n in found] == sorted(counts.items())


def test_a_mail_servers_log_has_the_reply_codes_of_its_outcomes() -> None:
    table = reply_codes(sample("postfix.log"), by="verb")
    found = table.groupby("verb", observed=True)["replies"].sum().to_dict()
    assert found == {"END-OF-DATA": 2, "GREETING": 1, "RCPT": 4}
    assert table.attrs["outcomes_counted"] == ["postfix: END-OF-DATA", "postfix: RCPT"]


def test_beside_a_mail_servers_log_a_dialogue_is_counted_once(log: pd.DataFrame) -> None:
    both = pd.concat([log, sample("postfix.log")], ignore_index=True)
    alone = reply_codes(log)
    assert alone.attrs["outcomes_counted"] == []
    assert reply_codes(both)["replies"].sum() == alone["replies"].sum() + 7


def test_outcomes_alone_are_counted_whoever_they_are_of(log: pd.DataFrame) -> None:
    outcomes = log[log["kind"] == "outcome"]
    assert reply_codes(outcomes)["replies"].sum() == outcomes["reply_code"].count()


def test_reply_codes_by_something_have_shares_within_it(log: pd.DataFrame) -> None:
    table = reply_codes(log, by="verb")
    assert list(table.columns)[:2] == ["verb", "reply_code"]
    assert (table.groupby("verb", observed=True)["share"].sum().round(9) == 1).all()
    rcpt = table[table["verb"] == "RCPT"].set_index("reply_code")["replies"]
    assert rcpt.sum() == 400
    pd.testing.assert_frame_equal(
        reply_codes(log, by="domain"), reply_codes(log, by="recipient_domain")
    )


def test_by_hour_is_by_the_time_at_which_the_hour_began() -> None:
    story = Story()
    for _ in range(3):
        story.said("NOOP", "NOOP", "250 Ok")
        story.time += 1_800_000_000
    table = reply_codes(to_frame(story.rows), by="hour")
    assert table["replies"].tolist() == [2, 1]
    assert table["hour"].dtype == "datetime64[us, UTC]"
    assert [f"{hour:%H:%M:%S}" for hour in table["hour"]] == ["16:00:00", "17:00:00"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False]),
        pd.Series([1, None], dtype="UInt8"),
        pd.Series(["x", "y"], dtype="category"),
        pd.Series([2026, 2027], dtype="category"),
        pd.Series(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]"),
        pd.Series(["2026-01-01", None], dtype="datetime64[us, UTC]"),
        pd.Series(["x", "y"], dtype="object"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_a_column_that_is_not_the_logs_keeps_its_values_and_dtype(
    log: pd.DataFrame, column: pd.Series[Any]
) -> None:
    log = log[log["verb"] == "EHLO"].head(2)
    log["mine"] = column.set_axis(log.index)
    found = reply_codes(log, by="mine")["mine"]
    assert found.dtype == column.dtype
    assert found.tolist() == column.dropna().sort_values().tolist()


@pytest.mark.parametrize(
    ("by", "meant"),
    [("reply", "reply_"), ("domains", "domain"), ("verbs", "verb"), ("hours", "hour")],
)
def test_an_unknown_by_names_the_near_miss(log: pd.DataFrame, by: str, meant: str) -> None:
    with pytest.raises(
        ColumnError, match=f"column '{by}' not found; did you mean '{meant}"
    ):
        reply_codes(log, by=by)

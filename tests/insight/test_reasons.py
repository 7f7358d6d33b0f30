"""Why mail was refused: every refusal counted once, under a wording that can be read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.insight.reasons import reasons
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.scan import scan_log
from tests.insight.conftest import LOGS
from tests.log.story import Story


def said(*texts: str, domain: str = "x.example") -> Story:
    story = Story()
    for number, text in enumerate(texts):
        story.message(f"p{number}@{domain}", rcpt=text, outcome="rejected")
    return story


def test_texts_that_differ_in_an_address_are_one_wording() -> None:
    story = said(*(f"550 5.1.1 <p{n}@x.example> unknown, id 4F2A9C{n}0" for n in range(5)))
    (row,) = reasons(to_frame(story.rows)).to_dict("records")
    assert row["wording"] == "5.1.1 <address> unknown, id <id>"
    assert row["example"] == "5.1.1 <p0@x.example> unknown, id 4F2A9C00"
    assert (row["reason"], row["group"], row["reply_code"]) == (
        "user_unknown",
        "address",
        550,
    )
    assert (row["count"], row["share"]) == (5, 1)


def test_the_most_frequent_comes_first_with_its_share_and_its_times() -> None:
    log = to_frame(said("550 5.1.1 who", "452 4.2.2 full", "452 4.2.2 full").rows)
    table = reasons(log)
    assert table["reason"].tolist() == ["mailbox_full", "user_unknown"]
    assert table["share"].tolist() == pytest.approx([2 / 3, 1 / 3])
    times = log.loc[log["kind"] == "outcome", "time"]
    assert table["first"].tolist() == [times.iloc[1], times.iloc[0]]
    assert table["last"].tolist() == [times.iloc[2], times.iloc[0]]


def test_one_text_with_two_codes_is_two_rows() -> None:
    table = reasons(to_frame(said("450 4.2.2 full", "452 4.2.2 full").rows))
    assert sorted(table["reply_code"]) == [450, 452]


def test_every_refusal_is_counted_once(log: pd.DataFrame) -> None:
    outcomes = log[(log["kind"] == "outcome") & (log["reply_code"] >= 400)]
    for by in ((), "domain", ("domain", "hour"), "verb"):
        table = reasons(log, by=by)
        assert table["count"].sum() == len(outcomes)
    assert reasons(log)["share"].sum() == pytest.approx(1)


def test_a_session_without_outcomes_is_counted_by_its_replies() -> None:
    turned_away = Story("s2")
    turned_away.said("GREETING", None, "554 5.7.1 go away")
    rows = [*said("550 5.1.1 who").rows, *turned_away.rows]
    assert sorted(reasons(to_frame(rows))["reason"]) == ["ip_blocked", "user_unknown"]


def test_a_log_without_outcomes_is_counted_by_its_replies() -> None:
    story = Story()
    story.said("MAIL", "MAIL FROM:<a@b.example>", "550 5.7.1 no")
    (row,) = reasons(to_frame(story.rows)).to_dict("records")
    assert (row["count"], row["domains"]) == (1, 0)
    assert pd.isna(row["domain"])


def test_domains_are_counted_and_the_most_frequent_is_named() -> None:
    rows = [
        *said("550 no", domain="a.example").rows,
        *said("550 no", "550 no", domain="b.example").rows,
    ]
    (row,) = reasons(to_frame(rows)).to_dict("records")
    assert (row["domains"], row["domain"]) == (2, "b.example")


def test_by_domain_a_share_is_of_the_domains_own_refusals() -> None:
    rows = [
        *said("550 5.1.1 who", domain="a.example").rows,
        *said("550 5.1.1 who", "452 4.2.2 full", domain="b.example").rows,
    ]
    table = reasons(to_frame(rows), by="domain")
    assert list(table.columns[:2]) == ["recipient_domain", "reason"]
    shares = table.set_index(["recipient_domain", "reason"])["share"]
    assert shares["a.example", "user_unknown"] == 1
    assert shares["b.example", "user_unknown"] == 0.5


def test_by_hour_refusals_stand_in_the_hour_in_which_they_came() -> None:
    story = said("550 no")
    story.time += 3_600_000_000
    story.message("late@x.example", rcpt="550 no", outcome="rejected")
    table = reasons(to_frame(story.rows), by="hour")
    assert table["hour"].dt.hour.tolist() == [16, 17]
    assert (table["hour"].dt.minute == 0).all()
    assert table["share"].tolist() == [1, 1]


def test_what_a_server_says_is_shown_harmless_and_short() -> None:
    (row,) = reasons(to_frame(said("550 \x1b[31m\u202e" + "spam " * 200).rows)).to_dict(
        "records"
    )
    for text in (row["example"], row["wording"]):
        assert not {"\x1b", "\u202e"} & set(text)
        assert len(text) < 350


def test_a_refusal_without_words_is_counted_too() -> None:
    story = Story()
    story.add("outcome", reply_code=550, outcome="bounced", recipient="a@x.example")
    (row,) = reasons(to_frame(story.rows)).to_dict("records")
    assert (row["wording"], row["count"]) == ("", 1)
    assert pd.isna(row["example"])


@pytest.mark.parametrize("name", ["empty", "one row", "every code"])
def test_any_log_gives_the_same_columns_and_types(name: str) -> None:
    table = reasons(LOGS[name](), by=["domain", "hour"])
    expected = reasons(LOGS["hours"](), by=["domain", "hour"])
    assert dict(table.dtypes) == dict(expected.dtypes)


def test_a_column_that_is_not_there_is_named(log: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match="'domian' not found; did you mean 'domain'"):
        reasons(log, by="domian")
    with pytest.raises(ColumnError, match="'reason' not found"):
        reasons(log.drop(columns="reason"))


def test_the_log_is_left_as_it_was(log: pd.DataFrame) -> None:
    before = log.copy()
    reasons(log, by=["domain", "hour"])
    pd.testing.assert_frame_equal(log, before)


def test_files_tell_the_same_as_a_frame(log: pd.DataFrame, tmp_path: Path) -> None:
    scan = scan_log(write_log(log, tmp_path / "log.parquet"))
    for by in ((), "domain", ("hour", "verb")):
        pd.testing.assert_frame_equal(
            reasons(scan, by=by), reasons(log, by=by), check_categorical=False
        )

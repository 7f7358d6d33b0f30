"""Small tables that add up to the log they were counted from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.insight.summaries import (
    by_domain,
    latency_by_command,
    most_frequent_refusal,
    refusals,
    replies,
    reply_codes,
    session_order,
    slowest_command,
)
from smtpbook.log.frame import to_frame
from smtpbook.log.outcomes import count_outcomes
from tests.log.story import Story, suppressed


def test_outcome_rows_are_not_replies_and_neither_is_a_code_that_is_none_of_smtp() -> None:
    rows = [
        Event(reply_code=250).to_row(),
        Event(reply_code=None).to_row(),
        Event(reply_code=999).to_row(),
        Event(kind="outcome", reply_code=250).to_row(),
    ]
    assert replies(to_frame(rows)).index.tolist() == [0]


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
    assert table["replies"].sum() == len(replies(log))
    assert table["share"].sum() == pytest.approx(1)


def test_reply_codes_by_something_have_shares_within_it(log: pd.DataFrame) -> None:
    table = reply_codes(log, by="verb")
    assert list(table.columns)[:2] == ["verb", "reply_code"]
    assert (table.groupby("verb", observed=True)["share"].sum().round(9) == 1).all()
    rcpt = table[table["verb"] == "RCPT"].set_index("reply_code")["replies"]
    assert rcpt.sum() == 300
    pd.testing.assert_frame_equal(
        reply_codes(log, by="domain"), reply_codes(log, by="recipient_domain")
    )


@pytest.mark.parametrize(
    ("by", "meant"), [("reply", "reply_"), ("domains", "domain"), ("verbs", "verb")]
)
def test_an_unknown_by_names_the_near_miss(log: pd.DataFrame, by: str, meant: str) -> None:
    with pytest.raises(
        ColumnError, match=f"column '{by}' not found; did you mean '{meant}"
    ):
        reply_codes(log, by=by)


def test_latency_by_command_is_in_the_order_of_a_session(log: pd.DataFrame) -> None:
    table = latency_by_command(log, quantiles=(0.5, 0.999))
    assert list(table.columns) == [
        "verb",
        "replies",
        "mean_s",
        "p50_s",
        "p99.9_s",
        "max_s",
    ]
    assert table["verb"].tolist() == [
        *("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-DATA", "QUIT")
    ]
    mail = log.loc[(log["verb"] == "MAIL") & (log["kind"] == "command"), "service_s"]
    row = table.set_index("verb").loc["MAIL"]
    assert row["replies"] == len(mail)
    assert row["p50_s"] == pytest.approx(np.median(mail))
    assert row["max_s"] == mail.max()


def test_latency_takes_the_column_that_is_asked_for(log: pd.DataFrame) -> None:
    service = latency_by_command(log).set_index("verb")["mean_s"]
    latency = latency_by_command(log, column="latency_s").set_index("verb")["mean_s"]
    assert latency["DATA"] > service["DATA"]  # pipelined behind MAIL and RCPT
    with pytest.raises(ColumnError, match="'services' not found; did you mean 'service_s'"):
        latency_by_command(log, column="services")
    with pytest.raises(ValueError, match="between 0 and 1"):
        latency_by_command(log, quantiles=(95,))


def test_unknown_verbs_stand_last() -> None:
    assert session_order(["XYZ", "QUIT", "ABC", "EHLO"]) == ["EHLO", "QUIT", "ABC", "XYZ"]


def test_the_slowest_command_is_the_one_with_the_greatest_median(log: pd.DataFrame) -> None:
    found = slowest_command(log)
    assert found is not None
    verb, median_s, p95_s = found
    assert verb == "END-OF-DATA"
    assert 0.01 < median_s < p95_s


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


def test_domains_add_up_to_the_outcomes(log: pd.DataFrame) -> None:
    table = by_domain(log)
    assert table["recipients"].sum() == 301
    counts = {name: n for name, n in count_outcomes(log).items() if n}
    assert table[list(counts)].sum().to_dict() == counts
    assert table["recipients"].is_monotonic_decreasing


def test_recipients_without_a_domain_are_counted_too() -> None:
    table = by_domain(to_frame([suppressed("nobody")]))
    assert table["recipients"].tolist() == [1]
    assert table["recipient_domain"].isna().all()


def test_an_empty_log_has_empty_tables_with_the_same_columns(
    log: pd.DataFrame, empty_log: pd.DataFrame
) -> None:
    for table in (reply_codes, latency_by_command, refusals):
        assert len(table(empty_log)) == 0
        assert list(table(empty_log).columns) == list(table(log).columns)
    assert len(by_domain(empty_log)) == 0
    assert slowest_command(empty_log) is None
    assert most_frequent_refusal(empty_log) is None

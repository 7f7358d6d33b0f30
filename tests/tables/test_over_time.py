"""What was sent when; and how long a deferred recipient waits, after Kaplan and Meier."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.comparing.compare import compare
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.tables.over_time import retry_curve, retry_times, throughput
from tests.log.story import START, Story

# Weeks of remission under 6-MP (Freireich et al. 1963), those of 12 patients censored, and
# the estimate of Kaplan and Meier's that textbooks print for it.
REMISSION = (6, 6, 6, 7, 10, 13, 16, 22, 23)
CENSORED = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
SURVIVAL = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
AT_RISK = {6: 21, 7: 17, 10: 15, 13: 12, 16: 11, 22: 7, 23: 6}


def ended(recipient: str, outcome: str, at_s: float) -> tuple[float, Event]:
    return at_s, Event(kind="outcome", recipient=recipient, outcome=outcome)


def log_of(*ends: tuple[float, Event]) -> pd.DataFrame:
    rows = sorted(ends, key=lambda end: end[0])
    return to_frame((START + round(at * 1e6), *event.to_row()[1:]) for at, event in rows)


def test_the_retry_curve_is_the_published_one_of_a_published_sample() -> None:
    weeks = [*((w, "accepted") for w in REMISSION), *((w, "deferred") for w in CENSORED)]
    ends = []
    for number, (waited, outcome) in enumerate(weeks):
        ends.append(ended(f"{number}@x.example", "deferred", number))
        ends.append(ended(f"{number}@x.example", outcome, number + waited))
    table = retry_curve(log_of(*ends)).set_index("waited_s")
    assert (1 - table.loc[list(SURVIVAL), "estimate"]).round(3).to_dict() == SURVIVAL
    assert table.loc[list(AT_RISK), "at_risk"].to_dict() == AT_RISK
    assert table["accepted"].sum() == 9
    assert table["censored"].sum() == 12
    assert table.index.tolist()[0] == 0
    assert table.index.is_monotonic_increasing


def test_who_is_rejected_in_the_end_is_never_accepted() -> None:
    """Were they counted as no longer observed, all would be accepted in the end."""
    log = log_of(
        *[ended(name, "deferred", 0) for name in "abcd"],
        *[ended(name, "rejected", 60) for name in "ab"],
        *[ended(name, "accepted", 120) for name in "cd"],
    )
    assert retry_curve(log)["estimate"].iloc[-1] == pytest.approx(0.5)


def test_only_recipients_that_were_first_deferred_wait() -> None:
    log = log_of(
        ended("at once", "accepted", 0),
        ended("later", "deferred", 1),
        ended("later", "in_doubt", 5),
        ended("later", "accepted", 61),
        ended("later", "bounced", 90),
        ended("not", "deferred", 2),
        ended("not", "deferred", 32),
        ended("never", "rejected", 3),
        ended("unreached", "failed", 4),
        ended("unreached", "deferred", 34),
    )
    table = retry_times(log)
    assert table["recipient"].tolist() == ["later", "not"]
    assert table["waited_s"].tolist() == [60, 30]
    assert table["is_accepted"].tolist() == [True, False]
    assert table["attempts"].tolist() == [3, 2]
    assert table["time"].tolist() == log["time"].iloc[[1, 2]].tolist()


def test_who_waits_is_told_by_rows_with_a_time_alone() -> None:
    log = log_of(ended("x", "deferred", 0))
    log["time"] = pd.Series([pd.NaT], dtype=log["time"].dtype)
    assert retry_times(log).empty
    assert retry_curve(log).empty
    assert compare(log, log, by="retry")["deferred_a"].tolist() == [0]


def test_throughput_adds_up_and_leaves_no_stretch_out(log: pd.DataFrame) -> None:
    table = throughput(log, every_s=60)
    assert (table["time"].diff().dropna() == pd.Timedelta("60s")).all()
    assert (table["attempts"] == 0).any()
    outcome = log.loc[log["kind"] == "outcome", "outcome"]
    assert table["attempts"].sum() == 400  # who is suppressed is not tried
    assert table["accepted"].sum() == (outcome == "accepted").sum()
    assert table["accepted_per_s"].sum() * 60 == pytest.approx(table["accepted"].sum())
    is_reply = log["reply_code"].notna() & (log["kind"] != "outcome")
    codes = log.loc[is_reply, "reply_code"]
    assert table["replies"].sum() == len(codes)
    assert table["transient"].sum() == (codes // 100 == 4).sum()
    assert table["permanent"].sum() == (codes // 100 == 5).sum()
    assert table["bytes_sent"].sum() == log["bytes_sent"].sum()


@pytest.mark.parametrize("length_s", [0, 1, 119, 3600, 500_000, 30_000_000])
def test_a_stretch_is_long_enough_for_a_chart_and_begins_at_a_full_one(
    length_s: int,
) -> None:
    table = throughput(log_of(ended("a", "accepted", 0), ended("b", "accepted", length_s)))
    assert 1 <= len(table) <= 120
    assert table["accepted"].sum() == 2
    if len(table) > 1:
        step_s = int((table["time"].iloc[1] - table["time"].iloc[0]).total_seconds())
        assert all(int(time.timestamp()) % step_s == 0 for time in table["time"])


def test_stretches_without_end_are_refused(log: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="from 1, not 0"):
        throughput(log, every_s=0)
    long = log_of(ended("a", "accepted", 0), ended("b", "accepted", 2_000_000))
    with pytest.raises(ValueError, match="every_s must be longer"):
        throughput(long, every_s=1)


def test_a_log_of_no_retries_has_no_curve() -> None:
    assert retry_curve(to_frame(Story().message("a@x.example").rows)).empty


def test_without_a_dialogue_what_decided_counts_as_replies() -> None:
    """A mail server's log tells no command, but what its outcomes were drawn by."""
    cells = {"kind": "outcome", "verb": "RCPT", "source": "postfix"}
    log = to_frame(
        Event(recipient=name, outcome=outcome, reply_code=code, **cells).to_row()
        for name, outcome, code in (("a", "deferred", 450), ("b", "rejected", 550))
    )
    log["time"] = pd.Timestamp("2026-11-24", tz="UTC")
    table = throughput(log)
    assert table[["replies", "transient", "permanent"]].sum().tolist() == [2, 1, 1]

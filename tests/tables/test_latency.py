"""How long replies took: exactly, or near enough and labelled so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.samples import sample
from smtpbook.statistics.quantiles import clustered_quantile
from smtpbook.tables import latency
from smtpbook.tables.latency import (
    latency_by_command,
    session_order,
    slowest,
    slowest_command,
)
from smtpbook.tables.scan import MIN_MEMORY_BYTES, Log, scan_log
from tests.log.story import Story


def test_latency_by_command_is_in_the_order_of_a_session(log: pd.DataFrame) -> None:
    table = latency_by_command(log, quantiles=(0.5, 0.999), intervals=False)
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
    assert row["p99.9_s"] == pytest.approx(np.quantile(mail, 0.999))
    assert row["max_s"] == mail.max()


def test_latency_takes_the_column_that_is_asked_for(log: pd.DataFrame) -> None:
    service = latency_by_command(log).set_index("verb")["mean_s"]
    waited = latency_by_command(log, column="latency_s").set_index("verb")["mean_s"]
    assert waited["DATA"] > service["DATA"]  # pipelined behind MAIL and RCPT
    with pytest.raises(ColumnError, match="'services' not found; did you mean 'service_s'"):
        latency_by_command(log, column="services")
    with pytest.raises(ValueError, match="between 0 and 1"):
        latency_by_command(log, quantiles=(95,))


def test_no_quantile_need_be_asked_for(log: pd.DataFrame) -> None:
    for exact in (True, False):
        table = latency_by_command(log, quantiles=(), exact=exact)
        assert list(table.columns)[:4] == ["verb", "replies", "mean_s", "max_s"]


def test_a_quantile_of_a_histogram_is_off_by_no_more_than_it_says() -> None:
    chance = np.random.default_rng(1)
    story = Story()
    for seconds in [0.0, 1e-7, *chance.lognormal(-5, 2, 500), 600.0]:
        story.said("MAIL", "MAIL", "250 Ok", service_s=float(seconds))
    log = to_frame(story.rows)
    asked = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)
    table = latency_by_command(log, quantiles=asked, exact=False, intervals=False)
    times = log["service_s"].to_numpy()
    for q in asked[1:]:
        true = np.quantile(times, q)
        found = table[f"p{q * 100:g}_s"].iloc[0]
        assert abs(found / true - 1) <= table["quantile_error"].iloc[0] * 1.001
    assert table["p0_s"].iloc[0] < 2e-9
    assert table["max_s"].iloc[0] == 600.0
    exact = latency_by_command(log, quantiles=asked, intervals=False)
    assert "quantile_error" not in exact.columns
    same = ["verb", "replies", "mean_s", "max_s"]
    pd.testing.assert_frame_equal(table[same], exact[same])


def test_a_scan_with_no_room_for_each_time_takes_a_histogram(
    log: pd.DataFrame, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_log(
        write_log(log, f"{tmp_path}/log.parquet"), memory_bytes=MIN_MEMORY_BYTES
    )
    assert "quantile_error" not in latency_by_command(scan).columns
    monkeypatch.setattr(latency, "EXACT_BYTES", MIN_MEMORY_BYTES // 100)
    assert "quantile_error" in latency_by_command(scan).columns
    assert "quantile_error" not in latency_by_command(scan, exact=True).columns
    assert "quantile_error" not in latency_by_command(log).columns


def test_unknown_verbs_stand_last() -> None:
    assert session_order(["XYZ", "QUIT", "ABC", "EHLO"]) == ["EHLO", "QUIT", "ABC", "XYZ"]
    story = Story()
    for verb in ("QUIT", "XYZ", "MAIL"):
        story.said(verb, verb, "250 Ok")
    table = latency_by_command(to_frame(story.rows))
    assert table["verb"].tolist() == ["MAIL", "QUIT", "XYZ"]


def test_the_slowest_command_is_the_one_with_the_greatest_median(
    log: pd.DataFrame, empty_log: pd.DataFrame
) -> None:
    found = slowest_command(log)
    assert found is not None
    verb, median_s, p95_s = found
    assert verb == "END-OF-DATA"
    assert 0.01 < median_s < p95_s
    assert slowest_command(empty_log) is None


def test_the_slowest_replies_come_first_and_lead_to_their_session(
    log: pd.DataFrame,
) -> None:
    table = slowest(log, 5)
    times = log.loc[log["kind"] != "outcome", "service_s"].nlargest(5)
    assert table["service_s"].tolist() == times.tolist()
    first = table.iloc[0]
    same = (log["session_id"] == first["session_id"]) & (log["seq"] == first["seq"])
    assert log.loc[same, "verb"].tolist() == ["END-OF-DATA"]
    assert (
        slowest(log, 1, column="latency_s")["latency_s"].iloc[0] == log["latency_s"].max()
    )


def test_the_slowest_of_a_log_without_a_dialogue_are_those_of_its_outcomes() -> None:
    log = sample("postfix.log")
    table = slowest(log, 2)
    assert table.attrs["column"] == "latency_s"
    assert table["latency_s"].tolist() == log["latency_s"].nlargest(2).tolist()
    assert slowest(log, column="service_s").empty


def in_sessions(sessions: int, *, each: int = 40, seed: int = 1) -> pd.DataFrame:
    """Log-normal times of MAIL in sessions that have a speed each."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(sessions):
        story, own = Story(f"s{number}"), chance.normal(-4, 0.5)
        for seconds in chance.lognormal(own, 1, each):
            story.said("MAIL", "MAIL", "250 Ok", service_s=float(seconds))
        rows += story.rows
    return to_frame(rows)


def test_a_quantile_has_the_interval_of_times_clustered_by_session() -> None:
    log = in_sessions(30)
    table = latency_by_command(log, quantiles=(0.5, 0.95, 1))
    assert list(table.columns) == [
        *("verb", "replies", "mean_s", "p50_s", "p50_low_s", "p50_high_s"),
        *("p95_s", "p95_low_s", "p95_high_s", "p100_s", "max_s"),
    ]
    for q in (0.5, 0.95):
        name = f"p{q * 100:g}"
        wanted = clustered_quantile(log["service_s"], log["session_id"], q, least=0)
        found = table.iloc[0]
        assert found[f"{name}_low_s"] == pytest.approx(wanted.low, rel=0.002)
        assert found[f"{name}_high_s"] == pytest.approx(wanted.high, rel=0.002)
        worth = table.attrs["effective_n"][f"{name}_s"]["MAIL"]
        assert worth == pytest.approx(wanted.effective_n)
    assert "by session" in table.attrs["interval"]


def test_one_session_tells_nothing_of_others() -> None:
    (row,) = latency_by_command(in_sessions(1), quantiles=(0.5,)).to_dict("records")
    assert (row["p50_low_s"], row["p50_high_s"]) == (0, np.inf)


def test_a_scan_has_intervals_if_they_are_asked_for(same_log: Log) -> None:
    plain = latency_by_command(same_log)
    full = latency_by_command(same_log, intervals=True)
    assert ("p50_low_s" in plain) == isinstance(same_log, pd.DataFrame)
    assert (full["p50_low_s"] <= full["p50_s"]).all()


def test_a_mail_servers_log_has_the_latencies_that_it_tells() -> None:
    table = latency_by_command(sample("postfix.log"))
    assert table["verb"].tolist() == ["RCPT", "END-OF-DATA"]
    assert table["max_s"].tolist() == [1.5, 1.1]
    assert table.attrs["column"] == "latency_s"
    assert latency_by_command(sample("postfix.log"), column="service_s").empty

"""Which outcome row of a recipient is the last: one rule for every table and chart."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpbook.charts.plot_domains import _reasons
from smtpbook.comparing.compare import compare
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.over_time import retry_times
from smtpbook.tables.scan import Log, scan_log

BASE = Event(kind="outcome", recipient="ann@x.example", campaign_id="november-1")
START = datetime(2026, 11, 1, tzinfo=UTC)
# One sender took over what another had left, whose file comes after its own.
ROWS = [
    replace(
        BASE,
        time=START + timedelta(seconds=8),
        attempt=2,
        outcome="rejected",
        reason="user_unknown",
    ),
    replace(BASE, time=START, attempt=1, outcome="deferred", reason="greylisted"),
]


@pytest.fixture(params=["a frame", "files", "pieces"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """The same rows, read in different ways."""
    for number, row in enumerate(ROWS):
        write_log(to_frame([row.to_row()]), tmp_path / f"{number}.parquet")
    if request.param == "a frame":
        yield to_frame(row.to_row() for row in ROWS)
    elif request.param == "files":
        yield scan_log(tmp_path)
    else:
        with ThreadPoolExecutor(1) as worker:
            yield replace(scan_log(tmp_path, cluster=worker), piece_bytes=1)


def test_the_highest_attempt_is_the_last_wherever_its_sender_told_of_it(log: Log) -> None:
    assert outcomes(log)["outcome"].tolist() == ["rejected"]
    assert _reasons(log)["reason"].tolist() == ["user_unknown"]
    other = to_frame([replace(BASE, attempt=1, outcome="accepted").to_row()])
    (changed,) = compare(log, other, by="change").itertuples()
    assert (changed.outcome_a, changed.outcome_b) == ("rejected", "accepted")
    (one,) = compare(log, other, by="recipient").itertuples()
    assert one.reason_a == "user_unknown"
    shares = compare(log, other).set_index("outcome")["recipients_a"]
    assert shares.to_dict() == {"rejected": 1, "accepted": 0}


def test_the_lowest_attempt_is_the_first(log: Log) -> None:
    (waited,) = retry_times(log).itertuples()
    assert (waited.attempts, waited.waited_s, waited.is_accepted) == (2, 8.0, False)

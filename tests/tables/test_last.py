"""Which outcome row of a recipient is the last: one rule for every table and chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from smtpbook.charts.plot_domains import _reasons, plot_domains
from smtpbook.comparing.compare import compare
from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.outcomes import by_domain, count_outcomes, outcomes
from smtpbook.tables.over_time import retry_curve, retry_times
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


LATER = Event(kind="outcome", recipient="ann@x.example", recipient_domain="x.example")
UNTOLD = to_frame(
    replace(LATER, time=START + timedelta(seconds=8 * n), outcome=name, reason=why).to_row()
    for n, (name, why) in enumerate([("deferred", "greylisted"), ("rejected", "policy")])
)
ACCEPTED = to_frame([replace(LATER, time=START, outcome="accepted").to_row()])
TABLES: dict[str, Callable[[Log], Any]] = {
    "outcomes by domain": by_domain,
    "counted outcomes": count_outcomes,
    "retry times": retry_times,
    "retry curve": retry_curve,
    "reasons by domain": _reasons,
    "chart of domains": lambda log: plot_domains(log, ax=Figure().subplots()).get_title(),
    **{
        f"compared by {by}": partial(compare, ACCEPTED, by=by)
        for by in ("outcome", "change", "recipient", "retry")
    },
}


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_in_a_log_without_campaigns_and_attempts_the_place_tells(
    name: str, is_file: bool, tmp_path: Path
) -> None:
    log: Log = UNTOLD.drop(columns=["campaign_id", "attempt"])
    if is_file:
        UNTOLD.drop(columns=["campaign_id", "attempt"]).to_parquet(tmp_path / "1.parquet")
        log = scan_log(tmp_path)
    got, expected = TABLES[name](log), TABLES[name](UNTOLD)
    if isinstance(expected, pd.DataFrame):
        assert len(expected) > 0
        pd.testing.assert_frame_equal(got, expected, check_categorical=False)
    else:
        assert got == expected


def test_outcomes_have_the_attempt_and_need_it() -> None:
    table = outcomes(UNTOLD.drop(columns="campaign_id"))
    assert table["outcome"].tolist() == ["rejected"]
    with pytest.raises(ColumnError, match="attempt"):
        outcomes(UNTOLD.drop(columns="attempt"))

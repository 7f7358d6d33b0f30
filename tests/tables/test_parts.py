"""Tables put together of parts are those of the whole, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.comparing.compare import compare
from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Event
from smtpbook.insight.reasons import reasons
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.store import write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.engine import query
from smtpbook.tables.latency import latency_by_command, slowest
from smtpbook.tables.outcomes import by_domain, count_outcomes, outcomes
from smtpbook.tables.over_time import retry_curve, retry_times, throughput
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import Log, Scan, scan_log
from smtpbook.tables.select import Question, rows_of, select_events
from smtpbook.tables.sessions import sessions, tls_posture
from tests.tables.conftest import LOG

pytestmark = pytest.mark.side_by_side

TABLES: dict[str, Callable[[Scan], pd.DataFrame]] = {
    "outcomes": outcomes,
    "counts": lambda log: pd.DataFrame(count_outcomes(log), index=[0]),
    "by domain": by_domain,
    "reply codes": reply_codes,
    **{
        f"reply codes by {by}": partial(reply_codes, by=by)
        for by in ("verb", "domain", "hour", "provider")
    },
    "latency": partial(latency_by_command, intervals=False),
    "latency from a histogram": partial(latency_by_command, exact=False, intervals=False),
    "latency with intervals": partial(latency_by_command, intervals=True),
    "slowest": partial(slowest, n=5),
    "sessions": sessions,
    "TLS": tls_posture,
    "throughput": throughput,
    "retry times": retry_times,
    "retry curve": retry_curve,
    "reasons": reasons,
    "reasons by hour and domain": partial(reasons, by=("hour", "domain")),
    "refused events": partial(select_events, reply_code=5),
    "a page of events": lambda log: rows_of(log, Question(verb="RCPT"), first=2, most=3),
    **{
        f"compared by {by}": lambda log, by=by: compare(replace(log, cluster=None), log, by)
        for by in ("outcome", "change", "recipient", "command", "reply")
    },
    "compared with itself": lambda log: compare(log, log, "command"),
    "compared by retry": lambda log: compare(log, log, "retry"),
}
KINDS = ("command", "command", "outcome", "outcome", "tls", "greeting")
CHOICES: dict[str, tuple[object, ...]] = {
    "session_id": (None, "s1", "s2", "s3"),
    "kind": KINDS,
    "verb": (None, "MAIL", "RCPT", "END-OF-DATA"),
    "command": (None, "unauthenticated", "RCPT TO:<a@a.example>"),
    "reply_code": (None, 250, 250, 450, 550, 554),
    "enhanced_status": (None, "5.1.1"),
    "reply_text": (None, "ok", "user 17 unknown", "user 18 unknown"),
    "recipient": (None, "a@a.example", "b@a.example", "c@c.example"),
    "recipient_domain": (None, "a.example", "c.example"),
    "server": (None, "mx.a.example", "gmail-smtp-in.l.google.com"),
    "port": (None, 25, 587),
    "server_address": (None, "192.0.2.1", "192.0.2.2"),
    "tls_version": (None, "TLSv1.2", "TLSv1.3"),
    "tls_cipher": (None, "A", "B"),
    "outcome": (None, "deferred", "deferred", "accepted", "rejected"),
    "reason": (None, "user_unknown", "greylisted"),
    "error": (None, "TLSError", "TransportError"),
    "account": (None, "one", "two"),
    "source": (None, "live", "postfix"),
}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EXECUTOR = ThreadPoolExecutor(2)
seeds = st.integers(0, 2**32)


def event(chance: random.Random) -> Event:
    """Anything, at a time that is out of order, and often the same as another's."""
    chosen: dict[str, Any] = {name: chance.choice(of) for name, of in CHOICES.items()}
    return Event(
        time=BEGIN + timedelta(seconds=chance.randrange(9000)),
        latency_s=chance.choice([None, chance.random()]),
        service_s=chance.choice([None, chance.random(), 0.1, 0.2, 0.3]),
        bytes_sent=chance.choice([None, chance.randrange(10**9)]),
        bytes_received=chance.choice([None, chance.randrange(500)]),
        **chosen,
    )


def written(folder: Path, seed: int) -> Scan:
    """Divide a log at random; the last file may be a stream that still grows."""
    chance = random.Random(seed)
    number = chance.randint(1, 5)
    for file in range(number):
        rows = [event(chance).to_row() for _ in range(chance.randrange(30))]
        if file + 1 < number or not rows:
            write_log(to_frame(rows), folder / f"log-{file:04}.parquet")
        else:
            Stream(folder / f"log-{file:04}.arrows").append(to_batch(rows))
    return scan_log(folder)


def same(name: str, whole: Scan, piece_bytes: int = 1) -> None:
    """One file a piece, or some."""
    parted = replace(whole, cluster=EXECUTOR, piece_bytes=piece_bytes)
    pd.testing.assert_frame_equal(
        TABLES[name](parted), TABLES[name](whole), check_exact=True
    )


@settings(max_examples=4, deadline=None)
@given(seeds, st.sampled_from([*TABLES]), st.sampled_from([1, 20_000]))
def test_a_table_does_not_hang_on_how_the_log_is_divided(
    seed: int, name: str, piece_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        same(name, written(Path(folder), seed), piece_bytes)


@pytest.mark.heavy
@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=5, deadline=None)
@given(seeds, st.sampled_from([1, 20_000]))
def test_no_table_hangs_on_how_the_log_is_divided(
    name: str, seed: int, piece_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        same(name, written(Path(folder), seed), piece_bytes)


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """A day's log in three files, cut within sessions and transactions."""
    folder = tmp_path_factory.mktemp("divided")
    for number, (start, end) in enumerate([(0, 700), (700, 701), (701, len(LOG))]):
        write_log(LOG.iloc[start:end], folder / f"log-{number:04}.parquet")
    return scan_log(folder)


@pytest.mark.parametrize("name", [name for name in TABLES if "compared" not in name])
def test_a_days_tables_are_the_same_of_three_files(name: str, divided: Scan) -> None:
    assert len(replace(divided, piece_bytes=1).pieces()) == 3
    same(name, divided)


def test_what_has_no_parts_is_refused_with_the_way_out(divided: Scan) -> None:
    log: Log = replace(divided, cluster=EXECUTOR)
    with pytest.raises(SMTPBookError, match=r"ask it here: scan_log\(…\) without cluster="):
        query("SELECT median(seq) FROM log", {"seq": "float64"}, needs=("seq",), log=log)


def test_a_column_that_no_file_has_is_missing_and_one_that_some_have_is_not(
    tmp_path: Path,
) -> None:
    LOG.drop(columns=["account", "error"]).to_parquet(tmp_path / "1.parquet")
    LOG.drop(columns=["account"]).to_parquet(tmp_path / "2.parquet")
    log = replace(scan_log(tmp_path), cluster=EXECUTOR, piece_bytes=1)
    assert len(outcomes(log)) == 301
    with pytest.raises(ColumnError, match="and 1 more: column 'account' not found"):
        sessions(log)


@pytest.mark.parametrize("cluster", ["tcp://scheduler:8786", object()])
def test_what_is_no_cluster_is_refused(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(
        SMTPBookError, match="cluster= is a dask Client or an Executor, not"
    ):
        scan_log(tmp_path, cluster=cluster)

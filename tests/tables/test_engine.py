"""Every table is the same, whatever a log is kept in; and a query can be stopped."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.comparing.compare import compare
from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import COLUMNS, OUTCOMES, SCHEMA, Event
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.store import write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.engine import end_queries, query
from smtpbook.tables.latency import latency_by_command, slowest
from smtpbook.tables.outcomes import by_domain, count_outcomes, outcomes
from smtpbook.tables.over_time import retry_curve, retry_times, throughput
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import Log, scan_log
from smtpbook.tables.sessions import sessions, tls_posture
from tests.log.story import day
from tests.tables.conftest import LOG

ENDLESS = "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b, log"
OTHER = to_frame(day(200, seed=2))
TABLES: dict[str, Callable[[Log], pd.DataFrame]] = {
    "outcomes": outcomes,
    "by domain": by_domain,
    "reply codes": reply_codes,
    **{
        f"reply codes by {by}": partial(reply_codes, by=by)
        for by in (
            "verb",
            "domain",
            "hour",
            "attempt",
            "account",
            "provider",
            "reply_code",
            "seq",
        )
    },
    "latency": partial(latency_by_command, intervals=False),
    "latency from a histogram": partial(latency_by_command, exact=False, intervals=False),
    "latency with intervals": partial(latency_by_command, intervals=True),
    "slowest": slowest,
    "sessions": sessions,
    "TLS": tls_posture,
    "throughput": throughput,
    "retry times": retry_times,
    "retry curve": retry_curve,
    **{
        f"compared by {by}": partial(compare, OTHER, by=by)
        for by in ("outcome", "change", "recipient", "command", "reply", "retry")
    },
}
LOG_DTYPES = {column.name: column.dtype for column in SCHEMA}
# Times, and parts of a whole with their limits; besides, numbers of people that are such.
MEASURED = re.compile(
    "_s$|share|^refused|^estimate$|_?low$|_?high$|^low|^high|effective_n$|_error$|change"
    "|^p$|p_holm$"
)
every_table = pytest.mark.parametrize("name", TABLES)


@cache
def expected(name: str) -> pd.DataFrame:
    return TABLES[name](LOG)


def check_dtypes(table: pd.DataFrame) -> None:
    """Assert that what is counted or named is never a float.

    A column of the log has the log's dtype in a table, too, categories included.
    """
    for column, dtype in table.dtypes.items():
        of_log = LOG_DTYPES.get(str(column).removesuffix("_a").removesuffix("_b"))
        if pd.api.types.is_float_dtype(dtype):
            assert of_log in (None, "float64")
            assert MEASURED.search(str(column)), column
        elif of_log is not None and not pd.api.types.is_integer_dtype(dtype):
            assert str(dtype) == of_log, column
        elif of_log is not None:
            assert str(dtype) in (of_log, "int64"), column


@every_table
def test_a_table_is_the_same_of_every_form_of_a_log(name: str, same_log: Log) -> None:
    found = TABLES[name](same_log)
    pd.testing.assert_frame_equal(found, expected(name), check_categorical=False)
    check_dtypes(found)


@every_table
def test_an_empty_log_gives_an_empty_table_of_the_same_columns(
    name: str, same_nothing: Log
) -> None:
    found = TABLES[name](same_nothing).dtypes.astype(str)
    dtypes = expected(name).dtypes.astype(str)
    if name == "by domain":  # outcomes that nobody came to have no column
        dtypes = dtypes.drop([name for name in OUTCOMES if name in dtypes])
    assert found.to_dict() == dtypes.to_dict()
    assert "float" not in str(found.get("reply_code"))


@every_table
def test_a_missing_column_is_named_with_the_near_miss(name: str, misnamed_log: Log) -> None:
    with pytest.raises(ColumnError, match=r"column '(kind|time)' not found; did you mean"):
        TABLES[name](misnamed_log)


def test_categories_are_those_of_the_log(log: pd.DataFrame) -> None:
    assert reply_codes(log, by="verb")["verb"].dtype == log["verb"].dtype
    assert slowest(log, 1)["verb"].dtype == log["verb"].dtype


def test_a_column_of_something_else_is_refused_by_name(log: pd.DataFrame) -> None:
    log["reply_code"] = "many"
    with pytest.raises(SMTPBookError, match="column 'reply_code' does not hold Int16"):
        reply_codes(log)


def test_a_hostile_name_or_text_is_no_part_of_a_query(
    log: pd.DataFrame, tmp_path: Path
) -> None:
    name = "x\"; DROP TABLE log; -- '"
    log[name] = "'; SELECT 1; --"
    assert reply_codes(log, by=name)[name].unique().tolist() == ["'; SELECT 1; --"]
    folder = tmp_path / 'it\'s [a] "*?" $files'
    folder.mkdir()
    write_log(log.drop(columns=name), folder / "log.parquet")
    assert len(outcomes(scan_log(folder))) == 301
    with pytest.raises(ColumnError, match="column 'x"):
        reply_codes(scan_log(folder), by=name)


def test_nothing_is_fetched(empty_log: pd.DataFrame) -> None:
    elsewhere = "SELECT x FROM read_parquet('https://127.0.0.1:1/x.parquet')"
    with pytest.raises(SMTPBookError, match="httpfs"):
        query(elsewhere, {"x": "int64"}, needs=("kind",), log=empty_log)


def test_an_interrupt_stops_a_query_and_the_next_one_is_answered(log: pd.DataFrame) -> None:
    """The query would take days; what waits for it is the thread that signals reach."""
    is_over = threading.Event()

    def interrupt() -> None:
        while not is_over.wait(0.01):
            if any(thread.name == "query" for thread in threading.enumerate()):
                os.kill(os.getpid(), signal.SIGINT)
                return

    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            query(ENDLESS, {"n": "int64"}, needs=("kind",), log=log)
    finally:
        is_over.set()
        helper.join()
    assert all(thread.name != "query" for thread in threading.enumerate())
    assert count_outcomes(log)["accepted"] > 0


def test_no_query_outlives_the_process_that_asked_it() -> None:
    """It would come back to an interpreter that is gone, and abort the process."""
    is_over = threading.Event()

    def ask() -> None:
        with suppress(SMTPBookError):  # interrupted
            query(ENDLESS, {"n": "int64"}, needs=("kind",), log=LOG)
        is_over.set()

    asking = threading.Thread(target=ask)
    asking.start()
    while not any(one.name == "query" and one.is_alive() for one in threading.enumerate()):
        is_over.wait(0.001)
    end_queries()
    assert all(thread.name != "query" for thread in threading.enumerate())
    assert is_over.wait(10)
    asking.join()


def test_memory_that_is_too_small_is_told_with_the_remedy(tmp_path: Path) -> None:
    write_log(to_frame(day(10)), tmp_path / "log.parquet")
    scan = scan_log(tmp_path, memory_bytes=2**26)
    much = "SELECT list(a.range) FROM range(30_000_000) a, (SELECT count(*) FROM log)"
    with pytest.raises(SMTPBookError, match="memory_bytes=134217728"):
        query(much, {"n": "object"}, needs=("kind",), log=scan)
    with pytest.raises(SMTPBookError, match="67,108,864 are the least"):
        scan_log(tmp_path, memory_bytes=1000)
    with pytest.raises(SMTPBookError, match="1 is the least"):
        scan_log(tmp_path, max_threads=-1)


@pytest.mark.parametrize("given", [None, "mail.log"])
def test_what_is_no_log_is_refused_with_what_is_one(given: Any) -> None:
    with pytest.raises(TypeError, match=r"run\.log or what read_log gives"):
        outcomes(given)


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SMTPBookError, match=r"log\.parquet"):
        reply_codes(scan_log(tmp_path / "log.parquet"))


def test_columns_that_some_files_lack_are_null_there(
    log: pd.DataFrame, tmp_path: Path
) -> None:
    log.to_parquet(tmp_path / "2.parquet")
    log.drop(columns="account").to_parquet(tmp_path / "1.parquet")
    assert set(COLUMNS) == set(log.columns)
    assert len(sessions(scan_log(tmp_path))) == 5
    with pytest.raises(ColumnError, match=r"1\.parquet: column 'account' not found"):
        sessions(scan_log(tmp_path / "1.parquet"))
    stream = Stream(tmp_path / "3.arrows")
    stream.append(
        to_batch([Event(kind="greeting", session_id="new", account="x").to_row()])
    )
    (tmp_path / "2.parquet").unlink()
    table = sessions(scan_log(tmp_path)).set_index("session_id")
    assert table["account"].dropna().to_dict() == {"new": "x"}

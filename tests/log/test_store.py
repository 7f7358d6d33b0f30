"""A log that was written comes back the same, and anything else is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import COLUMNS
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log, write_log
from tests.log.story import day, suppressed


@pytest.mark.parametrize("messages", [0, 1, 300])
def test_round_trip_keeps_every_value_and_dtype(tmp_path: Path, messages: int) -> None:
    rows = [*day(messages), suppressed("no@x.example")] if messages else []
    log = to_frame(rows)
    path = write_log(log, tmp_path / "log.parquet")
    pd.testing.assert_frame_equal(read_log(path), log)


def test_attributes_are_kept_where_pandas_keeps_them(tmp_path: Path) -> None:
    log = to_frame(day(1))
    log.attrs = {"tls": "starttls", "certificate": {"names": ["mx.example", "Bücher"]}}
    path = write_log(log, tmp_path / "log.parquet")
    assert read_log(path).attrs == pd.read_parquet(path).attrs == log.attrs


def test_an_attribute_that_json_cannot_hold_is_left_out(tmp_path: Path) -> None:
    log = to_frame(day(1))
    log.attrs = {
        "error": "no",
        "frame": pd.DataFrame({"a": [1, 2]}),
        "pair": (1, 2),
        "none": float("nan"),
        7: "seven",
    }
    assert read_log(write_log(log, tmp_path / "log.parquet")).attrs == {"error": "no"}


@pytest.mark.parametrize("said", [b"", b"\xff", b"[1]", b"{", b"[" * 100_000])
def test_attributes_of_another_program_that_are_none_are_passed_over(
    tmp_path: Path, said: bytes
) -> None:
    path = tmp_path / "log.parquet"
    table = pq.read_table(write_log(to_frame(day(1)), path))
    pq.write_table(table.replace_schema_metadata({b"PANDAS_ATTRS": said}), path)
    assert read_log(path).attrs == {}


def test_order_is_kept_and_the_index_is_not(tmp_path: Path) -> None:
    log = to_frame(day(30)).iloc[::-1]
    again = read_log(write_log(log, tmp_path / "log.parquet"))
    assert again["time"].tolist() == log["time"].tolist()
    assert list(again.index) == list(range(len(log)))


# pandas 2 says that it will treat the empty one otherwise; nothing hangs on it.
@pytest.mark.filterwarnings("ignore:The behavior of DataFrame concat:FutureWarning")
def test_logs_that_were_joined_can_be_written(tmp_path: Path) -> None:
    both = pd.concat([to_frame(day(5)), to_frame([])], ignore_index=True)
    pd.testing.assert_frame_equal(
        read_log(write_log(both, tmp_path / "log.parquet")), to_frame(day(5))
    )


def test_other_readers_see_plain_columns_compressed_with_zstd(tmp_path: Path) -> None:
    path = write_log(to_frame(day(50)), tmp_path / "log.parquet")
    schema = pq.read_schema(path)
    assert schema.field("verb").type == schema.field("command").type == pa.string()
    assert schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("reply_code").type == pa.int16()
    assert pq.ParquetFile(path).metadata.row_group(0).column(8).compression == "ZSTD"


def test_a_column_the_file_lacks_is_null(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    table = pq.read_table(write_log(to_frame(day(3)), path))
    pq.write_table(table.drop_columns(["lag_s", "attempt", "arm"]), path)
    log = read_log(path)
    assert list(log.columns) == list(COLUMNS)
    assert log[["lag_s", "attempt", "arm"]].isna().all(axis=None)
    assert str(log["attempt"].dtype) == "Int16"


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = write_log(to_frame(day(3)), tmp_path / "log.parquet")
    before = path.read_bytes()
    broken = to_frame(day(3)).astype({"reply_code": object})
    broken.loc[0, "reply_code"] = "not a code"
    with pytest.raises((ValueError, TypeError)):
        write_log(broken, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["log.parquet"]


def test_a_frame_that_is_no_event_log_is_not_written(tmp_path: Path) -> None:
    log = to_frame(day(1))
    with pytest.raises(ColumnError, match="column 'verb' not found; did you mean 'verbs'"):
        write_log(log.rename(columns={"verb": "verbs"}), tmp_path / "x")
    with pytest.raises(ColumnError, match="'verbs' is not one of the event log's"):
        write_log(log.assign(verbs=1), tmp_path / "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, which is no log format that can be read .parquet."),
        (b"\x1b[31mNov 24 postfix/smtp", r"begins with '\\x1b\[31mNov 24 postfix/smtp'"),
        (b"PAR1 and then nothing", "damaged"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(content)
    with pytest.raises(SMTPBookError, match=f"(?s)mail.log: .*{message}"):
        read_log(path)


def test_parquet_of_something_else_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pd.DataFrame({"times": [1], "kind": ["x"]}).to_parquet(path)
    with pytest.raises(ColumnError, match="column 'time' not found; did you mean 'times'"):
        read_log(path)


def test_an_unknown_format_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    with pytest.raises(SMTPBookError, match="did you mean 'parquet'"):
        read_log(tmp_path / "log", format="parket")
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "nothing.parquet")

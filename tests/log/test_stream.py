"""A log that still grows is readable up to its last whole batch, wherever it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Event
from smtpbook.log.frame import batch_schema, to_batch, to_frame
from smtpbook.log.store import read_log
from smtpbook.log.stream import Stream, read_stream
from tests.log.story import day

ROWS = list(day(20))[:60]
PIECES = [ROWS[:10], ROWS[10:11], ROWS[11:60]]


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    stream = Stream(tmp_path / "log.arrows")
    for piece in PIECES:
        stream.append(to_batch(piece))
    return stream


def test_what_was_appended_is_read_with_every_value_and_dtype(stream: Stream) -> None:
    log = read_log(stream.path)
    pd.testing.assert_frame_equal(log, to_frame(ROWS))
    assert log.attrs == {"read": {"rows": 60, "torn_bytes": 0}}
    assert (stream.rows, stream.batches) == (60, 3)
    assert stream.octets == stream.path.stat().st_size


def test_any_arrow_reads_it(stream: Stream) -> None:
    with pa.ipc.open_stream(stream.path) as reader:
        table = reader.read_all()
    assert table.schema == batch_schema()
    assert table["seq"].to_pylist() == [row[5] for row in ROWS]


def test_what_arrow_itself_wrote_and_ended_is_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "log.arrows"
    with pa.ipc.new_stream(path, batch_schema()) as writer:
        for piece in PIECES:
            writer.write_batch(to_batch(piece))
    log = read_log(path)
    pd.testing.assert_frame_equal(log, to_frame(ROWS))
    assert log.attrs["read"]["torn_bytes"] == 0


def test_cut_anywhere_it_is_read_up_to_the_last_whole_batch(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "log.arrows")
    ends, seen = [0], [0]
    for piece in PIECES:
        stream.append(to_batch(piece))
        ends.append(stream.octets)
        seen.append(stream.rows)
    octets, cut = stream.path.read_bytes(), tmp_path / "cut"
    head = len(batch_schema().serialize())
    places = {*range(0, len(octets), 61), head - 1, head}
    places |= {end + near for end in ends[1:] for near in (-9, -8, -1, 0, 1, 4, 8)}
    for place in sorted(places & set(range(len(octets) + 1))):
        cut.write_bytes(octets[:place])
        table, torn_bytes = read_stream(cut)
        whole = sum(end <= place for end in ends) - 1
        assert table.num_rows == seen[whole], place
        begun = ends[whole] or (head if place >= head else 0)
        assert torn_bytes == place - begun, place


def test_a_torn_log_says_so(stream: Stream) -> None:
    with stream.path.open("ab") as file:
        file.write(b"\xff\xff\xff\xff\x00\x10\x00\x00half of a mess")
    log = read_log(stream.path)
    assert len(log) == 60
    assert log.attrs["read"] == {"rows": 60, "torn_bytes": 22}


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=5))
def test_damage_is_never_more_than_an_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "log.arrows"
    Stream(path).append(to_batch(ROWS[:3]))
    octets = bytearray(path.read_bytes())
    for place, value in changes:
        octets[place % len(octets)] = value
    path.write_bytes(octets)
    try:
        log = read_log(path)
    except SMTPBookError:
        return
    assert len(log) in (0, 3)


def test_a_stream_of_something_else_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    path = tmp_path / "people.arrows"
    table = pa.table({"times": [1], "kind": ["x"]})
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ColumnError, match="column 'time' not found; did you mean 'times'"):
        read_log(path)


def test_what_a_failed_attempt_left_is_written_over(stream: Stream) -> None:
    with stream.path.open("ab") as file:
        file.write(b"\xff\xff\xff\xffhalf of a batch")
    stream.append(to_batch(ROWS[:5]))
    log = read_log(stream.path)
    pd.testing.assert_frame_equal(log, to_frame([*ROWS, *ROWS[:5]]))
    assert log.attrs["read"]["torn_bytes"] == 0


@pytest.mark.parametrize("size", [None, 0, 4000])
def test_a_file_that_was_taken_away_is_begun_again(
    stream: Stream, size: int | None
) -> None:
    if size is None:
        stream.path.unlink()
    else:
        os.truncate(stream.path, size)
    with pytest.raises(FileNotFoundError, match=r"log\.arrows was removed or cut"):
        stream.append(to_batch(ROWS))
    assert stream.rows == 0
    stream.append(to_batch(ROWS))
    pd.testing.assert_frame_equal(read_log(stream.path), to_frame(ROWS))


def test_batches_are_replaced_at_once(stream: Stream) -> None:
    before = stream.path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        stream.replace(to_batch(ROWS[: 1 // 0]) for _ in PIECES)
    assert stream.path.read_bytes() == before
    stream.replace([to_batch(ROWS)])
    assert (stream.rows, stream.batches) == (60, 1)
    stream.append(to_batch(ROWS[:2]))
    pd.testing.assert_frame_equal(read_log(stream.path), to_frame([*ROWS, *ROWS[:2]]))
    assert os.listdir(stream.path.parent) == ["log.arrows"]


def test_each_batch_stands_for_itself(tmp_path: Path) -> None:
    """Dictionaries that differ, grow, shrink or vanish from batch to batch."""
    texts = [["a"], ["a", "b"], ["b"], [None], ["c", "a"], ["a", "c"]]
    stream = Stream(tmp_path / "log.arrows")
    for some in texts:
        stream.append(to_batch([Event(command=text).to_row() for text in some]))
    rows = [Event(command=text).to_row() for some in texts for text in some]
    pd.testing.assert_frame_equal(read_log(stream.path), to_frame(rows))

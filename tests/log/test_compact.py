"""Compacting changes files, never the log: not its rows, nor their order, nor once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Row
from smtpbook.log.compact import compact_folder
from smtpbook.log.files import parts_of
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.journal import Journal
from smtpbook.log.store import read_log, write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import scan_log
from tests.log.story import day
from tests.servers.process import ROOT

pytestmark = pytest.mark.side_by_side
ROWS = list(day(60))
PIECE = 80
TWO_PIECES = 170


def sealed(
    folder: Path, rows: list[Row] = ROWS, *, stem: str = "a", piece: int = PIECE
) -> Path:
    """Write rows as many files; the answer is the folder."""
    folder.mkdir(exist_ok=True)
    for number, start in enumerate(range(0, len(rows), piece), 1):
        write_log(
            to_frame(rows[start : start + piece]), folder / f"{stem}-{number:04}.parquet"
        )
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_is(folder: Path, rows: list[Row] = ROWS) -> None:
    pd.testing.assert_frame_equal(read_log(folder), to_frame(rows), check_categorical=False)
    scan = scan_log(f"{folder}/*")
    assert scan_log(folder).files() == scan.files()
    pd.testing.assert_frame_equal(
        outcomes(scan), outcomes(to_frame(rows)), check_categorical=False
    )


def test_many_files_become_one_that_is_the_same_log(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events")
    count, octets = len(names(folder)), sum(p.stat().st_size for p in folder.iterdir())
    done = compact_folder(folder)
    assert names(folder) == [f"a-0001..a-{count:04}.parquet"]
    assert (done.files_before, done.files, done.rows) == (count, 1, len(ROWS))
    assert (done.bytes_before, done.bytes) == (
        octets,
        (folder / names(folder)[0]).stat().st_size,
    )
    assert done.bytes < octets
    assert f"{len(ROWS):,} events: {count} files" in str(done)
    assert_is(folder)


def test_done_again_it_writes_nothing(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events")
    compact_folder(folder, file_rows=TWO_PIECES)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == -(-len(ROWS) // (2 * PIECE))
    compact_folder(folder, file_rows=TWO_PIECES)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_came_since_joins_the_last_file_that_has_room(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events")
    later = list(day(40, seed=2))
    compact_folder(folder, file_rows=TWO_PIECES)
    first = names(folder)[0]
    full = (folder / first).stat().st_mtime_ns
    sealed(folder, later, stem="b")
    compact_folder(folder, file_rows=TWO_PIECES)
    assert (folder / first).stat().st_mtime_ns == full
    assert_is(folder, [*ROWS, *later])
    compact_folder(folder)
    (name,) = names(folder)
    assert name.startswith("a-0001..b-")
    assert len(parts_of(folder / name)) == -(-len(ROWS) // PIECE) + -(-len(later) // PIECE)
    assert_is(folder, [*ROWS, *later])


def test_row_groups_are_of_equal_length(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events")
    compact_folder(folder, group_rows=100)
    about = pq.read_metadata(folder / names(folder)[0])
    lengths = [about.row_group(n).num_rows for n in range(about.num_row_groups)]
    assert lengths == [100] * (len(ROWS) // 100) + [len(ROWS) % 100]
    assert_is(folder)


def test_files_that_are_there_beside_the_one_that_replaced_them_do_not_count(
    tmp_path: Path,
) -> None:
    """As a process leaves them that is killed between the new name and the removals."""
    folder = sealed(tmp_path / "events")
    copy = shutil.copytree(folder, tmp_path / "copy")
    stream = Stream(copy / "a-0002.arrows")  # and one that was sealed, and not removed
    stream.append(to_batch(ROWS[PIECE : 2 * PIECE]))
    compact_folder(folder, file_rows=TWO_PIECES)
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    assert len(names(copy)) > len(names(folder)) + 1
    assert_is(copy)
    compact_folder(folder)  # the compacted ones are replaced themselves
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    assert_is(copy)
    compact_folder(copy)
    assert names(copy) == names(folder)
    assert_is(copy)


def test_a_stream_that_cannot_be_sealed_keeps_its_place(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events", ROWS[:PIECE], stem="a")
    (folder / "b-0001.arrows").write_bytes(b"torn")
    sealed(folder, ROWS[PIECE:], stem="c")
    compact_folder(folder)
    assert [name[:6] for name in names(folder)] == ["a-0001", "b-0001", "c-0001"]
    assert (folder / "b-0001.arrows").read_bytes() == b"torn"
    assert_is(folder)


def test_what_a_killed_campaign_left_is_sealed_first(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events", ROWS[:PIECE])
    stream = Stream(folder / "b-0001.arrows")
    stream.append(to_batch(ROWS[PIECE:]))
    os.truncate(stream.path, stream.path.stat().st_size + 5)
    assert read_log(folder).attrs["read"]["torn_bytes"] == 5
    compact_folder(folder)
    assert names(folder) == ["a-0001..b-0001.parquet"]
    assert read_log(folder).attrs["read"] == {"rows": len(ROWS), "torn_bytes": 5}
    assert_is(folder)


def test_a_journal_finds_its_rows_again_that_were_compacted(tmp_path: Path) -> None:
    rows = list(day(900))
    with Journal(tmp_path, "x", segment_batches=1) as journal:
        for row in rows:
            journal.append(row)
    sealed(tmp_path, ROWS, stem="a")
    compact_folder(tmp_path, group_rows=1500)
    assert len(names(tmp_path)) == 1
    pd.testing.assert_frame_equal(journal.frame(), to_frame(rows), check_categorical=False)
    (tmp_path / names(tmp_path)[0]).unlink()
    with pytest.raises(FileNotFoundError, match=r"x-0001\.parquet was removed"):
        journal.frame()


@pytest.mark.parametrize("octets", [b"", b"PAR1 and no more"])
def test_a_damaged_file_is_named_and_the_log_is_as_it_was(
    tmp_path: Path, octets: bytes
) -> None:
    folder = sealed(tmp_path / "events")
    (folder / "a-0002.parquet").write_bytes(octets)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SMTPBookError, match=r"a-0002\.parquet: damaged"):
        compact_folder(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_an_event_log_does_not_hold_is_refused_instead_of_lost(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events")
    pd.DataFrame({"time": [1], "verbs": ["x"]}).to_parquet(folder / "b.parquet")
    before = names(folder)
    with pytest.raises(SMTPBookError, match=r"column 'verbs' .* did you mean 'verb'"):
        compact_folder(folder)
    pd.DataFrame({"verb": ["x"]}).to_parquet(folder / "b.parquet")
    with pytest.raises(ColumnError, match="column 'time' not found"):
        compact_folder(folder)
    assert names(folder) == before


def test_reading_goes_on_while_files_are_replaced(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "events", piece=60)
    scan, is_over = scan_log(folder), threading.Event()
    found: list[tuple[int, int]] = []

    def read() -> None:
        while not is_over.is_set():
            found.append((len(read_log(folder)), len(outcomes(scan))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for file_rows in (130, 1000):
            compact_folder(folder, file_rows=file_rows)
    finally:
        is_over.set()
        reader.join()
    assert set(found) == {(len(ROWS), 60)}


@pytest.mark.heavy
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_killed_at_any_moment_no_event_is_lost_or_twice(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.log.kill_compact", str(tmp_path), "150", "1"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 150
    # The kills met every stage: before a new file, beside the old ones, and after.
    assert min(told["unfinished"], told["beside"], told["done"]) > 0

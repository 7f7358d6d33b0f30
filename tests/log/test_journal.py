"""A log is on disk while it is written: killed, full or torn, nothing is lost silently."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.errors import LogWarning, SMTPBookError
from smtpbook.events import Event, Row
from smtpbook.log.frame import BATCH_ROWS, Recorder, to_batch, to_frame
from smtpbook.log.journal import Journal, seal_left
from smtpbook.log.store import read_log, write_log
from smtpbook.log.stream import Stream, read_stream
from tests.log.story import Story, day
from tests.servers.process import ROOT

pytestmark = pytest.mark.side_by_side


def numbered(count: int, start: int = 0) -> list[Row]:
    return [Event(seq=seq).to_row() for seq in range(start, start + count)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def wait_for(look: Callable[[], bool]) -> None:
    """Wait for what a journal's own threads do, a minute at most."""
    pause = threading.Event()
    for _ in range(6000):
        if look():
            return
        pause.wait(0.01)
    raise TimeoutError


@pytest.mark.heavy
def test_it_gives_at_any_moment_what_a_recorder_gives(tmp_path: Path) -> None:
    rows = list(day(900))
    assert len(rows) > 2 * BATCH_ROWS
    recorder = Recorder()
    with Journal(tmp_path, "log", segment_batches=1) as journal:
        for number, row in enumerate(rows, 1):
            journal.append(row)
            recorder.append(row)
            if number % 700 == 0:
                journal.flush()
            if number % 1000 == 0:
                assert len(journal) == len(recorder)
                pd.testing.assert_frame_equal(journal.frame(), recorder.frame())
    assert len(journal) == len(rows)
    pd.testing.assert_frame_equal(journal.frame(), recorder.frame())
    pd.testing.assert_frame_equal(read_log(tmp_path), recorder.frame())
    assert names(tmp_path) == [f"log-000{n}.parquet" for n in (1, 2, 3)]


def test_nothing_that_happened_leaves_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "events", "log") as journal:
        pass
    assert names(tmp_path) == ["events"]
    assert names(tmp_path / "events") == []
    pd.testing.assert_frame_equal(journal.frame(), to_frame([]))
    pd.testing.assert_frame_equal(read_log(tmp_path / "events"), to_frame([]))


def test_what_is_flushed_is_read_by_others_while_it_goes_on(tmp_path: Path) -> None:
    rows = list(day(500))
    with Journal(tmp_path, "log") as journal:
        for start in range(0, len(rows), 1100):
            for row in rows[start : start + 1100]:
                journal.append(row)
            journal.flush()
            log = read_log(tmp_path)
            pd.testing.assert_frame_equal(log, to_frame(rows[: start + 1100]))
            assert log.attrs["read"] == {"rows": len(log), "torn_bytes": 0}
        assert names(tmp_path) == ["log-0001.arrows"]


def test_a_single_row_is_on_disk_after_a_moment_though_nobody_flushes(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path, "log") as journal:
        journal.append(Event(seq=7).to_row())
        wait_for(lambda: len(read_log(tmp_path)) > 0)
        assert read_log(tmp_path)["seq"].tolist() == [7]


def test_memory_holds_no_more_than_what_is_not_sealed(tmp_path: Path) -> None:
    with Journal(tmp_path, "log", segment_batches=2) as journal:
        for row in numbered(9 * BATCH_ROWS + 5):
            journal.append(row)
        journal.flush()
        wait_for(lambda: len(journal._batches) == 1)
        assert len(journal) == 9 * BATCH_ROWS + 5
        assert names(tmp_path)[-1] == "log-0005.arrows"
        assert journal.frame()["seq"].tolist() == list(range(len(journal)))
    assert not journal._batches


def test_the_many_small_batches_of_a_slow_pace_are_joined(tmp_path: Path) -> None:
    rows = numbered(310)
    with Journal(tmp_path, "log") as journal:
        for row in rows:
            journal.append(row)
            journal.flush()
        table, _ = read_stream(tmp_path / "log-0001.arrows")
        assert table["seq"].num_chunks < 20
        pd.testing.assert_frame_equal(read_log(tmp_path), to_frame(rows))


def test_who_appends_touches_no_file(tmp_path: Path) -> None:
    """Neither to write nor to seal: that is why no flush holds the thread of a loop."""
    folder, touched, is_over = str(tmp_path), set[tuple[str, str]](), False

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if is_over or event not in ("open", "os.rename", "os.remove"):
            return
        if str(arguments[0]).startswith(folder):
            touched.add((event, threading.current_thread().name))

    sys.addaudithook(heard)
    journal = Journal(tmp_path, "log", segment_batches=2)
    try:
        for row in numbered(6 * BATCH_ROWS):
            journal.append(row)
        wait_for(lambda: len(names(tmp_path)) == 3 and not journal._batches)
        assert touched == {
            ("open", "journal"),
            ("open", "sealing_0"),
            ("os.rename", "sealing_0"),
            ("os.remove", "sealing_0"),
        }
    finally:
        is_over = True
        journal.close()


def test_a_snapshot_taken_while_rows_come_is_a_prefix_of_the_log(tmp_path: Path) -> None:
    rows = numbered(12 * BATCH_ROWS)
    with Journal(tmp_path, "log", segment_batches=2) as journal:
        writer = threading.Thread(target=lambda: [journal.append(row) for row in rows])
        writer.start()
        snapshots, lengths = [], []
        while writer.is_alive():
            lengths.append(len(journal))
            snapshots += [journal.frame()["seq"], read_log(tmp_path)["seq"]]
        writer.join()
    snapshots.append(journal.frame()["seq"])
    for seq in snapshots:
        assert seq.tolist() == list(range(len(seq)))
    assert lengths == sorted(lengths)
    assert len(snapshots[-1]) == len(rows)


def test_rows_of_several_threads_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "log", segment_batches=1)

    def write(port: int) -> None:
        for seq in range(3 * BATCH_ROWS):
            journal.append(Event(seq=seq, port=port).to_row())
            if seq % 900 == port:
                journal.flush()

    writers = [threading.Thread(target=write, args=(port,)) for port in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    journal.close()
    for log in (journal.frame(), read_log(tmp_path)):
        assert len(log) == 9 * BATCH_ROWS
        for _, of_one in log.groupby("port"):
            assert of_one["seq"].tolist() == list(range(3 * BATCH_ROWS))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("caf\udce9", r"caf\xe9"),
        ("nul\0 esc\x1b[31m bell\a \x7f\x85", "nul\0 esc\x1b[31m bell\a \x7f\x85"),
        ("\u202e\u2066rtl \U0001f600 \ufeff", "\u202e\u2066rtl \U0001f600 \ufeff"),
        ("line\r\nline\n", "line\r\nline\n"),
        ("", ""),
        ("x" * 70_000, "x" * 70_000),
    ],
)
def test_hostile_text_survives_on_disk_as_in_memory(
    tmp_path: Path, said: str, kept: str
) -> None:
    recorder = Recorder()
    with Journal(tmp_path, "log") as journal:
        for column in ("reply_text", "command", "error", "recipient"):
            row = Event(**{column: said}).to_row()  # type: ignore[arg-type]
            journal.append(row)
            recorder.append(row)
        journal.flush()
        pd.testing.assert_frame_equal(read_log(tmp_path), recorder.frame())
    for log in (journal.frame(), read_log(tmp_path)):
        pd.testing.assert_frame_equal(log, recorder.frame())
        assert [log["reply_text"][0], log["error"][2]] == [kept, kept]


def test_reasons_are_in_the_sealed_file_for_every_reader(tmp_path: Path) -> None:
    story = Story().opened()
    for number in range(9):
        rcpt = ("250 2.1.5 Ok", "450 4.2.0 later", "550 5.1.1 nobody")[number % 3]
        story.message(f"p{number}@x.example", rcpt=rcpt)
    with Journal(tmp_path, "log") as journal:
        for row in story.rows:
            journal.append(row)
    raw = pd.read_parquet(tmp_path / "log-0001.parquet")
    assert (
        raw["reason"].dropna().tolist() == to_frame(story.rows)["reason"].dropna().tolist()
    )


# --- ends


def test_closed_twice_it_keeps_what_came_between(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "log", segment_batches=1)
    for row in numbered(10):
        journal.append(row)
    journal.close()
    journal.close()
    assert names(tmp_path) == ["log-0001.parquet"]
    for row in numbered(2 * BATCH_ROWS, start=10):
        journal.append(row)
    assert journal.frame()["seq"].tolist() == list(range(2 * BATCH_ROWS + 10))
    journal.close()
    assert read_log(tmp_path)["seq"].tolist() == list(range(2 * BATCH_ROWS + 10))
    assert not list(tmp_path.glob("*.arrows"))


def test_closed_it_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with Journal(tmp_path, "log", segment_batches=1) as journal:
        for row in numbered(BATCH_ROWS):
            journal.append(row)
        journal.flush()
    assert threading.active_count() == before


def test_a_log_is_never_written_over(tmp_path: Path) -> None:
    with Journal(tmp_path, "log") as journal:
        journal.append(Event().to_row())
    before = (tmp_path / "log-0001.parquet").read_bytes()
    with pytest.raises(FileExistsError, match="stem 'log' already"):
        Journal(tmp_path, "log")
    with Journal(tmp_path, "logs") as other:
        other.append(Event(seq=1).to_row())
    assert (tmp_path / "log-0001.parquet").read_bytes() == before
    assert read_log(tmp_path)["seq"].tolist() == [0, 1]


@pytest.mark.heavy
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_killed_at_any_moment_everything_flushed_is_there_in_order_and_once(
    tmp_path: Path,
) -> None:
    program = [sys.executable, "-m", "tests.log.kill", str(tmp_path), "10", "1"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    flushed = json.loads(done.stdout)
    assert len(flushed) == 10
    for folder, count in zip(sorted(tmp_path.iterdir()), flushed, strict=True):
        log = read_log(folder)
        assert len(log) >= count > 0
        assert log["seq"].tolist() == list(range(len(log)))
        seal_left(folder)
        again = read_log(folder)
        pd.testing.assert_frame_equal(again, log)
        assert not list(folder.glob(".*"))
        assert {path.suffix for path in folder.iterdir()} == {".parquet"}


# --- what cannot be written


def full_disk(*arguments: object) -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.log.full_disk", *map(str, arguments)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_what_a_full_disk_does_not_take_stays_in_memory_and_is_told(tmp_path: Path) -> None:
    told = full_disk(tmp_path, 2_000)
    assert told["failed"] > 0
    assert "File too large" in told["during"]
    assert told["is_whole"]
    (warned,) = told["warned"]
    assert f"{told['rows']:,} events could not be written" in warned
    assert "File too large" in warned
    assert read_log(tmp_path).attrs["read"]["rows"] == 0


@pytest.mark.heavy
def test_what_was_on_disk_before_it_was_full_stays_there(tmp_path: Path) -> None:
    told = full_disk(tmp_path, 400_000)
    assert told["is_whole"]
    log = read_log(tmp_path)
    pd.testing.assert_frame_equal(log, to_frame(list(day(800))[: len(log)]))


@pytest.mark.parametrize("octets", [20_000, 200_000])
@pytest.mark.heavy
def test_when_there_is_room_again_everything_is_written(
    tmp_path: Path, octets: int
) -> None:
    told = full_disk(tmp_path, octets, "--room")
    assert told["failed"] > 0
    assert (told["error"], told["warned"]) == (None, [])
    assert told["is_whole"]
    log = read_log(tmp_path)
    pd.testing.assert_frame_equal(log, to_frame(list(day(800))))
    assert log.attrs["read"]["torn_bytes"] == 0


def test_a_folder_that_is_gone_costs_nothing_but_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    rows = numbered(30)
    journal = Journal(folder, "log")
    for row in rows[:20]:
        journal.append(row)
    journal.flush()
    shutil.rmtree(folder)
    journal.append(rows[20])
    with pytest.raises(FileNotFoundError):
        journal.flush()
    assert isinstance(journal.error, FileNotFoundError)
    journal._try(journal._seal_full)  # which has nothing to do, and mends nothing
    assert isinstance(journal.error, FileNotFoundError)
    for row in rows[21:]:
        journal.append(row)
    pd.testing.assert_frame_equal(journal.frame(), to_frame(rows))
    with pytest.warns(LogWarning, match=r"events could not be written .*No such file"):
        journal.close()
    assert isinstance(journal.error, FileNotFoundError)
    folder.mkdir()
    journal.close()
    assert journal.error is None
    pd.testing.assert_frame_equal(read_log(folder), to_frame(rows))


def test_once_it_can_be_written_again_there_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    with Journal(folder, "log") as journal:
        folder.rmdir()
        journal.append(Event(seq=5).to_row())
        with pytest.raises(FileNotFoundError):
            journal.flush()
        assert journal.error is not None
        folder.mkdir()
        journal.flush()
        assert journal.error is None
        assert read_log(folder)["seq"].tolist() == [5]


def test_a_folder_whose_files_come_and_go_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "log-0001.arrows").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SMTPBookError, match="its files come and go"):
        read_log(tmp_path)


def test_a_row_that_is_none_is_told_and_the_thread_lives(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "log")
    journal.append(Event(port="no port").to_row())  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError)):
        journal.flush()
    assert journal._writer.is_alive()
    with pytest.warns(LogWarning, match="1 events could not be written"):
        journal.close()


# --- what a killed process leaves


def left(folder: Path, stem: str, rows: list[Row]) -> Path:
    stream = Stream(folder / f"{stem}.arrows")
    for start in range(0, len(rows), 7):
        stream.append(to_batch(rows[start : start + 7]))
    return stream.path


def test_what_is_left_is_sealed_and_the_torn_end_is_told(tmp_path: Path) -> None:
    rows = list(day(10))
    torn = left(tmp_path, "b-0001", rows)
    os.truncate(torn, torn.stat().st_size - 1)
    whole = left(tmp_path, "a-0002", rows)
    write_log(to_frame(rows[:5]), tmp_path / "a-0001.parquet")
    (tmp_path / ".a-0003.parquet.77.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "._a-0001.parquet").write_bytes(b"what macOS leaves on foreign disks")
    before = read_log(tmp_path)
    assert before.attrs["read"]["torn_bytes"] > 0
    made = seal_left(tmp_path)
    assert made == [whole.with_suffix(".parquet"), torn.with_suffix(".parquet")]
    logs = ["a-0001.parquet", "a-0002.parquet", "b-0001.parquet"]
    assert names(tmp_path) == ["._a-0001.parquet", *logs, "notes.txt"]
    after = read_log(tmp_path)
    pd.testing.assert_frame_equal(after, before)
    assert after.attrs == before.attrs
    assert seal_left(tmp_path) == seal_left(tmp_path / "nowhere") == []


def test_killed_between_sealing_and_removing_a_segment_counts_once(tmp_path: Path) -> None:
    rows = list(day(10))
    left(tmp_path, "log-0001", rows)
    write_log(to_frame(rows), tmp_path / "log-0001.parquet")
    pd.testing.assert_frame_equal(read_log(tmp_path), to_frame(rows))
    assert seal_left(tmp_path) == []
    assert names(tmp_path) == ["log-0001.parquet"]


def test_a_segment_that_was_sealed_in_part_is_sealed_again(tmp_path: Path) -> None:
    rows = list(day(10))
    for number in (1, 2):
        left(tmp_path, f"log-000{number}", rows)
    write_log(to_frame(rows), tmp_path / "log-0001.parquet")
    os.truncate(tmp_path / "log-0001.parquet", 500)
    write_log(to_frame(rows[:5]), tmp_path / "log-0002.parquet")
    assert len(seal_left(tmp_path)) == 2
    assert names(tmp_path) == ["log-0001.parquet", "log-0002.parquet"]
    assert len(read_log(tmp_path)) == 2 * len(rows)


@pytest.mark.parametrize("where", [".", "log"])
def test_a_torn_segment_is_read_from_what_it_was_to_be_made_of(
    tmp_path: Path, where: str
) -> None:
    rows = list(day(10))
    left(tmp_path, "log-0001", rows)
    sealed = tmp_path / where
    sealed.mkdir(exist_ok=True)
    write_log(to_frame(rows), sealed / "log-0001.parquet")
    os.truncate(sealed / "log-0001.parquet", 500)
    assert len(read_log(sealed, growing=tmp_path)) == len(rows)
    (tmp_path / "log-0001.arrows").unlink()
    with pytest.raises(SMTPBookError, match="damaged"):  # nothing else has them
        read_log(sealed, growing=tmp_path)


@pytest.mark.parametrize("content", [b"\0" * 5000, b"\xff\xff\xff\xff\x10", b"PAR1"])
def test_what_holds_no_row_stays_and_hinders_nobody(tmp_path: Path, content: bytes) -> None:
    left(tmp_path, "log-0002", numbered(3))
    (tmp_path / "log-0001.arrows").write_bytes(content)
    (tmp_path / "log-0003.arrows").touch()
    assert len(seal_left(tmp_path)) == 1
    assert names(tmp_path) == ["log-0001.arrows", "log-0002.parquet"]
    log = read_log(tmp_path)
    assert log["seq"].tolist() == [0, 1, 2]
    assert log.attrs["read"] == {"rows": 3, "torn_bytes": len(content)}

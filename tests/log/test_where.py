"""A log behind a URL is what it is in a folder: written whole, read, compacted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from smtpbook.campaign.compacting import compact
from smtpbook.errors import LogWarning, SMTPBookError
from smtpbook.formats.read import read_log as read_any_log
from smtpbook.log.compact import compact_folder
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.journal import Journal, seal_left
from smtpbook.log.store import read_log, write_log
from smtpbook.log.stream import Stream
from smtpbook.log.where import is_here, path_of, reached, whole
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import scan_log
from tests.log.story import day

LOG = to_frame(list(day(60)))
PIECE = 120


@pytest.fixture
def shelf() -> Iterator[str]:
    """A folder of an object store that is in memory: no renaming, listings remembered."""
    yield "memory://shelf/events"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def shelved(shelf: str) -> str:
    for number, start in enumerate(range(0, len(LOG), PIECE)):
        write_log(LOG.iloc[start : start + PIECE], f"{shelf}/log-{number:04}.parquet")
    return shelf


def names(shelf: str) -> list[str]:
    return sorted(path.name for path in path_of(shelf).iterdir())


def test_a_log_is_written_to_a_url_and_read_from_it(shelf: str) -> None:
    path = write_log(LOG, f"{shelf}/log.parquet")
    assert str(path) == f"{shelf}/log.parquet"
    assert not is_here(path)
    for read in (read_log, read_any_log):
        pd.testing.assert_frame_equal(read(str(path)), LOG, check_categorical=False)


def test_many_files_behind_a_url_are_one_log(shelf: str) -> None:
    shelved(shelf)
    pd.testing.assert_frame_equal(read_log(shelf), LOG, check_categorical=False)
    for pattern in (shelf, "memory://shelf", "memory://shelf/*/log-*.parquet"):
        scan = scan_log(pattern)
        assert len(scan.files()) == -(-len(LOG) // PIECE)
        pd.testing.assert_frame_equal(
            outcomes(scan), outcomes(LOG), check_categorical=False
        )


def test_a_file_that_is_written_later_is_seen(shelf: str) -> None:
    write_log(LOG, f"{shelf}/log-0001.parquet")
    scan = scan_log(shelf)
    assert reply_codes(scan)["replies"].sum() == reply_codes(LOG)["replies"].sum()
    write_log(LOG, f"{shelf}/log-0002.parquet")
    assert reply_codes(scan)["replies"].sum() == 2 * reply_codes(LOG)["replies"].sum()
    write_log(LOG.head(0), f"{shelf}/log-0001.parquet")
    assert reply_codes(scan)["replies"].sum() == reply_codes(LOG)["replies"].sum()


def test_compacting_behind_a_url_keeps_the_log(shelf: str) -> None:
    compacted = compact(shelved(shelf), progress=False)
    assert compacted.files == 1
    assert len(names(shelf)) == 1
    pd.testing.assert_frame_equal(read_log(shelf), LOG, check_categorical=False)


def test_a_reader_that_meets_the_old_files_and_the_new_one_counts_once(shelf: str) -> None:
    """As when whoever compacts is killed before the old ones are removed."""
    shelved(shelf)
    before = {path: path.read_bytes() for path in path_of(shelf).iterdir()}
    compact_folder(path_of(shelf))
    for path, octets in before.items():
        path.write_bytes(octets)
    assert len(names(shelf)) > 1
    pd.testing.assert_frame_equal(read_log(shelf), LOG, check_categorical=False)
    assert (
        reply_codes(scan_log(shelf))["replies"].sum() == reply_codes(LOG)["replies"].sum()
    )
    compact_folder(path_of(shelf))
    assert len(names(shelf)) == 1


def test_a_file_that_is_not_finished_is_not_there(shelf: str) -> None:
    path = path_of(f"{shelf}/log.parquet")

    def write() -> None:
        with whole(path) as unfinished:
            unfinished.write_bytes(b"PAR1 and no more")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write()
    assert not path.exists()


def test_an_upload_that_breaks_off_leaves_nothing(
    shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands at the end of a file is sent last; that fails."""
    from fsspec.implementations.memory import MemoryFile

    def torn(self: MemoryFile, octets: bytes) -> int:
        raise OSError("connection lost")

    path = path_of(f"{shelf}/log.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFile, "write", torn)
        with pytest.raises(OSError, match="connection lost"):
            write_log(LOG, str(path))
    assert not path.exists()


def test_journals_of_many_machines_are_one_log_behind_a_url(
    shelf: str, tmp_path: Path
) -> None:
    rows = list(day(400))
    for number, own in enumerate([rows[:2100], rows[2100:]]):
        folder, stem = tmp_path / str(number), f"machine{number}"
        with Journal(folder, stem, segment_batches=1, sealed_to=shelf) as journal:
            for row in own:
                journal.append(row)
            pd.testing.assert_frame_equal(journal.frame(), to_frame(own))
        assert not [*folder.iterdir()]
    pd.testing.assert_frame_equal(read_log(shelf), to_frame(rows), check_categorical=False)
    with pytest.raises(FileExistsError, match="memory://shelf/events holds a log"):
        Journal(tmp_path / "other", "machine0", sealed_to=shelf)


def test_what_cannot_be_sealed_to_a_url_is_told_and_stays_here(
    shelf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFile

    def torn(self: MemoryFile, octets: bytes) -> int:
        raise OSError("connection lost")

    journal = Journal(tmp_path, "log", sealed_to=shelf)
    for row in day(60):
        journal.append(row)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFile, "write", torn)
        with pytest.warns(
            LogWarning, match="sealed to 'memory:.*connection lost.*next send"
        ):
            journal.close()
    assert not path_of(shelf).exists()
    pd.testing.assert_frame_equal(read_log(tmp_path), LOG, check_categorical=False)
    assert len(seal_left(tmp_path, path_of(shelf))) == 1


def test_what_a_killed_process_left_here_is_sealed_to_the_url(
    shelf: str, tmp_path: Path
) -> None:
    stream = Stream(tmp_path / "log-0001.arrows")
    stream.append(to_batch([*day(60)]))
    (sealed,) = seal_left(tmp_path, path_of(shelf))
    assert str(sealed) == f"{shelf}/log-0001.parquet"
    assert not stream.path.exists()
    pd.testing.assert_frame_equal(read_log(shelf), LOG, check_categorical=False)


def test_tables_behind_a_url_are_made_by_a_cluster(shelf: str) -> None:
    shelved(shelf)
    with ThreadPoolExecutor(2) as cluster:
        scan = scan_log(shelf, cluster=cluster)
        pd.testing.assert_frame_equal(
            outcomes(scan), outcomes(scan_log(shelf)), check_exact=True
        )


def test_a_url_of_this_machine_is_a_folder_of_it(tmp_path: Path) -> None:
    path = path_of(f"file://{tmp_path}/log.parquet")
    assert path == tmp_path / "log.parquet"
    assert write_log(LOG, f"file://{tmp_path}/log.parquet") == path


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gopher://x/events", "gopher:// cannot be read: .*[Uu]nsupported"),
        (
            "memory://nowhere/events",
            "no file or folder is called 'memory://nowhere/events'$",
        ),
    ],
)
def test_a_url_that_leads_nowhere_is_told(url: str, said: str) -> None:
    with pytest.raises(SMTPBookError, match=said):
        scan_log(url)


@pytest.mark.parametrize("name", ["mail.log", "C:/mail.log", "c://mail.log", "a:b"])
def test_what_is_no_url_is_a_name(name: Any) -> None:
    assert path_of(name) == Path(name)


def test_an_error_of_what_lies_between_is_an_oserror_that_names_the_place() -> None:
    error = type("NoCredentialsError", (Exception,), {"__module__": "botocore.exceptions"})
    with (
        pytest.raises(OSError, match=r"^s3://b/c cannot be reached \(NoCred.*: no key\); "),
        reached("s3://b/c"),
    ):
        raise error("no key")
    with pytest.raises(ZeroDivisionError), reached("s3://b/c"):
        _ = 1 / 0

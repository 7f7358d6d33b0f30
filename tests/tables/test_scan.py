"""A scan finds the files of a log, and finds them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import SMTPBookError
from smtpbook.events import Event
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.journal import Journal, seal_left
from smtpbook.log.store import write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import scan_log


def ended(outcome: str) -> Event:
    return Event(kind="outcome", recipient="a@x.example", outcome=outcome, reply_code=250)


def kept(path: Path, outcome: str = "accepted") -> Path:
    """Write a log of one row, sealed or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [ended(outcome).to_row()]
    if path.suffix == ".parquet":
        write_log(to_frame(rows), path)
    else:
        Stream(path).append(to_batch(rows))
    return path


def test_a_pattern_a_folder_and_a_campaigns_folder_are_found(tmp_path: Path) -> None:
    files = [kept(tmp_path / name / "events" / "1.parquet") for name in ("a", "b")]
    assert scan_log(f"{tmp_path}/*/events/*.parquet").files() == tuple(files)
    assert scan_log(tmp_path / "a").files() == (files[0],)
    assert scan_log(tmp_path / "a" / "events").files() == (files[0],)
    assert scan_log(f"{tmp_path}/*").files() == tuple(files)
    assert scan_log(f"{tmp_path}/**/*.parquet").files() == tuple(files)
    assert scan_log([files[1], files[0], tmp_path / "a"]).files() == (files[1], files[0])


def test_a_name_with_stars_in_it_is_a_name(tmp_path: Path) -> None:
    one = kept(tmp_path / "x[1]*.parquet", "rejected")
    kept(tmp_path / "x[1]yz.parquet")
    scan = scan_log(one)
    assert scan.files() == (one,)
    assert outcomes(scan)["outcome"].tolist() == ["rejected"]


def test_a_name_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(SMTPBookError, match=r"no file or folder is called '.*\.parkett'"):
        scan_log(f"{tmp_path}/*.parkett")


@pytest.mark.parametrize(
    ("written", "octets"),
    [("1GB", 10**9), ("512 MiB", 2**29), ("0.5G", 5 * 10**8), (2**27, 2**27)],
)
def test_memory_may_be_given_as_people_write_it(
    tmp_path: Path, written: str | int, octets: int
) -> None:
    path = kept(tmp_path / "log.parquet")
    assert scan_log(path, memory_bytes=written).memory_bytes == octets


@pytest.mark.parametrize(
    "given", [{"memory_bytes": "much"}, {"memory_bytes": None}, {"max_threads": "2"}]
)
def test_what_is_no_size_and_no_number_is_told(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"{name}={given[name]!r} is no"):
        scan_log(kept(tmp_path / "log.parquet"), **given)


def test_of_several_campaigns_the_one_that_began_last_has_the_last_word(
    tmp_path: Path,
) -> None:
    """Whatever they are called, and whether they are sealed or not."""
    kept(tmp_path / "zebra" / "events" / "20260101-0001.parquet", "deferred")
    kept(tmp_path / "apple" / "events" / "20260301-0001.parquet", "accepted")
    kept(tmp_path / "mango" / "events" / "20260201-0001.arrows", "rejected")
    table = outcomes(scan_log(f"{tmp_path}/*"))
    assert table["outcome"].tolist() == ["accepted"]
    kept(tmp_path / "fig" / "events" / "20260401-0001.arrows", "in_doubt")
    assert outcomes(scan_log(f"{tmp_path}/*"))["outcome"].tolist() == ["in_doubt"]


def test_a_stream_that_has_become_parquet_is_counted_once(tmp_path: Path) -> None:
    kept(tmp_path / "1.arrows")
    kept(tmp_path / "1.parquet")
    assert [path.name for path in scan_log(f"{tmp_path}/*").files()] == ["1.parquet"]
    assert [path.name for path in scan_log(tmp_path).files()] == ["1.parquet"]


@pytest.mark.parametrize("names", [("1.parquet", "1.arrows"), ("1.arrows", "1.parquet")])
def test_a_stream_counts_whose_parquet_is_torn(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    paths = [kept(tmp_path / name) for name in names]
    assert [path.name for path in scan_log(paths).files()] == ["1.parquet"]
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and no more")
    assert outcomes(scan_log(paths))["outcome"].tolist() == ["accepted"]


def test_a_log_that_grows_is_seen_growing(tmp_path: Path) -> None:
    row = Event(verb="NOOP", reply_code=250).to_row()
    with Journal(tmp_path / "events", "log", segment_batches=1) as journal:
        scan = scan_log(tmp_path)
        assert reply_codes(scan)["replies"].sum() == 0
        journal.append(row)
        journal.flush()
        assert reply_codes(scan)["replies"].sum() == 1
        for _ in range(4500):
            journal.append(row)
        journal.flush()
        assert reply_codes(scan)["replies"].sum() == 4501
    assert {path.suffix for path in scan.files()} == {".parquet"}
    assert reply_codes(scan)["replies"].sum() == 4501


def test_what_a_killed_process_left_is_read_before_and_after_it_is_sealed(
    tmp_path: Path,
) -> None:
    path = kept(tmp_path / "1.arrows")
    with path.open("ab") as file:
        file.write(path.read_bytes()[-500:-100])
    before = outcomes(scan_log(tmp_path))
    assert seal_left(tmp_path)
    assert outcomes(scan_log(tmp_path)).equals(before)

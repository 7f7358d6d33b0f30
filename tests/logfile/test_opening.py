"""Files are found in the order they were written in, and unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from smtpbook.errors import SMTPBookError
from smtpbook.logfile.opening import HEAD, age, sources_of


def zstd(octets: bytes) -> bytes:
    packed: bytes = pa.compress(octets, codec="zstd", asbytes=True)
    return packed


PACKERS: list[Callable[[bytes], bytes]] = [
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
]
PACKERS.append(zstd)


def octets_of(path: Path) -> bytes:
    (source,) = sources_of(path)
    with source.open() as file:
        assert len(file.head) <= HEAD
        return io.BufferedReader(file).read()


@pytest.mark.parametrize("pack", PACKERS)
def test_what_is_packed_is_unpacked_whatever_its_name_is(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    text = random.Random(7).randbytes(3 * HEAD)
    path = tmp_path / "mail.log"
    path.write_bytes(pack(text))
    assert octets_of(path) == text


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_packed_pieces_one_after_the_other_are_one(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(pack(b"one\n") + pack(b"two\n"))
    assert octets_of(path) == b"one\ntwo\n"


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_what_is_damaged_is_said_with_the_file_and_the_next_step(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "mail.log.1"
    text = random.Random(7).randbytes(3 * HEAD)
    path.write_bytes(pack(text)[:-HEAD])
    with pytest.raises(SMTPBookError, match=r"mail\.log\.1: damaged .*unpack it by hand"):
        octets_of(path)


def test_rotated_files_are_read_from_the_oldest_to_the_one_still_written() -> None:
    ordered = [
        "a.log.10.gz",
        "a.log.2.gz",
        "a.log.1",
        "a.log",
        "b.log-20261127.gz",
        "b.log-20261128.zst",
        "b.log",
        "c-2026-11-27.log",
        "c-2026-11-28.log.xz",
        "c.log",
    ]
    for seed in range(5):
        names = ordered.copy()
        random.Random(seed).shuffle(names)
        assert sorted(names, key=age) == ordered


def test_a_folder_a_pattern_and_a_list_are_many_files(tmp_path: Path) -> None:
    for name in ("m.log", "m.log.1", "m.log.2.gz", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()
    whole = ["m.log.2.gz", "m.log.1", "m.log"]

    def names(named: object) -> list[str]:
        return [Path(source.name).name for source in sources_of(named)]

    assert names(tmp_path) == names(str(tmp_path / "m.log*")) == whole
    assert names([tmp_path / "m.log", tmp_path / "m.log.1"]) == ["m.log", "m.log.1"]
    with pytest.raises(FileNotFoundError, match="no file fits the pattern"):
        sources_of(str(tmp_path / "*.txt"))


def test_a_stream_can_be_looked_at_before_it_is_read() -> None:
    (source,) = sources_of(io.BytesIO(gzip.compress(b"abc" * HEAD)))
    with source.open() as file:
        assert file.head == (b"abc" * HEAD)[:HEAD]
    with source.open() as file:
        assert io.BufferedReader(file).read() == b"abc" * HEAD
    assert source.latest is None


def test_a_text_is_a_stream_too(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes("é\n".encode())
    with path.open(encoding="utf-8") as text:
        for stream in (text, io.StringIO("é\n")):
            (source,) = sources_of(stream)
            with source.open() as file:
                assert io.BufferedReader(file).read() == "é\n".encode()

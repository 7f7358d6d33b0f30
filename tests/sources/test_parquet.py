"""Parquet and Arrow files: types are kept, claims are not believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources.parquet import read_arrow, read_parquet
from smtpbook.table import Table

Read = Callable[[pa.Table], Table]


@pytest.fixture(params=["parquet", "arrow"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Write a table in one of the two formats and read it."""

    def read(table: pa.Table) -> Table:
        path = tmp_path / f"people.{request.param}"
        if request.param == "parquet":
            pq.write_table(table, path)
            return read_parquet(path)
        pyarrow.feather.write_feather(table, path)
        return read_arrow(path)

    return read


def test_columns_keep_their_types_and_blank_text_is_missing(read: Read) -> None:
    table = read(
        pa.table(
            {
                "email": ["a@x.example", " "],
                "n": [1, None],
                "city": pa.array(["Graz", "Linz"]).dictionary_encode(),
                "on": pa.array([1, 2], pa.timestamp("us")),
                "octets": [b"text", b"too"],
            }
        )
    )
    assert table.headers == ("email", "n", "city", "on", "octets")
    assert table.cells.column_names == ["0", "1", "2", "3", "4"]
    assert table.cells.schema.types == [
        pa.large_string(),
        pa.int64(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.timestamp("us"),
        pa.large_string(),
    ]
    assert table.cells.column(0).to_pylist() == ["a@x.example", None]
    assert table.cells.column(4).to_pylist() == ["text", "too"]
    assert table.rows.to_pylist() == [1, 2]
    assert table.problems == ()


def test_many_batches_are_one_table(read: Read) -> None:
    addresses = [f"u{n}@x.example" for n in range(150_000)]
    table = read(pa.table({"email": addresses, "city": ["Graz"] * 150_000}))
    assert table.cells.column(0).to_pylist() == addresses
    assert table.rows[-1].as_py() == 150_000


def test_what_no_letter_can_show_is_left_out_and_said(read: Read) -> None:
    table = read(
        pa.table(
            {
                "email": ["a@x.example"],
                "tags": [["x"]],
                "name": [{"first": "Ann"}],
                "photo": [b"\xff\xd8"],
            }
        )
    )
    assert table.headers == ("email",)
    assert [problem.rule for problem in table.problems] == ["nested"] * 3
    assert "column 'photo' is no text; left out" in table.problems[-1].message


def test_a_table_without_rows_keeps_its_headers(read: Read) -> None:
    table = read(pa.table({"email": pa.array([], pa.string()), "n": pa.array([], "int64")}))
    assert table.headers == ("email", "n")
    assert len(table.rows) == 0


def test_one_long_text_met_a_million_times_is_refused(read: Read) -> None:
    codes = pa.array(np.zeros(1_000_000, np.int32))
    bomb = pa.DictionaryArray.from_arrays(codes, pa.array(["a" * 100_000]))
    with pytest.raises(RecipientsError, match="would take more than 2 GB of memory"):
        read(pa.table({"email": bomb}))


def test_the_same_bomb_without_its_category_is_refused(tmp_path: Path) -> None:
    codes = pa.array(np.zeros(1_000_000, np.int32))
    bomb = pa.DictionaryArray.from_arrays(codes, pa.array(["a" * 100_000]))
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"email": bomb}), path, store_schema=False)
    assert path.stat().st_size < 20_000
    ordinary = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(ordinary)
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(RecipientsError, match="would take more than 2 GB of memory"):
            read_parquet(path)
    finally:
        pa.set_memory_pool(ordinary)
    assert pool.max_memory() < 100_000_000


def test_a_billion_cells_are_refused_by_what_the_file_says(tmp_path: Path) -> None:
    zeros = pa.array(np.zeros(1_000_000, np.int8))
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table([zeros] * 101, names=[f"c{n}" for n in range(101)]), path)
    with pytest.raises(RecipientsError, match="claims 1,000,000 rows of 101 columns"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("reader", "octets"),
    [
        (read_parquet, b"PAR1 and no more PAR1"),
        (read_parquet, b"PAR1"),
        (read_arrow, b"ARROW1\0\0 and no more ARROW1"),
        (read_arrow, b"ARROW1\0\0"),
    ],
)
def test_a_damaged_file_is_refused(
    tmp_path: Path, reader: Callable[[Path], Table], octets: bytes
) -> None:
    path = tmp_path / "people.data"
    path.write_bytes(octets)
    with pytest.raises(RecipientsError, match=r"people.data is damaged, or not the"):
        reader(path)


def test_a_damaged_file_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    """Arrow takes offsets at their word: read unchecked, they may end the program."""
    whole = pa.table({"email": [f"ann{number}@x.example" for number in range(50)]})
    path = tmp_path / "people.arrow"
    pyarrow.feather.write_feather(whole, path, compression="uncompressed")
    octets = path.read_bytes()
    offsets = np.frombuffer(whole.column(0).chunk(0).buffers()[1], np.int32)[:51]
    place = octets.index(offsets.tobytes())
    for offset, value in ((50, 1 << 30), (25, 1 << 29), (10, -5)):
        bad = bytearray(octets)
        bad[place + 4 * offset : place + 4 * offset + 4] = np.int32(value).tobytes()
        path.write_bytes(bad)
        with pytest.raises(RecipientsError, match=r"people\.arrow"):
            read_arrow(path)

"""Whatever octets come, no format raises: what it does not understand is counted."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.escape import visible
from smtpbook.events import COLUMNS
from smtpbook.formats.columns import to_table
from smtpbook.formats.read import read_log
from smtpbook.formats.registry import FORMATS, format_of
from smtpbook.log.frame import from_table
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.samples import share_path

pytestmark = pytest.mark.side_by_side

SAMPLES = {path.stem: path for path in sorted((share_path("data") / "logs").glob("*.log"))}
LINES = {name: path.read_text("utf-8").splitlines() for name, path in SAMPLES.items()}
OF_LINES = [name for name in FORMATS if isinstance(format_of(name), LogFormat)]
HOSTILE = ["\0", "\udcff", "\u202e", "\x1b[31m", '"', "<", ">", "'", "\\", ", ", ": ", "="]
HOSTILE += [" (", ")", "[", "]", "999999999999999999999", "250-", "٣", "é@é", "x" * 9000]


@st.composite
def spoilt(draw: st.DrawFn, lines: list[str]) -> list[str]:
    """Give lines of a sample, cut, doubled, and with foreign matter in them."""
    given = []
    for line in draw(st.lists(st.sampled_from(lines), max_size=8)):
        at, end = sorted((draw(st.integers(0, len(line))), draw(st.integers(0, len(line)))))
        matter = draw(st.sampled_from(HOSTILE) | st.text(max_size=5))
        given.append(draw(st.sampled_from([line, line[:end], line[:at] + line[end:]])))
        given.append(line[:at] + matter + line[end:])
    return given


@settings(max_examples=4)
@given(st.data())
def test_spoilt_lines_never_raise_and_their_rows_fit_the_columns(
    data: st.DataObject,
) -> None:
    for name in OF_LINES:
        check(name, data)


@pytest.mark.heavy
@pytest.mark.parametrize("name", OF_LINES)
@settings(max_examples=100)
@given(st.data())
def test_many_spoilt_lines_never_raise(name: str, data: st.DataObject) -> None:
    check(name, data)


def check(name: str, data: st.DataObject) -> None:
    form = format_of(name)
    assert isinstance(form, LogFormat)
    lines = data.draw(spoilt([*LINES.get(name, []), "", "Nov 28 12:00:00 mx x[1]: y"]))
    reading = Reading(year=2025)
    for line in lines:
        form.sniff(line)
    rows = list(form.events([line[: form.max_line] for line in lines], reading))
    assert reading.skips <= len(lines)
    assert {len(row) for row in rows} <= {len(COLUMNS)}
    assert len(from_table(to_table(rows))) == len(rows)


@settings(max_examples=3)
@given(st.binary(max_size=300))
def test_any_octets_are_lines_that_were_read(octets: bytes) -> None:
    for name in OF_LINES:
        read = read_log(io.BytesIO(octets), name).attrs["read"]
        assert read["lines"] == read["matched"] + read["skipped"]
        assert visible("".join(read["examples"])) == "".join(read["examples"])


class Slow(io.RawIOBase):
    """A stream that gives an octet at a time."""

    def __init__(self, octets: bytes) -> None:
        self._inner = io.BytesIO(octets)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(1)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_stream_in_small_pieces_reads_as_the_file(name: str) -> None:
    path: Path = SAMPLES[name]
    pd.testing.assert_frame_equal(
        read_log(Slow(path.read_bytes()), year=2025),  # type: ignore[arg-type]
        read_log(path, year=2025),
    )

"""Octets become the same lines however they come, in bounded memory."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.logfile import lines as module
from smtpbook.logfile.lines import encoding_of, first_lines, read_lines
from smtpbook.logfile.opening import HEAD
from smtpbook.logfile.reading import Reading


class Pieces(io.RawIOBase):
    """A stream that gives what is left in pieces of the sizes given."""

    def __init__(self, octets: bytes, sizes: list[int]) -> None:
        self._octets, self._sizes = octets, sizes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = self._sizes.pop() if self._sizes else len(self._octets) + 1
        piece, self._octets = self._octets[:count], self._octets[count:]
        return piece


def lines_of(octets: bytes, sizes: list[int], max_line: int = 10) -> tuple[list[str], int]:
    reading = Reading()
    stream = Pieces(octets, sizes)
    found = list(read_lines(stream, encoding_of(octets), max_line, reading))  # type: ignore[arg-type]
    assert reading.lines == len(found)
    return found, reading.cut


PARTS = [b"\n", b"\r", b"\r\n", b"a", b"\xc3\xa9", b"\xff", b"\0", b"x" * 11]


@given(st.lists(st.sampled_from(PARTS)), st.lists(st.integers(1, 9), max_size=40))
def test_any_cut_into_pieces_gives_the_same_lines(
    parts: list[bytes], sizes: list[int]
) -> None:
    octets = b"".join(parts)
    assert lines_of(octets, sizes) == lines_of(octets, [])


def test_only_lf_ends_a_line_and_a_cr_before_it_belongs_to_the_end() -> None:
    found, _ = lines_of("a\r\nb\x0bc\x85d\u2028e\rf\n\ng".encode(), [])
    assert found == ["a", "b\x0bc\x85d\u2028e\rf", "", "g"]


def test_octets_of_no_encoding_are_kept_as_surrogates() -> None:
    assert lines_of(b"\xff\0\n", []) == (["\udcff\0"], 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    assert lines_of("é\r\nü\r\n".encode(encoding), [1, 1, 1]) == (["é", "ü"], 0)


def test_a_line_of_a_hundred_megabytes_is_cut_and_never_held() -> None:
    class Endless(io.RawIOBase):
        count = 100

        def read(self, size: int = -1) -> bytes:
            self.count -= 1
            return b"x" * (1 << 20) if self.count >= 0 else b""

    reading = Reading()
    found = list(read_lines(Endless(), "utf-8", 100, reading))  # type: ignore[arg-type]
    assert (found, reading.cut, reading.lines) == (["x" * 100], 1, 1)


def test_a_line_just_as_long_as_allowed_is_not_cut() -> None:
    assert lines_of(b"x" * 10 + b"\r\n" + b"y" * 11 + b"\n", [3, 5, 5]) == (
        ["x" * 10, "y" * 10],
        1,
    )
    assert module.CHUNK > 1000


def test_of_a_full_head_the_line_that_is_cut_is_left_out() -> None:
    assert first_lines(b"a\nb") == ["a", "b"]
    assert first_lines((b"a\n" + b"b" * HEAD)[:HEAD]) == ["a"]
    assert first_lines(b"b" * HEAD) == ["b" * HEAD]

"""Mail data comes out as it went in, and only CRLF.CRLF ends it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.protocol.mail_data import MailDataReader, stuff

CASES = [
    b"",
    b"\r\n",
    b"hi\r\n",
    b".\r\n",
    b"..\r\n",
    b"...\r\n",
    b".\r\n.\r\n",
    b".hidden\r\nshown\r\n",
    b"a\r\n.\r\nb\r\n",
    b"a\r\n..b\r\n",
    b"\r\n\r\n.\r\n\r\n",
    b"a.\r\n.b.\r\n",
]
# Ends of mail data to some server or other, but not to SMTP (RFC 5321 section 2.3.8);
# CVE-2023-51764, CVE-2023-51765, CVE-2023-51766.
SMUGGLING = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n. \r\n",
]


def read(*pieces: bytes, max_bytes: int = 10_000) -> tuple[MailDataReader, bytes | None]:
    reader = MailDataReader(max_bytes=max_bytes)
    for i, piece in enumerate(pieces):
        if (rest := reader.feed(piece)) is not None:
            return reader, rest + b"".join(pieces[i + 1 :])
    return reader, None


@pytest.mark.parametrize("data", CASES)
def test_data_is_the_same_cut_at_every_octet_and_with_octets_following(data: bytes) -> None:
    wire = stuff(data) + b"QUIT\r\n.\r\n"
    for place in range(len(wire) + 1):
        reader, rest = read(wire[:place], wire[place:])
        assert (reader.data, rest) == (data, b"QUIT\r\n.\r\n")
        assert reader.size == len(data)


@pytest.mark.parametrize("data", CASES)
def test_data_is_the_same_octet_by_octet(data: bytes) -> None:
    reader, rest = read(*(bytes([octet]) for octet in stuff(data)))
    assert (reader.data, rest) == (data, b"")


@pytest.mark.parametrize("end", SMUGGLING)
def test_nothing_that_resembles_the_end_is_one(end: bytes) -> None:
    smuggled = b"hi" + end + b"MAIL FROM:<evil@x.example>\r\n"
    wire = smuggled + b".\r\n"
    for place in range(len(wire) + 1):
        reader, rest = read(wire[:place], wire[place:])
        assert rest == b""
        assert reader.data == smuggled.replace(b"\r\n.", b"\r\n")


def test_end_has_not_come_before_its_last_octet() -> None:
    wire = stuff(b"a\r\n..\r\n")
    for place in range(len(wire)):
        reader, rest = read(wire[:place])
        assert rest is None
        assert reader.data is None


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"x", b"..", b"\0"])))
def test_stuffed_data_holds_no_end_but_its_own(words: list[bytes]) -> None:
    data = b"".join(words) + b"\r\n"
    wire = b"\r\n" + stuff(data)
    assert wire.find(b"\r\n.\r\n") == len(wire) - 5
    reader, rest = read(stuff(data))
    assert (reader.data, rest) == (data, b"")


@given(
    st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"x", b".."]), max_size=20),
    st.lists(st.integers(0, 40), max_size=8),
)
def test_any_octets_cut_anywhere_give_the_same(
    words: list[bytes], places: list[int]
) -> None:
    wire = b"".join(words)
    cuts = [0, *sorted(min(place, len(wire)) for place in places), len(wire)]
    whole, rest = read(wire)
    cut, rest_of_cut = read(*(wire[a:b] for a, b in pairwise(cuts)))
    assert (cut.data, rest_of_cut) == (whole.data, rest)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_limit_counts_the_message_not_its_dots(piece: int) -> None:
    """The size of a message leaves out the doubled dots (RFC 1870 section 5)."""
    data = b".\r\n" * 10
    wire = stuff(data)
    pieces = [wire[i : i + piece] for i in range(0, len(wire), piece)]
    exact, _ = read(*pieces, max_bytes=30)
    assert not exact.is_too_big
    assert exact.data == data
    over, rest = read(*pieces, max_bytes=29)
    assert over.is_too_big
    assert over.data == b""
    assert over.size == 30
    assert rest == b""


def test_data_beyond_the_limit_is_not_kept() -> None:
    reader = MailDataReader(max_bytes=100)
    for _ in range(1000):
        assert reader.feed(b"x" * 1000) is None
    assert len(reader._kept) == 0
    assert reader.feed(b"\r\n.\r\n") == b""
    assert reader.size == 1_000_002

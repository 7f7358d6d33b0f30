"""The header is taken apart without an octet lost or altered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.header import check_line_ends, fields_of, name_of, split_header

OCTETS = st.lists(
    st.sampled_from([b"\r\n", b" ", b"\t", b":", b"a", b"To", b"\r", b"\n", b"\xff"])
).map(b"".join)


@pytest.mark.parametrize(
    ("data", "header", "body"),
    [
        (b"", b"", b""),
        (b"\r\n", b"", b""),
        (b"\r\nhi\r\n", b"", b"hi\r\n"),
        (b"To: a", b"To: a", b""),
        (b"To: a\r\n", b"To: a", b""),
        (b"To: a\r\n\r\n", b"To: a", b""),
        (b"To: a\r\n\r\n\r\nhi", b"To: a", b"\r\nhi"),
    ],
)
def test_the_first_empty_line_ends_the_header(
    data: bytes, header: bytes, body: bytes
) -> None:
    assert split_header(data) == (header, body)


@given(OCTETS, OCTETS)
def test_fields_put_together_are_the_header(start: bytes, body: bytes) -> None:
    header, rest = split_header(start + b"\r\n\r\n" + body)
    assert rest.endswith(body)
    assert b"\r\n".join(fields_of(header)) == header


def test_a_field_goes_on_where_a_line_begins_with_a_blank() -> None:
    fields = fields_of(b"A: 1\r\n 2\r\n\t3\r\nB : 4\r\nno colon")
    assert fields == [b"A: 1\r\n 2\r\n\t3", b"B : 4", b"no colon"]
    assert [name_of(field) for field in fields] == [b"a", b"b", b"no colon"]


@pytest.mark.parametrize("data", [b"a\nb\r\n", b"a\rb\r\n", b"\n\r\n", b"a\r\n\r", b"\n\r"])
def test_a_lone_cr_or_lf_is_refused(data: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="no CRLF"):
        check_line_ends(data)


def test_crlf_and_nothing_are_let_through() -> None:
    check_line_ends(b"a\r\n\r\nb\r\n")
    check_line_ends(b"")

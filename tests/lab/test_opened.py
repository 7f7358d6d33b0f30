"""A message taken apart: whatever it is, it is shown, and nothing is raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.lab.opened import MAX_PARTS, opened, opened_header

DEEP = b"".join(
    b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
    for n in range(400)
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DEEP,
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/html; charset=nothing-known\r\n\r\n<p>\xff",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: text/plain; charset=utf-8\0\r\n\r\nhi",
        b"Subject: =?nothing?b?!!!?=\r\nFrom: =?utf-8?q?=ff?=\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
        b"Content-Disposition: attachment; filename*=x''%ff%\r\n\r\nx",
    ],
)
def test_what_somebody_made_to_hurt_is_opened(data: bytes) -> None:
    opened(data)
    opened_header(data)


LINES = b"hello\r\n" * 20_000
PICTURES = b"".join(
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <%d>\r\n\r\n%s\r\n" % (n, b"x" * 9000)
    for n in range(90)
)


@pytest.mark.parametrize(
    "data",
    [
        DEEP + b"\r\n" + LINES,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 50_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 50_000 + b"\r\n\r\n",
        b"X: y\r\n" * 50_000,
        b"Content-Type: text/plain; " + b'a="b"; ' * 50_000 + b"\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html"
        b"\r\n\r\n" + b'<img src="cid:1">' * 50_000 + b"\r\n" + PICTURES,
    ],
    ids=["deep", "parts", "empty parts", "words", "fields", "parameters", "pictures"],
)
def test_what_is_looked_at_is_bounded(data: bytes) -> None:
    """By size and number: each took seconds, or all memory, where it was not."""
    mail = opened(data)
    assert len(mail.files) <= MAX_PARTS
    assert sum(len(value) for _, value in mail.header) <= 40_000
    assert len(mail.html or "") <= 21_000_000
    assert sum(len(one.octets) for one in mail.files) <= len(data)
    opened_header(data)


def test_parts_within_twenty_parts_are_one_file() -> None:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n)
        for n in range(30)
    )
    (inner,) = opened(head + b"\r\nhi").files
    assert inner.kind == "multipart/mixed"
    assert inner.octets.count(b"Content-Type") == 9


def test_of_more_parts_than_are_looked_at_it_says_so() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    part = b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n"
    assert not opened(head + part * MAX_PARTS).has_more
    mail = opened(head + part * (MAX_PARTS + 1) + b"--b--\r\n")
    assert mail.has_more
    assert len(mail.files) == MAX_PARTS


def test_boundaries_that_begin_alike_and_text_around_them_are_told_apart() -> None:
    mail = opened(
        b"Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n"
        b"Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--no\n--bbb\n"
        b"--bb\nContent-Type: text/html\n\n<p>two\n--bb--\nepilogue\n--b  \n"
        b"Content-Type: message/rfc822\n\nSubject: in\n\nin\n--b--\nepilogue\n--b\n\nno"
    )
    assert mail.text == "one\n--no\n--bbb"
    assert mail.html == "<p>two"
    assert [(one.name, one.octets) for one in mail.files][:1] == [
        ("message-rfc822.eml", b"Subject: in\n\nin")
    ]


@given(st.binary(max_size=300))
def test_any_octets_are_opened(data: bytes) -> None:
    opened(data)
    opened_header(data)


def test_bodies_files_and_pictures_are_told_apart() -> None:
    mail = opened(
        b"Subject: =?utf-8?q?gr=C3=BCn?=\r\n"
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
        b'Content-Type: text/html\r\n\r\n<img src="cid:p1">\r\n--b\r\n'
        b"Content-Type: image/png\r\nContent-ID: <p1>\r\n\r\nPNG\r\n--b\r\n"
        b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n"
        b"\r\n"
        b"kept\r\n--b--\r\n"
    )
    assert mail.get("subject") == "grün"
    assert mail.html == '<img src="data:image/png;base64,UE5H">'
    assert mail.text is None
    assert [(one.name, one.octets) for one in mail.files] == [
        *(("image-png", b"PNG"), ("a.txt", b"kept"))
    ]

"""A message taken apart: whatever it is, it is shown, and nothing is raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.lab.opened import opened, opened_header

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

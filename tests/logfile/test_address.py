"""An address is found whatever is put around it."""

from __future__ import annotations

import pytest

from smtpbook.logfile.address import bare_address, path_in


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("MAIL FROM:<ann@x.example> SIZE=10", "ann@x.example"),
        ("MAIL FROM:<>", ""),
        ("rcpt to : <bob@x.example>", "bob@x.example"),
        ("RCPT TO:<@a.example,@b.example:bob@x.example>", "bob@x.example"),
        ('RCPT TO:<"a>b"@x.example>', '"a>b"@x.example'),
        ("RCPT TO:bob@x.example NOTIFY=NEVER", "bob@x.example"),
        ("RCPT TO:<bob@x.exam", "bob@x.exam"),
        ("RCPT TO", None),
        ("DATA", None),
    ],
)
def test_a_path_is_found(command: str, path: str | None) -> None:
    assert path_in(command) == path


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("ann@x.example", "ann@x.example"),
        (" <ann@x.example> ", "ann@x.example"),
        ("rfc822;ann@x.example", "ann@x.example"),
        ("RFC822; Ann <ann@x.example>", "ann@x.example"),
        ("utf-8; zo\\x{EB}@x.example", "zoë@x.example"),
        ("utf-8; \\x{D800}@x.example", "\\x{D800}@x.example"),
        ("rfc822; ann+40x.example", "ann@x.example"),
        ("ann+tag@x.example", "ann+tag@x.example"),
        ('rfc822; "ann b"@x.example', '"ann b"@x.example'),
        ('"a;b"@x.example', '"a;b"@x.example'),
        ("ann b@x.example", ""),
        ("undisclosed", ""),
        ("", ""),
    ],
)
def test_an_address_is_bare(value: str, address: str) -> None:
    assert bare_address(value) == address

"""The address of a command is found however it is written."""

from __future__ import annotations

import pytest

from smtpbook.logfile.path import path_in


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

"""Any file, folder or stream is told by its content and read as the event log."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

import smtpbook as sb
from smtpbook.errors import SMTPBookError

LINE = (
    "Nov 28 12:00:0{n} mx postfix/smtp[7]: 4F1: to=<ann{n}@example.org>, "
    "relay=mx.example.org[192.0.2.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\n"
)


def test_rotated_and_packed_files_are_read_from_the_oldest_on(tmp_path: Path) -> None:
    for name, n in (("mail.log", 4), ("mail.log.1", 3), ("mail.log.2.gz", 2)):
        text = LINE.format(n=n).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if ".gz" in name else text)
    log = sb.read_log(tmp_path, year=2025)
    assert [name[3] for name in log["recipient"]] == ["2", "3", "4"]
    assert log.attrs["read"]["lines"] == log.attrs["read"]["matched"] == 3


def test_what_nobody_understands_is_counted_and_shown() -> None:
    log = sb.read_log(io.BytesIO(LINE.format(n=1).encode() + b"\xff\x00 nonsense\n"))
    assert log.attrs["read"]["skipped"] == 1
    assert log.attrs["read"]["examples"] == [r"\xff\x00 nonsense"]


def test_a_misspelt_format_gets_the_near_miss() -> None:
    with pytest.raises(SMTPBookError, match="did you mean 'postfix'"):
        sb.read_log(io.BytesIO(), format="postfx")

"""Any file, folder or stream is told by its content and read as the event log."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

import smtpbook as sb
from smtpbook import progress
from smtpbook.errors import SMTPBookError
from smtpbook.events import SCHEMA
from smtpbook.formats import read as module
from smtpbook.formats.registry import FORMATS, format_of
from smtpbook.log.frame import to_frame
from smtpbook.samples import share_path
from tests.log.story import day

LOGS = share_path("data") / "logs"
LINE = (
    "Nov 28 12:00:0{n} mx postfix/smtp[7]: 4F1: to=<ann{n}@example.org>, "
    "relay=mx.example.org[192.0.2.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok)\n"
)


@pytest.mark.parametrize("name", ["postfix", "exim", "sendmail", "opensmtpd", "aiosmtpd"])
def test_a_sample_is_told_by_its_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes((LOGS / f"{name}.log").read_bytes())
    log = sb.read_log(path)
    assert log["source"].unique().tolist() == [name]
    assert {column: str(dtype) for column, dtype in log.dtypes.items()} == {
        c.name: c.dtype for c in SCHEMA
    }
    pd.testing.assert_frame_equal(sb.read_log(path, name), log)


def test_every_format_has_the_name_it_is_registered_under() -> None:
    assert [format_of(name).name for name in FORMATS] == list(FORMATS)


def test_rotated_and_packed_files_are_read_from_the_oldest_on(tmp_path: Path) -> None:
    for name, n in (("mail.log", 4), ("mail.log.1", 3), ("mail.log.2.gz", 2)):
        text = LINE.format(n=n).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if ".gz" in name else text)
    for named in (tmp_path, str(tmp_path / "mail*"), sorted(tmp_path.iterdir())[::-1]):
        log = sb.read_log(named, year=2025)
        assert [name[3] for name in log["recipient"]] == ["2", "3", "4"]
        assert log.attrs["read"] == {
            **{"rows": 3, "lines": 3, "matched": 3, "skipped": 0, "cut": 0},
            "examples": [],
            "files": [
                {"name": str(tmp_path / name), "format": "postfix", "lines": 1}
                for name in ("mail.log.2.gz", "mail.log.1", "mail.log")
            ],
        }


def test_a_message_goes_on_in_the_next_file(tmp_path: Path) -> None:
    sender = (
        "Nov 28 12:00:00 mx postfix/qmgr[1]: 4F1: from=<bob@example.org>, size=7, nrcpt=1"
    )
    (tmp_path / "mail.log.1").write_text(sender + "\n")
    (tmp_path / "mail.log").write_text(LINE.format(n=1))
    assert sb.read_log(tmp_path)["reverse_path"].tolist() == ["bob@example.org"]


def test_the_year_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_text(LINE.format(n=1))
    os.utime(path, (1609459200, 1609459200))  # 2021-01-01
    assert sb.read_log(path)["time"].dt.year.tolist() == [2020]
    assert sb.read_log(path, year=2018)["time"].dt.year.tolist() == [2018]


def test_a_zone_can_be_given(tmp_path: Path) -> None:
    line = io.BytesIO(LINE.format(n=1).encode())
    log = sb.read_log(line, year=2026, time_zone="Europe/Berlin")
    assert str(log["time"][0]) == "2026-11-28 11:00:01+00:00"
    with pytest.raises(SMTPBookError, match="did you mean 'Europe/Berlin'"):
        sb.read_log(line, time_zone="Europe/Berln")


def test_what_nobody_understands_is_counted_and_shown() -> None:
    log = sb.read_log(io.BytesIO(LINE.format(n=1).encode() + b"\xff\x00 nonsense\n"))
    assert log.attrs["read"]["skipped"] == 1
    assert log.attrs["read"]["examples"] == [r"\xff\x00 nonsense"]


def test_the_last_line_may_be_cut(tmp_path: Path) -> None:
    text = LINE.format(n=1) + LINE.format(n=2)[:100]
    read = sb.read_log(io.StringIO(text)).attrs["read"]
    assert (read["rows"], read["lines"], read["skipped"]) == (1, 2, 1)


def test_standard_input_is_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = io.BytesIO(gzip.compress(LINE.format(n=1).encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(octets))
    log = sb.read_log("-")
    assert log.attrs["read"]["files"] == [
        {"name": "standard input", "format": "postfix", "lines": 1}
    ]


def test_files_of_other_programs_in_a_folder_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_text(LINE.format(n=1))
    (tmp_path / "dpkg.log").write_text("2026-11-28 12:00:00 status installed x\n")
    (tmp_path / "empty.log").write_text("")
    (tmp_path / "exim.log").write_bytes((LOGS / "exim.log").read_bytes())
    log = sb.read_log(tmp_path)
    assert log["source"].value_counts().to_dict() == {"exim": 12, "postfix": 1}
    assert {Path(f["name"]).name: f["format"] for f in log.attrs["read"]["files"]} == {
        **{"dpkg.log": None, "empty.log": None},
        **{"exim.log": "exim", "mail.log": "postfix"},
    }


def test_event_logs_of_our_own_stand_beside_others(tmp_path: Path) -> None:
    ours = to_frame(day(3))
    path = sb.write_log(ours, tmp_path / "one.parquet")
    for named in (path, tmp_path):
        pd.testing.assert_frame_equal(sb.read_log(named), ours)
    (tmp_path / "mail.log").write_text(LINE.format(n=1))
    for both in ([path, tmp_path / "mail.log"], tmp_path):
        log = sb.read_log(both)
        assert len(log) == len(ours) + 1
        formats = {one["format"] for one in log.attrs["read"]["files"]}
        assert formats == {"parquet", "postfix"}
    with pytest.raises(SMTPBookError, match="cannot be read from a stream"):
        sb.read_log(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mail.log: is empty, which is no log format that can be read; looked for: "),
        (b"From MAILER-DAEMON Sat\nX: y\n", "bounces are read by read_bounces"),
        (b"Return-Path: <>\nX: y\n", "bounces are read by read_bounces"),
        (b'<?xml version="1.0"?>\n<feedback>', "are read by read_dmarc_reports"),
        (b"\x1b[31mfoo", r"mail.log: begins with '\\x1b\[31mfoo', .*Postfix, Exim"),
    ],
)
def test_what_is_no_log_is_said_with_what_was_looked_for(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(content)
    with pytest.raises(SMTPBookError, match=message):
        sb.read_log(path)
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(SMTPBookError, match="no file of it is a log that can be read"):
        sb.read_log(tmp_path)


def test_a_misspelt_format_gets_the_near_miss() -> None:
    with pytest.raises(SMTPBookError, match=r"did you mean 'postfix'.*parquet, arrows, "):
        sb.read_log(io.BytesIO(), format="postfx")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        sb.read_log(tmp_path / "nothing.log")
    with pytest.raises(FileNotFoundError, match="no file fits the pattern"):
        sb.read_log(str(tmp_path / "*.log"))
    (tmp_path / "mail.log").touch()
    with pytest.raises(
        FileNotFoundError, match=r"'\S*mail\.lgo'; did you mean 'mail\.log'"
    ):
        sb.read_log(tmp_path / "mail.lgo")


def test_a_long_file_shows_how_far_it_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, int]] = []

    class Display(progress.Silent):
        def update(self, done: int, counts: object) -> None:
            shown.append(("done", done))

        def close(self) -> None:
            shown.append(("closed", 0))

    def open_display(title: str, total: int) -> Display:
        shown.append((title, total))
        return Display()

    monkeypatch.setattr(module, "_LONG", 1)
    path = tmp_path / "mail.log"
    path.write_text(LINE.format(n=1) * 6_000)
    progress.use(open_display)
    try:
        sb.read_log(path)
        assert shown[0] == ("reading (MB)", 1)
        assert shown[-2:] == [("done", 1), ("closed", 0)]
        shown.clear()
        sb.read_log(path, progress=False)
        assert shown == []
    finally:
        progress.use(None)

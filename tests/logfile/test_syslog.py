"""Syslog's line is taken apart in each of its shapes."""

from __future__ import annotations

import pytest

from smtpbook.logfile.reading import Reading
from smtpbook.logfile.syslog import Syslog, Tag, program_of

NOON = 1795867200000000


def split(line: str) -> tuple[int, Tag, str] | None:
    return Syslog(Reading(year=2026), lambda tag: tag).split(line)


@pytest.mark.parametrize(
    "head",
    [
        "Nov 28 12:00:00 mx a/b[7]: ",
        "2026-11-28T12:00:00Z mx a/b[7]: ",
        "2026-11-28T13:00:00.000000+01:00 mx a/b[7]: ",
        "2026-11-28T13:00:00+0100 mx a/b[7]: ",
        "<22>Nov 28 12:00:00 mx a/b[7]: ",
        "<22>1 2026-11-28T12:00:00Z mx a/b 7 - - ",
        '<22>1 2026-11-28T12:00:00Z mx a/b 7 ID [x@1 y="z"] \ufeff',
        "Nov 28 12:00:00 mx a/b[7]: [ID 197553 mail.info] ",
    ],
)
def test_every_shape_says_when_who_and_what(head: str) -> None:
    assert split(f"{head}text: [1]: x") == (NOON, Tag("mx", "a/b", "7"), "text: [1]: x")
    assert program_of(head) == "a/b"


def test_a_program_may_come_without_its_process() -> None:
    assert split("Nov 28 12:00:00 mx exim: text [7]: x") == (
        NOON,
        Tag("mx", "exim", ""),
        "text [7]: x",
    )


def test_what_is_no_syslog_is_skipped() -> None:
    reading = Reading(year=2026)
    log = Syslog(reading, lambda tag: tag)
    lines = ["", "text", "Nov 31 12:00:00 mx a[7]: x", "2026-13-01T12:00:00Z mx a[7]: x"]
    assert list(log.read(lines)) == []
    assert reading.skips == 4


def test_what_is_not_wanted_is_skipped() -> None:
    reading = Reading(year=2026)
    log = Syslog(reading, lambda tag: tag.pid if tag.program == "a" else None)
    line = "Nov 28 12:00:00 mx {}[7]: x"
    found = log.read([line.format("a"), line.format("b"), line.format("a")])
    assert list(found) == [(NOON, "7", "x")] * 2
    assert reading.skips == 1

"""What a format makes of lines: its rows as dictionaries of the cells that are not null."""

from __future__ import annotations

from typing import Any

from smtpbook.events import COLUMNS
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.samples import share_path


def read(
    format: LogFormat, *lines: str, reading: Reading | None = None
) -> list[dict[str, Any]]:
    """Read lines; stamps without a year are of 2025."""
    rows = format.events(lines, reading or Reading(year=2025))
    return [
        {name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell is not None}
        for row in rows
    ]


def read_sample(format: LogFormat, name: str) -> tuple[list[dict[str, Any]], Reading]:
    """Read one of ``data/logs``; every line of it has to be understood."""
    reading = Reading(year=2025)
    text = (share_path("data") / "logs" / name).read_text("utf-8")
    lines = text.splitlines()
    reading.lines = len(lines)
    return read(format, *lines, reading=reading), reading


def told(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Give some cells of each row; of columns that are null, None."""
    return [tuple(row.get(name) for name in names) for row in rows]

"""The log explorer on a large log: first sight, each change of a filter, a page, an event.

    python -m tests.benchmarks.explorer [--events N] [--rounds N] [--folder PATH] [--json]

The widget itself is measured, without a browser, over a DataFrame and over Parquet: from a
change to the last message for the page.  Beside each change stands what pandas takes for
the code that the explorer shows for it, without a table or a count.  Seconds are CPU time
of the process, all threads together; elapsed time is given, too, and hangs on who else
computes.  Octets are those of the page's table, whatever the log's size.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from smtpbook.formats.read import read_log
from smtpbook.tables.scan import Log, scan_log
from smtpbook.widgets.log_explorer import LogExplorer, log_explorer
from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.tables import write_campaign

EVENTS: Final = 1_000_000
GOAL_S: Final = 0.5
_CHANGES: Final = (
    ("reply_code", "5"),
    ("reply_code", "250"),
    ("reason", "spam"),
    ("outcome", "rejected"),
    ("verb", "RCPT"),
    ("recipient", "person9"),
    ("recipient_domain", "domain3.example"),
    ("text", "queued as"),
)


def _timed(action: Callable[[], Any]) -> tuple[float, float]:
    cpu, began = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - began


def _least(rounds: int, action: Callable[[], Any], undo: Callable[[], Any]) -> Row:
    found = []
    for _ in range(rounds):
        found.append(_timed(action))
        undo()
    return {"CPU s": min(cpu for cpu, _ in found), "s": min(s for _, s in found)}


def _rows(name: str, log: Log, frame: pd.DataFrame, rounds: int) -> list[Row]:
    explorer = log_explorer(log)
    explorer.table.chosen = 2  # the libraries of the chart are there before
    row: dict[str, Any] = {"log": name}
    rows: list[Row] = []

    def add(what: str, action: Callable[[], Any], undo: Callable[[], Any]) -> None:
        figures = _least(rounds, action, undo)
        rows.append({**row, "what": what, **figures, "pandas CPU s": 0.0, "octets": 0})

    add("first sight", lambda: log_explorer(log), lambda: None)
    for field, value in _CHANGES:
        _change(explorer, field, value)
        code = explorer.code if isinstance(log, pd.DataFrame) else ""
        octets = len(repr(explorer.table.rows))
        _change(explorer, field, "")
        figures = _least(
            rounds,
            lambda f=field, v=value: _change(explorer, f, v),
            lambda f=field: _change(explorer, f, ""),
        )
        theirs = _timed(lambda c=code: exec(c, {"log": frame}))[0] if code else 0.0
        what = f"{field} {value}"
        rows.append(
            {**row, "what": what, **figures, "pandas CPU s": theirs, "octets": octets}
        )
    last = explorer.at.max
    at = explorer.at
    add(
        "the last page", lambda: setattr(at, "value", last), lambda: setattr(at, "value", 1)
    )
    table = explorer.table
    add(
        "an event", lambda: setattr(table, "chosen", 7), lambda: setattr(table, "chosen", 3)
    )
    return rows


def _change(explorer: LogExplorer, field: str, value: str) -> None:
    explorer.fields[field].value = value


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--events", type=int, default=EVENTS, help="default: %(default)s")
    options.add_argument("--folder", type=Path, help="keep the log there for next time")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (given.folder or Path(folder)) / f"log-{given.events}.parquet"
        if not path.exists():
            write_campaign(path, given.events)
        frame = read_log(path)
        rows = [
            *_rows("DataFrame", frame, frame, given.rounds),
            *_rows("Parquet", scan_log(path), frame, given.rounds),
        ]
    shown = [row for row in rows if row["what"] != "an event"]
    ratios = {
        f"part of {GOAL_S} s, CPU, the most of first sight, filters and pages": max(
            float(row["CPU s"]) for row in shown
        )
        / GOAL_S,
        "CPU of a filter beside pandas' for its code alone, all of a DataFrame": sum(
            float(row["CPU s"]) for row in rows if row["pandas CPU s"]
        )
        / sum(float(row["pandas CPU s"]) for row in rows),
        "octets of a page's table, the most": max(float(row["octets"]) for row in rows),
    }
    show(rows, ratios, as_json=given.json)


if __name__ == "__main__":
    main()

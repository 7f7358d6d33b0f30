"""Charts of a log too large to draw: what each costs beside drawing its replies as points.

    python -m tests.benchmarks.charts [--events N] [--rounds N] [--folder PATH] [--json]

The log is that of `tests.benchmarks.tables`.  Each chart is made and written as PNG in an
interpreter of its own, from a scan and, where it needs few columns, also from a DataFrame
that is there already.  The points are those of every reply, when it came and what it took,
coloured by severity, from a DataFrame that is there already as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks.memory import measure
from tests.benchmarks.output import parser, show
from tests.benchmarks.tables import EVENTS, write_campaign

# Which charts, and whether the DataFrame below has all they need.
_CHARTS: Final = {
    "plot_reply_codes": True,
    "plot_latency": True,
    "plot_timeline": True,
    "plot_throughput": True,
    "plot_sessions": False,
    "plot_domains": False,
    "plot_outcomes": False,
    "plot_retry_curve": False,
}
_COLUMNS: Final = (
    *("time", "session_id", "kind", "verb", "reply_code", "latency_s", "service_s"),
    *("outcome", "source", "bytes_sent", "recipient_domain"),
)
_PREPARE: Final = """
import io, time
import matplotlib
matplotlib.use("agg")
import pyarrow.parquet as pq
import smtpbook as sb
from matplotlib.figure import Figure
from smtpbook.log.frame import from_table, to_frame
from smtpbook.palette import SEVERITY_COLORS

ax = sb.plot_timeline(to_frame([]))  # fonts and libraries are there before
ax.figure.savefig(io.BytesIO(), format="png")
if given["is_scan"]:
    log = sb.scan_log(given["path"])
else:
    columns = given["columns"]
    texts = ["kind", "verb", "outcome", "source"]
    log = from_table(pq.read_table(given["path"], columns=columns, read_dictionary=texts))
    log = log[columns]
"""
_CHART: Final = """
began = time.process_time()
ax = getattr(sb, given["chart"])(log)
ax.figure.savefig(io.BytesIO(), format="png")
answer = time.process_time() - began
"""
_POINTS: Final = """
began = time.process_time()
replies = log[log["reply_code"].notna() & (log["kind"] != "outcome")]
ax = Figure(figsize=(8, 4)).subplots()
colors = (replies["reply_code"] // 100).map(SEVERITY_COLORS)
ax.scatter(replies["time"], replies["latency_s"], s=2, c=colors)
ax.set_yscale("log")
ax.figure.savefig(io.BytesIO(), format="png")
answer = time.process_time() - began
"""


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--events", type=int, default=EVENTS, help="default: %(default)s")
    options.add_argument("--folder", type=Path, help="keep the log there for next time")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = (given.folder or Path(name)) / f"log-{given.events}.parquet"
        if not path.exists():
            write_campaign(path, given.events)
        points = _cost(path, _POINTS, given.rounds, is_scan=False)
        rows: list[dict[str, str | float]] = [
            {"drawn": "every reply as a point", "of": "a DataFrame", **points}
        ]
        for chart, has_frame in _CHARTS.items():
            for is_scan in (True, False) if has_frame else (True,):
                cost = _cost(path, _CHART, given.rounds, is_scan=is_scan, chart=chart)
                of = "a scan" if is_scan else "a DataFrame"
                rows.append({"drawn": chart, "of": of, **cost})
    ratios = {
        f"part of the points' CPU time, {row['drawn']} of {row['of']}": float(row["CPU s"])
        / points["CPU s"]
        for row in rows[1:]
    }
    show(rows, ratios, as_json=given.json)


def _cost(path: Path, measured: str, rounds: int, **given: object) -> dict[str, float]:
    costs = [
        measure(_PREPARE, measured, path=str(path), columns=_COLUMNS, **given)
        for _ in range(rounds)
    ]
    return {
        "s": min(cost.elapsed_s for cost in costs),
        "CPU s": min(cost.answer for cost in costs),
        "MB": min(cost.growth_bytes for cost in costs) / 1e6,
    }


if __name__ == "__main__":
    main()

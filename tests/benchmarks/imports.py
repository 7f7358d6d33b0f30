"""What ``import smtpbook`` costs, beside the interpreter's bare start.

    python -m tests.benchmarks.imports [--rounds N] [--json]

Each round starts both programs, one after the other, in an interpreter of its own; the
figures are medians.  The last column names the heavy libraries that are loaded then.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Final

from tests.benchmarks.output import Row, parser, show
from tests.servers.process import ROOT

PROGRAMS: Final = {"bare interpreter": "pass", "import smtpbook": "import smtpbook"}
HEAVY: Final = (
    "IPython", "click", "ipywidgets", "jinja2", "matplotlib", "numpy", "pandas", "pyarrow",
    "rich", "trio", "trustme",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    given = parser(__doc__, rounds=20).parse_args()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(given.rounds):
        for name, code in PROGRAMS.items():
            started = time.perf_counter()
            _run(code)
            times[name].append(time.perf_counter() - started)
    bare, ours = (statistics.median(taken) for taken in times.values())
    rows: list[Row] = [
        {
            "program": name,
            "ms": statistics.median(times[name]) * 1000,
            "heavy libraries": " ".join(_heavy_after(code)) or "none",
        }
        for name, code in PROGRAMS.items()
    ]
    show(rows, {"import smtpbook to bare interpreter": ours / bare}, as_json=given.json)


def _heavy_after(code: str) -> list[str]:
    return _run(f"{code}\nimport sys\nprint(*sorted(sys.modules.keys() & {HEAVY}))").split()


def _run(code: str) -> str:
    """Run code in a new interpreter, from the checkout; give what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    main()

"""What a process that sends is, beside what it sends."""

from __future__ import annotations

import subprocess
import sys

from tests.servers.process import ROOT


def test_a_sender_loads_nothing_that_only_tables_and_charts_need() -> None:
    program = (
        "import sys, smtpbook.processes.sender, smtpbook.cluster.sender\n"
        "print({'scipy', 'duckdb', 'matplotlib', 'ipywidgets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"

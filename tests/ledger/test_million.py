"""A million recipients: memory does not grow with them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.servers.process import ROOT


@pytest.mark.heavy
@pytest.mark.side_by_side
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; run it on Linux")
def test_a_million_recipients_take_less_than_300_megabytes() -> None:
    program = [sys.executable, "-m", "tests.ledger.million"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    print(done.stdout)
    *_, last = done.stdout.splitlines()
    assert "'accepted': 500000" in last
    assert "'pending': 500000" in last
    grown = re.search(r"([\d,]+) MB more", last)
    assert grown is not None
    assert 0 < int(grown[1].replace(",", "")) < 300

"""Several open a campaign at once: one of them runs it, the others are turned away."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.servers.process import ROOT

pytestmark = pytest.mark.side_by_side


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.heavy)])
def test_of_three_starters_one_runs(rounds: int) -> None:
    program = [sys.executable, "-m", "tests.ledger.starters", "--rounds", str(rounds)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "ran": rounds,
        "refused": 2 * rounds,
        "one runner": rounds,
        "accepted": rounds,
    }

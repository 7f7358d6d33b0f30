"""Random faults for two minutes: sums right, nothing grows."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.servers.process import ROOT

pytestmark = pytest.mark.side_by_side
WRONG = ("lost", "twice", "false accepted", "taken unknown", "suppressed written to")


@pytest.mark.skipif(sys.platform != "linux", reason="counts files in Linux's /proc")
@pytest.mark.heavy
def test_whatever_the_line_and_the_server_do_sums_are_right_and_nothing_grows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign.soak", "--minutes", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert found["accepted"] > 0
    assert found["grown"]["memory"] < 20
    assert max(found["grown"][name] for name in ("files", "threads", "tasks")) <= 1

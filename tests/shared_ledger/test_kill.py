"""After any kill and any pause of a runner: nobody lost, nobody silently twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT

pytestmark = [
    pytest.mark.real_server,
    pytest.mark.side_by_side,
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork"),
]
WRONG = ("lost", "silent duplicates", "false accepted", "written late")


def kill(server: PostgreSQL, *arguments: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.shared_ledger.kill", *arguments],
        cwd=ROOT,
        env={**os.environ, "LEDGER_URL": server.url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.heavy)])
def test_nobody_is_lost_and_nobody_silently_written_to_twice(
    postgresql: PostgreSQL, rounds: int
) -> None:
    found = kill(postgresql, "--rounds", str(rounds))
    assert found.get("killed", 0) + found.get("fenced", 0) > rounds / 2
    assert {name: found.get(name, 0) for name in WRONG} == dict.fromkeys(WRONG, 0)


@pytest.mark.heavy
def test_a_ledger_that_does_not_hold_is_found_out(postgresql: PostgreSQL) -> None:
    """The harness has teeth."""
    found = kill(postgresql, "--rounds", "12", "--without", "intents")
    assert found["silent duplicates"] > 0

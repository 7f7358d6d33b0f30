"""After any kill and any power cut: nobody lost, nobody silently twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.servers.process import ROOT

pytestmark = [
    pytest.mark.side_by_side,
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /proc"),
]
needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="the power cut is made by a library gcc compiles"
)
WRONG = ("lost", "silent duplicates", "false accepted", "too many in doubt")


def kill(*arguments: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.kill", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("rounds", ["10", pytest.param("100", marks=pytest.mark.heavy)])
@pytest.mark.parametrize(
    "how",
    [
        [],
        pytest.param(["--cut"], marks=needs_gcc),
        pytest.param(["--tear"], marks=needs_gcc),
    ],
)
def test_nobody_is_lost_and_nobody_silently_written_to_twice(
    rounds: str, how: list[str]
) -> None:
    found = kill("--rounds", rounds, *how)
    assert found["kills"] > int(rounds) / 2
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


@pytest.mark.parametrize("without", ["intents", pytest.param("sync", marks=needs_gcc)])
@pytest.mark.heavy
def test_a_ledger_that_does_not_hold_is_found_out(without: str) -> None:
    """The harness has teeth."""
    found = kill("--rounds", "8", "--without", without)
    assert found["silent duplicates"] > 0

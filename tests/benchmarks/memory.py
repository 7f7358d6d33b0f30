"""What a piece of code costs in time and memory, in an interpreter of its own.

Memory is how far the process's resident set grew above what it was when the measured
part began: libraries are loaded before, and whatever the code keeps at its end is in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from tests.servers.process import ROOT

_PROGRAM: Final = """\
import json, re, resource, sys, time
from pathlib import Path

prepare, measured, given = json.load(sys.stdin)
names = {"given": given}

def resident(field):
    # Linux tells the peak since it was last asked to forget it; elsewhere there is only
    # that of the whole life (macOS gives it in octets).
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * int(re.search(rf"{field}:\\s+(\\d+)", status.read_text())[1])

exec(prepare, names)
if Path("/proc/self/clear_refs").exists():
    Path("/proc/self/clear_refs").write_text("5")
before, started = resident("VmRSS"), time.perf_counter()
exec(measured, names)
elapsed_s = time.perf_counter() - started
growth_bytes = resident("VmHWM") - before
print(json.dumps([elapsed_s, growth_bytes, names["answer"]]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the measured part took, and what it left in ``answer``."""

    elapsed_s: float
    growth_bytes: int
    answer: Any


def measure(prepare: str, measured: str, **given: object) -> Cost:
    """Run two pieces of Python one after the other and measure the second.

    Parameters
    ----------
    prepare, measured : str
        Both see ``given``, a dictionary; the second leaves something that JSON can write
        in ``answer``.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps([prepare, measured, given]),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=True,
    )
    elapsed_s, growth_bytes, answer = json.loads(done.stdout)
    return Cost(elapsed_s=elapsed_s, growth_bytes=growth_bytes, answer=answer)

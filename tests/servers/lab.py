"""The package's own lab server in a process of its own.

For measurements: a lab in the sender's process would share its interpreter, and the CPU
it takes would be booked on the sender.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.servers.process import ROOT, stop

# Ends with its standard input, so that it does not outlive a sender that was killed.
_SERVE: Final = """\
import sys
from smtpbook.lab.lab import Lab
with Lab(sys.argv[1], speed=float(sys.argv[2])) as lab:
    print(lab.port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def open_lab_process(scenario: str = "ordinary", *, speed: float = 1.0) -> Iterator[int]:
    """Run a lab server in a subprocess; give its port on 127.0.0.1.

    Raises
    ------
    RuntimeError
        It ended before it told its port; its traceback is on standard error.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, scenario, str(speed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise RuntimeError("the lab server did not start")
        yield int(port)
    finally:
        stop(process)

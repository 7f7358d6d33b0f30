"""Postfix's ``smtp-sink``: a server in C that takes every message and keeps none.

It offers PIPELINING, 8BITMIME and AUTH and answers at once, so what a benchmark against
it measures is the sender.  It is no model of a real server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.process import ServerMissing, free_ports, stop, wait_for_greeting


@contextmanager
def open_smtp_sink() -> Iterator[int]:
    """Run ``smtp-sink`` on a free port of 127.0.0.1; give the port.

    Raises
    ------
    ServerMissing
        It is not installed; it is part of Debian's package postfix.
    """
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
    if program is None:
        raise ServerMissing("no smtp-sink here: apt-get install postfix")
    (port,) = free_ports(1)
    # Root must name a user to become; 16 is the backlog.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [program, *user, "-4", f"127.0.0.1:{port}", "16"],
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_for_greeting(process, port)
        yield port
    finally:
        stop(process)

"""Postfix's ``smtp-sink``: a server in C that takes every message, and may keep them.

It offers PIPELINING, 8BITMIME and AUTH and answers at once, so what a benchmark against
it measures is the sender.  It is no model of a real server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerMissing, free_ports, stop, wait_for_greeting


@contextmanager
def open_smtp_sink(kept_in: Path | None = None) -> Iterator[int]:
    """Run ``smtp-sink`` on a free port of 127.0.0.1; give the port.

    Parameters
    ----------
    kept_in : Path, optional
        A folder into which it writes each message, as `recipients_in` reads them; it is
        made, in one that other users may enter.

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
    keep: list[str | Path] = []
    if kept_in is not None:
        kept_in.mkdir()
        kept_in.chmod(0o777)  # whoever it becomes is not its owner
        keep = ["-d", kept_in / "message-"]
    process = subprocess.Popen(
        [program, *user, *keep, "-4", f"127.0.0.1:{port}", "16"],
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_for_greeting(process, port)
        yield port
    finally:
        stop(process)


def recipients_in(kept_in: Path) -> list[str]:
    """Give the recipients of all that a sink took, as often as it took something."""
    texts = (path.read_text("latin-1") for path in kept_in.iterdir())
    given = re.compile(r"^X-Rcpt-Args: <(.+?)>", re.MULTILINE)
    return [address for text in texts for address in given.findall(text)]

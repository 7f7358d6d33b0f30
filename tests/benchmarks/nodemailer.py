"""Nodemailer as a program: installed into a temporary folder, asked over a pipe.

It is no part of the project and of nobody's environment; where npm or its registry is
missing, it is left out.
"""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.servers.process import ServerMissing

_PROGRAM: Final = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
const secure = given.ca === null ? { ignoreTLS: true }
                                 : { requireTLS: true, tls: { ca: given.ca } };
const transport = require("nodemailer").createTransport({
  host: given.host, port: given.port, name: given.name, secure: false, ...secure,
  pool: true, maxConnections: given.connections, maxMessages: Infinity });
const sent = given.to.map(to => transport.sendMail(
  { envelope: { from: given.from, to }, raw: given.raw }));
Promise.all(sent).then(() => transport.close());
"""


def send_with_node(given: dict[str, object]) -> None:
    """Send as `given` says; a message that is not accepted is an error.

    Raises
    ------
    ServerMissing
        There is no Node, or nodemailer cannot be installed.
    """
    folder = _installed()
    subprocess.run(
        ["node", "-e", _PROGRAM], input=json.dumps(given), text=True, cwd=folder, check=True
    )


@cache
def _installed() -> Path:
    """Install it once for this process; the folder goes when the process ends."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise ServerMissing("no npm here: apt-get install npm")
    folder = tempfile.mkdtemp(prefix="smtpbook-nodemailer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", folder, "nodemailer"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise ServerMissing(f"nodemailer cannot be installed: {done.stderr.strip()[-200:]}")
    return Path(folder)

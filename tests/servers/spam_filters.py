"""Debian's rspamd and SpamAssassin as private instances on loopback.

Each has rules as its package brings them, and a folder of its own for all it writes; the
machine's own filters and settings are not touched.  Neither asks the network: rspamd's
questions go to a port where nobody answers, spamd is told to stay local.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

from tests.servers.process import Server, ServerMissing, free_ports, poll
from tests.servers.unprivileged import as_user, make_folder

# Compiling rules takes seconds; all top-level domains, half a minute more.
_STARTS_WITHIN_S: Final = 120
_RSPAMD: Final = """\
.include "$CONFDIR/common.conf"
options {{
  filters = "chartable,dkim,regexp";
  url_tld = "{root}/tlds";
  disable_hyperscan = true;
  pidfile = "{root}/rspamd.pid";
  cache_file = "{root}/symbols.cache";
  hs_cache_dir = "{root}";
  tempdir = "{root}";
  control_socket = "{root}/control mode=0600";
  allow_raw_input = true;
  dns {{
    timeout = 0.01s;
    retransmits = 1;
    nameserver = ["127.0.0.1:{dns_port}"];
  }}
}}
logging {{
  type = "file";
  filename = "{root}/log";
  level = "error";
}}
worker "normal" {{
  bind_socket = "127.0.0.1:{port}";
  count = 1;
  mime = true;
}}
rbl {{ enabled = false; }}
surbl {{ enabled = false; }}
fuzzy_check {{ enabled = false; }}
asn {{ enabled = false; }}
rspamd_update {{ enabled = false; }}
"""


class _Filter(Server):
    """What both have in common."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (self.port,) = free_ports(1)

    def _spawn(self, command: list[str | Path]) -> None:
        output = self._root / "output"
        with output.open("w") as file:
            self._process = subprocess.Popen(
                command, text=True, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            poll(self._answers, self._process, what="answer", timeout_s=_STARTS_WITHIN_S)
        except (RuntimeError, TimeoutError) as exc:
            raise RuntimeError(f"{exc}\n{output.read_text()}") from exc

    def _answers(self) -> bool | None:
        raise NotImplementedError


class Rspamd(_Filter):
    """An rspamd that scans what it is given; made by `start`."""

    @classmethod
    def start(cls) -> Self:
        """Write a configuration, start it and wait until it answers.

        Raises
        ------
        ServerMissing
            It is not installed.
        RuntimeError
            It ended again; the message holds what it printed.
        """
        if not shutil.which("rspamd"):
            raise ServerMissing("no rspamd here: apt-get install rspamd")
        server = cls(make_folder("_rspamd", prefix="smtpbook-rspamd-"))
        return server._started(server._configure, server._run)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def _configure(self) -> None:
        (dns_port,) = free_ports(1)
        text = _RSPAMD.format(root=self._root, port=self.port, dns_port=dns_port)
        (self._root / "rspamd.conf").write_text(text)
        (self._root / "tlds").write_text("com\norg\nexample\n")

    def _run(self) -> None:
        # The machine's own additions are left out, and nothing of it is written to.
        folders = ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")
        self._spawn(
            [
                *as_user("_rspamd"),
                *("rspamd", "-f", "-c", self._root / "rspamd.conf"),
                *(f"--var={name}={self._root}" for name in folders),
            ]
        )

    def _answers(self) -> bool | None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("GET", "/ping")
            return connection.getresponse().read().startswith(b"pong") or None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class SpamAssassin(_Filter):
    """A spamd that listens at a port and at a socket; made by `start`.

    Attributes
    ----------
    socket : Path
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.socket = root / "spamd.sock"

    @classmethod
    def start(cls) -> Self:
        """Write a configuration, start it and wait until it answers.

        Raises
        ------
        ServerMissing
            It is not installed.
        RuntimeError
            It ended again; the message holds what it printed.
        """
        if not Path("/usr/sbin/spamd").exists():
            raise ServerMissing("no spamd here: apt-get install spamassassin spamd")
        server = cls(make_folder("debian-spamd", prefix="smtpbook-spamd-"))
        return server._started(server._configure, server._run)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"spamd://127.0.0.1:{self.port}"

    def _configure(self) -> None:
        site = self._root / "site"
        site.mkdir()
        # Which plugins there are; the rules themselves lie in /usr/share.
        for file in Path("/etc/spamassassin").glob("*.pre"):
            shutil.copy(file, site)
        (site / "local.cf").write_text("use_bayes 0\nuse_auto_welcomelist 0\n")

    def _run(self) -> None:
        self._spawn(
            [
                *as_user("debian-spamd"),
                *("/usr/sbin/spamd", "--local", "--nouser-config", "--syslog=stderr"),
                *("--max-children=2", f"--listen=127.0.0.1:{self.port}"),
                f"--listen={self.socket}",
                *(
                    "--configpath=/usr/share/spamassassin",
                    f"--siteconfigpath={self._root}/site",
                ),
            ]
        )

    def _answers(self) -> bool | None:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
                link.sendall(b"PING SPAMC/1.5\r\n\r\n")
                return b"PONG" in link.recv(512) or None
        except OSError:
            return None

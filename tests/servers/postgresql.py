"""Debian's PostgreSQL as a private server: own data, user and password, on loopback.

`PostgreSQL.start` makes a cluster in a temporary directory and runs ``postgres`` on it;
the machine's own clusters and ``/etc/postgresql`` are neither read nor touched.  What is
written there survives nothing: nothing is flushed to disk.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tests.servers.process import Server, ServerMissing, free_ports, poll, stop
from tests.servers.unprivileged import as_user, make_folder

USER: Final = "tester"
PASSWORD: Final = "se:cr/et@%1"
"""Every character that a URL must quote."""

_PROGRAMS: Final = "/usr/lib/postgresql"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # or it works beside what is measured
    "max_wal_size": "4GB",
    "wal_writer_delay": "10s",  # or what was not flushed is written all the same
    "logging_collector": "off",
}


class PostgreSQL(Server):
    """A running server; made by `start`, ended by `close` or at the end of ``with``.

    Attributes
    ----------
    port : int
        Of 127.0.0.1; logins need the password.
    """

    _programs: Path

    def __init__(self, root: Path) -> None:
        (self.port,) = free_ports(1)
        super().__init__(root)
        self._data = root / "data"
        self._log = root / "postgres.log"

    @classmethod
    def start(cls) -> PostgreSQL:
        """Make a cluster, start ``postgres`` and wait until it takes logins.

        Raises
        ------
        ServerMissing
            PostgreSQL is not installed.
        RuntimeError
            It ended again; the message holds its log.
        """
        found = sorted(Path(_PROGRAMS).glob("*/bin"), key=lambda path: float(path.parts[4]))
        if not any((folder / "postgres").exists() for folder in found):
            raise ServerMissing("no PostgreSQL here: apt-get install postgresql")
        server = cls(make_folder("postgres", prefix="smtpbook-postgresql-"))
        server._programs = found[-1]
        return server._started(server._initialise, server._run)

    def restart(self, *, crash: bool = False) -> None:
        """End it without regard to its clients, and start it again.

        A crash loses what it had not handed to the system; else the data stay.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        self._process.wait(20)
        self._run()

    def url(self, database: str = "postgres", *, password: str = PASSWORD) -> str:
        """Give the URL of a database, with the password in it."""
        return URL.create(
            "postgresql+psycopg",
            username=USER,
            password=password,
            host="127.0.0.1",
            port=self.port,
            database=database,
        ).render_as_string(hide_password=False)

    def _end(self, process: subprocess.Popen[str]) -> None:
        # SIGTERM alone waits for every client to leave.
        process.send_signal(signal.SIGINT)
        stop(process)

    def _initialise(self) -> None:
        password = self._root / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        subprocess.run(
            [
                *as_user("postgres"),
                self._programs / "initdb",
                f"--pgdata={self._data}",
                f"--username={USER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            cwd=self._root,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _run(self) -> None:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *as_user("postgres"),
                    self._programs / "postgres",
                    *("-D", self._data),
                    f"--port={self.port}",
                    *settings,
                ],
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            poll(self._is_ready, self._process, what="PostgreSQL", timeout_s=20)
        except (RuntimeError, TimeoutError) as exc:
            log_text = self._log.read_text("utf-8", "replace")
            raise RuntimeError(f"PostgreSQL did not start: {exc}\n{log_text}") from exc

    def _is_ready(self) -> bool | None:
        # What pg_ctl waits for: the eighth line (LOCK_FILE_LINE_PM_STATUS, pidfile.h).
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return (len(lines) > 7 and lines[7].strip() == "ready") or None

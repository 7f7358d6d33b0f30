"""Debian's MariaDB as a private server: own data, user and password, on loopback.

`MariaDB.start` makes a data directory in a temporary place and runs ``mariadbd`` on it;
the machine's own server and ``/etc/mysql`` are neither read nor touched.  What is written
there survives nothing: nothing is flushed to disk.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tests.servers.process import Server, ServerMissing, free_ports, poll
from tests.servers.unprivileged import as_user, make_folder

USER: Final = "tester"
PASSWORD: Final = "se:cr/et@%1"
"""Every character that a URL must quote."""
DATABASE: Final = "people"

_SERVER: Final = "/usr/sbin/mariadbd"
_INSTALL: Final = "/usr/bin/mariadb-install-db"
_INIT: Final = f"""\
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO '{USER}'@'127.0.0.1';
"""


class MariaDB(Server):
    """A running server; made by `start`, ended by `close` or at the end of ``with``.

    Attributes
    ----------
    port : int
        Of 127.0.0.1; logins need the password.
    """

    def __init__(self, root: Path) -> None:
        (self.port,) = free_ports(1)
        super().__init__(root)
        self._data = root / "data"
        self._log = root / "mariadb.log"

    @classmethod
    def start(cls) -> MariaDB:
        """Make a data directory, start ``mariadbd`` and wait until it takes logins.

        Raises
        ------
        ServerMissing
            MariaDB is not installed.
        RuntimeError
            It ended again; the message holds its log.
        """
        if not (Path(_SERVER).exists() and Path(_INSTALL).exists()):
            raise ServerMissing("no MariaDB here: apt-get install mariadb-server")
        server = cls(make_folder("mysql", prefix="smtpbook-mariadb-"))
        return server._started(server._initialise, server._run)

    def url(self, database: str = DATABASE, *, password: str = PASSWORD) -> str:
        """Give the URL of a database, with the password in it."""
        return URL.create(
            "mariadb+pymysql",
            username=USER,
            password=password,
            host="127.0.0.1",
            port=self.port,
            database=database,
        ).render_as_string(hide_password=False)

    def _initialise(self) -> None:
        subprocess.run(
            [
                *as_user("mysql"),
                _INSTALL,
                "--no-defaults",
                f"--datadir={self._data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            cwd=self._root,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        script = self._root / "init.sql"
        script.write_text(_INIT)
        script.chmod(0o644)

    def _run(self) -> None:
        self._process = subprocess.Popen(
            [
                *as_user("mysql"),
                _SERVER,
                "--no-defaults",
                f"--datadir={self._data}",
                f"--init-file={self._root / 'init.sql'}",
                f"--log-error={self._log}",
                f"--pid-file={self._root / 'pid'}",
                f"--socket={self._root / 'socket'}",
                f"--tmpdir={self._root}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=OFF",
            ],
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            poll(self._is_ready, self._process, what="MariaDB", timeout_s=20)
        except (RuntimeError, TimeoutError) as exc:
            raise RuntimeError(f"MariaDB did not start: {exc}\n{self._text()}") from exc

    def _is_ready(self) -> bool | None:
        return "ready for connections" in self._text() or None

    def _text(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

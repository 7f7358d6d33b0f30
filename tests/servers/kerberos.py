"""MIT's Kerberos as a private realm: a KDC on loopback, one user, one service.

`Kdc.start` makes a database in a temporary folder and runs ``krb5kdc`` on it; the machine's
own realm and ``/etc/krb5.conf`` are neither read nor touched, as long as what is in
`Kdc.environment` is set.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Final

from tests.servers.process import Server, ServerMissing, free_ports, poll
from tests.servers.unprivileged import as_user, make_folder

REALM: Final = "EXAMPLE.TEST"
USER: Final = "ann"
PASSWORD: Final = "tester"
HOST: Final = "mx.example.test"

_RUNS_AS: Final = "nobody"
_KDC: Final = Path("/usr/sbin/krb5kdc")
_CONFIGURATION: Final = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
# TCP only: it tells when the KDC is up
udp_preference_limit = 1
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
  database_name = {root}/principal
  key_stash_file = {root}/stash
}}
[domain_realm]
.example.test = {realm}
[kdcdefaults]
kdc_listen = ""
kdc_tcp_listen = 127.0.0.1:{port}
"""


class Kdc(Server):
    """A running realm; made by `start`, ended by `close` or at the end of ``with``.

    Attributes
    ----------
    environment : dict of str to str
        For the user, who has no ticket yet, and for the service `HOST`, who has its key.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (self._port,) = free_ports(1)
        self.environment = {
            "KRB5_CONFIG": str(root / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(root / "krb5.conf"),
            "KRB5_KTNAME": str(root / "keytab"),
            "KRB5CCNAME": str(root / "tickets"),
        }

    @classmethod
    def start(cls) -> Kdc:
        """Make a realm and run its KDC.

        Raises
        ------
        ServerMissing
            It is not installed.
        """
        if not _KDC.exists() or not Path("/usr/sbin/kadmin.local").exists():
            raise ServerMissing("no KDC here: apt-get install krb5-kdc krb5-admin-server")
        server = cls(make_folder(_RUNS_AS, prefix="smtpbook-kdc-"))
        return server._started(server._configure, server._run)

    def get_ticket(self) -> None:
        """Do what ``kinit`` does for the user, on this machine."""
        self._do("kinit", USER, told=PASSWORD)

    def _configure(self) -> None:
        (self._root / "krb5.conf").write_text(
            _CONFIGURATION.format(realm=REALM, port=self._port, root=self._root)
        )
        self._do("kdb5_util", "create", "-s", "-P", "master")
        for words in (
            f"addprinc -pw {PASSWORD} {USER}",
            f"addprinc -randkey smtp/{HOST}",
            f"ktadd smtp/{HOST}",
        ):
            self._do("kadmin.local", "-q", words)

    def _run(self) -> None:
        self._process = subprocess.Popen(
            [*as_user(_RUNS_AS), _KDC, "-n"],
            env={**os.environ, **self.environment},
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        poll(self._is_up, self._process, what="KDC", timeout_s=20)

    def _is_up(self) -> bool | None:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
        except ConnectionRefusedError:
            return None
        return True

    def _do(self, *words: str, told: str = "") -> None:
        done = subprocess.run(
            [*as_user(_RUNS_AS), *words],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment},
            cwd=self._root,
            input=f"{told}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or "while " in done.stderr:
            raise RuntimeError(f"{words[0]} failed: {done.stderr}{done.stdout}")

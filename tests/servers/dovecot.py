"""Debian's Dovecot as a private server: own configuration, maildir and log, on loopback.

`Dovecot.start` writes a configuration into a temporary directory and runs ``dovecot`` on
it; the machine's own Dovecot and ``/etc/dovecot`` are neither read nor touched.  Whatever
recipient LMTP is given, the mail ends up in one mailbox, which IMAP shows to `USER`.
Nothing listens but two ports of loopback, and no process of it runs as root.
"""

from __future__ import annotations

import grp
import imaplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.servers.process import Server, ServerMissing, free_ports, wait_for_greeting
from tests.servers.unprivileged import as_user, make_folder, who_runs

USER: Final = "reader"
PASSWORD: Final = "tester"

_RUNS_AS: Final = "dovecot"
_PROGRAM: Final = Path("/usr/sbin/dovecot")
_PARTS: Final = Path("/usr/lib/dovecot")
# As the documentation of 2.3 has it for an installation without root: every user is the
# one who runs it, and nothing changes its root directory.
_CONFIGURATION: Final = """\
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = no
disable_plaintext_auth = no
# Any address may be delivered to; where the mail goes, no part of it says.
auth_username_chars =
mail_location = maildir:{root}/mail
mail_fsync = never
first_valid_uid = {uid}
first_valid_gid = {gid}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = user={reader} home={root} uid={uid} gid={gid} allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
"""


class Dovecot(Server):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``.

    Attributes
    ----------
    lmtp_port : int
        Takes mail for any recipient (RFC 2033).
    imap_port : int
        Shows it to `USER`, whose password is `PASSWORD`.
    """

    host: Final = "127.0.0.1"

    def __init__(self, root: Path) -> None:
        self.lmtp_port, self.imap_port = free_ports(2)
        super().__init__(root)
        self._log = root / "dovecot.log"

    @classmethod
    def start(cls) -> Dovecot:
        """Write a configuration, start ``dovecot`` and wait for its greeting.

        Raises
        ------
        ServerMissing
            Dovecot or a part of it is not installed, or it is not version 2.3.
        RuntimeError
            It ended again; the message holds its log.
        """
        needed = (_PROGRAM, _PARTS / "imap", _PARTS / "lmtp")
        if not all(program.exists() for program in needed):
            raise ServerMissing(
                "no Dovecot here: apt-get install dovecot-core dovecot-imapd dovecot-lmtpd"
            )
        version = subprocess.check_output([_PROGRAM, "--version"], text=True).split()[0]
        if not version.startswith("2.3."):
            raise ServerMissing(
                f"Dovecot {version} here; the configuration is for 2.3 (Debian 12)"
            )
        server = cls(make_folder(_RUNS_AS, prefix="smtpbook-dovecot-"))
        return server._started(server._configure, server._run)

    @contextmanager
    def inbox(self) -> Iterator[imaplib.IMAP4]:
        """Log in and open the mailbox; its messages are in the order of delivery."""
        with imaplib.IMAP4(self.host, self.imap_port) as imap:
            imap.login(USER, PASSWORD)
            imap.select("INBOX", readonly=True)
            yield imap

    def log_text(self) -> str:
        """Give Dovecot's log as it stands."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def _configure(self) -> None:
        user = who_runs(_RUNS_AS)
        (self._root / "dovecot.conf").write_text(
            _CONFIGURATION.format(
                root=self._root,
                user=user.pw_name,
                group=grp.getgrgid(user.pw_gid).gr_name,
                uid=user.pw_uid,
                gid=user.pw_gid,
                reader=USER,
                password=PASSWORD,
                imap_port=self.imap_port,
                lmtp_port=self.lmtp_port,
            )
        )

    def _run(self) -> None:
        # -F: stay ours, in the foreground.
        self._process = subprocess.Popen(
            [*as_user(_RUNS_AS), _PROGRAM, "-F", "-c", self._root / "dovecot.conf"],
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            wait_for_greeting(self._process, self.lmtp_port)
        except (RuntimeError, TimeoutError) as exc:
            raise RuntimeError(f"Dovecot did not start: {exc}\n{self.log_text()}") from exc

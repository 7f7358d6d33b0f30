"""Debian's Postfix as a private server: own configuration, queue and log, on loopback.

`Postfix.start` writes a configuration into a temporary directory and runs ``master`` on
it; the machine's own Postfix, if one is set up, is neither read nor touched.  Mail for
``mailbox.example`` is accepted and delivered into one maildir, mail for anything else is
refused, and so are the addresses of `REFUSED`.  Nothing asks the DNS, nothing leaves the
machine.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

import trustme

from tests.servers.process import (
    Server,
    ServerMissing,
    free_ports,
    poll,
    wait_for_greeting,
)

DOMAIN: Final = "mailbox.example"
REFUSED: Final = {
    f"gone@{DOMAIN}": "550 5.1.1 No such mailbox",
    f"full@{DOMAIN}": "452 4.2.2 Mailbox is full",
}
"""Recipients refused, and the reply each of them draws."""
MAX_MESSAGE_BYTES: Final = 200_000
"""What EHLO's SIZE says (RFC 1870)."""

_DAEMONS: Final = Path("/usr/lib/postfix/sbin")
_MAIN_CF: Final = """\
compatibility_level = 3.6
config_directory = {root}/etc
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/mail.log
maillog_file_prefixes = {root}
myhostname = postfix.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
default_transport = error:5.4.4 this server relays nothing
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:{root}/etc/access
message_size_limit = {max_bytes}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {root}/etc/server.pem
# A short queue ID is an inode number, which the next message may get again.
enable_long_queue_ids = yes
# A pause of a second whenever mail comes in faster than it is delivered.
in_flow_delay = 0
"""
_MASTER_CF: Final = """\
127.0.0.1:{port}     inet  n - n - - smtpd
127.0.0.1:{tls_port} inet  n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup   unix       n - n - 0     cleanup
qmgr      unix       n - n 300 1   qmgr
tlsmgr    unix       - - n 1000? 1 tlsmgr
rewrite   unix       - - n - -     trivial-rewrite
bounce    unix       - - n - 0     bounce
defer     unix       - - n - 0     bounce
trace     unix       - - n - 0     bounce
proxymap  unix       - - n - -     proxymap
error     unix       - - n - -     error
retry     unix       - - n - -     error
virtual   unix       - n n - -     virtual
anvil     unix       - - n - 1     anvil
postlog   unix-dgram n - n - 1     postlogd
"""
_QUEUES: Final = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
    "private", "saved", "trace",
)  # fmt: skip
_MESSAGE_ID: Final = re.compile(r"postfix/cleanup\[\d+\]: (\w+): message-id=(<.*>)$", re.M)
_SENT: Final = re.compile(r"postfix/virtual\[\d+\]: (\w+): to=<.*status=sent", re.M)


class Postfix(Server):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``.

    Attributes
    ----------
    port : int
        Speaks SMTP and offers STARTTLS.
    tls_port : int
        Speaks TLS from the first byte.
    ca_file : Path
        The authority (PEM) that vouches for ``localhost`` and ``127.0.0.1``.
    maildir : Path
        Where everything accepted ends up.
    """

    host: Final = "127.0.0.1"

    def __init__(self, root: Path) -> None:
        self.port, self.tls_port = free_ports(2)
        self.ca_file = root / "ca.pem"
        self.maildir = root / "mail" / "inbox"
        super().__init__(root)
        self._log = root / "mail.log"

    @classmethod
    def start(cls) -> Postfix:
        """Write a configuration, start ``master`` and wait for its greeting.

        Raises
        ------
        ServerMissing
            Postfix is not installed, or we are not root.
        RuntimeError
            It ended again; the message holds its log.
        """
        if not (_DAEMONS / "master").exists():
            raise ServerMissing("no Postfix here: apt-get install postfix, run as root")
        if os.geteuid() != 0:
            raise ServerMissing("Postfix's master process must be started by root")
        # pytest's own temporary directories are closed to the user postfix.
        root = Path(tempfile.mkdtemp(prefix="smtpbook-postfix-"))
        root.chmod(0o755)
        server = cls(root)
        return server._started(server._configure, server._run)

    def log_text(self) -> str:
        """Give Postfix's log as it stands."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def wait_for_log(self, pattern: str, *, timeout_s: float = 20) -> re.Match[str]:
        """Wait until a line of the log matches; ``^`` and ``$`` are a line's ends.

        Raises
        ------
        TimeoutError
            No such line came within `timeout_s` seconds.
        """
        search = re.compile(pattern, re.M).search
        assert self._process is not None
        return poll(
            lambda: search(self.log_text()),
            self._process,
            what=f"log line like {pattern!r}",
            timeout_s=timeout_s,
        )

    def accepted(self) -> list[tuple[str, str]]:
        """Give Message-ID and queue ID of each message taken, in the order of the log."""
        found = _MESSAGE_ID.findall(self.log_text())
        return [(message_id, queue_id) for queue_id, message_id in found]

    def wait_delivered(self, queue_ids: Collection[str], *, timeout_s: float = 60) -> None:
        """Wait until the log says ``status=sent`` for each of these queue IDs.

        Raises
        ------
        TimeoutError
            Some were not delivered within `timeout_s` seconds.
        """
        wanted = set(queue_ids)
        assert self._process is not None
        poll(
            lambda: wanted <= set(_SENT.findall(self.log_text())) or None,
            self._process,
            what=f"delivery of all {len(wanted)} messages",
            timeout_s=timeout_s,
        )

    def _configure(self) -> None:
        root, nobody = self._root, pwd.getpwnam("nobody")
        for name in ("etc", "data", "mail", "queue"):
            (root / name).mkdir()
        _write_certificates(root)
        (root / "etc" / "main.cf").write_text(
            _MAIN_CF.format(
                root=root,
                domain=DOMAIN,
                uid=nobody.pw_uid,
                gid=nobody.pw_gid,
                max_bytes=MAX_MESSAGE_BYTES,
            )
        )
        (root / "etc" / "master.cf").write_text(
            _MASTER_CF.format(port=self.port, tls_port=self.tls_port)
        )
        access = "".join(f"{address} {reply}\n" for address, reply in REFUSED.items())
        (root / "etc" / "access").write_text(access)
        shutil.chown(root / "mail", "nobody")
        shutil.chown(root / "data", "postfix")
        # Owners and modes of /etc/postfix/postfix-files; `postfix start` would set them.
        queue = root / "queue"
        (queue / "pid").mkdir()
        for name in _QUEUES:
            (queue / name).mkdir(mode=0o700)
            shutil.chown(queue / name, "postfix")
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            (queue / name).mkdir()
            (queue / name).chmod(mode)
            shutil.chown(queue / name, "postfix", "postdrop")

    def _run(self) -> None:
        # -d: stay ours, in the foreground; -e: should the tests be killed, end all the
        # same after an hour.  On SIGTERM master ends its process group, hence a new one.
        self._process = subprocess.Popen(
            [_DAEMONS / "master", "-d", "-e", "3600", "-c", self._root / "etc"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            wait_for_greeting(self._process, self.port)
        except (RuntimeError, TimeoutError) as exc:
            raise RuntimeError(f"Postfix did not start: {exc}\n{self.log_text()}") from exc


def _write_certificates(root: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(root / "ca.pem")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(root / "etc" / "server.pem")

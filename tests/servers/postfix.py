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
import tempfile
from pathlib import Path
from typing import Final

from tests.servers.dovecot import MECHANISMS
from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    REFUSED,
    REFUSED_SENDER,
    SENDER_REFUSAL,
    USER,
    MailServer,
)
from tests.servers.process import ServerMissing

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
smtpd_sender_restrictions = check_sender_access texthash:{root}/etc/senders
smtpd_recipient_restrictions = check_recipient_access texthash:{root}/etc/recipients
message_size_limit = {max_bytes}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {root}/etc/server.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = {has_login}
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_sasl_security_options = noanonymous
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


class Postfix(MailServer):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``."""

    mechanisms = MECHANISMS

    _delivery = re.compile(r"postfix/virtual\[\d+\]: (\w+): to=<(.*?)>.*status=sent")

    @classmethod
    def start(cls, *, auth_port: int | None = None) -> Postfix:
        """Write a configuration, start ``master`` and wait for its greeting.

        Parameters
        ----------
        auth_port : int, optional
            Of a Dovecot that checks passwords; None = AUTH is not offered.

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
        return server._started(lambda: server._configure(auth_port), server._run)

    def login_line(self, mechanism: str) -> str:
        """Give a pattern for what the log says of a message sent after a login."""
        return rf"sasl_method={mechanism}, sasl_username={USER}$"

    def _configure(self, auth_port: int | None) -> None:
        root, nobody = self._root, pwd.getpwnam("nobody")
        for name in ("etc", "data", "mail", "queue"):
            (root / name).mkdir()
        self._write_certificates(root / "etc" / "server.pem")
        (root / "etc" / "main.cf").write_text(
            _MAIN_CF.format(
                root=root,
                domain=DOMAIN,
                uid=nobody.pw_uid,
                gid=nobody.pw_gid,
                max_bytes=MAX_MESSAGE_BYTES,
                has_login="no" if auth_port is None else "yes",
                auth_port=auth_port or 0,
            )
        )
        (root / "etc" / "master.cf").write_text(
            _MASTER_CF.format(port=self.port, tls_port=self.tls_port)
        )
        refused = "".join(f"{address} {reply}\n" for address, reply in REFUSED.items())
        (root / "etc" / "recipients").write_text(refused)
        (root / "etc" / "senders").write_text(f"{REFUSED_SENDER} {SENDER_REFUSAL}\n")
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
        # same after an hour.
        self._spawn([_DAEMONS / "master", "-d", "-e", "3600", "-c", self._root / "etc"])

"""Debian's Dovecot as a private server: own configuration, maildir and log, on loopback.

`Dovecot` takes mail by LMTP, for any recipient, and shows each their mailbox by IMAP.
`Submission` takes mail from `USER` and hands it to
another server at once, reply for reply, before it answers.  Each writes a configuration
into a temporary directory and runs ``dovecot`` on it; the machine's own Dovecot and
``/etc/dovecot`` are neither read nor touched.  Nothing listens but ports of loopback and a
socket in that directory, and no process of it runs as root.
"""

from __future__ import annotations

import grp
import imaplib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from smtpbook.accounts.account import Account
from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    PASSWORD,
    REFUSED,
    USER,
    Copy,
    MailServer,
    mails,
)
from tests.servers.process import ServerMissing, free_ports
from tests.servers.unprivileged import as_user, make_folder, who_runs

MECHANISMS: Final = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
"""By which its authentication service checks passwords, for itself and for Postfix."""

_RUNS_AS: Final = "dovecot"
_PROGRAM: Final = Path("/usr/sbin/dovecot")
_PARTS: Final = Path("/usr/lib/dovecot")
# As the documentation of 2.3 has it for an installation without root: every user is the
# one who runs it, and nothing changes its root directory.
_CONFIGURATION: Final = """\
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/mail.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.pem
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = {mechanisms}
# Any address may be delivered to; the folder of its mail is named after it.
auth_username_chars =
mail_location = maildir:{root}/mail/%u
mail_fsync = never
first_valid_uid = {uid}
first_valid_gid = {gid}
passdb {{
  driver = static
  args = password={password}
}}
# One line of the file is for anybody, but for those named.
userdb {{
  driver = passwd-file
  args = username_format=%{{if;%u;~;^({refused})$;%u;anybody}} {root}/users
}}
service anvil {{
  chroot =
  # Logins would wait for seconds after somebody's wrong password.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""
_LMTP: Final = """\
protocols = imap lmtp
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = count:of the mailbox
  quota_vsizes = yes
}}
quota_full_tempfail = yes
service auth {{
  inet_listener {{
    port = {auth_port}
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
  inet_listener lmtps {{
    port = {tls_port}
    ssl = yes
  }}
  unix_listener {root}/lmtp {{
    mode = 0666
  }}
}}
"""
_SUBMISSION: Final = """\
protocols = submission
submission_max_mail_size = {max_bytes}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


class _Instance(MailServer):
    """What both have in common."""

    has_smtputf8 = False

    _needed: ClassVar[tuple[str, ...]]
    _packages: ClassVar[str]
    _services: ClassVar[str]

    @classmethod
    def _new(cls) -> Self:
        if not all((_PARTS / part).exists() for part in cls._needed):
            raise ServerMissing(f"no such Dovecot here: apt-get install {cls._packages}")
        version = subprocess.check_output([_PROGRAM, "--version"], text=True).split()[0]
        if not version.startswith("2.3."):
            raise ServerMissing(
                f"Dovecot {version} here; the configuration is for 2.3 (Debian 12)"
            )
        return cls(make_folder(_RUNS_AS, prefix="smtpbook-dovecot-"))

    def _settings(self) -> dict[str, object]:
        return {"port": self.port, "tls_port": self.tls_port}

    def _configure(self) -> None:
        user = who_runs(_RUNS_AS)
        settings: dict[str, object] = {
            "root": self._root,
            "user": user.pw_name,
            "group": grp.getgrgid(user.pw_gid).gr_name,
            "uid": user.pw_uid,
            "gid": user.pw_gid,
            "password": PASSWORD,
            "mechanisms": " ".join(MECHANISMS).lower(),
            "max_bytes": MAX_MESSAGE_BYTES,
            "refused": "|".join(REFUSED),
        }
        text = (_CONFIGURATION + self._services).format(**settings, **self._settings())
        (self._root / "dovecot.conf").write_text(text)
        # There is no line for gone@.
        place = f"{user.pw_uid}:{user.pw_gid}::{self._root}::"
        (self._root / "users").write_text(
            f"anybody::{place}\nfull@{DOMAIN}::{place}userdb_quota_rule=*:bytes=1\n"
        )
        self._write_certificates(self._root / "server.pem")

    def _run(self) -> None:
        # -F: stay ours, in the foreground.
        config = self._root / "dovecot.conf"
        command: list[str | Path] = [*as_user(_RUNS_AS), _PROGRAM, "-F", "-c", config]
        self._spawn(command, cwd=self._root)


class Dovecot(_Instance):
    """An instance that takes mail by LMTP, from anybody; made by `start`.

    Attributes
    ----------
    socket : Path
        The same as `port`, without TCP.
    imap_port, imaps_port : int
        Show a recipient's mail, the second under TLS from the first octet; the password is
        `PASSWORD`.
    auth_port : int
        Where another server has passwords checked.
    """

    refuses_senders = False
    has_size = False
    size_code = 555

    _needed = ("imap", "lmtp")
    _packages = "dovecot-core dovecot-imapd dovecot-lmtpd"
    _services = _LMTP
    # ":R" and a number, behind the transaction's name, are the recipient's.
    _saved = re.compile(
        r" lmtp\((.*?)\)<\d+><(.*?)(?::R\d+)?>: Info: msgid=.*: saved mail to INBOX"
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.imap_port, self.imaps_port, self.auth_port = free_ports(3)
        self.socket = root / "lmtp"

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
        server = cls._new()
        return server._started(server._configure, server._run)

    def account(self, **changes: Any) -> Account:
        """Give the way in, by LMTP."""
        return super().account(**{"protocol": "lmtp"} | changes)

    def deliveries(self) -> list[tuple[str, str]]:
        """Give transaction and recipient of everything that the log says was delivered."""
        return [(name, to) for to, name in self._saved.findall(self.log_text())]

    def copies(self) -> Iterator[Copy]:
        """Give what stands in the mailboxes."""
        for maildir in (self._root / "mail").iterdir():
            for data in mails(maildir):
                yield Copy.read(data, recipient=maildir.name)

    @contextmanager
    def inbox(self, recipient: str) -> Iterator[imaplib.IMAP4]:
        """Log in and open a mailbox; its messages are in the order of delivery."""
        with imaplib.IMAP4(self.host, self.imap_port) as imap:
            imap.login(recipient, PASSWORD)
            imap.select("INBOX", readonly=True)
            yield imap

    def _settings(self) -> dict[str, object]:
        ports = {"imap_port": self.imap_port, "imaps_port": self.imaps_port}
        return super()._settings() | ports | {"auth_port": self.auth_port}


class Submission(_Instance):
    """An instance that takes mail from `USER` for another server; made by `start`."""

    mechanisms = MECHANISMS

    _needed = ("submission",)
    _packages = "dovecot-core dovecot-submissiond"
    _services = _SUBMISSION

    _relay: MailServer

    @classmethod
    def start(cls, relay: MailServer) -> Submission:
        """Write a configuration, start ``dovecot`` and wait for its greeting.

        Parameters
        ----------
        relay : MailServer
            Who gets the mail; what was delivered, its log and its mailboxes say.

        Raises
        ------
        ServerMissing
            Dovecot or a part of it is not installed, or it is not version 2.3.
        RuntimeError
            It ended again; the message holds its log.
        """
        server = cls._new()
        server._relay = relay
        return server._started(server._configure, server._run)

    def account(self, **changes: Any) -> Account:
        """Give the way in, with a login: nobody else may send."""
        login = {"username": USER, "password": PASSWORD}
        return super().account(**login | changes)

    def login_line(self, mechanism: str) -> str:
        """Give a pattern for what the log says of a login by this mechanism."""
        return rf"submission-login: Info: Login: user=<{USER}>, method={mechanism},"

    def deliveries(self) -> list[tuple[str, str]]:
        """Give queue ID and recipient of everything that the relay says it delivered."""
        return self._relay.deliveries()

    def copies(self) -> Iterator[Copy]:
        """Give what stands in the relay's mailboxes."""
        return self._relay.copies()

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"relay_port": self._relay.port}

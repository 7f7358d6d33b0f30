"""Debian's Exim as a private server: unpacked, in a root directory of its own.

`Exim.start` unpacks the package and runs its daemon there; see `unpacked`.  Everything
accepted is delivered at once into one maildir, a copy for each recipient.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    PASSWORD,
    REFUSED,
    REFUSED_SENDER,
    SENDER_REFUSAL,
    USER,
)
from tests.servers.unpacked import UnpackedServer, in_root, unpack

PICKY: Final = f"picky@{DOMAIN}"
"""Refuses every message once it has seen it, if the message came with PRDR."""
_RUNS_AS: Final = "Debian-exim"
_UID: Final = 64911
# Below "MY_NAME = value" lines, which are macros; everything else stands as it is.
_CONFIGURATION: Final = r"""
primary_hostname = exim.example
keep_environment =
daemon_smtp_ports = MY_PORT : MY_TLS_PORT
tls_on_connect_ports = MY_TLS_PORT
local_interfaces = 127.0.0.1
log_file_path = /log/%slog
print_topbitchars
message_size_limit = MY_MAX_MESSAGE_BYTES
# After ten messages of a connection, the next would wait for a queue runner.
smtp_accept_queue_per_connection = 0
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable
tls_advertise_hosts = *
tls_certificate = /etc/server.pem
auth_advertise_hosts = ${if def:tls_in_cipher {*}}
acl_smtp_mail = mail
acl_smtp_rcpt = recipient
acl_smtp_data_prdr = content

begin acl
# Asked for each recipient of a message that came with PRDR, and for no other message.
content:
  deny condition = ${if eq {$local_part} {MY_PICKY}}
       message = 550 5.7.1 Not to my taste
  accept
mail:
  deny senders = MY_REFUSED_SENDER
       message = MY_SENDER_REFUSAL
  accept
recipient:
.include /etc/refusals
  accept domains = MY_DOMAIN
  deny message = 550 5.7.1 Relaying denied

begin routers
everybody:
  driver = accept
  transport = inbox

begin transports
inbox:
  driver = appendfile
  directory = /mail/inbox
  maildir_format
  envelope_to_add
  user = MY_RUNS_AS

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and {{eq {$auth2} {MY_USER}} {eq {$auth3} {MY_PASSWORD}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and {{eq {$auth1} {MY_USER}} {eq {$auth2} {MY_PASSWORD}}}}
  server_set_id = $auth1
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq {$auth1} {MY_USER} {MY_PASSWORD} fail}
  server_set_id = $auth1
"""


class Exim(UnpackedServer):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``."""

    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    _delivery = re.compile(r" (\S+) => \S+ <(.*?)> R=everybody T=inbox")
    _recipient = re.compile(rb"^Envelope-to: (.*)$", re.M)

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._log = root / "log" / "mainlog"

    def login_line(self, mechanism: str) -> str:
        """Give what the log says of a message sent after a login."""
        name = mechanism.lower().replace("-", "_")
        return rf" A={name}:{USER} "

    def _configure(self) -> None:
        root = self._root
        unpack("exim4-daemon-light", root, users={_RUNS_AS: _UID})
        for name in ("log", "mail", "var/spool/exim4"):
            (root / name).mkdir(parents=True)
            shutil.chown(root / name, _UID, _UID)
        self._write_certificates(root / "etc" / "server.pem")
        refusals = [
            f"{'deny' if reply[0] == '5' else 'defer'} recipients = {address}\n"
            f"     message = {reply}\n"
            for address, reply in REFUSED.items()
        ]
        (root / "etc" / "refusals").write_text("".join(refusals))
        macros = {
            "PORT": self.port,
            "TLS_PORT": self.tls_port,
            "MAX_MESSAGE_BYTES": MAX_MESSAGE_BYTES,
            "DOMAIN": DOMAIN,
            "REFUSED_SENDER": REFUSED_SENDER,
            "SENDER_REFUSAL": SENDER_REFUSAL,
            "RUNS_AS": _RUNS_AS,
            "PICKY": PICKY.partition("@")[0],
            "USER": USER,
            "PASSWORD": PASSWORD,
        }
        (root / "etc" / "exim4").mkdir(exist_ok=True)
        (root / "etc" / "exim4" / "exim4.conf").write_text(
            "".join(f"MY_{name} = {value}\n" for name, value in macros.items())
            + _CONFIGURATION
        )

    def _run(self) -> None:
        # -bdf: the daemon, but in the foreground.
        self._spawn([*in_root(self._root), "/usr/sbin/exim4", "-bdf"])

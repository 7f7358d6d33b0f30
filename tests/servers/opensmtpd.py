"""Debian's OpenSMTPD as a private server: unpacked, in a root directory of its own.

`OpenSMTPD.start` unpacks the package and runs ``smtpd`` there; see `unpacked`.  Everything
accepted is delivered into one maildir, a copy for each recipient.

It offers neither TLS nor AUTH, which it takes under TLS only: Debian 12's package, 6.8.0p2
built against OpenSSL 3, ends every handshake with an internal error (issues 1171 and 1239
of OpenSMTPD).
"""

from __future__ import annotations

import re
import shutil
from typing import Final

from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    REFUSED,
    REFUSED_SENDER,
    SENDER_REFUSAL,
)
from tests.servers.unpacked import UnpackedServer, in_root, unpack

_USERS: Final = {"opensmtpd": 64921, "opensmtpq": 64922, "vmail": 64923}
_CONFIGURATION: Final = """\
smtp max-message-size {max_bytes}
{filters}
filter all chain {{ {names} }}
listen on 127.0.0.1 port {port} hostname opensmtpd.example filter all
action inbox maildir "/mail/inbox" virtual {{ "@" = vmail }}
match from any for domain "{domain}" action inbox
"""


class OpenSMTPD(UnpackedServer):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``."""

    has_tls = False
    has_smtputf8 = False
    # SIZE= is not looked at.
    size_code = 250

    # An envelope's ID begins with its message's.
    _delivery = re.compile(
        r" mda delivery evpid=(\w{8})\w{8} .* rcpt=<(.*?)> .* stat=Delivered"
    )

    def _configure(self) -> None:
        root = self._root
        unpack("opensmtpd", root, users=_USERS)
        for name in ("mail", "var/empty", "var/spool/smtpd"):
            (root / name).mkdir(parents=True)
        # Else it will not start.
        (root / "var" / "spool" / "smtpd").chmod(0o711)
        (root / "var" / "run").symlink_to("../run")
        shutil.chown(root / "mail", _USERS["vmail"], _USERS["vmail"])
        refusals = [("mail-from", "mail-from", REFUSED_SENDER, SENDER_REFUSAL)]
        refusals += [("rcpt-to", "rcpt-to", *refused) for refused in REFUSED.items()]
        filters = [
            f'filter f{n} phase {phase} match {what} {{ "{address}" }} reject "{reply}"'
            for n, (phase, what, address, reply) in enumerate(refusals)
        ]
        (root / "etc" / "smtpd.conf").write_text(
            _CONFIGURATION.format(
                max_bytes=MAX_MESSAGE_BYTES,
                filters="\n".join(filters),
                names=", ".join(f"f{n}" for n in range(len(refusals))),
                port=self.port,
                domain=DOMAIN,
            )
        )

    def _run(self) -> None:
        with self._log.open("w") as log:
            # -d: in the foreground, with its log on standard error.
            command = [*in_root(self._root), "/usr/sbin/smtpd", "-d"]
            self._spawn(command, stderr=log, stdout=log)

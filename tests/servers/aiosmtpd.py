"""aiosmtpd, of PyPI, as a private server: SMTP or LMTP in a process of its own.

`AioSMTPD.start` runs this module as a program.  aiosmtpd brings the protocol; what is taken
and where it goes is said here, as with the other servers: a maildir and a log.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import mailbox
import re
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import aiosmtpd.lmtp
import aiosmtpd.smtp

from smtpbook.accounts.account import Account
from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    PASSWORD,
    REFUSED,
    REFUSED_SENDER,
    SENDER_REFUSAL,
    USER,
    MailServer,
)
from tests.servers.process import ROOT

_LOG: Final = logging.getLogger(__name__)


class AioSMTPD(MailServer):
    """A running instance; made by `start`, ended by `close` or at the end of ``with``."""

    mechanisms = ("LOGIN", "PLAIN")

    _protocol: ClassVar = "smtp"
    _delivery = re.compile(r"^(\S+) delivered to (\S+)$", re.M)

    @classmethod
    def start(cls) -> Self:
        """Run aiosmtpd, and wait for its greeting.

        Raises
        ------
        RuntimeError
            It ended again; the message holds its log.
        """
        server = cls(Path(tempfile.mkdtemp(prefix="smtpbook-aiosmtpd-")))
        return server._started(server._run)

    def login_line(self, mechanism: str) -> str:
        """Give a pattern for what the log says of a login by this mechanism."""
        return rf"^{USER} logged in by {mechanism}$"

    def _run(self) -> None:
        chain = self._root / "server.pem"
        self._write_certificates(chain)
        listens = (str(self.port), str(self.tls_port))
        program = [sys.executable, "-m", __name__, self._protocol, *listens]
        with self._log.open("w") as log:
            options = {"cwd": ROOT, "stdin": subprocess.PIPE, "stderr": log}
            self._spawn([*program, self.maildir, chain], **options)


class AioLMTPD(AioSMTPD):
    """The same, but LMTP."""

    _protocol = "lmtp"

    def account(self, **changes: Any) -> Account:
        """Give the way in, by LMTP."""
        return super().account(**{"protocol": "lmtp"} | changes)


class _Handler:
    """What aiosmtpd asks for each command; the answers are its replies."""

    def __init__(self, maildir: Path, *, is_lmtp: bool) -> None:
        maildir.parent.mkdir()
        self._inbox = mailbox.Maildir(maildir)
        self._is_lmtp = is_lmtp

    async def handle_MAIL(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address == REFUSED_SENDER:
            return SENDER_REFUSAL
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in REFUSED:
            return REFUSED[address]
        if not address.endswith(f"@{DOMAIN}"):
            return "550 5.7.1 Relaying denied"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        name = uuid.uuid4().hex
        for recipient in envelope.rcpt_tos:
            trace = f"Delivered-To: {recipient}\r\nReceived: from us; id {name}\r\n"
            data = trace.encode() + envelope.original_content
            self._inbox.add(data.replace(b"\r\n", b"\n"))
            _LOG.info("%s delivered to %s", name, recipient)
        # "one reply for each previously successful RCPT command" -- RFC 2033 section 4.2
        replies = len(envelope.rcpt_tos) if self._is_lmtp else 1
        return "\r\n".join([f"250 2.0.0 OK, queued as {name}"] * replies)


def _check(
    _server: Any, _session: Any, _envelope: Any, mechanism: str, login: Any
) -> aiosmtpd.smtp.AuthResult:
    is_right = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    if is_right:
        _LOG.info("%s logged in by %s", USER, mechanism)
    return aiosmtpd.smtp.AuthResult(success=is_right, handled=False)


async def _serve(
    port: int, tls_port: int, chain: Path, protocol: Any, handler: Any
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)

    def talk(**options: Any) -> Any:
        return protocol(
            handler,
            hostname="aiosmtpd.example",
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            authenticator=_check,
            **options,
        )

    loop, host = asyncio.get_running_loop(), MailServer.host
    # Wrapped by the loop, aiosmtpd does not see the TLS, and AUTH may not wait for it.
    secure = lambda: talk(auth_require_tls=False)  # noqa: E731
    await loop.create_server(secure, host, tls_port, ssl=context)
    await loop.create_server(lambda: talk(tls_context=context), host, port)
    # Ends with its standard input, so that it does not outlive tests that were killed.
    await asyncio.to_thread(sys.stdin.read)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog=__name__, description=__doc__)
    parser.add_argument("protocol", choices=("smtp", "lmtp"))
    parser.add_argument("port", type=int)
    parser.add_argument("tls_port", type=int)
    parser.add_argument("maildir", type=Path)
    parser.add_argument("chain", type=Path)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    is_lmtp = given.protocol == "lmtp"
    protocol = aiosmtpd.lmtp.LMTP if is_lmtp else aiosmtpd.smtp.SMTP
    handler = _Handler(given.maildir, is_lmtp=is_lmtp)
    asyncio.run(_serve(given.port, given.tls_port, given.chain, protocol, handler))


if __name__ == "__main__":
    main()

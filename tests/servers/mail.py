"""What the tests ask of every mail server: where it listens, whom it refuses, what it took.

All of them know the same domain, refuse the same addresses, take messages up to the same
size and let the same user in, so that one test serves all.  What a server took is told
twice, by its log and by its mailboxes, in the server's own words; the classes beside this
file only read them.
"""

from __future__ import annotations

import mailbox
import re
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import trustme

from smtpbook.accounts.account import Account
from tests.servers.process import Server, free_ports, poll, wait_for_greeting

T = TypeVar("T")

DOMAIN: Final = "mailbox.example"
REFUSED_SENDER: Final = "refused@sender.example"
SENDER_REFUSAL: Final = "550 5.7.1 Sender not wanted"
REFUSED: Final = {
    f"gone@{DOMAIN}": "550 5.1.1 No such mailbox",
    f"full@{DOMAIN}": "452 4.2.2 Mailbox is full",
}
"""Recipients refused, and the reply each of them draws."""
MAX_MESSAGE_BYTES: Final = 400_000
"""What EHLO's SIZE says (RFC 1870)."""
USER: Final = "reader"
PASSWORD: Final = "tester"

_MESSAGE_ID: Final = re.compile(rb"^Message-ID: *(<.*>)", re.M | re.I)
# The server that wrote the mailbox wrote the first Received (RFC 5321 section 4.4).
_RECEIVED_ID: Final = re.compile(rb"^Received:.*?\sid\s([^\s;]+)", re.M | re.S | re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one recipient got of a message.

    Attributes
    ----------
    message_id : str
    queue_id : str
        The server's name for the message, as it stands in Received.
    recipient : str
        As the server says it in the header of delivery.
    data : bytes
        Header and body, with LF line ends, after whatever the server put before them.
    """

    message_id: str
    queue_id: str
    recipient: str
    data: bytes

    @classmethod
    def read(cls, data: bytes, *, recipient: str) -> Copy:
        """Read what a server put before the message."""
        return cls(
            message_id=first(_MESSAGE_ID, data),
            queue_id=first(_RECEIVED_ID, data),
            recipient=recipient,
            data=data,
        )


def mails(maildir: Path) -> Iterator[bytes]:
    """Give what a maildir holds."""
    inbox = mailbox.Maildir(maildir, create=False)
    return map(inbox.get_bytes, inbox.keys())


def first(pattern: re.Pattern[bytes], data: bytes) -> str:
    """Give the group of a pattern's first match in a message."""
    found = pattern.search(data)
    assert found, data
    return found[1].decode()


class MailServer(Server):
    """A private instance of a mail server on loopback.

    Attributes
    ----------
    port : int
        Speaks SMTP, or LMTP, and offers STARTTLS.
    tls_port : int
        Speaks TLS from the first octet.
    ca_file : Path
        The authority (PEM) that vouches for ``localhost`` and ``127.0.0.1``.
    maildir : Path
        Where everything accepted ends up.
    """

    host: Final = "127.0.0.1"
    has_tls: ClassVar = True
    mechanisms: ClassVar[tuple[str, ...]] = ()
    """What it offers in AUTH under TLS."""
    refuses_senders: ClassVar = True
    has_smtputf8: ClassVar = True
    has_size: ClassVar = True
    size_code: ClassVar = 552
    """How it answers a MAIL that says SIZE= and more than it takes."""

    # In its log, with groups for queue ID and recipient.
    _delivery: ClassVar[re.Pattern[str]]
    # In the header of a copy, with a group for the recipient.
    _recipient: ClassVar[re.Pattern[bytes]] = re.compile(rb"^Delivered-To: (.*)$", re.M)

    def __init__(self, root: Path) -> None:
        self.port, self.tls_port = free_ports(2)
        self.ca_file = root / "ca.pem"
        self.maildir = root / "mail" / "inbox"
        super().__init__(root)
        self._log = root / "mail.log"

    def account(self, **changes: Any) -> Account:
        """Give the way in: in clear text and without a login, unless `changes` say more."""
        fields: dict[str, Any] = {"host": "localhost", "port": self.port, "tls": "none"}
        fields |= {"helo": "client.example", "ca_file": self.ca_file}
        if changes.get("tls") == "implicit":
            fields["port"] = self.tls_port
        return Account(**(fields | changes))

    def log_text(self) -> str:
        """Give the server's log as it stands."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def wait_for_log(self, pattern: str, *, timeout_s: float = 20) -> re.Match[str]:
        """Wait until a line of the log matches; ``^`` and ``$`` are a line's ends.

        Raises
        ------
        TimeoutError
            No such line came within `timeout_s` seconds.
        """
        search = re.compile(pattern, re.M).search
        return self.wait_for(
            lambda: search(self.log_text()),
            f"log line like {pattern!r}",
            timeout_s=timeout_s,
        )

    def login_line(self, mechanism: str) -> str:
        """Give a pattern for what the log says of a login by this mechanism."""
        raise NotImplementedError

    def deliveries(self) -> list[tuple[str, str]]:
        """Give queue ID and recipient of everything that the log says was delivered."""
        return self._delivery.findall(self.log_text())

    def wait_delivered(
        self, wanted: Collection[tuple[str, str]], *, timeout_s: float = 60
    ) -> None:
        """Wait until the log tells the delivery of each: queue ID and recipient.

        Raises
        ------
        TimeoutError
            Some were not delivered within `timeout_s` seconds.
        """
        self.wait_for(
            lambda: set(wanted) <= set(self.deliveries()) or None,
            f"delivery of all {len(wanted)} copies",
            timeout_s=timeout_s,
        )

    def copies(self) -> Iterator[Copy]:
        """Give what stands in the mailboxes."""
        for data in mails(self.maildir):
            yield Copy.read(data, recipient=first(self._recipient, data))

    def _spawn(self, command: Sequence[str | Path], **options: Any) -> None:
        """Run the server, and wait for its greeting.

        Raises
        ------
        RuntimeError
            It ended again; the message holds its log.
        """
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        # A group of its own: some servers end their whole group with themselves.
        self._process = subprocess.Popen(
            command, text=True, start_new_session=True, **streams | options
        )
        try:
            wait_for_greeting(self._process, self.port)
        except (RuntimeError, TimeoutError) as exc:
            raise RuntimeError(f"{command}: {exc}\n{self.log_text()}") from exc

    def wait_for(
        self, look: Callable[[], T | None], what: str, *, timeout_s: float = 20
    ) -> T:
        """Look until there is something, and give it.

        Raises
        ------
        TimeoutError
            There was nothing within `timeout_s` seconds; the message says `what`.
        """
        assert self._process is not None
        return poll(look, self._process, what=what, timeout_s=timeout_s)

    def _write_certificates(self, chain: Path) -> None:
        """Write the authority's certificate and, as one file, the server's with its key."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("localhost", self.host)
        certificate.private_key_and_cert_chain_pem.write_to_path(chain)

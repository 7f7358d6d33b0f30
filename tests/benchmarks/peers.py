"""The senders that are compared, each in the way it is fastest without tricks.

A sender opens its connections, sends every letter and says QUIT.  Letters are made
beforehand, in the form each library takes with the least work of its own; a letter that is
not accepted is an error.  Every sender is told its HELO name, because two of them would ask
the DNS.  What is no Python runs as a program, and its CPU time is its own.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiosmtplib
import trio

from smtpbook.accounts.account import Account
from smtpbook.log.frame import Recorder
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from smtpbook.transfer.pipeline import Pipelining
from tests.benchmarks.nodemailer import send_with_node
from tests.servers.process import ServerMissing

HELO: Final = "client.example"
HOST: Final = "127.0.0.1"
SMTP_SOURCE: Final = Path("/usr/sbin/smtp-source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send to: a port of 127.0.0.1.

    Attributes
    ----------
    port : int
    ca_file : Path or None
        Whom to trust with STARTTLS; None = clear text.
    """

    port: int
    ca_file: Path | None = None

    @property
    def context(self) -> ssl.SSLContext | None:
        """For the libraries that take one."""
        if self.ca_file is None:
            return None
        return ssl.create_default_context(cafile=str(self.ca_file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message in every form a sender takes."""

    reverse_path: str
    recipient: str
    data: bytes
    message: Message


Sender = Callable[[Target, Sequence[Letter], int], None]
"""Sends letters to a target over so many connections at once."""


def make_letters(count: int, *, size_bytes: int) -> list[Letter]:
    """Make `count` different letters to one recipient each, of `size_bytes` octets."""
    return [_letter(number, size_bytes) for number in range(count)]


def _letter(number: int, size_bytes: int) -> Letter:
    reverse_path, recipient = "news@sender.example", f"reader-{number}@mailbox.example"
    header = (
        f"From: News <{reverse_path}>\r\nTo: <{recipient}>\r\nSubject: Number {number}\r\n"
        f"Message-ID: <{number}@sender.example>\r\n\r\n"
    ).encode("ascii")
    line = b"The quick brown fox jumps over the lazy dog, again and again.\r\n"
    lines = max(1, (size_bytes - len(header)) // len(line))
    data = header + line * lines
    return Letter(
        reverse_path=reverse_path,
        recipient=recipient,
        data=data,
        message=Message.from_bytes(reverse_path, [recipient], data),
    )


def shares(letters: Sequence[Letter], connections: int) -> list[Sequence[Letter]]:
    """Deal letters out to connections."""
    return [letters[number::connections] for number in range(connections)]


def smtpbook_sender(
    *,
    pipelining: Pipelining = "auto",
    window: int = 8,
    is_recorded: bool = True,
    is_framed: bool = True,
) -> Sender:
    """Give this package's sender.

    Parameters
    ----------
    pipelining, window
        As of `Session.send_many`.
    is_recorded : bool
        Every event is kept, and
    is_framed : bool
        made a DataFrame at the end.
    """

    def send_letters(target: Target, letters: Sequence[Letter], connections: int) -> None:
        recorder = Recorder()
        account = Account(
            host=HOST,
            port=target.port,
            tls="none" if target.ca_file is None else "starttls",
            ca_file=target.ca_file,
            helo=HELO,
        )

        async def send(share: Sequence[Letter]) -> None:
            sink = recorder.append if is_recorded else None
            async with open_session(account, sink=sink) as session:
                messages = (letter.message for letter in share)
                async for result in session.send_many(
                    messages, pipelining=pipelining, window=window
                ):
                    result.raise_for_outcome()

        async def send_all() -> None:
            async with trio.open_nursery() as nursery:
                for share in shares(letters, connections):
                    nursery.start_soon(send, share)

        trio.run(send_all)
        if is_recorded and is_framed:
            outcomes = recorder.frame()["outcome"]
            assert (outcomes == "accepted").sum() == len(letters)

    return send_letters


def send_with_smtplib(target: Target, letters: Sequence[Letter], connections: int) -> None:
    """The standard library: a command at a time, a thread for each connection."""

    def send(share: Sequence[Letter]) -> None:
        with smtplib.SMTP(HOST, target.port, local_hostname=HELO) as client:
            if target.ca_file is not None:
                client.starttls(context=target.context)
            for letter in share:
                client.sendmail(letter.reverse_path, [letter.recipient], letter.data)

    if connections == 1:
        send(letters)
        return
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, shares(letters, connections)))


def send_with_aiosmtplib(
    target: Target, letters: Sequence[Letter], connections: int
) -> None:
    """The asyncio library: a command at a time."""

    async def send(share: Sequence[Letter]) -> None:
        async with aiosmtplib.SMTP(
            hostname=HOST,
            port=target.port,
            local_hostname=HELO,
            start_tls=target.ca_file is not None,
            tls_context=target.context,
        ) as client:
            for letter in share:
                await client.sendmail(letter.reverse_path, [letter.recipient], letter.data)

    async def send_all() -> None:
        await asyncio.gather(*map(send, shares(letters, connections)))

    asyncio.run(send_all())


def send_with_smtpproto(
    target: Target, letters: Sequence[Letter], connections: int
) -> None:
    """The anyio library: a command at a time, and the same message to each recipient."""
    # Loaded where it is used: its 2.0 draws a DeprecationWarning of anyio 4.16.
    from smtpproto.client import AsyncSMTPClient

    same = email.message_from_bytes(letters[0].data, policy=email.policy.SMTP)

    async def send(share: Sequence[Letter]) -> None:
        client = AsyncSMTPClient(HOST, target.port, domain=HELO, ssl_context=target.context)
        async with client.connect() as session:
            for letter in share:
                await session.send_message(
                    same,  # type: ignore[arg-type]
                    sender=letter.reverse_path,
                    recipients=[letter.recipient],
                )

    async def send_all() -> None:
        await asyncio.gather(*map(send, shares(letters, connections)))

    asyncio.run(send_all())


def send_with_nodemailer(
    target: Target, letters: Sequence[Letter], connections: int
) -> None:
    """Node's library: a pool of connections, as its documentation advises."""
    first = letters[0]
    send_with_node(
        {
            "host": HOST,
            "port": target.port,
            "name": HELO,
            "connections": connections,
            "from": first.reverse_path,
            "raw": first.data.decode("ascii"),
            "to": [letter.recipient for letter in letters],
            "ca": None if target.ca_file is None else target.ca_file.read_text("ascii"),
        }
    )


def send_with_smtp_source(
    target: Target, letters: Sequence[Letter], connections: int
) -> None:
    """Postfix's load generator, in C: it makes its messages itself, of the same size."""
    if target.ca_file is not None:
        raise ServerMissing("smtp-source speaks no TLS")
    if not SMTP_SOURCE.exists():
        raise ServerMissing("no smtp-source here: apt-get install postfix")
    first = letters[0]
    options = {
        "-s": connections,
        "-m": len(letters),
        "-l": len(first.data),
        "-M": HELO,
        "-f": first.reverse_path,
        "-t": first.recipient,
    }
    words = [str(word) for option in options.items() for word in option]
    subprocess.run([SMTP_SOURCE, "-4", "-d", *words, f"{HOST}:{target.port}"], check=True)


SENDERS: Final[dict[str, Sender]] = {
    "smtpbook": smtpbook_sender(),
    "smtpbook, lock-step": smtpbook_sender(pipelining="off"),
    "smtpbook, stream 8": smtpbook_sender(pipelining="stream"),
    "smtpbook, stream 32": smtpbook_sender(pipelining="stream", window=32),
    "smtpbook, recording": smtpbook_sender(is_framed=False),
    "smtpbook, record=None": smtpbook_sender(is_recorded=False),
    "smtplib": send_with_smtplib,
    "aiosmtplib": send_with_aiosmtplib,
    "smtpproto": send_with_smtpproto,
    "nodemailer": send_with_nodemailer,
    "smtp-source": send_with_smtp_source,
}

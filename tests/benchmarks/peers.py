"""Both sides of a measurement: the senders that are compared, the servers they send to.

A sender connects, sends every letter and says QUIT.  Letters are made beforehand, in the
form each library takes with the least work of its own; a letter that is not accepted is
an error.  Every sender is told its HELO name, because two of them would ask the DNS.
The servers are processes of their own.
"""

from __future__ import annotations

import asyncio
import smtplib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import aiosmtplib
import trio

from smtpbook.accounts.account import Account
from smtpbook.log.frame import Recorder
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from tests.servers.lab import open_lab_process
from tests.servers.process import ServerMissing
from tests.servers.smtp_sink import open_smtp_sink

HELO: Final = "client.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message in every form a sender takes."""

    reverse_path: str
    recipient: str
    data: bytes
    message: Message


Sender = Callable[[int, Sequence[Letter]], None]
"""Sends letters to a port of 127.0.0.1 over one connection."""


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


def send_with_smtplib(port: int, letters: Sequence[Letter]) -> None:
    """The standard library: a command at a time."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname=HELO) as client:
        for letter in letters:
            client.sendmail(letter.reverse_path, [letter.recipient], letter.data)


def send_with_aiosmtplib(port: int, letters: Sequence[Letter]) -> None:
    """The asyncio library: a command at a time."""

    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, local_hostname=HELO, start_tls=False
        ) as client:
            for letter in letters:
                await client.sendmail(letter.reverse_path, [letter.recipient], letter.data)

    asyncio.run(send())


def send_with_smtpbook(port: int, letters: Sequence[Letter]) -> None:
    """This package, pipelining as it does by default, every event kept as a DataFrame."""
    recorder = Recorder()
    account = Account(host="127.0.0.1", port=port, tls="none", helo=HELO)

    async def send() -> None:
        async with open_session(account, sink=recorder.append) as session:
            messages = (letter.message for letter in letters)
            async for result in session.send_many(messages, pipelining="auto"):
                result.raise_for_outcome()

    trio.run(send)
    outcomes = recorder.frame()["outcome"]
    assert (outcomes == "accepted").sum() == len(letters)


SENDERS: Final[dict[str, Sender]] = {
    "smtpbook": send_with_smtpbook,
    "smtplib": send_with_smtplib,
    "aiosmtplib": send_with_aiosmtplib,
}
SERVERS: Final[dict[str, Callable[[], AbstractContextManager[int]]]] = {
    "smtp-sink": open_smtp_sink,
    "lab": open_lab_process,
}


def open_servers() -> Iterator[tuple[str, int]]:
    """Run one server after the other; give name and port of each this machine can run."""
    for name, open_server in SERVERS.items():
        try:
            with open_server() as port:
                yield name, port
        except ServerMissing as exc:
            print(exc, file=sys.stderr)

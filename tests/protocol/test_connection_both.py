"""A client and a server wired to each other always agree, in SMTP and in LMTP."""

from __future__ import annotations

from random import Random

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import (
    Bdat,
    Command,
    EndOfData,
    Greeting,
    Mail,
    Rcpt,
)
from smtpbook.protocol.connection import Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import FOREIGN, TABLE, State, allowed_verbs
from smtpbook.protocol.verdicts import COUNTED, ENDS, Protocol
from tests.protocol.words import ALL, BOB, SAID


class Wire:
    """A client and a server, and octets on their way between them.

    What is said, how it is answered and how far octets get is drawn from a seed.
    """

    def __init__(self, seed: int, protocol: Protocol = "smtp") -> None:
        self.random = Random(seed)
        self.client = Client(protocol=protocol)
        self.server = Server(max_size_bytes=10**6, protocol=protocol)
        self.several = 0  # replies that were followed by another to the same command
        self.has_prdr = False  # in this transaction
        self.issued = 0  # commands; each has its number for a tag
        self.accepted: list[int] = []  # the RCPTs of this transaction, as the client saw it
        self.to_server = self.to_client = b""
        self.said: list[tuple[Command | None, int]] = []  # as the client saw it
        self.heard: list[tuple[Command | None, int]] = []  # as the server did
        self.sent: list[bytes] = []  # mail data whose verdict is awaited
        self.delivered: list[bytes] = []  # accepted, as the client saw it
        self.received: list[bytes] = []  # as the server did
        self.answer(Greeting(), 220)

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way or awaits its answer."""
        return not (self.to_server or self.to_client or self.client.outstanding)

    def speak(self) -> None:
        """The client says something, allowed or not, or gives its mail data."""
        if self.client.state is State.DATA and not self.client.outstanding:
            data = self.random.choice([b"", b"hi\r\n", b".\r\n", b"QUIT\r\n..\r\n"])
            self.to_server += self.client.end_mail_data(data)
            self.sent.append(data)
            return
        envelope = [Mail(None), Mail(BOB, (("SIZE", "10"),)), Rcpt(BOB), Rcpt(BOB)]
        envelope += [Mail(BOB, (("PRDR", None),))] * 9 + [Rcpt(BOB)] * 4
        commands = [*SAID.values(), *envelope]
        # Mostly what is in order, and seldom QUIT, or no conversation comes far.
        if self.random.random() < 0.8:
            state, protocol = self.client.state_ahead, self.client.protocol
            allowed = set(allowed_verbs(state, protocol)) - {"QUIT", "TURN"}
            commands = [c for c in commands if c.key in allowed] or commands
        command = self.random.choice(commands)
        try:
            self.to_server += self.client.issue(command, self.issued)
        except LocalProtocolError:
            return
        self.issued += 1
        if isinstance(command, Bdat):
            self.to_server += b"\n"

    def serve(self) -> None:
        """The server takes a command and answers it; what a client says is readable."""
        command = self.server.next_command()
        if not isinstance(command, Command):
            return
        if command.key in ENDS and self.has_prdr and self.random.random() < 0.5:
            self.answer(command, 353)
        else:
            self.answer(command, self.code(command))
        while self.server.awaits_reply:
            self.answer(command, self.random.choice([250, 250, 450, 550]))

    def code(self, command: Command) -> int:
        refusal = self.server.refusal(command)
        # In LMTP nobody could tell how many replies follow a DATA without recipients.
        is_due = command.verb in ("DATA", "BDAT") and self.server.protocol == "lmtp"
        if refusal is not None and (is_due or self.random.random() < 0.9):
            return refusal.code
        if self.random.random() < 0.01:
            return 421
        after = TABLE.get((self.server.state, command.key), (True, None, True, True))
        digits = [
            digit for digit, target in zip((2, 3, 4, 5), after, strict=True) if target
        ]
        digit = digits[0] if self.random.random() < 0.7 else self.random.choice(digits)
        return digit * 100 + self.random.choice([0, 20, 50, 99])

    def answer(self, command: Command, code: int) -> None:
        if command.verb in ("EHLO", "LHLO") and code < 300:
            prdr = (*ALL, "PRDR")
            keywords = self.random.choice([ALL, prdr, prdr, ("AUTH PLAIN",), ()])
            reply = Reply(code=code, lines=ehlo_reply("lab", keywords).lines)
        else:
            reply = Reply(code=code, lines=("x",) * self.random.randint(1, 3))
        if isinstance(command, EndOfData) and code < 300:
            self.received.append(self.server.mail_data)
        if command.verb in COUNTED - {"RCPT"} and code < 300:
            self.has_prdr = self.server.protocol == "smtp" and (
                isinstance(command, Mail) and ("PRDR", None) in command.parameters
            )
        self.to_client += self.server.reply(reply)
        self.heard.append((command, code))
        if self.server.state is State.TLS:
            self.server.begin_tls()
            self.server.end_tls()

    def listen(self) -> None:
        """The client takes a reply."""
        item = self.client.next_reply()
        if not isinstance(item, Exchange):
            return
        self.said.append((item.command, item.reply.code))
        self.count(item)
        if isinstance(item.command, EndOfData):
            data = self.sent.pop(0) if item.is_last else self.sent[0]
            self.delivered += [data] * (item.reply.code < 300)
        if self.client.state is State.TLS:
            self.client.begin_tls()
            self.client.end_tls()

    def count(self, item: Exchange) -> None:
        """Check that each recipient has a reply of its own where that is so, in order."""
        command, tag, reply = item[:3]
        assert command is not None
        if command.verb == "RCPT" and reply.code < 300:
            self.accepted.append(tag)
        elif command.verb in ("MAIL", "RSET", *FOREIGN["lmtp"], "LHLO") and (
            reply.code < 300
        ):
            self.accepted.clear()
        if item.rcpt is not None:
            assert command.key in ENDS
            assert item.rcpt == self.accepted.pop(0)
            self.several += not item.is_last
        if command.key in ENDS and item.is_last and self.client.protocol == "lmtp":
            assert not self.accepted or reply.code == 421

    def carry(self, most: int = 30) -> None:
        """Some octets arrive, each way."""
        up, down = self.random.randint(0, most), self.random.randint(0, most)
        if self.to_server[:up]:
            self.server.receive_data(self.to_server[:up])
        if self.to_client[:down]:
            self.client.receive_data(self.to_client[:down])
        self.to_server, self.to_client = self.to_server[up:], self.to_client[down:]

    def run(self, steps: int) -> None:
        for _ in range(steps):
            if State.CLOSED in (self.client.state, self.server.state):
                break
            self.random.choice([self.speak, self.serve, self.listen, self.carry])()
        for _ in range(1000):
            if self.is_quiet or State.CLOSED is self.client.state:
                break
            self.carry()
            if self.server.state is not State.CLOSED:
                self.serve()
            self.listen()


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_they_agree_on_every_command_and_reply_on_the_state_and_the_mail_data(
    protocol: Protocol,
) -> None:
    keys = set()
    several = 0
    for seed in range(150):
        wire = Wire(seed, protocol)
        for _ in range(10):
            wire.run(60)
            assert wire.said == wire.heard[: len(wire.said)], seed
            assert wire.delivered == wire.received[: len(wire.delivered)], seed
            if wire.client.state is State.CLOSED:
                break
            assert wire.is_quiet, seed
            assert wire.client.state is wire.server.state, seed
            assert wire.said == wire.heard, seed
            assert wire.delivered == wire.received, seed
        keys |= {command.key for command, _ in wire.said if command}
        several += wire.several
    assert keys == {key for _, key in TABLE} - FOREIGN[protocol] - {
        *("HANDSHAKE", "SOML", "SAML"),
    }
    assert several > 5

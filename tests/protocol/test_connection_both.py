"""A client and a server wired to each other always agree."""

from __future__ import annotations

from random import Random

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
from smtpbook.protocol.states import TABLE, State, allowed_verbs
from tests.protocol.words import ALL, BOB, SAID


class Wire:
    """A client and a server, and octets on their way between them.

    What is said, how it is answered and how far octets get is drawn from a seed.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.client, self.server = Client(), Server(max_size_bytes=10**6)
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
        commands = [*SAID.values(), *envelope]
        # Mostly what is in order, and seldom QUIT, or no conversation comes far.
        if self.random.random() < 0.8:
            allowed = set(allowed_verbs(self.client.state_ahead)) - {"QUIT"}
            commands = [c for c in commands if c.key in allowed] or commands
        command = self.random.choice(commands)
        try:
            self.to_server += self.client.issue(command)
        except LocalProtocolError:
            return
        if isinstance(command, Bdat):
            self.to_server += b"\n"

    def serve(self) -> None:
        """The server takes a command and answers it; what a client says is readable."""
        command = self.server.next_command()
        if isinstance(command, Command):
            self.answer(command, self.code(command))

    def code(self, command: Command) -> int:
        refusal = self.server.refusal(command)
        if refusal is not None and self.random.random() < 0.9:
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
        if command.verb == "EHLO" and code < 300:
            keywords = self.random.choice([ALL, ALL, ALL, ("AUTH PLAIN",), ()])
            reply = Reply(code=code, lines=ehlo_reply("lab", keywords).lines)
        else:
            reply = Reply(code=code, lines=("x",) * self.random.randint(1, 3))
        if isinstance(command, EndOfData) and code < 300:
            self.received.append(self.server.mail_data)
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
        if isinstance(item.command, EndOfData):
            data = self.sent.pop(0)
            self.delivered += [data] * (item.reply.code < 300)
        if self.client.state is State.TLS:
            self.client.begin_tls()
            self.client.end_tls()

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


def test_they_agree_on_every_command_and_reply_on_the_state_and_the_mail_data() -> None:
    keys = set()
    for seed in range(150):
        wire = Wire(seed)
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
    assert keys == {key for _, key in TABLE} - {"HANDSHAKE", "SOML", "SAML"}

"""A pipeline without sockets: groups go out, replies are fed in, by hand or at random."""

from __future__ import annotations

from collections import deque
from random import Random

from smtpbook.errors import RemoteProtocolError, TransportError
from smtpbook.protocol.commands import Command, Ehlo, Greeting, Mail, Rcpt
from smtpbook.protocol.connection import CLOSING, Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import TABLE, State
from smtpbook.transfer.group import Group
from smtpbook.transfer.pipeline import Pipeline, Pipelining
from smtpbook.transfer.transaction import Result

_EHLO = Ehlo("client.example")
PIPELINING = ("PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8")
CHUNKING = ("CHUNKING", *PIPELINING)


def message(name: str, *recipients: str, text: str = "hi") -> Message:
    addresses = [f"{recipient}@x.example" for recipient in recipients or (name,)]
    return Message.from_bytes("me@x.example", addresses, f"S: {name}\n\n{text}\n".encode())


class Talk:
    """A pipeline on a client that has said EHLO; groups go out, replies are fed in."""

    def __init__(
        self,
        *keywords: str,
        mode: Pipelining = "auto",
        chunking: bool | None = None,
        window: int = 8,
    ) -> None:
        self.client = Client()
        self.client.receive_data(b"220 mx\r\n")
        self.client.next_reply()
        self.client.issue(_EHLO)
        self.client.receive_data(ehlo_reply("mx", keywords).to_bytes())
        self.client.next_reply()
        self.pipeline = Pipeline(self.client)
        self.pipeline.begin(mode, chunking=chunking, window=window)
        self.group: Group | None = None

    def add(self, *messages: Message) -> None:
        for number, one in enumerate(messages):
            self.pipeline.add(one, f"s.{number}")

    def write(self) -> bytes | None:
        """Give the next group, as written whole."""
        self.group = self.pipeline.next_group()
        if self.group is None:
            return None
        for transaction, _, _ in self.group.mail_data:
            transaction.is_end_written = True
        return self.group.octets

    def hear(self, *codes: int) -> None:
        for code in codes:
            self.client.receive_data(Reply(code=code, lines=("text",)).to_bytes())
            item = self.client.next_reply()
            assert isinstance(item, Exchange)
            self.pipeline.receive(item)

    def results(self) -> list[Result]:
        found = list(self.pipeline.results)
        self.pipeline.results.clear()
        return found

    def outcomes(self) -> list[str]:
        return [result.outcome for result in self.results()]


def envelope(name: str, *recipients: str) -> bytes:
    """MAIL and its RCPTs; every message of these tests has the same size."""
    lines = [f"RCPT TO:<{recipient}@x.example>" for recipient in recipients or (name,)]
    return "\r\n".join(["MAIL FROM:<me@x.example> SIZE=12", *lines, ""]).encode()


def content(name: str) -> bytes:
    return f"S: {name}\r\n\r\nhi\r\n".encode()


def data(name: str) -> bytes:
    return content(name) + b".\r\n"


def bdat(name: str) -> bytes:
    return b"BDAT 12 LAST\r\n" + content(name)


DATA, RSET = b"DATA\r\n", b"RSET\r\n"


class Conversation:
    """A stream of messages to a server that answers as a seed says, until it is over.

    Octets are cut anywhere; the connection may be lost anywhere, inside a group too.  With
    chunks, every server here takes them.
    """

    def __init__(self, seed: int, mode: Pipelining, chunking: bool | None = None) -> None:
        self.random = Random(seed)
        self.kindness = self.random.choice([0.5, 0.8, 0.95, 1.0])
        self.loss = self.random.choice([0.0, 0.0, 0.01])
        keywords = self.random.choice([PIPELINING, PIPELINING, ("8BITMIME",), ("SIZE 30",)])
        if mode == "stream" or chunking:
            keywords = ("CHUNKING", *keywords)
        self.window = self.random.choice([1, 2, 3, 8])
        self.talk = Talk(*keywords, mode=mode, chunking=chunking, window=self.window)
        self.server = Server()
        said = ((Greeting(), Reply(code=220)), (_EHLO, ehlo_reply("mx", keywords)))
        for command, reply in said:
            self.server._awaiting = command
            self.server.reply(reply)
        self.to_server = self.to_client = b""
        self.waiting = deque(self.letter(n) for n in range(self.random.randint(1, 8)))
        self.added: list[Message] = []
        self.results: list[Result] = []
        self.recipients: list[str] = []
        self.received: list[tuple[bytes, tuple[str, ...]]] = []
        self.error: Exception | None = None

    def letter(self, number: int) -> Message:
        count = self.random.choice([1, 1, 2, 4])
        text = self.random.choice(["hi", ".", "é", "x" * 40])
        return message(str(number), *(f"{number}.{i}" for i in range(count)), text=text)

    def answer(self, command: Command) -> None:
        server, random = self.server, self.random
        refusal = server.refusal(command)
        after = TABLE.get((server.state, command.key), (True, None, True, True))
        digits = [
            digit for digit, target in zip((2, 3, 4, 5), after, strict=True) if target
        ]
        digit = digits[0] if random.random() < self.kindness else random.choice(digits)
        code = digit * 100 + random.choice([0, 50, 99])
        if refusal is not None and random.random() < 0.8:
            code = refusal.code
        if command.verb == "RSET" and self.talk.pipeline.writes_ahead:
            # Who refuses it executes what was written behind it: what then becomes of whom
            # nobody can know.  RFC 5321 section 4.1.1.5 leaves no other reply.
            code = 250
        if random.random() < self.loss:
            code = 421
        if isinstance(command, Mail) and code < 300:
            self.recipients.clear()
        if isinstance(command, Rcpt) and code < 300 and server.state is not State.READY:
            self.recipients.append(str(command.recipient))
        if command.verb == "RSET" and code < 300:
            self.recipients.clear()
        is_end = command.key in ("END-OF-DATA", "BDAT LAST")
        if is_end and code < 300:
            if self.recipients:
                self.received.append((server.mail_data, tuple(self.recipients)))
            self.recipients.clear()
        self.to_client += server.reply(Reply(code=code))

    def write(self) -> None:
        pipeline = self.talk.pipeline
        while self.waiting and pipeline.has_room:
            self.added.append(self.waiting.popleft())
            pipeline.add(self.added[-1], str(len(self.added)))
        group = pipeline.next_group()
        if group is None:
            return
        left = len(group.octets)
        if self.random.random() < self.loss:
            left = self.random.randint(0, left)
            self.error = TransportError("lost while writing")
        for transaction, _, end in group.mail_data:
            transaction.is_end_written = left >= end
        self.to_server += group.octets[:left]

    def serve(self) -> None:
        if self.server.state is State.CLOSED:  # it has said 421, and hears nothing more
            return
        size = self.random.randint(0, 60)
        if octets := self.to_server[:size]:
            self.server.receive_data(octets)
        self.to_server = self.to_server[size:]
        command = self.server.next_command()
        if isinstance(command, Command):
            self.answer(command)

    def listen(self) -> None:
        size = self.random.randint(1, 30)
        if octets := self.to_client[:size]:
            self.talk.client.receive_data(octets)
        self.to_client = self.to_client[size:]
        item = self.talk.client.next_reply()
        if isinstance(item, Exchange):
            self.talk.pipeline.receive(item)
            if item.reply.code == CLOSING:
                self.closing = item.reply
                raise TransportError("421")

    def run(self) -> None:
        self.closing: Reply | None = None
        pipeline = self.talk.pipeline
        for _ in range(5000):
            if not self.waiting and pipeline.is_idle:
                break
            try:
                self.random.choice([self.write, self.serve, self.listen])()
                if self.error is not None or self.random.random() < self.loss / 10:
                    raise self.error or TransportError("lost")
            except (TransportError, RemoteProtocolError) as exc:
                self.error = exc
                break
            self.results += self.talk.results()
        else:
            raise AssertionError("the conversation does not end")
        # What is on its way arrives, and what the server then says is not heard any more.
        for _ in range(300):
            self.serve()
        pipeline.abandon(self.error or TransportError("over"), self.closing)
        self.results += self.talk.results()

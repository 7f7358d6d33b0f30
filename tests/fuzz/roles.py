"""What is fuzzed of the order: the client's side, the server's, and a stream of messages.

An input is octets of the other side with orders in between.  Octets from 0x80 on are orders
to our side, such as to say a command; 0xff makes the next octet one of the other side.  So
an input can be read, and a fuzzer changes either without learning a format.

Each function takes any octets and raises AssertionError where a promise is broken; it gives
what an input that does something new is known by, beside its way through the code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from smtpbook.errors import LocalProtocolError, RemoteProtocolError, TransportError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import (
    MAX_AUTH_LINE,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    Data,
    Ehlo,
    Greeting,
    Helo,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
)
from smtpbook.protocol.connection import CLOSED, CLOSING, Client, Exchange
from smtpbook.protocol.mail_data import END
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import TABLE, State
from smtpbook.transfer.group import Group
from smtpbook.transfer.pipeline import Pipeline, Pipelining
from smtpbook.transfer.transaction import Transaction
from tests.fuzz.parsers import check_unread, cuts

ORDERS: Final = 0x80
LITERAL: Final = 0xFF
BOB: Final = Mailbox.parse("bob@example.org")
# New ones go to the end, or the kept inputs mean something else.
COMMANDS: Final[tuple[Command, ...]] = (
    Ehlo("client.example"),
    Helo("client.example"),
    StartTls(),
    Auth("PLAIN", b"\0a\0b"),
    AuthResponse(b"x"),
    AuthResponse(None),
    Mail(BOB),
    Mail(None, (("SIZE", "10"), ("BODY", "8BITMIME"))),
    Mail(Mailbox.parse("jürgen@example.org"), (("SMTPUTF8", None),)),
    Rcpt(BOB),
    Rcpt(BOB, (("NOTIFY", "NEVER"),)),
    Data(),
    Bdat(1),
    Bdat(1, True),
    Rset(),
    Quit(),
    Raw("NOOP"),
    Raw("VRFY bob"),
    Raw("HELP"),
    Raw("SEND FROM:<bob@example.org>"),
    Raw("XYZZY"),
)
MAIL_DATA: Final = (b"", b"hi\r\n", b".\r\n..\r\n", b"no line end")
# The client's orders, each group from its own octet on.
SAY: Final = range(ORDERS, ORDERS + len(COMMANDS))
INSIST: Final = range(0xA8, 0xA8 + len(COMMANDS))  # not strictly
GIVE: Final = range(0xD0, 0xD0 + len(MAIL_DATA))
ENVELOPE: Final = 0xE0
SECURE: Final = 0xE1
HANG_UP: Final = 0xE2
GROUP: Final = (Mail(BOB), Rcpt(BOB), Rcpt(BOB), Data())


def _steps(octets: bytes) -> Iterator[bytes | int]:
    """Give the other side's octets in pieces, and the orders between them."""
    said = bytearray()
    rest = iter(octets)
    for octet in rest:
        if octet < ORDERS:
            said.append(octet)
        elif octet == LITERAL:
            said += bytes([next(rest, 0)])
        else:
            if said:
                yield bytes(said)
                said.clear()
            yield octet
    if said:
        yield bytes(said)


def client(octets: bytes) -> set[object]:
    """However a server's octets are cut, the client's story is the same."""
    steps = list(_steps(octets))
    whole, *others = (_ClientStory(steps, number) for number in range(3))
    for other in others:
        assert other.all == whole.all
    return whole.moves


class _ClientStory:
    """A client that does as it is told, and what it has seen."""

    def __init__(self, steps: list[bytes | int], cut: int) -> None:
        self.all: list[object] = []
        self.moves: set[object] = set()
        self._client = Client(0)
        self._awaited: deque[tuple[Command, int]] = deque([(Greeting(), 0)])
        self._issued = 0
        self._error: RemoteProtocolError | None = None
        for step in steps:
            if step == HANG_UP:
                self._client.receive_data(b"")
                self._listen()
                break
            if isinstance(step, bytes):
                for piece in list(cuts(step))[cut]:
                    if piece:
                        self._client.receive_data(piece)
                        self._listen()
            else:
                self._obey(step)
        self.all.append((self._client.state, self._client.outstanding, self._error is None))

    def _obey(self, order: int) -> None:
        ours, waiting = self._client, self._client.outstanding
        try:
            if order in SAY:
                self._say([COMMANDS[order - SAY.start]], ours.issue)
            elif order in INSIST:
                self._say(
                    [COMMANDS[order - INSIST.start]],
                    lambda command, tag: ours.issue(command, tag, strict=False),
                )
            elif order in GIVE:
                octets = ours.end_mail_data(MAIL_DATA[order - GIVE.start], self._next_tag())
                self._awaited.append((ours.unanswered[-1][0], self._issued))
                assert octets.endswith(b"\r\n" + END) or octets == END
            elif order == ENVELOPE:
                self._say_group()
            elif order == SECURE:
                ours.begin_tls()
                ours.end_tls()
                assert not ours.extensions.keywords
                assert not ours.is_authenticated
        except LocalProtocolError as exc:
            self.all.append(str(exc))
            assert order == ENVELOPE or ours.outstanding == waiting
        except RemoteProtocolError as exc:  # clear text before the handshake
            self._broken(exc)
        assert ours.outstanding == len(self._awaited)

    def _next_tag(self) -> int:
        self._issued += 1
        return self._issued

    def _say(self, commands: list[Command], issue: Callable[[Command, int], bytes]) -> None:
        for command in commands:
            octets = issue(command, self._next_tag())
            self._awaited.append((command, self._issued))
            assert self._error is None
            assert octets.endswith(b"\r\n")
            assert octets.count(b"\n") == octets.count(b"\r") == 1

    def _say_group(self) -> None:
        before = len(self._client.unanswered)
        tags = [(command, self._next_tag()) for command in GROUP]
        try:
            self._client.issue_group(tags)
        finally:
            self._awaited += tags[: len(self._client.unanswered) - before]

    def _listen(self) -> None:
        while True:
            before = self._client.state
            try:
                item = self._client.next_reply()
            except RemoteProtocolError as exc:
                self._broken(exc)
                return
            assert self._error is None
            if not isinstance(item, Exchange):
                if item is CLOSED:
                    self.all.append(item)
                check_unread(self._client._parser)
                return
            self._check(before, item)

    def _check(self, before: State, item: Exchange) -> None:
        after, code = self._client.state, item.reply.code
        if item.command is None:
            assert code == CLOSING
            assert not self._awaited
        else:
            # In order, and each once: so no message gets two verdicts.
            assert (item.command, item.tag) == self._awaited.popleft()
            assert after is _after(before, item.command, code)
        self.all.append((item, after))
        self.moves.add((before, item.command and item.command.key, code // 100, after))

    def _broken(self, exc: RemoteProtocolError) -> None:
        assert self._error in (None, exc)
        if self._error is None:
            self._error = exc
            self.all.append(str(exc))
        assert self._client.state is State.CLOSED


def _after(state: State, command: Command, code: int) -> State:
    """Give the state after a reply, read off the table."""
    if code == CLOSING or state is State.CLOSED:
        return State.CLOSED
    row = TABLE.get((state, command.key))
    if row is not None:
        target = row[code // 100 - 2]
        assert target is not None
        return target
    # Out of order: sent ahead of a refusal, or by a lesson.
    known: dict[tuple[str, int], State] = {
        ("DATA", 3): State.DATA,
        ("STARTTLS", 2): State.TLS,
        **{("QUIT", digit): State.CLOSED for digit in (2, 4, 5)},
    }
    return known.get((command.verb, code // 100), state)


# --- the server ---------------------------------------------------------------------------

MAX_SIZE: Final = 50


def server(octets: bytes) -> set[object]:
    """However a client's octets are cut, the server hears the same.

    The orders say with which first digit it answers, each once; then it is polite.
    """
    steps = list(_steps(octets))
    said = b"".join(step for step in steps if isinstance(step, bytes))
    orders = [step for step in steps if isinstance(step, int)]
    whole, *others = (_ServerStory(pieces, orders) for pieces in cuts(said))
    for other in others:
        assert other.all == whole.all
    return whole.moves


class _ServerStory:
    """A server that answers as it is told, and what it has heard."""

    def __init__(self, pieces: list[bytes], orders: list[int]) -> None:
        self.all: list[object] = []
        self.moves: set[object] = set()
        self._server = Server(max_size_bytes=MAX_SIZE)
        self._digits = deque(orders)
        self._answer(Greeting())
        for piece in (*pieces, b""):
            self._server.receive_data(piece)
            self._serve()
        self.all.append((self._server.state, self._server.is_authenticated))

    def _serve(self) -> None:
        ours = self._server
        # Behind STARTTLS the octets are TLS's; what came too early is thrown away.
        while ours.state not in (State.TLS, State.CLOSED):
            try:
                command = ours.next_command()
            except CommandSyntaxError as exc:
                self.all.append((exc.code, exc.text))
                self.all.append(ours.reply(Reply(code=exc.code, lines=(exc.text,))))
                continue
            assert len(ours.mail_data) <= MAX_SIZE
            if not isinstance(command, Command):
                assert len(ours._buffer) < MAX_AUTH_LINE
                return
            self.all.append((command, ours.mail_data, ours.is_too_big))
            self._answer(command)

    def _answer(self, command: Command) -> None:
        ours, before = self._server, self._server.state
        row = TABLE.get((before, command.key))
        polite = Reply(code=250 if row is None or row.success else 354)
        reply = ours.refusal(command) or polite
        if self._digits:
            order = self._digits.popleft() - ORDERS
            reply = Reply(code=CLOSING if order == 0 else 200 + 100 * (order % 4))
        wire = ours.reply(reply)
        assert wire.startswith(b"%d" % reply.code)
        assert wire.endswith(b"\r\n")
        try:
            ours.reply(reply)
        except LocalProtocolError:
            pass
        else:
            raise AssertionError("a command was answered twice")
        self.all.append((wire, ours.state))
        self.moves.add((before, command.key, reply.code // 100, ours.state))


# --- a stream of messages -----------------------------------------------------------------

ADD: Final = range(0x90, 0x93)  # a message for one, two, three recipients
WRITE: Final = 0x80
# How the next messages are written: mode, chunking.
MODES: Final[dict[int, tuple[Pipelining, bool | None]]] = {
    0x81: ("off", None),
    0x82: ("stream", None),
    0x83: ("auto", True),
    0x84: ("off", True),
    0x85: ("stream", False),
    0x86: ("auto", None),
}
TO: Final = ("a@y.test", "b@y.test", "c@y.test")
HELLO: Final = (
    b"220 mx\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 SIZE 1000\r\n",
)


def pipeline(octets: bytes) -> set[object]:
    """Each message that was begun gets one verdict, and only the replies it was given."""
    story = _Letters()
    for step in _steps(octets):
        if isinstance(step, bytes):
            story.hear(step)
        elif step == WRITE:
            story.write()
        elif step in MODES:
            story.begin(*MODES[step])
        elif step in ADD:
            story.add(TO[: step - ADD.start + 1])
    return story.end()


class _Letters:
    """A pipeline after EHLO, and what was said about each of its messages."""

    def __init__(self) -> None:
        self.client = Client(Group().lone_tag)
        self.pipeline = Pipeline(self.client)
        self.mode: Pipelining = "auto"
        self._said: dict[str, list[tuple[str, int, int]]] = {}
        self._left: dict[str, Transaction] = {}  # whose mail data was written
        self._added = 0
        self._is_over = False
        self.hear(HELLO[0])
        self.client.issue(COMMANDS[0], Group().lone_tag)
        self.hear(HELLO[1])

    def begin(self, mode: Pipelining, chunking: bool | None) -> None:
        if self.pipeline.is_idle and not self._is_over:
            self.mode = mode
            self.pipeline.begin(mode, chunking=chunking, window=3)

    def add(self, recipients: tuple[str, ...]) -> None:
        if self.pipeline.has_room and not self._is_over:
            self._added += 1
            data = b"x\r\n" * (1 + 400 * (self._added % 5 == 0))  # each fifth too big
            message = Message.from_bytes("ann@x.test", recipients, data)
            self.pipeline.add(message, str(self._added))

    def write(self) -> None:
        if self._is_over:
            return
        group = self.pipeline.next_group()
        if group is not None:
            group.written_at = 0.0
            for transaction, size, _ in group.mail_data:
                transaction.is_end_written = True
                assert transaction.id not in self._left
                self._left[transaction.id] = transaction
                # Nobody gets an empty message, and a message nobody may get is not sent.
                if not self.pipeline.writes_ahead:
                    assert bool(size) is self._is_wanted(transaction.id)

    def _is_wanted(self, transaction_id: str) -> bool:
        said = self._said[transaction_id]
        refused = any(verb == "MAIL" and code >= 400 for verb, _, code in said)
        return not refused and any(verb == "RCPT" and code < 300 for verb, _, code in said)

    def hear(self, octets: bytes) -> None:
        if self._is_over:
            return
        self.client.receive_data(octets)
        try:
            while isinstance(item := self.client.next_reply(), Exchange):
                self._take(item)
                if item.reply.code == CLOSING:
                    self._is_over = True
                    self.pipeline.abandon(TransportError("421"), item.reply)
                    return
        except RemoteProtocolError as exc:
            self._is_over = True
            told = {result.id for result in self.pipeline.results}
            self.pipeline.abandon(exc)
            # Where a reply fits no command, those before it prove nothing.
            for result in self.pipeline.results:
                if result.id not in told:
                    self._said[result.id] = []

    def _take(self, item: Exchange) -> None:
        if item.tag is None:
            return
        _, transaction, index = item.tag
        if transaction is not None and item.command is not None:
            said = self._said.setdefault(transaction.id, [])
            said.append((item.command.verb, index, item.reply.code))
        self.pipeline.receive(item)

    def end(self) -> set[object]:
        if not self._is_over:
            self.pipeline.abandon(TransportError("the end"))
        ids = [result.id for result in self.pipeline.results]
        assert ids == sorted(set(ids), key=int)
        assert self._said.keys() <= set(ids)
        for result in self.pipeline.results:
            said = self._said.get(result.id, [])
            assert len({(verb, index) for verb, index, _ in said}) == len(said)
            codes = {(verb, index): code for verb, index, code in said}
            for index, one in enumerate(result.recipients):
                written = self._left.get(result.id)
                assert one.outcome in _right(codes, index, written)
        return {
            (one.verb, one.outcome, len(result.recipients), self.mode)
            for result in self.pipeline.results
            for one in result.recipients
        }


def _right(
    codes: dict[tuple[str, int], int], index: int, written: Transaction | None
) -> tuple[str, ...]:
    """Give the verdicts that these replies allow for one recipient."""
    is_chunked = written is not None and written.is_chunked
    ends = (("BDAT", -1, 2),) if is_chunked else (("DATA", -1, 3), ("END-OF-DATA", -1, 2))
    for verb, place, digit in (("MAIL", -1, 2), ("RCPT", index, 2), *ends):
        code = codes.get((verb, place))
        if code is None:
            # Deferred by a 421 that ended the session.
            return ("in_doubt",) if written is not None else ("failed", "deferred")
        if code // 100 != digit:
            return ("deferred",) if code // 100 == 4 else ("rejected",)
    return ("accepted",)

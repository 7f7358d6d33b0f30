"""Lesson 14, a server of one's own, graded by polite clients and by others."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import SMTPBookError
from smtpbook.grading import draws
from smtpbook.grading.exercise import LessonPlan, Work
from smtpbook.grading.programs import running_server
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.programs.asked import program_exercise
from smtpbook.protocol.message import Message
from smtpbook.runner import SENDER
from smtpbook.session.session import open_session
from smtpbook.transfer.transaction import Result

_LIMIT_S: Final = 5.0  # for one reply
_CLOSING_S: Final = 1.0
_PIECE: Final = 7  # octets
_PAUSE_S: Final = 0.002  # or the pieces would be put together again on the way
_HAND_IN: Final = "your function serve(stream, deliver)"


def _draw(rng: Random) -> dict[str, str]:
    return {
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "another": draws.address(rng),
        "word": draws.word(rng),
    }


@dataclass(slots=True)
class _Delivered:
    """What the student's server says it took, called as its ``deliver``."""

    letters: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)

    def __call__(self, sender: Any, recipients: Any, data: Any) -> None:
        octets = data.encode() if isinstance(data, str) else bytes(data)
        self.letters.append((str(sender), tuple(map(str, recipients)), octets))


class _Line:
    """A client that says exactly the octets it is told, and waits for whole replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self._file = self._socket.makefile("rb")
        self.said: list[str] = []

    def reply(self) -> int | None:
        """Read a reply; None = the server hung up or said nothing for too long."""
        try:
            while line := self._file.readline(2000):
                self.said.append("<- " + line.decode("utf-8", "replace").rstrip("\r\n"))
                if not (line[:3].isdigit() and line.endswith(b"\r\n")):
                    return None
                if line[3:4] != b"-":
                    return int(line[:3])
        except TimeoutError:
            self.said.append(f"<- (nothing for {_LIMIT_S:g} s)")
        except OSError:
            pass
        return None

    def say(self, octets: bytes) -> None:
        self.said.append("-> " + octets.decode("latin-1").rstrip("\r\n"))
        with suppress(OSError):  # the server hung up: the reply that does not come says it
            self._socket.sendall(octets)

    def trickle(self, octets: bytes) -> None:
        """Say it in pieces that do not care where a line ends."""
        for place in range(0, len(octets), _PIECE):
            self.say(octets[place : place + _PIECE])
            time.sleep(_PAUSE_S)

    def ask(self, line: str) -> int | None:
        self.say(line.encode() + b"\r\n")
        return self.reply()

    def is_closed(self) -> bool:
        self._socket.settimeout(_CLOSING_S)
        try:
            return self._socket.recv(1) == b""
        except OSError:
            return False

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()


class _Trial:
    """The student's server at work, with what it delivered and what it raised."""

    def __init__(self, work: Work) -> None:
        self.delivered = _Delivered()
        self.given = work.given

        async def handler(stream: trio.SocketStream) -> None:
            await work.answer(stream, self.delivered)

        self._running = running_server(handler)

    def __enter__(self) -> _Trial:
        self.port, self.errors = self._running.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._running.__exit__(*exc)

    def wrong(self, why: str, line: _Line, source: str | None = None) -> Verdict:
        raised = tuple(f"your function raised: {error}" for error in self.errors[-1:])
        return wrong(why, *line.said[-4:], *raised, source=source)


_Dialogue = tuple[tuple[str, int, str], ...]
"""Lines, the code each should get, and why."""


def _plays(trial: _Trial, dialogue: _Dialogue, source: str) -> Verdict | None:
    """Say the lines in order; the first wrong code ends it."""
    with _Line(trial.port) as line:
        if (code := line.reply()) != 220:
            said = "nothing" if code is None else str(code)
            return trial.wrong(
                f"your server should greet with 220 before anything is said, not {said}",
                line,
                "RFC 5321 section 3.1",
            )
        for words, expected, why in dialogue:
            code = line.ask(words)
            if code != expected:
                got = "no reply" if code is None else str(code)
                return trial.wrong(f"{why}: {expected}, not {got}", line, source)
    return None


def _conversation(work: Work) -> Verdict:
    given = work.given
    source = "RFC 5321 section 4.3.2"
    dialogue: _Dialogue = (
        ("EHLO client.example", 250, "EHLO is answered"),
        (f"MAIL FROM:<{given['sender']}>", 250, "a sender is taken"),
        (f"RCPT TO:<{given['recipient']}>", 250, "a recipient is taken"),
        ("RSET", 250, "RSET forgets the letter"),
        ("NOOP", 250, "NOOP does nothing, and says so"),
        ("QUIT", 221, "QUIT is answered"),
    )
    with _Trial(work) as trial:
        if (failure := _plays(trial, dialogue, source)) is not None:
            return failure
        with _Line(trial.port) as line:
            line.reply()
            line.ask("QUIT")
            if not line.is_closed():
                return trial.wrong("after 221 your server closes the connection", line)
    return right("each command gets its reply, and after 221 it hangs up", source=source)


def _takes(work: Work) -> Verdict:
    given = work.given
    message = Message.from_bytes(
        given["sender"],
        (given["recipient"], given["another"]),
        f"Subject: {given['word']}\r\n\r\nOne.\r\n.\r\n..two\r\nThe end.\r\n".encode(),
    )

    async def deliver() -> Result:
        account = Account(host="127.0.0.1", port=trial.port, tls="none", timeouts=_LIMIT_S)
        async with open_session(account) as session:
            return await session.send(message)

    with _Trial(work) as trial:
        try:
            result = SENDER.run(deliver)
        except SMTPBookError as exc:
            raised = tuple(f"your function raised: {error}" for error in trial.errors[-1:])
            return wrong(f"smtpbook could not deliver to your server: {exc}", *raised)
        letters = trial.delivered.letters
    if result.outcome != "accepted":
        said = f"{result.reply.code} {result.reply.text}" if result.reply else "no reply"
        return wrong(f"your server did not take a letter that is in order: {said}")
    if not letters:
        return wrong(
            "your server said 250 after the letter but did not call deliver: whoever says "
            "250 there has the letter, and answers for it",
            source="RFC 5321 section 6.1",
        )
    sender, recipients, data = letters[0]
    if (sender, recipients) != (given["sender"], (given["recipient"], given["another"])):
        return wrong(
            "the envelope is not what was said: addresses without <>, recipients in order",
            f"delivered: {sender!r}, {recipients!r}",
        )
    wanted = bytes(message.data)
    if data != wanted:
        return wrong(
            "the letter differs from what was sent: a dot that begins a line was doubled "
            "on the way, and the last CRLF belongs to the letter",
            f"sent:      {wanted!r}",
            f"delivered: {data!r}",
            source="RFC 5321 section 4.5.2",
        )
    return right(
        "a whole letter, octet for octet, to both", source="RFC 5321 section 4.5.2"
    )


def _order(work: Work) -> Verdict:
    given = work.given
    source = "RFC 5321 section 4.1.4"
    dialogue: _Dialogue = (
        ("EHLO client.example", 250, "EHLO is answered"),
        (f"RCPT TO:<{given['recipient']}>", 503, "RCPT before MAIL is bad sequence"),
        ("DATA", 503, "DATA before RCPT is bad sequence"),
        (f"MAIL FROM:<{given['sender']}>", 250, "a sender is taken"),
        ("DATA", 503, "DATA without a recipient is bad sequence"),
        (f"MAIL FROM:<{given['sender']}>", 503, "a second MAIL is bad sequence"),
        ("RSET", 250, "RSET forgets the sender"),
        (f"MAIL FROM:<{given['sender']}>", 250, "after RSET a sender is taken again"),
    )
    with _Trial(work) as trial:
        failure = _plays(trial, dialogue, source)
    if failure is not None:
        return failure
    return right("503 where the order is wrong, and only there", source=source)


def _nonsense(work: Work) -> Verdict:
    source = "RFC 5321 sections 4.2.4 and 2.4"
    dialogue: _Dialogue = (
        ("HALLO client.example", 500, "a verb that is none is 500"),
        ("ehlo client.example", 250, "verbs are the same in small letters"),
        ("MAIL", 501, "MAIL without FROM:<…> is 501"),
        ("mail from:<>", 250, "the empty sender is one: bounces have it"),
        ("NOOP", 250, "after nonsense the conversation goes on"),
    )
    with _Trial(work) as trial:
        failure = _plays(trial, dialogue, source)
    if failure is not None:
        return failure
    return right("nonsense gets a reply, not the end", source=source)


def _pieces(work: Work) -> Verdict:
    given = work.given
    source = "RFC 2920 section 3.2"
    group = (
        f"MAIL FROM:<{given['sender']}>\r\nRCPT TO:<{given['recipient']}>\r\n"
        f"RCPT TO:<{given['another']}>\r\nDATA\r\n"
    ).encode()
    letter = b"Subject: pieces\r\n\r\nOne.\r\n.\r\n"
    with _Trial(work) as trial, _Line(trial.port) as line:
        line.reply()
        line.ask("EHLO client.example")
        for octets, codes in ((group, (250, 250, 250, 354)), (letter, (250,))):
            line.trickle(octets)
            got = tuple(line.reply() for _ in codes)
            if got != codes:
                return trial.wrong(
                    "several commands came without waiting, in pieces that cut lines; each "
                    f"should get its reply, in order: {codes}, not {got}",
                    line,
                    source,
                )
        if not trial.delivered.letters:
            return trial.wrong("the letter was not delivered", line)
    return right("a command ends at its CRLF, wherever a read ends", source=source)


_exercise: Final = partial(
    program_exercise,
    answer=_HAND_IN,
    solution="# The teacher's version of this notebook has a server in 60 lines.",
)

PLAN: Final = LessonPlan(
    number=14,
    name="your-own-server",
    title="Write your own server",
    about="The other side: a server that takes letters, judged by clients of all kinds.",
    draw=_draw,
    exercises=(
        _exercise(
            "conversation",
            _conversation,
            title="It answers",
            task="Write `async def serve(stream, deliver)` for one connection: greet, "
            "answer EHLO, MAIL, RCPT, RSET, NOOP and QUIT.",
            hints=(
                '`await stream.send_all(b"220 my.example ready\\r\\n")` comes first.',
                "A dict from verb to reply takes you far; the verb is what stands before "
                "the first space.",
                "After QUIT's 221, return: the connection is closed for you.",
            ),
            points=2,
        ),
        _exercise(
            "takes",
            _takes,
            title="It takes a letter",
            task="DATA is answered 354; then lines are the letter, to the lone dot. Call "
            "`deliver(sender, recipients, data)` and say 250.",
            hints=(
                "The data ends at CRLF, dot, CRLF; its first CRLF belongs to the letter.",
                "A line that begins with two dots had one; take one away.",
                "Addresses are what stands between < and >.",
            ),
            points=3,
        ),
        _exercise(
            "order",
            _order,
            title="It minds the order",
            task="RCPT needs MAIL, DATA needs a RCPT, a second MAIL needs RSET; else 503.",
            hints=("Keep the sender (None at first) and the list of recipients.",),
            points=2,
        ),
        _exercise(
            "nonsense",
            _nonsense,
            title="It bears nonsense",
            task="A verb that is none gets 500, a MAIL without an address 501. Verbs may "
            "come in small letters. The empty sender `<>` is one.",
            hints=(
                "`verb.upper()`",
                "The sender `<>` is the empty string, which is not None.",
            ),
        ),
        _exercise(
            "pieces",
            _pieces,
            title="Commands in pieces",
            task="Several commands may come in one read, or half of one.",
            hints=("Keep what was read and not used yet; take whole lines from it.",),
            points=2,
        ),
    ),
)

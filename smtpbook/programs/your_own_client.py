"""Lesson 13, a client of one's own on bare trio sockets, graded against real servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

import trio

from smtpbook.grading import draws
from smtpbook.grading.exercise import LessonPlan, Work
from smtpbook.grading.heard import Heard, sessions_heard
from smtpbook.grading.programs import Ran, run_program, running_server
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.programs.asked import program_exercise

_EARLY_S: Final = 0.05  # after a command: what comes meanwhile was said without waiting
_HAND_IN: Final = "your function send(host, port, sender, recipients, data)"


def _draw(rng: Random) -> dict[str, str]:
    return {
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "another": draws.address(rng),
        "word": draws.word(rng),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What one run of the client came to, on both sides."""

    ran: Ran
    heard: tuple[Heard, ...]
    messages: tuple[tuple[tuple[str, ...], bytes], ...]  # recipients and data of each

    @property
    def verbs(self) -> tuple[str, ...]:
        return self.heard[-1].verbs if self.heard else ()

    def failure(self) -> Verdict | None:
        """Say that it did not even run through; None = it did."""
        if self.ran.error is None:
            return None
        steps = [str(step) for heard in self.heard for step in heard.steps]
        return wrong(f"your function did not run through: {self.ran.error}", *steps[-2:])


def _letter(given: Mapping[str, str], *lines: str) -> str:
    return "\r\n".join((f"Subject: {given['word']}", "", *lines, ""))


def _try_on_lab(
    work: Work,
    *recipients: str,
    data: str,
    prepare: Callable[[Lab], None] = lambda lab: None,
) -> _Trial:
    with Lab() as lab:
        prepare(lab)
        ran = run_program(
            work.answer, "127.0.0.1", lab.port, work.given["sender"], recipients, data
        )
        messages = tuple((one.recipients, one.data) for one in lab.received)
        return _Trial(ran=ran, heard=sessions_heard(lab.log), messages=messages)


def _delivers(work: Work) -> Verdict:
    data = _letter(work.given, "Sent by a program of my own.")
    trial = _try_on_lab(work, work.given["recipient"], data=data)
    if (failure := trial.failure()) is not None:
        return failure
    if not trial.messages:
        said = ", ".join(trial.verbs[1:]) or "nothing"
        return wrong(f"no letter arrived; your client said {said}")
    if trial.messages[0][1] != data.encode():
        return wrong(
            "a letter arrived, but not as it was handed to you: what counts is every octet",
            f"handed over: {data.encode()!r}",
            f"arrived:     {trial.messages[0][1]!r}",
        )
    return right("the letter arrived octet for octet", source="RFC 5321 section 3.3")


def _dots(work: Work) -> Verdict:
    data = _letter(work.given, "One.", ".", "..two", ".three", "The end.")
    trial = _try_on_lab(work, work.given["recipient"], data=data)
    if (failure := trial.failure()) is not None:
        return failure
    source = "RFC 5321 section 4.5.2"
    if not trial.messages or trial.messages[0][1] != data.encode():
        arrived = trial.messages[0][1] if trial.messages else b""
        return wrong(
            "a line of the letter begins with a dot, and what arrived differs: another dot "
            "goes before it, which the server takes away again",
            f"handed over: {data.encode()!r}",
            f"arrived:     {arrived!r}",
            source=source,
        )
    return right("lines that begin with a dot arrive as they were", source=source)


def _recipients(work: Work) -> Verdict:
    given = work.given
    refused = Behaviour(reply="550 5.1.1 No such user here")

    def prepare(lab: Lab) -> None:
        lab.set(given["another"], rcpt=refused)
        # Another code than the end of the data has, so that they cannot be mixed up.
        lab.set(given["recipient"], rcpt=Behaviour(reply="251 2.1.5 I will forward it"))

    wanted = {given["recipient"]: 250, given["another"]: 550}
    trial = _try_on_lab(
        work,
        *(given["another"], given["recipient"]),
        data=_letter(given, "To two."),
        prepare=prepare,
    )
    if (failure := trial.failure()) is not None:
        return failure
    if not trial.messages:
        return wrong(
            "one of two recipients was refused; the other one should get the letter",
            source="RFC 5321 section 3.3",
        )
    if trial.ran.returned != wanted:
        return wrong(
            "give back a dict: for each recipient the code that decided, from RCPT if it "
            "was refused there, else from the end of the data",
            f"given back: {trial.ran.returned!r}",
            f"right is:   {wanted!r}",
        )
    return right("one refusal does not keep the letter from the others")


def _nobody(work: Work) -> Verdict:
    def prepare(lab: Lab) -> None:
        lab.set(rcpt=Behaviour(reply="550 5.1.1 No such user here"))

    trial = _try_on_lab(
        work, work.given["recipient"], data=_letter(work.given, "."), prepare=prepare
    )
    if (failure := trial.failure()) is not None:
        return failure
    source = "RFC 5321 section 3.3"
    if "DATA" in trial.verbs:
        return wrong(
            "every recipient was refused, and your client said DATA nevertheless",
            source=source,
        )
    if trial.ran.returned != {work.given["recipient"]: 550}:
        return wrong(
            "nobody took it: the dict you give back should say 550 for the one recipient",
            f"given back: {trial.ran.returned!r}",
        )
    return right("without a recipient there is nothing to say DATA for", source=source)


def _goodbye(work: Work) -> Verdict:
    trial = _try_on_lab(work, work.given["recipient"], data=_letter(work.given, "Bye."))
    if (failure := trial.failure()) is not None:
        return failure
    source = "RFC 5321 section 4.1.1.10"
    if trial.verbs[-1:] != ("QUIT",):
        return wrong("the connection was closed without QUIT", source=source)
    return right("QUIT, its 221, and only then the end", source=source)


@dataclass(slots=True)
class _Deaf:
    """A server without extensions that notes who speaks before it has answered."""

    pieces: bool  # its replies come in pieces, some of them of several lines
    early: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    arrived: bytes = b""

    async def converse(self, stream: trio.SocketStream) -> None:
        await self._reply(stream, b"220-welcome\r\n220 ready\r\n")
        pending = b""
        is_data = False
        while True:
            end = b"\r\n.\r\n" if is_data else b"\r\n"
            while end not in pending:
                if not (received := await stream.receive_some()):
                    return
                pending += received
            line, _, pending = pending.partition(end)
            if is_data:
                self.arrived, is_data, reply = line, False, b"250 2.0.0 taken\r\n"
            else:
                verb = line.split()[0].upper().decode("latin-1") if line.split() else "?"
                self.verbs.append(verb)
                is_data = verb == "DATA"
                reply = _REPLIES.get(verb, b"250-2.0.0 fine,\r\n250 2.0.0 go on\r\n")
            with trio.move_on_after(_EARLY_S):
                pending += await stream.receive_some()
            if pending:
                self.early.append(self.verbs[-1])
            await self._reply(stream, reply)
            if reply.startswith(b"221"):
                return

    async def _reply(self, stream: trio.SocketStream, reply: bytes) -> None:
        if not self.pieces:
            await stream.send_all(reply)
            return
        for place in range(0, len(reply), 5):
            await stream.send_all(reply[place : place + 5])
            await trio.sleep(0.002)


_REPLIES: Final = {
    "DATA": b"354 go ahead\r\n",
    "QUIT": b"221-2.0.0 it was\r\n221 2.0.0 a pleasure\r\n",
}


def _try_on_deaf(work: Work, *, pieces: bool) -> tuple[_Deaf, Ran]:
    server = _Deaf(pieces)
    data = _letter(work.given, "Slowly.")
    with running_server(server.converse) as (port, _):
        sender, recipient = work.given["sender"], work.given["recipient"]
        ran = run_program(work.answer, "127.0.0.1", port, sender, (recipient,), data)
    return server, ran


def _waits(work: Work) -> Verdict:
    server, ran = _try_on_deaf(work, pieces=False)
    source = "RFC 5321 section 2.1 and RFC 2920 section 3.1"
    if server.early:
        return wrong(
            f"after {server.early[0]} your client went on before the reply had come; this "
            "server does not offer PIPELINING, so each command waits for its reply",
            source=source,
        )
    if ran.error is not None:
        return wrong(f"your function did not run through: {ran.error}")
    if not server.arrived:
        return wrong("no letter arrived, so there is nothing to wait for yet")
    return right("each command waits for the reply to the one before", source=source)


def _pieces(work: Work) -> Verdict:
    server, ran = _try_on_deaf(work, pieces=True)
    source = "RFC 5321 section 4.2.1"
    if server.early:
        return wrong(
            "a reply of several lines came in pieces, and your client went on before its "
            f"end (after {server.early[0]}): a line goes to its CRLF, and a reply to the "
            "line with a space after its code",
            source=source,
        )
    if ran.error is not None:
        return wrong(
            "with replies of several lines that come in pieces your function did not run "
            f"through: {ran.error}",
            source=source,
        )
    if not server.arrived:
        return wrong(
            "with replies of several lines that come in pieces no letter arrived",
            source=source,
        )
    return right("a reply ends where it says so, not where a read ends", source=source)


_exercise: Final = partial(
    program_exercise,
    answer=_HAND_IN,
    solution="# The teacher's version of this notebook has a client in 50 lines.",
)

PLAN: Final = LessonPlan(
    number=13,
    name="your-own-client",
    title="Write your own client",
    about="Sixty lines on a bare socket that deliver mail, judged by servers of all kinds.",
    draw=_draw,
    exercises=(
        _exercise(
            "delivers",
            _delivers,
            title="It delivers",
            task="Write `async def send(host, port, sender, recipients, data)`. It gets "
            "`data` as text with CRLF line ends, connects, and delivers it.",
            hints=(
                "It begins with `stream = await trio.open_tcp_stream(host, port)`, and the "
                "server speaks first.",
                "Each command is its text and CRLF; read the reply before the next one.",
                "Behind the data, which ends with CRLF, goes a dot and CRLF.",
            ),
            points=3,
        ),
        _exercise(
            "dots",
            _dots,
            title="Lines that begin with a dot",
            task="A letter may hold a line with nothing but a dot. It must arrive.",
            hints=("Go through the data line by line; which ones could be mistaken?",),
            points=2,
        ),
        _exercise(
            "pieces",
            _pieces,
            title="Replies in pieces",
            task="A reply may have several lines, and a read may give half of one.",
            hints=(
                "Keep what was read and not used yet; take lines from it.",
                "A line of the reply with `-` after its code is not the last.",
            ),
            points=2,
        ),
        _exercise(
            "waits",
            _waits,
            title="No word too early",
            task="Without PIPELINING each command waits for the reply to the one before.",
            hints=("Is there a place where you write twice without reading?",),
        ),
        _exercise(
            "recipients",
            _recipients,
            title="One of two is refused",
            task="Give back a dict: for each recipient the code that decided. One that is "
            "refused must not keep the letter from the other.",
            hints=("RCPT may be answered 550; go on with the next recipient.",),
            points=2,
        ),
        _exercise(
            "nobody",
            _nobody,
            title="All are refused",
            task="If nobody takes it, no DATA is said.",
            hints=("Whom did you get a 250 for?",),
        ),
        _exercise(
            "goodbye",
            _goodbye,
            title="Goodbye",
            task="Leave with QUIT and wait for its reply.",
            hints=("It is one more command and one more reply.",),
        ),
    ),
)

"""Lesson 8, the dot: where a letter ends, dot-stuffing, and smuggling."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any, Final

import trio

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.programs import running_server
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.lab import Lab

_STUFFING: Final = "RFC 5321 section 4.5.2"
_WAYS: Final = ("refuse", "take it as a line end", "drop it")
_MAX_OCTETS: Final = 20_000
_LIMIT_S: Final = 5.0
# What some servers took for the end of a letter (the flaw published in December 2023).
_LENIENT_END: Final = re.compile(rb"\r?\n\.\r?\n")


def _draw(rng: Random) -> dict[str, str]:
    return {
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "victim": draws.address(rng),
        "before": draws.word(rng),
        "after": draws.word(rng),
    }


def _stuff(work: Work) -> Verdict:
    given = work.given
    for message in work.received():
        if given["after"].encode() not in message.data:
            continue
        wanted = f"{given['before']}\r\n.\r\n{given['after']}\r\n".encode()
        if wanted in message.data:
            return right("the lone dot arrived as part of the letter", source=_STUFFING)
        return wrong(
            "a letter with both words came; between them should be a line with one dot",
            repr(message.data),
            source=_STUFFING,
        )
    return wrong(
        f"no letter with {given['after']} after the dot has come", source=_STUFFING
    )


def _cut(work: Work) -> Verdict:
    given = work.given
    behind = [
        step
        for heard in work.heard()
        for end, step in pairwise(heard.steps)
        if end.verb == "END-OF-DATA"
    ]
    taken = next((step for step in behind if step.code == 500), None)
    short = [
        message
        for message in work.received()
        if given["before"].encode() in message.data
        and given["after"].encode() not in message.data
    ]
    if not short:
        return wrong(
            f"no letter came that has {given['before']} and ends before {given['after']}"
        )
    if taken is None:
        return wrong(
            f"the letter ends at the dot, as it should here; now say {given['after']}, "
            "too, as if the letter went on"
        )
    return right(
        "the rest of the letter was taken for a command", str(taken), source=_STUFFING
    )


def _smuggle(work: Work) -> Verdict:
    data = work.answer
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    if not isinstance(data, bytes):
        return wrong("hand in the octets of the letter, bytes, without the last CRLF.CRLF")
    if len(data) > _MAX_OCTETS:
        return wrong(f"that is more than {_MAX_OCTETS:,} octets; it can be done with 200")
    source = "RFC 5321 sections 2.3.8 and 4.1.1.4"
    with Lab() as lab:
        _deliver(lab.port, work.given, data)
        strict = [(one.reverse_path, one.recipients) for one in lab.received]
    if len(strict) != 1:
        return wrong(
            f"the strict server took {len(strict)} letters from you; it should see one: "
            "only CRLF, dot, CRLF ends a letter there, so do not use that",
            source=source,
        )
    lenient = _Lenient()
    with running_server(lenient.converse) as (port, _):
        _deliver(port, work.given, data)
    if len(lenient.letters) < 2:
        return wrong(
            "both servers saw one letter: no line end before or after your dot is one that "
            "only the lenient server knows",
            source=source,
        )
    sender, recipients = lenient.letters[1]
    if work.given["victim"] not in recipients:
        return wrong(
            "the lenient server saw a second letter, but not for "
            f"{work.given['victim']}: MAIL, RCPT and DATA stand after the false end",
            f"it saw: from {sender!r} to {', '.join(recipients)}",
        )
    return right(
        "one letter here, two there: the second one was never checked by the first server",
        source=source,
    )


def _deliver(port: int, given: Mapping[str, str], data: bytes) -> None:
    """Send the data as a strict client would, octet for octet."""
    opening = ("EHLO me.example", f"MAIL FROM:<{given['sender']}>")
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S) as line,
        line.makefile("rb") as said,
    ):
        _reply(said)
        for command in (*opening, f"RCPT TO:<{given['recipient']}>", "DATA"):
            line.sendall(command.encode() + b"\r\n")
            _reply(said)
        line.sendall(data + b"\r\n.\r\nQUIT\r\n")
        while said.readline():
            pass


def _reply(said: Any) -> None:
    while (line := said.readline())[3:4] == b"-":
        pass
    if not line:
        raise OSError("the server hung up")


class _Lenient:
    """A server as there were some: it takes a bare LF for a line end around the dot."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, tuple[str, ...]]] = []

    async def converse(self, stream: trio.SocketStream) -> None:
        pending = b""
        sender, recipients, is_data = "", list[str](), False
        await stream.send_all(b"220 lenient.example\r\n")
        while True:
            end = _LENIENT_END if is_data else re.compile(rb"\r?\n")
            while (found := end.search(pending)) is None:
                if not (received := await stream.receive_some()):
                    return
                pending += received
            line, pending = pending[: found.start()], pending[found.end() :]
            if is_data:
                self.letters.append((sender, tuple(recipients)))
                recipients, is_data = [], False
            verb, _, rest = line.decode("latin-1").partition(" ")
            if verb.upper() == "MAIL":
                sender = rest
            elif verb.upper() == "RCPT":
                recipients.append(rest.partition("<")[2].partition(">")[0].lower())
            is_data = verb.upper() == "DATA"
            await stream.send_all(b"354 go on\r\n" if is_data else b"250 OK\r\n")
            if verb.upper() == "QUIT":
                return


def _defence(work: Work) -> Verdict:
    source = "RFC 5321 section 2.3.8"
    answer = text(work.answer)
    if answer not in _WAYS:
        hint = near_miss(answer or "", _WAYS)
        return wrong(f"hand in one of {', '.join(_WAYS)}{hint}", source=source)
    if answer != "refuse":
        return wrong(
            "two servers that mend it differently see different letters, which is how the "
            "second letter came through",
            source=source,
        )
    return right("what is refused by all cannot be seen in two ways", source=source)


PLAN: Final = LessonPlan(
    number=8,
    name="the-dot",
    title="The dot, dot-stuffing, smuggling",
    about="A lone dot ends a letter. What if the letter has one, and what if servers "
    "differ?",
    draw=_draw,
    exercises=(
        Exercise(
            name="cut",
            title="Cut off",
            task="Send a letter whose text is `{before}`, a line with one dot, and "
            "`{after}`, all just as they are. What becomes of {after}?",
            hints=(
                "Say the three lines one after the other, as if nothing were special.",
                "Behind the dot the server takes a line for a command; say it "
                "nevertheless.",
            ),
            solution="talk.say('MAIL FROM:<{sender}>', 'RCPT TO:<{recipient}>', 'DATA', "
            "'',\n         '{before}', '.', '{after}')",
            check=_cut,
        ),
        Exercise(
            name="stuff",
            title="Stuff it",
            task="Send the same text so that all of it arrives.",
            hints=(
                "A line of the letter that begins with a dot gets another one before it.",
                "The server takes that dot away again.",
            ),
            solution="talk.say('MAIL FROM:<{sender}>', 'RCPT TO:<{recipient}>', 'DATA', "
            "'',\n         '{before}', '..', '{after}', '.')",
            check=_stuff,
        ),
        Exercise(
            name="smuggle",
            title="Smuggle a letter",
            task="Some servers took a bare LF for a line end around the dot. Write a "
            "letter, as bytes, in which a strict server sees one letter and such a server "
            "sees two, the second one to {victim}.",
            hints=(
                "A strict server ends a letter at `\\r\\n.\\r\\n` and nowhere else.",
                "Which dot does only the lenient one see as the end: `\\n.\\n`?",
                "Behind the false end stand the commands of another letter: MAIL, RCPT, "
                "DATA.",
            ),
            solution="data = (b'Subject: one\\r\\n\\r\\nHello.\\n.\\n'\n"
            "        b'MAIL FROM:<{sender}>\\r\\nRCPT TO:<{victim}>\\r\\nDATA\\r\\n'\n"
            "        b'Subject: two\\r\\n\\r\\nSmuggled.')\nlesson.check('smuggle', data)",
            answer="the octets",
            check=_smuggle,
            points=3,
        ),
        Exercise(
            name="defence",
            title="What should a server do?",
            task="A letter has a bare LF. Should a server `refuse` it, `take it as a line "
            "end`, or `drop it`?",
            hints=("Whichever lets no two servers see two different letters.",),
            solution="lesson.check('defence', 'refuse')",
            answer="one of the three",
            check=_defence,
        ),
    ),
)

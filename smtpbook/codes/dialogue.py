"""A dialogue as text: who said what on which line, and which reply answers which command.

It reads ``C:``/``S:``, ``Client:``/``Server:`` and ``->``/``<-`` at the head of lines, and
follows the transaction just far enough to know what each reply answers and how many
recipients were accepted.  What is wrong with it is for `faults`; file formats are not read
here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from smtpbook.protocol.replies import Reply

_CLIENT: Final = r"C:|client:|->"
_SERVER: Final = r"S:|server:|<-"
_LINE: Final = re.compile(rf"[ \t]*(?:({_CLIENT})|({_SERVER}))[ \t]?(.*)", re.IGNORECASE)
# On one line, items stand between slashes: "S:220 mx / C:EHLO me / S:250 mx".
# Not splitlines(), which also cuts at characters that may stand in a text.
_LINE_END: Final = re.compile(r"\r?\n")
_BREAK: Final = re.compile(rf" / (?={_CLIENT}|{_SERVER})", re.IGNORECASE)
_REPLY: Final = re.compile(r"([2-5][0-9]{2})(?:(-)|[ \t]|$)(.*)")
_STARTS_TRANSACTION: Final = frozenset({"MAIL", "SEND", "SOML", "SAML"})
_ENDS_TRANSACTION: Final = frozenset({"END-OF-DATA", "RSET", "EHLO", "HELO", "LHLO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a dialogue, without its prefix; ``number`` counts from 1."""

    number: int
    speaker: Literal["client", "server"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A command and its reply.

    Attributes
    ----------
    verb : str or None
        ``GREETING`` for the server's first word; None = a reply nobody asked for.
    command_line, reply_line : int or None
        Line numbers from 1; None = there was no command, no reply.
    reply : Reply or None
        None = the dialogue ends before it.
    accepted_recipients : int or None
        Recipients accepted in the transaction before this command was answered; None =
        no transaction was open.
    """

    verb: str | None
    command_line: int | None = None
    reply: Reply | None = None
    reply_line: int | None = None
    accepted_recipients: int | None = None


def is_dialogue(text: str) -> bool:
    """Tell whether the first line says who speaks.

    >>> is_dialogue("C:QUIT"), is_dialogue("221 bye")
    (True, False)
    """
    return _LINE.match(text.lstrip()) is not None


def verb_of(command: str) -> str:
    """Give a command line's verb, in upper case.

    >>> verb_of("mail from:<ann@example.org>"), verb_of(".")
    ('MAIL', 'END-OF-DATA')
    """
    words = command.split(None, 1)
    return "END-OF-DATA" if words == ["."] else words[0].upper() if words else ""


def read_lines(text: str) -> list[Line]:
    """Cut a dialogue into lines; one without a prefix goes on with who spoke before it.

    >>> [line.speaker for line in read_lines("S:220 mx / C:QUIT / S:221 bye")]
    ['server', 'client', 'server']
    """
    text = text.strip()
    items = _LINE_END.split(text) if "\n" in text else _BREAK.split(text)
    lines: list[Line] = []
    speaker: Literal["client", "server"] = "client"
    for number, item in enumerate(items, 1):
        match = _LINE.match(item)
        if match is not None:
            speaker = "client" if match[1] else "server"
            item = match[3] if match[1] else match[3].lstrip()
        elif not item.strip():
            continue
        lines.append(Line(number=number, speaker=speaker, text=item.rstrip("\r")))
    return lines


def exchanges(lines: list[Line]) -> Iterator[Exchange]:
    """Pair commands and replies, in the order of the replies; commands may be pipelined.

    Raises
    ------
    ValueError
        The server says something that is no reply, or not all of one; the message names
        the line.
    """
    waiting: deque[tuple[str | None, int | None]] = deque()
    goes_on: str | None = None  # what the last 3yz answered: DATA, or AUTH
    accepted: int | None = None
    greeted = False
    for number, said in _turns(lines):
        if isinstance(said, str):
            if goes_on == "DATA" and said != ".":
                continue  # a line of the message
            waiting.append(("AUTH" if goes_on == "AUTH" else verb_of(said), number))
            goes_on = None
            continue
        unasked = None if greeted else "GREETING"
        verb, asked = waiting.popleft() if waiting else (unasked, None)
        greeted = True
        yield Exchange(
            verb=verb,
            command_line=asked,
            reply=said,
            reply_line=number,
            accepted_recipients=accepted,
        )
        goes_on = verb if said.severity == "intermediate" else None
        accepted = _recipients_after(verb, said, accepted)
    for verb, asked in waiting:
        yield Exchange(verb=verb, command_line=asked, accepted_recipients=accepted)


def secrets_in(lines: Iterable[Line], said: Iterable[Exchange]) -> Iterator[str]:
    """Give what a dialogue's logins say, as it stands and decoded: replies repeat it."""
    logins = {exchange.command_line for exchange in said if exchange.verb == "AUTH"}
    for line in lines:
        if line.number not in logins:
            continue
        words = line.text.split()
        for word in words[2:] if verb_of(line.text) == "AUTH" else words:
            yield word
            try:
                decoded = base64.b64decode(word, validate=True)
            except (binascii.Error, ValueError):
                continue
            # PLAIN's password is what follows its last NUL -- RFC 4616 section 2
            yield decoded.rpartition(b"\0")[2].decode("utf-8", "surrogateescape")


def _turns(lines: list[Line]) -> Iterator[tuple[int, str | Reply]]:
    """Give what the client says line by line, and the server's lines as whole replies."""
    texts: list[str] = []
    for line in lines:
        if line.speaker == "client":
            yield line.number, line.text
            continue
        match = _REPLY.match(line.text)
        if match is None:
            raise ValueError(
                f"line {line.number} is no reply: {line.text[:60]!a}; a server's line "
                f"begins with three digits"
            )
        texts.append(match[3])
        if not match[2]:
            yield line.number, Reply(code=int(match[1]), lines=tuple(texts))
            texts = []
    if texts:
        raise ValueError("the dialogue ends inside a reply: its last line is missing")


def _recipients_after(verb: str | None, reply: Reply, accepted: int | None) -> int | None:
    if verb == "END-OF-DATA":
        return None
    if reply.severity != "success":
        return accepted
    if verb in _STARTS_TRANSACTION:
        return 0
    if verb in _ENDS_TRANSACTION:
        return None
    if verb == "RCPT" and accepted is not None:
        return accepted + 1
    return accepted

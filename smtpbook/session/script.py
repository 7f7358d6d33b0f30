"""Script: what a client says, in the form of the RFCs' own examples, to be played again.

A script is text.  ``C:`` begins what the client says and ``S:`` the reply that is expected,
of which only the code counts; ``#`` begins a comment, and empty lines mean nothing::

    # Somebody is not known here.
    S: 220
    C: EHLO client.example
    S: 250
    C: MAIL FROM:<ann@x.test>
    C: RCPT TO:<bob@y.test>
    S: 550

From DATA to the lone dot, each ``C:`` is a line of mail data, as it stands on the wire:
dots are not doubled.  The octets of a chunk stand behind its BDAT, as lines; the CRLF of
the last one is left out where BDAT's number has no room for it.  Where a login's secret
was, a script has ``[redacted]``: it is filled in from the account when the script is
played.

Nothing is said here: that is `Session.play`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smtpbook.escape import visible
from smtpbook.protocol.commands import Bdat, CommandSyntaxError, parse_command
from smtpbook.protocol.replies import Reply

# One blank behind the colon is the form's, if it is there; more are the line's own.
_LINE: Final = re.compile(r"\s*(?:([CS]):[ ]?(.*)|#[ ]?(.*)|)", re.IGNORECASE)
_CODE: Final = re.compile(r"([2-5][0-9]{2})(?:[ -]|$)")
_GO_AHEAD: Final = 354


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    r"""One line of a client.

    Attributes
    ----------
    text : str
        Without its line end.
    chunk : bytes
        What follows BDAT in the same write; empty for anything else.
    expected : int or None
        The code of the reply that is expected; None = whatever comes.
    note : str
        The comment above it, lines joined by ``\n``; ``""`` = none.
    """

    text: str
    chunk: bytes = b""
    expected: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    r"""What a client says, line by line.

    Attributes
    ----------
    lines : tuple of Line
    greeting : int or None
        The code of the greeting that is expected; None = whatever comes.

    Raises
    ------
    ValueError
        A line or a chunk cannot be written in a script.

    Examples
    --------
    >>> print(Script.parse("C:NOOP # no comment\nS:250 OK"), end="")
    C: NOOP # no comment
    S: 250
    """

    lines: tuple[Line, ...] = ()
    greeting: int | None = None

    def __post_init__(self) -> None:
        for line, is_command in zip(self.lines, _are_commands(self.lines), strict=True):
            if not line.text.isprintable():
                raise ValueError(f"a control character stands in {visible(line.text)!r}")
            size = chunk_size(line.text) if is_command else 0
            if len(line.chunk) != size:
                raise ValueError(
                    f"{line.text!r} is followed by {len(line.chunk)} octets, not by {size}"
                )
            if not all(map(str.isprintable, _chunk_lines(line.chunk))):
                raise ValueError(f"the chunk of {line.text!r} is not lines of plain text")

    @classmethod
    def parse(cls, text: str) -> Script:
        """Read a script.

        Raises
        ------
        ValueError
            A line is none of a script; the message has its number.
        """
        reader = _Reader(text)
        return cls(lines=reader.read(), greeting=reader.greeting)

    def __str__(self) -> str:
        said = [] if self.greeting is None else [f"S: {self.greeting}"]
        for line in self.lines:
            said += [f"# {part}".rstrip() for part in line.note.split("\n") if line.note]
            said.append(f"C: {line.text}")
            said += [f"C: {part}" for part in _chunk_lines(line.chunk)]
            said += [] if line.expected is None else [f"S: {line.expected}"]
        return "".join(f"{one}\n" for one in said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A line that was said, and what came of it.

    Attributes
    ----------
    line : Line
    reply : Reply or None
        None = a line of mail data, which gets none.
    """

    line: Line
    reply: Reply | None

    @property
    def is_as_expected(self) -> bool:
        """Whether the reply has the code that the script expects, if any."""
        code = None if self.reply is None else self.reply.code
        return self.line.expected in (None, code)

    def __str__(self) -> str:
        reply = "" if self.reply is None else f"\nS: {visible(str(self.reply))}"
        other = "" if self.is_as_expected else f"   # expected: {self.line.expected}"
        return f"C: {self.line.text}{reply}{other}"


def chunk_size(line: str) -> int:
    """Give how many octets a command line announces; 0 for anything but BDAT.

    >>> chunk_size("BDAT 14 LAST")
    14
    """
    if line[:4].upper() != "BDAT":
        return 0
    try:
        command = parse_command(line.encode("utf-8", "surrogateescape"))
    except CommandSyntaxError:  # the server will say so, and takes no octets
        return 0
    return command.size if isinstance(command, Bdat) else 0


def _chunk_lines(chunk: bytes) -> list[str]:
    """Cut a chunk into lines, as a script has them."""
    try:
        lines = chunk.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        return ["\0"]  # which no script can hold
    return lines[:-1] if not lines[-1] else lines


def _are_commands(lines: Sequence[Line]) -> Iterator[bool]:
    """Tell of each line whether it is a command, as far as a script can know."""
    is_data = False
    for line in lines:
        yield not is_data
        if is_data:
            is_data = line.text != "."
        else:
            is_data = _begins_mail_data(line.text, line.expected)


def _begins_mail_data(text: str, expected: int | None) -> bool:
    return text.strip().upper() == "DATA" and expected in (None, _GO_AHEAD)


class _Reader:
    """Reads the text of a script, line by line."""

    def __init__(self, text: str) -> None:
        # Not splitlines(), which also cuts at characters that may stand in a text.
        self._text = enumerate(re.split(r"\r?\n", text), start=1)
        self.greeting: int | None = None
        self._lines: list[Line] = []
        self._notes: list[str] = []

    def read(self) -> tuple[Line, ...]:
        """Give the lines; then `greeting` is known, too."""
        is_data = False
        for speaker, said, number in self._said():
            if speaker == "S":
                self._expect(said, number)
                continue
            last = self._lines[-1] if self._lines else None
            if is_data and last is not None:
                is_data = last.text != "."
            elif last is not None:
                is_data = _begins_mail_data(last.text, last.expected)
            size = 0 if is_data else chunk_size(said)
            note = "\n".join(self._notes)
            self._notes.clear()
            chunk = self._chunk(size, number)
            self._lines.append(Line(text=said, chunk=chunk, note=note))
        return tuple(self._lines)

    def _said(self) -> Iterable[tuple[str, str, int]]:
        for number, text in self._text:
            found = _LINE.fullmatch(text)
            if found is None:
                raise ValueError(
                    f"line {number} of the script begins with none of C:, S: and #: "
                    f"{visible(text, max_chars=60)!r}"
                )
            if found[1]:
                yield found[1].upper(), found[2], number
            elif found[3] is not None:
                self._notes.append(found[3].rstrip())

    def _expect(self, said: str, number: int) -> None:
        code = _CODE.match(said.strip())
        if code is None:
            raise ValueError(
                f"line {number} of the script: what is expected begins with a reply code, "
                f"not with {visible(said, max_chars=40)!r}"
            )
        if not self._lines:
            self.greeting = int(code[1])
            return
        last = self._lines[-1]
        self._lines[-1] = Line(
            text=last.text, chunk=last.chunk, expected=int(code[1]), note=last.note
        )

    def _chunk(self, size: int, number: int) -> bytes:
        octets = b""
        while len(octets) < size:
            speaker, said, _ = next(iter(self._said()), ("", "", 0))
            if speaker != "C":
                break
            octets += said.encode("utf-8", "surrogateescape")
            octets += b"\r\n" if len(octets) < size else b""
        if len(octets) != size:
            raise ValueError(
                f"line {number} of the script: BDAT announces {size} octets, and "
                f"{len(octets)} stand below it"
            )
        return octets

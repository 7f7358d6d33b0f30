"""What is fuzzed of the grammar: a server's octets to replies, a client's to commands.

Each function takes any octets and raises AssertionError where a promise is broken; it gives
what an input that does something new is known by, beside its way through the code.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.commands import (
    MAX_AUTH_LINE,
    Command,
    CommandSyntaxError,
    Raw,
    encode,
    parse_command,
)
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.replies import (
    MAX_REPLY_BYTES,
    MAX_REPLY_LINE,
    MAX_REPLY_LINES,
    NeedData,
    Reply,
    ReplyParser,
)


def cuts(octets: bytes) -> Iterator[list[bytes]]:
    """Give the octets whole, one by one (a few where they are many), and in two pieces."""
    yield [octets]
    size = 1 + len(octets) // 500
    yield [octets[i : i + size] for i in range(0, len(octets), size)]
    place = zlib.crc32(octets) % (len(octets) + 1)
    yield [octets[:place], octets[place:]]


def replies(octets: bytes) -> set[object]:
    """Whatever a server says is replies, or one error, however it is cut."""
    whole, *others = (_heard(pieces) for pieces in cuts(octets))
    for other in others:
        assert other == whole
    for reply in whole[0]:
        _check_reply(reply)
    return {(whole[2] or "")[:12]}


def check_unread(parser: ReplyParser) -> None:
    """No more waits for the end of its line than a line may have."""
    unread = parser.unread
    bound = MAX_AUTH_LINE if unread.startswith(b"334") else MAX_REPLY_LINE
    assert len(unread) <= bound


def _heard(pieces: list[bytes]) -> tuple[list[Reply], int, str | None, bool]:
    """Give the replies, their octets, the error, and whether one has begun."""
    parser = ReplyParser()
    found: list[Reply] = []
    octets = 0
    try:
        for piece in pieces:
            parser.feed(piece)
            while not isinstance(reply := parser.next_reply(), NeedData):
                found.append(reply)
                octets += parser.size
            check_unread(parser)
    except RemoteProtocolError as exc:
        return found, octets, str(exc), False
    return found, octets, None, parser.is_inside_reply


def _check_reply(reply: Reply) -> None:
    wire = reply.to_bytes()
    assert (
        len(wire) <= MAX_REPLY_BYTES + 2 * MAX_REPLY_LINES
    )  # what had no text has a space
    assert _heard([wire]) == ([reply], len(wire), None, False)
    assert visible(reply.text, newlines=True) == reply.text
    reply.text.encode("utf-8")
    assert reply.severity
    status = reply.enhanced_status
    assert status is None or status[0] == str(reply.code)[0]
    extensions = Extensions.from_reply(reply)
    for keyword, words in extensions.keywords.items():
        assert keyword == keyword.upper()
        assert all(word.split() == [word] for word in words)


def commands(octets: bytes) -> set[object]:
    """Whatever a client says is a command that can be said again, or a refusal."""
    keys = set[object]()
    for line in octets.split(b"\r\n"):
        try:
            command = parse_command(line)
            _check_command(command)
            keys.add(command.key)
        except CommandSyntaxError as exc:
            _check_reply(Reply(code=exc.code, lines=(exc.text,)))
    return keys


def _check_command(command: Command) -> None:
    assert command.shown.isprintable() or isinstance(command, Raw)
    assert command.key
    try:
        wire = encode(command)
    except LocalProtocolError:
        return  # longer than a client may write
    assert wire.endswith(b"\r\n")
    assert b"\r" not in wire[:-2]
    assert b"\n" not in wire[:-2]
    again = parse_command(wire[:-2])
    assert again == command, (again, command)
    assert encode(again) == wire

"""Typed: any line somebody says, allowed or not, for lessons and experiments.

What the state allows is not asked here, only whether the line keeps the conversation's
framing.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import (
    AuthResponse,
    Command,
    CommandSyntaxError,
    Raw,
    decode_base64,
    encode,
)
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.record import Record
from smtpbook.transfer.group import Group


async def say_line(talk: Dialogue, record: Record, line: str) -> Reply | None:
    """Say a line and wait for the reply; a line of mail data gets none.

    Raises
    ------
    LocalProtocolError
        The line holds a line end or another control character, or a command still awaits
        its reply.
    TransportError, RemoteProtocolError
        No reply came; the dialogue is over.
    """
    if talk.is_over:
        raise talk.over()
    client = talk.client
    if client.state is State.DATA:
        group = Group()
        if line == ".":
            group.octets = client.end_mail_data(b"", group.lone_tag)
            await talk.write(group)
            return await talk.reply_to(group)
        group.octets = encode(Raw(line))
        await talk.write(group)
        if not talk.is_over:
            record.mail_data_line(line, trio.current_time())
        return None
    command = _command(client.state, line)
    _hide_login(record, command)
    return await talk.ask(command, strict=False)


def _command(state: State, line: str) -> Command:
    if state is State.AUTH:
        try:
            return AuthResponse(None if line == "*" else decode_base64(line))
        except CommandSyntaxError as exc:
            raise LocalProtocolError(f"not base64: {exc}") from None
    return Raw(line)


def _hide_login(record: Record, command: Command) -> None:
    """Mask what a typed login holds, should the server repeat it."""
    response = b""
    words = command.line.split()
    if isinstance(command, AuthResponse):
        response = command.data or b""
    elif len(words) > 2 and words[0].upper() == "AUTH":
        record.hide(words[2].encode())
        with suppress(CommandSyntaxError):
            response = decode_base64(words[2])
    # PLAIN's password is what follows its last NUL.
    record.hide(response, response.rpartition(b"\0")[2])

"""Typed: any line somebody says, allowed or not, for lessons and experiments.

What the state allows is not asked here, only whether the line keeps the conversation's
framing.  A login may be said step by step: where a line has ``[redacted]`` for its secret,
it is filled in from the account.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import (
    REDACTED,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    Raw,
    decode_base64,
    encode,
    parse_command,
)
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.sasl.mechanism import ClientMechanism
from smtpbook.sasl.typed import said_at_login, without_login
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.login import finish, hide_response, mechanism_by_hand, take_turn
from smtpbook.session.record import Record
from smtpbook.session.script import chunk_size
from smtpbook.transfer.group import Group


class Typist:
    """Says lines as they are typed, and remembers the login that is under way.

    Parameters
    ----------
    account : Account
        Whose secret stands for ``[redacted]``.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._name = ""  # of the mechanism that AUTH named last
        self._mechanism: ClientMechanism | None = None
        self._has_begun = False  # what it says first is made

    async def say(
        self, talk: Dialogue, record: Record, line: str, chunk: bytes = b""
    ) -> Reply | None:
        """Say a line and wait for the reply; a line of mail data gets none.

        Raises
        ------
        LocalProtocolError
            The line holds a line end or another control character, a command still awaits
            its reply, the chunk is not as long as BDAT says, or a login cannot be filled
            in.
        TransportError, RemoteProtocolError
            No reply came; the dialogue is over.
        """
        if talk.is_over:
            raise talk.over()
        if talk.client.state is State.DATA:
            return await _say_mail_data(talk, record, line, chunk)
        command = await self._command(talk, record, line)
        size = 0 if talk.client.state is State.AUTH else chunk_size(line)
        if len(chunk) != size:
            raise LocalProtocolError(
                f"{command.verb} announces {size} octets of mail data, and {len(chunk)} "
                "are given: the rest of the conversation would be read as something else"
            )
        reply = await _ask(talk, command, chunk)
        if reply.code == 235 and self._mechanism is not None:
            mechanism, self._mechanism = self._mechanism, None
            finish(talk, mechanism)
        return reply

    async def _command(self, talk: Dialogue, record: Record, line: str) -> Command:
        """Give the command that a line stands for, and mask what a login holds."""
        if talk.client.state is State.AUTH:
            if line == REDACTED:
                return await self._response(talk, record)
            command: Command = _response(line)
        else:
            words = line.split()
            if len(words) > 1 and words[0].upper() == "AUTH":
                self._name, self._mechanism = words[1].upper(), None
                if words[2:] == [REDACTED]:
                    return await self._auth(talk, record)
            command = _as_typed(line)
        _hide_login(record, command)
        return command

    async def _auth(self, talk: Dialogue, record: Record) -> Command:
        mechanism = await self._begin(talk, record)
        self._has_begun = True
        command = Auth(mechanism.name, await take_turn(mechanism, mechanism.start))
        hide_response(command, mechanism, self._account.username or "", record)
        return command

    async def _response(self, talk: Dialogue, record: Record) -> Command:
        mechanism = self._mechanism or await self._begin(talk, record)
        try:
            challenge = decode_base64(talk.challenge.strip())
        except CommandSyntaxError:
            raise LocalProtocolError(
                "the challenge is not base64, so nothing can be filled in; * cancels"
            ) from None
        command = None
        if not self._has_begun:  # the server asks for what AUTH has left out
            self._has_begun = True
            first = await take_turn(mechanism, mechanism.start)
            command = None if first is None else AuthResponse(first)
        if command is None:
            answer = partial(mechanism.respond, challenge)
            command = AuthResponse(await take_turn(mechanism, answer))
        hide_response(command, mechanism, self._account.username or "", record)
        return command

    async def _begin(self, talk: Dialogue, record: Record) -> ClientMechanism:
        self._mechanism = await mechanism_by_hand(talk, self._account, record, self._name)
        self._has_begun = False
        return self._mechanism


async def _say_mail_data(
    talk: Dialogue, record: Record, line: str, chunk: bytes
) -> Reply | None:
    if chunk:
        raise LocalProtocolError("mail data is being written: there is no BDAT in it")
    group = Group()
    if line == ".":
        group.octets = talk.client.end_mail_data(b"", group.lone_tag)
        await talk.write(group)
        return await talk.reply_to(group)
    group.octets = encode(Raw(line))
    await talk.write(group)
    if not talk.is_over:
        record.mail_data_line(line, trio.current_time())
    return None


async def _ask(talk: Dialogue, command: Command, chunk: bytes) -> Reply:
    group = Group()
    group.octets = talk.client.issue(command, group.lone_tag, strict=False) + chunk
    await talk.write(group)
    return await talk.reply_to(group)


class _Unreadable(Raw):
    """What is no response, where a response is awaited; it may be a password all the same.

    "If the server cannot [BASE64] decode any client response, it MUST fail the AUTH
    command" -- RFC 4954 section 4.
    """

    __slots__ = ()
    verb = "AUTH"
    key = "RESPONSE"

    def _shown(self) -> str:
        return REDACTED


class _Login(Raw):
    """A line that logs in, or was meant to."""

    __slots__ = ()

    def _shown(self) -> str:
        return without_login(self.text, REDACTED)


def _response(line: str) -> AuthResponse | _Unreadable:
    try:
        return AuthResponse(None if line == "*" else decode_base64(line))
    except CommandSyntaxError:
        return _Unreadable(line)


def _as_typed(line: str) -> Command:
    """Give a line as it stands; but the last chunk is another event than those before."""
    if line[:4].upper() == "BDAT":
        with suppress(CommandSyntaxError):
            command = parse_command(line.encode("utf-8", "surrogateescape"))
            if isinstance(command, Bdat):
                return command
    return _Login(line) if said_at_login(line) else Raw(line)


def _hide_login(record: Record, command: Command) -> None:
    """Mask what a typed login holds, should the server repeat it."""
    response = b""
    if isinstance(command, AuthResponse):
        response = command.data or b""
    elif isinstance(command, _Unreadable):
        response = command.line.encode("utf-8", "surrogateescape")
    elif isinstance(command, _Login):
        said = said_at_login(command.text)
        record.hide(*(word.encode("utf-8", "surrogateescape") for word in said))
        with suppress(CommandSyntaxError):
            response = decode_base64(said[0])
    # PLAIN's password is what follows its last NUL.
    record.hide(response, response.rpartition(b"\0")[2])

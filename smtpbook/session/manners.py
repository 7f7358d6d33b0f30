"""Manners: how a session greets, and how it says goodbye.

What is in between is said elsewhere.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.helo import own_name
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import (
    DeferredError,
    RejectedError,
    ReplyError,
    SMTPBookError,
    TransportError,
)
from smtpbook.protocol.commands import Ehlo, Helo, Lhlo, Quit
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.session.dialogue import Dialogue
from smtpbook.transport.connect import local_address

_NO_QUIT: Final = frozenset({State.DATA, State.AUTH, State.TLS, State.CLOSED})


async def greet(talk: Dialogue, account: Account) -> None:
    """Say EHLO, or HELO where that is not understood; to LMTP, LHLO.

    Raises
    ------
    RejectedError, DeferredError
        The server refused.
    """
    name = account.helo or own_name(local_address(talk.stream))
    greeting = Lhlo if account.protocol == "lmtp" else Ehlo
    reply = await talk.ask(greeting(name))
    if reply.code // 100 == 5 and greeting is Ehlo:
        # "If the EHLO command is not acceptable to the SMTP server, 501, 500, 502, or
        # 550 failure replies MUST be returned" -- RFC 5321 section 4.1.4; what is left
        # then is HELO (section 3.2).
        reply = await talk.ask(Helo(name))
    raise_refusal(reply, greeting.verb)


async def say_goodbye(talk: Dialogue, limits: Timeouts, *, politely: bool) -> None:
    """Say QUIT if that is possible, and end the dialogue."""
    if politely:
        with trio.move_on_after(_patience_s(talk, limits)):
            await talk.wait(lambda: not talk.client.outstanding)
        is_ready = not talk.is_over and not talk.client.outstanding
        if is_ready and talk.client.state not in _NO_QUIT:
            # QUIT decides nothing; the record says what became of it.
            with suppress(SMTPBookError):
                await talk.ask(Quit())
    if not talk.is_over:
        talk.end(TransportError("the session was left before QUIT"))


def _patience_s(talk: Dialogue, limits: Timeouts) -> float:
    """How long leaving may take: giving up on mail data makes duplicates (RFC 1047)."""
    awaited = (command.verb for command, *_ in talk.client.unanswered)
    is_patient = any(verb in ("END-OF-DATA", "BDAT") for verb in awaited)
    return limits.end_of_data_s if is_patient else limits.quit_s


def raise_refusal(reply: Reply, verb: str) -> None:
    """Raise what a refused command comes to; nothing after any other reply."""
    if reply.code >= 400:
        kind: type[ReplyError] = DeferredError if reply.code < 500 else RejectedError
        raise kind(reply, verb)

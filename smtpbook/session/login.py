"""Login: the AUTH exchange of a session (RFC 4954).

The mechanisms are `sasl`'s; here they meet the dialogue, and the secret meets the record,
which hides it from then on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import AuthenticationError, LocalProtocolError, RemoteProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.commands import (
    REDACTED,
    Auth,
    AuthResponse,
    CommandSyntaxError,
    decode_base64,
)
from smtpbook.protocol.replies import Reply
from smtpbook.sasl import registry as sasl
from smtpbook.sasl.mechanism import ClientMechanism, Credentials
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.record import Record

_MAX_TOLD: Final = 300  # characters of what a server says about a refused token


async def log_in(talk: Dialogue, account: Account, record: Record) -> None:
    """Log in with the strongest mechanism both sides know, or the one asked for.

    Raises
    ------
    AuthenticationError
        The server refused; each password is tried once.  Why a token was refused, as the
        server told it, stands in the message.
    LocalProtocolError
        No mechanism fits, no password is known, or it would travel in clear text.
    """
    is_private = record.tls[0] is not None or account.is_loopback
    name = sasl.choose(
        account.auth,
        talk.client.extensions.mechanisms,
        is_private=is_private,
        serves=_serves(account),
    )
    # A callable may ask a keyring or refresh a token: not on the trio thread.
    secret = await trio.to_thread.run_sync(account.secret)
    if secret is None:
        raise LocalProtocolError(
            f"no password for {account.name}: give password=, a string or a callable"
        )
    username = account.username or ""
    mechanism = sasl.client(
        name,
        Credentials(
            username=username,
            secret=secret.reveal(),
            host=account.host,
            port=account.port,
        ),
    )
    # No variable here holds the secret: tracebacks may be shown with their locals.
    if mechanism.start() is None:
        # A challenge that comes before any secret was said repeats none; what in it spells
        # the password by chance is needed for the answer.
        reply = await talk.ask(Auth(name, None))
        record.hide(secret.reveal().encode())
    else:
        record.hide(secret.reveal().encode(), mechanism.start() or b"")
        reply = await talk.ask(Auth(name, mechanism.start()))
    while reply.code == 334:
        response = await _answer(mechanism, talk, reply)
        if response.data != username.encode():  # LOGIN's first response is no secret
            record.hide(response.data or b"")
        reply = await talk.ask(response)
    if reply.code >= 300:
        said = record.masked(told(mechanism.failure))
        error = AuthenticationError(
            reply, f"AUTH {name}", visible(said, max_chars=_MAX_TOLD)
        )
        if account.advice is not None:
            error.add_note(account.advice)
        raise error


def _serves(account: Account) -> Sequence[str] | None:
    """What the secret is good for, where its source says so; a token does."""
    serves: Sequence[str] | None = getattr(account.password, "mechanisms", None)
    return serves


def told(failure: str) -> str:
    """Spell out what a challenge gave as the reason of a refused token.

    JSON (RFC 7628 section 3.2.2) becomes ``key=value``, anything else stays as it came; it
    is not yet safe to show.

    >>> told('{"status":"invalid_token","scope":"mail"}')
    'status=invalid_token, scope=mail'
    """
    try:
        fields = json.loads(failure)
    except (ValueError, RecursionError):
        return failure
    if not isinstance(fields, dict):
        return failure
    return ", ".join(f"{key}={value}" for key, value in fields.items())


async def _answer(
    mechanism: ClientMechanism, talk: Dialogue, challenge: Reply
) -> AuthResponse:
    text = challenge.lines[0].strip()
    try:
        # What repeats a secret has been masked and is base64 no more.  It is the error of a
        # token or a prompt: neither needs reading to be answered.
        octets = REDACTED.encode() if REDACTED in text else decode_base64(text)
        return AuthResponse(mechanism.respond(octets))
    except (CommandSyntaxError, LocalProtocolError) as exc:
        # "If the client wishes to cancel the authentication exchange, it issues a line with
        # a single "*"" -- RFC 4954 section 4
        await talk.ask(AuthResponse(None))
        reason = "it is not base64" if isinstance(exc, CommandSyntaxError) else exc
        raise RemoteProtocolError(f"a challenge that cannot be answered: {reason}") from exc

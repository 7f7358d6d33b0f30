"""Login: the AUTH exchange of a session (RFC 4954).

The mechanisms are `protocol.sasl`'s; here they meet the dialogue, and the secret meets the
record, which hides it from then on.
"""

from __future__ import annotations

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import AuthenticationError, LocalProtocolError, RemoteProtocolError
from smtpbook.protocol import sasl
from smtpbook.protocol.commands import Auth, AuthResponse, CommandSyntaxError, decode_base64
from smtpbook.protocol.replies import Reply
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.record import Record


async def log_in(talk: Dialogue, account: Account, record: Record) -> None:
    """Log in with the strongest mechanism both sides know, or the one asked for.

    Raises
    ------
    AuthenticationError
        The server refused; each password is tried once.
    LocalProtocolError
        No mechanism fits, no password is known, or it would travel in clear text.
    """
    is_private = record.tls[0] is not None or account.is_loopback
    name = sasl.choose(
        account.auth, talk.client.extensions.mechanisms, is_private=is_private
    )
    # A callable may ask a keyring or refresh a token: not on the trio thread.
    secret = await trio.to_thread.run_sync(account.secret)
    if secret is None:
        raise LocalProtocolError(
            f"no password for {account.name}: give password=, a string or a callable"
        )
    username = account.username or ""
    mechanism = sasl.client(name, username, secret.reveal())
    # No variable here holds the secret: tracebacks may be shown with their locals.
    record.hide(secret.reveal().encode(), mechanism.start() or b"")
    reply = await talk.ask(Auth(name, mechanism.start()))
    while reply.code == 334:
        response = await _answer(mechanism, talk, reply)
        if response.data != username.encode():  # LOGIN's first response is no secret
            record.hide(response.data or b"")
        reply = await talk.ask(response)
    if reply.code >= 300:
        raise AuthenticationError(reply, f"AUTH {name}")


async def _answer(
    mechanism: sasl.ClientMechanism, talk: Dialogue, challenge: Reply
) -> AuthResponse:
    try:
        return AuthResponse(mechanism.respond(decode_base64(challenge.lines[0].strip())))
    except (CommandSyntaxError, LocalProtocolError) as exc:
        # "If the client wishes to cancel the authentication exchange, it issues a line with
        # a single "*"" -- RFC 4954 section 4
        await talk.ask(AuthResponse(None))
        reason = "it is not base64" if isinstance(exc, CommandSyntaxError) else exc
        raise RemoteProtocolError(f"a challenge that cannot be answered: {reason}") from exc

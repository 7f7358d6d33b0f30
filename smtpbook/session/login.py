"""Login: the AUTH exchange of a session (RFC 4954).

The mechanisms are `sasl`'s; here they meet the dialogue, and the secret meets the record,
which hides it from then on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.secret import Secret
from smtpbook.certificates.binding import tls_server_end_point
from smtpbook.errors import (
    AuthenticationError,
    DeferredError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyError,
)
from smtpbook.escape import visible
from smtpbook.protocol.commands import (
    Auth,
    AuthResponse,
    CommandSyntaxError,
    decode_base64,
    encode,
)
from smtpbook.protocol.replies import Reply
from smtpbook.sasl import registry as sasl
from smtpbook.sasl.mechanism import ClientMechanism, Credentials, clean
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.domain import Gssapi, Ntlm
from smtpbook.session.record import Record

_T = TypeVar("_T")
_MAX_TOLD: Final = 300  # characters of what a server says about a refused token
# Replies about the mechanism, not the password.  534: it "is weaker than server policy
# permits for that user. The client SHOULD retry with a new authentication mechanism"; 432:
# the user has to log in by PLAIN once before this one works (both RFC 4954 section 6); 504:
# the server does not know it, whatever it has offered (section 4).
# A secret that was sent is not sent again all the same: Gmail says 534 5.7.9 to a password
# where it wants an app password, and would say it to each mechanism.
_NOT_THIS_WAY: Final = frozenset({432, 504, 534})


def is_wanted(account: Account) -> bool:
    """Whether an account logs in: as somebody, or in a way that needs no user name."""
    return account.username is not None or account.auth.upper() in sasl.WITHOUT_NAME


async def log_in(talk: Dialogue, account: Account, record: Record) -> None:
    """Log in with the strongest mechanism both sides know, or the one asked for.

    A reply that says the mechanism will not do leads to the next; any other ends it: each
    password is tried once.

    Raises
    ------
    AuthenticationError
        The server refused.  What was tried, and why a token was refused, as the server
        told it, stands in the message.
    DeferredError
        The server cannot judge logins now; nothing is said about the password.
    LocalProtocolError
        No mechanism fits, no password is known, it is too long, or would be in clear text.
    RemoteProtocolError
        The server broke the exchange, or did not prove who it is where the mechanism has it
        do so; then the session is over.

    References
    ----------
    RFC 4954 sections 4 (the exchange) and 6 (its reply codes).
    """
    names, mechanism_of = await _ways(talk, account, record, account.auth)
    tried: list[str] = []
    for name in names:
        tried.append(name)
        mechanism = mechanism_of(name)
        reply = await _exchange(talk, mechanism, account.username or "", record)
        if reply.code < 300:
            return finish(talk, mechanism)
        if reply.code not in _NOT_THIS_WAY or sasl.sends_secret(name):
            break
    raise _refusal(reply, tried, record.masked(told(mechanism.failure)), account)


async def _binding(talk: Dialogue, offered: Sequence[str]) -> bytes:
    """Give what ties a login to this TLS connection; empty = nothing, or nobody asks."""
    certificate = next(iter(talk.certificates), None)
    if certificate is None or not any(sasl.tells_binding(one, offered) for one in offered):
        return b""
    # The first time, a library is loaded: not on the trio thread.
    return await trio.to_thread.run_sync(tls_server_end_point, certificate) or b""


async def _secret(account: Account, name: str) -> Secret:
    """Give what the mechanism needs of password or token; empty = nothing."""
    if name in sasl.WITHOUT_SECRET:
        return Secret("")
    if name in sasl.WITHOUT_NAME and account.password is None:  # a ticket will do
        return Secret("")
    if isinstance(account.password, Secret):
        return account.password
    # A callable may ask a keyring or refresh a token: not on the trio thread.
    secret = await trio.to_thread.run_sync(account.secret)
    if secret is None:
        raise LocalProtocolError(
            f"no password for {account.name}: give password=, a string or a callable"
        )
    return secret


async def mechanism_by_hand(
    talk: Dialogue, account: Account, record: Record, name: str
) -> ClientMechanism:
    """Give the client's side of a mechanism, for a login that is said step by step.

    Raises
    ------
    LocalProtocolError
        It is not known or not offered, no password is known, or it would travel in clear
        text.
    """
    (name,), mechanism_of = await _ways(talk, account, record, name)
    return mechanism_of(name)


async def _ways(
    talk: Dialogue, account: Account, record: Record, wanted: str
) -> tuple[tuple[str, ...], Callable[[str], ClientMechanism]]:
    """Give the mechanisms to log in with, and what makes each; hide the secret."""
    offered = talk.client.extensions.mechanisms
    binding = await _binding(talk, offered)
    names = sasl.choose(
        wanted,
        offered,
        is_private=record.tls[0] is not None or account.is_loopback,
        can_bind=binding != b"",
        # What the secret is good for, where its source says so; a token does.
        serves=getattr(account.password, "mechanisms", None),
    )
    secret = await _secret(account, names[0])
    record.hide(clean(secret.reveal()))
    return names, partial(_mechanism, account, secret, offered, binding)


def _mechanism(
    account: Account, secret: Secret, offered: Sequence[str], binding: bytes, name: str
) -> ClientMechanism:
    credentials = Credentials(
        username=account.username or "",
        secret=secret.reveal(),
        host=account.host,
        port=account.port,
        binding=binding if sasl.tells_binding(name, offered) else b"",
    )
    match name:
        case "GSSAPI":
            return Gssapi(credentials)
        case "NTLM":
            return Ntlm(credentials)
        case _:
            return sasl.client(name, credentials)


async def _exchange(
    talk: Dialogue, mechanism: ClientMechanism, username: str, record: Record
) -> Reply:
    """Take turns until there is a verdict."""
    # No variable here holds what is said: tracebacks may be shown with their locals.
    first = AuthResponse(await take_turn(mechanism, mechanism.start))
    encode(first)  # what no line can hold is not begun
    command: Auth | AuthResponse = Auth(mechanism.name, first.data)
    while True:
        hide_response(command, mechanism, username, record)
        reply = await talk.ask(command)
        if reply.code // 100 != 3:
            return reply
        if reply.code != 334:
            # "A server challenge is sent as a 334 reply" -- RFC 4954 section 4
            error = RemoteProtocolError(f"{reply.code} cannot be a reply to AUTH: {reply}")
            talk.end(error)
            raise error
        command = await _answer(mechanism, talk)


def hide_response(
    command: Auth | AuthResponse, mechanism: ClientMechanism, username: str, record: Record
) -> None:
    """Mask what is said, should the server repeat it; a user name alone is no secret."""
    said = command.initial_response if isinstance(command, Auth) else command.data
    if said != username.encode():
        record.hide(said or b"")
    record.hide(mechanism.awaited)


async def _answer(mechanism: ClientMechanism, talk: Dialogue) -> AuthResponse:
    try:
        challenge = decode_base64(talk.challenge.strip())
        turn = partial(mechanism.respond, challenge)
        response = AuthResponse(await take_turn(mechanism, turn))
        encode(response)  # it may be too long for a line
        return response
    except RemoteProtocolError as exc:  # nothing more is said to such a server
        talk.end(exc)
        raise
    except (CommandSyntaxError, LocalProtocolError) as exc:
        # "If the client wishes to cancel the authentication exchange, it issues a line with
        # a single "*"" -- RFC 4954 section 4
        reply = await talk.ask(AuthResponse(None))
        reason = "it is not base64" if isinstance(exc, CommandSyntaxError) else exc
        error = RemoteProtocolError(f"a challenge that cannot be answered: {reason}")
        if reply.code < 400:  # it says yes to a login that was called off
            talk.end(error)
        raise error from exc


async def take_turn(mechanism: ClientMechanism, turn: Callable[[], _T]) -> _T:
    """Have a mechanism take its turn: in a thread, where it may take long."""
    if mechanism.is_slow:
        return await trio.to_thread.run_sync(turn, abandon_on_cancel=True)
    return turn()


def finish(talk: Dialogue, mechanism: ClientMechanism) -> None:
    """Believe the server's yes, if it has proved what the mechanism has it prove."""
    try:
        mechanism.finish()
    except RemoteProtocolError as exc:
        # It calls us logged in, and is perhaps another's: nothing may be sent there.
        talk.end(exc)
        raise


def _refusal(
    reply: Reply, tried: Sequence[str], failure: str, account: Account
) -> ReplyError:
    """Put in words that the server said no, and to what."""
    verb = f"AUTH {', '.join(tried)}"
    if reply.code // 100 == 4 and reply.code not in _NOT_THIS_WAY:
        # "The client SHOULD NOT prompt the user for another password in this case, and
        # should instead notify the user of server failure" -- RFC 4954 section 6, of 454
        deferred = DeferredError(reply, verb)
        deferred.add_note("The server's trouble; the password may be right. Try later.")
        return deferred
    error = AuthenticationError(reply, verb, visible(failure, max_chars=_MAX_TOLD))
    if account.advice is not None:
        error.add_note(account.advice)
    if tried[-1].endswith("-PLUS"):
        other = tried[-1].removesuffix("-PLUS")
        error.add_note(
            "If the password is right, the server may bind logins to TLS in another way "
            f'than by its certificate: try auth="{other}".'
        )
    return error


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

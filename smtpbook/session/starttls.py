"""STARTTLS: asking for TLS, as an account wants it.

The handshake that follows is `transport`'s, and what a login may be told then is `login`'s.
"""

from __future__ import annotations

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import TLSError
from smtpbook.events import CLEAR_TEXT
from smtpbook.protocol.commands import StartTls
from smtpbook.protocol.connection import CLOSING
from smtpbook.protocol.replies import Reply
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.record import Record


async def ask_for_tls(talk: Dialogue, account: Account, record: Record) -> Reply | None:
    """Say STARTTLS, as an account wants it.

    Returns
    -------
    Reply or None
        None = the dialogue goes on in clear text, which is recorded: the account's TLS is
        opportunistic, and the server does not offer any, or not now.

    Raises
    ------
    TLSError
        It is wanted, and not offered.

    References
    ----------
    RFC 3207 section 4 (a client decides what to do without), RFC 7435 (opportunistic).
    """
    is_optional = account.tls == "opportunistic"
    if talk.client.extensions.has_starttls:
        reply = await talk.ask(StartTls())
        if reply.code < 400 or reply.code == CLOSING or not is_optional:
            return reply
    elif not is_optional:
        error = TLSError(
            f'{account.host} does not offer STARTTLS; use tls="implicit" '
            "(port 465) or another server: nothing but EHLO was said in clear text"
        )
        error.is_offered = False
        raise error
    record.note("tls", trio.current_time(), about=CLEAR_TEXT)
    return None

"""Opening: a session with whichever of a domain's own servers lets us in.

What it is then is a session like any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from smtpbook.accounts.account import Account
from smtpbook.errors import LocalProtocolError, SMTPBookError
from smtpbook.events import Event
from smtpbook.relaying.destination import Destination, Finder
from smtpbook.session.session import Session, open_session


@asynccontextmanager
async def open_session_to(
    domain: str,
    account: Account,
    record: Callable[[Event], None] | None = None,
    **changes: Any,
) -> AsyncIterator[Session]:
    """Open a session with one of the servers that take a domain's mail.

    They are tried in the order of their preference, equals by lot: a server that cannot be
    reached, or does not let us in, leaves the next one.

    Parameters
    ----------
    domain : str
        Such as ``"example.org"``.
    account : Account
        One of `Account.direct`.
    record, **changes
        As of `open_session`.

    Yields
    ------
    Session
        Of which ``.account.host`` is the server's name.

    Raises
    ------
    RejectedError
        The domain takes no mail, or every server said so (5yz).
    DeferredError, TransportError, TLSError
        None let us in, and one may later.
    ValueError
        The account has a server of its own.

    References
    ----------
    RFC 5321 section 5.1.
    """
    if account.relay is None:
        raise ValueError(
            f"account {account.name} has a server of its own: open_session(account)"
        )
    finder = Finder(account)
    found, _ = await finder.find(domain)
    if not isinstance(found, Destination):
        raise found
    tour = found.tour(account, finder.lot)
    while (approach := tour.now) is not None:
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(
                    open_session(
                        approach.account, record, connector=approach.connect, **changes
                    )
                )
                approach.require(approach.shortfall(session))
            except LocalProtocolError:
                raise
            except SMTPBookError as exc:
                tour.turned_away(exc)
                continue
            yield session
            return
    raise tour.verdict[0]

"""Visit: one call at a mail host, from its greeting to QUIT.

EHLO, STARTTLS and EHLO again are all that is said: no login, no MAIL.  A second connection
is made only where the certificate of the first was not accepted, to see the rest.  When to
call, and at whom, is `posture`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from smtpbook.accounts.account import Account
from smtpbook.errors import SMTPBookError
from smtpbook.events import COLUMNS, Row, Sink
from smtpbook.session.probe import certificate_problem
from smtpbook.session.session import open_session
from smtpbook.transport.connect import connect_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a call came to.

    Attributes
    ----------
    rows : tuple of Row
        Of the event log; of two sessions, the last.
    certificates : tuple of bytes
        As the server showed them, DER, its own first.
    failure : SMTPBookError or None
        What ended the first session before its time; None = nothing.
    certificate_problem : str or None
        Why the certificate was not accepted; None = it was, or none was seen.
    error : str or None
        What ended the last session before its time, in words.
    """

    rows: tuple[Row, ...]
    certificates: tuple[bytes, ...]
    failure: SMTPBookError | None
    certificate_problem: str | None
    error: str | None

    def events(self, *, kind: str, verb: str | None = None) -> list[dict[str, object]]:
        """Give the events of a kind and a verb, as cells by the columns' names."""
        cells = [dict(zip(COLUMNS, row, strict=True)) for row in self.rows]
        return [one for one in cells if (one["kind"], one["verb"]) == (kind, verb)]


async def visit(
    account: Account,
    addresses: tuple[str, ...],
    sink: Sink,
    before_again: Callable[[], Awaitable[None]],
) -> Visit:
    """Call at a host.

    Parameters
    ----------
    account : Account
        With ``tls="starttls"``, and without a login.
    addresses : tuple of str
        The host's.
    sink : Sink
        Takes each row of the event log, too.
    before_again : async callable
        Waits until another connection may be made.
    """
    rows, shown, failure = await _session(account, addresses, sink)
    problem = certificate_problem(failure)
    error = failure
    if problem is not None:
        await before_again()
        lenient = account.replace(tls="opportunistic", port=account.port)
        rows, shown, error = await _session(lenient, addresses, sink)
    return Visit(
        rows=tuple(rows),
        certificates=shown,
        failure=failure,
        certificate_problem=problem,
        error=None if error is None else str(error),
    )


async def _session(
    account: Account, addresses: tuple[str, ...], sink: Sink
) -> tuple[list[Row], tuple[bytes, ...], SMTPBookError | None]:
    rows: list[Row] = []

    def keep(row: Row) -> None:
        rows.append(row)
        sink(row)

    try:
        async with open_session(
            account,
            sink=keep,
            login=False,
            connector=partial(connect_to, addresses),
            keeps_rows=False,
        ) as session:
            shown = session.certificates
    except SMTPBookError as exc:
        return rows, (), exc
    return rows, shown, None

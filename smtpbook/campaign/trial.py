"""Trial: a letter sent to oneself, as one of its recipients would get it, or a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.run import Run
from smtpbook.errors import RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.ledger.entries import key_of
from smtpbook.messages.template import Template
from smtpbook.preflight.tried import remember
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

PREFIX: Final = "[Test]"
_NEIGHBOURS: Final = 500  # addresses looked at for a near miss


def send_test(
    letter: Template,
    account: Account,
    to: str,
    row: Mapping[str, Any] | pd.Series[Any] | None = None,
) -> Run:
    """Send a letter to yourself, filled in as for one of its recipients.

    Once the server has taken it, this letter counts as tried: see `Campaign.preflight`.

    Parameters
    ----------
    letter : Template
        Its subject gets ``[Test]`` in front.
    account : Account
    to : str
        Your own address; nobody else gets anything.
    row : mapping or Series, optional
        The recipient's fields; its ``email`` is not written to.  Default: none.

    Returns
    -------
    Run

    Raises
    ------
    TemplateError
        The row cannot be filled in; nothing has been sent.
    RecipientsError
        `to` is no address.
    TransportError, ReplyError, LocalProtocolError
        No session could be opened; nothing has been sent.

    Examples
    --------
    ``send_test(letter, account, "ann@example.org", people.frame.iloc[0])``
    """
    run = send_to_oneself(letter.prefixed(PREFIX), account, to, row, name="test")
    if run.counts["accepted"]:
        remember(letter, to)
    return run


def send_to_oneself(
    letter: Template,
    account: Account,
    to: str,
    row: Mapping[str, Any] | pd.Series[Any] | None = None,
    *,
    name: str,
) -> Run:
    """Send a letter to one address, whatever the row says, without asking.

    Parameters and errors are those of `send_test`; `name` is what the log calls it.
    """
    fields = {} if row is None else {str(field): value for field, value in row.items()}
    frame = pd.DataFrame([{**fields, "email": to}]).drop(
        columns=["source", "source_row"], errors="ignore"
    )
    people = read_recipients(frame, address="email")
    if not len(people):
        reason = people.problems["message"].iloc[0]
        raise RecipientsError(f"no {name} can be sent to {visible(to)!r}: {reason}")
    return Campaign(name, account, people, letter, folder=None).send(
        confirm=False, progress=False
    )


def row_of(people: Recipients, row: int | str) -> Mapping[str, Any]:
    """Give the fields of one recipient.

    Parameters
    ----------
    people : Recipients
    row : int or str
        The position in the list, from 0 (from the end: -1), or the address.

    Raises
    ------
    RecipientsError
        There is none; the near miss is suggested.
    """
    if isinstance(row, str):
        keys = [key_of(address) for address in people.addresses]
        key = key_of(row)
        if key not in keys:
            hint = near_miss(key, keys[:_NEIGHBOURS])
            raise RecipientsError(f"{visible(row)!r} is not in the list{hint}")
        row = keys.index(key)
    if not -len(people) <= row < len(people):
        raise RecipientsError(f"no row {row}: the list has {len(people):,}, from 0")
    return next(iter(people[row % len(people) :][:1]))

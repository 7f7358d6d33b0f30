"""Trial: a letter sent to oneself, as one of its recipients would get it, or a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.run import Run
from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients

PREFIX: Final = "[Test]"


def send_test(
    letter: Template,
    account: Account,
    to: str,
    row: Mapping[str, Any] | pd.Series[Any] | None = None,
) -> Run:
    """Send a letter to yourself, filled in as for one of its recipients.

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
    return send_to_oneself(letter.prefixed(PREFIX), account, to, row, name="test")


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

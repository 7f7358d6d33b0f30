"""Window: whole messages written ahead of the replies to those before them (RFC 3030).

Each transaction is RSET, MAIL, RCPT…, ``BDAT n LAST`` and the mail data, written without
waiting for anything: BDAT needs no 354, and its length tells the server where the next
command begins, even if it refuses the message.  How many messages may be under way is
`pipeline`'s to keep; what the replies come to, `transaction`'s.

What RFC 3030 shows is BDAT written after the replies to RCPT.  To write it with them goes
beyond that: a server that refused every recipient still has to read the mail data.  RSET
begins every transaction, because Exim hangs up on a MAIL that is written behind a BDAT it
has not answered, and because a refused BDAT leaves a transaction that only RSET ends.  It
is a safeguard as well: a server that loses count of the mail data takes some of it for
commands, and its complaint then meets the RSET, which ends the session.  A server that
says one reply too many is found out there as well, yet too late: its next reply, though to
another command, has been taken for the verdict before that RSET, and been given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import Bdat, Command
from smtpbook.protocol.connection import Client
from smtpbook.transfer.group import RESET, Group, Tag, mail, rcpt
from smtpbook.transfer.transaction import Transaction

WINDOW: Final = 8
"""Messages under way at once, if nobody says another number."""
# Where one write ends and the next begins: as much as is written under one time limit.
_GROUP_BYTES: Final = 64 * 1024


def write_ahead(client: Client, transactions: Iterable[Transaction], group: Group) -> None:
    """Put the transactions that have not begun into a group, as many as one write holds.

    One that cannot be sent at this server gets its error, and nothing of it is written.
    """
    for transaction in transactions:
        if group.size >= _GROUP_BYTES:
            return
        if transaction.is_past_writing:
            continue
        try:
            commands = _commands(client, transaction, group)
        except LocalProtocolError as exc:
            transaction.error = exc
            continue
        group.add(client.issue_group(commands), len(commands))
        data = transaction.message.data
        group.add_mail_data(transaction, data, len(data))
        transaction.issued_whole()


def _commands(
    client: Client, transaction: Transaction, group: Group
) -> list[tuple[Command, Tag]]:
    end = Bdat(len(transaction.message.data), is_last=True)
    return [
        (RESET, group.lone_tag),
        mail(client, transaction, group),
        *(
            rcpt(client, transaction, group, index)
            for index in range(len(transaction.message.recipients))
        ),
        (end, (group, transaction, -1)),
    ]

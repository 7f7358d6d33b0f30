"""Foreign: a row of the event log from what somebody else tells, in mails or in events.

Texts are escaped, because a log is looked at in terminals, and addresses are spelt as our
own sends spell them, so that both can be joined.
"""

from __future__ import annotations

from typing import Any, Final

from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.events import Row, row_of
from smtpbook.protocol.addresses import Mailbox, domain_of

_MAX_CHARS: Final = 1000  # of a cell; a reply's text is cut where it is found


def foreign_row(**cells: Any) -> Row:
    r"""Put a row together from the cells that are not null.

    ``recipient_domain`` follows from ``recipient``; ``reply_text`` may have lines.

    >>> row = foreign_row(recipient="Ann@X.Example", server="mx\x1b[0m")
    >>> [cell for cell in row if cell]
    ['Ann@x.example', 'x.example', 'mx\\x1b[0m']
    """
    if recipient := cells.get("recipient"):
        cells["recipient"] = recipient = _as_written(recipient)
        cells["recipient_domain"] = domain_of(recipient)
    for name, cell in cells.items():
        if isinstance(cell, str) and name != "reply_text":
            cells[name] = visible(cell, max_chars=_MAX_CHARS)
    return row_of(**cells)


def _as_written(address: str) -> str:
    """Give an address as the log has it, its domain in lower-case A-labels."""
    try:
        return str(Mailbox.parse(address))
    except LocalProtocolError:
        return address

"""Foreign: a row of the event log from what somebody else tells, in mails or in events.

Texts are escaped, because a log is looked at in terminals, and addresses are spelt as our
own sends spell them, so that both can be joined.
"""

from __future__ import annotations

from typing import Any, Final

from smtpbook.codes.explain import reason_of
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.events import Row, row_of
from smtpbook.protocol.addresses import Mailbox, domain_of
from smtpbook.protocol.diagnostic import Diagnostic

# Why a provider itself would not send (``failed``, ``suppressed``) it says in words that
# are no server's.
_DIGITS: Final = {"bounced": "5", "deferred": "4"}
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


def reason_of_words(outcome: str, said: Diagnostic, known: str | None = None) -> str | None:
    """Give the reason of a failure that quotes no reply, by the rules for replies.

    Parameters
    ----------
    outcome : str
    said : Diagnostic
        What was said instead.
    known : str, optional
        The reason that somebody names; it comes first.

    Returns
    -------
    str or None
        None = a refusal is quoted, whose reason is found as for every reply; or nothing
        is said; or it is no failure.
    """
    if said.code is not None and said.code >= 400:
        return None
    status = said.enhanced_status
    if known or outcome not in _DIGITS or not (status or said.text):
        return known
    digit = status[0] if status and status[0] in "45" else _DIGITS[outcome]
    # A code of its class that nobody has registered: it adds nothing of its own.
    return reason_of(said.verb, int(f"{digit}99"), status, said.text)


def _as_written(address: str) -> str:
    """Give an address as the log has it, its domain in lower-case A-labels."""
    try:
        return str(Mailbox.parse(address))
    except LocalProtocolError:
        return address

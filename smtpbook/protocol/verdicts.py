"""Verdicts: whose reply it is at the end of the mail data.

SMTP gives one reply for all recipients.  LMTP gives one for each that RCPT was accepted
for, in that order (RFC 2033 section 4.2), and a server with PRDR may do so, too: 353 first,
then theirs, then one for the message as a whole (draft-hall-prdr-00).  How many come is
known only once every RCPT has its reply, so it is counted when they are due; client and
server count with the same object.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Final, Literal, NamedTuple

Protocol = Literal["smtp", "lmtp"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("smtp", "lmtp")

# The commands that end the mail data, as the state table calls them.
ENDS: Final = frozenset({"END-OF-DATA", "BDAT LAST"})
# What begins a transaction anew, and the command that counts.
COUNTED: Final = frozenset(
    {"MAIL", "SEND", "SOML", "SAML", "RSET", "EHLO", "HELO", "LHLO", "RCPT"}
)
_PRDR: Final = re.compile(r" PRDR(?: |$)", re.IGNORECASE)


class Part(NamedTuple):
    """Which of a command's replies one is.

    Attributes
    ----------
    rcpt : object
        What `Verdicts.heed` was given with the RCPT it is for; None = it is for the
        message as a whole.
    is_last : bool
        No more replies to the same command follow.
    digit : int
        First digit of the best one so far: what it means for the transaction.
    """

    rcpt: Any
    is_last: bool
    digit: int


class Verdicts:
    """Counts the recipients accepted, and the replies that are due to them.

    Parameters
    ----------
    protocol : {"smtp", "lmtp"}

    Attributes
    ----------
    has_prdr : bool
        Whether a 353 may open a reply for each recipient: MAIL asked for it.
    """

    def __init__(self, protocol: Protocol = "smtp") -> None:
        self.has_prdr = False
        self._is_lmtp = protocol == "lmtp"
        self._rcpts: deque[Any] = deque()
        self._is_open = False  # by the 353 of PRDR
        self._best = 9

    @property
    def is_counted(self) -> bool:
        """Whether `heed` and `next` are needed: more than one reply may come."""
        return self._is_lmtp or self.has_prdr

    @property
    def is_for_nobody(self) -> bool:
        """Whether replies by recipient are due, and there is no recipient."""
        return self._is_lmtp and not self._rcpts

    def heed(self, verb: str, tag: Any, line: str) -> None:
        """Note that a command, one of `COUNTED`, as it was said was answered with 2yz."""
        if verb == "RCPT":
            self._rcpts.append(tag)
        else:
            self._rcpts.clear()
            self._is_open, self._best = False, 9
            self.has_prdr = verb == "MAIL" and _PRDR.search(line) is not None

    def next(self, digit: int) -> Part:
        """Say what the next reply is for, by its first digit."""
        rcpts = self._rcpts
        self._best = min(self._best, digit)
        if self._is_lmtp:
            rcpt = rcpts.popleft() if rcpts else None
            return self._part(rcpt, is_last=not rcpts)
        if self._is_open:
            is_last = not rcpts
            if is_last:  # about the message: it decides, whatever the others were
                self._best = digit
            return self._part(None if is_last else rcpts.popleft(), is_last=is_last)
        if digit == 3 and self.has_prdr:
            self._is_open, self._best = True, 9
            return Part(None, False, digit)
        rcpts.clear()
        return self._part(None, is_last=True)

    def _part(self, rcpt: Any, *, is_last: bool) -> Part:
        part = Part(rcpt, is_last, self._best)
        if is_last:
            self._is_open, self._best = False, 9
        return part

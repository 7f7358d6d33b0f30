"""Talk: a conversation by hand from ordinary Python, one line at a time.

Sessions live under trio; here a student says a line and waits.  Nothing is forbidden but
what would end a line early: a wrong command is a lesson.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from smtpbook.accounts.account import Account
from smtpbook.events import COLUMNS, Row
from smtpbook.log.frame import to_frame
from smtpbook.log.transcript import transcript
from smtpbook.protocol.replies import Reply
from smtpbook.runner import SENDER
from smtpbook.session.held import HeldSession

_VERB, _CODE, _TEXT = map(COLUMNS.index, ("verb", "reply_code", "reply_text"))


@dataclass(frozen=True, slots=True, repr=False)
class Said:
    """What was said last and what came back; printed as a transcript.

    Attributes
    ----------
    reply : Reply or None
        None = a line of mail data, which gets no reply.
    rows : tuple of tuple
        This turn's rows of the event log.
    """

    reply: Reply | None
    rows: tuple[Row, ...]

    @property
    def code(self) -> int | None:
        """The reply's code; None = there is no reply."""
        return self.reply.code if self.reply is not None else None

    @property
    def text(self) -> str:
        """The reply's text, its lines joined by newlines; ``""`` without a reply."""
        return self.reply.text if self.reply is not None else ""

    def __repr__(self) -> str:
        """Give this turn as a transcript, ``->`` ours and ``<-`` the server's."""
        _head, _, turn = transcript(to_frame(self.rows)).partition("\n")
        return turn.rstrip("\n")


class Talk:
    """A session that says what it is told, from the greeting on.

    Parameters
    ----------
    account : Account
        Where to connect; nothing is said by itself, neither EHLO nor a login.

    Raises
    ------
    TransportError, ReplyError, RemoteProtocolError
        No connection or no greeting.
    RuntimeError
        Called where trio runs.

    Examples
    --------
    >>> from smtpbook.lab.lab import Lab
    >>> with Lab() as lab, Talk(lab.account) as talk:
    ...     talk.say("HELO ann.example").code
    250
    """

    def __init__(self, account: Account) -> None:
        self._rows: list[Row] = []
        self._held = HeldSession(account, self._rows.append)
        self._session = self._held.opened()
        self._told = 0  # rows of the session that a `Said` has
        row = next(row for row in self._rows if row[_VERB] == "GREETING")
        greeting = Reply(code=row[_CODE], lines=tuple(row[_TEXT].split("\n")))
        self.greeting = self._turn(greeting)
        """The server's first words, a `Said`."""

    def say(self, *lines: str) -> Said:
        """Say each line in turn and wait for its reply.

        Between DATA's 354 and the lone dot a line is mail data, sent as it is: a dot that
        begins a line is yours to double.

        Returns
        -------
        Said
            The last reply, and what all the lines came to as a transcript.

        Raises
        ------
        LocalProtocolError
            A line holds a line end or another control character.
        TransportError, RemoteProtocolError
            No reply came; the conversation is over.
        """
        reply: Reply | None = None
        for line in lines:
            reply = SENDER.run(self._session.command, line)
        return self._turn(reply)

    def _turn(self, reply: Reply | None) -> Said:
        rows = tuple(self._rows[self._told :])
        self._told += len(rows)
        return Said(reply, rows)

    def close(self) -> None:
        """Say QUIT, unless it has been said, and hang up; twice is the same as once."""
        self._held.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return transcript(to_frame(self._rows))

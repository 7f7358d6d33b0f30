"""Step: one line of a conversation, and all that came of it.

It is a record: whoever takes the step fills it, and the terminal and the widget show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smtpbook.codes.explain import explain
from smtpbook.codes.explanation import Explanation
from smtpbook.events import Event
from smtpbook.protocol.replies import Reply
from smtpbook.stepping.ruling import Ruling
from smtpbook.stepping.situation import Situation
from smtpbook.stepping.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line, and what came of it; the first step is the greeting.

    Attributes
    ----------
    line : str
        As it may be shown: what a login says is ``[redacted]``.
    chunk : bytes
        What BDAT announced.
    before, after : Situation
    ruling : Ruling or None
        What the RFC says about the line there; None = the greeting.
    events : tuple of Event
        The rows of the record.
    wire : Wire
    error : str
        Why there was no reply; ``""`` = there was, or none is due.
    note : str
        What was done to the lab server before, as Python; ``""`` = nothing.
    """

    line: str
    chunk: bytes = b""
    before: Situation
    after: Situation
    ruling: Ruling | None = None
    events: tuple[Event, ...] = ()
    wire: Wire = field(default_factory=Wire)
    error: str = ""
    note: str = ""

    @property
    def replies(self) -> tuple[Reply, ...]:
        """What the server said: none, one, or (LMTP) one for each recipient."""
        return tuple(
            Reply(code=event.reply_code, lines=tuple((event.reply_text or "").split("\n")))
            for event in self.events
            if event.reply_code is not None
        )

    @property
    def explanation(self) -> Explanation | None:
        """What the last reply means; None = there was none."""
        event = next((one for one in reversed(self.events) if one.reply_code), None)
        return None if event is None else explain(self.replies[-1], verb=event.verb)

    @property
    def is_due(self) -> bool:
        """Whether the reply is one that the RFC has for the line, where it names some."""
        if self.ruling is None or not self.ruling.codes or not self.replies:
            return True
        return self.replies[-1].code in self.ruling.codes

    @property
    def code(self) -> int | None:
        """The last reply's code; None = there was none."""
        return self.replies[-1].code if self.replies else None

    @property
    def takes_message(self) -> bool:
        """Whether the server has taken a message with it."""
        return any(
            (one.verb == "END-OF-DATA" or (one.command or "").endswith(" LAST"))
            and one.reply_code is not None
            and one.reply_code < 300
            for one in self.events
        )


def written(reply: Reply) -> list[str]:
    """Give a reply's lines as they stand on the wire; may hold anything.

    >>> written(Reply(code=250, lines=("mx", "SIZE 10")))
    ['250-mx', '250 SIZE 10']
    """
    *first, last = reply.lines
    return [*(f"{reply.code}-{line}" for line in first), f"{reply.code} {last}".rstrip()]

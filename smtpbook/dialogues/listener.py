"""Listener: lines of a server put together to replies, as they were recorded.

Unlike `protocol.replies`, which drops a server that breaks the rules, this keeps what was
said: a line with another code, or none, stays in the reply's text as it is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from smtpbook.protocol.replies import MAX_REPLY_LINE, MAX_REPLY_LINES, Reply

_REPLY: Final = re.compile(r"([2-5][0-9]{2})(?:(-)|[ \t]|$)(.*)", re.DOTALL)


class RecordedReply(NamedTuple):
    """One reply as it was recorded.

    Attributes
    ----------
    reply : Reply
    is_broken : bool
        It is not written as a reply should be.
    first_at, at : int or None
        When its first and its last octet came, in microseconds.
    octets : int or None
    took_s : float or None
        What the server took for it, where the record says so.
    """

    reply: Reply
    is_broken: bool
    first_at: int | None
    at: int | None
    octets: int | None
    took_s: float | None


class Listener:
    """Puts lines together to replies."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._code = 0
        self._is_broken = False
        self._octets: int | None = None
        self._first_at: int | None = None
        self._took_s: float | None = None

    @property
    def is_inside(self) -> bool:
        """Whether a reply has begun and its last line is not in yet."""
        return bool(self._lines)

    def takes(self, line: str) -> bool:
        """Whether a line belongs to a reply."""
        return self.is_inside or _REPLY.match(line.rstrip("\n")) is not None

    def take(
        self,
        line: str,
        at: int | None,
        octets: int | None = None,
        first_at: int | None = None,
        took_s: float | None = None,
    ) -> RecordedReply | None:
        """Take a line that belongs to a reply; give the reply with its last one."""
        text = line.rstrip("\n")[:MAX_REPLY_LINE]
        found = _REPLY.match(text)
        if not self._lines:
            self._code = int(found[1]) if found else 0
            self._first_at = at if first_at is None else first_at
            self._is_broken, self._octets, self._took_s = False, None, took_s
        if octets is not None:
            self._octets = (self._octets or 0) + octets
        is_ours = found is not None and int(found[1]) == self._code
        self._is_broken |= line.endswith("\n") or not is_ours
        self._lines.append(found[3] if found is not None and is_ours else text)
        is_last = found is not None and found[2] is None
        return self.finish(at) if is_last or len(self._lines) >= MAX_REPLY_LINES else None

    def finish(self, at: int | None = None, *, is_cut: bool = False) -> RecordedReply:
        """Give the reply as far as it has come."""
        reply = Reply(code=self._code, lines=tuple(self._lines))
        self._lines = []
        is_broken = self._is_broken or is_cut
        return RecordedReply(
            reply, is_broken, self._first_at, at, self._octets, self._took_s
        )

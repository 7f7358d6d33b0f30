"""Link: a connection to a modelled server, as the session on this side sees it.

It reads commands, has each one answered, and hands the replies over when they are due.
There is no task and no socket on the other side: what is written is answered at once, for
later.  Only what this package's own sessions say is understood.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import trio

from smtpbook.lab.server import SERVER_NAME
from smtpbook.rehearsal.answers import Answers
from smtpbook.rehearsal.clock import Sleeper, VirtualClock
from smtpbook.session.prompt import PromptStream

_EOL: Final = b"\r\n"
_END: Final = b"\r\n.\r\n"
_CLOSING: Final = 421  # RFC 5321 section 3.8
_ORDINARY: Final = {
    "GREETING": b"220 " + SERVER_NAME.encode() + b" ESMTP\r\n",
    "HELO": b"250 " + SERVER_NAME.encode() + b"\r\n",
    "MAIL": b"250 2.1.0 Sender ok\r\n",
    "RCPT": b"250 2.1.5 Recipient ok\r\n",
    "DATA": b"354 End the mail data with <CRLF>.<CRLF>\r\n",
    "QUIT": b"221 2.0.0 closing\r\n",
}
_VERBS: Final = {verb.encode(): verb for verb in ("MAIL", "RCPT", "DATA")}
_OK: Final = b"250 2.0.0 Ok\r\n"
_NOT_NOW: Final = b"503 5.5.1 not now\r\n"
_NOBODY: Final = b"554 5.5.1 No valid recipients\r\n"


class Link(PromptStream):
    """One connection.

    Parameters
    ----------
    answers : Answers
    clock : VirtualClock
    name : str
        The session's.
    """

    def __init__(self, answers: Answers, clock: VirtualClock, name: str) -> None:
        self._answers, self._clock, self._name = answers, clock, name
        self._chance = answers.chance(name)
        self._unread = b""
        self._replies: deque[tuple[float, bytes]] = deque()  # no octets: the end
        # When the last of them is; the first one is under way since we connected.
        self._due = clock.now + answers.round_trip_s(self._chance)
        self._reader = Sleeper(clock)
        self._is_over = self._is_closed = False  # by the server; by us
        self._is_data = self._has_mail = False
        self._recipients: list[str] = []
        self._answer("GREETING", ())
        self._ready_at = self._next_at()

    # -- the stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets, and say what is answered to them and when."""
        if self._is_closed:
            raise trio.ClosedResourceError
        at = self._clock.now + self._answers.round_trip_s(self._chance)
        if at > self._due:
            self._due = at
        self._unread = self._read(self._unread + data)
        self._ready_at = self._next_at()
        self._reader.sleep_until(self._ready_at)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for nothing: everything is taken at once."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for the next replies; empty means the server has closed its side."""
        replies = self._replies
        while not self._is_closed:
            now = self._clock.now
            if self._ready_at <= now:
                octets = b""
                while replies and replies[0][0] <= now and replies[0][1]:
                    octets += replies.popleft()[1]
                self._ready_at = self._next_at()
                return octets
            await self._reader.sleep(self._ready_at)
        raise trio.ClosedResourceError

    @property
    def is_ready(self) -> bool:
        """Whether replies are due, or the end, or it is closed."""
        return self._is_closed or self._ready_at <= self._clock.now

    async def wait_ready(self) -> None:
        """Wait until it is ready, or until `interrupt`."""
        if not self.is_ready:
            await self._reader.sleep(self._ready_at)

    def interrupt(self) -> None:
        """End the wait, if there is one."""
        self._reader.wake()

    async def aclose(self) -> None:
        """Close; nobody is on the other side who would notice."""
        self._is_closed = True
        self._reader.wake()
        await trio.lowlevel.checkpoint()

    def _next_at(self) -> float:
        """Give the instant of the next replies; infinity: none is under way."""
        replies = self._replies
        if not replies:
            return math.inf
        at = replies[0][0]
        until = at + self._answers.together_s
        for due, _ in replies:
            if due > until:
                break
            at = due
        return at

    # -- the server

    def _read(self, octets: bytes) -> bytes:
        """Answer all whole commands; give what is left."""
        start = 0
        while not self._is_over:
            end_mark = _END if self._is_data else _EOL
            end = octets.find(end_mark, start)
            if end < 0:
                # Of mail data only what may be the beginning of its end.
                kept = len(octets) - len(_END) + 1 if self._is_data else start
                return octets[max(start, kept) :]
            if self._is_data:
                self._is_data = False
                self._answer("END-OF-DATA", self._recipients)
                self._recipients = []
            else:
                word, whom = octets[start : start + 4], self._recipients
                verb = _VERBS.get(word) or word.upper().decode("latin-1")
                if verb == "RCPT":
                    begin = octets.find(b"<", start, end) + 1
                    path = octets[begin : octets.rfind(b">", start, end)]
                    whom = [path.decode("utf-8", "replace")]
                self._answer(verb, whom)
                if self._is_data:
                    # The end of DATA's line may be the first of the mail data's.
                    start = end
                    continue
            start = end + len(end_mark)
        return b""

    def _answer(self, verb: str, whom: list[str] | tuple[()]) -> None:
        answers, chance = self._answers, self._chance
        delay_s, octets, code = answers.service_s(verb, chance), None, 0
        answer = None
        if verb in answers.unsure:
            answer = answers.instead(verb, whom, self._name, chance, self._due)
        if answer is not None:
            octets, code = answer.octets, answer.code
            delay_s += answer.delay_s
        self._due += delay_s
        if answer is not None and answer.drop:
            self._end()
            return
        if octets is None:
            octets = self._ordinary(verb)
            code = 100 * (octets[0] - 48)
        self._replies.append((self._due, octets))
        self._happened(verb, code, whom)
        if verb == "QUIT" or code == _CLOSING or (answer is not None and answer.close):
            self._end()

    def _ordinary(self, verb: str) -> bytes:
        if verb == "EHLO":
            return self._answers.ehlo
        if verb in ("RCPT", "DATA") and not self._has_mail:
            return _NOT_NOW
        if verb == "DATA" and not self._recipients:
            return _NOBODY
        return _ORDINARY.get(verb, _OK)

    def _happened(self, verb: str, code: int, whom: list[str] | tuple[()]) -> None:
        """Keep what a reply changes."""
        is_yes = code < 400
        if verb == "RCPT":
            if is_yes:
                self._recipients += whom
        elif verb == "DATA" and is_yes:
            self._is_data = True
        elif verb == "MAIL":
            self._has_mail, self._recipients = is_yes, []
        elif verb == "END-OF-DATA":
            self._has_mail = False
            if is_yes:
                self._answers.accept(self._due)
        elif verb in ("EHLO", "HELO", "RSET"):
            self._has_mail, self._recipients = False, []

    def _end(self) -> None:
        self._is_over = True
        self._replies.append((self._due, b""))

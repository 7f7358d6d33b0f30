"""A connection in memory to a lab of this trio loop, whose clock is the loop's."""

from __future__ import annotations

import trio
import trio.testing

from smtpbook.lab.lab import Lab


class Line:
    """A client that says lines and reads replies; the greeting has been read."""

    def __init__(self, ours: trio.abc.Stream, greeting: str) -> None:
        self._ours = ours
        self._pending = b""
        self.greeting = greeting

    @classmethod
    async def to(cls, lab: Lab, nursery: trio.Nursery) -> Line:
        """Connect."""
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(lab.converse, theirs)
        line = cls(ours, "")
        line.greeting = await line.reply()
        return line

    async def reply(self) -> str:
        """Read one reply, its lines joined; empty at the end of it all."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            while b"\r\n" not in self._pending:
                received = await self._ours.receive_some()
                if not received:
                    return ""
                self._pending += received
            line, _, self._pending = self._pending.partition(b"\r\n")
            lines.append(line.decode())
        return "\n".join(lines)

    async def ask(self, *lines: str) -> str:
        """Say some lines, one after the other, and give the last reply; empty: hung up."""
        reply = ""
        for line in lines:
            try:
                await self._ours.send_all(line.encode() + b"\r\n")
            except trio.BrokenResourceError:
                return ""
            reply = await self.reply()
        return reply

    async def close(self) -> None:
        """Hang up."""
        await self._ours.aclose()

"""A client that writes octets and reads replies, and knows nothing else of SMTP."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self


class Wire:
    """One connection to a server on loopback; the greeting has been read."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=20)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self.socket.close()

    def write(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """Read one reply: its lines as they are, joined; empty at the end of it all."""
        lines = []
        try:
            while line := self._file.readline():
                lines.append(line.decode().rstrip("\r\n"))
                if line[3:4] != b"-":
                    break
        except ConnectionError:
            return ""
        return "\n".join(lines)

    def ask(self, line: str) -> str:
        """Say one line, and give the reply."""
        self.write(line.encode() + b"\r\n")
        return self.reply()

    def codes(self, *lines: str) -> list[int]:
        """Say some lines, one after the other, and give the codes."""
        return [int(self.ask(line)[:3]) for line in lines]

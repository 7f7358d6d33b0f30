"""An IMAP server that says what a script tells it, under TLS, and keeps what it was asked.

For what no server of Debian's says: Gmail's extensions, and answers that are none.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import trustme

_COMMAND: Final = re.compile(rb"(\S+) (.*)\r\n")


class ImapScript:
    """Answers each command by the first pattern that it begins with.

    Parameters
    ----------
    answers : mapping of str to bytes
        By how a command begins, its untagged lines; what is asked for besides is simply OK.
        An answer of None hangs up; one that begins with "+" waits for another line.
    folder : Path
        For the authority's certificate.

    Attributes
    ----------
    port : int
    ca_file : Path
    asked : list of str
        Every command, without its tag.
    """

    def __init__(self, answers: Mapping[str, bytes | None], folder: Path) -> None:
        self._answers = answers
        authority = trustme.CA()
        self.ca_file = folder / "imap-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where its mailbox is."""
        return f"imaps://ann@localhost:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[ImapScript]:
        """Serve, one client after the other, until left."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            # A listener that is only closed would not wake the thread.
            self._socket.shutdown(socket.SHUT_RDWR)
            thread.join()
            self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                with (
                    suppress(OSError),
                    plain,
                    self._context.wrap_socket(plain, server_side=True) as secure,
                    secure.makefile("rwb") as file,
                ):
                    self._converse(file)

    def _converse(self, file: BinaryIO) -> None:
        file.write(b"* OK IMAP4rev1 ready\r\n")
        file.flush()
        while match := _COMMAND.fullmatch(file.readline()):
            tag, command = match[1], match[2].decode()
            self.asked.append(command)
            said: bytes | None = b""
            for beginning, answer in self._answers.items():
                if command.upper().startswith(beginning.upper()):
                    said = answer
                    break
            if said is None:
                return
            if said.startswith(b"+"):  # it wants more, and answers then
                file.write(said)
                file.flush()
                self.asked.append(file.readline().decode().strip())
                said = b""
            file.write(said + tag + b" OK done\r\n")
            file.flush()


def literal(octets: bytes) -> bytes:
    """Give octets as IMAP's literal."""
    return b"{%d}\r\n%s" % (len(octets), octets)

"""Mail data on the wire: dot-stuffing and its undoing (RFC 5321 section 4.5.2).

The client's side is one function; the server's side cuts the stream at the only sequence
that ends mail data, CRLF.CRLF, and at nothing that resembles it.
"""

from __future__ import annotations

from typing import Final

END: Final = b".\r\n"


def stuff(data: bytes) -> bytes:
    r"""Make mail data transparent and end it with the lone dot.

    "Before sending a line of mail text, the SMTP client checks the first character of the
    line.  If it is a period, one additional period is inserted at the beginning of the
    line." -- RFC 5321 section 4.5.2

    Parameters
    ----------
    data : bytes
        Lines ending in CRLF, the last one too (as `Message.data` is); or nothing.

    >>> stuff(b".hidden\r\nshown\r\n")
    b'..hidden\r\nshown\r\n.\r\n'
    """
    if data.startswith(b"."):
        data = b"." + data
    return data.replace(b"\r\n.", b"\r\n..") + END


class MailDataReader:
    r"""Collect mail data until its end; for the server.

    Only CRLF.CRLF ends it: LF.LF, LF.CRLF and CR.CR are data, so nobody can smuggle a
    second message in (CVE-2023-51764 and its kin).

    >>> reader = MailDataReader(max_bytes=100)
    >>> reader.feed(b"hi\r\n..\r\n.\r\nQUIT\r\n")
    b'QUIT\r\n'
    >>> reader.data
    b'hi\r\n.\r\n'

    Attributes
    ----------
    size : int
        Octets of mail data received, dot-stuffing included, terminator not.
    is_too_big : bool
        More than `max_bytes` came; the rest was read and thrown away.
    """

    __slots__ = ("_kept", "_parts", "_tail", "data", "is_too_big", "max_bytes", "size")

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self.is_too_big = False
        self.data: bytes | None = None
        self._kept = 0
        self._parts: list[bytes] = []
        # The line before the data ended in CRLF: a dot in first place begins a line.
        self._tail = b"\r\n"

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets; give what follows the end, or None while the end has not come."""
        window = self._tail + octets
        end = window.find(b"\r\n.\r\n")
        if end < 0:
            keep = 4  # the terminator may be cut anywhere
            self._take(window[:-keep])
            self._tail = window[-keep:]
            return None
        self._take(window[: end + 2])
        self._finish()
        return window[end + 5 :]

    def _take(self, octets: bytes) -> None:
        self.size += len(octets)
        if self._kept + len(octets) > self.max_bytes + 2:
            self.is_too_big = True
        else:
            self._parts.append(octets)
            self._kept += len(octets)

    def _finish(self) -> None:
        # "If the first character is a period and there are other characters on the line,
        # the first character is deleted." -- RFC 5321 section 4.5.2.  The CRLF that
        # preceded the data (see _tail) is not part of it.
        self.data = b"".join(self._parts).replace(b"\r\n.", b"\r\n")[2:]
        self.size -= 2
        self._parts.clear()

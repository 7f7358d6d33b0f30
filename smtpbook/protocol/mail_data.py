"""Mail data on the wire: dot-stuffing and its undoing (RFC 5321 section 4.5.2).

The client's side is one function; the server's side cuts the stream at the only sequence
that ends mail data, CRLF.CRLF, and at nothing that resembles it.
"""

from __future__ import annotations

from typing import Final

from smtpbook.dots import stuff_dots

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
    return stuff_dots(data) + END


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
    data : bytes or None
        The mail data, dot-stuffing undone; None until its end has come, empty if it was
        too big.
    size : int
        Octets of mail data taken so far, without dot-stuffing and terminator.
    is_too_big : bool
        `size` is more than `max_bytes`; all of it is thrown away.

    References
    ----------
    RFC 1870 section 5: the size of a message counts its CRLFs, "but not the SMTP DATA
    command's terminating dot or doubled quoting dots".
    """

    __slots__ = ("_context", "_kept", "data", "is_too_big", "max_bytes", "size")

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self.is_too_big = False
        self.data: bytes | None = None
        self._kept = bytearray()
        # The last two octets taken, then those not yet taken because the end may begin in
        # them.  The line before the data ended in CRLF: a dot in first place begins a line.
        self._context = b"\r\n"

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets; give what follows the end, or None while the end has not come."""
        window = self._context + octets
        end = window.find(b"\r\n.\r\n")
        # The CRLF before the lone dot belongs to the data.
        stop = end + 2 if end >= 0 else max(2, len(window) - 2)
        # "If the first character is a period and there are other characters on the line,
        # the first character is deleted." -- RFC 5321 section 4.5.2
        taken = window[:stop].replace(b"\r\n.", b"\r\n")[2:]
        self._context = window[stop - 2 :]
        self.size += len(taken)
        if self.size > self.max_bytes:
            self.is_too_big = True
            self._kept.clear()
        else:
            self._kept += taken
        if end < 0:
            return None
        self.data = bytes(self._kept)
        return window[end + 5 :]

"""Dots: lines that begin with one, made ready for the wire (RFC 5321 section 4.5.2).

Most of a letter's octets are the same in every message made of it.  So its pieces are
looked through once, and in a message only what is its own.  What ends mail data, and the
server's side, is `protocol.mail_data`'s.
"""

from __future__ import annotations

from collections.abc import Iterable


class Ready(bytes):
    """Octets of mail data that know what they are on the wire; `ready` and `join` make it.

    Attributes
    ----------
    stuffed : bytes or None
        They, each line's first dot doubled; None = the same octets.
    """

    stuffed: bytes | None = None


def ready(octets: bytes) -> Ready:
    r"""Look through octets that begin a line.

    >>> ready(b".hidden\r\nshown\r\n").stuffed
    b'..hidden\r\nshown\r\n'
    """
    piece = Ready(octets)
    stuffed = _stuffed(octets)
    # What begins with a line feed may be the other half of a line's end: `join` looks.
    if stuffed is not octets or octets.startswith(b"\n"):
        piece.stuffed = stuffed
    return piece


def join(pieces: Iterable[bytes]) -> bytes:
    """Make one of many, with what is known of them; those not looked through are now."""
    found = [piece if type(piece) is Ready else ready(piece) for piece in pieces if piece]
    whole = Ready(b"".join(found))
    dotted = [n for n, piece in enumerate(found) if piece.stuffed is not None]
    if dotted:
        stuffed = list[bytes](found)
        for n in dotted:
            octets = found[n].stuffed or b""
            if n and not found[n - 1].endswith(b"\r\n"):
                if octets.startswith(b"\n"):
                    return bytes(whole)
                # It does not begin a line here: what was doubled there is not.
                octets = octets.removeprefix(b".")
            stuffed[n] = octets
        whole.stuffed = b"".join(stuffed)
    return whole


def stuff_dots(data: bytes) -> bytes:
    """Double the first dot of each line; of octets that are ready it is done."""
    if isinstance(data, Ready):
        return data if data.stuffed is None else data.stuffed
    return _stuffed(data)


def _stuffed(data: bytes) -> bytes:
    # "If it is a period, one additional period is inserted at the beginning of the line."
    # -- RFC 5321 section 4.5.2
    if data.startswith(b"."):
        data = b"." + data
    return data.replace(b"\r\n.", b"\r\n..")

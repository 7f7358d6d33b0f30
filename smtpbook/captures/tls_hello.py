"""TLS as a capture shows it: that it begins, and which version the server chose."""

from __future__ import annotations

import struct
from typing import Final

_VERSIONS: Final = {
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}
_HANDSHAKE: Final = 22  # RFC 8446 section 5.1
_SERVER_HELLO: Final = 2
_SUPPORTED_VERSIONS: Final = 43  # RFC 8446 section 4.2.1


def is_client_hello(octets: bytes) -> bool:
    """Tell whether a client's octets begin a handshake, and not a command."""
    return octets[:2] == b"\x16\x03"


def version_of(octets: bytes) -> str | None:
    """Read the version in a ServerHello; None = it is none, or not whole.

    >>> hello = bytes.fromhex("1603030030 0200002c 0303") + bytes(32)
    >>> hello += bytes.fromhex("00 1301 00 0006 002b00020304")
    >>> version_of(hello)
    'TLSv1.3'
    """
    try:
        if octets[0] != _HANDSHAKE or octets[5] != _SERVER_HELLO:
            return None
        (version,) = struct.unpack_from("!H", octets, 9)
        start = 43 + 1 + octets[43] + 3  # session id, cipher suite, compression
        (size,) = struct.unpack_from("!H", octets, start)
        at, end = start + 2, start + 2 + size
        while at + 4 <= end:
            kind, length = struct.unpack_from("!HH", octets, at)
            if kind == _SUPPORTED_VERSIONS:
                (version,) = struct.unpack_from("!H", octets, at + 4)
            at += 4 + length
    except (struct.error, IndexError):
        return None
    return _VERSIONS.get(version)

"""Packets: what a captured frame says of TCP.

Link layer, IPv4, IPv6 and TCP headers, as far as it takes to find the octets that were
sent.  What is cut, fragmented or no TCP is not guessed at.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

# Where the network layer begins, and where its type stands (None = it says so itself), by
# the link type of the capture (tcpdump.org/linktypes.html).
_LINKS: Final[dict[int, tuple[int, int | None]]] = {
    0: (4, None),  # NULL, BSD loopback
    1: (14, 12),  # Ethernet
    12: (0, None),  # RAW, as libpcap has it on most systems
    14: (0, None),  # RAW on OpenBSD
    101: (0, None),  # RAW in files
    108: (4, None),  # LOOP
    113: (16, 14),  # Linux "cooked"
    228: (0, None),  # IPv4
    229: (0, None),  # IPv6
    276: (20, 0),  # Linux "cooked", version 2
}
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100})  # IEEE 802.1Q: four octets more
_IP: Final = frozenset({0x0800, 0x86DD})
_TCP: Final = 6
# Headers between that of IPv6 and TCP, with eight octets for each unit of their length
# (RFC 8200 section 4); a fragment (44) is not put together.
_EXTENSIONS: Final = frozenset({0, 43, 60})

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10

Endpoint = tuple[str, int]
"""Address and port."""


class Segment(NamedTuple):
    """One TCP segment.

    Attributes
    ----------
    at : int
        Microseconds since 1970 UTC.
    source, target : tuple of str and int
        Addresses and ports.
    seq, ack : int
    flags : int
    octets : bytes
        Payload that was captured.
    lost : int
        Octets of it that were sent and not captured.
    """

    at: int
    source: Endpoint
    target: Endpoint
    seq: int
    ack: int
    flags: int
    octets: bytes
    lost: int


def segment_of(link: int, frame: bytes, at: int) -> Segment | None:
    """Read a frame; None = it holds no whole TCP header."""
    if link not in _LINKS:
        return None
    try:
        return _ip(frame, _network_at(link, frame), at)
    except (struct.error, IndexError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _shown(address: bytes) -> str:
    return str(ip_address(address))


def _network_at(link: int, frame: bytes) -> int:
    start, type_at = _LINKS[link]
    if type_at is None:
        return start
    (kind,) = struct.unpack_from("!H", frame, type_at)
    while kind in _VLAN:
        (kind,) = struct.unpack_from("!H", frame, start + 2)
        start += 4
    if kind not in _IP:
        raise ValueError("no IP")
    return start


def _ip(frame: bytes, start: int, at: int) -> Segment | None:
    version = frame[start] >> 4
    if version == 4:
        length, fragment = struct.unpack_from("!2xH2xH", frame, start)
        if frame[start + 9] != _TCP or fragment & 0x3FFF:  # offset, or more fragments
            return None
        addresses = frame[start + 12 : start + 16], frame[start + 16 : start + 20]
        header = (frame[start] & 15) * 4
        # Segments that the network card cuts are captured with a length of 0.
        end = start + length if length else len(frame)
        return _tcp(frame, start + header, end, addresses, at)
    if version != 6:
        return None
    (length,) = struct.unpack_from("!4xH", frame, start)
    end = start + 40 + length if length else len(frame)
    addresses = frame[start + 8 : start + 24], frame[start + 24 : start + 40]
    kind, start = frame[start + 6], start + 40
    while kind in _EXTENSIONS:
        kind, start = frame[start], start + (frame[start + 1] + 1) * 8
    return _tcp(frame, start, end, addresses, at) if kind == _TCP else None


def _tcp(
    frame: bytes, start: int, end: int, addresses: tuple[bytes, bytes], at: int
) -> Segment | None:
    from_, to, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", frame, start)
    source, target = map(_shown, addresses)
    begin = start + (offset >> 4) * 4
    if begin < start + 20 or begin > end:
        return None
    octets = frame[begin:end]
    lost = end - begin - len(octets)
    return Segment(at, (source, from_), (target, to), seq, ack, flags, octets, lost)

"""Captures made by hand: the packets of a TCP connection, written as pcap or pcapng."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import cypcap

FIN, SYN, RST, ACK = 1, 2, 4, 16
T0 = 1_790_000_000_000_000  # microseconds
Frame = tuple[int, bytes]


class Wire:
    """Both directions of one connection; ``frames`` is what would be captured.

    Times are milliseconds after `T0`.  The reply of one side acknowledges all that the
    other has sent.
    """

    def __init__(
        self,
        client: tuple[str, int] = ("192.0.2.77", 50001),
        server: tuple[str, int] = ("192.0.2.25", 25),
        isn: int = 1000,
    ) -> None:
        self.ends = client, server
        self.seq = [isn, isn * 2]
        self.frames: list[Frame] = []
        self.ms = 0.0

    def send(
        self, who: int, octets: bytes = b"", ms: float | None = None, flags: int = ACK
    ) -> Wire:
        """Send a segment of the client (0) or the server (1); a millisecond later."""
        self.ms = self.ms + 1 if ms is None else ms
        ack = self.seq[1 - who] if flags & ACK else 0
        segment = struct.pack(
            "!HHIIBBHHH",
            *(self.ends[who][1], self.ends[1 - who][1], self.seq[who] % 2**32),
            *(ack % 2**32, 5 << 4, flags, 65535, 0, 0),
        )
        self.frames.append((T0 + round(self.ms * 1000), self.frame(who, segment + octets)))
        self.seq[who] += len(octets) + bool(flags & (SYN | FIN))
        return self

    def frame(self, who: int, segment: bytes) -> bytes:
        """Put a segment into IP and Ethernet."""
        source, target = (ip_address(end[0]) for end in self.ends)
        if who:
            source, target = target, source
        addresses = source.packed + target.packed
        if source.version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0)
            return b"\x02" * 12 + b"\x08\x00" + head + addresses + segment
        head = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64)
        return b"\x02" * 12 + b"\x86\xdd" + head + addresses + segment

    def open(self, ms: float = 0, took_ms: float = 10) -> Wire:
        """Connect."""
        self.send(0, ms=ms, flags=SYN)
        self.send(1, ms=ms + took_ms, flags=SYN | ACK)
        return self.send(0, ms=ms + took_ms)

    def close(self, ms: float) -> Wire:
        """End both directions."""
        return self.send(0, ms=ms, flags=FIN | ACK).send(1, ms=ms, flags=FIN | ACK)


def talk(wire: Wire, *, start_ms: float = 20) -> Wire:
    """Send one message to two recipients; each turn takes 5 ms."""
    turns = (
        (1, b"220 mx.example.org ready\r\n"),
        (0, b"EHLO client.example\r\n"),
        (1, b"250-mx.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
        (0, b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.net>\r\nRCPT TO:<x@y.ex"),
        (0, b"ample>\r\nDATA\r\n"),
        (1, b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No such user\r\n354 Go\r\n"),
        (0, b"Message-ID: <1@example.org>\r\n\r\nhello\r\n.\r\n"),
        (1, b"250 2.0.0 Ok: queued as 4F1\r\n"),
        (0, b"QUIT\r\n"),
        (1, b"221 2.0.0 Bye\r\n"),
    )
    for number, (who, octets) in enumerate(turns):
        wire.send(who, octets, start_ms + 5 * number)
    return wire


def write_pcap(path: Path, frames: list[Frame]) -> Path:
    """Write frames as tcpdump does."""
    dead = cypcap.open_dead(cypcap.DatalinkType.EN10MB, 262144)
    with dead, dead.dump_open(path) as file:
        for at, frame in frames:
            file.dump(cypcap.Pkthdr(at / 1e6, len(frame), len(frame)), frame)
    return path


def write_pcapng(path: Path, frames: list[Frame]) -> Path:
    """Write frames as Wireshark does: a section, an interface, an enhanced packet each."""
    blocks = [
        _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(1, struct.pack("<HHI", 1, 0, 262144)),
    ]
    for at, frame in frames:
        head = struct.pack("<IIIII", 0, at >> 32, at % 2**32, len(frame), len(frame))
        blocks.append(_block(6, head + frame))
    path.write_bytes(b"".join(blocks))
    return path


def _block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size

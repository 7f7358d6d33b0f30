"""Captures of packets (pcap, pcapng) as conversations, with the times of the wire.

libpcap reads the file (through cypcap, BSD: what tcpdump and Wireshark write is what it
reads); TCP is put in order here.  Only clear text is told: a conversation that goes on
under TLS ends with the row that says so.  A line of what is counted is a packet; those that
belong to no conversation of SMTP are skipped.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from smtpbook.captures.connection import PORTS, CapturedConnection
from smtpbook.captures.packets import ACK, SYN, Endpoint, Segment, segment_of
from smtpbook.errors import SMTPBookError
from smtpbook.events import Row
from smtpbook.logfile.format import BinaryFormat
from smtpbook.logfile.reading import Reading

# The first four octets: pcap with micro- and nanoseconds, in both orders; pcapng.
_MAGIC: Final = frozenset(
    bytes.fromhex(one)
    for one in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a")
)
_MAX_CONNECTIONS: Final = 5_000  # followed at once; the one silent longest is ended
INSTALL: Final = 'pip install "smtpbook[pcap]"'

_Key = tuple[Endpoint, Endpoint]


def sniff(head: bytes) -> bool:
    """Tell whether a file is a capture by its first octets."""
    return head[:4] in _MAGIC


def events(file: BinaryIO, reading: Reading) -> Iterator[Row]:
    """Give the rows of every conversation in a capture, in the order of its packets.

    Raises
    ------
    SMTPBookError
        It cannot be read here, because cypcap is not installed; or not at all.
    """
    followed = _Followed(reading)
    for segment in _segments(file, reading):
        if segment is None:
            reading.skipped("no whole TCP segment")
            continue
        yield from followed.take(segment)
    yield from followed.end()


def _segments(file: BinaryIO, reading: Reading) -> Iterator[Segment | None]:
    try:
        import cypcap
    except ImportError as error:
        raise SMTPBookError(f"captures are read with libpcap: {INSTALL}") from error
    # libpcap wants a file of its own: what is packed or comes from a stream has none.
    with tempfile.NamedTemporaryFile(prefix="smtpbook-", suffix=".pcap") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        try:
            capture: Any = cypcap.open_offline(copy.name)
        except cypcap.Error as error:
            raise SMTPBookError(f"no capture that libpcap can read: {error}") from error
        with capture:
            link = int(capture.datalink())
            try:
                for header, frame in capture:
                    reading.lines += 1
                    yield segment_of(link, frame, round(header.ts * 1e6))
            except cypcap.Error as error:
                reading.lines += 1
                reading.skipped(f"the capture breaks off: {error}")


class _Followed:
    """The connections under way."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._connections: dict[_Key, CapturedConnection] = {}
        self._at = 0

    def take(self, segment: Segment) -> list[Row]:
        """Deal a segment to its connection, and give the rows that are ready."""
        rows: list[Row] = []
        self._at = max(self._at, segment.at)
        first, second = sorted((segment.source, segment.target))
        key = (first, second)
        one = self._connections.pop(key, None)
        if one is not None and one.is_other(segment):
            rows += self._end(one)
            one = None
        one = one or _begin(segment)
        self._connections[key] = one  # the last in order is the last that was heard of
        one.take(segment)
        rows += one.rows()
        if len(self._connections) > _MAX_CONNECTIONS:
            oldest = self._connections.pop(next(iter(self._connections)))
            rows += self._end(oldest)
        return rows

    def end(self) -> Iterator[Row]:
        """End them all, the oldest first."""
        for one in self._connections.values():
            yield from self._end(one)
        self._connections.clear()

    def _end(self, one: CapturedConnection) -> list[Row]:
        one.end(self._at)
        if not one.is_smtp:
            (client, port), (server, to) = one.client, one.server
            self._reading.skips += one.packets - 1
            self._reading.skipped(f"no SMTP: {client}:{port} to {server}:{to}")
        return one.rows()


def _begin(segment: Segment) -> CapturedConnection:
    """Find out who is the client: who connects, or who does not sit at a known port."""
    source, target = segment.source, segment.target
    is_answer = segment.flags & SYN and segment.flags & ACK
    is_begun = segment.flags & SYN and not segment.flags & ACK
    if is_answer or (not is_begun and _sits(source) and not _sits(target)):
        source, target = target, source
    return CapturedConnection(source, target, segment.at, is_begun=bool(is_begun))


def _sits(end: Endpoint) -> bool:
    return end[1] in PORTS


FORMAT: Final = BinaryFormat(
    name="pcap", title="a capture (pcap, pcapng)", sniff=sniff, events=events
)

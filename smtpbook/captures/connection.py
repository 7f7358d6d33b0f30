"""CapturedConnection: one captured TCP connection, followed as a conversation of SMTP.

It puts both directions in order, cuts them into lines, and tells the conversation of them
with the times of the packets.  Where the conversation goes on under TLS, or octets are
missing that are no mail data, nothing more is told of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from smtpbook.captures.packets import ACK, FIN, RST, SYN, Endpoint, Segment
from smtpbook.captures.reassembly import Half, Piece
from smtpbook.captures.tls_hello import is_client_hello, version_of
from smtpbook.dialogues.conversation import Conversation
from smtpbook.events import Row

PORTS: Final = frozenset({25, 465, 587, 2525, 24})
"""Where SMTP and LMTP are spoken; elsewhere a client has to say so in its first words."""

GAP: Final = "CaptureGap"
"""The ``error`` of what cannot be known, because packets are missing."""

_SERVER: Final = re.compile(rb"[2-5][0-9]{2}[ -]")
_CLIENT: Final = re.compile(
    rb"(?:EHLO|HELO|LHLO|MAIL FROM:|RCPT TO:|STARTTLS)(?:\s|<)", re.IGNORECASE
)
_MAX_LINE: Final = 64 * 1024  # octets; what is longer is cut there
_MAX_EARLY: Final = 50  # pieces kept until it is known what they are


class CapturedConnection:
    """One connection.

    Parameters
    ----------
    client, server : tuple of str and int
    at : int
        When its first segment was captured.
    is_begun : bool
        Its SYN is in the capture.
    """

    def __init__(
        self, client: Endpoint, server: Endpoint, at: int, *, is_begun: bool
    ) -> None:
        self.client, self.server = client, server
        self.packets = 0
        self.is_smtp = server[1] in PORTS
        self._talk = Conversation(
            "pcap",
            f"{client[0]}:{client[1]}-{server[0]}:{server[1]}@{at}",
            is_precise=True,
            is_wire=True,
        )
        self._talk.place(None, server[1], server[0])
        self._begun_at = at if is_begun else None
        self._isn: int | None = None  # of the client's SYN
        self._halves = {client: Half(), server: Half()}
        self._lines = {client: _Lines(), server: _Lines()}
        self._early: list[tuple[Endpoint, Piece]] = []
        self._hello_at: int | None = None  # of TLS
        self._lost: str | None = None  # why nothing more can be told
        self._is_whole = is_begun
        self._is_stopped = self._is_connected = self._is_closed = False

    # -- what was captured

    def is_other(self, segment: Segment) -> bool:
        """Whether a segment begins another connection between the same ends."""
        is_first = segment.flags & SYN and not segment.flags & ACK
        return bool(is_first) and segment.seq != self._isn

    def take(self, segment: Segment) -> None:
        """Take a segment of either direction."""
        self.packets += 1
        source, flags, at = segment.source, segment.flags, segment.at
        half, other = self._halves[source], self._halves[segment.target]
        seq = segment.seq
        if flags & SYN:
            if not flags & ACK:
                self._isn = seq
            half.begin(seq)
            seq += 1
            if flags & ACK and self._begun_at is not None:
                self._connect(at)
        if flags & ACK:
            self._give(segment.target, other.acknowledged(segment.ack, at))
        if segment.octets or segment.lost or flags & FIN:
            is_last = bool(flags & FIN)
            pieces = half.take(seq, segment.octets, segment.lost, at, is_last=is_last)
            self._give(source, pieces)
        if flags & RST:
            self._close(at, is_reset=True)
        elif all(one.is_done for one in self._halves.values()):
            self._close(at)

    def _connect(self, at: int) -> None:
        if not self._is_connected and self._begun_at is not None:
            self._is_connected = True
            self._talk.connect(self._begun_at, at - self._begun_at)

    def _close(self, at: int, *, is_reset: bool = False) -> None:
        if self._is_closed:
            return
        self._flush(at)
        self._is_closed = True
        if is_reset and self._begun_at is not None and not self._is_connected:
            self._talk.connect(self._begun_at, error="TransportError")
            return
        ends = [half.fin_at for half in self._halves.values() if half.fin_at is not None]
        error = self._lost
        if error is None and not (self._talk.is_idle or self._is_stopped):
            error = "TransportError"
        self._talk.disconnect(min(ends, default=at), error)

    def end(self, at: int) -> None:
        """Tell what is left: nothing more was captured."""
        if not self._is_closed:
            self._flush(at)
            self._is_closed = True
            self._talk.end(at, is_unseen=True)

    def _flush(self, at: int) -> None:
        for source, half in self._halves.items():
            self._give(source, half.flush(at))
        self._finish_hello(None)

    def rows(self) -> list[Row]:
        """Give the rows that are ready, once; none while it may be no SMTP."""
        return self._talk.rows() if self.is_smtp else []

    # -- what was said

    def _give(self, source: Endpoint, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self._is_stopped:
                continue
            if self.is_smtp:
                self._piece(source, piece)
            else:
                self._wait(source, piece)

    def _wait(self, source: Endpoint, piece: Piece) -> None:
        """Keep what may be SMTP until the client's first words tell."""
        self._early.append((source, piece))
        if source == self.client and piece.octets is not None:
            self.is_smtp = _CLIENT.match(piece.octets) is not None
            self._is_stopped = not self.is_smtp
        elif piece.octets is not None and not _SERVER.match(
            self._early[0][1].octets or b""
        ):
            self._is_stopped = True
        if len(self._early) > _MAX_EARLY:
            self._is_stopped = True
        if self.is_smtp or self._is_stopped:
            early, self._early = self._early, []
            if self.is_smtp:
                for one in early:
                    self._piece(*one)

    def _piece(self, source: Endpoint, piece: Piece) -> None:
        is_client = source == self.client
        if piece.octets is None:
            self._gap(piece, is_client=is_client)
        elif self._hello_at is not None:
            self._finish_hello(piece.octets if not is_client else None, is_client=is_client)
        elif is_client and self._begins_tls(piece.octets):
            self._hello_at = piece.at
        elif is_client:
            self._client(piece.octets, piece.at)
        elif self._is_whole or _SERVER.match(piece.octets):
            self._is_whole = True  # a capture may begin inside a reply: that is left out
            for line in self._lines[source].feed(piece.octets, piece.at):
                self._server(line)

    def _begins_tls(self, octets: bytes) -> bool:
        is_due = self._talk.is_tls_due or not self._talk.has_spoken
        return is_due and is_client_hello(octets)

    def _finish_hello(self, octets: bytes | None, *, is_client: bool = False) -> None:
        """Tell of TLS once the server's answer is there, or never comes."""
        if self._hello_at is not None and not is_client and not self._is_stopped:
            version = version_of(octets) if octets is not None else None
            self._talk.start_tls(version, None, self._hello_at)
            self._is_stopped = True

    def _gap(self, piece: Piece, *, is_client: bool) -> None:
        if is_client and self._talk.is_in_data:
            self._lines[self.client].forget()
            self._talk.more_data(piece.size, piece.at)
            return
        self._stop(GAP, piece.at)

    def _stop(self, error: str, at: int) -> None:
        self._talk.end(at, error=error, is_unseen=True)
        self._lost, self._is_stopped = error, True

    def _client(self, octets: bytes, at: int) -> None:
        lines, talk = self._lines[self.client], self._talk
        while octets:
            if talk.chunk_left and not lines.has_begun:
                size = min(talk.chunk_left, len(octets))
                talk.chunk(size, at)
                octets = octets[size:]
                continue
            line, octets = lines.one(octets, at)
            if line is not None:
                text, _, last_at, size = line
                talk.client(text, last_at, size)

    def _server(self, line: _Line) -> None:
        text, first_at, last_at, size = line
        if not self._talk.server(text, last_at, size, first_at=first_at):
            # Not a reply: nobody can tell what follows (RFC 5321 section 4.2).
            self._stop("RemoteProtocolError", last_at)


_Line = tuple[str, int, int, int]
"""A line without its CRLF, when its first and its last octet came, and its octets."""


class _Lines:
    """Cuts octets into lines; one that ends in LF alone keeps it."""

    def __init__(self) -> None:
        self._begun = b""
        self._first_at = 0

    @property
    def has_begun(self) -> bool:
        """Whether part of a line has come."""
        return bool(self._begun)

    def forget(self) -> None:
        """Drop what has come of a line."""
        self._begun = b""

    def one(self, octets: bytes, at: int) -> tuple[_Line | None, bytes]:
        """Give the first line, if it is whole, and the octets behind it."""
        if not self._begun:
            self._first_at = at
        end = octets.find(b"\n") + 1
        if not end and len(self._begun) + len(octets) < _MAX_LINE:
            self._begun += octets
            return None, b""
        end = end or len(octets)
        line, self._begun = self._begun + octets[:end], b""
        size = len(line)
        if line.endswith(b"\r\n"):
            line = line[:-2]
        text = line.decode("utf-8", "surrogateescape")
        return (text, self._first_at, at, size), octets[end:]

    def feed(self, octets: bytes, at: int) -> list[_Line]:
        """Give all lines that are whole."""
        lines = []
        while octets:
            line, octets = self.one(octets, at)
            if line is not None:
                lines.append(line)
        return lines

"""A name server of its own on loopback, by dnslib: it answers what a zone file says.

It listens on UDP and TCP at one port, notes the questions, and can be told to be silent, to
fail, or to say that DNSSEC vouches for its answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.dns import DNSError
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

# A UDP port that is free is nearly always free for TCP as well.
_TRIES = 20
_POLL_S = 0.02  # how soon it notices that it shall end


class NameServer(BaseResolver):  # type: ignore[misc]
    """What the server answers, and what it was asked.

    Attributes
    ----------
    place : str
        Where it listens, such as ``127.0.0.1:54321``.
    asked : list of (str, str)
        Names and kinds of record, in order.
    silent, failing : set of str
        Names for which nothing comes back, or SERVFAIL.
    vouches : bool
        Whether answers carry the AD flag.
    """

    def __init__(self, zone: str) -> None:
        self.place = ""
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.vouches = False
        self._records = RR.fromZone(zone)

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        """Answer one question; dnslib calls it."""
        at, kind = request.q.qname, QTYPE[request.q.qtype]
        name = str(at).rstrip(".").lower()
        self.asked.append((name, kind))
        if name in self.silent:
            raise DNSError("told to be silent")
        reply = request.reply()
        reply.header.ad = self.vouches
        if name in self.failing:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        alias = True
        while alias:
            alias = False
            for rr in self._records:
                if rr.rname == at and QTYPE[rr.rtype] in (kind, "CNAME"):
                    reply.add_answer(rr)
                    alias = QTYPE[rr.rtype] == "CNAME" != kind
                    target = rr.rdata.label if alias else None
            at = target if alias else at
        if not any(rr.rname.matchSuffix(at) for rr in self._records):
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@contextmanager
def name_server(zone: str) -> Iterator[NameServer]:
    """Run a name server for as long as the block."""
    names = NameServer(zone)
    quiet = DNSLogger(logf=lambda _: None)
    for _ in range(_TRIES):
        udp = DNSServer(names, address="127.0.0.1", port=0, logger=quiet)
        port = udp.server.server_address[1]
        try:
            tcp = DNSServer(names, address="127.0.0.1", port=port, tcp=True, logger=quiet)
            break
        except OSError:
            udp.server.server_close()
    names.place = f"127.0.0.1:{port}"
    servers = [one.server for one in (udp, tcp)]
    threads = [Thread(target=one.serve_forever, args=(_POLL_S,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield names
    finally:
        for one, thread in zip(servers, threads, strict=True):
            one.shutdown()
            one.server_close()
            thread.join()

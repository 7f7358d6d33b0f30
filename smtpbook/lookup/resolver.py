"""Resolver: name servers, asked over the network.

dnspython speaks to them, on trio.  An answer is kept as long as it says it may be, within
limits; how many questions are asked and how long each may take is bounded, whatever records
say.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.flags
import dns.name
import dns.rcode
import trio

from smtpbook.lookup.answer import Answer, NotAName, dns_name, no_such
from smtpbook.lookup.records import presented, text_of

if TYPE_CHECKING:
    import dns.message
    import dns.resolver

TIMEOUT_S: Final = 5.0
MAX_QUESTIONS: Final = 1000
AT_ONCE: Final = 20
_PORT: Final = 53
# However short-lived an answer is, one look at a domain asks once; and however long it may
# be kept, a campaign of some days notices what has changed.
_MIN_KEPT_S: Final = 60.0
_MAX_KEPT_S: Final = 3600.0


class Resolver:
    """Name servers, asked over the network.

    Parameters
    ----------
    nameservers : sequence of str
        Addresses, with a port where it is not 53: ``"127.0.0.1:5353"``, ``"[::1]:5353"``.
        Default: those of the system.
    timeout_s : float
        Seconds for one question, all servers and repetitions together.
    max_questions : int
        So many different questions are asked; every further one is answered by an error.
    trusts : bool
        Believe the servers when they say that DNSSEC vouches for an answer.  Only right
        where nobody can stand in between: a resolver on this machine, or one reached over
        a secure channel (RFC 7672 section 2.2).

    Raises
    ------
    ValueError
        A name server is not given by its address.
    OSError
        The system names no name server.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        max_questions: int = MAX_QUESTIONS,
        trusts: bool = False,
    ) -> None:
        # Imported here, `dns.resolver` with it: it brings an HTTP client where there is
        # one, and most who could ask name servers never do.
        import dns.asyncresolver
        import dns.nameserver

        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration as exc:
            raise OSError(f"the system names no name server: {exc}") from None
        if nameservers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(*_place(one)) for one in nameservers
            ]
        self._resolver.use_edns(0, dns.flags.DO if trusts else 0, 1232)
        self._timeout_s = timeout_s
        self._left = max_questions
        self._trusts = trusts
        self._known: dict[tuple[str, str], tuple[Answer, float]] = {}
        self._asking: dict[tuple[str, str], trio.Event] = {}
        self._slots: trio.CapacityLimiter | None = None

    async def ask(self, name: str, record: str) -> Answer:
        """Ask one question, or give the answer that it had.

        Returns
        -------
        Answer
        """
        try:
            key = (dns_name(name), record.upper())
        except NotAName as exc:
            return no_such(name, record, exc)
        while (known := self._known.get(key)) is None or known[1] < trio.current_time():
            if (asking := self._asking.get(key)) is not None:
                await asking.wait()
                continue
            if self._left <= 0:
                return _failed(*key, "too many questions: no more are asked")
            self._left -= 1
            self._asking[key] = trio.Event()
            try:
                self._known[key] = await self._bounded(*key)
            finally:
                self._asking.pop(key).set()
        await trio.lowlevel.checkpoint()
        return known[0]

    async def _bounded(self, name: str, record: str) -> tuple[Answer, float]:
        """Ask within the time allowed; give the answer, and until when it is good."""
        if self._slots is None:
            self._slots = trio.CapacityLimiter(AT_ONCE)
        answer, kept_s = None, 0.0
        async with self._slots:
            with trio.move_on_after(self._timeout_s):
                answer, kept_s = await self._asked(name, record)
        if answer is None:
            answer = _failed(name, record, f"no answer within {self._timeout_s:g} s")
        kept_s = min(max(kept_s, _MIN_KEPT_S), _MAX_KEPT_S)
        return answer, trio.current_time() + kept_s

    async def _asked(self, name: str, record: str) -> tuple[Answer, float]:
        try:
            found = await self._resolver.resolve(
                dns.name.from_text(name),
                record,
                raise_on_no_answer=False,
                lifetime=self._timeout_s,
                search=False,
            )
        except dns.resolver.NXDOMAIN as exc:
            said = exc.response(dns.name.from_text(name))  # type: ignore[no-untyped-call]
            return Answer(
                name=name, record=record, status="no_name", is_secure=self._is_secure(said)
            ), 0.0
        except dns.resolver.LifetimeTimeout:
            return _failed(name, record, f"no answer within {self._timeout_s:g} s"), 0.0
        except dns.resolver.NoNameservers as exc:
            return _failed(name, record, _why(exc)), 0.0
        except (dns.exception.DNSException, OSError, ValueError, EOFError) as exc:
            return _failed(name, record, type(exc).__name__), 0.0
        values = tuple(sorted(map(presented, found.rrset or ())))
        canonical = text_of(found.canonical_name).lower()
        return Answer(
            name=name,
            record=record,
            status="found" if values else "no_data",
            values=values,
            aliases=(canonical,) if canonical != name else (),
            is_secure=self._is_secure(found.response),
        ), float(found.chaining_result.minimum_ttl)

    def _is_secure(self, said: dns.message.Message) -> bool:
        return self._trusts and bool(said.flags & dns.flags.AD)


def _failed(name: str, record: str, why: str) -> Answer:
    return Answer(name=name, record=record, status="error", error=why)


def _why(exc: dns.resolver.NoNameservers) -> str:
    """Name what the servers answered, such as SERVFAIL."""
    codes = {
        dns.rcode.to_text(error[4].rcode())
        for error in exc.kwargs.get("errors", ())
        if error[4] is not None
    }
    return ", ".join(sorted(codes)) or "no name server answered"


def _place(text: str) -> tuple[str, int]:
    address, port = text, _PORT
    if text.startswith("[") or text.count(":") == 1:
        address, _, digits = text.rpartition(":")
        address = address.strip("[]")
        port = int(digits) if digits.isascii() and digits.isdigit() else -1
    try:
        ipaddress.ip_address(address)
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        raise ValueError(
            f'a name server is given by its address, such as "192.0.2.53" or '
            f'"127.0.0.1:5353": {text!r}'
        ) from None
    return address, port

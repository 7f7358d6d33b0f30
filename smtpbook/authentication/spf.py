"""SPF: does a domain let this host send its mail?  What receivers ask, and what it costs.

Theory of operation.  The domain's record is read whole, then its mechanisms are tried in
order until one matches.  Everything here is paid for by receivers, so everything is counted
and bounded: ten terms that ask the DNS, two questions without an answer, ten mail hosts of
an ``mx``, ten names of a ``ptr``, and seconds in all.  Without an address nothing can match
but ``all``: then every term is gone through, errors too, to see what the record may cost at
worst and what strangers get.

The way is kept in the result (`spf_result`).  What is done with a verdict is said nowhere
here.

References
----------
RFC 7208 sections 4 (check_host), 5 (mechanisms), 6 (modifiers), 11.1 (limits).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Final

import trio

from smtpbook.authentication.macros import (
    MacroError,
    Parts,
    dotted,
    expand,
    fitted,
    letters_of,
    parse_macros,
)
from smtpbook.authentication.spf_record import (
    ASKING,
    SpfRecord,
    SpfRecordError,
    Term,
    is_spf,
)
from smtpbook.authentication.spf_result import (
    MAX_LOOKUPS,
    MAX_VOIDS,
    SpfResult,
    SpfStep,
    SpfVerdict,
)
from smtpbook.escape import visible
from smtpbook.lookup.answer import Answer, Asker, NotAName, dns_name
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.lookup.ip import IP, read_ip
from smtpbook.protocol.addresses import is_within
from smtpbook.runner import SENDER, refuse_inside_trio

MAX_HOSTS: Final = 10
"""Of one ``mx``, or it is an error; of one ``ptr``, the others are left (section 4.6.4)."""
PATIENCE_S: Final = 20.0
"""The least that a limit on the whole check should allow (section 4.6.4)."""
MAX_SURVEYED: Final = 50
"""How many terms are asked about where no address is given: far more than receivers do."""

_OF_CLIENT: Final = frozenset("ivpc")  # macros that need the client's address


def check_spf(
    domain: str,
    *,
    ip: str | None = None,
    reverse_path: str | None = None,
    helo: str | None = None,
    zone: AnyZone = None,
    patience_s: float = PATIENCE_S,
) -> SpfResult:
    """Check whether a host may send a domain's mail, as receivers do.

    Parameters
    ----------
    domain : str
        That of the reverse-path, or the name in EHLO.
    ip : str, optional
        The host's address.  Default: none in particular: every term is gone through, to see
        what the record costs at worst and what strangers get.
    reverse_path : str, optional
        The whole of it, for records that ask for it.  Default: postmaster there.
    helo : str, optional
        The name in EHLO, likewise.  Default: the domain.
    zone : Zone, mapping, str, Path or Asker, optional
        Whom to ask in place of the system's name servers.
    patience_s : float
        Seconds for the whole check, then the result is ``temperror``.

    Returns
    -------
    SpfResult
        What the DNS does and holds is never raised.  Without `ip`, a record that goes
        beyond a limit is a ``permerror``, and `lookups` and `voids` tell by how much.

    Raises
    ------
    ValueError
        `ip` is not an address, or the zone data cannot be read.
    RuntimeError
        Called where trio runs: use `check_spf_async`.

    Examples
    --------
    >>> zone = {"x.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}}
    >>> print(check_spf("x.example", ip="192.0.2.7", zone=zone).summary)
    SPF of x.example for 192.0.2.7: pass, ip4:192.0.2.0/24 matches

    References
    ----------
    RFC 7208.
    """
    refuse_inside_trio("check_spf_async")
    run = partial(
        check_spf_async,
        domain,
        ip=ip,
        reverse_path=reverse_path,
        helo=helo,
        zone=zone,
        patience_s=patience_s,
    )
    return SENDER.run(run)


async def check_spf_async(
    domain: str,
    *,
    ip: str | None = None,
    reverse_path: str | None = None,
    helo: str | None = None,
    zone: AnyZone = None,
    patience_s: float = PATIENCE_S,
) -> SpfResult:
    """Do what `check_spf` does, inside a trio program."""
    address = None if ip is None else read_ip(ip)
    name = domain.removesuffix(".").lower()
    # "<sender> has no local-part … 'postmaster' is substituted" (4.3)
    has_local_part = reverse_path and not reverse_path.startswith("@")
    client = _Client(
        address=address,
        sender=reverse_path if reverse_path and has_local_part else f"postmaster@{name}",
        helo=helo or name,
    )
    check = _Check(asker_of(zone), client)
    with trio.move_on_after(patience_s):
        return await check.run(domain)
    return SpfResult(
        result="temperror",
        reason=f"the check took longer than {patience_s:g} s",
        domain=domain,
        ip=client.ip,
        lookups=check.lookups,
        voids=check.voids,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """Who connects, and what it says."""

    address: IP | None
    sender: str
    helo: str

    @property
    def ip(self) -> str:
        return "" if self.address is None else str(self.address)

    def value_of(self, letter: str, domain: str, validated: tuple[str, ...]) -> str:
        """Give what a macro stands for (RFC 7208 section 7.2)."""
        local_part, _, of_sender = self.sender.rpartition("@")
        match letter:
            case "s":
                return self.sender
            case "l":
                return local_part
            case "o":
                return of_sender
            case "d":
                return domain
            case "h":
                return self.helo
            case "r":
                return "unknown"  # "if <receiving> is not known" (7.3)
            case "t":
                return str(int(time.time()))
            case "p":
                return _preferred(validated, domain)
        assert self.address is not None
        if letter == "v":
            return "in-addr" if self.address.version == 4 else "ip6"
        return dotted(self.address) if letter == "i" else str(self.address)


def _preferred(names: tuple[str, ...], domain: str) -> str:
    """Choose the name that ``%{p}`` stands for (RFC 7208 section 7.3)."""
    below = (name for name in names if is_within(name, domain))
    return domain if domain in names else next(below, (*names, "unknown")[0])


class _Ended(Exception):
    """The check of one record is over before its mechanisms are."""

    def __init__(
        self,
        result: SpfVerdict,
        reason: str,
        *,
        position: int | None = None,
        step: SpfStep | None = None,
    ) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.position = position
        self.step = step


class _Check:
    """One check, through all records that it leads to."""

    def __init__(self, asker: Asker, client: _Client) -> None:
        self._asker = asker
        self._client = client
        self._is_survey = client.address is None
        self._chain: list[str] = []
        self.lookups = 0
        self.voids = 0

    async def run(self, domain: str) -> SpfResult:
        """Check the domain, and what its record may cost at worst."""
        found = await self._checked(domain, explains=True)
        if self._is_survey and found.result != "permerror":
            if self.lookups > MAX_LOOKUPS:
                return replace(found, result="permerror", reason=self._too_many_lookups())
            if self.voids > MAX_VOIDS:
                return replace(found, result="permerror", reason=self._too_many_voids())
        return found

    async def _checked(self, domain: str, *, explains: bool) -> SpfResult:
        """Check one domain's record (check_host, RFC 7208 section 4)."""
        lookups, voids = self.lookups, self.voids
        texts: tuple[str, ...] = ()
        record = position = explanation = None
        steps: list[SpfStep] = []
        try:
            name = self._enter(domain)
            try:
                texts = await self._texts(name)
                record = _record(texts)
                result, reason = await self._evaluated(record, name, steps, explains)
                explained = steps[-1].inner if steps else None
                if explained is not None and steps[-1].term.name == "redirect":
                    explanation = explained.explanation
                elif explains and result == "fail":
                    explanation = await self._explanation(record, name)
            finally:
                self._chain.pop()
        except _Ended as exc:
            result, reason, position = exc.result, exc.reason, exc.position
        return SpfResult(
            result=result,
            reason=reason,
            domain=domain,
            ip=self._client.ip,
            record=record,
            texts=texts,
            position=position,
            steps=tuple(steps),
            lookups=self.lookups - lookups,
            voids=self.voids - voids,
            explanation=explanation,
        )

    def _enter(self, domain: str) -> str:
        """Refuse what has no record, and a record that leads back to itself."""
        # "If the <domain> is malformed … or is not a multi-label domain name … check_host()
        # immediately returns the result 'none'." -- RFC 7208 section 4.3
        try:
            name = dns_name(domain)
        except NotAName as exc:
            raise _Ended("none", str(exc)) from None
        if "." not in name or name.startswith("["):
            raise _Ended("none", f"{visible(name)} is not a full domain")
        if name in self._chain:
            raise _Ended("permerror", f"the record of {visible(name)} leads back to itself")
        self._chain.append(name)
        return name

    async def _texts(self, name: str) -> tuple[str, ...]:
        answer = await self._asker.ask(name, "TXT")
        if answer.status == "error":
            raise _no_answer(answer)
        if answer.status == "no_name":
            raise _Ended("none", f"there is no {visible(name)}")
        return tuple(text for text in answer.values if is_spf(text))

    async def _evaluated(
        self, record: SpfRecord, domain: str, steps: list[SpfStep], explains: bool
    ) -> tuple[SpfVerdict, str]:
        """Try the terms; what was tried is added to the steps.

        Without an address the first match, or error, decides nothing but the result.
        """
        error: _Ended | None = None
        decided: tuple[SpfVerdict, str] | None = None
        redirect = () if record.all or record.redirect is None else (record.redirect,)
        for term in (*record.mechanisms, *redirect):
            try:
                step = await self._step(term, domain, explains)
            except _Ended as exc:
                step = exc.step or SpfStep(term=term, is_match=None)
                error = error or exc
            steps.append(step)
            if step.is_match:
                decided = decided or _decision(step)
            if term.name == "all" or (not self._is_survey and (error or decided)):
                break
        if error is not None:
            raise error
        return decided or ("neutral", "no mechanism matches")

    async def _step(self, term: Term, domain: str, explains: bool) -> SpfStep:
        """Try one term."""
        address = self._client.address
        is_match: bool | None
        if term.name == "all":
            return SpfStep(term=term, is_match=True)
        if term.network is not None:
            is_match = None if address is None else address in term.network
            return SpfStep(term=term, is_match=is_match)
        assert term.name in ASKING
        self._count()
        target = await self._target(term.domain, domain)
        if target is None:
            return SpfStep(term=term, is_match=None)
        if term.name in ("include", "redirect"):
            return await self._led_to(term, target, explains)
        if term.name == "exists":
            found = (await self._asked(target, "A")).values
            is_match = bool(found)
        elif term.name == "ptr":
            found = await self._names()
            is_match = any(is_within(name, target) for name in found)
        else:
            hosts = await self._hosts(target) if term.name == "mx" else (target,)
            found = tuple([ip for host in hosts for ip in await self._addresses(host)])
            is_match = address is not None and any(
                address in ip_network((ip, _length(term, ip)), strict=False) for ip in found
            )
        if address is None and term.name != "exists":
            is_match = None
        return SpfStep(term=term, target=target, is_match=is_match, found=found)

    async def _led_to(self, term: Term, target: str, explains: bool) -> SpfStep:
        """Check the record that ``include`` or ``redirect`` names (sections 5.2, 6.1)."""
        is_redirect = term.name == "redirect"
        inner = await self._checked(target, explains=explains and is_redirect)
        step = SpfStep(term=term, target=target, is_match=None, inner=inner)
        if inner.result in ("none", "permerror"):
            raise _Ended("permerror", f"{term} is of no use: {inner.reason}", step=step)
        if inner.result == "temperror":
            raise _Ended("temperror", f"{term}: {inner.reason}", step=step)
        return replace(step, is_match=is_redirect or inner.result == "pass")

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > (MAX_SURVEYED if self._is_survey else MAX_LOOKUPS):
            raise _Ended("permerror", self._too_many_lookups())

    def _too_many_lookups(self) -> str:
        return (
            f"{self.lookups} terms ask the DNS, where receivers bear {MAX_LOOKUPS} (RFC "
            f"7208 section 4.6.4)"
        )

    def _too_many_voids(self) -> str:
        return (
            f"{self.voids} questions got nothing, where receivers bear {MAX_VOIDS} (RFC "
            f"7208 section 4.6.4)"
        )

    async def _target(self, parts: Parts, domain: str) -> str | None:
        """Give the name a term asks about; None = it hangs on an address not given."""
        if not parts:
            return domain
        letters = letters_of(parts)
        if self._is_survey and letters & _OF_CLIENT:
            return None
        return fitted(await self._expanded(parts, domain)).lower()

    async def _expanded(self, parts: Parts, domain: str, *, counts: bool = True) -> str:
        names = await self._names(counts=counts) if "p" in letters_of(parts) else ()
        return expand(parts, lambda one: self._client.value_of(one, domain, names))

    async def _asked(self, name: str, record: str, *, counts: bool = True) -> Answer:
        """Ask, and count an answer that holds nothing (section 4.6.4)."""
        answer = await self._asker.ask(name, record)
        if answer.status == "error":
            raise _no_answer(answer)
        if not answer and counts:
            self.voids += 1
            if self.voids > MAX_VOIDS and not self._is_survey:
                raise _Ended("permerror", self._too_many_voids())
        return answer

    async def _addresses(self, name: str, *, counts: bool = True) -> tuple[str, ...]:
        if self._client.address is None:
            # A void for nobody, if only one kind is missing.
            both = (*(await self._asked(name, "A", counts=False)).values,)
            return both or (await self._asked(name, "AAAA", counts=counts)).values
        record = "A" if self._client.address.version == 4 else "AAAA"
        return (await self._asked(name, record, counts=counts)).values

    async def _hosts(self, name: str) -> tuple[str, ...]:
        values = (await self._asked(name, "MX")).values
        # "more than 10 'A' or 'AAAA' records … permerror" (4.6.4)
        if len(values) > MAX_HOSTS:
            raise _Ended(
                "permerror",
                f"{visible(name)} has {len(values)} mail hosts, where receivers bear "
                f"{MAX_HOSTS} (RFC 7208 section 4.6.4)",
            )
        hosts = (value.partition(" ")[2].removesuffix(".") for value in values)
        return tuple(host for host in hosts if host)  # a null MX names none (RFC 7505)

    async def _names(self, *, counts: bool = True) -> tuple[str, ...]:
        """Give the client's names that lead back to its address (section 5.5)."""
        address = self._client.address
        if address is None:
            return ()
        found = []
        try:
            answer = await self._asked(address.reverse_pointer, "PTR", counts=counts)
        except _Ended as exc:
            # "If a DNS error occurs while doing the PTR RR lookup, then this mechanism
            # fails to match." (5.5)
            if exc.result == "temperror":
                return ()
            raise
        for name in answer.values[:MAX_HOSTS]:
            try:
                addresses = await self._addresses(name, counts=counts)
            except _Ended as exc:
                # "If a DNS error occurs while doing an A RR lookup, then that domain name
                # is skipped and the search continues." (5.5)
                if exc.result == "temperror":
                    continue
                raise
            if any(ip_address(one) == address for one in addresses):
                found.append(name.removesuffix(".").lower())
        return tuple(found)

    async def _explanation(self, record: SpfRecord, domain: str) -> str | None:
        """Give what the domain tells those it turns away; errors mean nothing (6.2)."""
        if record.explanation is None or self._is_survey:
            return None
        try:
            name = await self._expanded(record.explanation.domain, domain, counts=False)
            answer = await self._asked(fitted(name), "TXT", counts=False)
            if len(answer.values) != 1:
                return None
            parts = parse_macros(answer.values[0], in_explanation=True)
            text = await self._expanded(parts, domain, counts=False)
        except (_Ended, MacroError):
            return None
        return text if text.isascii() and text.isprintable() else None


def _record(texts: tuple[str, ...]) -> SpfRecord:
    """Choose and read the record (sections 4.5, 4.6)."""
    if not texts:
        raise _Ended("none", "there is no SPF record")
    if len(texts) > 1:
        raise _Ended("permerror", f"there are {len(texts)} SPF records, where one may be")
    try:
        return SpfRecord.parse(texts[0])
    except SpfRecordError as exc:
        raise _Ended(
            "permerror", f"the record cannot be read: {exc}", position=exc.position
        ) from None


def _decision(step: SpfStep) -> tuple[SpfVerdict, str]:
    """Give what a match means, and why."""
    if step.inner is None or step.term.verdict is not None:
        assert step.term.verdict is not None
        inner = None if step.inner is None else step.inner.matched
        there = "" if inner is None else f", as {inner.term} there"
        return step.term.verdict, f"{step.term} matches{there}"
    return step.inner.result, f"{step.term} says so: {step.inner.reason}"


def _length(term: Term, ip: str) -> int:
    return term.length_6 if ":" in ip else term.length_4


def _no_answer(answer: Answer) -> _Ended:
    return _Ended(
        "temperror",
        f"{answer.record} of {visible(answer.name)}: {visible(answer.error or '')}",
    )

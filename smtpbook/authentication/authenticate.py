"""Authenticate: judge a message as its receiver would, by SPF, DKIM and DMARC.

The message may have been received, or be about to be sent: from which host is for the
caller to say.  What a receiver does besides, with reputation and content, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import getaddresses
from functools import partial
from typing import Final

from smtpbook.authentication.authentication_results import MethodResult, Results
from smtpbook.authentication.dkim import verify_dkim
from smtpbook.authentication.dmarc import DmarcResult, check_dmarc
from smtpbook.authentication.spf import check_spf_async
from smtpbook.authentication.spf_result import SpfResult
from smtpbook.dkim.canonical import by_name
from smtpbook.dkim.verify import Verification
from smtpbook.escape import to_html, visible
from smtpbook.lookup.asker import AnyZone, asker_of
from smtpbook.protocol.header import split_header
from smtpbook.protocol.message import Message
from smtpbook.runner import SENDER, refuse_inside_trio
from smtpbook.states import INK

_MAX_FROM: Final = 10_000  # octets of a From field that is looked at: names 100 addresses


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Authentication:
    """What a receiver makes of a message's domains.

    Attributes
    ----------
    ip, helo, reverse_path : str
        The host that brings it, the name it gives, and the address in MAIL; "" = the null
        reverse-path, for which SPF judges `helo`.
    spf : SpfResult
    dkim : tuple of Verification
        One for each signature, topmost first; empty = not signed.
    dmarc : DmarcResult
    """

    ip: str
    helo: str
    reverse_path: str
    spf: SpfResult
    dkim: tuple[Verification, ...]
    dmarc: DmarcResult

    def results(self, server: str = "smtpbook") -> Results:
        """Give what an Authentication-Results field says of it."""
        return Results(server=server, methods=tuple(self._methods()))

    def results_header(self, server: str = "smtpbook") -> str:
        """Write an Authentication-Results field, folded, without its last CRLF.

        Parameters
        ----------
        server : str
            In whose name it is written (authserv-id).

        References
        ----------
        RFC 8601 sections 2.2 (syntax), 2.7 (methods and their properties).
        """
        return self.results(server).to_field()

    def _methods(self) -> Iterator[MethodResult]:
        spf, dmarc = self.spf, self.dmarc
        whose = "smtp.mailfrom" if self.reverse_path else "smtp.helo"
        yield MethodResult(
            method="spf",
            result=spf.result,
            reason=spf.reason,
            properties={whose: self.reverse_path or self.helo},
        )
        for one in self.dkim:
            known = {"d": one.domain, "s": one.selector, "a": one.algorithm}
            yield MethodResult(
                method="dkim",
                result=one.result,
                reason=one.reason,
                properties={f"header.{name}": text for name, text in known.items() if text},
            )
        if not self.dkim:
            yield MethodResult(method="dkim", result="none")
        asked = f"p={dmarc.policy} dis={dmarc.disposition}" if dmarc.policy else ""
        yield MethodResult(
            method="dmarc",
            result=dmarc.result,
            comment=asked,
            reason=dmarc.reason,
            properties={"header.from": dmarc.domain} if dmarc.domain else {},
        )

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Give method, whose, result and reason of each; not yet escaped."""
        yield "SPF", self.spf.domain, self.spf.result, self.spf.reason
        for one in self.dkim:
            whose = f"{one.domain} ({one.selector})" if one.domain else ""
            yield "DKIM", whose, one.result, one.reason
        if not self.dkim:
            yield "DKIM", "", "none", "the message is not signed"
        dmarc = self.dmarc
        reason = dmarc.reason
        if dmarc.policy is not None:
            reason += (
                f"; {dmarc.record_domain} asks for {dmarc.policy_tag}={dmarc.policy}"
                f"{' and is testing' if dmarc.record and dmarc.record.is_testing else ''}"
            )
        yield "DMARC", dmarc.domain, dmarc.result, reason

    def __str__(self) -> str:
        return "\n".join(
            f"{method:<6}{result:<10}{visible(whose)}: {visible(reason)}"
            if whose
            else f"{method:<6}{result:<10}{visible(reason)}"
            for method, whose, result, reason in self._rows()
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left = "text-align: left; vertical-align: top; padding: .15em 1em .15em 0"
        rows = "".join(
            f'<tr><th scope="row" style="{left}">{method}</th>'
            + "".join(
                f'<td style="{left}; overflow-wrap: anywhere">{to_html(text)}</td>'
                for text in (result, whose, reason)
            )
            + "</tr>"
            for method, whose, result, reason in self._rows()
        )
        heads = "".join(
            f'<th scope="col" style="{left}">{name}</th>'
            for name in ("method", "result", "whose", "why")
        )
        return (
            f'<table style="{INK}; border-collapse: collapse"><thead><tr>{heads}</tr>'
            f"</thead><tbody>{rows}</tbody></table>"
        )


def authenticate(
    message: Message | bytes,
    *,
    ip: str,
    helo: str | None = None,
    reverse_path: str | None = None,
    zone: AnyZone = None,
    date: datetime | None = None,
) -> Authentication:
    r"""Judge a message as its receiver would, by SPF, DKIM and DMARC.

    Parameters
    ----------
    message : smtpbook.Message or bytes
        As it arrives.  Octets that have no CRLF get them in place of LF.
    ip : str
        The address of the host that brings it.
    helo : str, optional
        The name in that host's EHLO.  Default: the reverse-path's domain.
    reverse_path : str, optional
        The address in MAIL; ``""`` is the null reverse-path.  Default: the message's own;
        that of octets is null.
    zone : Zone, mapping, str, Path or Asker, optional
        Whom to ask in place of the system's name servers.
    date : datetime, optional
        When, for signatures that expire; with a time zone.  Default: now.

    Returns
    -------
    Authentication
        What the message and the DNS hold is never raised.

    Raises
    ------
    ValueError
        `ip` is not an address, `date` has no time zone, or the zone data cannot be read.
    RuntimeError
        Called where trio runs: use `authenticate_async`.

    Examples
    --------
    >>> zone = {
    ...     "x.example": {"TXT": "v=spf1 ip4:192.0.2.7 -all"},
    ...     "_dmarc.x.example": {"TXT": "v=DMARC1; p=reject"},
    ... }
    >>> data = b"From: Ann <ann@x.example>\r\n\r\nhi\r\n"
    >>> authenticate(data, ip="192.0.2.7", reverse_path="ann@x.example", zone=zone)
    SPF   pass      x.example: ip4:192.0.2.7 matches
    DKIM  none      the message is not signed
    DMARC pass      x.example: SPF vouches for x.example; x.example asks for p=reject

    References
    ----------
    RFC 7208 (SPF), RFC 6376 (DKIM), RFC 9989 (DMARC), RFC 8601 (results).
    """
    refuse_inside_trio("authenticate_async")
    run = partial(
        authenticate_async,
        message,
        ip=ip,
        helo=helo,
        reverse_path=reverse_path,
        zone=zone,
        date=date,
    )
    return SENDER.run(run)


async def authenticate_async(
    message: Message | bytes,
    *,
    ip: str,
    helo: str | None = None,
    reverse_path: str | None = None,
    zone: AnyZone = None,
    date: datetime | None = None,
) -> Authentication:
    """Do what `authenticate` does, inside a trio program."""
    asker = asker_of(zone)
    if isinstance(message, Message):
        data = message.data
        if reverse_path is None:
            reverse_path = str(message.reverse_path or "")
    else:
        data = message if b"\r\n" in message else message.replace(b"\n", b"\r\n")
    reverse_path = reverse_path or ""
    _, _, domain = reverse_path.rpartition("@")
    helo = helo or domain
    # "When the reverse-path is null, this document defines the 'MAIL FROM' identity to be
    # the mailbox composed of the local-part 'postmaster' and the 'HELO' identity" -- RFC
    # 7208 section 2.4
    spf = await check_spf_async(
        domain or helo, ip=ip, reverse_path=reverse_path, helo=helo, zone=asker
    )
    dkim = await verify_dkim(data, asker, date=date)
    dmarc = await check_dmarc(
        asker,
        author_domains(data),
        spf=spf.domain if spf.result == "pass" else None,
        dkim=[one.domain for one in dkim if one.result == "pass"],
        is_unsure="temperror" in (spf.result, *(one.result for one in dkim)),
    )
    return Authentication(
        ip=ip, helo=helo, reverse_path=reverse_path, spf=spf, dkim=dkim, dmarc=dmarc
    )


def author_domains(data: bytes) -> tuple[str, ...]:
    r"""Give the domains of the addresses in From; none where there are several fields.

    >>> author_domains(b"From: Ann <ann@X.example>, bob@y.example\r\n\r\n")
    ('x.example', 'y.example')

    References
    ----------
    RFC 9989 sections 4.2, 5.3.1 (a message must have one From, and that one domain).
    """
    header, _ = split_header(data)
    found = by_name(header).get(b"from", [])
    if len(found) != 1:
        return ()
    value = found[0].partition(b":")[2][:_MAX_FROM].decode("utf-8", "surrogateescape")
    addresses = [address for _, address in getaddresses([value.replace("\r\n", "")])]
    return tuple(
        address.rpartition("@")[2].lower() for address in addresses if "@" in address
    )

"""Relay: whether the account's server encrypts, with whose certificate, and takes the size.

The server is asked as `smtpbook.session.probe` does it: as far as the login, and no mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import not_given
from smtpbook.escape import visible
from smtpbook.events import CLEAR_TEXT
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.log.frame import Log
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.replies import Reply
from smtpbook.session.probe import probe_async

_EXPLAIN: Final = "sb.explain_probe(sb.probe(account)) tells every step"
_OK: Final = 250
_SOON: Final = timedelta(days=14)  # renewed by hand, it takes days


async def relay(case: Case) -> list[Said]:
    """Connect to the account's server, as far as the login."""
    account = case.account
    if account is None:
        return [not_given("account", "where the mail is handed in")]
    if account.is_unix:
        return [passes(f"{visible(account.host)}: a socket of this machine")]
    log = await probe_async(account)
    where = visible(f"{account.host}:{account.port}")
    version = next(iter(log["tls_version"].dropna()), None)
    certificate = log.attrs.get("certificate", {})
    if "problem" in certificate:
        why = visible(str(certificate["problem"]))
        return [fails(f"{where}: its certificate is not accepted: {why}")]
    if "error" in log.attrs and version is None:
        why = visible(str(log.attrs["error"]))
        return [unknown(f"{where}: {why}", _EXPLAIN)]
    if version in (None, CLEAR_TEXT):
        says = passes if account.is_loopback else fails
        told = [says(f"{where}: mail and login travel without TLS")]
    else:
        told = [_of_certificate(f"{where}: {version}", certificate)]
    return [*told, *_of_size(where, log, case.mail)]


def _of_size(where: str, log: Log, mail: bytes | None) -> Iterator[Said]:
    """Compare the message with the size that the server states, if it does."""
    greeted = log[log["verb"].isin(["EHLO", "LHLO"]) & (log["reply_code"] == _OK)]
    if mail is None or not len(greeted):
        return
    last = Reply.of(_OK, str(greeted["reply_text"].iloc[-1]))
    most = Extensions.from_reply(last).max_size_bytes
    if most is None:
        return
    said = f"{where} takes {most:,} octets (SIZE), the message has {len(mail):,}"
    if len(mail) > most:
        yield fails(said, "put files on a web page and send the link")
    else:
        yield passes(said)


def _of_certificate(said: str, certificate: dict[str, Any]) -> Said:
    if "not_after" not in certificate:
        return warns(f"{said}, with a certificate that cannot be read")
    issuer = visible(str(certificate["issuer"]), max_chars=120)
    ends = datetime.fromisoformat(certificate["not_after"])
    said += f", certificate by {issuer} until {ends:%Y-%m-%d}"
    if ends - datetime.now(UTC) < _SOON:
        return warns(said, "renew the server's certificate")
    return passes(said)

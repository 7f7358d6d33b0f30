"""Relay: whether the account's server encrypts, how, and with whose certificate.

The server is asked as `smtpbook.session.probe` does it: as far as the login, and no mail.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import not_given
from smtpbook.escape import visible
from smtpbook.events import CLEAR_TEXT
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.session.probe import probe_async

_EXPLAIN: Final = "sb.explain_probe(sb.probe(account)) tells every step"
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
        return [says(f"{where}: mail and login travel without TLS")]
    return [_of_certificate(f"{where}: {version}", certificate)]


def _of_certificate(said: str, certificate: dict[str, Any]) -> Said:
    if "not_after" not in certificate:
        return warns(f"{said}, with a certificate that cannot be read")
    issuer = visible(str(certificate["issuer"]), max_chars=120)
    ends = datetime.fromisoformat(certificate["not_after"])
    said += f", certificate by {issuer} until {ends:%Y-%m-%d}"
    if ends - datetime.now(UTC) < _SOON:
        return warns(said, "renew the server's certificate")
    return passes(said)

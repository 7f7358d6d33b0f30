"""Route: to which hosts a domain's mail goes, in order, and what each has to prove.

It joins the domain's MX records (`lookup.mail_hosts`), DANE (`dane`) and MTA-STS
(`mta_sts`).  Nothing is connected to here, but for the file of an MTA-STS policy.

What a sender does with a `Route`:

- Without `Route.usable` hosts nothing is connected to: `Route.error` says why, and
  `Route.is_lasting` whether that is so for good (rejected) or may pass (deferred).
- Else it tries `Route.usable` in order, at `Host.addresses` (``partial(connect_to,
  host.addresses)`` is a session's connector) and under `Host.name`, which is also what is
  asked for in TLS (SNI).  A host that cannot be reached, or defers, leaves the next one.
- Which TLS is spoken is `Host.security`'s to say.  ``account_tls`` goes into the account.
  With ``proof == "tlsa"`` the handshake verifies nothing; then `Security.failure` is asked
  about `TlsStream.certificate_chain()` before the second EHLO, and what it gives ends the
  session.  Where ``is_tls_required``, no STARTTLS is a failure, too.
- What fails so is no more than deferred (RFC 8461 section 5, RFC 7672 section 2.2), and it
  is worth a row: `tls_report`.

DANE goes before MTA-STS: "senders who implement MTA-STS validation MUST NOT allow MTA-STS
Policy validation to override a failing DANE validation" (RFC 8461 section 2).  Where a host
has TLSA records that DNSSEC has proved, they alone decide about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from smtpbook.lookup.asker import Asker
from smtpbook.lookup.mail_hosts import MailHosts, mail_hosts
from smtpbook.routes.addresses import Addresses, addresses_of
from smtpbook.routes.dane import NO_DANE, Dane, Tlsa, chain_failure, dane_of
from smtpbook.routes.mta_sts import Policies, StsAnswer, StsPolicies
from smtpbook.routes.tls_report import PolicyType, TlsFailure

Kind = Literal["mx", "implicit", "null", "none", "error"]

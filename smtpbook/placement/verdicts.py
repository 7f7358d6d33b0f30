"""Verdicts: what a receiver found of a message, as it wrote into the header.

Of Authentication-Results only the receiver's own is believed, in its first instance: a
message may bring others, and a receiver takes away only those in its own name.

References
----------
RFC 8601 sections 1.2 (trust), 2.5 (authserv-id) and 5 (removing forged fields).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpbook.authentication.authentication_results import Results, read_results
from smtpbook.escape import visible
from smtpbook.mailboxes.mime import Fields
from smtpbook.placement.received import Hop
from smtpbook.placement.seeds import Seed
from smtpbook.protocol.addresses import is_within

METHODS: Final = ("spf", "dkim", "dmarc")

_MAX_FIELDS: Final = 50
_MAX_CHARS: Final = 200
# Whose name stands in Authentication-Results, by the end of the address's domain or of the
# IMAP server's name.  Yahoo and Apple have names below these; Microsoft's fields have none.
# From headers that people published, 2021 to 2026; `Seed.receiver` says otherwise.
_RECEIVERS: Final = {
    "gmail.com": "mx.google.com",
    "googlemail.com": "mx.google.com",
    "yahoo.com": "yahoo.com",
    "aol.com": "yahoo.com",
    "icloud.com": "icloud.com",
    "me.com": "icloud.com",
    "outlook.com": "",
    "hotmail.com": "",
    "live.com": "",
    "msn.com": "",
    "office365.com": "",
}
_NUMBER: Final = r"(-?\d{1,6}(?:\.\d{1,6})?)"
# What filters write, the one that tells most first.
_SCORES: Final = (
    ("x-spamd-result", re.compile(rf"\[\s{{0,9}}{_NUMBER}\s{{0,9}}/")),  # rspamd
    ("x-spam-status", re.compile(rf"\bscore={_NUMBER}")),  # SpamAssassin
    ("x-rspamd-score", re.compile(_NUMBER)),
    ("x-spam-score", re.compile(_NUMBER)),
    # Microsoft's spam confidence level, -1 to 9, another scale.
    ("x-ms-exchange-organization-scl", re.compile(_NUMBER)),
    ("x-forefront-antispam-report", re.compile(rf"\bSCL:{_NUMBER}")),
)
_SPELT: Final = {
    "x-ms-exchange-organization-scl": "X-MS-Exchange-Organization-SCL",
    "x-rspamd-score": "X-Rspamd-Score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a receiver found.

    Attributes
    ----------
    receiver : str or None
        Who says so, escaped, "" = its field does not tell; None = no field of the
        receiver's own is there.
    spf, dkim, dmarc : str or None
        Such as ``pass``; of several signatures, that one passed.  None = it does not tell.
    spam_score : float or None
    spam_header : str or None
        The field that has the score, escaped and cut.
    """

    receiver: str | None
    spf: str | None
    dkim: str | None
    dmarc: str | None
    spam_score: float | None
    spam_header: str | None


def verdicts_in(header: Fields, seed: Seed, hops: list[Hop]) -> Verdicts:
    """Read what the receiver of a seed wrote; never raises, whatever the header is."""
    own = _own(header, seed, hops)
    found: dict[str, str] = {}
    for results in own:
        for method in METHODS:
            came = [one.result for one in results.of(method)]
            if came:
                best = "pass" if "pass" in came else came[0]
                found.setdefault(method, visible(best, max_chars=20))
    score, said = _spam(header)
    return Verdicts(
        receiver=visible(own[0].server, max_chars=100) if own else None,
        spf=found.get("spf"),
        dkim=found.get("dkim"),
        dmarc=found.get("dmarc"),
        spam_score=score,
        spam_header=said,
    )


def _own(header: Fields, seed: Seed, hops: list[Hop]) -> list[Results]:
    """Give the receiver's own fields: the first of each name that is its."""
    values = header.all("authentication-results")[:_MAX_FIELDS]
    first: dict[str, Results] = {}
    for results in map(read_results, values):
        first.setdefault(results.server.lower(), results)
    name = seed.receiver if seed.receiver is not None else _known(seed)
    if name is None:
        took = next((hop.by for hop in hops if hop.by), "")
        domain = seed.key.rpartition("@")[2]
        return [of for who, of in first.items() if who == took or is_within(who, domain)]
    return [of for who, of in first.items() if is_within(who, name.lower())]


def _known(seed: Seed) -> str | None:
    for place in (seed.host.lower(), seed.key.rpartition("@")[2]):
        for end, name in _RECEIVERS.items():
            if is_within(place, end):
                return name
    return None


def _spam(header: Fields) -> tuple[float | None, str | None]:
    for name, pattern in _SCORES:
        if name in header and (match := pattern.search(header[name][:4000])):
            spelt = _SPELT.get(name) or name.title()
            said = " ".join(header[name].split())
            return float(match[1]), visible(f"{spelt}: {said}", max_chars=_MAX_CHARS)
    return None, None

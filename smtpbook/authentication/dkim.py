"""DKIM with keys from the DNS: the verdicts of `smtpbook.dkim.verify`, keys looked up.

The arithmetic is there; here is what may go wrong on the way to a key.
"""

from __future__ import annotations

from datetime import datetime

from smtpbook.dkim.tags import TagError
from smtpbook.dkim.verify import Verification, key_names, verify
from smtpbook.errors import TransportError
from smtpbook.escape import visible
from smtpbook.lookup.answer import Answer, Asker
from smtpbook.lookup.asker import ask_all


async def verify_dkim(
    data: bytes, asker: Asker, *, date: datetime | None = None
) -> tuple[Verification, ...]:
    """Check the DKIM signatures of a message, asking for the keys.

    Parameters
    ----------
    data : bytes
        Mail data with CRLF line ends, as it was received.
    asker : Asker
    date : datetime, optional
        When, for ``x=``; with a time zone.  Default: now.

    Returns
    -------
    tuple of Verification
        One for each signature, topmost first; empty = not signed.

    Raises
    ------
    ValueError
        `date` has no time zone.

    References
    ----------
    RFC 6376 sections 3.6.2 (keys in the DNS), 6.1.2 (getting the key).
    """
    answers = await ask_all(asker, key_names(data), "TXT")
    return verify(data, lambda name: _record(answers[name]), date=date)


def _record(answer: Answer) -> str | None:
    """Give the key record of an answer; None = there is none."""
    if answer.status == "error":
        raise TransportError(visible(answer.error or "no answer"))
    # "TXT RRs MUST be unique for a particular selector name; that is, if there are multiple
    # records in an RRset, the results are undefined." -- RFC 6376 section 3.6.2.2.  What
    # is no key record at all, an SPF record of a wildcard say, is left out.
    values = [text for text in answer.values if "p=" in text] or answer.values
    if len(values) > 1:
        raise TagError(f"there are {len(values)} records, where one may be")
    return values[0] if values else None

"""TXT fields: ``v=STSv1; id=…``, the form MTA-STS and TLS reporting have their records in.

What the fields mean is said in `mta_sts` and `tls_report`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from smtpbook.escape import visible

# The names of RFC 8461 section 3.1 and RFC 8460 section 3.  Values are printable ASCII; the
# addresses of the latter may hold "=", and blanks around their commas.
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([ -:<-~]+)")


class RecordError(ValueError):
    """A TXT record is not as its RFC wants it."""


def single_record(records: Iterable[str], version: str) -> str | None:
    """Give the one record of a version; None = there is none.

    "If multiple TXT records for "_mta-sts" are returned by the resolver, records that do
    not begin with "v=STSv1;" are discarded.  If the number of resulting records is not one,
    ... senders MUST assume the recipient domain does not have an available MTA-STS Policy"
    -- RFC 8461 section 3.1; RFC 8460 section 3 says the same of its own.

    Raises
    ------
    RecordError
        There are several.
    """
    begins = re.compile(rf"v={version}[ \t]*;")
    found = [record for record in records if begins.match(record)]
    if len(found) > 1:
        raise RecordError(
            f"{len(found)} records begin with v={version}, which is one too many"
        )
    return found[0] if found else None


def txt_fields(record: str) -> dict[str, str]:
    """Read the fields behind the version; of one that stands there twice, the first.

    >>> txt_fields("v=STSv1; id=20160831085700Z;")
    {'id': '20160831085700Z'}

    Raises
    ------
    RecordError
        Something is no field.
    """
    fields: dict[str, str] = {}
    texts = [text.strip(" \t") for text in record.split(";")[1:]]
    if texts and not texts[-1]:  # one semicolon may end the record
        texts.pop()
    for text in texts:
        found = _FIELD.fullmatch(text)
        if found is None:
            raise RecordError(f"{visible(text, max_chars=60)!r} is no field and its value")
        fields.setdefault(found[1], found[2])
    return fields

"""TLS results: how sessions fared by the policies of their domains, as a table.

The rows are those of a report after RFC 8460, which a domain would get from a sender that
reports.  Nothing is reported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from smtpbook.routes.tls_report import PolicyType, TlsFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsResult:
    """How one session fared, or why there was none.

    Attributes
    ----------
    domain : str
        Whose mail it was for.
    policy : {"tlsa", "sts", "no-policy-found"}
        What the session went by.
    mx_host : str or None
        None = it did not come to a host, as with a policy that cannot be had.
    failure : TlsFailure or None
        None = as it should be.
    """

    domain: str
    policy: PolicyType
    mx_host: str | None = None
    failure: TlsFailure | None = None


_Key = tuple[str, str, str | None, str | None]  # domain, policy, host, result type
_DTYPES: Final[dict[str, Any]] = {
    "domain": "string",
    "policy_type": "string",
    "mx_host": "string",
    "result_type": "string",
    "sessions": "int64",
    "reason": "string",
}


def tls_results(results: Iterable[TlsResult]) -> pd.DataFrame:
    """Count results by domain, policy, host and what went wrong.

    Returns
    -------
    DataFrame
        ``domain``, ``policy_type``, ``mx_host`` (string; null = none was reached),
        ``result_type`` (string, of RFC 8460 section 4.3; null = success), ``sessions``
        (int64) and ``reason`` (string, the first one's in words; null = success).

    References
    ----------
    RFC 8460 section 4 (what a report has).

    >>> met = TlsResult(domain="x.example", policy="sts", mx_host="mx.x.example")
    >>> tls_results([met, met]).to_dict("records")[0]["sessions"]
    2
    """
    counts: Counter[_Key] = Counter()
    reasons: dict[_Key, str | None] = {}
    for one in results:
        kind = one.failure.result_type if one.failure else None
        key = (one.domain, one.policy, one.mx_host, kind)
        counts[key] += 1
        reasons.setdefault(key, one.failure.reason if one.failure else None)
    rows = [
        (*key, counts[key], reasons[key])
        for key in sorted(counts, key=lambda key: [part or "" for part in key])
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(_DTYPES)
    return pd.DataFrame(
        {
            name: pd.Series(list(cells), dtype=dtype)
            for (name, dtype), cells in zip(_DTYPES.items(), columns, strict=True)
        }
    )

"""How sessions fared, counted as a report would."""

from __future__ import annotations

from smtpbook.routes.tls_report import TlsFailure
from smtpbook.routes.tls_results import TlsResult, tls_results

EXPIRED = TlsFailure(result_type="certificate-expired", reason="since yesterday")


def test_results_are_counted_by_what_they_were() -> None:
    good = TlsResult(domain="x.example", policy="sts", mx_host="mx.x.example")
    bad = TlsResult(
        domain="x.example", policy="sts", mx_host="mx.x.example", failure=EXPIRED
    )
    other = TlsResult(domain="a.example", policy="tlsa")
    table = tls_results([good, bad, other, good])
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert rows == [
        ["a.example", "tlsa", None, None, 1, None],
        ["x.example", "sts", "mx.x.example", None, 2, None],
        ["x.example", "sts", "mx.x.example", "certificate-expired", 1, "since yesterday"],
    ]


def test_of_nothing_there_is_an_empty_table_of_the_same_columns() -> None:
    one = TlsResult(domain="x.example", policy="sts")
    assert tls_results([]).dtypes.equals(tls_results([one]).dtypes)

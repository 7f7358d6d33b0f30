"""Table: what visits found, as a DataFrame with a row for each mail host of each domain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import pandas as pd

from smtpbook.certificates.certificate import certificate_facts
from smtpbook.escape import visible
from smtpbook.log.frame import Log
from smtpbook.routes.route import Host, Route
from smtpbook.routes.tls_report import NO_STARTTLS, TlsFailure
from smtpbook.survey.visit import Visit

COLUMNS: Final[dict[str, Any]] = {
    "domain": "string",
    "preference": "Int32",
    "server": "string",
    "server_address": "string",
    "family": pd.CategoricalDtype(["IPv4", "IPv6"]),
    "is_connected": "boolean",
    "connect_ms": "float64",
    "greeting_ms": "float64",
    "ehlo_ms": "float64",
    "tls_ms": "float64",
    "greeting": "string",
    "extensions": "string",
    "tls_extensions": "string",
    "has_starttls": "boolean",
    "tls_version": "string",
    "tls_cipher": "string",
    "certificate_subject": "string",
    "certificate_names": "string",
    "certificate_until": "datetime64[us, UTC]",
    "is_verified": "boolean",
    "certificate_problem": "string",
    "mta_sts": pd.CategoricalDtype(["enforce", "testing", "none"]),
    "dane": pd.CategoricalDtype(
        ["absent", "insecure", "usable", "unusable", "matches", "differs", "error"]
    ),
    "policy": pd.CategoricalDtype(["tlsa", "sts", "no-policy-found"]),
    "result_type": "string",
    "result": "string",
    "error": "string",
}


class Posture(pd.DataFrame):
    """A survey's table, which keeps the event log of its visits.

    What is selected from it is a plain DataFrame.

    Attributes
    ----------
    log : DataFrame
        Event log of all sessions.
    """

    _metadata: ClassVar[list[str]] = ["log"]
    log: Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A domain and what its hosts said.

    Attributes
    ----------
    route : Route
    visits : tuple of Visit or None
        For each of the route's hosts; None = it was not connected to.
    """

    route: Route
    visits: tuple[Visit | None, ...]


def posture_table(found: Iterable[Found], log: Log) -> Posture:
    """Make the table; `smtpbook.survey.posture.posture` says what its columns mean."""
    rows = [row for one in found for row in _rows(one)]
    table = Posture(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=dtype)
            for name, dtype in COLUMNS.items()
        }
    )
    table.log = log
    return table


def _rows(found: Found) -> Iterable[dict[str, object]]:
    route = found.route
    domain = visible(route.domain)
    if not route.hosts:
        yield {"domain": domain, "error": route.error}
    for host, visit in zip(route.hosts, found.visits, strict=True):
        failure = _failure(route, host, visit)
        yield {
            "domain": domain,
            "preference": host.preference,
            "server": visible(host.name),
            "mta_sts": route.sts.mode,
            "dane": host.dane.state,
            "policy": host.security.policy,
            "result_type": failure.result_type if failure else None,
            "result": failure.reason if failure else None,
            **({"error": host.refused} if visit is None else _seen(host, visit)),
        }


def _seen(host: Host, visit: Visit) -> dict[str, object]:
    """Give what a visit has found."""
    connects = visit.events(kind="connect")
    greetings = visit.events(kind="greeting", verb="GREETING")
    ehlos = visit.events(kind="command", verb="EHLO")
    tls = visit.events(kind="tls")
    connected = next((one for one in connects if one["error"] is None), None)
    address = connected["server_address"] if connected else None
    # What TLS did not prove has a row of kind tls, too, without a version.
    secured = next((one for one in tls if one["tls_version"]), None)
    return {
        "server_address": address,
        "family": None if address is None else "IPv6" if ":" in str(address) else "IPv4",
        "is_connected": connected is not None,
        "connect_ms": _ms(connected),
        "greeting_ms": _ms(next(iter(greetings), None)),
        "ehlo_ms": _ms(next(iter(ehlos), None)),
        "tls_ms": _ms(secured),
        "greeting": _said(next(iter(greetings), None)),
        "extensions": _offered(ehlos[:1]),
        "tls_extensions": _offered(ehlos[1:2]),
        "has_starttls": _has_starttls(visit),
        "tls_version": secured and secured["tls_version"],
        "tls_cipher": secured and secured["tls_cipher"],
        "is_verified": visit.certificate_problem is None if secured else None,
        "certificate_problem": visit.certificate_problem,
        "error": None if visit.error is None else visible(visit.error),
        **_certificate(visit),
        **_by_dane(host, visit),
    }


def _ms(event: dict[str, object] | None) -> float | None:
    latency_s = event["latency_s"] if event else None
    return latency_s * 1000 if isinstance(latency_s, float) else None


def _said(event: dict[str, object] | None) -> str | None:
    if event is None or event["reply_code"] is None:
        return None
    return visible(f"{event['reply_code']} {event['reply_text']}", max_chars=500)


def _offered(ehlos: list[dict[str, object]]) -> str | None:
    """Give the keywords of an EHLO, with their parameters; None = it was not accepted."""
    for event in ehlos:
        if event["reply_code"] == 250:
            lines = str(event["reply_text"]).split("\n")[1:]
            return visible(", ".join(lines), max_chars=2000)
    return None


def _has_starttls(visit: Visit) -> bool | None:
    """Say whether STARTTLS was offered; None = it did not come to EHLO."""
    ehlos = visit.events(kind="command", verb="EHLO")
    if not ehlos or ehlos[0]["reply_code"] is None:
        return None
    lines = str(ehlos[0]["reply_text"]).split("\n")[1:]
    return any(line.split()[:1] == ["STARTTLS"] for line in map(str.upper, lines))


def _certificate(visit: Visit) -> dict[str, object]:
    if not visit.certificates:
        return {}
    facts = certificate_facts(visit.certificates[0])
    names = ", ".join(facts.get("names", ()))
    until = facts.get("not_after")
    return {
        "certificate_subject": visible(facts.get("subject", ""), max_chars=500) or None,
        "certificate_names": visible(names, max_chars=2000) or None,
        "certificate_until": until and datetime.fromisoformat(until),
    }


def _by_dane(host: Host, visit: Visit) -> dict[str, object]:
    if host.dane.state != "usable" or not visit.certificates:
        return {}
    failure = host.security.failure(visit.certificates)
    return {"dane": "matches" if failure is None else "differs"}


def _failure(route: Route, host: Host, visit: Visit | None) -> TlsFailure | None:
    """Say what a sender that goes by the domain's policy would have met."""
    if host.failure is not None:
        return host.failure
    if host.security.policy == "no-policy-found":
        return route.sts.failure
    has_starttls = None if visit is None else _has_starttls(visit)
    if visit is None or has_starttls is None:
        return None  # not TLS is what failed
    if not has_starttls:
        return NO_STARTTLS
    if host.security.policy == "tlsa" and visit.certificates:
        return host.security.failure(visit.certificates)
    return None if visit.failure is None else TlsFailure.of(visit.failure)

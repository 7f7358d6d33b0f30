"""Requirements: which rules of Gmail, Yahoo, Microsoft and Apple a sender meets.

The rules are those of ``codes/tables/requirements.csv``, each with its page and its day;
whether one is met, the findings of checks say.  Nothing is looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import pandas as pd

from smtpbook.codes.provider_tables import providers
from smtpbook.codes.sender_rules import Rule, rules
from smtpbook.findings import (
    Check,
    Finding,
    Said,
    Verdict,
    findings_frame,
    unknown,
    urgency,
)
from smtpbook.log.frame import require_columns

Met = Literal["fail", "unknown", "pass"]

CHECK: Final = Check(
    name="requirements",
    group="send",
    asks="Are the rules of Gmail, Yahoo, Microsoft and Apple met?",
    source="codes/tables/requirements.csv: each rule with its page, 2026-11-28",
)

_MET: Final = ("fail", "unknown", "pass")
_NOT_CHECKED: Final = "no check can tell"
_MAX_SHOWN: Final = 300  # characters of evidence


def requirements(
    findings: pd.DataFrame, *, volume: int | Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Say which rules of which provider are met.

    Parameters
    ----------
    findings : DataFrame
        Of `check_domain`, `check_message`, `Campaign.preflight`, or several of them put
        below each other by ``pd.concat``.
    volume : int, or mapping of str to int, optional
        How many messages a day the readers of a provider get: of each, or by its name in
        this table (``{"gmail": 7000}``; the others get none).  Default: not known.

    Returns
    -------
    DataFrame
        A row for each rule: ``provider``, ``rule`` (string), ``verdict`` (category:
        ``fail``, ``unknown``, ``pass``), ``applies`` (boolean: to so many a day; null = not
        known, or the provider names no number), ``force`` (category: ``must``,
        ``should``), ``threshold`` (Int64: messages a day from which it applies; null =
        any, or none is named), ``asks``, ``evidence``, ``remedy``, ``source`` (string),
        ``since`` (string: ISO 8601 day; null = not said).  What applies and fails first.

    Raises
    ------
    ColumnError
        `findings` lacks a column.

    Examples
    --------
    >>> from smtpbook.findings import Finding, findings_frame
    >>> finding = Finding(check="dmarc_record", verdict="fail", evidence="there is none")
    >>> found = findings_frame([finding])
    >>> met = requirements(found, volume=9000).query("verdict == 'fail' and applies")
    >>> list(met["provider"] + " " + met["rule"])
    ['gmail dmarc', 'outlook dmarc']
    """
    require_columns(findings, "check", "verdict", "evidence", "remedy")
    known = _by_check(findings)
    table = pd.DataFrame(
        [
            {
                "provider": rule.provider,
                "rule": rule.rule,
                "verdict": met,
                "applies": _applies(rule, volume),
                "force": rule.force,
                "threshold": rule.threshold,
                "asks": rule.asks,
                "evidence": evidence,
                "remedy": remedy,
                "source": rule.source,
                "since": rule.since,
            }
            for rule in rules()
            for met, evidence, remedy in (_met(rule, known),)
        ]
    ).astype(_DTYPES)
    first = table["applies"].fillna(True).astype("bool")
    order = table.assign(first=~first, worst=table["verdict"].cat.codes)
    order = order.sort_values(["first", "worst"], kind="stable")
    return order.drop(columns=["first", "worst"]).reset_index(drop=True)


_DTYPES: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ("provider", "rule", "asks", "evidence", "remedy", "source", "since"), "string"
    ),
    "verdict": pd.CategoricalDtype(list(_MET), ordered=True),
    "applies": "boolean",
    "force": pd.CategoricalDtype(["must", "should"]),
    "threshold": "Int64",
}

_Known = Mapping[str, Said]


def _by_check(findings: pd.DataFrame) -> _Known:
    """Give the worst that each check found."""
    worst: dict[str, Said] = {}
    columns = [findings[name].astype(object) for name in ("check", "verdict", "evidence")]
    remedies = findings["remedy"].astype(object).where(findings["remedy"].notna(), None)
    for check, verdict, evidence, remedy in zip(*columns, remedies, strict=True):
        said = Said(verdict, evidence, remedy)
        if check not in worst or urgency(said) < urgency(worst[check]):
            worst[check] = said
    return worst


def _met(rule: Rule, known: _Known) -> tuple[Met, str, str | None]:
    if not rule.checks:
        return "unknown", _NOT_CHECKED, rule.remedy
    missing = unknown("not checked")
    said = {check: known.get(check, missing) for check in rule.checks}
    met = {check: _judged(rule, one.verdict) for check, one in said.items()}
    choose = min if rule.needs == "all" else max
    verdict = choose(met.values(), key=_MET.index)
    decided = [check for check in rule.checks if met[check] == verdict]
    evidence = "; ".join(f"{check}: {said[check].evidence}" for check in decided)
    if len(evidence) > _MAX_SHOWN:
        evidence = f"{evidence[: _MAX_SHOWN - 1]}…"
    remedies = [one for check in decided if (one := said[check].remedy) is not None]
    return verdict, evidence, remedies[0] if remedies and verdict != "pass" else None


def _judged(rule: Rule, verdict: Verdict) -> Met:
    if verdict in ("fail", rule.fails_at):
        return "fail"
    return "unknown" if verdict == "unknown" else "pass"


def _applies(rule: Rule, volume: int | Mapping[str, int] | None) -> bool | None:
    number = volume.get(rule.provider, 0) if isinstance(volume, Mapping) else volume
    if number == 0:
        return False
    if rule.applies == "all":
        return True
    if number is None or rule.threshold is None:
        return None
    return number >= rule.threshold


def requirement_findings(
    findings: Iterable[Finding], volume: Mapping[str, int]
) -> Iterator[Finding]:
    """Sum up, in a finding for each provider that is written to, how its rules are met."""
    table = requirements(findings_frame(findings), volume=volume)
    asked = table[table["applies"].fillna(True) & (table["force"] == "must")]
    for provider, rows_of in asked.groupby("provider", sort=False):
        names = {
            verdict: list(rows_of.loc[rows_of["verdict"] == verdict, "rule"])
            for verdict in _MET
        }
        said = (
            f"{providers()[str(provider)].title}: {len(names['pass'])} of {len(rows_of)} "
        )
        said += "rules that apply, or may, are met"
        if names["fail"]:
            said += f"; not met: {', '.join(names['fail'])}"
        if names["unknown"]:
            said += f"; not known: {', '.join(names['unknown'])}"
        verdict: Verdict = next(one for one in _MET if names[one] or one == "pass")
        remedy = None if verdict == "pass" else "sb.requirements(findings) shows each"
        yield CHECK.found(Said(verdict, said, remedy))

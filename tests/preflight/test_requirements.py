"""The rules of providers are joined with what checks found."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from smtpbook.codes.provider_tables import providers
from smtpbook.codes.sender_rules import rules
from smtpbook.content.checks import CHECKS as MESSAGE
from smtpbook.errors import ColumnError
from smtpbook.findings import Finding, Verdict, findings_frame
from smtpbook.preflight.requirements import requirement_findings, requirements

CHECKED = {check for rule in rules() for check in rule.checks}
# Those of the sender's domain; the others are the message's.
OF_DOMAIN = {
    *("spf_result", "spf_aligned", "dkim_signature", "dkim_aligned", "dmarc_record"),
    *("dmarc_result", "reverse_dns", "from_domain", "own_mail"),
}


def found(**verdicts: Verdict) -> pd.DataFrame:
    said = dict.fromkeys(sorted(CHECKED), "pass") | verdicts
    return findings_frame(
        Finding(check=check, verdict=verdict, evidence=f"{check} said", remedy="mend it")  # type: ignore[arg-type]
        for check, verdict in said.items()
    )


def of(table: pd.DataFrame, verdict: str) -> set[str]:
    some = table[table["verdict"] == verdict]
    return set(some["provider"] + " " + some["rule"])


def test_every_rule_names_a_provider_a_page_a_day_and_checks_that_exist() -> None:
    assert {check.name for check in MESSAGE} >= CHECKED - OF_DOMAIN
    assert {rule.provider for rule in rules()} == {"gmail", "yahoo", "outlook", "icloud"}
    assert {rule.provider for rule in rules()} <= providers().keys()
    names = [(rule.provider, rule.rule) for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert re.search(r"; (?:read|quoted|known) 2026-11-28$", rule.source)
        assert rule.asks.endswith(".")
        assert rule.threshold is None or rule.applies == "bulk"
        assert rule.since is None or re.fullmatch(r"20\d\d-\d\d-\d\d", rule.since)


def test_what_no_check_can_tell_stays_unknown() -> None:
    table = requirements(found())
    unchecked = {f"{one.provider} {one.rule}" for one in rules() if not one.checks}
    assert of(table, "unknown") == unchecked
    assert "gmail spam_rate" in unchecked
    assert of(table, "fail") == set()


def test_without_findings_nothing_is_known() -> None:
    assert set(requirements(findings_frame([]))["verdict"]) == {"unknown"}


@pytest.mark.parametrize(
    ("check", "verdict", "broken"),
    [
        (
            *("dmarc_record", "fail"),
            {"gmail dmarc", "yahoo dmarc", "outlook dmarc", "icloud dmarc"},
        ),
        ("dmarc_record", "warn", set()),
        ("one_click", "warn", {"gmail one_click", "yahoo one_click"}),
        (
            *("dkim_signature", "fail"),
            {
                "gmail spf_and_dkim",
                "yahoo spf_and_dkim",
                "outlook dkim",
                "icloud spf_and_dkim",
            },
        ),
        ("spf_aligned", "fail", set()),
        (
            "reverse_dns",
            "fail",
            {f"{one} reverse_dns" for one in ("gmail", "yahoo", "icloud")},
        ),
        ("date", "fail", {f"{one} format" for one in ("gmail", "yahoo", "icloud")}),
    ],
)
def test_a_check_that_fails_breaks_the_rules_that_need_it(
    check: str, verdict: Verdict, broken: set[str]
) -> None:
    assert of(requirements(found(**{check: verdict})), "fail") == broken


def test_one_of_two_is_enough_where_a_rule_says_or() -> None:
    one = requirements(found(spf_result="fail"))
    assert {"gmail spf_or_dkim", "yahoo spf_or_dkim"} <= of(one, "pass")
    both = requirements(found(spf_result="fail", dkim_signature="fail"))
    assert {"gmail spf_or_dkim", "yahoo spf_or_dkim"} <= of(both, "fail")
    doubt = requirements(found(spf_result="fail", dkim_signature="unknown"))
    assert {"gmail spf_or_dkim", "yahoo spf_or_dkim"} <= of(doubt, "unknown")


def test_the_worst_finding_of_a_check_counts() -> None:
    twice = pd.concat([found(one_click="warn"), found(), found(date="fail")])
    assert {"gmail one_click", "gmail format"} <= of(requirements(twice), "fail")


def test_rules_for_many_apply_from_their_number_on() -> None:
    def applies(volume: object, rule: str) -> object:
        table = requirements(found(), volume=volume)  # type: ignore[arg-type]
        (value,) = table.loc[table["provider"] + " " + table["rule"] == rule, "applies"]
        return None if value is pd.NA else bool(value)

    assert [applies(n, "gmail dmarc") for n in (None, 4999, 5000)] == [None, False, True]
    assert [applies(n, "gmail tls") for n in (None, 1)] == [True, True]
    assert applies(9000, "yahoo dmarc") is None
    assert applies({"gmail": 9000}, "gmail dmarc") is True
    assert applies({"gmail": 9000}, "outlook dmarc") is False
    assert applies({"gmail": 9000}, "yahoo spf_or_dkim") is False


def test_what_applies_and_fails_stands_first_with_its_evidence() -> None:
    table = requirements(found(one_click="warn"), volume={"gmail": 5000, "outlook": 3})
    assert table.loc[0, ["provider", "rule", "evidence", "remedy"]].tolist() == [
        "gmail",
        "one_click",
        "one_click: one_click said",
        "mend it",
    ]
    assert not table["applies"].iloc[-1]


def test_each_provider_is_summed_up_in_a_finding() -> None:
    findings = [Finding(check="dmarc_record", verdict="fail", evidence="none")]
    gmail, outlook = requirement_findings(findings, {"gmail": 5000, "outlook": 5001})
    assert gmail.verdict == outlook.verdict == "fail"
    assert (
        "Gmail: 0 of 11 rules that apply, or may, are met; not met: dmarc;"
        in gmail.evidence
    )
    assert not list(requirement_findings(findings, {}))


def test_a_table_that_holds_no_findings_is_refused() -> None:
    with pytest.raises(ColumnError, match="check"):
        requirements(pd.DataFrame({"verdict": []}))

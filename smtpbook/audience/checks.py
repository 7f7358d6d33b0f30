"""Checks of a list: its rows, its addresses, its domains, and the rules its size brings.

What is wrong with single rows was found when the list was read; here it is counted.  Which
letter they get, and how fast, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from smtpbook.audience.domains import (
    MAX_DOMAINS,
    PATIENCE_S,
    mail_domains,
    provider_mix,
)
from smtpbook.codes.provider_tables import providers
from smtpbook.codes.sender_rules import BULK
from smtpbook.escape import visible
from smtpbook.findings import (
    Check,
    Finding,
    Said,
    fails,
    findings_frame,
    passes,
    unknown,
    warns,
)
from smtpbook.lookup.asker import AnyZone
from smtpbook.progress import told
from smtpbook.recipients.recipients import Recipients
from smtpbook.wording import counted, percent

_HAVE_RULES: Final = ("gmail", "yahoo", "outlook")
_EXAMPLES: Final = 5
_SHOWN: Final = 5  # providers


def _check(name: str, asks: str, source: str | None = None) -> Check:
    return Check(name=name, group="list", asks=asks, source=source)


_LIST: Final = _check(
    "list", "Is every row in the list: spelled as an address, and there once?", None
)
_HINTS: Final = {
    "role": (
        _check(
            "role",
            "Are there addresses of a role?",
            "RFC 2142 sections 3 to 6, May 1997",
        ),
        "addresses of a role, read by whoever has it",
    ),
    "disposable": (
        _check(
            "disposable",
            "Are there addresses that are thrown away?",
            "github.com/disposable-email-domains, as installed; known, 2026-11-28",
        ),
        "addresses at domains that give them away for an hour or a day",
    ),
    "typo": (
        _check("typo", "Are there addresses that may hold a slip of the finger?"),
        "addresses that may hold a slip of the finger",
    ),
    "smtputf8": (
        _check(
            "smtputf8",
            "Are there addresses that need SMTPUTF8?",
            "RFC 6531, February 2012",
        ),
        "addresses that only servers with SMTPUTF8 take",
    ),
}
_SPECIAL: Final = _check(
    "special_domain",
    "Are there domains kept for examples, tests and local networks?",
    "IANA, Special-Use Domain Names, 2026-11",
)
_MAIL_DOMAIN: Final = _check(
    "mail_domain",
    "Does every domain have a server that takes its mail?",
    "RFC 5321 section 5.1, October 2008",
)
_NULL_MX: Final = _check(
    "null_mx", "Does no domain say that it takes no mail?", "RFC 7505, June 2015"
)
_VOLUME: Final = _check(
    "bulk_volume",
    "Does a provider's part of the list reach its rules for many messages a day?",
    "support.google.com/a/answer/81126; senders.yahooinc.com; Microsoft, May 2025; known, "
    "2026-11-28",
)

CHECKS: Final = (
    *(_LIST, *(check for check, _ in _HINTS.values()), _SPECIAL),
    *(_MAIL_DOMAIN, _NULL_MX, _VOLUME),
)
"""The checks of a list, in the order in which they are made."""


def check_recipients(
    people: Recipients,
    *,
    zone: AnyZone = None,
    online: bool = True,
    max_domains: int = MAX_DOMAINS,
    patience_s: float = PATIENCE_S,
    progress: bool = True,
) -> pd.DataFrame:
    """Look a list over before it is written to.

    Parameters
    ----------
    people : Recipients
    zone, online, max_domains, patience_s, progress
        Of its domains, as for `mail_domains`.

    Returns
    -------
    DataFrame
        ``check``, ``verdict`` (``fail``, ``warn``, ``unknown``, ``pass``), ``evidence``,
        ``remedy``, ``source``; the most urgent first.

    Raises
    ------
    ValueError, OSError, RuntimeError
        As `mail_domains`.

    Examples
    --------
    ``check_recipients(read_recipients("people.csv"))``
    """
    domains = mail_domains(
        people,
        zone=zone,
        online=online,
        max_domains=max_domains,
        patience_s=patience_s,
        progress=progress,
    )
    is_asked = online or zone is not None
    return findings_frame(
        [
            *list_findings(people),
            *(domain_findings(domains) if is_asked else ()),
            *volume_findings(domains),
        ]
    )


def list_findings(people: Recipients, *, is_lab: bool = False) -> Iterator[Finding]:
    """Tell which rows of the source are not in the list, and which deserve a look.

    Parameters
    ----------
    people : Recipients
    is_lab : bool
        Nobody can get anything: there, names that lead nowhere are usual.
    """
    counts = dict(people.counts)
    read, kept = counts.pop("read"), counts.pop("kept")
    harmless = {"left_out", "suppressed", "duplicate"}
    yield _LIST.found(
        Said(
            "warn" if set(counts) - harmless else "pass",
            f"{read:,} rows read, {kept:,} in the list"
            + (f"; not in it: {told(counts)}" if counts else ""),
            "people.problems names them" if counts.keys() - {"left_out"} else None,
        )
    )
    listed = _hints(people)
    for rule, (check, what) in _HINTS.items():
        number = int((listed["rule"] == rule).sum())
        if number:
            yield check.found(
                Said(
                    "unknown" if rule == "smtputf8" else "warn",
                    f"{what}: {number:,}",
                    f"people.problems.query(\"rule == '{rule}'\") names them",
                )
            )
    if is_lab:
        return
    for said in listed.loc[listed["rule"] == "special_domain", "message"]:
        yield _SPECIAL.found(
            warns(visible(said), "take them out, unless this server knows the name")
        )


def _hints(people: Recipients) -> pd.DataFrame:
    """Give the hints about rows that are still in the list."""
    problems = people.problems
    hints = problems[~problems["dropped"] & problems["row"].notna()]
    if not len(hints):
        return hints
    origin = people.frame[["source", "source_row"]].astype({"source": "string"})
    origin = origin.rename(columns={"source_row": "row"}).astype({"row": "Int64"})
    return hints.merge(origin.drop_duplicates(), on=["source", "row"])


def domain_findings(domains: pd.DataFrame) -> Iterator[Finding]:
    """Tell which domains take no mail, of what `mail_domains` gave."""
    out = "take them out of the list: what is sent there bounces"
    none, null = _of_kind(domains, "none"), _of_kind(domains, "null")
    if len(none):
        yield _MAIL_DOMAIN.found(fails(f"{_told(none)}: no server takes their mail", out))
    for kind, why, remedy in (
        ("error", "the DNS did not say", "ask again later"),
        (
            "unasked",
            "not asked",
            f"max_domains= asks more than the {MAX_DOMAINS:,} largest",
        ),
    ):
        some = _of_kind(domains, kind)
        if len(some):
            first = some["why"].iloc[0]
            cause = f" ({visible(first, max_chars=80)})" if isinstance(first, str) else ""
            yield _MAIL_DOMAIN.found(unknown(f"{_told(some)}: {why}{cause}", remedy))
    if len(asked := _of_kind(domains, "mx", "implicit")) and not len(none):
        number = counted(len(asked), "domain has", "domains have")
        yield _MAIL_DOMAIN.found(passes(f"{number} a server that takes mail"))
    if len(null):
        yield _NULL_MX.found(fails(f"{_told(null)}: they say that they take no mail", out))
    elif len(asked):
        yield _NULL_MX.found(passes("no domain says that it takes no mail"))


def _of_kind(domains: pd.DataFrame, *kinds: str) -> pd.DataFrame:
    return domains[domains["kind"].isin(kinds)]


def _told(domains: pd.DataFrame) -> str:
    """Say how many recipients and domains these are, and name the first."""
    names = [visible(name, max_chars=80) for name in domains["domain"][:_EXAMPLES]]
    more = ", …" if len(domains) > _EXAMPLES else ""
    recipients = counted(int(domains["recipients"].sum()), "recipient", "recipients")
    return (
        f"{recipients} at {counted(len(domains), 'domain', 'domains')} "
        f"({', '.join(names)}{more})"
    )


def volume_findings(domains: pd.DataFrame) -> Iterator[Finding]:
    """Compare each provider's part with the number from which its rules for many apply."""
    mix = provider_mix(domains).dropna(subset="provider")
    parts = [
        f"{_title(provider)} {number:,} ({percent(share)})"
        for provider, number, share in zip(
            mix["provider"][:_SHOWN], mix["recipients"], mix["share"], strict=False
        )
    ]
    shown = ", ".join(parts) or "no big provider's are known among them"
    many = mix[mix["provider"].isin(_HAVE_RULES) & (mix["recipients"] >= BULK)]
    if len(many):
        who = ", ".join(map(_title, many["provider"]))
        yield _VOLUME.found(
            warns(
                f"{shown}; {BULK:,} or more in a day bring the rules for many of {who}, "
                f"and Gmail applies them ever after",
                "sb.requirements(findings) shows whether they are met; sb.warm_up(…) "
                "begins with fewer",
            )
        )
        return
    said = f"{shown}; rules for many begin at {BULK:,} a day"
    # Whose servers take their mail was not found out; it may be one and the same provider.
    is_open = domains["provider"].isna() & domains["kind"].isin(["unasked", "error"])
    number = int(domains.loc[is_open, "recipients"].sum())
    most = mix.loc[mix["provider"].isin(_HAVE_RULES), "recipients"].max()
    if number + (0 if pd.isna(most) else int(most)) >= BULK:
        yield _VOLUME.found(
            unknown(
                f"{said}; of {counted(number, 'recipient', 'recipients')} it is not known "
                f"whose servers take their mail",
                "check_recipients(people), or campaign.preflight(online=True), asks the "
                "DNS",
            )
        )
    else:
        yield _VOLUME.found(passes(said))


def _title(provider: str) -> str:
    return providers()[provider].title

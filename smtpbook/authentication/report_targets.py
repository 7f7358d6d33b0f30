"""Report targets: whether those agree to whom a domain has DMARC reports sent.

Without it anybody could have reports heaped on others.  Nothing here sends a report.

References
----------
RFC 9990 section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smtpbook.authentication.dmarc_record import (
    MAX_CHARS,
    DmarcRecord,
    ReportUri,
    is_dmarc,
)
from smtpbook.authentication.tree_walk import NoAnswer, TreeWalk
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker

MAX_URIS: Final = 10
"""Ours: so many destinations of one record are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTarget:
    """Whether reports may go where a record wants them.

    Attributes
    ----------
    uri : ReportUri
    is_external : bool
        The destination is of another organization, which has to agree.
    is_authorized : bool or None
        It agrees, or need not; None = the DNS gave no answer just now.
    name : str
        Where it must say so; "" = it need not.
    evidence : str
        What was found there; foreign text in it is escaped.
    """

    uri: ReportUri
    is_external: bool
    is_authorized: bool | None
    name: str = ""
    evidence: str = ""


async def report_targets(
    asker: Asker, record: DmarcRecord, domain: str
) -> tuple[ReportTarget, ...]:
    """Ask whether those that a record names agree to get reports.

    Parameters
    ----------
    asker : Asker
    record : DmarcRecord
    domain : str
        Whose record it is.

    Returns
    -------
    tuple of ReportTarget
        For each URI of ``rua=`` and then ``ruf=``, `MAX_URIS` at most.

    References
    ----------
    RFC 9990 section 4.
    """
    walk = TreeWalk(asker)
    uris = list(dict.fromkeys([*record.rua, *record.ruf]))
    return tuple([await _target(asker, walk, uri, domain) for uri in uris[:MAX_URIS]])


async def _target(
    asker: Asker, walk: TreeWalk, uri: ReportUri, domain: str
) -> ReportTarget:
    name = f"{domain}._report._dmarc.{uri.host}"
    try:
        if uri.host == domain or (
            await walk.organization(uri.host) == await walk.organization(domain)
        ):
            return ReportTarget(uri=uri, is_external=False, is_authorized=True)
    except NoAnswer as exc:
        return ReportTarget(
            uri=uri, is_external=True, is_authorized=None, name=name, evidence=str(exc)
        )
    answer = await asker.ask(name, "TXT")
    texts = [one for one in answer.values if is_dmarc(one) and len(one) <= MAX_CHARS]
    evidence = "; ".join(map(visible, texts[:3])) or visible(answer.error or "")
    # "if the confirming record includes a URI whose host is again different … MUST NOT
    # generate a report to either the original or the override URI." (RFC 9990 section 4)
    others = {one.host for text in texts for one in DmarcRecord.parse(text).rua}
    is_authorized: bool | None = bool(texts) and others <= {uri.host}
    return ReportTarget(
        uri=uri,
        is_external=True,
        is_authorized=None if answer.status == "error" else is_authorized,
        name=name,
        evidence=evidence or f"nothing at {visible(name)}",
    )

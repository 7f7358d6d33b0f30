"""Who gets DMARC reports of others' domains has to agree (RFC 9990 section 4)."""

from __future__ import annotations

import pytest

from smtpbook.authentication.dmarc_record import DmarcRecord
from smtpbook.authentication.report_targets import MAX_URIS, ReportTarget, report_targets
from smtpbook.lookup.zone import Zone

NAME = "x.example._report._dmarc.y.example"


async def targets(rua: str, failing: tuple[str, ...] = (), **texts: object) -> ReportTarget:
    data = {NAME: {"TXT": texts["agreed"]}} if "agreed" in texts else {}
    data["_dmarc.x.example"] = {"TXT": f"v=DMARC1; rua={rua}"}
    zone = Zone(data, is_world=True, failing=failing)  # type: ignore[arg-type]
    record = DmarcRecord.parse(f"v=DMARC1; p=none; rua={rua}")
    (found,) = await report_targets(zone, record, "x.example")
    return found


@pytest.mark.parametrize("host", ["x.example", "X.Example", "mail.x.example"])
async def test_one_s_own_organization_need_not_agree(host: str) -> None:
    found = await targets(f"mailto:a@{host}")
    assert (found.is_external, found.is_authorized, found.name) == (False, True, "")


@pytest.mark.parametrize(
    ("agreed", "is_authorized"),
    [
        ("v=DMARC1", True),
        ("v=DMARC1;", True),
        (["other", "v=DMARC1;"], True),
        ("v=DMARC1; rua=mailto:b@y.example", True),
        ("v=DMARC1; rua=mailto:b@z.example", False),
        ("other", False),
        ("v=DMARC2", False),
    ],
)
async def test_another_organization_agrees_with_a_record(
    agreed: str | list[str], is_authorized: bool
) -> None:
    found = await targets("mailto:a@y.example", agreed=agreed)
    assert (found.is_external, found.is_authorized) == (True, is_authorized)
    assert found.name == NAME


async def test_silence_is_no_agreement_and_no_answer_is_neither() -> None:
    found = await targets("mailto:a@y.example")
    assert (found.is_authorized, found.evidence) == (False, f"nothing at {NAME}")
    found = await targets("mailto:a@y.example", failing=(NAME,))
    assert (found.is_authorized, found.evidence) == (None, "SERVFAIL")
    found = await targets("mailto:a@y.example", failing=("_dmarc.y.example",))
    assert (found.is_authorized, found.is_external) == (None, True)


async def test_so_many_destinations_are_looked_at() -> None:
    text = ",".join(f"mailto:a{n}@x.example" for n in range(MAX_URIS + 1))
    record = DmarcRecord.parse(f"v=DMARC1; rua={text}")
    zone = Zone({}, is_world=True)
    assert len(await report_targets(zone, record, "x.example")) == MAX_URIS

"""All of the RFC 7208 test suite (openspf.org, release 2014.04) comes out as it should."""

from __future__ import annotations

import pytest

from smtpbook.authentication.spf import check_spf_async
from tests.authentication.pyspf import Case, suite
from tests.servers.process import ServerMissing


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    try:
        return suite()
    except ServerMissing as exc:
        pytest.skip(str(exc))


async def test_every_case(cases: list[Case], subtests: pytest.Subtests) -> None:
    assert len(cases) == 203
    for case in cases:
        with subtests.test(case.name, section=case.section):
            await check(case)


async def check(case: Case) -> None:
    _, _, domain = case.sender.rpartition("@")
    found = await check_spf_async(
        domain or case.helo,
        ip=case.ip,
        # "When the reverse-path is null" (RFC 7208 section 2.4)
        reverse_path=case.sender or f"postmaster@{case.helo}",
        helo=case.helo,
        zone=case.zone,
    )
    assert found.result in case.results, str(found)
    if case.explanation == "DEFAULT":
        assert found.explanation is None
    elif case.explanation is not None:
        assert found.explanation is not None
        # The suite writes %{i} of IPv6 in upper case, RFC 7208 section 7.4 in lower.
        assert found.explanation.lower() == case.explanation.lower()

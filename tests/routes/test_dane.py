"""DANE: records that DNSSEC vouches for, and the chains they ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.routes.addresses import addresses_of
from smtpbook.routes.dane import Dane, Tlsa, chain_failure, dane_of
from tests.routes.certificates import (
    ROOT,
    below_another,
    chain,
    der,
    loaded,
    tlsa,
)

HOST = "mx.example.org"
SHOWN = chain(HOST)
TOP = der(loaded(ROOT.cert_pem))
DIGEST = "ab" * 32


def kind_of(records: list[Tlsa], shown: list[bytes], *names: str) -> str | None:
    failure = chain_failure(records, shown, names or (HOST,))
    if failure is not None:
        assert failure.reason.isprintable()
    return failure and failure.result_type


# --- one record ---------------------------------------------------------------------------


def test_a_record_is_read_as_zone_files_have_it() -> None:
    record = Tlsa.parse(f"3 1 1 {DIGEST[:10]} {DIGEST[10:].upper()}")
    assert record == Tlsa(usage=3, selector=1, matching=1, data=b"\xab" * 32)
    assert str(record) == f"3 1 1 {DIGEST}"
    assert record.problem is None


@pytest.mark.parametrize(
    "text", ["", "3 1 1", "3 1 1 xyz", "3 1 1 abc", "-1 0 0 ab", "٣ 1 1 ab"]
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal"):
        Tlsa.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"0 0 1 {DIGEST}", "usage 0 rests on public authorities"),
        (f"1 0 1 {DIGEST}", "usage 1 rests on public authorities"),
        (f"255 0 1 {DIGEST}", "usage 255 is not known"),
        (f"3 2 1 {DIGEST}", "selector 2 is not known"),
        (f"3 1 3 {DIGEST}", "matching type 3 is not known"),
        (f"3 1 2 {DIGEST}", "32 octets are no SHA512"),
        ("2 0 1 ab", "1 octets are no SHA256"),
        ("3 1 0  ", "it holds nothing"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(text: str, said: str) -> None:
    assert said in str(Tlsa.parse(text).problem)


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_whatever_a_record_holds_it_is_read_or_refused(text: str) -> None:
    try:
        problem = Tlsa.parse(text).problem
    except ValueError as exc:
        problem = str(exc)
    assert problem is None or problem.isprintable()


# --- the records of a host ----------------------------------------------------------------


async def found(zone: Zone, host: str = HOST) -> Dane:
    return await dane_of(zone, await addresses_of(zone, host))


def zone(*records: str, secure: bool = True, failing: tuple[str, ...] = ()) -> Zone:
    data: dict[str, dict[str, list[str]]] = {HOST: {"A": ["192.0.2.1"]}}
    if records:
        data[f"_25._tcp.{HOST}"] = {"TLSA": list(records)}
    return Zone(
        {**data, "alias.example.org": {"CNAME": [HOST]}}, secure=secure, failing=failing
    )


async def test_of_several_records_those_count_that_can_be_used() -> None:
    dane = await found(zone(f"3 1 1 {DIGEST}", f"0 0 1 {DIGEST}"))
    assert (dane.state, [str(one) for one in dane.records]) == (
        "usable",
        [f"3 1 1 {DIGEST}"],
    )
    assert [text for text, _ in dane.unusable] == [f"0 0 1 {DIGEST}"]


async def test_records_of_which_none_can_be_used_are_not_none() -> None:
    assert (await found(zone(f"1 0 1 {DIGEST}"))).state == "unusable"


async def test_without_dnssec_nothing_is_asked_and_nothing_counts() -> None:
    dane = await found(zone(f"3 1 1 {DIGEST}", secure=False, failing=(f"_25._tcp.{HOST}",)))
    assert dane == Dane(state="insecure")


async def test_records_that_nobody_vouches_for_are_not_looked_at() -> None:
    class Half(Zone):
        async def ask(self, name: str, record: str) -> Answer:
            is_secure = record != "TLSA"
            return replace(self.look_up(name, record), is_secure=is_secure)

    data = {HOST: {"A": "192.0.2.1"}, f"_25._tcp.{HOST}": {"TLSA": f"3 1 1 {DIGEST}"}}
    assert await found(Half(data)) == Dane(state="insecure")


async def test_that_there_are_no_records_is_known_with_dnssec_alone() -> None:
    assert (await found(zone())).state == "absent"


async def test_what_cannot_be_known_is_not_taken_for_none() -> None:
    dane = await found(zone(failing=(f"_25._tcp.{HOST}",)))
    assert dane == Dane(state="error", error="SERVFAIL")


async def test_the_records_of_an_alias_are_those_of_its_target() -> None:
    assert (await found(zone(f"3 1 1 {DIGEST}"), "alias.example.org")).state == "usable"


# --- a chain ------------------------------------------------------------------------------


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_the_servers_own_certificate_needs_neither_name_nor_date(
    selector: int, matching: int
) -> None:
    shown = chain("other.example", age_days=1)
    assert kind_of([tlsa(3, selector, matching, shown[0])], shown) is None
    assert (
        kind_of([tlsa(3, selector, matching, SHOWN[0])], shown) == "certificate-not-trusted"
    )


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_an_authority_vouches_for_a_name_below_it(selector: int, matching: int) -> None:
    records = [tlsa(2, selector, matching, SHOWN[1])]
    assert kind_of(records, SHOWN) is None
    assert kind_of(records, SHOWN, "example.org", HOST) is None
    assert kind_of(records, SHOWN, "example.org") == "certificate-host-mismatch"
    assert kind_of(records, chain("*.example.org")) is None
    assert (
        kind_of(records, chain("*.example.org"), "other.example")
        == "certificate-host-mismatch"
    )


def test_an_authority_has_to_be_shown_unless_the_record_holds_it_whole() -> None:
    assert kind_of([tlsa(2, 0, 1, TOP)], SHOWN) == "certificate-not-trusted"
    assert kind_of([tlsa(2, 0, 1, TOP)], [*SHOWN, TOP]) is None
    assert kind_of([tlsa(2, 0, 0, TOP)], SHOWN) is None


def test_a_server_that_is_named_as_an_authority_proves_nothing_by_itself() -> None:
    assert kind_of([tlsa(2, 0, 1, SHOWN[0])], SHOWN) == "certificate-not-trusted"


def test_below_an_authority_dates_count() -> None:
    records = [tlsa(2, 0, 1, SHOWN[1])]
    assert kind_of(records, chain(HOST, age_days=1)) == "certificate-expired"
    before = datetime.now(UTC) - timedelta(days=100_000)
    failure = chain_failure(records, SHOWN, [HOST], at=before)
    assert failure is not None
    assert failure.result_type == "certificate-expired"


def test_who_only_shows_the_authority_is_not_below_it() -> None:
    forged = chain(HOST, authority=trustme.CA())
    records = [tlsa(2, 0, 1, SHOWN[1])]
    assert kind_of(records, [forged[0], SHOWN[1]]) == "certificate-not-trusted"


@pytest.mark.parametrize(
    ("is_authority", "may_sign", "kind"),
    [
        (True, True, None),
        (True, None, None),
        (True, False, "certificate-not-trusted"),
        (False, None, "certificate-not-trusted"),
    ],
)
def test_only_an_authority_can_stand_between(
    is_authority: bool, may_sign: bool | None, kind: str | None
) -> None:
    shown = below_another(HOST, is_authority=is_authority, may_sign=may_sign)
    assert kind_of([tlsa(2, 0, 1, shown[2])], shown) == kind


@pytest.mark.parametrize("shown", [[], [b""], [b"junk"], [SHOWN[0], b"junk"]])
def test_what_is_no_chain_proves_nothing(shown: list[bytes]) -> None:
    other = tlsa(3, 1, 1, TOP)
    assert kind_of([other], shown) == "certificate-not-trusted"


def test_one_record_that_fits_is_enough() -> None:
    """As when a key is changed, and both stand there for a while."""
    records = [tlsa(3, 1, 1, TOP), tlsa(2, 0, 1, TOP), tlsa(3, 1, 1, SHOWN[0])]
    assert kind_of(records, SHOWN) is None


def test_a_record_that_holds_no_certificate_is_no_authority() -> None:
    junk = Tlsa(usage=2, selector=0, matching=0, data=b"junk")
    assert kind_of([junk], SHOWN) == "certificate-not-trusted"
    assert kind_of([junk, tlsa(2, 0, 1, SHOWN[1])], SHOWN) is None

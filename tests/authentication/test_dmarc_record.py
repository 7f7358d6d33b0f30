"""DMARC records: RFC 9989 sections 4.7 and 4.8, and what is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.dmarc_record import (
    DmarcRecord,
    DmarcRecordError,
    ReportUri,
    is_dmarc,
)


def test_every_tag() -> None:
    record = DmarcRecord.parse(
        "v=DMARC1; p=Reject; sp=quarantine; np=none; psd=n; t=y; adkim=s; aspf=S;"
        " rua=mailto:a@x.example , mailto:b@Y.example; ruf=mailto:c@x.example; fo=1:d;"
    )
    assert (record.p, record.sp, record.np) == ("reject", "quarantine", "none")
    assert (record.psd, record.is_testing, record.adkim, record.aspf) == (
        "n",
        True,
        "s",
        "s",
    )
    assert [uri.address for uri in record.rua] == ["a@x.example", "b@Y.example"]
    assert [uri.host for uri in record.rua + record.ruf] == [
        "x.example",
        "y.example",
        "x.example",
    ]
    assert record.fo == ("1", "d")
    assert record.problems == record.removed == ()


def test_what_is_not_said_is_the_default() -> None:
    assert DmarcRecord.parse("v=DMARC1") == DmarcRecord(text="v=DMARC1")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("v=DMARC1", True),
        ("v = DMARC1 ; p=none", True),
        ("V=DMARC1;p=none", True),
        ("v=dmarc1; p=none", False),
        ("v=DMARC12; p=none", False),
        (" v=DMARC1; p=none", False),
        ("p=none; v=DMARC1", False),
        ("v=spf1 -all", False),
        ("", False),
    ],
)
def test_what_is_meant_as_a_record(text: str, is_one: bool) -> None:
    assert is_dmarc(text) is is_one
    if not is_one:
        with pytest.raises(DmarcRecordError, match="v=DMARC1"):
            DmarcRecord.parse(text)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("polcy=reject", "no tag 'polcy'"),
        ("asfp=s", "did you mean 'aspf'"),
        ("adkim=strict", "adkim='strict' is none of 'r', 's'"),
        ("psd=x", "psd='x' is none of 'n', 'u', 'y'"),
        ("t=1", "t='1' is none of"),
        ("fo=2", "fo='2' is none of"),
        ("sp", "'sp' is not a tag with a value"),
        ("sp=", "not a tag with a value"),
        ("=x", "not a tag with a value"),
        ("p=none; p=reject", "more than once"),
        ("rua=a@x.example", "'a@x.example' is not a URI"),
        ("rua=mailto:", "is not a URI"),
        ("rua=mailto:x.example", "names no mailbox"),
        ("rua=mailto:a@", "names no domain"),
        ("rua=https://", "names no domain"),
        ("ruf=mailto:a@x.example,", "ruf=: '' is not a URI"),
        ("aspf=\x1b[2J", "is not a tag with a value"),
    ],
)
def test_what_cannot_be_read_is_passed_over_and_told(tags: str, said: str) -> None:
    record = DmarcRecord.parse(f"v=DMARC1; {tags}; adkim=s")
    (problem,) = [one for one in record.problems if not one.startswith("adkim= stands")]
    assert said in problem
    assert problem.isprintable()
    assert record.adkim == ("r" if tags.startswith("adkim") else "s")


def test_removed_tags_and_sizes_are_named() -> None:
    record = DmarcRecord.parse(
        "v=DMARC1; p=reject; pct=50; ri=3600; rf=afrf; rua=mailto:a@x.example!10m"
    )
    assert record.removed == ("pct", "rf", "ri")
    (uri,) = record.rua
    assert (uri.has_size, uri.address) == (True, "a@x.example")


@pytest.mark.parametrize("tags", ["p=rejct", "p=reject; sp=no", "p=reject; np=no", "sp=x"])
def test_a_policy_that_cannot_be_read(tags: str) -> None:
    """RFC 9989 section 4.10.1: p=none for the reports' sake, or nothing at all."""
    assert not DmarcRecord.parse(f"v=DMARC1; {tags}").applies
    record = DmarcRecord.parse(f"v=DMARC1; {tags}; rua=mailto:a@x.example")
    assert record.applies
    assert (record.p, record.sp, record.np) == ("none", None, None)


def test_no_policy_at_all_is_none() -> None:
    record = DmarcRecord.parse("v=DMARC1; adkim=s")
    assert record.applies
    assert record.policy(is_below=False, exists=True) == ("none", "p")


@pytest.mark.parametrize(
    ("tags", "own", "below", "absent"),
    [
        ("p=reject", "p", "p", "p"),
        ("p=reject; sp=none", "p", "sp", "sp"),
        ("p=reject; np=none", "p", "p", "np"),
        ("p=reject; sp=quarantine; np=none", "p", "sp", "np"),
    ],
)
def test_which_policy_applies(tags: str, own: str, below: str, absent: str) -> None:
    record = DmarcRecord.parse(f"v=DMARC1; {tags}")
    assert record.policy(is_below=False, exists=True)[1] == own
    assert record.policy(is_below=False, exists=False)[1] == own
    assert record.policy(is_below=True, exists=True)[1] == below
    assert record.policy(is_below=True, exists=False)[1] == absent


def test_testing_takes_the_policy_one_step_milder() -> None:
    record = DmarcRecord.parse("v=DMARC1; p=reject; t=y")
    assert [record.applied(p) for p in ("reject", "quarantine", "none")] == [
        "quarantine",
        "none",
        "none",
    ]


def test_uris_of_other_kinds_are_kept() -> None:
    uri = ReportUri.parse("https://Reports.x.example/dmarc?a=1")
    assert (uri.address, uri.host) == (None, "reports.x.example")
    assert ReportUri.parse("mailto:a%2Bb@b%C3%BCcher.example").host == (
        "xn--bcher-kva.example"
    )


@settings(max_examples=60)
@given(st.text(st.sampled_from("vpsdrua=;:!, @.mailto:x\té\0\udcff"), max_size=60))
def test_any_text_is_read(text: str) -> None:
    record = DmarcRecord.parse(f"v=DMARC1;{text}")
    assert all(problem.isprintable() for problem in record.problems)

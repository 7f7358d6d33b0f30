"""SPF records: what is read, and where an error is (RFC 7208 sections 4.5 to 6, 12)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.spf_record import SpfRecord, SpfRecordError, is_spf


def test_mechanisms_in_order_with_what_a_match_means() -> None:
    record = SpfRecord.parse(
        "v=spf1 A -mx:x.example/24//64 ~ptr ?exists:%{i}.x.example +all"
    )
    assert [(term.name, term.verdict) for term in record.mechanisms] == [
        ("a", "pass"),
        ("mx", "fail"),
        ("ptr", "softfail"),
        ("exists", "neutral"),
        ("all", "pass"),
    ]
    mx = record.mechanisms[1]
    assert (mx.length_4, mx.length_6, mx.position) == (24, 64, 9)
    assert mx.domain == ("x.example",)
    assert record.all is record.mechanisms[-1]


def test_networks() -> None:
    record = SpfRecord.parse("v=spf1 ip4:192.0.2.7/24 ip4:192.0.2.1 ip6:2001:db8::1/32")
    assert [str(term.network) for term in record.mechanisms] == [
        "192.0.2.0/24",
        "192.0.2.1/32",
        "2001:db8::/32",
    ]


def test_modifiers_stand_anywhere_and_unknown_ones_are_kept() -> None:
    record = SpfRecord.parse("V=SPF1  exp=e.%{d} a  REDIRECT=x.example moo.x_1-2= a=b ")
    assert record.redirect is not None
    assert record.explanation is not None
    assert [term.name for term in record.mechanisms] == ["a"]
    assert [term.text for term in record.unknown] == ["moo.x_1-2=", "a=b"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("v=spf1", True),
        ("v=spf1 ", True),
        ("V=SPF1 -all", True),
        ("v=spf10", False),
        ("v=spf1\t-all", False),
        (" v=spf1", False),
        ("v=spf2.0/pra", False),
        ("", False),
    ],
)
def test_what_is_meant_as_a_record(text: str, is_one: bool) -> None:
    assert is_spf(text) is is_one


@pytest.mark.parametrize(
    ("term", "at", "said"),
    [
        ("inclued:x.example", 0, "did you mean 'include'"),
        ("include", 0, "include names nothing"),
        ("include:", 0, "names nothing"),
        ("exists:", 0, "names nothing"),
        ("ip4", 0, "names nothing"),
        ("ip4:1.2.3", 3, "not an IPv4 address"),
        ("ip4:1.2.3.4/33", 3, "0 to 32"),
        ("ip4:1.2.3.4/", 3, "0 to 32"),
        ("ip4:1.2.3.4/08", 3, "0 to 32"),
        ("ip4:::1", 3, "not an IPv4"),
        ("ip6:1.2.3.4", 3, "not an IPv6"),
        ("ip6:::1/129", 3, "0 to 128"),
        ("ip6:::1%eth0", 3, "not an IPv6"),
        ("a:", 2, "domain is missing"),
        ("a:museum", 2, "not a full domain"),
        ("a:x.example:8080", 2, "not a full domain"),
        ("a:192.0.2.1", 2, "not a full domain"),
        ("a/33", 1, "0 to 32"),
        ("a//129", 1, "0 to 128"),
        ("a/24/8", 1, "followed by '/24'"),
        ("ptr/24", 3, "followed by '/24'"),
        ("all:x.example", 3, "followed by ':x.example'"),
        ("all/8", 3, "followed by"),
        ("=all", 0, "no mechanism and no modifier"),
        ("--all", 0, "no mechanism and no modifier"),
        ("-", 0, "no mechanism and no modifier"),
        ("redirect=", 9, "domain is missing"),
        ("redirect=x", 9, "not a full domain"),
        ("exp=%{d", 4, "percent"),
        ("redirect:x.example", 0, "no mechanism 'redirect'"),
        ("a:%{c}.example", 2, "exp="),
        ("moo=%", 4, "percent"),
        ("a:x.example\x00", 11, "character '\\x00'"),
        ("a:é.example", 2, "character '\\xe9'"),
        ("a\t-all", 1, "character '\\t'"),
    ],
)
def test_an_error_anywhere_says_where(term: str, at: int, said: str) -> None:
    with pytest.raises(SpfRecordError) as caught:
        SpfRecord.parse(f"v=spf1 mx {term} -all")
    assert said in str(caught.value)
    assert caught.value.position == len("v=spf1 mx ") + at
    assert str(caught.value).endswith(f"(character {caught.value.position + 1})")


@pytest.mark.parametrize("name", ["redirect", "exp"])
def test_redirect_and_exp_stand_there_once(name: str) -> None:
    with pytest.raises(SpfRecordError, match="twice"):
        SpfRecord.parse(f"v=spf1 {name}=x.example {name}=x.example")


@pytest.mark.parametrize(
    "domain",
    [
        "x.example.",
        "foo:bar/baz.example",
        "x.a-b",
        "x.1a",
        "%{d}",
        "a.%{d}",
        "a%%b.example",
        "x%-",
        "x.12-34",
    ],
)
def test_domains_may_look_strange(domain: str) -> None:
    assert SpfRecord.parse(f"v=spf1 a:{domain}").mechanisms[0].domain


TERMS = st.text(st.sampled_from("+-~?aemxiplrdct:/=.%{}0129_ \té"), max_size=60)


@settings(max_examples=60)
@given(TERMS | st.text(max_size=40))
def test_any_text_is_read_or_refused(terms: str) -> None:
    text = f"v=spf1 {terms}"
    error: SpfRecordError | None = None
    try:
        assert SpfRecord.parse(text).text == text
    except SpfRecordError as exc:
        error = exc
    assert error is None or (
        error.position in range(len(text)) and str(error).isprintable()
    )


@pytest.mark.parametrize(
    "piece", ["a:" + "x" * 60_000 + "!", "a/" + "1" * 60_000, "a/" * 30_000]
)
def test_hostile_records_are_read_in_one_pass(piece: str) -> None:
    with pytest.raises(SpfRecordError):
        SpfRecord.parse(f"v=spf1 {piece}")

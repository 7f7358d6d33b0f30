"""What may be asked, and in which spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.lookup.answer import MAX_NAME, NotAName, dns_name
from smtpbook.lookup.zone import Zone


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG.", "example.org"),
        ("_dmarc.Bücher.example", "_dmarc.xn--bcher-kva.example"),
        ("s1._domainkey.example.org", "s1._domainkey.example.org"),
        ("1/25.2.0.192.in-addr.arpa", "1/25.2.0.192.in-addr.arpa"),
    ],
)
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    assert dns_name(text) == name
    assert dns_name(name) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty name"),
        (".", "empty name"),
        ("a..example", "label that is empty"),
        ("a" * 64 + ".example", "more than 63"),
        ("a." * 127 + "example", "more than 253"),
        ("a b.example", "no name in the DNS"),
        ("a\x07b.example", "no name in the DNS"),
        ("a\u202eb.example", "not a domain name"),
        ("ü" * 100_000, "no name in the DNS|not a domain name|domain longer"),
    ],
)
def test_what_cannot_be_a_name_is_said_to_be_none(text: str, why: str) -> None:
    with pytest.raises(NotAName, match=why):
        dns_name(text)
    answer = Zone({}, is_world=True).look_up(text, "A")
    assert answer.status == "no_name"
    assert answer.error


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        name = dns_name(text)
    except NotAName as exc:
        name = str(exc)
        is_refused = True
    else:
        is_refused = False
    assert name.isprintable()
    assert is_refused or (len(name) <= MAX_NAME and dns_name(name) == name)

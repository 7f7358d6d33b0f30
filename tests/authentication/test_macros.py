"""Macros of SPF records: RFC 7208 section 7, with the examples of section 7.4."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.macros import (
    MacroError,
    expand,
    fitted,
    letters_of,
    parse_macros,
)
from smtpbook.lookup.answer import MAX_NAME

# The values of section 7.4.
VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "h": "mx.example.org",
    "i": "192.0.2.3",
    "c": "192.0.2.3",
    "v": "in-addr",
    "p": "mx.example.org",
}
I_OF_IPV6 = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"


def expanded(text: str, **values: str) -> str:
    return expand(parse_macros(text), (VALUES | values).__getitem__)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        (
            "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
            "3.2.0.192.in-addr.strong.lp._spf.example.com",
        ),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{L-}x%{D1}", "strong.badxcom"),
        ("%{d99999999999999999999}", "email.example.com"),
        ("a~b", "a~b"),
    ],
)
def test_the_standard_s_examples(text: str, value: str) -> None:
    assert expanded(text) == value


def test_the_standard_s_example_of_ipv6() -> None:
    assert expanded("%{ir}.%{v}._spf.%{d2}", i=I_OF_IPV6, v="ip6") == (
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
        ".ip6._spf.example.com"
    )


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("a%", 1, "percent"),
        ("%(d)", 0, "percent"),
        ("x%{a}", 1, "no macro %{a}"),
        ("%{d0}", 0, "no part"),
        ("%{d", 0, "percent"),
        ("%{d!}", 0, "percent"),
        ("%{2d}", 0, "percent"),
        ("a b", 1, "character ' '"),
        ("é", 0, "character"),
        ("%{c}", 0, "exp="),
        ("%{r}", 0, "exp="),
        ("%{T}", 0, "exp="),
    ],
)
def test_an_error_says_where(text: str, position: int, said: str) -> None:
    with pytest.raises(MacroError, match=r".") as caught:
        parse_macros(text)
    assert caught.value.position == position
    assert said in str(caught.value)


def test_an_explanation_may_hold_blanks_and_all_letters() -> None:
    parts = parse_macros("%{c} at %{t} by %{r}", in_explanation=True)
    assert letters_of(parts) == set("ctr")


def test_a_name_too_long_loses_labels_on_the_left() -> None:
    name = ".".join(["a" * 50] * 6)
    cut = fitted(name)
    assert cut == ".".join(["a" * 50] * 4)
    assert fitted("x" * (MAX_NAME + 1) + ".example") == "example"
    assert fitted("x.example.") == "x.example"


@settings(max_examples=60)
@given(st.text(st.sampled_from("%{}dslirv0123r.-+,/_= aé\0"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    position = 0
    try:
        assert letters_of(parse_macros(text, in_explanation=True)) <= set("dslirv")
    except MacroError as exc:
        position = exc.position
    assert position in range(len(text) + 1)
